//! How elements and users find a registrar (RFC 5352, 3.6).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rserpool::pool_user::{PoolUser, PoolUserConfig};
use rserpool::transport::{Command, Peer, Side, Target, TransportEvent};
use rserpool::wire::{AsapMessage, Policy, Transport, TransportUse};
use rserpool::{HuntConfig, Profile, RegistrarId, RegistrarName, Time};

use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, Place, World, address};

const SECOND: Duration = Duration::from_secs(1);

/// A world with silent hosts, and a user who knows them as registrars.
fn silent_world(hosts: &[u8]) -> World {
    let mut world = World::new();
    for &host in hosts {
        world.add_stranger((host, ASAP_PORT));
        world.freeze(host);
    }
    world.add_user(21, hosts, |config| {
        config.hunt.connect_timeout = Duration::from_millis(100);
        config.hunt.max_retry_delay = Duration::from_millis(400);
        config.resolution_timeout = 10 * SECOND;
    });
    world.with_user(21, |user, now| user.resolve("Pool".into(), now));
    world
}

/// When a round began, and whom it tried.
fn rounds(world: &World) -> Vec<(Duration, BTreeSet<u8>)> {
    let start = world.attempts.first().expect("an attempt").0;
    let mut rounds: Vec<(Duration, BTreeSet<u8>)> = Vec::new();
    for (at, _, to) in &world.attempts {
        match rounds.last_mut() {
            Some(round) if round.0 == *at - start => drop(round.1.insert(to.0)),
            _ => rounds.push((*at - start, BTreeSet::from([to.0]))),
        }
    }
    rounds
}

#[test]
fn no_more_than_three_are_tried_at_once_and_then_others() {
    // RFC 5352, 3.6 SH1 and SH5.2.
    let mut world = silent_world(&[41, 42, 43, 44, 45, 46]);
    world.run_for(Duration::from_millis(150));
    let rounds = rounds(&world);
    assert_eq!(rounds.iter().map(|(_, hosts)| hosts.len()).collect::<Vec<_>>(), [3, 3]);
    assert!(rounds[0].1.is_disjoint(&rounds[1].1), "{rounds:?}");
}

#[test]
fn the_time_for_a_round_doubles_up_to_a_limit() {
    // RFC 5352, 3.6 SH5.1.
    let mut world = silent_world(&[41]);
    world.run_for(Duration::from_millis(1600));
    let starts: Vec<_> = rounds(&world).iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(starts, [0, 100, 300, 700, 1100, 1500]);
}

#[test]
fn after_a_success_a_round_takes_as_long_as_at_first() {
    // RFC 5352, 3.6 SH3.
    let mut world = silent_world(&[41]);
    world.run_for(Duration::from_millis(350));
    world.add_registrar(42);
    world.run_for(SECOND);
    assert!(world.attempts.iter().any(|(_, _, to)| to.0 == 42));
    world.attempts.clear();
    world.kill(42);
    // The announces of the one that has died are valid for some time yet.
    world.run_for(Duration::from_millis(350));
    let of_silent: Vec<_> = rounds(&world)
        .into_iter()
        .filter(|(_, hosts)| hosts.contains(&41))
        .map(|(at, _)| at.as_millis())
        .collect();
    assert_eq!(of_silent, [0, 100, 300]);
}

#[test]
fn one_that_fails_is_replaced_by_the_next_at_once() {
    // RFC 5352, 3.1 and 3.6 SH4: nobody listens on 44 to 46, and 41 is there.
    let mut world = World::new();
    world.add_registrar(41);
    world.add_element(11, &[41, 44, 45, 46], Policy::default());
    world.run_until_done(Duration::from_millis(20), |world| world.registrar(41).handlespace().len() == 1);
    // And then the hunt is over (SH3).
    let attempts = world.attempts.len();
    world.run_for(3 * SECOND);
    assert_eq!(world.attempts.len(), attempts);
}

/// Has a user hear an announce.
fn hear(world: &mut World, source: SocketAddr, transports: Vec<Transport>, registrar: u32) {
    let message = AsapMessage::ServerAnnounce { registrar: RegistrarId(registrar), transports };
    let data = message.encode(&FORMAT).expect("an announce");
    world.with_user(21, |user, now| {
        user.handle_event(TransportEvent::Announce { side: Side::Asap, source, data }, now);
    });
}

/// Whom a user tries who has heard some announces.
fn tried(world: &mut World) -> BTreeSet<Place> {
    world.attempts.clear();
    world.with_user(21, |user, now| user.resolve("Pool".into(), now));
    world.run_for(Duration::from_millis(50));
    world.attempts.iter().map(|(_, _, to)| *to).collect()
}

fn listener() -> World {
    let mut world = World::new();
    world.add_user(21, &[], |config| config.resolution_timeout = SECOND);
    world
}

#[test]
fn every_sctp_transport_of_an_announce_counts() {
    // RFC 5352, 3.6 and 2.2.10.
    let mut world = listener();
    let at = |host, port| Transport::sctp(port, [address(host)], TransportUse::DataOnly);
    let mut tcp = at(43, 1);
    tcp.protocol = rserpool::wire::Protocol::Tcp;
    hear(&mut world, SocketAddr::new(address(40), 9), vec![tcp, at(41, 1), at(42, 2)], 1);
    assert_eq!(tried(&mut world), BTreeSet::from([(41, 1), (42, 2)]));
}

