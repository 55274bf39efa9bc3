//! Attacks at ten times the legitimate rate, from one address (RFC 5355, 2; Dreibholz et al. on denial of service): with the
//! countermeasure users and elements are served, without it they are not.
//!
//! For ten seconds five users resolve a pool 50 times in a second, and elements register 10 times in a second; the attacker sends 600
//! messages in a second. A resolution has succeeded if it names an element that is there and has room, within 20 ms.

use std::time::Duration;

use rserpool::pool_user::{PoolUserEvent, RequestId};
use rserpool::registrar::RegistrarConfig;
use rserpool::transport::{AssociationId, UserMessage};
use rserpool::wire::{ASAP_PPID, AsapMessage, Policy, PolicyField, PolicyType};
use rserpool::{PeId, PoolHandle, Rate};

use crate::memberships::description;
use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, POOL, Place, World};

const SECOND: Duration = Duration::from_secs(1);
/// In each a user resolves.
const SLOT: Duration = Duration::from_millis(20);
const SLOTS: u32 = 500;
/// In one of so many slots an element registers.
const REGISTRATIONS: u32 = 5;
/// Twelve attacks in a slot, where there are 1.2 legitimate requests.
const ATTACKS: u32 = 12;

const ELEMENTS: [u8; 5] = [11, 12, 13, 14, 15];
/// Those whose load leaves room for users.
const IDLE: [u8; 2] = [11, 12];
const USERS: [u8; 5] = [21, 22, 23, 24, 25];
const VISITOR: Place = (29, ASAP_PORT);
const ATTACKER: Place = (41, ASAP_PORT);

/// The attacker's elements have numbers from here on.
const FIRST_FALSE: u32 = 1_000_000;

/// A load of so many percent.
fn percent(load: u32) -> u32 {
    u32::MAX / 100 * load
}

/// Users are to be sent to the idle elements. Each user makes an element's load two percent higher, until it tells anew what it is.
fn policy(host: u8) -> Policy {
    let load = if IDLE.contains(&host) { 10 } else { 90 };
    Policy::new(PolicyType::LeastUsedDegradation)
        .with(PolicyField::Load, percent(load))
        .with(PolicyField::Degradation, percent(2))
}

struct Attack<'a> {
    world: &'a mut World,
    associations: Vec<AssociationId>,
    sent: u32,
}

impl Attack<'_> {
    /// Says something on the next of ten associations.
    fn say(&mut self, message: &AsapMessage) {
        let index = self.sent as usize % self.associations.len();
        let association = self.associations[index];
        let data = message.encode(&FORMAT).expect("a message");
        self.sent += 1;
        self.world.say_at_once(ATTACKER, association, UserMessage::new(ASAP_PPID, data));
    }

    fn register(&mut self, pool: &str) {
        let id = PeId(FIRST_FALSE + self.sent);
        let element = description(ATTACKER.0, |element| (element.id, element.policy) = (id, policy(IDLE[0])));
        self.say(&AsapMessage::Registration { pool_handle: pool.into(), element });
    }
}

impl Attack<'_> {
    /// Says something on the newest association, since one that says nothing would make room for others; and opens one more.
    fn come(&mut self) {
        self.associations.drain(..self.associations.len() - 1);
        let (pool_handle, pe_id) = (POOL.into(), PeId(0));
        self.say(&AsapMessage::EndpointUnreachable { pool_handle, pe_id });
        self.associations.push(self.world.connect_at_once(ATTACKER, (1, ASAP_PORT)));
    }
}

impl Attack<'_> {
    /// Pretends that the elements that it has registered live.
    fn answer(&mut self) {
        for message in self.world.told(ATTACKER) {
            if let AsapMessage::EndpointKeepAlive { pool_handle, pe_id: Some(pe_id), .. } = message {
                let index = (pe_id.0 - FIRST_FALSE) as usize % self.associations.len();
                let ack = AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id };
                let data = ack.encode(&FORMAT).expect("a message");
                let association = self.associations[index];
                self.world.say_at_once(ATTACKER, association, UserMessage::new(ASAP_PPID, data));
            }
        }
    }
}

