//! Registrars that come to an element, to make themselves its home or only to ask (RFC 5352, 3.4).

use std::time::Duration;

use rserpool::pool_element::PoolElementEvent;
use rserpool::wire::{AsapMessage, ErrorCause, Policy};
use rserpool::{PeId, RegistrarId};

use crate::world::{ASAP_PORT, POOL, World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_element_changes_its_home_however_often_it_is_told_to() {
    // RFC 5352, 3.4 KA2.4: more often than there may be registrars that have come to it.
    let mut world = World::new();
    world.add_element(11, &[], Policy::default());
    for registrar in (4000..4100).map(RegistrarId) {
        let place = (31, registrar.0 as u16);
        world.add_stranger(place);
        let association = world.connect(place, (11, ASAP_PORT));
        let (new_home, pool_handle) = (true, POOL.into());
        let claim = AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id: None };
        world.say(place, association, &claim);
        assert_eq!(
            world.element_events.last(),
            Some(&(11, PoolElementEvent::HomeChanged(registrar))),
            "of {registrar}"
        );
    }
}

#[test]
fn who_makes_itself_the_home_hears_what_has_changed_since_the_last_one_was_lost() {
    // RFC 5352, 3.4 KA2.4: the new home knows what the old one has told it.
    let mut world = World::new();
    let (old_home, new_home) = ((1, ASAP_PORT), (2, ASAP_PORT));
    world.add_stranger(old_home);
    world.add_stranger(new_home);
    world.add_element(11, &[1], Policy::least_used(1));
    world.run_for(SECOND / 10);
    let association = world.accepted(old_home);
    let (rejected, pool_handle, pe_id, errors) = (false, POOL.into(), PeId(11), Vec::new());
    world.say(
        old_home,
        association,
        &AsapMessage::RegistrationResponse { rejected, pool_handle, pe_id, errors },
    );
    world.kill(1);
    world.run_for(SECOND / 10);
    world.with_element(11, |element, now| element.set_policy(Policy::least_used(2), now));
    let association = world.connect(new_home, (11, ASAP_PORT));
    let (is_home, registrar, pool_handle) = (true, RegistrarId(2), POOL.into());
    let claim = AsapMessage::EndpointKeepAlive { new_home: is_home, registrar, pool_handle, pe_id: None };
    world.say(new_home, association, &claim);
    let told = world.told(new_home);
    let [AsapMessage::EndpointKeepAliveAck { .. }, AsapMessage::Registration { element, .. }] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(element.policy, Policy::least_used(2));
}

#[test]
fn a_rejected_element_does_not_register_with_who_makes_itself_its_home() {
    // RFC 5352, 3.1: not before the error is corrected.
    let mut world = World::new();
    let (strict, new_home) = ((1, ASAP_PORT), (2, ASAP_PORT));
    world.add_stranger(strict);
    world.add_stranger(new_home);
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND / 10);
    let association = world.accepted(strict);
    let (rejected, pool_handle, pe_id) = (true, POOL.into(), PeId(11));
    let errors = vec![ErrorCause::inconsistent_policy(&Policy::least_used(0))];
    world.say(
        strict,
        association,
        &AsapMessage::RegistrationResponse { rejected, pool_handle, pe_id, errors },
    );
    let association = world.connect(new_home, (11, ASAP_PORT));
    let (new_home_bit, registrar, pool_handle) = (true, RegistrarId(2), POOL.into());
    let claim =
        AsapMessage::EndpointKeepAlive { new_home: new_home_bit, registrar, pool_handle, pe_id: None };
    world.say(new_home, association, &claim);
    world.run_for(3 * SECOND);
    let told = world.told(new_home);
    assert!(matches!(told[..], [AsapMessage::EndpointKeepAliveAck { .. }]), "{told:?}");
    world.with_element(11, |element, now| element.set_policy(Policy::least_used(0), now));
    world.run_for(SECOND / 10);
    let told = world.told(new_home);
    assert!(matches!(told[..], [AsapMessage::Registration { .. }]), "{told:?}");
}

#[test]
fn those_who_come_and_say_nothing_keep_no_registrar_away() {
    // RFC 5352, 3.4.
    let mut world = World::new();
    world.add_element(11, &[], Policy::default());
    let place = (31, ASAP_PORT);
    world.add_stranger(place);
    let associations: Vec<_> = (0..70).map(|_| world.connect(place, (11, ASAP_PORT))).collect();
    let ask = |world: &mut World, association| {
        let (new_home, registrar, pool_handle) = (false, RegistrarId(31), POOL.into());
        let message = AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id: None };
        world.say(place, association, &message);
        world.told(place).len()
    };
    assert!(world.has_lost(place, associations[0]), "there is a bound");
    assert_eq!(ask(&mut world, associations[69]), 1);
}