#[test]
fn an_announce_without_transports_means_its_sender() {
    // RFC 5352, 3.6: at the registered port; RSPLIB: at the port that it came from.
    let mut world = listener();
    hear(&mut world, SocketAddr::new(address(41), 5000), Vec::new(), 1);
    assert_eq!(tried(&mut world), BTreeSet::from([(41, 5000), (41, ASAP_PORT)]));
}

#[test]
fn announces_expire() {
    // RFC 5352, 3.6: T7.
    let mut world = listener();
    let source = SocketAddr::new(address(41), ASAP_PORT);
    hear(&mut world, source, Vec::new(), 1);
    // Heard again, it is valid for another two seconds.
    world.run_for(SECOND);
    hear(&mut world, source, Vec::new(), 1);
    world.run_for(SECOND * 3 / 2);
    assert_eq!(tried(&mut world), BTreeSet::from([(41, ASAP_PORT)]));
    world.run_for(3 * SECOND);
    assert_eq!(tried(&mut world), BTreeSet::new());
}

#[test]
fn a_flood_of_announces_from_one_host_leaves_room_for_others() {
    // RFC 5352, 9.2: a receiver must be prepared for many announces of attackers.
    let mut world = listener();
    for port in 1..1000 {
        let transport = Transport::sctp(port, [address(66)], TransportUse::DataOnly);
        hear(&mut world, SocketAddr::new(address(66), 1), vec![transport], port.into());
    }
    hear(&mut world, SocketAddr::new(address(41), ASAP_PORT), Vec::new(), 1);
    let tried = tried(&mut world);
    assert!(tried.contains(&(41, ASAP_PORT)), "{tried:?}");
    assert!(tried.len() <= 9, "{tried:?}");
}

/// Whom a user with this seed tries first, of registrars of a service: their priorities, weights and hosts.
fn first_tried(targets: &[(u16, u16, u8)], seed: u64) -> Peer {
    let mut hunt = HuntConfig::new(Vec::new(), Profile::Fast);
    hunt.names = vec![RegistrarName::parse("_asap-sctp._sctp.test", ASAP_PORT).expect("a service")];
    let mut user = PoolUser::new(PoolUserConfig::new(hunt, Profile::Fast), seed);
    let targets = targets.iter().map(|&(priority, weight, host)| {
        let peer = SocketAddr::new(address(host), ASAP_PORT).into();
        Target { priority, weight, peer }
    });
    let resolved = TransportEvent::Resolved { side: Side::Asap, targets: targets.collect() };
    user.handle_event(resolved, Time::ZERO);
    user.resolve("Pool".into(), Time::ZERO);
    let mut commands = std::iter::from_fn(|| user.poll_command());
    let peer = commands.find_map(|command| match command {
        Command::Connect { peer, .. } => Some(peer),
        _ => None,
    });
    peer.expect("it tries somebody")
}

#[test]
fn the_registrars_of_a_service_share_its_users_by_their_weights() {
    // RFC 2782.
    let shares = |targets: &[(u16, u16, u8)]| {
        let mut shares = [0; 4];
        for seed in 0..4000 {
            let IpAddr::V4(tried) = first_tried(targets, seed).addresses[0] else { panic!("IPv4 world") };
            shares[usize::from(tried.octets()[3]) - 41] += 1;
        }
        shares
    };
    let weighted = shares(&[(1, 100, 41), (1, 0, 42), (1, 300, 43), (2, 60_000, 44)]);
    assert!((850..1150).contains(&weighted[0]) && weighted[1] < 50 && weighted[3] == 0, "{weighted:?}");
    let without = shares(&[(1, 0, 41), (1, 0, 42), (1, 0, 43), (1, 0, 44)]);
    assert!(without.iter().all(|share| (850..1150).contains(share)), "{without:?}");
}

#[test]
fn addresses_that_are_nobodys_are_not_tried() {
    let mut world = listener();
    for nobody in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1"] {
        let nobody: IpAddr = nobody.parse().expect("an address");
        let transport = Transport::sctp(ASAP_PORT, [nobody], TransportUse::DataOnly);
        hear(&mut world, SocketAddr::new(address(40), 9), vec![transport], 1);
    }
    assert_eq!(tried(&mut world), BTreeSet::new());
}

#[test]
fn registrars_that_hear_each_other_announce_themselves_more_rarely() {
    // RFC 5352, 3.6: each every (N+1)*T6, so that there is about one announce per T6.
    let announces = |registrars: u8| {
        let mut world = World::new();
        (1..=registrars).for_each(|host| world.add_registrar(host));
        world.run_for(10 * SECOND);
        let before: u64 = (1..=registrars).map(|host| world.registrar(host).statistics().announces).sum();
        world.run_for(30 * SECOND);
        (1..=registrars).map(|host| world.registrar(host).statistics().announces).sum::<u64>() - before
    };
    let (one, three) = (announces(1), announces(3));
    assert!((110..=130).contains(&one), "every 250 ms: {one}");
    assert!((105..=135).contains(&three), "also of three together: {three}");
}
