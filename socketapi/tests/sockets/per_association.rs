//! What one association of a socket has for itself.

use std::time::{Duration, Instant};

use socketapi::{
    AssociationState, DelayedSack, Error, InitMessage, MemDriver, Notification, Notifications, PathState,
    PathStatus, Received, RtoInfo, SctpSocket, SctpStream, SendInfo, SocketBuilder, Stack,
};

use crate::support::{LONG, Pair, in_memory, soon, wait_until};

/// A server with two associations, whose names come with their clients.
struct Two {
    server: SctpSocket,
    clients: [SctpStream; 2],
    names: [socketapi::AssociationId; 2],
}

fn two(pair: &Pair) -> Two {
    let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
    server.set_read_timeout(Some(LONG));
    let address = server.local_addr().unwrap();
    let [first, second] = [(); 2].map(|()| {
        let client = SctpStream::connect(&pair.client, address).unwrap();
        client.set_read_timeout(Some(LONG));
        client.send(b"hello", &SendInfo::new()).unwrap();
        let name = server.recv_message().unwrap().info.association;
        (client, name)
    });
    Two { server, clients: [first.0, second.0], names: [first.1, second.1] }
}

/// RFC 6458, 8: an option of one association is read where it was set.
#[test]
fn options_of_one_association_are_read_and_set_apart() {
    let pair = in_memory();
    let Two { server, clients: _clients, names: [first, second] } = two(&pair);
    let before = server.options().rto_info().unwrap();
    let rto = RtoInfo { initial: before.initial, min: Duration::from_millis(300), max: before.max };
    server.options_of(first).set_rto_info(rto).unwrap();
    assert_eq!(server.options_of(first).rto_info().unwrap(), rto);
    assert_eq!(server.options_of(second).rto_info().unwrap(), before);
    assert_eq!(server.options().rto_info().unwrap(), before);

    let sack = DelayedSack { delay: Duration::from_millis(30), frequency: 1 };
    server.options_of(second).set_delayed_sack(sack).unwrap();
    assert_eq!(server.options_of(second).delayed_sack().unwrap(), sack);
    assert_ne!(server.options_of(first).delayed_sack().unwrap(), sack);

    let init = InitMessage { outbound_streams: 3, max_inbound_streams: 4, max_attempts: 5 };
    server.options().set_init_message(init).unwrap();
    assert_eq!(server.options().init_message().unwrap(), init);
    assert_eq!(server.options().association_parameters().unwrap().association_max_retrans, 10);
    server.shutdown(first).unwrap();
    wait_until("it has ended", || server.associations() == [second]);
    assert!(matches!(server.options_of(first).parameters(), Err(Error::NoAssociation)));
}

/// RFC 6458, 8.1.25.
#[test]
fn a_context_comes_back_with_each_message_of_its_association() {
    let pair = in_memory();
    let Two { server, clients: [first, second], names } = two(&pair);
    server.options().set_context(7).unwrap();
    server.options_of(names[1]).set_context(8).unwrap();
    assert_eq!(names.map(|name| server.options_of(name).context()), [7, 8]);
    for (client, context) in [(&first, 7), (&second, 8)] {
        client.send(b"x", &SendInfo::new().context(99)).unwrap();
        assert_eq!(server.recv_message().unwrap().info.context, context);
    }
    let stream = server.peel_off(names[1]).unwrap();
    second.send(b"x", &SendInfo::new()).unwrap();
    assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().info.context, 8);
    assert!(matches!(server.options_of(names[1]).set_context(1), Err(Error::NoAssociation)));
}

/// RFC 6458, 6.2.2 and 6.1.9.
#[test]
fn one_association_is_subscribed_to_for_itself() {
    let pair = in_memory();
    let Two { server, clients: [_first, second], names } = two(&pair);
    server.subscribe_to(names[0], Notifications::SENDER_DRY).unwrap();
    // It has sent nothing: it is dry.
    let Received::Notification(Some(name), Notification::SenderDry) = server.receive().unwrap() else {
        panic!("the other one is not asked for");
    };
    assert_eq!(name, names[0]);
    server.send(names[1], b"x", &SendInfo::new()).unwrap();
    assert_eq!(second.recv_message().unwrap().unwrap().len(), 1);
    server.send(names[0], b"x", &SendInfo::new()).unwrap();
    assert!(matches!(server.receive().unwrap(), Received::Notification(Some(name), _) if name == names[0]));
    assert!(server.try_receive().unwrap().is_none());
    // A stream of its own has one choice only.
    let stream = server.peel_off(names[0]).unwrap();
    stream.subscribe(Notifications::NONE).unwrap();
    stream.send(b"x", &SendInfo::new()).unwrap();
    wait_until("it is acknowledged", || !stream.status().unwrap().has_unacknowledged);
    assert!(stream.try_peek().unwrap().is_none());
}

/// RFC 6458, 5.3.4 (`SCTP_SENDALL`).
#[test]
fn one_message_is_sent_to_all_that_are_up() {
    let pair = in_memory();
    let Two { server, clients, names } = two(&pair);
    assert!(server.send_to_all(b"to all", &SendInfo::new().ppid(6)).is_empty());
    for client in &clients {
        let message = client.recv_message().unwrap().unwrap();
        assert_eq!((message.info.ppid, message.into_bytes()), (6, (&b"to all"[..]).into()));
    }
    let failed = server.send_to_all(b"no such stream", &SendInfo::new().stream(9_999));
    assert_eq!(failed.len(), 2, "{failed:?}");
    server.abort(names[0], b"").unwrap();
    assert!(server.send_to_all(b"the rest", &SendInfo::new()).is_empty());
    assert_eq!(clients[1].recv_message().unwrap().unwrap().len(), 8);
}

