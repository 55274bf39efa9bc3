//! 2.1: our pool element at RSPLIB's registrar.

use nix::sys::signal::Signal;
use system_tests::hear;

use super::policy;
use crate::ground::{Evidence, Ground, OUR_PROGRAMS, THEIR_OTHER, THEIRS};

/// Our element's messages, and the registrar's to it.
const FROM_ELEMENT: &str = "ip.src == 10.77.0.11 and ip.dst == 10.77.0.2";
const FROM_REGISTRAR: &str = "ip.src == 10.77.0.2 and ip.dst == 10.77.0.11";

fn registration() -> String {
    format!("{FROM_ELEMENT} and asap.message_type == 1 and asap.pool_element_pe_identifier == 0xaaaa")
}

fn accepted() -> String {
    format!(
        "{FROM_REGISTRAR} and asap.message_type == 3 and asap.r_bit == 0 and asap.pe_identifier == 0xaaaa"
    )
}

pub(crate) fn registers(ground: &Ground) -> Evidence {
    uses::<1>(ground)
}

/// The same with any policy.
pub(crate) fn uses<const POLICY: u32>(ground: &Ground) -> Evidence {
    let mut registrar = ground.their_registrar(&[]);
    let mut element = ground.our_element(OUR_PROGRAMS[0], "0xaaaa", &[policy(POLICY)]);
    hear(&mut element, "registered");
    hear(&mut registrar, "Successfully registered EchoPool/$0000aaaa");
    let with_policy = format!("{} and asap.pool_member_selection_policy_type == {POLICY}", registration());
    ground.show(&[&with_policy, &accepted()])
}

pub(crate) fn is_rejected(ground: &Ground) -> Evidence {
    let _registrar = ground.their_registrar(&[]);
    let interval = "-rereginterval=300";
    let mut member = ground.our_element(OUR_PROGRAMS[1], "0xbbbb", &[policy(1), interval]);
    hear(&mut member, "registered");
    let mut element = ground.our_element(OUR_PROGRAMS[0], "0xaaaa", &[policy(0x4000_0001), interval]);
    hear(&mut element, "the registrar rejects this element");
    let rejected = format!("{FROM_REGISTRAR} and asap.message_type == 3 and asap.r_bit == 1");
    let evidence = ground.show(&[&registration(), &rejected]);
    // Time in which it could have tried again: in the same interval, the other one does so five times.
    let later = format!("frame.number > {} and asap.message_type == 1", evidence.frames[1]);
    ground.await_packets(5, &format!("{later} and ip.src == {}", OUR_PROGRAMS[1]));
    let tries = ground.count(&format!("{} and not sctp.retransmission", registration()));
    assert_eq!(tries, 1, "it tries again");
    evidence
}

pub(crate) fn registers_again(ground: &Ground) -> Evidence {
    let _registrar = ground.their_registrar(&[]);
    let _element = ground.our_element(OUR_PROGRAMS[0], "0xaaaa", &["-rereginterval=300"]);
    ground.await_packets(3, &registration());
    ground.await_packets(3, &accepted());
    let first = ground.show(&[&registration(), &accepted()]);
    let again = format!("frame.number > {} and {}", first.frames[1], registration());
    ground.show(&[&registration(), &accepted(), &again, &accepted()])
}

pub(crate) fn deregisters(ground: &Ground) -> Evidence {
    let mut registrar = ground.their_registrar(&[]);
    let mut element = ground.our_element(OUR_PROGRAMS[0], "0xaaaa", &[]);
    hear(&mut element, "registered");
    element.signal(Signal::SIGTERM);
    hear(&mut registrar, "Deregistration successfully completed");
    let pe = "asap.pe_identifier == 0xaaaa";
    ground.show(&[
        &registration(),
        &format!("{FROM_ELEMENT} and asap.message_type == 2 and {pe}"),
        &format!("{FROM_REGISTRAR} and asap.message_type == 4 and {pe} and not asap.cause_code"),
    ])
}

pub(crate) fn answers_keep_alives(ground: &Ground) -> Evidence {
    let _registrar = ground.their_registrar(&["-endpointkeepalivetransmissioninterval=300"]);
    let _element = ground.our_element(OUR_PROGRAMS[0], "0xaaaa", &[]);
    let keep_alive = format!("{FROM_REGISTRAR} and asap.message_type == 7 and asap.h_bit == 0");
    let ack = format!("{FROM_ELEMENT} and asap.message_type == 8 and asap.pe_identifier == 0xaaaa");
    // It is asked again after an answer only.
    ground.await_packets(3, &keep_alive);
    ground.show(&[&keep_alive, &ack, &keep_alive, &ack])
}

pub(crate) fn hears_announces(ground: &Ground) -> Evidence {
    let mut registrar = ground.their_registrar(&["-asapannounce=auto"]);
    let mut element = ground.ours(OUR_PROGRAMS[0], "rspserver", &["-identifier=0xaaaa"]);
    hear(&mut element, "registered");
    hear(&mut registrar, "Successfully registered EchoPool/$0000aaaa");
    let announce = format!("ip.src == {THEIRS} and udp and asap.message_type == 10");
    ground.show(&[&announce, &registration(), &accepted()])
}

/// RSPLIB's registrars suggest takeovers to the one whose identifier is farthest from the element's.
pub(crate) fn changes_its_home(ground: &Ground) -> Evidence {
    let suggest = "-supporttakeoversuggestion";
    let mut home = ground.their_peer(THEIRS, "0x1", THEIR_OTHER, &[suggest]);
    let _other = ground.their_peer(THEIR_OTHER, "0xf0000000", THEIRS, &[suggest]);
    hear(&mut home, "$f0000000");
    let _element = ground.our_element(OUR_PROGRAMS[0], "0xaaaa", &["-rereginterval=1000"]);
    let from_other = format!("ip.src == {THEIR_OTHER} and ip.dst == {}", OUR_PROGRAMS[0]);
    let to_other = format!("ip.src == {} and ip.dst == {THEIR_OTHER}", OUR_PROGRAMS[0]);
    let pe = "asap.pe_identifier == 0xaaaa";
    ground.show(&[
        &registration(),
        &format!("{from_other} and asap.message_type == 7 and asap.h_bit == 1"),
        &format!("{to_other} and asap.message_type == 8 and {pe}"),
        &format!("{to_other} and asap.message_type == 1"),
        &format!("{from_other} and asap.message_type == 3 and asap.r_bit == 0 and {pe}"),
    ])
}
