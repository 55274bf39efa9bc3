//! Listener and stream.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use socketapi::{
    AssociationState, DelayedSack, End, Error, LossReason, Multipath, Options, PathState, SctpListener,
    SctpStream, SendInfo, SocketBuilder,
};

use crate::support::{LONG, Pair, in_memory, over_udp, pattern, soon, start, wait_until};

#[test]
fn messages_keep_boundaries_stream_ppid_and_order() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        for number in 0..100_u32 {
            let info = SendInfo::new().stream((number % 10) as u16).ppid(0x0102_0304 + number);
            client.send(&pattern(1 + number as usize * 37), &info).unwrap();
        }
        for number in 0..100_u32 {
            let message = server.recv_deadline(soon()).unwrap().unwrap();
            assert_eq!(message.info.stream, (number % 10) as u16);
            assert_eq!(message.info.ppid, 0x0102_0304 + number);
            assert_eq!(u32::from(message.info.ssn), number / 10);
            assert!(!message.info.unordered && message.info.end_of_record);
            assert_eq!(message.into_bytes(), pattern(1 + number as usize * 37));
        }
    });
}

#[test]
fn an_unordered_message_says_so() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.send(b"now", &SendInfo::new().unordered()).unwrap();
        assert!(server.recv_deadline(soon()).unwrap().unwrap().info.unordered);
    });
}

#[test]
fn a_large_message_arrives_whole_in_both_directions() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        let sent = Bytes::from(pattern(700_000));
        let copy = sent.clone();
        let echo = start(move || {
            let message = server.recv_deadline(soon()).unwrap().unwrap();
            server.send_bytes(message.into_bytes(), &SendInfo::new()).unwrap();
            server
        });
        client.send_bytes(sent, &SendInfo::new()).unwrap();
        assert_eq!(client.recv_deadline(soon()).unwrap().unwrap().into_bytes(), copy);
        drop(echo.finish());
    });
}

#[test]
fn a_short_read_leaves_the_rest_for_the_next() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        let sent = pattern(200_000);
        client.send(&sent, &SendInfo::new().stream(2).ppid(9)).unwrap();
        client.send(b"next", &SendInfo::new()).unwrap();
        server.set_read_timeout(Some(LONG));
        let mut read = Vec::new();
        let mut buffer = [0; 7_001];
        loop {
            let (len, info) = server.recv(&mut buffer).unwrap().unwrap();
            assert_eq!((info.stream, info.ppid), (2, 9));
            read.extend_from_slice(&buffer[..len]);
            if info.end_of_record {
                break;
            }
            assert_eq!(len, buffer.len());
        }
        assert_eq!(read, sent);
        let (len, info) = server.recv(&mut buffer).unwrap().unwrap();
        assert_eq!((&buffer[..len], info.end_of_record), (&b"next"[..], true));
    });
}

#[test]
fn shutdown_delivers_what_was_sent_and_then_ends() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        for _ in 0..50 {
            client.send(&pattern(3_000), &SendInfo::new()).unwrap();
        }
        client.shutdown().unwrap();
        assert!(matches!(client.send(b"late", &SendInfo::new()), Err(Error::ShuttingDown)));
        for _ in 0..50 {
            assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 3_000);
        }
        assert!(server.recv_deadline(soon()).unwrap().is_none(), "the end");
        client.set_read_timeout(Some(LONG));
        assert_eq!(client.wait_ended().unwrap(), End::Shutdown);
        assert!(client.recv_message().unwrap().is_none());
    });
}

#[test]
fn a_set_up_has_succeeded_also_if_the_peer_has_shut_down_before_anybody_looked() {
    Pair::each(|pair| {
        let (listener, address) = pair.listen();
        let client = SocketBuilder::new(&pair.client).nonblocking().connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.send(b"last", &SendInfo::new()).unwrap();
        server.shutdown().unwrap();
        wait_until("the end", || client.wait_ended().is_ok());
        client.wait_connected().unwrap();
        assert_eq!(client.recv_message().unwrap().unwrap().len(), 4);
        assert!(client.recv_message().unwrap().is_none());
    });
}

