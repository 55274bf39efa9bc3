//! The same messages in DATA and in I-DATA chunks, arriving in the same order: both receivers must take, acknowledge and
//! deliver them alike.
//!
//! The input: how many messages; for each a byte with stream, unordered mark and number of fragments; then which
//! fragment arrives next, relative to the first one that has not.

use bytes::Bytes;
use sctp_core::config::AssociationConfig;
use sctp_core::message::Message;
use sctp_core::rx::Receiver;
use sctp_core::serial::{Mid, Ssn, Tsn};
use sctp_core::time::Time;
use sctp_core::wire::chunk::{DataChunk, DataFlags, IDataChunk, IDataHeader};

/// Near the wrap.
const INITIAL_TSN: Tsn = Tsn(u32::MAX - 20);
const STREAMS: u16 = 4;
const MAX_MESSAGES: usize = 40;

/// Two receivers that are told the same.
struct Twins {
    plain: Receiver,
    interleaved: Receiver,
    now: Time,
}

/// Feeds both. Panics where they differ.
pub fn data_and_i_data(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let (kinds, arrivals) = rest.split_at((usize::from(count) % MAX_MESSAGES).min(rest.len()));
    let fragments = fragments(kinds);
    let mut missing: Vec<usize> = (0..fragments.len()).collect();
    let mut twins = Twins::new();
    let mut delivered = 0;
    for &pick in arrivals.iter().take(500) {
        let Some(&first) = missing.first() else { break };
        let index = (first + usize::from(pick % 32)).saturating_sub(4).min(fragments.len() - 1);
        delivered += twins.arrive(&fragments[index]);
        missing.retain(|&other| other != index);
    }
    delivered += missing.into_iter().map(|index| twins.arrive(&fragments[index])).sum::<usize>();
    assert_eq!(delivered, kinds.len(), "all has come");
}

/// The chunks of all messages in the order of their TSNs.
fn fragments(kinds: &[u8]) -> Vec<(DataChunk, IDataChunk)> {
    let mut fragments = Vec::new();
    let mut next = [[Mid(0); STREAMS as usize]; 2];
    for &kind in kinds {
        let (stream_id, unordered, last) =
            (u16::from(kind) % STREAMS, kind & 4 != 0, u32::from(kind >> 3 & 3));
        let mid = &mut next[usize::from(unordered)][usize::from(stream_id)];
        for fsn in 0..=last {
            let tsn = INITIAL_TSN.plus(fragments.len() as u32);
            let flags = DataFlags { unordered, begin: fsn == 0, end: fsn == last, ..DataFlags::default() };
            fragments.push(fragment(tsn, stream_id, *mid, fsn, flags));
        }
        *mid = mid.next();
    }
    fragments
}

fn fragment(tsn: Tsn, stream_id: u16, mid: Mid, fsn: u32, flags: DataFlags) -> (DataChunk, IDataChunk) {
    let payload = Bytes::copy_from_slice(&tsn.0.to_be_bytes());
    let ppid = 7;
    // An unordered DATA chunk has no number.
    let ssn = if flags.unordered { Ssn(0) } else { Ssn(mid.0 as u16) };
    let plain = DataChunk { tsn, stream_id, ssn, ppid, flags, payload: payload.clone() };
    let ppid_or_fsn = if flags.begin { ppid } else { fsn };
    let header = IDataHeader { tsn, stream_id, mid, ppid_or_fsn, flags };
    (plain, IDataChunk { header, payload })
}

impl Twins {
    fn new() -> Self {
        let config = AssociationConfig::default();
        let receiver = || Receiver::new(&config, INITIAL_TSN, STREAMS);
        Self { plain: receiver(), interleaved: receiver().interleaved(&config), now: Time::from_millis(1) }
    }

    /// A fragment arrives alone; how many messages it makes readable.
    fn arrive(&mut self, (plain, interleaved): &(DataChunk, IDataChunk)) -> usize {
        let now = self.now;
        let outcomes = [
            self.plain.handle_data(now, plain.clone()),
            self.interleaved.handle_data(now, interleaved.clone()),
        ];
        assert_eq!(outcomes[0], outcomes[1], "{plain:?}");
        let [read, expected] = [&mut self.interleaved, &mut self.plain].map(|receiver| {
            receiver.end_of_packet(now);
            let read: Vec<_> = std::iter::from_fn(|| receiver.read(now)).map(facts).collect();
            (read, receiver.make_sack(now, 65_000))
        });
        assert_eq!(read, expected);
        read.0.len()
    }
}

/// What the reader sees but for numbers that DATA does not have.
fn facts(message: Message) -> (u16, bool, u32, Tsn, Bytes) {
    (message.stream_id, message.unordered, message.ppid, message.tsn, message.into_bytes())
}
