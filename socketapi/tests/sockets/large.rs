//! Messages larger than the buffers, messages in pieces, and interleaved ones.

use bytes::Bytes;
use socketapi::{
    AssociationConfig, Error, FragmentInterleave, SctpStream, SendInfo, SocketBuilder, StreamScheduler,
};

use crate::support::{LONG, Pair, pattern, soon, start, wait_until};

const BUFFER: usize = 64 << 10;
const LARGE: usize = 8 << 20;

/// Both ends of an association with small buffers and large messages: the server's first.
fn connected(pair: &Pair, interleaving: bool) -> (SctpStream, SctpStream) {
    let mut config = AssociationConfig { max_message_size: LARGE, ..AssociationConfig::default() };
    (config.send_buffer, config.receive_buffer) = (BUFFER, BUFFER);
    config.extensions.interleaving = interleaving;
    let server = SocketBuilder::new(&pair.server).config(config.clone());
    let listener = server.bind((pair.server_address, 0)).listen().unwrap();
    let port = listener.local_addrs().unwrap()[0].port();
    let client = SocketBuilder::new(&pair.client).config(config);
    let client = client.connect((pair.server_address, port)).unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    (server, client)
}

/// Reads one message; how many pieces it came in.
fn read(stream: &SctpStream) -> (usize, Vec<u8>) {
    let (mut pieces, mut whole) = (0, Vec::new());
    loop {
        let message = stream.recv_deadline(soon()).unwrap().unwrap();
        let end = message.info.end_of_record;
        assert_eq!((message.info.stream, message.info.mid), (3, 0));
        whole.extend_from_slice(&message.into_bytes());
        pieces += 1;
        if end {
            return (pieces, whole);
        }
    }
}

/// RFC 6458, 8.1.20 and 8.1.21; RFC 9260, 6.9.
#[test]
fn a_message_passes_through_buffers_that_cannot_hold_it() {
    Pair::each(|pair| {
        for interleaving in [false, true] {
            let (server, client) = connected(pair, interleaving);
            let reader = start(move || read(&server));
            client.send_bytes(Bytes::from(pattern(LARGE)), &SendInfo::new().stream(3)).unwrap();
            let too_large = client.send_bytes(Bytes::from(vec![0; LARGE + 1]), &SendInfo::new());
            assert!(matches!(too_large, Err(Error::Send(_))), "{too_large:?}");
            let (pieces, whole) = reader.finish();
            assert!(pieces > 1 && whole == pattern(LARGE));
        }
    });
}

/// RFC 6458, 8.1.26.
#[test]
fn a_message_handed_over_in_many_sends_is_one() {
    Pair::each(|pair| {
        let (server, client) = connected(pair, true);
        client.options().set_explicit_eor(true);
        let reader = start(move || read(&server));
        let info = SendInfo::new().stream(3);
        let whole = Bytes::from(pattern(1 << 20));
        for at in (0..whole.len()).step_by(10_000) {
            let end = (at + 10_000).min(whole.len());
            let info = if end == whole.len() { info.end_of_record() } else { info };
            client.send_bytes(whole.slice(at..end), &info).unwrap();
        }
        assert!(reader.finish().1 == whole);
    });
}

/// RFC 6458, 8.1.20, level 0: while a message is delivered in pieces no other association is read.
#[test]
fn at_level_0_other_associations_wait_for_the_end_of_a_message() {
    Pair::each(|pair| {
        for level in [FragmentInterleave::Nothing, FragmentInterleave::Associations] {
            let partial_delivery_point = Some(1);
            let config = AssociationConfig {
                fragment_interleave: level,
                partial_delivery_point,
                ..Default::default()
            };
            let server = SocketBuilder::new(&pair.server).config(config).bind((pair.server_address, 0));
            let server = server.one_to_many().unwrap();
            server.set_read_timeout(Some(LONG));
            let port = server.local_addrs().unwrap()[0].port();
            let connect = || SctpStream::connect(&pair.client, (pair.server_address, port)).unwrap();
            let (first, second) = (connect(), connect());
            first.options().set_explicit_eor(true);
            first.send(b"begun, ", &SendInfo::new()).unwrap();
            let message = server.recv_message().unwrap();
            let association = message.info.association;
            assert!(!message.info.end_of_record);
            second.send(b"other", &SendInfo::new()).unwrap();
            let is_there = || {
                let ids = server.associations().into_iter().filter(|id| *id != association);
                ids.map(|id| server.status(id).unwrap().stats.data_chunks_received).sum::<u64>() == 1
            };
            wait_until("the other message", is_there);
            if level == FragmentInterleave::Nothing {
                assert!(server.try_receive().unwrap().is_none());
                first.send(b"ended", &SendInfo::new().end_of_record()).unwrap();
                let end = server.recv_message().unwrap();
                assert!(end.info.association == association && end.info.end_of_record);
            }
            assert_eq!(server.recv_message().unwrap().into_bytes(), "other");
        }
    });
}

/// RFC 8260, 4.3.2 and 4.3.3: chosen on a living association; a message of a stream with priority overtakes others.
#[test]
fn the_scheduler_and_the_priority_of_a_stream_are_options() {
    Pair::each(|pair| {
        let (server, client) = connected(pair, true);
        client.options().set_stream_scheduler(StreamScheduler::Priority).unwrap();
        client.options().set_stream_value(3, 9).unwrap();
        client.options().set_send_buffer(2 * LARGE).unwrap();
        let urgent = SendInfo::new().stream(1);
        let sender = start(move || {
            client.send_bytes(Bytes::from(pattern(LARGE)), &SendInfo::new().stream(3)).unwrap();
            client.send(b"urgent", &urgent).unwrap();
            client
        });
        let mut order = Vec::new();
        while order.len() < 2 {
            let info = server.recv_deadline(soon()).unwrap().unwrap().info;
            if info.end_of_record {
                order.push(info.stream);
            }
        }
        drop(sender.finish());
        assert_eq!(
            order,
            [1, 3],
            "its place in the send buffer came when the long message was still on its way"
        );
    });
}
