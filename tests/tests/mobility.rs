//! A session whose ends change their addresses (draft-dreibholz-rserpool-applic-mobility; RFC 5061), over raw IP, each end on a host of
//! its own: no message is lost, there is no fail-over, and the element registers where it is now. Judged by tshark.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rserpool::driver::{
    Component, Error, PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Registrar,
    RegistrarOptions, Service, ServiceSession, Session,
};
use rserpool::registrar::RegistrarConfig;
use rserpool::session::SessionEvent;
use rserpool::transport::{Peer, UserMessage};
use rserpool::wire::ASAP_PORT;
use rserpool::{Profile, RegistrarId, SctpSettings};
use socketapi::{Stack, Transport};
use system_tests::{
    Capture, Host, Lab, has_judge_or_skip, look_until, packet_fields, packets_judged_malformed, wait_until,
};

const PROFILE: Profile = Profile::Rsplib;
const LIMIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(5);
/// Chunk types (RFC 5061, 4.1).
const ASCONF: &str = "sctp.chunk_type == 0xc1";
const ASCONF_ACK: &str = "sctp.chunk_type == 0x80";

fn sctp() -> SctpSettings {
    SctpSettings { mobile: true, ..PROFILE.sctp_settings() }
}

/// All addresses of the host, whatever they are.
fn stack() -> Stack {
    let builder = Stack::builder().transport(Transport::Raw).watch_addresses(true).linger(Duration::ZERO);
    builder.build().expect("a stack")
}

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        session.send(message).expect("the session is up");
    }
}

fn registrar(host: &Host) -> (Stack, Registrar) {
    host.inside(|| {
        let stack = stack();
        let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
        let registrar = Registrar::start(&stack, config, RegistrarOptions::new(sctp())).expect("a registrar");
        (stack, registrar)
    })
}

fn element(host: &Host, registrars: Vec<Peer>) -> (Stack, PoolElement) {
    host.inside(|| {
        let stack = stack();
        let mut options = PoolElementOptions::new("EchoPool".into(), registrars, PROFILE);
        options.sctp = sctp();
        let element = PoolElement::start(&stack, options, Echo).expect("an element");
        (stack, element)
    })
}

fn session(host: &Host, registrars: Vec<Peer>) -> (Stack, PoolUser, Session) {
    host.inside(|| {
        let stack = stack();
        let mut options = PoolUserOptions::new(registrars, PROFILE);
        options.sctp = sctp();
        let user = PoolUser::start(&stack, options).expect("a user");
        let session = user.open_session("EchoPool".into());
        session.wait_connected(LIMIT).expect("a connection");
        (stack, user, session)
    })
}

/// Sends numbers, and takes their echoes, until told to stop and all have come. How many, and the longest pause of the echoes; each came
/// once and in order.
fn count(session: &Session, stop: &AtomicBool, returned: &AtomicU64) -> (u64, Duration) {
    let (mut sent, mut echoed, mut end) = (0_u64, 0_u64, None);
    let (mut next, mut last, mut pause) = (Instant::now(), Instant::now(), Duration::ZERO);
    while end.is_none() || echoed < sent {
        if stop.load(Ordering::Relaxed) {
            let end = *end.get_or_insert_with(|| Instant::now() + LIMIT);
            assert!(Instant::now() < end, "{echoed} of {sent} have come back");
        } else if next <= Instant::now() {
            next += INTERVAL;
            session.send(&UserMessage::new(0, sent.to_be_bytes().to_vec())).expect("there is no fail-over");
            sent += 1;
        }
        match session.receive(Some(next.max(Instant::now() + Duration::from_millis(1)))) {
            Ok(SessionEvent::Data(message)) => {
                assert_eq!(message.data[..], echoed.to_be_bytes());
                echoed += 1;
                returned.store(echoed, Ordering::Relaxed);
                pause = pause.max(last.elapsed());
                last = Instant::now();
            }
            Ok(SessionEvent::BusinessCard(_)) | Err(Error::TimedOut) => {}
            other => panic!("{other:?}"),
        }
    }
    (sent, pause)
}

/// Where the pool's element is, as the registrar knows.
fn wait_for_element_at(registrar: &Registrar, addresses: &[IpAddr]) {
    look_until(LIMIT, || {
        let known = registrar.inspect(|registrar| {
            let mut elements = registrar.handlespace().pools().flat_map(|pool| pool.elements());
            elements.next().map(|element| element.info.user_transport.addresses.to_vec())
        });
        if known.as_deref() == Some(addresses) { Ok(()) } else { Err(format!("{known:?}")) }
    });
}

/// Waits until the user's host has been granted a further address, or sends its data from the only one.
fn wait_for_user_at(capture: &Path, addresses: &[IpAddr]) {
    let filter = match addresses {
        [old, _] => format!("{ASCONF_ACK} and ip.dst == {old}"),
        _ => format!("sctp.data_payload_proto_id == 0 and ip.src == {}", addresses[0]),
    };
    look_until(LIMIT, || match packet_fields(capture, &filter, ["frame.number"]).len() {
        0 => Err(format!("no packet with {filter}")),
        _ => Ok(()),
    });
}

