//! The endpoint above its associations: listening, batches, many associations, any order of calls.

mod ports;

use super::{ConnectRequest, Endpoint, ListenOptions, ListenerId};
use crate::association::AssociationState;
use crate::association::tests::harness::{PORT_Z, Pair, Side, chunk, header_to, ip, packet};
use crate::config::{AssociationConfig, EndpointConfig};
use crate::error::{CommandError, ConnectError, ListenError, SendError};
use crate::message::SendOptions;
use crate::net::{Ecn, PathAddress};
use crate::time::Time;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::*;

fn with_backlog(backlog: usize) -> (Pair, ListenerId) {
    let mut pair = Pair::new();
    let options = ListenOptions { backlog: Some(backlog), ..ListenOptions::default() };
    let listener = pair.z.endpoint.listen(PORT_Z, options).unwrap();
    (pair, listener)
}

fn request(local_port: u16, peer: &str) -> ConnectRequest {
    ConnectRequest {
        local_port,
        local_addresses: Vec::new(),
        peers: vec![PathAddress::to(ip(peer))],
        peer_port: PORT_Z,
        config: AssociationConfig::default(),
    }
}

#[test]
fn associations_wait_to_be_accepted_up_to_the_backlog() {
    let (mut pair, listener) = with_backlog(2);
    let now = pair.now;
    for port in 1..=3 {
        pair.a.endpoint.connect(now, request(port, "10.0.1.2")).unwrap();
    }
    pair.run_secs(1);
    let lost = "lost: PeerAborted { cause: Some(4), value: b\"\" }";
    let mut events = pair.events(Side::A);
    events.sort();
    assert_eq!(events, [lost, "up", "up"]);
    let accepted = [pair.z.endpoint.accept(listener), pair.z.endpoint.accept(listener)].map(Option::unwrap);
    assert_eq!(pair.z.endpoint.accept(listener), None);
    assert_eq!(accepted.map(|id| pair.association(Side::Z, id).peer_port()), [1, 2]);
}

#[test]
fn what_ended_before_it_was_accepted_is_accepted_all_the_same() {
    let (mut pair, listener) = with_backlog(2);
    let now = pair.now;
    let gone = pair.a.endpoint.connect(now, request(1, "10.0.1.2")).unwrap();
    pair.run_secs(1);
    pair.a.endpoint.release(gone);
    pair.run_secs(1);
    let accepted = pair.z.endpoint.accept(listener).unwrap();
    assert_eq!(pair.state(Side::Z, accepted), AssociationState::Closed);
    let now = pair.now;
    let brief = pair.a.endpoint.connect(now, request(2, "10.0.1.2")).unwrap();
    pair.send(Side::A, brief, b"all that I had to say");
    pair.a.endpoint.shutdown(now, brief).unwrap();
    pair.run_secs(1);
    let accepted = pair.z.endpoint.accept(listener).unwrap();
    assert_eq!(pair.state(Side::Z, accepted), AssociationState::Closed);
    assert_eq!(pair.read(Side::Z, accepted), ["all that I had to say"]);
}

/// RFC 6458, 8.1: each association has what held when it began.
#[test]
fn a_listener_is_changed_for_associations_to_come() {
    let (mut pair, listener) = with_backlog(5);
    let now = pair.now;
    pair.a.endpoint.connect(now, request(1, "10.0.1.2")).unwrap();
    pair.run_secs(1);
    pair.z.endpoint.update_listener(listener, |config| config.rto_max = Duration::from_secs(7)).unwrap();
    let bad = |config: &mut AssociationConfig| config.primary_switchover_max_retrans = Some(0);
    let too_early = |config: &mut AssociationConfig| config.potentially_failed_max_retrans = Some(1);
    pair.z.endpoint.update_listener(listener, too_early).unwrap();
    let refused = pair.z.endpoint.update_listener(listener, bad);
    assert!(matches!(refused, Err(CommandError::Thresholds(_))), "{refused:?}");
    let now = pair.now;
    pair.a.endpoint.connect(now, request(2, "10.0.1.2")).unwrap();
    pair.run_secs(1);
    let accepted = [(); 2].map(|()| pair.z.endpoint.accept(listener).unwrap());
    let config = |id| pair.z.endpoint.association(id).unwrap().config().clone();
    let [first, second] = accepted.map(config);
    assert_eq!([first.rto_max, second.rto_max].map(|rto| rto.as_secs()), [60, 7]);
    assert_eq!(second.primary_switchover_max_retrans, None, "what was refused changed nothing");
}

