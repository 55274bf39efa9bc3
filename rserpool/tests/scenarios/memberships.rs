//! What an element and its registrar owe each other: registration, renewal, deregistration, keep-alives (RFC 5352, 3.1, 3.2,
//! 3.4), also when one of the two is not what it says.

use std::time::Duration;

use rserpool::pool_element::PoolElementEvent;
use rserpool::pool_user::ResolutionError;
use rserpool::registrar::RemovalReason;
use rserpool::transport::{AssociationId, UserMessage};
use rserpool::wire::{
    ASAP_PPID, Addresses, AsapMessage, CauseCode, Life, Policy, PoolElement, Protocol, Transport,
    TransportUse,
};
use rserpool::{AddressScope, PeId, PoolHandle, RegistrarId};

use crate::pools::{removals, resolve, small_world};
use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, POOL, Place, SERVICE_PORT, World, address};

const SECOND: Duration = Duration::from_secs(1);

/// An element as a stranger on `host` describes it.
pub(crate) fn description(host: u8, change: impl FnOnce(&mut PoolElement)) -> PoolElement {
    let mut element = PoolElement {
        id: PeId(host.into()),
        home: RegistrarId::NONE,
        life: Life::from_millis(60_000),
        user_transport: Transport::sctp(SERVICE_PORT, [address(host)], TransportUse::DataAndControl),
        policy: Policy::default(),
        asap_transport: None,
    };
    change(&mut element);
    element
}

/// Registers for a stranger; the causes of a rejection.
pub(crate) fn register(
    world: &mut World,
    (place, association): (Place, AssociationId),
    element: PoolElement,
) -> Result<(), Vec<CauseCode>> {
    let registration = AsapMessage::Registration { pool_handle: POOL.into(), element };
    world.say(place, association, &registration);
    let mut told = world.told(place);
    told.retain(|message| !matches!(message, AsapMessage::EndpointKeepAlive { .. }));
    match &told[..] {
        [AsapMessage::RegistrationResponse { rejected: false, errors, .. }] => {
            assert_eq!(*errors, [], "no warning");
            Ok(())
        }
        [AsapMessage::RegistrationResponse { rejected: true, errors, .. }] => {
            Err(errors.iter().map(|cause| cause.code).collect())
        }
        other => panic!("one response was expected: {other:?}"),
    }
}

/// Deregisters for a stranger; the causes of a rejection.
fn deregister(world: &mut World, (place, association): (Place, AssociationId), id: u32) -> Vec<CauseCode> {
    let (pool_handle, pe_id) = (POOL.into(), PeId(id));
    world.say(place, association, &AsapMessage::Deregistration { pool_handle, pe_id });
    match &world.told(place)[..] {
        [AsapMessage::DeregistrationResponse { errors, .. }] => {
            errors.iter().map(|cause| cause.code).collect()
        }
        other => panic!("one response was expected: {other:?}"),
    }
}

#[test]
fn nobody_deregisters_another_not_even_from_the_same_host() {
    // RFC 5352, 2.2.2 and 3.2.
    let mut world = small_world(Policy::default());
    for place in [(11, 5000), (31, ASAP_PORT)] {
        world.add_stranger(place);
        let association = world.connect(place, (1, ASAP_PORT));
        assert_eq!(deregister(&mut world, (place, association), 11), [CauseCode::SECURITY]);
    }
    assert_eq!(removals(&world), []);
}

#[test]
fn an_element_may_deregister_over_a_new_association_of_its_endpoint() {
    // RFC 5352, 3.2 D2: pool handle and identifier verify who it is, and the address that its registration came from.
    let mut world = World::new();
    world.add_registrar(1);
    let first = world.stranger_at_registrar(31);
    assert_eq!(register(&mut world, first, description(31, |_| {})), Ok(()));
    let second = (first.0, world.connect(first.0, (1, ASAP_PORT)));
    assert_eq!(deregister(&mut world, second, 31), []);
    assert_eq!(removals(&world), [(31, RemovalReason::Deregistered)]);
}

