//! 3.4: a registrar of RSPLIB's is gone.

use nix::sys::signal::Signal;
use system_tests::{Program, hear};

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

/// RFC 5353, 2.7 to 2.9.
const INIT_TAKEOVER: u8 = 7;
const INIT_TAKEOVER_ACK: u8 = 8;
const TAKEOVER_SERVER: u8 = 9;

/// Our registrar, a quick one, among two of RSPLIB's; then one of these dies that has an element.
fn orphan(ground: &Ground) -> [Program; 3] {
    let theirs = ground.their_peer(THEIRS, "0x22", THEIR_OTHER, &[]);
    let other = ground.their_peer(THEIR_OTHER, "0x33", THEIRS, &[]);
    let quick = ["-peermaxtimelastheard=4000", "-peermaxtimenoresponse=500"];
    let mut ours = ground.our_peer("0x44", &[THEIRS, THEIR_OTHER], &quick);
    hear(&mut ours, "serving");
    let element = ground.their_element(THEIR_PROGRAMS[0], "-echo", "0xbbbb", THEIRS, &[]);
    ground.our_registrar_answers("asap.pool_element_pe_identifier == 0xbbbb");
    theirs.signal(Signal::SIGKILL);
    [ours, other, element]
}

pub(crate) fn begins(ground: &Ground) -> Evidence {
    let _programs = orphan(ground);
    ground.show(&[&about_the_dead(INIT_TAKEOVER), &answer_about_the_dead(INIT_TAKEOVER_ACK)])
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
    let owned = ground.our_registrar_answers(&format!(
        "{after} and asap.pool_element_pe_identifier == 0xbbbb and \
         asap.pool_element_home_enrp_server_identifier == 0x44"
    ));
    taken.and(told).and(owned)
}