/// How many of a hundred legitimate requests succeed.
#[derive(Debug, PartialEq)]
struct Success {
    resolutions: f64,
    registrations: f64,
}

impl Success {
    fn worst(&self) -> f64 {
        self.resolutions.min(self.registrations)
    }
}

fn run(change: impl FnOnce(&mut RegistrarConfig), attack: impl FnMut(&mut Attack<'_>)) -> Success {
    run_with(change, attack, false)
}

/// With users that stay, or that come for one resolution each time.
fn run_with(
    change: impl FnOnce(&mut RegistrarConfig),
    mut attack: impl FnMut(&mut Attack<'_>),
    comes_anew: bool,
) -> Success {
    let mut world = World::new();
    world.add_registrar_with(1, change);
    for host in ELEMENTS {
        world.add_element(host, &[1], policy(host));
    }
    for host in USERS {
        world.add_user(host, &[1], |_| {});
        world.with_user(host, |user, now| user.resolve(POOL.into(), now));
    }
    world.add_stranger(VISITOR);
    let mut visitor = world.connect(VISITOR, (1, ASAP_PORT));
    world.run_for(SECOND);
    world.add_stranger(ATTACKER);
    let associations: Vec<_> = (0..10).map(|_| world.connect(ATTACKER, (1, ASAP_PORT))).collect();
    let mut attack_state = Attack { world: &mut world, associations, sent: 0 };
    let (mut resolved, mut registered) = (0, 0);
    for slot in 0..SLOTS {
        let world = &mut *attack_state.world;
        let registers = slot % REGISTRATIONS == 0;
        if registers {
            visitor = enter(world, visitor, slot);
        }
        let user = USERS[slot as usize % USERS.len()];
        if comes_anew {
            world.add_user(user, &[1], |_| {});
        }
        world.user_events.clear();
        let request = world.with_user(user, |user, now| user.resolve(POOL.into(), now));
        for _ in 0..ATTACKS {
            attack(&mut attack_state);
            attack_state.world.run_for(SLOT / ATTACKS);
            attack_state.answer();
        }
        let world = &mut *attack_state.world;
        resolved += u32::from(is_served(world, request));
        registered += u32::from(registers && has_entered(world, visitor, slot));
        if comes_anew {
            world.kill(user);
        }
    }
    let share = |count: u32, of: u32| f64::from(count) * 100.0 / f64::from(of);
    Success { resolutions: share(resolved, SLOTS), registrations: share(registered, SLOTS / REGISTRATIONS) }
}

/// Whether a user was given an element that serves it.
fn is_served(world: &World, request: RequestId) -> bool {
    world.user_events.iter().any(|event| match event {
        PoolUserEvent::Resolved { request: answered, result: Ok(elements), .. } if *answered == request => {
            IDLE.iter().any(|idle| elements[0].id == PeId((*idle).into()))
        }
        _ => false,
    })
}

fn visitors() -> PoolHandle {
    "Visitors".into()
}

/// Registers an element for a while. Its association, which is a new one if the last was lost.
fn enter(world: &mut World, association: AssociationId, slot: u32) -> AssociationId {
    world.told(VISITOR);
    let association =
        if world.are_linked(VISITOR.0, 1) { association } else { world.connect(VISITOR, (1, ASAP_PORT)) };
    let element = description(VISITOR.0, |element| element.id = PeId(slot));
    let message = AsapMessage::Registration { pool_handle: visitors(), element };
    let data = message.encode(&FORMAT).expect("a message");
    world.say_at_once(VISITOR, association, UserMessage::new(ASAP_PPID, data));
    association
}

/// Whether it was registered; it leaves again.
fn has_entered(world: &mut World, association: AssociationId, slot: u32) -> bool {
    let told = world.told(VISITOR);
    let (pool_handle, pe_id) = (visitors(), PeId(slot));
    let message = AsapMessage::Deregistration { pool_handle, pe_id };
    let data = message.encode(&FORMAT).expect("a message");
    world.say_at_once(VISITOR, association, UserMessage::new(ASAP_PPID, data));
    told.iter().any(|message| matches!(message, AsapMessage::RegistrationResponse { rejected: false, .. }))
}

/// The network of all but the attacker.
fn know_own_network(config: &mut RegistrarConfig) {
    config.access.own_networks = Some(vec!["10.0.0.0/27".parse().expect("a network")]);
}

#[test]
fn without_attack_all_are_served() {
    let success = run(|_| {}, |_| {});
    assert_eq!(success, Success { resolutions: 100.0, registrations: 100.0 });
}

/// The figures, for who wants to see them (`--nocapture`), and the two verdicts.
#[track_caller]
fn assert_helps(what: &str, with: &Success, without: &Success) {
    println!("{what}: with the countermeasure {with:?}, without {without:?}");
    assert!(with.worst() >= 99.0, "{what}, with the countermeasure: {with:?}");
    assert!(without.worst() < 99.0, "{what}, without the countermeasure: {without:?}");
}

#[test]
fn resolutions_do_not_wear_out_the_elements_that_have_room() {
    let attack = |attack: &mut Attack<'_>| {
        let (subscribe, pool_handle, items) = (false, POOL.into(), None);
        attack.say(&AsapMessage::HandleResolution { subscribe, pool_handle, items });
    };
    // Each user resolves ten times in a second.
    let with = run(|config| config.user_limits.resolution_rate = Rate::per_second(15.0), attack);
    assert_helps("handle resolutions", &with, &run(|_| {}, attack));
}

#[test]
fn false_reports_do_not_remove_elements() {
    let attack = |attack: &mut Attack<'_>| {
        let id = ELEMENTS[attack.sent as usize % ELEMENTS.len()];
        let (pool_handle, pe_id) = (POOL.into(), PeId(id.into()));
        attack.say(&AsapMessage::EndpointUnreachable { pool_handle, pe_id });
    };
    // An element renews its registration in each second, and begins anew with that.
    let with = run(|config| config.user_limits.report_rate = Rate::per_second(0.5), attack);
    assert_helps("reports of failures", &with, &run(|_| {}, attack));
}

