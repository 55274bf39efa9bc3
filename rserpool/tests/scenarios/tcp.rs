//! Users over TCP (RFC 5352, 2.1 and 3.3), at a registrar and as a user. Messages and limits are those of associations; how streams are
//! cut into messages is the driver's affair.

use std::net::SocketAddr;

use rserpool::pool_user::{PoolUser, PoolUserConfig};
use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::transport::{AssociationId, Command, Peer, Side, Target, TransportEvent, UserMessage};
use rserpool::wire::{
    ASAP_PPID, AsapMessage, CauseCode, Format, Life, PoolElement, Protocol, Transport, TransportUse,
};
use rserpool::{HuntConfig, PeId, Profile, Rate, RegistrarId, RegistrarName, Time};

const ELEMENT: AssociationId = AssociationId::Incoming(1);
const USER: AssociationId = AssociationId::Incoming(2);

fn place(text: &str) -> SocketAddr {
    text.parse().expect("a place")
}

fn element() -> PoolElement {
    PoolElement {
        id: PeId(1),
        home: RegistrarId::NONE,
        life: Life::from_millis(60_000),
        user_transport: Transport::sctp(7, [place("192.0.2.1:7").ip()], TransportUse::DataOnly),
        policy: Default::default(),
        asap_transport: None,
    }
}

fn registration() -> AsapMessage {
    AsapMessage::Registration { pool_handle: "Pool".into(), element: element() }
}

fn resolution() -> AsapMessage {
    AsapMessage::HandleResolution { subscribe: false, pool_handle: "Pool".into(), items: None }
}

/// A registrar with an element, and a user over TCP from the very address and port of that element.
fn registrar(change: impl FnOnce(&mut RegistrarConfig)) -> Registrar {
    let mut config = RegistrarConfig::new(RegistrarId(1), Profile::Fast);
    config.announce_interval = None;
    change(&mut config);
    let mut registrar = Registrar::new(config, 1, Time::ZERO);
    let peer = Peer::from(place("192.0.2.1:5000"));
    for (association, side) in [(ELEMENT, Side::Asap), (USER, Side::AsapTcp)] {
        let accepted = TransportEvent::Accepted { association, side, peer: peer.clone() };
        registrar.handle_event(accepted, Time::ZERO);
    }
    registrar
}

/// Says something, and returns what the registrar answers.
fn ask(registrar: &mut Registrar, association: AssociationId, message: &AsapMessage) -> Option<AsapMessage> {
    let data = message.encode(&Format::default()).expect("a message");
    let message = UserMessage::new(ASAP_PPID, data);
    registrar.handle_event(TransportEvent::Message { association, message }, Time::ZERO);
    let commands: Vec<Command> = std::iter::from_fn(|| registrar.poll_command()).collect();
    commands.into_iter().find_map(|command| match command {
        Command::Send { association: to, message } if to == association => {
            Some(AsapMessage::parse(&message.data, &Format::default()).expect("a message").message)
        }
        _ => None,
    })
}