#[test]
fn deregistering_an_unknown_element_succeeds() {
    // RFC 5352, 3.2.
    let mut world = small_world(Policy::default());
    let stranger = world.stranger_at_registrar(31);
    assert_eq!(deregister(&mut world, stranger, 4711), []);
    assert_eq!(removals(&world), []);
}

#[test]
fn an_element_whose_registrar_does_not_answer_deregisters_at_another() {
    // RFC 5352, 3.2: T3.
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    world.run_for(SECOND);
    world.add_element(11, &[1, 2], Policy::default());
    world.run_until_done(SECOND, |world| {
        [1, 2].iter().all(|&host| world.registrar(host).handlespace().len() == 1)
    });
    let home = world.registrar(1).handlespace().homes().next().expect("a home").0 as u8;
    world.freeze(home);
    world.with_element(11, |element, now| element.deregister(now));
    let is_done = |world: &mut World| {
        world.element_events.last() == Some(&(11, PoolElementEvent::Deregistered { confirmed: true }))
    };
    world.run_until_done(2 * SECOND, is_done);
    assert!(world.registrar(3 - home).handlespace().is_empty());
}

#[test]
fn an_element_that_finds_nobody_to_leave_to_leaves_without() {
    let mut world = World::new();
    world.add_element(11, &[1], Policy::default());
    world.with_element(11, |element, now| element.deregister(now));
    world.run_for(2 * SECOND);
    let left = PoolElementEvent::Deregistered { confirmed: false };
    assert_eq!(world.element_events.last(), Some(&(11, left)));
    world.with_element(11, |element, _| assert_eq!(element.poll_timeout(), None));
}

#[test]
fn a_registration_that_is_not_renewed_expires_and_the_element_is_told() {
    // RFC 5352, 3.2.
    let mut world = World::new();
    world.add_registrar(1);
    let stranger = world.stranger_at_registrar(31);
    let element = description(31, |element| element.life = Life::from_millis(200));
    assert_eq!(register(&mut world, stranger, element), Ok(()));
    world.run_for(Duration::from_millis(210));
    assert_eq!(removals(&world), [(31, RemovalReason::LifeExpired)]);
    let (pool_handle, pe_id, errors) = (POOL.into(), PeId(31), Vec::new());
    assert_eq!(
        world.told(stranger.0).last(),
        Some(&AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors })
    );
}

#[test]
fn a_registration_is_renewed_before_it_ends_however_short_it_is() {
    // RFC 5352, 3.1 R2.3, and 7.1: T4.
    let mut world = World::new();
    world.add_registrar(1);
    let mut config = World::element_config(11, &[1], Policy::default());
    (config.life, config.reregistration_interval) = (Life::from_millis(700), Duration::from_secs(60));
    world.add_element_with(11, config);
    world.run_for(5 * SECOND);
    assert_eq!(removals(&world), []);
    assert!(world.registrar(1).statistics().reregistrations > 10);
}

#[test]
fn a_rejected_element_asks_nobody_again_until_the_error_is_corrected() {
    // RFC 5352, 3.1.
    let mut world = World::new();
    (1..=2).for_each(|host| world.add_registrar(host));
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND);
    world.add_element(12, &[1], Policy::least_used(1));
    let is_rejected =
        |world: &mut World| matches!(world.element_events.last(), Some((12, PoolElementEvent::Rejected(_))));
    world.run_until_done(SECOND, is_rejected);
    world.kill(1);
    world.run_for(5 * SECOND);
    let ids: Vec<_> = world.registrar(2).handlespace().pools().flat_map(|pool| pool.elements()).collect();
    assert_eq!(ids.iter().map(|element| element.info.id).collect::<Vec<_>>(), [PeId(11)]);
    world.with_element(12, |element, now| element.set_policy(Policy::default(), now));
    world.run_until_done(SECOND, |world| world.registrar(2).handlespace().len() == 2);
}

