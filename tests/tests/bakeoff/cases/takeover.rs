//! 3.4: a registrar of RSPLIB's is gone.

use nix::sys::signal::Signal;
use system_tests::{Program, hear};

use super::{PRESENCE, asap_element, enrp_element};
use crate::ground::{Evidence, Ground, OURS, THEIR_OTHER, THEIR_PROGRAMS, THEIRS};

/// ENRP from our registrar to RSPLIB's that stays, about the one that is gone, and the answer.
fn about_the_dead(message: u8) -> String {
    format!(
        "ip.src == {OURS} and ip.dst == {THEIR_OTHER} and enrp.message_type == {message} and \
         enrp.target_servers_id == 0x22"
    )
}

fn answer_about_the_dead(message: u8) -> String {
    format!(
        "ip.src == {THEIR_OTHER} and ip.dst == {OURS} and enrp.message_type == {message} and \
         enrp.target_servers_id == 0x22"
    )
}

/// The part of a filter that asks for an element and its home, in ASAP.
fn home_of(id: &str, home: &str) -> String {
    format!("{} and asap.pool_element_home_enrp_server_identifier == {home}", asap_element(id))
}

/// RFC 5353, 2.7 to 2.9.
const INIT_TAKEOVER: u8 = 7;
const INIT_TAKEOVER_ACK: u8 = 8;
const TAKEOVER_SERVER: u8 = 9;

/// How soon a quick one of ours takes a silent registrar over: four heartbeats of those whose options are [`PATIENT`].
const QUICK: [&str; 2] = ["-peermaxtimelastheard=4000", "-peermaxtimenoresponse=500"];
/// Who takes nobody over within a test, and itself does not seem silent for long.
const PATIENT: [&str; 3] =
    ["-peermaxtimelastheard=300000", "-peermaxtimenoresponse=300000", "-peerheartbeatcycle=1000"];
/// Who may be cut off from when it doubts a silent registrar until it takes that over, without being doubted itself.
const CALM: [&str; 4] = [
    "-peermaxtimelastheard=10000",
    "-peermaxtimenoresponse=5000",
    "-peerheartbeatcycle=1000",
    "-takeoverexpiryinterval=120000",
];

/// Our registrar, a quick one, among two of RSPLIB's; then one of these dies that has an element.
fn orphan(ground: &Ground) -> [Program; 3] {
    let theirs = ground.their_peer(THEIRS, "0x22", THEIR_OTHER, &PATIENT);
    let other = ground.their_peer(THEIR_OTHER, "0x33", THEIRS, &PATIENT);
    let mut ours = ground.our_peer("0x44", &[THEIRS, THEIR_OTHER], &QUICK);
    hear(&mut ours, "serving");
    let element = ground.their_element(THEIR_PROGRAMS[0], "-echo", "0xbbbb", THEIRS, &[]);
    ground.our_registrar_answers(&asap_element("0xbbbb"));
    theirs.signal(Signal::SIGKILL);
    [ours, other, element]
}

pub(crate) fn begins(ground: &Ground) -> Evidence {
    let _programs = orphan(ground);
    ground.show(&[&about_the_dead(INIT_TAKEOVER), &answer_about_the_dead(INIT_TAKEOVER_ACK)])
}

/// Ours and the other one of RSPLIB's begin at the same time: 15 s after the last word of the silent one. From when both ask that whether it
/// is there, 5 s before, neither hears the other until both have begun; and then before ours has asked three times in vain, which takes 7.5 s.
/// RSPLIB's with a smaller identifier insists (docs/rserpool.md: arbitration), so ours gives up. RSPLIB's sends no Takeover Server, but its
/// table tells.
pub(crate) fn gives_up(ground: &Ground) -> Evidence {
    let theirs = ground.their_peer(THEIRS, "0x22", THEIR_OTHER, &[]);
    let mut other = ground.their_peer(THEIR_OTHER, "0x33", THEIRS, &CALM);
    let mut ours = ground.our_peer("0x44", &[THEIRS, THEIR_OTHER], &CALM);
    hear(&mut ours, "serving");
    // It knows both, in whichever order it has met them, or one of them by the other's list.
    for id in ["$00000022", "$00000044"] {
        let met = format!(" peer {id}");
        if !other.output().contains(&met) {
            hear(&mut other, &met);
        }
    }
    let _element = ground.their_element(THEIR_PROGRAMS[0], "-echo", "0xbbbb", THEIRS, &[]);
    ground.our_registrar_answers(&asap_element("0xbbbb"));
    theirs.signal(Signal::SIGSTOP);
    hear(&mut other, "not head since MaxTimeLastHeard");
    ground.cut();
    hear(&mut other, "Initiating takeover of dead peer $00000022");
    hear(&mut ours, "registrar 0x00000022 is silent");
    ground.mend();
    let theirs_begins = ground.show(&[&answer_about_the_dead(INIT_TAKEOVER)]);
    let ours_begins = ground.show(&[&about_the_dead(INIT_TAKEOVER), &about_the_dead(INIT_TAKEOVER_ACK)]);
    let owned = ground.our_registrar_has(&format!(
        "{} and enrp.pool_element_home_enrp_server_identifier == 0x33",
        enrp_element("0xbbbb")
    ));
    assert_eq!(ground.count(&about_the_dead(TAKEOVER_SERVER)), 0, "ours has not given up");
    theirs_begins.and(ours_begins).and(owned)
}

