//! 2.3: our registrar with RSPLIB's elements and users.

use nix::sys::signal::Signal;
use system_tests::{Program, hear};

use super::{UNKNOWN_POOL, asap_element, policy};
use crate::ground::{Evidence, Ground, OURS, THEIR_LATE, THEIR_PROGRAMS};

const FROM_ELEMENT: &str = "ip.src == 10.77.0.21 and ip.dst == 10.77.0.1";
const TO_ELEMENT: &str = "ip.src == 10.77.0.1 and ip.dst == 10.77.0.21";

fn registration() -> String {
    format!("{FROM_ELEMENT} and asap.message_type == 1 and asap.pool_element_pe_identifier == 0xbbbb")
}

fn accepted() -> String {
    format!("{TO_ELEMENT} and asap.message_type == 3 and asap.r_bit == 0 and asap.pe_identifier == 0xbbbb")
}

/// An element of RSPLIB's, once our registrar knows it.
fn element(ground: &Ground, registrar: &mut Program, service: &str, more: &[&str]) -> Program {
    let element = ground.their_element(THEIR_PROGRAMS[0], service, "0xbbbb", OURS, more);
    hear(registrar, "0x0000bbbb registered");
    element
}

pub(crate) fn registers(ground: &Ground) -> Evidence {
    let mut registrar = ground.our_registrar(&[]);
    let _element = element(ground, &mut registrar, "-echo", &[policy(1)]);
    let round_robin = format!("{} and asap.pool_member_selection_policy_type == 1", registration());
    ground.show(&[&round_robin, &accepted()])
}

pub(crate) fn rejects(ground: &Ground) -> Evidence {
    let mut registrar = ground.our_registrar(&[]);
    let _member = element(ground, &mut registrar, "-echo", &[policy(0x4000_0001)]);
    let _element = ground.their_element(THEIR_PROGRAMS[1], "-echo", "0xcccc", OURS, &[policy(1)]);
    hear(&mut registrar, "0x0000cccc rejected");
    let [its, ours] = [(THEIR_PROGRAMS[1], OURS), (OURS, THEIR_PROGRAMS[1])]
        .map(|(from, to)| format!("ip.src == {from} and ip.dst == {to}"));
    ground.show(&[
        &accepted(),
        &format!("{its} and asap.message_type == 1 and asap.pool_member_selection_policy_type == 1"),
        // RFC 5354, 3.12: Inconsistent Pooling Policy.
        &format!("{ours} and asap.message_type == 3 and asap.r_bit == 1 and asap.cause_code == 5"),
    ])
}

/// Where the newcomer's association is from.
const ELSEWHERE: &str = "10.77.0.2";

/// Its INIT, in which the address is not, and its registration, in which it is.
fn newcomer() -> [String; 2] {
    let from = format!("ip.src == {ELSEWHERE} and ip.dst == {OURS}");
    [
        format!("{from} and sctp.chunk_type == 1 and not sctp.parameter_ipv4_address == {THEIR_LATE}"),
        format!("{from} and asap.message_type == 1 and asap.ipv4_address == {THEIR_LATE}"),
    ]
}

pub(crate) fn rejects_foreign_addresses(ground: &Ground) -> Evidence {
    let mut registrar = ground.our_registrar(&[]);
    let _element = ground.their_newcomer("0xbbbb", &[THEIR_LATE]);
    hear(&mut registrar, "0x0000bbbb rejected: no usable address");
    let [init, registration] = newcomer();
    let rejected = format!("ip.src == {OURS} and asap.message_type == 3 and asap.r_bit == 1");
    let only = format!("{registration} and not asap.ipv4_address != {THEIR_LATE}");
    ground.show(&[&init, &only, &rejected]).and(ground.our_registrar_answers(UNKNOWN_POOL))
}

pub(crate) fn leaves_foreign_addresses_out(ground: &Ground) -> Evidence {
    let _registrar = ground.our_registrar(&[]);
    let _element = ground.their_newcomer("0xbbbb", &[THEIR_PROGRAMS[0], THEIR_LATE]);
    let [init, registration] = newcomer();
    let both = format!("{registration} and asap.ipv4_address == {}", THEIR_PROGRAMS[0]);
    let accepted = format!("ip.src == {OURS} and asap.message_type == 3 and asap.r_bit == 0");
    let known = format!(
        "{} and asap.ipv4_address == {} and not asap.ipv4_address == {THEIR_LATE}",
        asap_element("0xbbbb"),
        THEIR_PROGRAMS[0]
    );
    ground.show(&[&init, &both, &accepted]).and(ground.our_registrar_answers(&known))
}

/// RSPLIB's element is gone without a word; three users of RSPLIB's find out, each for itself, after 40 s.
pub(crate) fn believes_three_reports(ground: &Ground) -> Evidence {
    let patient =
        ["-endpointkeepalivetransmissioninterval=300000", "-endpointkeepalivetimeoutinterval=60000"];
    let mut registrar = ground.our_registrar(&patient);
    let _element = element(ground, &mut registrar, "-pingpong", &[]);
    ground.lose(THEIR_PROGRAMS[0]);
    let user = ["pingpongclient", &format!("-registrar={OURS}:3863"), "-interval=250"];
    let _users = [1, 2, 3].map(|number| ground.theirs(THEIR_PROGRAMS[number], &user));
    let report = format!(
        "ip.dst == {OURS} and asap.message_type == 9 and asap.pe_identifier == 0xbbbb and not sctp.retransmission"
    );
    let mut evidence = ground.show(&[&report]);
    for _ in 1..3 {
        let next = format!("frame.number > {} and {report}", evidence.last());
        evidence.frames.extend(ground.show(&[&next]).frames);
    }
    hear(&mut registrar, "0x0000bbbb removed (users reported it as unreachable)");
    let unknown = format!("ip.src == {OURS} and asap.message_type == 6 and {UNKNOWN_POOL}");
    let gone = ground.show(&[&unknown]);
    assert!(gone.last() > evidence.last(), "it was removed before: {evidence}");
    evidence.and(gone)
}

pub(crate) fn sends_keep_alives(ground: &Ground) -> Evidence {
    let mut registrar = ground.our_registrar(&["-endpointkeepalivetransmissioninterval=300"]);
    let _element = element(ground, &mut registrar, "-echo", &[]);
    let keep_alive = format!("{TO_ELEMENT} and asap.message_type == 7 and asap.h_bit == 0");
    let ack = format!("{FROM_ELEMENT} and asap.message_type == 8 and asap.pe_identifier == 0xbbbb");
    // It is asked again after an answer only.
    ground.await_packets(4, &keep_alive);
    ground.show(&[&keep_alive, &ack, &keep_alive, &ack, &keep_alive])
}

pub(crate) fn removes_the_silent(ground: &Ground) -> Evidence {
    let quick = ["-endpointkeepalivetransmissioninterval=300", "-endpointkeepalivetimeoutinterval=500"];
    let mut registrar = ground.our_registrar(&quick);
    let element = element(ground, &mut registrar, "-echo", &[]);
    let ack = format!("{FROM_ELEMENT} and asap.message_type == 8");
    let answered = ground.show(&[&registration(), &ack]);
    element.signal(Signal::SIGSTOP);
    hear(&mut registrar, "0x0000bbbb removed (no answer to a keep-alive)");
    let keep_alive =
        format!("frame.number > {} and {TO_ELEMENT} and asap.message_type == 7", answered.frames[1]);
    ground.show(&[&registration(), &ack, &keep_alive]).and(ground.our_registrar_answers(UNKNOWN_POOL))
}