#[test]
fn an_abort_reaches_the_peer_with_its_reason() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.abort(b"enough").unwrap();
        let error = server.recv_deadline(soon()).unwrap_err();
        // RFC 9260, 3.3.10.12: User-Initiated Abort.
        let Error::Lost(LossReason::PeerAborted { cause: Some(12), value }) = &error else {
            panic!("{error}")
        };
        assert_eq!(&value[..], b"enough");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(matches!(client.recv_deadline(soon()), Err(Error::Lost(LossReason::UserAborted))));
        assert!(matches!(server.send(b"late", &SendInfo::new()), Err(Error::Lost(_))));
    });
}

#[test]
fn dropping_a_stream_ends_it_in_good_order() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.send(&pattern(100_000), &SendInfo::new()).unwrap();
        drop(client);
        assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 100_000);
        assert!(server.recv_deadline(soon()).unwrap().is_none());
    });
}

#[test]
fn closing_with_unread_messages_aborts_so_that_the_peer_knows() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.send(b"never read", &SendInfo::new()).unwrap();
        wait_until("the message", || server.socket().readiness().0);
        drop(server);
        let error = client.recv_deadline(soon()).unwrap_err();
        assert!(matches!(error, Error::Lost(LossReason::PeerAborted { .. })), "{error}");
    });
}

#[test]
fn closing_with_half_a_message_read_aborts_too() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    client.send(b"never read to its end", &SendInfo::new()).unwrap();
    server.set_read_timeout(Some(LONG));
    assert_eq!(server.recv(&mut [0; 5]).unwrap().unwrap().0, 5);
    drop(server);
    let error = client.recv_deadline(soon()).unwrap_err();
    assert!(matches!(error, Error::Lost(LossReason::PeerAborted { .. })), "{error}");
}

#[test]
fn zero_linger_aborts_on_close() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.options().set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let error = server.recv_deadline(soon()).unwrap_err();
        assert!(matches!(error, Error::Lost(LossReason::PeerAborted { .. })), "{error}");
    });
}

#[test]
fn a_linger_waits_until_the_peer_has_everything() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.options().set_linger(Some(LONG)).unwrap();
        client.send(&pattern(500_000), &SendInfo::new()).unwrap();
        drop(client);
        // Close has returned, so the peer's stack has all of it. (SHUTDOWN COMPLETE may be on its way.)
        let state = server.status().unwrap().state;
        assert!(matches!(state, AssociationState::ShutdownAckSent | AssociationState::Closed), "{state:?}");
        assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 500_000);
        assert!(server.recv_deadline(soon()).unwrap().is_none());
    });
}

#[test]
fn past_the_backlog_associations_are_aborted() {
    Pair::each(|pair| {
        let listener =
            SocketBuilder::new(&pair.server).bind((pair.server_address, 0)).backlog(2).listen().unwrap();
        let address =
            SocketAddr::new(pair.server_address.parse().unwrap(), listener.local_addrs().unwrap()[0].port());
        let waiting: Vec<_> = (0..2).map(|_| SctpStream::connect(&pair.client, address).unwrap()).collect();
        assert!(SctpStream::connect(&pair.client, address).is_err(), "the third finds the backlog full");
        for _ in 0..2 {
            listener.accept_deadline(soon()).unwrap();
        }
        let again = SctpStream::connect(&pair.client, address).unwrap();
        assert!(listener.accept_deadline(soon()).is_ok());
        drop((waiting, again));
    });
}

#[test]
fn closing_a_listener_ends_what_nobody_accepted_and_frees_the_port() {
    Pair::each(|pair| {
        let (listener, address) = pair.listen();
        let client = SctpStream::connect(&pair.client, address).unwrap();
        let speaker = SctpStream::connect(&pair.client, address).unwrap();
        speaker.send(b"to nobody", &SendInfo::new()).unwrap();
        wait_until("the acknowledgement", || speaker.status().unwrap().unacknowledged_chunks == 0);
        drop(listener);
        assert!(matches!(client.recv_deadline(soon()), Ok(None)));
        // What it said is lost: it has to learn of that.
        assert!(matches!(speaker.recv_deadline(soon()), Err(Error::Lost(_))));
        assert!(SctpListener::bind(&pair.server, address).is_ok());
    });
}

#[test]
fn an_accepted_stream_outlives_its_listener() {
    Pair::each(|pair| {
        // `connected` drops the listener.
        let (server, client) = pair.connected();
        server.send(b"still here", &SendInfo::new()).unwrap();
        assert_eq!(client.recv_deadline(soon()).unwrap().unwrap().into_bytes(), &b"still here"[..]);
    });
}