#[test]
fn strangers_do_not_register_elements_that_are_not_there() {
    let attack = |attack: &mut Attack<'_>| attack.register(POOL);
    assert_helps("registrations in a pool", &run(know_own_network, attack), &run(|_| {}, attack));
}

#[test]
fn one_of_us_does_not_fill_the_handlespace() {
    let attack = |attack: &mut Attack<'_>| attack.register("Nonsense");
    let limit = |config: &mut RegistrarConfig| config.limits.elements = 100;
    let with = run(
        |config| {
            limit(config);
            config.user_limits.elements = 20;
        },
        attack,
    );
    assert_helps("registrations", &with, &run(limit, attack));
}

#[test]
fn one_of_us_does_not_make_all_the_pools() {
    let attack = |attack: &mut Attack<'_>| attack.register(&format!("Nonsense{}", attack.sent));
    let limit = |config: &mut RegistrarConfig| config.limits.pools = 50;
    let with = run(
        |config| {
            limit(config);
            config.user_limits.pools = 10;
        },
        attack,
    );
    assert_helps("pools", &with, &run(limit, attack));
}

#[test]
fn one_user_does_not_take_all_associations() {
    let attack = |attack: &mut Attack<'_>| attack.come();
    let limit = |config: &mut RegistrarConfig| config.max_associations = 100;
    let with = run_with(
        |config| {
            limit(config);
            config.user_limits.associations = 20;
        },
        attack,
        true,
    );
    assert_helps("associations", &with, &run_with(limit, attack, true));
}
