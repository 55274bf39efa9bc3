//! RFC 5353, clause by clause: one registrar among peers that the test plays.

use std::slice::from_ref;
use std::time::Duration;

use rserpool::registrar::RegistrarEvent;
use rserpool::transport::{AssociationId, Command, LostReason, Side, TransportEvent};
use rserpool::wire::{
    AsapMessage, CauseCode, EnrpBody, EnrpMessage, ErrorCause, Format, Life, Policy, PolicyField, PolicyType,
    PoolElement, PoolEntry, Protocol, UpdateAction,
};
use rserpool::{PoolHandle, RegistrarId};

use crate::federation::checksum_of;
use crate::lone::{Lone, element_of, place, presence, server};
use crate::world::POOL;

const OWN: RegistrarId = RegistrarId(50);
/// No peer is silent for so long that it is asked.
const MOMENT: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);

fn update(action: UpdateAction, element: PoolElement) -> EnrpBody {
    EnrpBody::HandleUpdate { action, takeover_suggested: false, pool_handle: POOL.into(), element }
}

fn table(more: bool, elements: Vec<PoolElement>) -> EnrpBody {
    let pools = vec![PoolEntry { handle: POOL.into(), elements }];
    EnrpBody::HandleTableResponse { more, rejected: false, pools }
}

fn weighted(weight: u32) -> Policy {
    Policy::new(PolicyType::WeightedRoundRobin).with(PolicyField::Weight, weight)
}

/// A registrar that serves, and these peers, which it has met.
fn among<const N: usize>(hosts: [u8; N]) -> (Lone, [AssociationId; N]) {
    let mut lone = Lone::start(|_| {});
    let peers = hosts.map(|host| lone.befriend(host));
    (lone, peers)
}

#[test]
fn who_knows_of_no_other_serves_at_once_and_asks_nobody() {
    // RFC 5353, 3.2.2.1.
    let mut lone = Lone::start(|_| {});
    lone.run_for(MINUTE);
    assert!(lone.registrar.is_serving());
    // It announces itself to elements and users only.
    let is_announce = |command: &Command| matches!(command, Command::Announce { side: Side::Asap, .. });
    assert!(lone.commands.iter().all(|(_, command)| is_announce(command)));
}

#[test]
fn who_is_told_of_others_learns_all_from_one_of_them() {
    // RFC 5353, 3.2.2.1: the others are in reserve. 3.2.2.2: first the list of all registrars, then, by 3.2.3, the whole handlespace
    // (W is 0), part by part, until M is 0.
    let mut lone = Lone::start(|config| config.enrp.peers = vec![place(2), place(3)]);
    lone.run_for(MOMENT);
    let [mentor, reserve] = [2, 3].map(|host| lone.answer(host));
    lone.hear(2, mentor, presence(2));
    lone.hear(3, reserve, presence(3));
    assert_eq!(lone.asked(mentor), [EnrpBody::ListRequest]);
    lone.hear(2, mentor, EnrpBody::ListResponse { rejected: false, servers: vec![server(2), server(4)] });
    assert!(lone.registrar.peers().any(|id| id == RegistrarId(4)));
    let request = EnrpBody::HandleTableRequest { own_children_only: false };
    assert_eq!(lone.asked(mentor), from_ref(&request));
    let first = PoolElement { policy: weighted(7), ..element_of(2, 11) };
    lone.hear(2, mentor, table(true, vec![first.clone()]));
    assert_eq!(lone.asked(mentor), [request]);
    assert!(!lone.registrar.is_serving());
    let second = PoolElement { policy: weighted(8), ..element_of(4, 12) };
    lone.hear(2, mentor, table(false, vec![second.clone()]));
    assert!(lone.registrar.is_serving());
    assert_eq!(lone.asked(reserve), []);
    // 3.2.3: a pool that was not there has the policy of its first element.
    assert_eq!(lone.elements(), [first, second]);
    let pools = lone.registrar.handlespace().pools();
    let policies: Vec<_> = pools.map(|pool| pool.policy().policy_type).collect();
    assert_eq!(policies, [PolicyType::WeightedRoundRobin]);
}

