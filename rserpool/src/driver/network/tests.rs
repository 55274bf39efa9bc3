use std::time::{Duration, Instant};

use bytes::Bytes;
use socketapi::Transport;

use super::*;
use crate::Profile;

fn open(host: u8) -> Network {
    let address = [127, 79, 32, host];
    let stack = Stack::builder().transport(Transport::Udp).address(address).linger(Duration::ZERO);
    let config = Profile::Fast.sctp_settings().association_config();
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