#[test]
fn registrations_without_answer_are_given_up_where_that_is_wanted() {
    // RFC 5352, 3.1 and 7.3: MAX-REG-ATTEMPT.
    let mut world = World::new();
    world.add_stranger((1, ASAP_PORT));
    let mut config = World::element_config(11, &[1], Policy::default());
    config.max_registration_attempts = Some(2);
    world.add_element_with(11, config);
    world.run_for(5 * SECOND);
    let sent = |world: &mut World| {
        let is_registration = |message: &&AsapMessage| matches!(message, AsapMessage::Registration { .. });
        world.told((1, ASAP_PORT)).iter().filter(is_registration).count()
    };
    assert_eq!(sent(&mut world), 2);
    assert_eq!(world.element_events.last(), Some(&(11, PoolElementEvent::GaveUp { attempts: 2 })));
    world.with_element(11, |element, now| element.register_again(now));
    world.run_for(SECOND / 4);
    assert_eq!(sent(&mut world), 1);
}

#[test]
fn values_that_have_no_meaning_are_rejected() {
    // RFC 5352, 3.1 rule 5; RFC 5354, 3.5: one address of TCP.
    let mut world = World::new();
    world.add_registrar(1);
    let stranger = world.stranger_at_registrar(31);
    let dead = description(31, |element| element.life = Life::from_millis(0));
    let two_addresses = description(31, |element| {
        element.user_transport.protocol = Protocol::Tcp;
        element.user_transport.addresses = vec![address(31), address(32)].into();
    });
    let opaque = description(31, |element| {
        element.user_transport = Transport {
            protocol: Protocol::Opaque(b"??"[..].into()),
            port: 0,
            addresses: Default::default(),
        };
    });
    for element in [dead, two_addresses, opaque] {
        assert_eq!(register(&mut world, stranger, element), Err(vec![CauseCode::INVALID_VALUES]));
    }
    assert!(world.registrar(1).handlespace().is_empty());
}

#[test]
fn a_pool_may_have_any_transport_where_no_rsplib_listens() {
    // RFC 5354, 3.3, 3.5 to 3.8 and 3.16; 3.10: registrars reach it by SCTP all the same.
    let opaque = Protocol::Opaque(b"any"[..].into());
    let rare = [Protocol::UdpLite, Protocol::Dccp { service_code: 5 }, opaque];
    for protocol in rare.into_iter().chain([Protocol::Tcp, Protocol::Udp]) {
        let mut world = World::new();
        world.add_registrar_with(1, |config| config.format.rare_transports = true);
        let mut config = World::element_config(11, &[1], Policy::default());
        config.format.rare_transports = true;
        if matches!(protocol, Protocol::Opaque(_)) {
            config.user_transport.addresses = Addresses::default();
            config.user_transport.port = 0;
        }
        config.user_transport.protocol = protocol;
        let transport = config.user_transport.clone();
        world.add_element_with(11, config);
        world.add_user(21, &[1], |_| {});
        world.run_for(SECOND);
        assert_eq!(resolve(&mut world), Ok(vec![11]), "{transport:?}");
        let pools: Vec<_> = world.registrar(1).handlespace().pools().collect();
        let known = pools[0].elements().next().expect("an element");
        assert_eq!(known.info.user_transport, transport);
        let asap = known.info.asap_transport.as_ref().map(|asap| &asap.protocol);
        assert!(matches!(asap, Some(Protocol::Sctp(_))), "{asap:?}");
    }
}

#[test]
fn addresses_that_are_not_the_associations_own_do_not_get_into_the_handlespace() {
    // RFC 5352, 2.2.1 and 6.1.
    let mut world = World::new();
    world.add_registrar(1);
    let stranger = world.stranger_at_registrar(31);
    let foreign = description(31, |element| element.user_transport.addresses[0] = address(99));
    assert_eq!(register(&mut world, stranger, foreign), Err(vec![CauseCode::INVALID_VALUES]));
    let both = vec![address(31), address(99)];
    let mixed = description(31, |element| element.user_transport.addresses = both.clone().into());
    assert_eq!(register(&mut world, stranger, mixed), Ok(()));
    let pools: Vec<_> = world.registrar(1).handlespace().pools().collect();
    let known = pools[0].elements().next().expect("an element");
    assert_eq!(known.info.user_transport.addresses[..], [address(31)]);
    let asap = known.info.asap_transport.as_ref().expect("RFC 5352, 3.1 rule 4");
    assert_eq!((asap.port, &asap.addresses[..]), (ASAP_PORT, &[address(31)][..]));
}

