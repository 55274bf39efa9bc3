//! Peers that say whatever comes to their mind: nobody panics, grows without limit, or stops to serve those who behave.

use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rserpool::pool_user::{PoolUser, PoolUserConfig, PoolUserEvent};
use rserpool::session::{CookieKey, CookieProtection, ServiceConfig, SessionEvent};
use rserpool::transport::{AssociationId, Peer, TransportEvent, UserMessage};
use rserpool::wire::{ASAP_PPID, AsapMessage, CauseCode, ErrorCause, Life, Policy, PoolElement, Protocol};
use rserpool::{HuntConfig, PeId, PoolHandle, Profile, RegistrarId, Time};

use crate::pools::{resolve, small_world};
use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, POOL, SERVICE_PORT, World, address};

const SECOND: Duration = Duration::from_secs(1);

/// Any message, with names that mean something more often than not.
fn message(rng: &mut StdRng) -> AsapMessage {
    let pool_handle: PoolHandle = [POOL, "Other", ""][rng.random_range(0..3)].into();
    let pe_id = PeId(rng.random_range(10..16));
    let errors = match rng.random_range(0..3) {
        0 => vec![ErrorCause::new(CauseCode(rng.random()), Bytes::from_static(b"?"))],
        _ => Vec::new(),
    };
    let registrar = RegistrarId(rng.random_range(0..3));
    let elements = |rng: &mut StdRng| (0..rng.random_range(0..5)).map(|_| element(rng)).collect();
    match rng.random_range(0..13) {
        0 => AsapMessage::Registration { pool_handle, element: element(rng) },
        1 => AsapMessage::Deregistration { pool_handle, pe_id },
        2 => AsapMessage::RegistrationResponse { rejected: rng.random(), pool_handle, pe_id, errors },
        3 => AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors },
        4 => {
            AsapMessage::HandleResolution { subscribe: rng.random(), pool_handle, items: Some(rng.random()) }
        }
        5 => AsapMessage::HandleResolutionResponse {
            subscribed: rng.random(),
            pool_handle,
            policy: rng.random_bool(0.5).then(Policy::default),
            elements: elements(rng),
            errors,
        },
        // With the H bit an element follows it: that nobody may, TLS would have to say (RFC 5352, 9.2).
        6 => AsapMessage::EndpointKeepAlive { new_home: false, registrar, pool_handle, pe_id: Some(pe_id) },
        7 => AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id },
        8 => AsapMessage::ServerAnnounce { registrar, transports: vec![element(rng).user_transport] },
        9 => AsapMessage::Cookie(Bytes::from(vec![rng.random(); rng.random_range(0..80)])),
        10 => AsapMessage::CookieEcho(Bytes::from(vec![rng.random(); rng.random_range(0..80)])),
        11 => AsapMessage::BusinessCard { pool_handle, policy: None, elements: elements(rng) },
        _ => AsapMessage::Error(errors),
    }
}

fn element(rng: &mut StdRng) -> PoolElement {
    let mut element = World::element_config(31, &[], Policy::default()).description();
    element.id = PeId(rng.random_range(10..16));
    element.life = Life::from_millis(rng.random_range(0..500));
    element.user_transport.addresses[0] = address(rng.random_range(30..33));
    if rng.random_bool(0.3) {
        let rare = Protocol::Opaque((*b"?").into());
        element.user_transport.protocol =
            [Protocol::Tcp, Protocol::UdpLite, rare][rng.random_range(0..3)].clone();
    }
    element
}

/// Bytes of a message, some of them changed, or cut off.
fn bytes(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = message(rng).encode(&FORMAT).expect("a message").to_vec();
    if rng.random_bool(0.3) {
        let at = rng.random_range(0..bytes.len());
        bytes[at] = rng.random();
    }
    if rng.random_bool(0.1) {
        bytes.truncate(rng.random_range(0..=bytes.len()));
    }
    bytes
}

fn run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = small_world(Policy::default());
    for host in 11..=13 {
        let key = CookieKey::new(&[7; 32]).expect("long enough");
        let cookies = Some(CookieProtection::new(POOL.into(), key));
        world.set_service(host, ServiceConfig { cookies, ..ServiceConfig::default() });
    }
    let session = world.with_user(21, |user, now| user.open_session(POOL.into(), now));
    world.with_user(21, |user, now| user.subscribe(POOL.into(), now));
    world.run_for(SECOND / 10);
    let targets = [(1, ASAP_PORT), (11, ASAP_PORT), (12, ASAP_PORT), (11, SERVICE_PORT), (13, SERVICE_PORT)];
    let mut links = Vec::new();
    for (number, target) in (0..).zip(targets.iter().cycle().take(15)) {
        let place = (31, 30_000 + number);
        world.add_stranger(place);
        links.push((place, world.connect(place, *target)));
    }
    for _ in 0..300 {
        let (place, association) = links[rng.random_range(0..links.len())];
        world.say_at_once(place, association, UserMessage::new(ASAP_PPID, bytes(&mut rng)));
        if rng.random_bool(0.3) {
            world.run_for(Duration::from_millis(rng.random_range(1..20)));
        }
    }
    world.kill(31);
    world.run_for(5 * SECOND);
    // Whoever was there is, and nobody else.
    world.with_user(21, |user, now| user.unsubscribe(&POOL.into(), now));
    world.run_for(SECOND / 10);
    let mut ids = resolve(&mut world).expect("the pool is there");
    ids.sort_unstable();
    assert_eq!(ids, [11, 12, 13]);
    assert_eq!(world.registrar(1).handlespace().len(), 3);
    world.user_events.clear();
    let ping = UserMessage::new(33, "ping");
    world.with_user(21, |user, _| user.send(session, ping)).expect("the session is up");
    world.run_for(SECOND / 10);
    let is_reply =
        |event: &PoolUserEvent| matches!(event, PoolUserEvent::Session { event: SessionEvent::Data(_), .. });
    assert!(world.user_events.iter().any(is_reply), "{:?}", world.user_events);
}

#[test]
fn errors_that_a_registrar_reports_without_end_do_not_heap_up() {
    const MANY: usize = 100_100;
    let registrar = Peer { addresses: vec![address(1)], port: ASAP_PORT };
    let hunt = HuntConfig::new(vec![registrar.clone()], Profile::Fast);
    let mut user = PoolUser::new(PoolUserConfig::new(hunt, Profile::Fast), 1);
    user.resolve(POOL.into(), Time::ZERO);
    let association = AssociationId::Outgoing(0);
    user.handle_event(TransportEvent::Connected { association, peer: registrar }, Time::ZERO);
    let cause = ErrorCause::new(CauseCode::UNRECOGNIZED_MESSAGE, Bytes::from_static(b"?"));
    let data = AsapMessage::Error(vec![cause]).encode(&FORMAT).expect("a message");
    for _ in 0..MANY {
        let message = UserMessage::new(ASAP_PPID, data.clone());
        user.handle_event(TransportEvent::Message { association, message }, Time::ZERO);
    }
    let told = std::iter::from_fn(|| user.poll_event()).count();
    assert!(told > 0 && told < MANY, "{told}");
}

#[test]
fn noise_harms_nobody_who_behaves() {
    let seeds = match std::env::var("RSP_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..=seed).expect("RSP_SEED is a number"),
        Err(_) => 1..=50,
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "failed with seed {seed}; replay it with RSP_SEED={seed}");
    }
}
