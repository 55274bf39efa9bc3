//! Random arrivals against a simple model.

use super::*;
use proptest::prelude::*;

/// What the sender sends: stream, ordered or not, lengths of the fragments.
#[derive(Clone, Debug)]
struct Sent {
    stream_id: u16,
    unordered: bool,
    fragments: Vec<usize>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let fragments = prop::collection::vec(1usize..40, 1..6);
    (0..4u16, any::<bool>(), fragments).prop_map(|(stream_id, unordered, fragments)| Sent {
        stream_id,
        unordered,
        fragments,
    })
}

/// The chunks of these messages, and the messages' texts.
fn chunks_of(messages: &[Sent]) -> (Vec<DataChunk>, Vec<Vec<u8>>) {
    let (mut chunks, mut texts) = (Vec::new(), Vec::new());
    let mut ssns = [0u16; 4];
    for (number, sent) in messages.iter().enumerate() {
        let ssn = ssns[usize::from(sent.stream_id)];
        ssns[usize::from(sent.stream_id)] += u16::from(!sent.unordered);
        let mut text = Vec::new();
        for (index, &len) in sent.fragments.iter().enumerate() {
            let piece: Vec<u8> = (0..len).map(|byte| (number * 31 + index * 7 + byte) as u8).collect();
            let flags = [
                if sent.unordered { "U" } else { "" },
                if index == 0 { "B" } else { "" },
                if index + 1 == sent.fragments.len() { "E" } else { "" },
            ];
            chunks.push(chunk(chunks.len() as u32, sent.stream_id, ssn, &flags.concat(), &piece));
            text.extend(piece);
        }
        texts.push(text);
    }
    (chunks, texts)
}

proptest! {
    /// RFC 9260, 6.6: whatever the order of arrival and the duplicates, each message is delivered once,
    /// those of a stream in the order in which they were sent, and then nothing is held any more.
    /// RFC 9260, 6.
    #[test]
    fn messages_survive_any_order_of_arrival(
        messages in prop::collection::vec(sent(), 1..30),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..400),
        reads in prop::collection::vec(any::<bool>(), 400),
    ) {
        let (chunks, texts) = chunks_of(&messages);
        let mut harness = Harness::new();
        let mut received = Vec::new();
        let picked = picks.iter().map(|pick| pick.get(&chunks));
        for (index, data) in picked.chain(&chunks).enumerate() {
            let outcome = harness.packet(data.clone());
            prop_assert!(matches!(outcome, DataOutcome::Accepted | DataOutcome::Duplicate), "{:?}", outcome);
            if reads.get(index).is_some_and(|&read| read) {
                received.extend(harness.receiver.read(harness.now));
            }
        }
        received.extend(core::iter::from_fn(|| harness.receiver.read(harness.now)));
        prop_assert_eq!(harness.receiver.held_bytes(), 0);
        prop_assert_eq!(harness.sack().cumulative_tsn_ack, tsn(chunks.len() as u32 - 1));
        prop_assert_eq!(received.len(), texts.len());
        for stream_id in 0..4 {
            let sent: Vec<&Vec<u8>> = messages.iter().zip(&texts)
                .filter(|(sent, _)| sent.stream_id == stream_id && !sent.unordered).map(|(_, text)| text).collect();
            let got: Vec<Vec<u8>> = received.iter()
                .filter(|message| message.stream_id == stream_id && !message.unordered)
                .map(|message| message.clone().into_bytes().to_vec()).collect();
            prop_assert_eq!(got.iter().collect::<Vec<_>>(), sent);
        }
        let mut all: Vec<Vec<u8>> = received.into_iter().map(|message| message.into_bytes().to_vec()).collect();
        let mut texts = texts;
        all.sort();
        texts.sort();
        prop_assert_eq!(all, texts);
    }

    /// Any chunks at all: no panic, the memory bound holds, and what is missing is never acknowledged.
    #[test]
    fn nothing_that_a_peer_sends_breaks_the_bounds(
        inputs in prop::collection::vec((0u32..300, 0u16..12, 0u16..4, 0u8..16, 1usize..3_000), 0..400),
        reads in prop::collection::vec(any::<bool>(), 400),
    ) {
        let config = AssociationConfig {
            receive_buffer: 8_000, max_message_size: 6_000, ..AssociationConfig::default()
        };
        let mut harness = Harness::with(&config);
        let mut accepted = std::collections::BTreeSet::new();
        for (&(offset, stream_id, ssn, flags, len), read) in inputs.iter().zip(reads) {
            let mut data = chunk(offset, stream_id, ssn, "", &vec![0; len]);
            data.flags = DataFlags::from_bits(flags);
            match harness.packet(data) {
                DataOutcome::Accepted | DataOutcome::InvalidStream { .. } => drop(accepted.insert(offset)),
                DataOutcome::Duplicate => prop_assert!(accepted.contains(&offset)),
                DataOutcome::NoBuffer => prop_assert!(harness.receiver.sack_wanted()),
                DataOutcome::Violation(_) => break,
            }
            prop_assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
            if read {
                harness.receiver.read(harness.now);
            }
            let in_order = (0..).take_while(|offset| accepted.contains(offset)).count() as u32;
            let sack = harness.receiver.make_sack(harness.now, usize::MAX);
            prop_assert_eq!(sack.cumulative_tsn_ack, tsn(in_order).prev());
            let gaps: Vec<u32> = sack.gap_blocks.iter()
                .flat_map(|block| block.start..=block.end).map(|gap| in_order + u32::from(gap) - 1).collect();
            prop_assert_eq!(gaps, accepted.range(in_order..).copied().collect::<Vec<_>>());
        }
    }
}