/// Whether each direction of each association has all of its DATA acknowledged, by how much was sent and acknowledged last.
fn hold_all_acknowledged(capture: &Path) {
    let mut sent: HashMap<(String, String), u32> = HashMap::new();
    let mut acknowledged: HashMap<(String, String), u32> = HashMap::new();
    let fields = ["sctp.srcport", "sctp.dstport", "sctp.data_tsn_raw", "sctp.sack_cumulative_tsn_ack_raw"];
    for [from, to, tsns, acks] in packet_fields(capture, "sctp", fields) {
        let (from, to) = (from[0].clone(), to[0].clone());
        let numbers =
            |values: Vec<String>| values.into_iter().map(|text| text.parse::<u32>().expect("a number"));
        let newest = |map: &mut HashMap<_, u32>, key, number: u32| {
            let newest = map.entry(key).or_insert(number);
            if number.wrapping_sub(*newest) < u32::MAX / 2 {
                *newest = number;
            }
        };
        numbers(tsns).for_each(|tsn| newest(&mut sent, (from.clone(), to.clone()), tsn));
        numbers(acks).for_each(|ack| newest(&mut acknowledged, (to.clone(), from.clone()), ack));
    }
    assert!(sent.len() >= 3, "{sent:?}");
    for (direction, tsn) in &sent {
        assert_eq!(acknowledged.get(direction), Some(tsn), "{direction:?}");
    }
}

/// How an end moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The new address is there before the old one goes.
    MakeBeforeBreak,
    /// The old address goes at once; for a moment there is none.
    BreakBeforeMake,
}

/// Moves a host; the registrar knows where its element is, if it has one.
fn relocate(host: &Host, how: Move, [old, new]: [IpAddr; 2], await_place: impl Fn(&[IpAddr])) {
    let [add, delete] = [format!("addr add {new}/24 dev n0"), format!("addr del {old}/24 dev n0")];
    match how {
        Move::MakeBeforeBreak => {
            host.ip(&add);
            await_place(&[old, new]);
            host.ip(&delete);
        }
        Move::BreakBeforeMake => {
            host.ip(&delete);
            std::thread::sleep(Duration::from_millis(300));
            host.ip(&add);
        }
    }
    await_place(&[new]);
}

fn both_ends_move(how: Move) {
    if !has_judge_or_skip() {
        return;
    }
    let (hub, hosts) = Lab::star(2);
    let [at_user, at_element] = &hosts[..] else { unreachable!("two hosts") };
    for host in [&hub, at_user, at_element] {
        // IPv4 alone, so that who loses an address has no other one; and the second stays when the first goes.
        let device = if std::ptr::eq(host, &hub) { "lan0" } else { "n0" };
        host.ip(&format!("-6 addr flush dev {device}"));
        let script = format!("echo 1 > /proc/sys/net/ipv4/conf/{device}/promote_secondaries");
        assert!(host.command("sh").args(["-c", &script]).status().expect("sh runs").success());
    }
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mobility.pcap");
    let capture = Capture::start(at_element, "n0", &file);
    let registrars = vec![Peer { addresses: vec![address(&hub.v4(0))], port: ASAP_PORT }];
    let (_at_registrar, registrar) = registrar(&hub);
    let (_element_stack, element) = element(at_element, registrars.clone());
    let (_user_stack, _user, session) = session(at_user, registrars);
    let element_places = [address(&at_element.v4(0)), address("10.77.0.103")];
    let user_places = [address(&at_user.v4(0)), address("10.77.0.102")];
    let (stop, returned) = (AtomicBool::new(false), AtomicU64::new(0));
    let (sent, pause) = std::thread::scope(|scope| {
        let counting = scope.spawn(|| count(&session, &stop, &returned));
        wait_until(LIMIT, "messages come back", || returned.load(Ordering::Relaxed) >= 50);
        relocate(at_element, how, element_places, |places| wait_for_element_at(&registrar, places));
        assert_eq!(element.state().addresses, element.local_addrs());
        assert_eq!(element.local_addrs().iter().map(SocketAddr::ip).collect::<Vec<_>>(), element_places[1..]);
        relocate(at_user, how, user_places, |places| wait_for_user_at(&file, places));
        stop.store(true, Ordering::Relaxed);
        counting.join().expect("all have come back")
    });
    println!("{how:?}: {sent} messages there and back, with a pause of {pause:.1?} at most");
    drop(session);
    // All DATA has been acknowledged once the association has been shut down (RFC 9260, 9.2).
    let is_over = format!("sctp.chunk_type == 14 and ip.addr == {}", user_places[1]);
    wait_until(LIMIT, "SHUTDOWN COMPLETE", || !packet_fields(&file, &is_over, ["frame.number"]).is_empty());
    judge(&capture.finish(), element_places[1], user_places[1]);
}

fn judge(file: &Path, element: IpAddr, user: IpAddr) {
    let (packets, malformed) = packets_judged_malformed(file);
    assert!(packets > 100 && malformed.is_empty(), "{packets} packets, malformed: {malformed:#?}");
    let count = |filter: &str| packet_fields(file, filter, ["frame.number"]).len();
    // Each end tells by ASCONFs, and the other acknowledges.
    assert!(
        count(&format!("{ASCONF} and ip.dst == {user}")) + count(&format!("{ASCONF} and ip.src == {user}"))
            > 0
    );
    assert!(count(&format!("{ASCONF} and ip.src == {element}")) > 0);
    assert!(count(ASCONF_ACK) >= 2);
    let registration = format!("asap.message_type == 1 and asap.ipv4_address == {element}");
    assert!(count(&registration) > 0, "the element has registered where it is");
    let card = format!("asap.message_type == 13 and asap.ipv4_address == {element}");
    assert!(count(&card) > 0, "its business card says so, too");
    let data = format!("sctp.data_payload_proto_id == 0 and ip.src == {user} and ip.dst == {element}");
    assert!(count(&data) > 0, "data goes from the one new address to the other");
    hold_all_acknowledged(file);
}

#[test]
fn no_message_is_lost_when_both_ends_get_new_addresses_before_the_old_ones_go() {
    both_ends_move(Move::MakeBeforeBreak);
}

#[test]
fn no_message_is_lost_when_both_ends_lose_their_addresses_before_they_get_new_ones() {
    both_ends_move(Move::BreakBeforeMake);
}