#[test]
fn addresses_must_be_known_as_far_as_the_registrar_wants() {
    for (least, is_accepted) in [(AddressScope::SiteLocal, true), (AddressScope::Global, false)] {
        let mut world = World::new();
        world.add_registrar_with(1, |config| config.min_address_scope = Some(least));
        let stranger = world.stranger_at_registrar(31);
        let result = register(&mut world, stranger, description(31, |_| {}));
        assert_eq!(result.is_ok(), is_accepted, "{least:?}");
    }
}

#[test]
fn an_identifier_in_use_is_refused_to_others_and_given_to_its_owner_again() {
    // RFC 5352, 3.1 rule 3; RFC 5354, 3.12.5.
    let mut world = World::new();
    world.add_registrar(1);
    let owner = world.stranger_at_registrar(31);
    let other = world.stranger_at_registrar(32);
    assert_eq!(register(&mut world, owner, description(31, |_| {})), Ok(()));
    let stolen = description(32, |element| element.id = PeId(31));
    assert_eq!(register(&mut world, other, stolen), Err(vec![CauseCode::NON_UNIQUE_PE_ID]));
    let again = (owner.0, world.connect(owner.0, (1, ASAP_PORT)));
    let moved = description(31, |element| element.user_transport.port = 7001);
    assert_eq!(register(&mut world, again, moved), Ok(()));
    assert_eq!(world.registrar(1).handlespace().len(), 1);
}

#[test]
fn keep_alives_are_acknowledged_to_anybody_but_not_for_another_pool() {
    // RFC 5352, 2.2.7 and 3.4 KA1, KA2.
    let mut world = small_world(Policy::default());
    let place = (31, ASAP_PORT);
    world.add_stranger(place);
    let association = world.connect(place, (11, ASAP_PORT));
    let mut ask = |pool_handle: &str, pe_id| {
        let (new_home, registrar, pool_handle) = (false, RegistrarId(9), pool_handle.into());
        let message = AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id };
        world.say(place, association, &message);
        world.told(place)
    };
    let ack = AsapMessage::EndpointKeepAliveAck { pool_handle: POOL.into(), pe_id: PeId(11) };
    assert_eq!(ask(POOL, None), std::slice::from_ref(&ack));
    assert_eq!(ask(POOL, Some(PeId(11))), [ack]);
    assert_eq!(ask(POOL, Some(PeId(12))), []);
    assert_eq!(ask("AnotherPool", None), []);
}

#[test]
fn a_new_home_gets_the_registration_that_the_old_one_has_not_answered() {
    // RFC 5352, 3.4 KA2.4.
    let mut world = World::new();
    let (mute, new_home) = ((1, ASAP_PORT), (2, ASAP_PORT));
    world.add_stranger(mute);
    world.add_stranger(new_home);
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND / 10);
    let association = world.connect(new_home, (11, ASAP_PORT));
    let (registrar, pool_handle) = (RegistrarId(2), POOL.into());
    let claim = AsapMessage::EndpointKeepAlive { new_home: true, registrar, pool_handle, pe_id: None };
    world.say(new_home, association, &claim);
    let told = world.told(new_home);
    assert!(
        matches!(told[..], [AsapMessage::EndpointKeepAliveAck { .. }, AsapMessage::Registration { .. }]),
        "{told:?}"
    );
    assert!(world.element_events.contains(&(11, PoolElementEvent::HomeChanged(registrar))));
}