/// RFC 3758, 3.3.3; RFC 9260, 5.1.3: both sides go by what INIT and INIT ACK said, which the cookie keeps.
#[test]
fn an_offer_holds_although_the_listener_is_changed_before_the_cookie_comes() {
    for before in [true, false] {
        let offering = |offered: bool| {
            let mut config = AssociationConfig::default();
            config.extensions.partial_reliability = offered;
            config
        };
        let mut pair = Pair::new();
        let listener = pair.listen(offering(before));
        let a = pair.connect(offering(true));
        for side in [Side::A, Side::Z] {
            pair.transmit_once(side, 1);
            pair.deliver_one();
        }
        pair.z.endpoint.update_listener(listener, |config| *config = offering(!before)).unwrap();
        pair.run_secs(1);
        let z = pair.z.id();
        let agreed = [(Side::A, a), (Side::Z, z)]
            .map(|(side, id)| pair.association(side, id).extensions().partial_reliability);
        assert_eq!(agreed, [before; 2]);
    }
}

/// RFC 3758, 3.3.3: the INIT is out.
#[test]
fn an_offer_holds_although_the_association_is_changed_before_the_answer_comes() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.transmit_once(Side::A, 1);
    pair.a.endpoint.update_config(a, |config| config.extensions.partial_reliability = false).unwrap();
    pair.run_secs(1);
    let z = pair.z.id();
    assert!(pair.association(Side::A, a).extensions().partial_reliability);
    assert!(pair.association(Side::Z, z).extensions().partial_reliability);
}

#[test]
fn closing_a_listener_aborts_who_was_not_accepted_and_nobody_else() {
    let (mut pair, listener) = with_backlog(5);
    let now = pair.now;
    pair.a.endpoint.connect(now, request(1, "10.0.1.2")).unwrap();
    pair.run_secs(1);
    let accepted = pair.z.endpoint.accept(listener).unwrap();
    pair.a.endpoint.connect(now, request(2, "10.0.1.2")).unwrap();
    pair.run_secs(1);
    pair.events(Side::A);
    pair.z.endpoint.close_listener(listener);
    pair.run_secs(1);
    assert_eq!(pair.events(Side::A), ["lost: PeerAborted { cause: Some(12), value: b\"\" }"]);
    assert_eq!(pair.state(Side::Z, accepted), AssociationState::Established);
}

/// RFC 9260, 1.3.
#[test]
fn commands_that_cannot_be_are_refused_and_say_why() {
    let mut pair = Pair::new();
    let now = pair.now;
    let endpoint = &mut pair.a.endpoint;
    assert_eq!(endpoint.listen(0, ListenOptions::default()), Err(ListenError::InvalidPort));
    endpoint.listen(5, ListenOptions::default()).unwrap();
    assert_eq!(endpoint.listen(5, ListenOptions::default()), Err(ListenError::PortInUse(5)));
    let group = endpoint.connect(now, request(1, "224.0.0.1"));
    assert_eq!(group, Err(ConnectError::NotUnicast(ip("224.0.0.1"))));
    assert_eq!(endpoint.connect(now, request(0, "10.0.1.2")), Err(ConnectError::InvalidPort));
    let id = endpoint.connect(now, request(1, "10.0.1.2")).unwrap();
    let again = endpoint.connect(now, request(1, "10.0.1.2"));
    assert_eq!(again, Err(ConnectError::AlreadyConnected { local_port: 1 }));
    endpoint.release(id);
    assert_eq!(
        endpoint.send(now, id, &SendOptions::default(), Bytes::from_static(b"x")),
        Err(SendError::Closed)
    );
    assert_eq!(endpoint.shutdown(now, id), Err(CommandError::Closed));
    let next = endpoint.connect(now, request(1, "10.0.1.2")).unwrap();
    assert_ne!(next, id, "the id of what is gone names nobody");
    assert!(endpoint.association(id).is_none());
}