fn found(answer: Option<AsapMessage>) -> usize {
    match answer {
        Some(AsapMessage::HandleResolutionResponse { elements, .. }) => elements.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_over_tcp_resolves_and_reports() {
    // RFC 5352, 2.1, 3.3 and 3.5.
    let mut registrar = registrar(|_| {});
    ask(&mut registrar, ELEMENT, &registration());
    assert_eq!(found(ask(&mut registrar, USER, &resolution())), 1);
    let report = AsapMessage::EndpointUnreachable { pool_handle: "Pool".into(), pe_id: PeId(1) };
    ask(&mut registrar, USER, &report);
    assert_eq!(registrar.statistics().unreachable_reports, 1);
}

#[test]
fn nobody_registers_or_deregisters_over_tcp() {
    // RFC 5352, 2.1: elements and registrars speak SCTP.
    let mut registrar = registrar(|_| {});
    let is_refused = |answer| {
        let Some(
            AsapMessage::RegistrationResponse { errors, .. }
            | AsapMessage::DeregistrationResponse { errors, .. },
        ) = answer
        else {
            panic!("{answer:?}")
        };
        errors.iter().map(|cause| cause.code).collect::<Vec<_>>() == [CauseCode::SECURITY]
    };
    assert!(is_refused(ask(&mut registrar, USER, &registration())));
    assert_eq!(registrar.handlespace().len(), 0);
    ask(&mut registrar, ELEMENT, &registration());
    // Whose address and port of TCP are an element's of SCTP is not that element.
    let deregistration = AsapMessage::Deregistration { pool_handle: "Pool".into(), pe_id: PeId(1) };
    assert!(is_refused(ask(&mut registrar, USER, &deregistration)));
    assert!(is_refused(ask(&mut registrar, USER, &registration())));
    assert_eq!(registrar.handlespace().len(), 1);
}

#[test]
fn the_limits_and_rules_for_users_hold_over_tcp_too() {
    let mut limited = registrar(|config| config.user_limits.resolution_rate = Rate::per_second(1.0));
    ask(&mut limited, ELEMENT, &registration());
    assert_eq!(found(ask(&mut limited, ELEMENT, &resolution())), 1);
    assert_eq!(found(ask(&mut limited, USER, &resolution())), 0, "it is the same user");
    let mut closed = registrar(|config| {
        config.access.rules.push("deny all from 192.0.2.1".parse().expect("a rule"));
    });
    let aborted: Vec<Command> = std::iter::from_fn(|| closed.poll_command()).collect();
    assert!(aborted.contains(&Command::Abort { association: USER }), "{aborted:?}");
}

/// Whom a user tries, and how.
fn tried(user: &mut PoolUser) -> Vec<(Side, SocketAddr)> {
    let commands = std::iter::from_fn(|| user.poll_command());
    let tried = commands.filter_map(|command| match command {
        Command::Connect { side, peer, .. } => {
            assert_eq!(peer.addresses.len(), 1);
            Some((side, SocketAddr::new(peer.addresses[0], peer.port)))
        }
        _ => None,
    });
    let mut tried: Vec<_> = tried.collect();
    tried.sort();
    tried
}

#[test]
fn a_user_tries_registrars_over_sctp_and_tcp_each_as_it_is_known() {
    // RFC 5352, 3.6: "association or connection".
    let (over_sctp, over_tcp) = (place("192.0.2.1:3863"), place("192.0.2.2:3863"));
    let hunt = HuntConfig::new(vec![over_sctp.into()], Profile::Fast);
    let mut config = PoolUserConfig::new(hunt, Profile::Fast);
    config.over_tcp.registrars = vec![over_tcp];
    config.over_tcp.names = vec![RegistrarName::parse("_asap-tcp._tcp.test", 0).expect("a name")];
    let mut user = PoolUser::new(config, 1);
    user.resolve("Pool".into(), Time::ZERO);
    assert_eq!(tried(&mut user), [(Side::Asap, over_sctp), (Side::AsapTcp, over_tcp)]);
    // A connection has but one address.
    let addresses = vec![place("192.0.2.3:1").ip(), place("[2001:db8::3]:1").ip()];
    let targets = vec![Target::at(Peer { addresses, port: 9 })];
    user.handle_event(TransportEvent::Resolved { side: Side::AsapTcp, targets }, Time::ZERO);
    let lost = TransportEvent::Lost {
        association: AssociationId::Outgoing(0),
        reason: rserpool::transport::LostReason::Aborted,
    };
    user.handle_event(lost, Time::ZERO);
    let both = [(Side::AsapTcp, place("192.0.2.3:9")), (Side::AsapTcp, place("[2001:db8::3]:9"))];
    assert_eq!(tried(&mut user), both);
}

#[test]
fn the_tcp_transports_of_an_announce_are_for_users_who_want_them() {
    // RFC 5352, 2.2.10 and 3.6.
    let (first, second) = (place("192.0.2.2:3864"), place("[2001:db8::2]:3864"));
    let sctp = Transport::sctp(3863, [place("192.0.2.1:0").ip()], TransportUse::DataOnly);
    let tcp = |at: SocketAddr| Transport {
        protocol: Protocol::Tcp,
        ..Transport::sctp(at.port(), [at.ip()], TransportUse::DataOnly)
    };
    let transports = vec![tcp(first), tcp(second), sctp];
    let announce = AsapMessage::ServerAnnounce { registrar: RegistrarId(7), transports };
    let data = announce.encode(&Format::default()).expect("an announce");
    let over_sctp = (Side::Asap, place("192.0.2.1:3863"));
    let all = vec![over_sctp, (Side::AsapTcp, first), (Side::AsapTcp, second)];
    for (use_announces, expected) in [(false, vec![over_sctp]), (true, all)] {
        let mut config = PoolUserConfig::new(HuntConfig::new(Vec::new(), Profile::Fast), Profile::Fast);
        config.over_tcp.use_announces = use_announces;
        let mut user = PoolUser::new(config, 1);
        let source = place("192.0.2.9:3863");
        user.handle_event(
            TransportEvent::Announce { side: Side::Asap, source, data: data.clone() },
            Time::ZERO,
        );
        user.resolve("Pool".into(), Time::ZERO);
        assert_eq!(tried(&mut user), expected);
    }
}