#[test]
fn strangers_do_not_become_home_where_only_known_registrars_may() {
    // RFC 5352, 9.1: threat 2, a malicious registrar.
    let mut world = World::new();
    world.add_registrar_with(1, |config| config.announce_interval = None);
    let mut config = World::element_config(11, &[1, 2], Policy::default());
    config.adopt_known_only = true;
    world.add_element_with(11, config);
    world.run_for(SECOND);
    let claim = |world: &mut World, host: u8| {
        let place = (host, 4000);
        world.add_stranger(place);
        let association = world.connect(place, (11, ASAP_PORT));
        let (new_home, registrar, pool_handle) = (true, RegistrarId(host.into()), POOL.into());
        let message = AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id: None };
        world.say(place, association, &message);
        assert_eq!(world.told(place).len(), 1, "it is acknowledged");
        world.element_events.contains(&(11, PoolElementEvent::HomeChanged(registrar)))
    };
    assert!(!claim(&mut world, 66));
    assert_eq!(removals(&world), []);
    assert!(claim(&mut world, 2), "it is configured");
}

/// What an element was told of its resolutions.
fn resolved(world: &mut World) -> Vec<Result<Vec<u32>, ResolutionError>> {
    let events = std::mem::take(&mut world.element_events);
    let results = events.into_iter().filter_map(|(_, event)| match event {
        PoolElementEvent::Resolved { result, .. } => Some(result.map(|elements| world.hosts_of(&elements))),
        _ => None,
    });
    results.collect()
}

#[test]
fn an_element_resolves_over_the_association_of_its_registration() {
    // RFC 5352, 3.3 NR3.
    let mut world = small_world(Policy::default());
    let attempts = world.attempts.len();
    world.with_element(11, |element, now| {
        assert!(element.resolve(POOL.into(), Some(u32::MAX), now));
        assert!(element.resolve("no such pool".into(), None, now));
        assert!(element.resolve(POOL.into(), Some(1), now));
    });
    world.run_for(SECOND / 10);
    let mut results = resolved(&mut world);
    assert_eq!(results.pop().expect("the last").expect("positive").len(), 1);
    assert!(matches!(results.pop(), Some(Err(ResolutionError::Refused(_)))));
    let mut all = results.pop().expect("the first").expect("positive");
    all.sort_unstable();
    assert_eq!((all, results.len()), (vec![11, 12, 13], 0));
    assert_eq!(world.attempts.len(), attempts);
    let long = PoolHandle::new([b'x'; PoolHandle::MAX_INTEROPERABLE_LEN + 1]);
    world.with_element(11, |element, now| assert!(element.resolve(long, None, now)));
    assert!(matches!(resolved(&mut world)[..], [Err(ResolutionError::Unspeakable(_))]));
    world.with_element(11, |element, now| {
        (0..64).for_each(|_| assert!(element.resolve(POOL.into(), None, now)));
        assert!(!element.resolve(POOL.into(), None, now), "so many may wait");
    });
}

#[test]
fn an_element_asks_the_next_registrar_what_the_last_has_not_answered() {
    // RFC 5352, 3.3 and 3.7.2: T1.
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    world.run_for(SECOND);
    world.add_element(11, &[1, 2], Policy::default());
    world.run_for(SECOND);
    let home = world.registrar(1).handlespace().homes().next().expect("a home").0 as u8;
    world.freeze(home);
    world.with_element(11, |element, now| assert!(element.resolve(POOL.into(), None, now)));
    world.run_for(2 * SECOND);
    assert_eq!(resolved(&mut world), [Ok(vec![11])]);
    world.freeze(3 - home);
    world.with_element(11, |element, now| assert!(element.resolve(POOL.into(), None, now)));
    world.run_for(2 * SECOND);
    assert_eq!(resolved(&mut world), [Err(ResolutionError::TimedOut)]);
}

