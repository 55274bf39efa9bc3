use std::time::{Duration, Instant};

use bytes::Bytes;
use socketapi::{Notification, Received, SctpStream, Transport};

use super::*;
use crate::Profile;

fn open(host: u8) -> Network {
    open_with(host, Profile::Fast.sctp_settings().association_config())
}

fn open_with(host: u8, config: AssociationConfig) -> Network {
    let address = [127, 79, 32, host];
    let stack = Stack::builder().transport(Transport::Udp).address(address).linger(Duration::ZERO);
    let binding = Binding { side: Side::Asap, addresses: Vec::new(), port: 3863, listen: true, config };
    Network::open(&stack.build().unwrap(), binding).unwrap()
}

fn await_event<T>(network: &mut Network, find: impl Fn(TransportEvent) -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < end, "nothing comes");
        match network.poll_event().unwrap().map(&find) {
            Some(Some(found)) => return found,
            Some(None) => {}
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn of_many_peers_that_do_not_read_the_one_with_the_largest_backlog_is_aborted() {
    let (mut server, mut client) = (open(1), open(2));
    let accepted = (0..5).map(|number| {
        let association = AssociationId::Outgoing(number);
        let peer = Peer { addresses: vec![[127, 79, 32, 1].into()], port: 3863 };
        client.execute(Command::Connect { association, side: Side::Asap, peer });
        await_event(&mut server, |event| match event {
            TransportEvent::Accepted { association, .. } => Some(association),
            _ => None,
        })
    });
    let accepted: Vec<_> = accepted.collect();
    let answer = Bytes::from(vec![0; 64 << 10]);
    let mut send = |association, bytes: usize| {
        for _ in 0..bytes / answer.len() {
            let message = UserMessage::new(0, answer.clone());
            server.execute(Command::Send { association, message });
        }
    };
    send(accepted[2], 60 << 20);
    accepted.iter().filter(|it| **it != accepted[2]).for_each(|association| send(*association, 54 << 20));
    let lost = await_event(&mut server, |event| match event {
        TransportEvent::Lost { association, reason } => Some((association, reason)),
        _ => None,
    });
    assert_eq!(lost, (accepted[2], LostReason::Local));
    assert_eq!(accepted.iter().filter(|association| server.has_backlog(**association)).count(), 4);
}

#[test]
fn who_does_not_read_what_he_asks_for_is_not_read_until_he_does() {
    let (mut server, mut client) = (open(13), open(14));
    server.await_readers();
    let association = AssociationId::Outgoing(0);
    let peer = Peer { addresses: vec![[127, 79, 32, 13].into()], port: 3863 };
    client.execute(Command::Connect { association, side: Side::Asap, peer });
    await_event(&mut client, |event| matches!(event, TransportEvent::Connected { .. }).then_some(()));
    let end = Instant::now() + Duration::from_secs(60);
    let (mut sent, mut read) = (0, 0);
    // Each message comes back, as from an echo service. What the client does with its own is its affair.
    let mut go_on = |server: &mut Network, client: &mut Network, asks: bool| {
        assert!(Instant::now() < end, "{read} of {sent} have come back");
        while asks && !client.has_backlog(association) {
            let message = UserMessage::new(0, Bytes::from(vec![0; 1000]));
            client.execute(Command::Send { association, message });
            sent += 1;
        }
        while let Some(event) = server.poll_event().unwrap() {
            match event {
                TransportEvent::Message { association, message } => {
                    server.execute(Command::Send { association, message });
                }
                other => assert!(matches!(other, TransportEvent::Accepted { .. }), "{other:?}"),
            }
        }
        while let Some(event) = client.poll_event().unwrap() {
            read += u32::from(matches!(event, TransportEvent::Message { .. }));
        }
        std::thread::sleep(Duration::from_millis(1));
        (sent, read)
    };
    client.control(Flow::Pause(association));
    while !server.links.values().any(|link| link.is_paused) {
        go_on(&mut server, &mut client, true);
    }
    client.control(Flow::Resume(association));
    let mut counts = (1, 0);
    while counts.0 != counts.1 {
        counts = go_on(&mut server, &mut client, false);
    }
    assert!(server.links.values().all(|link| !link.is_paused));
}

#[test]
fn who_has_no_address_of_the_peer_s_family_has_not_lost_him() {
    let mut network = open(15);
    let association = AssociationId::Outgoing(0);
    let peer = Peer { addresses: vec!["2001:db8::1".parse().unwrap()], port: 3863 };
    network.execute(Command::Connect { association, side: Side::Asap, peer });
    let lost = TransportEvent::Lost { association, reason: LostReason::Local };
    assert_eq!(network.poll_event().unwrap(), Some(lost));
}

#[test]
fn a_flood_at_one_socket_does_not_keep_what_comes_to_another_waiting() {
    const FLOOD: usize = 300;
    let (mut server, mut client) = (open(3), open(4));
    let config = Profile::Fast.sctp_settings().association_config();
    let binding = Binding { side: Side::Enrp, addresses: Vec::new(), port: 9901, listen: true, config };
    server.bind(binding).unwrap();
    let [flood, other] = [(1, Side::Asap, 3863), (2, Side::Enrp, 9901)].map(|(number, side, port)| {
        let association = AssociationId::Outgoing(number);
        let peer = Peer { addresses: vec![[127, 79, 32, 3].into()], port };
        client.execute(Command::Connect { association, side: Side::Asap, peer });
        await_event(&mut server, |event| {
            matches!(event, TransportEvent::Accepted { side: of, .. } if of == side).then_some(())
        });
        await_event(&mut client, |event| matches!(event, TransportEvent::Connected { .. }).then_some(()));
        association
    });
    let send = |client: &mut Network, association, count| {
        for _ in 0..count {
            let message = UserMessage::new(7, vec![0; 10]);
            client.execute(Command::Send { association, message });
        }
    };
    let message_of = |event| match event {
        TransportEvent::Message { association, .. } => Some(association),
        _ => None,
    };
    send(&mut client, flood, FLOOD);
    let flooded = await_event(&mut server, message_of);
    send(&mut client, other, 1);
    // All of it is there once it has been acknowledged; nobody reads meanwhile.
    let is_there = |association| {
        let link = &client.links[&association];
        !client.sockets[link.socket].socket.status(link.id).unwrap().has_unacknowledged
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !(is_there(flood) && is_there(other)) {
        assert!(Instant::now() < end, "it is not acknowledged");
        std::thread::sleep(Duration::from_millis(1));
    }
    let before =
        std::iter::repeat_with(|| await_event(&mut server, message_of)).take_while(|of| *of == flooded);
    assert!(before.count() < 100, "the flood goes first");
}

#[test]
fn what_waits_for_room_is_sent_though_the_sign_of_room_was_lost() {
    let (mut server, mut client) = (open(5), open(6));
    let association = AssociationId::Outgoing(1);
    let peer = Peer { addresses: vec![[127, 79, 32, 5].into()], port: 3863 };
    client.execute(Command::Connect { association, side: Side::Asap, peer });
    await_event(&mut client, |event| matches!(event, TransportEvent::Connected { .. }).then_some(()));
    let mut sent = 0;
    while sent == 0 || !client.has_backlog(association) {
        let message = UserMessage::new(sent, vec![0; 64 << 10]);
        client.execute(Command::Send { association, message });
        sent += 1;
    }
    let mut received = 0;
    let mut next = |server: &mut Network| {
        let is_message = |event: TransportEvent| matches!(event, TransportEvent::Message { .. });
        received += u32::from(server.poll_event().unwrap().is_some_and(is_message));
        received
    };
    let end = Instant::now() + Duration::from_secs(20);
    let link = &client.links[&association];
    let socket = &client.sockets[link.socket].socket;
    while socket.status(link.id).unwrap().has_unacknowledged {
        next(&mut server);
        assert!(Instant::now() < end, "it is not acknowledged");
    }
    while socket.try_receive().unwrap().is_some() {}
    client.handle(0, Received::Notification(None, Notification::Overflow(1)));
    while next(&mut server) < sent {
        assert!(Instant::now() < end, "the rest does not come");
    }
}

/// RFC 9260, 6.2: the window is the association's.
#[test]
fn what_comes_of_a_paused_association_waits_with_its_peer_and_the_others_do_not() {
    const MESSAGES: u32 = 100;
    let (mut server, mut client) = (open(7), open(8));
    let [slow, quick] = [1, 2].map(|number| {
        let association = AssociationId::Outgoing(number);
        let peer = Peer { addresses: vec![[127, 79, 32, 7].into()], port: 3863 };
        client.execute(Command::Connect { association, side: Side::Asap, peer });
        await_event(&mut client, |event| matches!(event, TransportEvent::Connected { .. }).then_some(()));
        let accepted = await_event(&mut server, |event| match event {
            TransportEvent::Accepted { association, .. } => Some(association),
            _ => None,
        });
        (association, accepted)
    });
    let mut send = |association, number: u32, bytes: usize| {
        let message = UserMessage::new(number, vec![0; bytes]);
        client.execute(Command::Send { association, message });
    };
    let next = |server: &mut Network| {
        await_event(server, |event| match event {
            TransportEvent::Message { association, message } => Some((association, message.ppid)),
            _ => None,
        })
    };
    server.control(Flow::Pause(slow.1));
    (0..MESSAGES).for_each(|number| send(slow.0, number, 64 << 10));
    for number in 0..MESSAGES {
        send(quick.0, number, 1);
        assert_eq!(next(&mut server), (quick.1, number));
    }
    assert!(client.has_backlog(slow.0), "more was taken than buffers hold");
    server.control(Flow::Resume(slow.1));
    // What waits is sent when there is room.
    let rest = std::thread::scope(|scope| {
        let reader = scope.spawn(|| [(); MESSAGES as usize].map(|()| next(&mut server)));
        while !reader.is_finished() {
            client.poll_event().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        reader.join().unwrap()
    });
    assert!(rest.into_iter().eq((0..MESSAGES).map(|number| (slow.1, number))));
}

#[test]
fn a_socket_that_has_a_session_with_a_peer_is_not_tried_for_another_one() {
    let (mut server, mut client) = (open(9), open(10));
    let peer = Peer { addresses: vec![[127, 79, 32, 9].into()], port: 3863 };
    let [first, _second] = [1, 2].map(|number| {
        let (association, peer) = (AssociationId::Outgoing(number), peer.clone());
        client.execute(Command::Connect { association, side: Side::Asap, peer });
        await_event(&mut server, |event| matches!(event, TransportEvent::Accepted { .. }).then_some(()));
        association
    });
    let other = Peer { port: 1, ..peer.clone() };
    assert_eq!(client.sockets_without(Side::Asap, &other), [0, 1]);
    assert!(client.sockets_without(Side::Asap, &peer).is_empty());
    client.execute(Command::Abort { association: first });
    assert_eq!(client.sockets_without(Side::Asap, &peer), [0]);
}

/// RFC 9260, 6.9.
#[test]
fn the_pieces_in_which_a_message_is_delivered_are_put_together() {
    let config = Profile::Fast.sctp_settings().association_config();
    let (mut server, mut client) =
        (open_with(11, AssociationConfig { partial_delivery_point: Some(1), ..config }), open(12));
    let association = AssociationId::Outgoing(1);
    let peer = Peer { addresses: vec![[127, 79, 32, 11].into()], port: 3863 };
    client.execute(Command::Connect { association, side: Side::Asap, peer });
    await_event(&mut client, |event| matches!(event, TransportEvent::Connected { .. }).then_some(()));
    for number in 0..3 {
        let data: Vec<_> = (0..UserMessage::MAX_LEN).map(|at| (at % 251) as u8).collect();
        let sent = UserMessage::new(number, data);
        client.execute(Command::Send { association, message: sent.clone() });
        // It may wait until all of the one before is acknowledged.
        let end = Instant::now() + Duration::from_secs(20);
        while client.has_backlog(association) {
            assert!(Instant::now() < end, "{number} does not leave");
            client.poll_event().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        let message = await_event(&mut server, |event| match event {
            TransportEvent::Message { message, .. } => Some(message),
            _ => None,
        });
        assert!(message == sent, "{} bytes of {number}", message.data.len());
    }
}

#[test]
fn who_sends_a_message_that_is_too_long_is_aborted() {
    let config = Profile::Fast.sctp_settings().association_config();
    let mut server = open_with(15, AssociationConfig { partial_delivery_point: Some(1), ..config });
    let stack = Stack::builder().transport(Transport::Udp).address([127, 79, 32, 16]).linger(Duration::ZERO);
    let client = SctpStream::connect(&stack.build().unwrap(), "127.79.32.15:3863").unwrap();
    client.options().change(|config| config.max_message_size = 2 * UserMessage::MAX_LEN).unwrap();
    client.send(&vec![0; UserMessage::MAX_LEN + 1], &SendInfo::new()).unwrap();
    let reason = await_event(&mut server, |event| match event {
        TransportEvent::Message { message, .. } => panic!("{} bytes", message.data.len()),
        TransportEvent::Lost { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason, LostReason::Local);
}

#[test]
fn who_comes_when_all_is_shut_down_is_refused() {
    let (mut server, mut client) = (open(17), open(18));
    server.shut_all_down();
    let association = AssociationId::Outgoing(0);
    let peer = Peer { addresses: vec![[127, 79, 32, 17].into()], port: 3863 };
    client.execute(Command::Connect { association, side: Side::Asap, peer });
    let is_up = await_event(&mut client, |event| match event {
        TransportEvent::Connected { .. } => Some(true),
        TransportEvent::Lost { .. } => Some(false),
        _ => None,
    });
    assert!(!is_up);
}