#[test]
fn registrars_are_sought_only_where_they_can_be() {
    // RFC 5354, 3.11: at an SCTP transport.
    let mut lone = Lone::start(|config| config.enrp.peers = vec![place(2)]);
    lone.run_for(MOMENT);
    let mentor = lone.answer(2);
    let mut nowhere = server(2);
    nowhere.transport.port = 0;
    lone.hear(
        2,
        mentor,
        EnrpBody::Presence { reply_required: false, checksum: None, server: Some(nowhere.clone()) },
    );
    let mut over_tcp = server(4);
    over_tcp.transport.protocol = Protocol::Tcp;
    nowhere.id = RegistrarId(5);
    lone.hear(2, mentor, EnrpBody::ListResponse { rejected: false, servers: vec![over_tcp, nowhere] });
    assert_eq!(lone.registrar.peers().collect::<Vec<_>>(), [RegistrarId(2)]);
    // The mentor is where it was found, whatever it says.
    lone.happen(TransportEvent::Lost { association: mentor, reason: LostReason::Aborted });
    lone.run_for(MOMENT);
    let sought = lone.commands.iter().filter_map(|(_, command)| match command {
        Command::Connect { peer, .. } => Some(peer.clone()),
        _ => None,
    });
    assert_eq!(sought.collect::<Vec<_>>(), [place(2), place(2)]);
}

#[test]
fn who_learns_itself_refuses_to_teach() {
    // RFC 5353, 3.2.2.2 and 3.2.3: with the R flag, and (2.3, 2.6) nothing else.
    let mut lone = Lone::start(|config| {
        config.enrp.peers = vec![place(2)];
        config.enrp.mentor_discovery_timeout = MINUTE;
    });
    let curious = lone.meet(3);
    lone.hear(3, curious, EnrpBody::ListRequest);
    lone.hear(3, curious, EnrpBody::HandleTableRequest { own_children_only: false });
    let answers: Vec<_> = lone.asked(curious).into_iter().filter(|it| *it != EnrpBody::ListRequest).collect();
    let refusals = [
        EnrpBody::ListResponse { rejected: true, servers: Vec::new() },
        EnrpBody::HandleTableResponse { more: false, rejected: true, pools: Vec::new() },
    ];
    assert_eq!(answers, refusals);
}

#[test]
fn a_table_is_told_part_by_part_and_from_the_start_once_it_has_been_told() {
    // RFC 5353, 3.2.3: M says whether there is more, and the registrar knows how far each peer has come; after the last part it forgets that.
    let mut lone = Lone::start(|config| config.enrp.max_table_entries = 2);
    let [teller, one, other] = [2, 3, 4].map(|host| lone.befriend(host));
    for host in [11, 12, 13] {
        lone.hear(2, teller, update(UpdateAction::Add, element_of(2, host)));
    }
    let parts = [
        table(true, vec![element_of(2, 11), element_of(2, 12)]),
        table(false, vec![element_of(2, 13)]),
        table(true, vec![element_of(2, 11), element_of(2, 12)]),
    ];
    for part in parts {
        for (host, association) in [(3, one), (4, other)] {
            lone.hear(host, association, EnrpBody::HandleTableRequest { own_children_only: false });
            assert_eq!(lone.asked(association), from_ref(&part));
        }
    }
}

#[test]
fn what_not_every_peer_can_read_is_left_out_of_a_table_and_kept_from_users() {
    // One peer is bold enough to tell of it; another one, of RSPLIB, may be the next to ask.
    let (mut lone, [bold, curious]) = among([2, 3]);
    let mut over_dccp = element_of(2, 12);
    over_dccp.user_transport.protocol = Protocol::Dccp { service_code: 7 };
    let long = PoolHandle::new([b'x'; PoolHandle::MAX_INTEROPERABLE_LEN + 1]);
    for (pool_handle, element) in
        [("Rare".into(), over_dccp), (long, element_of(2, 13)), (POOL.into(), element_of(2, 11))]
    {
        let (action, takeover_suggested) = (UpdateAction::Add, false);
        lone.hear(2, bold, EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element });
    }
    assert_eq!(lone.elements().len(), 3);
    lone.hear(3, curious, EnrpBody::HandleTableRequest { own_children_only: false });
    assert_eq!(lone.asked(curious), [table(false, vec![element_of(2, 11)])]);
    let (subscribe, pool_handle, items) = (false, "Rare".into(), None);
    lone.hear_asap(21, &AsapMessage::HandleResolution { subscribe, pool_handle, items });
    let Some((_, Command::Send { message, .. })) = lone.commands.last() else { panic!("an answer") };
    let answer = AsapMessage::parse(&message.data, &Format::default()).expect("an answer").message;
    let AsapMessage::HandleResolutionResponse { errors, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(errors, [ErrorCause::bare(CauseCode::UNKNOWN_POOL_HANDLE)]);
}