/// RFC 6458, 5.3.1 and 8.2.2.
#[test]
fn an_association_begins_with_parameters_of_its_own_and_is_found_by_address() {
    let pair = in_memory();
    let (_listener, address) = pair.listen();
    let client = SocketBuilder::new(&pair.client).one_to_many_client().unwrap();
    assert_eq!(client.find(address).unwrap(), None);
    let id = client.connect_with(address, |config| config.outbound_streams = 33).unwrap();
    client.wait_connected(id).unwrap();
    assert_eq!(client.find(address).unwrap(), Some(id));
    let status = client.status(id).unwrap();
    assert_eq!((status.state, status.outbound_streams), (AssociationState::Established, 33));
    assert_eq!(client.options().init_message().unwrap().outbound_streams, 10);
}

/// RFC 6458, 8.1.2 and 8.2.1.
#[test]
fn the_status_tells_what_is_under_way() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    client.options().set_max_segment(500).unwrap();
    let status = client.status().unwrap();
    assert_eq!(status.fragmentation_point, 500);
    assert_eq!(status.local_addresses, pair.client.local_addresses());
    assert_eq!((status.unacknowledged_chunks, status.queued_messages), (0, 0));
    let (before, full) = (server.status().unwrap(), status.peer_window);
    client.send(&[1; 900], &SendInfo::new()).unwrap();
    wait_until("it is acknowledged", || !client.status().unwrap().has_unacknowledged);
    let after = server.status().unwrap();
    assert_eq!(client.status().unwrap().peer_window, full - 900);
    assert_eq!(after.local_window.unwrap(), before.local_window.unwrap() - 900);
    assert_eq!(after.cumulative_tsn.unwrap(), before.cumulative_tsn.unwrap().wrapping_add(2), "two chunks");
}

#[test]
fn a_connect_with_a_timeout_ends_in_time_and_leaves_nothing() {
    let [ours, theirs] = [[10, 9, 0, 1], [10, 9, 0, 2]].map(|address| [address.into()]);
    let (driver, _silence) = MemDriver::pair(ours, theirs, 1500).unwrap();
    let stack = Stack::builder().driver(driver).build().unwrap();
    let begun = Instant::now();
    let refused = SctpStream::connect_timeout(&stack, "10.9.0.2:5000", Duration::from_millis(20));
    assert!(matches!(refused, Err(Error::TimedOut)) && begun.elapsed() >= Duration::from_millis(20));
    wait_until("it is forgotten", || stack.associations().is_empty());

    let pair = in_memory();
    let (_listener, address) = pair.listen();
    let stream = SctpStream::connect_timeout(&pair.client, address, LONG).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert_eq!(stream.local_addr().unwrap().ip(), pair.client.local_addresses()[0]);
}

/// RFC 6458, 8.1.12: of one address, of an association, of those to come.
#[test]
fn one_path_has_parameters_of_its_own() {
    let pair = in_memory();
    let Two { server, clients: _clients, names: [first, second] } = two(&pair);
    let addresses = server.peer_addrs(first).unwrap();
    let [one, other] = [addresses[0].ip(), addresses[1].ip()].map(Some);
    let options = server.options_of(first);
    let before = options.path_parameters(one).unwrap();
    options.change_path(one, |path| (path.hb_interval, path.dscp) = (None, Some(0x88))).unwrap();
    let changed = options.path_parameters(one).unwrap();
    assert_eq!((changed.hb_interval, changed.dscp), (None, Some(0x88)));
    assert_eq!(options.path_parameters(other).unwrap(), before);
    options.change_path(None, |path| path.sack_delay = Duration::from_millis(20)).unwrap();
    for remote in [one, other, None] {
        assert_eq!(options.path_parameters(remote).unwrap().sack_delay, Duration::from_millis(20));
    }
    assert_eq!(options.path_parameters(one).unwrap().dscp, Some(0x88), "it keeps its own");
    assert_eq!(server.status(first).unwrap().paths[0].parameters, options.path_parameters(one).unwrap());
    for untouched in [server.options(), server.options_of(second)] {
        assert_eq!(untouched.path_parameters(None).unwrap(), before);
    }
    let nobody = Some([192, 0, 2, 1].into());
    assert!(matches!(options.change_path(nobody, |_| ()), Err(Error::Command(_))));
    assert!(matches!(options.path_parameters(nobody), Err(Error::Command(_))));
}

/// RFC 6458, 5.3.4 (`SCTP_ADDR_OVER`): the message takes the path that it was told.
#[test]
fn one_message_is_sent_to_an_address_of_its_own() {
    let pair = in_memory();
    let (client, server) = pair.connected();
    let other = client.peer_addrs().unwrap()[1].ip();
    let is_active = |path: &PathStatus| path.address == other && path.state == PathState::Active;
    wait_until("it is confirmed", || client.status().unwrap().paths.iter().any(is_active));
    client.send(b"round the corner", &SendInfo::new().path(other)).unwrap();
    assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 16);
    let nobody = SendInfo::new().path([192, 0, 2, 1].into());
    assert!(matches!(client.send(b"x", &nobody), Err(Error::Send(_))));
}