#[test]
fn what_is_not_understood_is_reported_where_its_type_demands_that() {
    // RFC 5352, 2.2.14; RFC 5354, 3 and 4.
    let mut world = small_world(Policy::default());
    let place = (31, ASAP_PORT);
    world.add_stranger(place);
    for to in [(1, ASAP_PORT), (11, ASAP_PORT)] {
        let association = world.connect(place, to);
        let mut causes = |bytes: Vec<u8>| -> Vec<CauseCode> {
            world.say_bytes(place, association, bytes);
            let told = world.told(place).into_iter();
            let errors = told.flat_map(|message| match message {
                AsapMessage::Error(causes) => causes,
                _ => Vec::new(),
            });
            errors.map(|cause| cause.code).collect()
        };
        assert_eq!(causes(vec![0x4f, 0, 0, 4]), [CauseCode::UNRECOGNIZED_MESSAGE]);
        assert_eq!(causes(vec![0x8f, 0, 0, 4]), []);
        let with_parameter = |kind: u8| vec![14, 0, 0, 12, kind, 0, 0, 4, 0, 12, 0, 4];
        assert_eq!(causes(with_parameter(0xc1)), [CauseCode::UNRECOGNIZED_PARAMETER]);
        assert_eq!(causes(with_parameter(0x41)), [CauseCode::UNRECOGNIZED_PARAMETER]);
        assert_eq!(causes(with_parameter(0x81)), []);
        assert_eq!(causes(with_parameter(0x01)), []);
    }
    // The element's application hears of the errors that others report.
    assert!(world.element_events.contains(&(11, PoolElementEvent::ErrorReported(Vec::new()))));
}

#[test]
fn a_registration_says_all_that_it_must_and_an_answer_ends_the_waiting() {
    // RFC 5352, 2.2.1, 3.1 R2 to R4, and 3.6: over an association with the registrar that the hunt has found.
    let mut world = World::new();
    let registrar = (1, ASAP_PORT);
    world.add_stranger(registrar);
    world.add_element(11, &[1], Policy::least_used(7));
    let expected = description(11, |element| {
        (element.life, element.policy) = (Life::from_millis(3000), Policy::least_used(7));
    });
    world.run_for(SECOND / 10);
    let association = world.accepted(registrar);
    let (pool_handle, pe_id) = (POOL.into(), PeId(11));
    let registration = AsapMessage::Registration { pool_handle, element: expected };
    assert_eq!(world.told(registrar), std::slice::from_ref(&registration));
    // T2 is 400 ms; T4, a second, brings the same again.
    let (rejected, pool_handle, errors) = (false, POOL.into(), Vec::new());
    world.say(
        registrar,
        association,
        &AsapMessage::RegistrationResponse { rejected, pool_handle, pe_id, errors },
    );
    world.run_for(SECOND * 9 / 10);
    assert_eq!(world.told(registrar), []);
    world.run_for(SECOND / 5);
    assert_eq!(world.told(registrar), [registration]);
    assert_eq!(world.attempts.len(), 1);
}

#[test]
fn a_deregistration_names_the_registered_and_its_answer_ends_the_waiting() {
    // RFC 5352, 2.2.2 and 3.2 D1 to D4.
    let mut world = World::new();
    let registrar = (1, ASAP_PORT);
    world.add_stranger(registrar);
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND / 10);
    let association = world.accepted(registrar);
    world.told(registrar);
    world.with_element(11, |element, now| element.deregister(now));
    world.run_for(SECOND / 10);
    let (pool_handle, pe_id) = (POOL.into(), PeId(11));
    assert_eq!(world.told(registrar), [AsapMessage::Deregistration { pool_handle, pe_id }]);
    let (pool_handle, errors) = (POOL.into(), Vec::new());
    world.say(registrar, association, &AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors });
    assert_eq!(world.element_events.last(), Some(&(11, PoolElementEvent::Deregistered { confirmed: true })));
    world.with_element(11, |element, _| assert_eq!(element.poll_timeout(), None));
}