#[test]
fn updates_of_a_peer_add_change_and_remove_its_elements_and_pools() {
    // RFC 5353, 3.3.1: the pool is made, with the element's policy; a further element is added; one that is there is replaced.
    let (mut lone, [peer]) = among([2]);
    let first = PoolElement { policy: weighted(7), ..element_of(2, 11) };
    lone.hear(2, peer, update(UpdateAction::Add, first.clone()));
    assert_eq!(lone.elements(), [first]);
    let policy = lone.registrar.handlespace().pool(&POOL.into()).map(|pool| pool.policy().policy_type);
    assert_eq!(policy, Some(PolicyType::WeightedRoundRobin));
    let second = PoolElement { policy: weighted(8), ..element_of(2, 12) };
    lone.hear(2, peer, update(UpdateAction::Add, second.clone()));
    let changed = PoolElement { policy: weighted(9), life: Life::from_millis(123_000), ..element_of(2, 11) };
    lone.hear(2, peer, update(UpdateAction::Add, changed.clone()));
    assert_eq!(lone.elements(), [changed.clone(), second.clone()]);
    // 3.3.2: it is removed, and the pool with its last element.
    lone.hear(2, peer, update(UpdateAction::Delete, changed));
    assert_eq!(lone.elements(), from_ref(&second));
    lone.hear(2, peer, update(UpdateAction::Delete, second));
    assert_eq!(lone.registrar.handlespace().pools().count(), 0);
}

#[test]
fn all_peers_are_told_of_each_change_of_an_element_and_nobody_is_named() {
    // RFC 5353, 3.3.1 and 3.3.2: to all, with all of the element; the receiver's identifier is 0. 2.4: adding is 0, removing 1.
    let (mut lone, peers) = among([2, 3]);
    let described = element_of(50, 11);
    let registration = |life| AsapMessage::Registration {
        pool_handle: POOL.into(),
        element: PoolElement { life, home: RegistrarId::NONE, asap_transport: None, ..described.clone() },
    };
    let told = |lone: &mut Lone, action, life| {
        let body = update(action, PoolElement { life, ..described.clone() });
        let message = EnrpMessage { sender: OWN, receiver: RegistrarId::NONE, body };
        for peer in peers {
            assert_eq!(lone.said(peer), from_ref(&message));
        }
    };
    let lives = [90_000, 60_000].map(Life::from_millis);
    for life in lives {
        lone.hear_asap(11, &registration(life));
        told(&mut lone, UpdateAction::Add, life);
    }
    let pe_id = described.id;
    lone.hear_asap(11, &AsapMessage::Deregistration { pool_handle: POOL.into(), pe_id });
    told(&mut lone, UpdateAction::Delete, lives[1]);
    // 3.3.2: whatever it was removed for.
    lone.hear_asap(11, &registration(lives[0]));
    told(&mut lone, UpdateAction::Add, lives[0]);
    let association = AssociationId::Incoming(1011);
    lone.happen(TransportEvent::Lost { association, reason: LostReason::TimedOut });
    told(&mut lone, UpdateAction::Delete, lives[0]);
}

#[test]
fn whoever_speaks_is_a_peer_and_is_asked_for_its_presence() {
    // RFC 5353, 3.4 and 3.4.1: a message of any type will do.
    let mut lone = Lone::start(|_| {});
    let stranger = lone.meet(2);
    assert_eq!(lone.registrar.peers().count(), 0);
    lone.hear(2, stranger, EnrpBody::ListRequest);
    assert_eq!(lone.registrar.peers().collect::<Vec<_>>(), [RegistrarId(2)]);
    assert!(lone.demands_presence(stranger));
}

#[test]
fn each_heartbeat_all_peers_are_told_what_there_is_and_nothing_is_asked() {
    // RFC 5353, 3.4.2: R is 0. 3.6.1: with the checksum, which 3.6.2 has follow each change. 2.1: and with where the registrar is.
    let (mut lone, peers) = among([2, 3]);
    let cycle = lone.registrar.config().enrp.heartbeat_cycle;
    for elements in [vec![], vec![11_u8]] {
        for host in &elements {
            let element =
                PoolElement { home: RegistrarId::NONE, asap_transport: None, ..element_of(50, *host) };
            lone.hear_asap(*host, &AsapMessage::Registration { pool_handle: POOL.into(), element });
        }
        peers.iter().for_each(|peer| drop(lone.said(*peer)));
        // Give or take 12.5 %.
        lone.run_for(cycle * 9 / 8);
        let checksum = Some(checksum_of(elements.into_iter().map(u32::from)));
        let awaited = EnrpBody::Presence { reply_required: false, checksum, server: Some(server(50)) };
        for peer in peers {
            assert!(lone.said(peer).iter().any(|message| message.body == awaited), "{awaited:?}");
        }
    }
}