/// Where a message of RSPLIB's own making is from, to whom, and about whom (`tests/vectors`).
const GOLDEN: [&str; 3] = ["0x1", "0x2", "0x3"];

/// RSPLIB's registrars send no Takeover Server. So, beside a live one of these, first another registrar of ours takes one over that has
/// fallen silent, and then we play what another one of RSPLIB's would have sent.
pub(crate) fn hears_of_takeovers(ground: &Ground) -> Evidence {
    let [speaker, own, silent] = GOLDEN;
    let [first, second, other] = [THEIR_PROGRAMS[2], THEIRS, THEIR_OTHER];
    let doomed =
        [("0x22", first), (silent, second)].map(|(id, at)| ground.their_peer(at, id, OURS, &PATIENT));
    let _living = ground.their_peer(other, "0x33", OURS, &PATIENT);
    let mut ours = ground.our_peer(own, &[first, second, other], &PATIENT);
    hear(&mut ours, "serving");
    let _elements = [("0xcccc", THEIR_PROGRAMS[1], first), ("0xbbbb", THEIR_PROGRAMS[0], second)]
        .map(|(id, address, home)| ground.their_element(address, "-echo", id, home, &[]));
    ground.our_registrar_has_just(&[0xbbbb, 0xcccc].into());

    let heir = ground.our_peer_among_theirs(THEIR_PROGRAMS[3], "0x44", &[OURS, first], &QUICK);
    doomed[0].signal(Signal::SIGSTOP);
    hear(&mut ours, "registrar 0x00000022 is gone: 0x00000044 has taken 1 elements over");
    let from_ours =
        format!("ip.src == {} and ip.dst == {OURS} and enrp.target_servers_id == 0x22", THEIR_PROGRAMS[3]);
    let by_ours = ground.show(&[
        &format!("{from_ours} and enrp.message_type == {INIT_TAKEOVER}"),
        &format!("{from_ours} and enrp.message_type == {TAKEOVER_SERVER}"),
    ]);
    let by_ours = by_ours.and(ground.our_registrar_answers(&home_of("0xcccc", "0x44")));
    drop(heir);

    doomed[1].signal(Signal::SIGSTOP);
    let _speaker = ground.replay("ENRP TakeoverServer");
    hear(&mut ours, "registrar 0x00000003 is gone: 0x00000001 has taken 1 elements over");
    let golden = format!(
        "ip.dst == {OURS} and enrp.message_type == {TAKEOVER_SERVER} and enrp.target_servers_id == {silent}"
    );
    let golden = ground.show(&[&golden]);
    let golden = golden.and(ground.our_registrar_answers(&home_of("0xbbbb", speaker)));
    let lives = format!(
        "frame.number > {} and ip.src == {other} and ip.dst == {OURS} and enrp.message_type == {PRESENCE}",
        golden.last()
    );
    by_ours.and(golden).and(ground.show(&[&lives]))
}

pub(crate) fn takes_over(ground: &Ground) -> Evidence {
    let [mut ours, _other, _element] = orphan(ground);
    hear(&mut ours, "registrar 0x00000022 is gone: 0x00000044 has taken 1 elements over");
    let taken = ground.show(&[
        &about_the_dead(INIT_TAKEOVER),
        &answer_about_the_dead(INIT_TAKEOVER_ACK),
        &about_the_dead(TAKEOVER_SERVER),
    ]);
    let element = THEIR_PROGRAMS[0];
    let [to, from] = [(OURS, element), (element, OURS)]
        .map(|(from, to)| format!("ip.src == {from} and ip.dst == {to} and asap"));
    let told = ground.show(&[
        &format!("{to} and asap.message_type == 7 and asap.h_bit == 1"),
        &format!("{from} and asap.message_type == 8 and asap.pe_identifier == 0xbbbb"),
    ]);
    let after = format!("frame.number > {}", told.last());
    let owned = ground.our_registrar_answers(&format!("{after} and {}", home_of("0xbbbb", "0x44")));
    taken.and(told).and(owned)
}