/// RFC 9260, 9, 14.2.
#[test]
fn a_released_association_is_aborted_and_forgotten_whole() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    pair.events(Side::Z);
    pair.a.endpoint.release(a);
    pair.run_secs(1);
    assert_eq!(pair.events(Side::Z), ["lost: PeerAborted { cause: Some(12), value: b\"\" }"]);
    assert_eq!(pair.a.endpoint.poll_timeout(), None);
    // What still comes is out of the blue.
    pair.take_trace();
    pair.forge(Side::A, 5, &[chunk(ChunkType::HEARTBEAT, 0, &[])]);
    pair.drain();
    assert_eq!(pair.take_trace(), ["A -> ABORT -> Z"]);
}

#[test]
fn what_was_not_read_outlives_the_association() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.send(Side::A, a, b"last words");
    pair.run_secs(1);
    let now = pair.now;
    pair.a.endpoint.abort(now, a, Bytes::new()).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    assert!(pair.z.endpoint.is_readable(z));
    assert_eq!(pair.read(Side::Z, z), ["last words"]);
}

#[test]
fn a_batch_holds_equal_packets_of_one_path_and_a_shorter_last_one() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.max_segments = 64;
    pair.send(Side::A, a, &[7; 200_000]);
    pair.run_secs(1);
    pair.send(Side::A, a, &[7; 3_000]);
    let (now, mut buffer) = (pair.now, b"kept".to_vec());
    let transmit = pair.a.endpoint.poll_transmit(now, &mut buffer, 64).unwrap();
    assert!(buffer.starts_with(b"kept") && transmit.len == buffer.len() - 4);
    assert_eq!(transmit.segment_size, 1_480);
    assert_eq!(transmit.len, 2 * 1_480 + 12 + 16 + 96);
    assert_eq!(pair.read(Side::Z, z).len(), 1);
}

#[test]
fn packets_of_changing_sizes_all_arrive() {
    let mut pair = Pair::new();
    let config = AssociationConfig { no_delay: true, ..AssociationConfig::default() };
    let (a, z) = pair.establish_with(config);
    let messages: Vec<_> = (0..300_usize).map(|index| vec![1_u8; 1 + index * 37 % 3_000]).collect();
    messages.iter().for_each(|message| pair.send(Side::A, a, message));
    pair.run_secs(60);
    assert_eq!(pair.read(Side::Z, z), messages);
}

#[test]
fn past_the_limit_of_associations_inits_are_refused() {
    let mut pair = Pair::new();
    pair.z.endpoint =
        Endpoint::new(EndpointConfig { max_associations: 1, ..EndpointConfig::default() }, [9; 32]);
    pair.listen(AssociationConfig::default());
    let now = pair.now;
    for port in 1..=2 {
        pair.a.endpoint.connect(now, request(port, "10.0.1.2")).unwrap();
        pair.run_secs(1);
    }
    assert_eq!(pair.events(Side::A), ["up", "lost: PeerAborted { cause: Some(4), value: b\"\" }"]);
}

#[test]
fn thousands_of_associations_live_side_by_side() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    for port in 1..=5_000 {
        let now = pair.now;
        pair.a.endpoint.connect(now, request(port, "10.0.1.2")).unwrap();
        if port % 500 == 0 {
            pair.run_unchecked(Duration::from_millis(100));
        }
    }
    let up = pair.events(Side::A).iter().filter(|event| *event == "up").count();
    assert_eq!(up, 5_000);
}