#[test]
fn what_goes_to_all_by_multicast_names_nobody() {
    // RFC 5353, 2.1.
    let mut lone = Lone::start(|config| config.enrp.multicast = true);
    lone.run_for(MINUTE);
    let announced = lone.commands.iter().filter_map(|(_, command)| match command {
        Command::Announce { side: Side::Enrp, data } => {
            Some(EnrpMessage::parse(data, &Format::default()).expect("ENRP").message)
        }
        _ => None,
    });
    let announced: Vec<_> = announced.collect();
    assert!(announced.len() > 10);
    assert!(announced.iter().all(|message| (message.sender, message.receiver) == (OWN, RegistrarId::NONE)));
}

/// Time passes while these peers are heard, and others are not.
fn pass(lone: &mut Lone, span: Duration, heard: &[(u8, AssociationId)]) {
    let end = lone.now + span;
    while lone.now < end {
        for (host, association) in heard {
            // Any message is a sign of life (RFC 5353, 3.4.3).
            lone.hear(*host, *association, EnrpBody::InitTakeoverAck { target: RegistrarId(99) });
        }
        lone.run_for(MOMENT);
    }
}

/// The peer on host 2, which has an element, has been silent until its takeover was begun; the others are heard.
fn takeover(others: [u8; 2]) -> (Lone, AssociationId, [(u8, AssociationId); 2]) {
    let (mut lone, [target]) = among([2]);
    let others = others.map(|host| (host, lone.befriend(host)));
    lone.hear(2, target, update(UpdateAction::Add, element_of(2, 11)));
    let timers = lone.registrar.config().enrp.clone();
    pass(&mut lone, timers.max_time_last_heard + timers.max_time_no_response, &others);
    (lone, target, others)
}

const ABOUT_2: EnrpBody = EnrpBody::InitTakeover { target: RegistrarId(2) };
const AGREED: EnrpBody = EnrpBody::InitTakeoverAck { target: RegistrarId(2) };
const DONE: EnrpBody = EnrpBody::TakeoverServer { target: RegistrarId(2) };

#[test]
fn a_peer_that_is_silent_is_asked_and_one_that_does_not_answer_is_taken_over_once_all_agree() {
    // RFC 5353, 3.4 and 3.4.3: for how long each has been silent is remembered.
    let (mut lone, [target]) = among([2]);
    let others = [3, 4].map(|host| (host, lone.befriend(host)));
    lone.hear(2, target, update(UpdateAction::Add, element_of(2, 11)));
    let timers = lone.registrar.config().enrp.clone();
    pass(&mut lone, timers.max_time_last_heard - MOMENT, &others);
    assert!(!lone.demands_presence(target));
    pass(&mut lone, MOMENT, &others);
    assert!(lone.demands_presence(target));
    assert!(others.iter().all(|(_, other)| lone.asked(*other).is_empty()));
    pass(&mut lone, timers.max_time_no_response, &others);
    // 3.5.1: all are asked, and the message names the target.
    for association in [others[0].1, others[1].1] {
        assert_eq!(
            lone.said(association).iter().filter(|it| (&it.body, it.sender) == (&ABOUT_2, OWN)).count(),
            1
        );
    }
    lone.hear(3, others[0].1, AGREED);
    assert_eq!((lone.asked(others[0].1), lone.asked(others[1].1)), (vec![], vec![]));
    lone.hear(4, others[1].1, AGREED);
    // 3.5.2: all are told at once, with the target's identifier.
    for (_, other) in others {
        assert_eq!(lone.asked(other), [DONE]);
    }
    assert_eq!(lone.elements(), [element_of(50, 11)]);
}

#[test]
fn a_target_that_shows_itself_is_not_taken_over_whoever_agrees() {
    // RFC 5353, 3.5.1.
    let (mut lone, target, others) = takeover([3, 4]);
    lone.hear(2, target, presence(2));
    for (host, other) in others {
        lone.hear(host, other, AGREED);
        assert!(!lone.asked(other).contains(&DONE));
    }
    assert!(lone.events().contains(&RegistrarEvent::TakeoverGivenUp { target: RegistrarId(2) }));
    // It is monitored as before.
    let timers = lone.registrar.config().enrp.clone();
    lone.said(target);
    pass(&mut lone, timers.max_time_last_heard + MOMENT, &others);
    assert!(lone.demands_presence(target));
}