#[test]
fn a_port_has_one_owner() {
    let pair = in_memory();
    let (_listener, address) = pair.listen();
    let error = SctpListener::bind(&pair.server, address).unwrap_err();
    assert!(matches!(error, Error::PortInUse(port) if port == address.port()));
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::AddrInUse);
    let foreign = SctpListener::bind(&pair.server, "192.0.2.1:0").unwrap_err();
    assert!(matches!(foreign, Error::NotLocal(_)));
}

#[test]
fn nobody_listening_fails_the_connect_with_a_reason() {
    Pair::each(|pair| {
        let error = SctpStream::connect(&pair.client, (pair.server_address, 7)).unwrap_err();
        assert!(matches!(error, Error::Lost(LossReason::PeerAborted { .. })), "{error}");
    });
}

#[test]
fn several_addresses_make_several_paths() {
    let pair = in_memory();
    let listener = SctpListener::bind(&pair.server, "0.0.0.0:5000").unwrap();
    let peer: Vec<SocketAddr> = vec!["10.0.1.1:5000".parse().unwrap(), "10.0.0.1:5000".parse().unwrap()];
    let client = SctpStream::connect(&pair.client, &peer[..]).unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    assert_eq!(client.peer_addrs().unwrap(), peer, "the first is the primary one");
    assert_eq!(server.peer_addrs().unwrap().len(), 2);
    assert_eq!(client.local_addrs().unwrap().len(), 2);
    wait_until("both paths confirmed", || {
        client.status().unwrap().paths.iter().all(|path| path.state == PathState::Active)
    });
    client.set_primary(peer[1].ip()).unwrap();
    assert_eq!(client.status().unwrap().primary, Some(peer[1].ip()));
    assert!(client.set_primary([192, 0, 2, 9].into()).is_err());
}

#[test]
fn data_takes_several_paths_at_once_if_it_may() {
    let pair = in_memory();
    let listener = SctpListener::bind(&pair.server, "0.0.0.0:5000").unwrap();
    let peer: Vec<SocketAddr> = vec!["10.0.1.1:5000".parse().unwrap(), "10.0.0.1:5000".parse().unwrap()];
    let client = SctpStream::connect(&pair.client, &peer[..]).unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    wait_until("both paths confirmed", || {
        client.status().unwrap().paths.iter().all(|path| path.state == PathState::Active)
    });
    client.options().set_multipath(Multipath::Concurrent).unwrap();
    let payload = vec![7; 100_000];
    for _ in 0..50 {
        client.send(&payload, &SendInfo::new()).unwrap();
        assert_eq!(server.recv_message().unwrap().expect("a message").into_bytes(), payload);
    }
    let windows: Vec<_> = client.status().unwrap().paths.iter().map(|path| path.cwnd).collect();
    assert!(windows.iter().all(|&cwnd| cwnd > 20_000), "a window grows only where data goes: {windows:?}");
}

#[test]
fn status_and_options_show_what_was_asked_for() {
    let pair = over_udp();
    let (listener, address) = pair.listen();
    let client = SocketBuilder::new(&pair.client).streams(3, 7).no_delay(true).connect(address).unwrap();
    let (server, peer) = listener.accept_deadline(soon()).unwrap();
    let status = client.status().unwrap();
    assert_eq!((status.state, status.outbound_streams), (AssociationState::Established, 3));
    assert_eq!(server.status().unwrap().inbound_streams, 3);
    assert_eq!(server.status().unwrap().outbound_streams, 7);
    assert_eq!(peer.ip().to_string(), "127.0.0.3");
    let error = client.send(b"x", &SendInfo::new().stream(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let options: Options<'_> = client.options();
    options.set_default_send_info(SendInfo::new().stream(1).ppid(5));
    assert!(options.parameters().unwrap().no_delay);
    // RFC 6458, 8.1.19; RFC 9260, 6.2: every second packet unless the user says otherwise.
    assert_eq!(options.delayed_sack().unwrap().frequency, 2);
    let delayed = DelayedSack { delay: Duration::from_millis(100), frequency: 4 };
    options.set_delayed_sack(delayed).unwrap();
    assert_eq!(options.delayed_sack().unwrap(), delayed);
    client.send_default(b"default").unwrap();
    let message = server.recv_deadline(soon()).unwrap().unwrap();
    assert_eq!((message.info.stream, message.info.ppid), (1, 5));
}