#[test]
fn a_lost_association_is_told_once_however_many_timers_are_due() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    pair.events(Side::A);
    pair.set_rule(|_| crate::association::tests::harness::Fate::Drop);
    pair.send(Side::A, a, &[1; 20_000]);
    pair.run_secs(2_000);
    let lost = pair.events(Side::A).iter().filter(|event| event.starts_with("lost")).count();
    assert_eq!(lost, 1);
}

/// What a driver may do, in any order.
#[derive(Clone, Copy, Debug)]
enum Call {
    Transmit(Side, usize),
    Timeout(Side),
    BatchEnd(Side),
    Events(Side),
    Read(Side),
    Send(Side, usize),
    Deliver,
    Wait(u64),
}

fn any_call() -> impl Strategy<Value = Call> {
    let side = || prop_oneof![Just(Side::A), Just(Side::Z)];
    prop_oneof![
        4 => (side(), 1..5_usize).prop_map(|(side, segments)| Call::Transmit(side, segments)),
        1 => side().prop_map(Call::Timeout),
        1 => side().prop_map(Call::BatchEnd),
        1 => side().prop_map(Call::Events),
        1 => side().prop_map(Call::Read),
        2 => (side(), 1..4_000_usize).prop_map(|(side, len)| Call::Send(side, len)),
        4 => Just(Call::Deliver),
        2 => (1..300_u64).prop_map(Call::Wait),
    ]
}

proptest! {
    #[test]
    fn calls_in_any_order_lose_nothing(calls in prop::collection::vec(any_call(), 1..120)) {
        let mut pair = Pair::new();
        let (a, z) = pair.establish();
        let (mut sent, mut got) = ([0, 0], [0, 0]);
        for call in calls {
            match call {
                Call::Transmit(side, segments) => pair.transmit_once(side, segments),
                Call::Timeout(side) => {
                    let now = pair.now;
                    pair.host(side).endpoint.handle_timeout(now);
                }
                Call::BatchEnd(side) => {
                    let now = pair.now;
                    pair.host(side).endpoint.handle_batch_end(now);
                }
                Call::Events(side) => while pair.host(side).endpoint.poll_event().is_some() {},
                Call::Read(side) => {
                    let id = if side == Side::A { a } else { z };
                    got[side as usize] += pair.read(side, id).iter().map(Bytes::len).sum::<usize>();
                }
                Call::Send(side, len) => {
                    pair.send(side, if side == Side::A { a } else { z }, &vec![3; len]);
                    sent[side.other() as usize] += len;
                }
                Call::Deliver => pair.deliver_one(),
                Call::Wait(millis) => pair.now += Duration::from_millis(millis),
            }
            pair.a.endpoint.check_invariants();
            pair.z.endpoint.check_invariants();
        }
        pair.run_secs(60);
        for (side, id) in [(Side::A, a), (Side::Z, z)] {
            got[side as usize] += pair.read(side, id).iter().map(Bytes::len).sum::<usize>();
        }
        prop_assert_eq!(got, sent);
    }
}

#[test]
fn a_packet_with_a_wrong_checksum_is_as_good_as_lost() {
    // 6.8.
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [1; 32]);
    let mut bytes = packet(header_to(Side::Z, 5), &[chunk(ChunkType::DATA, 3, &[0; 13])]).to_vec();
    bytes[8] ^= 1;
    let from = PathAddress { local: None, remote: ip("10.0.1.1"), remote_udp_port: 0 };
    endpoint.handle_packet(Time::ZERO, from, Ecn::NotCapable, bytes.into());
    assert_eq!(endpoint.poll_transmit(Time::ZERO, &mut Vec::new(), 1), None);
}