#[test]
fn the_first_element_sets_policy_transport_and_control_channel_of_its_pool() {
    // RFC 5352, 3.1 rules 1 to 3; 4.
    let mut world = World::new();
    world.add_registrar(1);
    let first = world.stranger_at_registrar(31);
    let second = world.stranger_at_registrar(32);
    assert_eq!(register(&mut world, first, description(31, |_| {})), Ok(()));
    let pools: Vec<_> = world.registrar(1).handlespace().pools().collect();
    assert_eq!(
        (pools[0].policy(), pools[0].transport_use()),
        (Policy::default(), TransportUse::DataAndControl)
    );
    let policy = |element: &mut PoolElement| element.policy = Policy::least_used(1);
    let transport = |element: &mut PoolElement| element.user_transport.protocol = Protocol::Tcp;
    let usage =
        |element: &mut PoolElement| element.user_transport.protocol = Protocol::Sctp(TransportUse::DataOnly);
    let refused = |world: &mut World, who, element| register(world, who, element).expect_err("refused")[0];
    // Who is in the pool already may not change these either.
    for (who, host) in [(second, 32), (first, 31)] {
        assert_eq!(refused(&mut world, who, description(host, policy)), CauseCode::INCONSISTENT_POLICY);
        assert_eq!(
            refused(&mut world, who, description(host, transport)),
            CauseCode::INCONSISTENT_TRANSPORT_TYPE
        );
        assert_eq!(refused(&mut world, who, description(host, usage)), CauseCode::INCONSISTENT_CONTROL_USE);
    }
    assert_eq!(register(&mut world, second, description(32, |_| {})), Ok(()));
    assert_eq!(world.registrar(1).handlespace().len(), 2);
}

#[test]
fn a_registrar_owns_who_registers_with_it_also_if_it_was_another_s_and_tells_its_peers() {
    // RFC 5352, 1.1 and 3.1 rule 4; RFC 5353, 1.1.
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    world.run_for(SECOND);
    let homes = |world: &mut World| {
        [1, 2].map(|host| world.registrar(host).handlespace().homes().map(|home| home.0).collect::<Vec<_>>())
    };
    let first = world.stranger_at_registrar(31);
    assert_eq!(register(&mut world, first, description(31, |_| {})), Ok(()));
    assert_eq!(homes(&mut world), [[1], [1]]);
    let second = (first.0, world.connect(first.0, (2, ASAP_PORT)));
    world.told(first.0);
    assert_eq!(register(&mut world, second, description(31, |_| {})), Ok(()));
    // The first asks whose it is, and gets no answer.
    world.run_for(2 * SECOND / 5);
    assert_eq!(homes(&mut world)[0], [2]);
}

#[test]
fn a_refused_deregistration_is_not_told_to_peers() {
    // RFC 5352, 3.2.
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    world.run_for(SECOND);
    let owner = world.stranger_at_registrar(31);
    assert_eq!(register(&mut world, owner, description(31, |_| {})), Ok(()));
    let updates = world.registrar(1).statistics().updates;
    let other = world.stranger_at_registrar(32);
    assert_eq!(deregister(&mut world, other, 31), [CauseCode::SECURITY]);
    assert_eq!(deregister(&mut world, other, 33), []);
    assert_eq!(world.registrar(1).statistics().updates, updates);
    assert_eq!(deregister(&mut world, owner, 31), []);
    assert_eq!(world.registrar(1).statistics().updates, updates + 1);
}

#[test]
fn keep_alives_of_elements_that_came_together_are_spread() {
    // RFC 5352, 3.5: give or take half of 250 ms.
    let mut world = World::new();
    world.add_registrar(1);
    let places: Vec<Place> = (0..60).map(|number| (31, 20_000 + number)).collect();
    let mut registrations = Vec::new();
    for (&place, id) in places.iter().zip(1..) {
        world.add_stranger(place);
        let association = world.connect(place, (1, ASAP_PORT));
        let (pool_handle, element) = (POOL.into(), description(31, |element| element.id = PeId(id)));
        let message = AsapMessage::Registration { pool_handle, element };
        let data = message.encode(&FORMAT).expect("a registration");
        registrations.push((place, association, UserMessage::new(ASAP_PPID, data)));
    }
    for (place, association, message) in registrations {
        world.say_at_once(place, association, message);
    }
    let is_keep_alive = |message: &AsapMessage| matches!(message, AsapMessage::EndpointKeepAlive { .. });
    let mut asked = Vec::new();
    for _ in 0..16 {
        world.run_for(Duration::from_millis(25));
        asked.push(places.iter().filter(|place| world.told(**place).iter().any(is_keep_alive)).count());
    }
    assert_eq!(asked.iter().sum::<usize>(), 60);
    assert_eq!(asked[..4], [0; 4], "none in the first 100 ms");
    assert!(asked.iter().all(|count| *count < 20), "no burst: {asked:?}");
}
