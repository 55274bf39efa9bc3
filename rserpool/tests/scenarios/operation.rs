//! What operators do with a running registrar: count, and change its settings.

use std::time::Duration;

use rserpool::registrar::{PeerCounts, RegistrarConfig, Rejections, Removals};
use rserpool::transport::{Command, Side};
use rserpool::wire::{AsapMessage, CauseCode, ENRP_PORT, Format, Policy, PoolElement};
use rserpool::{PeId, Profile, RegistrarId, RegistrarName};

use crate::lone::{Lone, element_of};
use crate::memberships::{description, register};
use crate::pools::small_world;
use crate::world::{POOL, World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_registrar_takes_other_settings_while_it_runs_and_stays_who_it_is() {
    let mut world = small_world(Policy::default());
    let before = world.registrar(1).config().clone();
    let mut config = RegistrarConfig::new(RegistrarId(4711), Profile::Rfc);
    config.access = before.access.clone();
    config.limits.elements = 2;
    config.format.rare_transports = !before.format.rare_transports;
    config.enrp.names = vec![RegistrarName::parse("registrars.test", ENRP_PORT).expect("a name")];
    world.registrar(1).reconfigure(config.clone());
    let now = world.registrar(1).config();
    assert_eq!((now.id, now.format), (before.id, before.format));
    assert_eq!(now.enrp.names, before.enrp.names);
    assert_eq!(now.keep_alive_interval, config.keep_alive_interval);
    // What is there stays, and renews its registration; there is no room for more.
    world.run_for(60 * SECOND);
    assert_eq!(world.registrar(1).handlespace().len(), 3);
    let stranger = world.stranger_at_registrar(31);
    assert_eq!(
        register(&mut world, stranger, description(31, |_| {})),
        Err(vec![CauseCode::LACK_OF_RESOURCES])
    );
    let statistics = world.registrar(1).statistics();
    assert!(statistics.reregistrations > 0);
    assert_eq!(statistics.rejections, Rejections { full: 1, ..Rejections::default() });
    assert_eq!(statistics.rejections.total(), 1);
}

#[test]
fn no_answer_has_more_elements_than_may_be_in_any() {
    let mut lone = Lone::start(|config| (config.default_items, config.max_items) = (3, 2));
    for id in 1..=4 {
        let element = PoolElement { id: PeId(id), ..element_of(0, 60) };
        lone.hear_asap(60, &AsapMessage::Registration { pool_handle: POOL.into(), element });
    }
    for items in [None, Some(0), Some(4), Some(u32::MAX)] {
        let before = lone.commands.len();
        let (pool_handle, subscribe) = (POOL.into(), false);
        lone.hear_asap(61, &AsapMessage::HandleResolution { subscribe, pool_handle, items });
        let answers = lone.commands[before..].iter().filter_map(|(_, command)| {
            let Command::Send { message, .. } = command else { return None };
            match AsapMessage::parse(&message.data, &Format::default()).expect("ASAP").message {
                AsapMessage::HandleResolutionResponse { elements, .. } => Some(elements.len()),
                _ => None,
            }
        });
        assert_eq!(answers.collect::<Vec<_>>(), [2], "{items:?}");
    }
}

#[test]
fn removals_are_counted_by_their_reason() {
    let mut world = small_world(Policy::default());
    world.kill(11);
    world.run_until_done(60 * SECOND, |world| world.registrar(1).handlespace().len() == 2);
    let removals = world.registrar(1).statistics().removals;
    assert_eq!(removals.total(), 1);
    let Removals { association_lost, no_keep_alive_ack, .. } = removals;
    assert_eq!(association_lost + no_keep_alive_ack, 1);
}

#[test]
fn peers_are_counted_by_how_it_stands_with_them() {
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    let active = PeerCounts { active: 1, ..PeerCounts::default() };
    world.run_until_done(60 * SECOND, |world| world.registrar(1).peer_counts() == active);
    assert!(world.registrar(1).association_count(Side::Enrp) >= 1);
    assert_eq!(world.registrar(1).association_count(Side::Asap), 0);
    world.freeze(2);
    let asked = PeerCounts { asked: 1, ..PeerCounts::default() };
    world.run_until_done(60 * SECOND, |world| world.registrar(1).peer_counts() == asked);
    // It was the only peer: nobody else has to agree.
    world.run_until_done(60 * SECOND, |world| world.registrar(1).statistics().takeovers == 1);
    assert_eq!(world.registrar(1).statistics().takeovers_begun, 1);
    assert_eq!(world.registrar(1).peer_counts(), PeerCounts::default());
}

/// A registrar with more elements than it can ask whether they are there in time serves its users: late Keep-Alives harm nobody.
#[test]
fn timers_that_run_out_all_at_once_leave_turns_to_what_comes() {
    const ELEMENTS: u32 = 1_000;
    let mut lone = Lone::start(|config| config.keep_alive_jitter = 0);
    for id in 1..=ELEMENTS {
        let element = PoolElement { id: PeId(id), ..element_of(0, 60) };
        lone.hear_asap(60, &AsapMessage::Registration { pool_handle: POOL.into(), element });
    }
    let due = lone.registrar.poll_timeout().expect("Keep-Alives") + SECOND;
    let asked = |lone: &Lone| lone.registrar.statistics().keep_alives;
    let mut rounds = 0;
    while asked(&lone) < u64::from(ELEMENTS) {
        let before = asked(&lone);
        lone.registrar.handle_timeout(due);
        lone.commands
            .extend(std::iter::from_fn(|| lone.registrar.poll_command()).map(|command| (due, command)));
        assert!(asked(&lone) - before <= 64, "{}", asked(&lone) - before);
        rounds += 1;
        assert!(rounds < ELEMENTS, "{} of {ELEMENTS} are asked", asked(&lone));
    }
}