#[test]
fn who_is_to_be_taken_over_shows_all_that_it_lives_and_does_not_agree() {
    // RFC 5353, 3.5.1.
    let (mut lone, [eager, other]) = among([2, 3]);
    lone.hear(2, eager, EnrpBody::InitTakeover { target: OWN });
    for peer in [eager, other] {
        let said: Vec<_> = lone.said(peer).into_iter().map(|message| message.body).collect();
        let checksum = Some(checksum_of(std::iter::empty()));
        assert_eq!(said, [EnrpBody::Presence { reply_required: false, checksum, server: Some(server(50)) }]);
    }
}

#[test]
fn of_two_that_take_the_same_one_over_the_one_with_the_smaller_identifier_agrees_and_gives_up() {
    // RFC 5353, 3.5.1.
    let (mut lone, target, others) = takeover([9, 90]);
    let [(_, smaller), (_, larger)] = others;
    [smaller, larger, target].into_iter().for_each(|peer| drop(lone.said(peer)));
    lone.hear(9, smaller, ABOUT_2);
    assert_eq!(lone.asked(smaller), [], "it is ignored");
    lone.hear(90, larger, ABOUT_2);
    assert_eq!(lone.asked(larger), [AGREED]);
    // It does nothing more, and does not look after the target, as long as the other one may take.
    let expiry = lone.registrar.config().enrp.takeover_expiry;
    pass(&mut lone, expiry - MOMENT, &others);
    assert_eq!([smaller, larger].map(|peer| lone.asked(peer)), [vec![], vec![]]);
    assert!(!lone.demands_presence(target));
}

#[test]
fn who_takes_nobody_over_agrees_and_leaves_the_target_alone() {
    // RFC 5353, 3.5.1.
    let mut lone = Lone::start(|config| config.enrp.takeover_expiry = MINUTE);
    let (target, eager) = (lone.befriend(2), lone.befriend(3));
    lone.hear(3, eager, ABOUT_2);
    assert_eq!(lone.asked(eager), [AGREED]);
    pass(&mut lone, MINUTE / 2, &[(3, eager)]);
    assert!(!lone.demands_presence(target));
}

#[test]
fn an_audit_takes_what_the_peer_has_and_drops_what_it_has_not() {
    // RFC 5353, 3.6, 3.6.1 and 3.6.2: what is known of the peer's elements is compared by the checksum. 3.6.3: if that is another one, all are fetched (W is
    // 1), those that are there are replaced (3.2.3), the others are gone.
    let (mut lone, [peer]) = among([2]);
    for host in [11, 12] {
        lone.hear(2, peer, update(UpdateAction::Add, element_of(2, host)));
    }
    let claim = |elements: &[u32]| EnrpBody::Presence {
        reply_required: false,
        checksum: Some(checksum_of(elements.iter().copied())),
        server: Some(server(2)),
    };
    lone.said(peer);
    lone.hear(2, peer, claim(&[11, 12]));
    assert_eq!(lone.asked(peer), []);
    lone.hear(2, peer, claim(&[12, 13]));
    assert_eq!(lone.asked(peer), [EnrpBody::HandleTableRequest { own_children_only: true }]);
    let changed = PoolElement { life: Life::from_millis(123_000), ..element_of(2, 12) };
    lone.hear(2, peer, table(false, vec![changed.clone(), element_of(2, 13)]));
    assert_eq!(lone.elements(), [changed, element_of(2, 13)]);
}

#[test]
fn who_asks_for_a_registrars_own_elements_gets_those() {
    // RFC 5353, 3.6.3.
    let (mut lone, [peer]) = among([2]);
    lone.hear(2, peer, update(UpdateAction::Add, element_of(2, 11)));
    let element = PoolElement { home: RegistrarId::NONE, asap_transport: None, ..element_of(50, 12) };
    lone.hear_asap(12, &AsapMessage::Registration { pool_handle: POOL.into(), element });
    lone.said(peer);
    lone.hear(2, peer, EnrpBody::HandleTableRequest { own_children_only: true });
    assert_eq!(lone.asked(peer), [table(false, vec![element_of(50, 12)])]);
}
