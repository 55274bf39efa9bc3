//! 3.2: RSPLIB's registrar tells ours what becomes of its elements.

use nix::sys::signal::Signal;
use rserpool::wire::{Policy, PolicyField, PolicyType};
use system_tests::{Program, hear};

use super::{UNKNOWN_POOL, UPDATE, asap_element, enrp_element, to_us};
use crate::ground::{Evidence, Ground, OURS, THEIR_PROGRAMS, THEIRS};

/// Our registrar and RSPLIB's know each other.
fn federation(ground: &Ground) -> (Program, Program) {
    let mut ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    hear(&mut ours, "registrar 0x00000022 found");
    (ours, theirs)
}

/// An update of the element; 0 adds or changes it, 1 removes it (RFC 5353, 2.4).
fn update(action: u8) -> String {
    format!("{} and enrp.update_action == {action} and {}", to_us(UPDATE), enrp_element("0xbbbb"))
}

pub(crate) fn adds(ground: &Ground) -> Evidence {
    let _registrars = federation(ground);
    let _element = ground.their_element(THEIR_PROGRAMS[0], "-echo", "0xbbbb", THEIRS, &[]);
    ground.show(&[&update(0)]).and(ground.our_registrar_answers(&asap_element("0xbbbb")))
}

pub(crate) fn changes(ground: &Ground) -> Evidence {
    let _registrars = federation(ground);
    let [before, after] =
        [3, 5].map(|weight| Policy::new(PolicyType::WeightedRoundRobin).with(PolicyField::Weight, weight));
    let (_stack, element) = ground.own_element("EchoPool", 0xbbbb, before);
    let weight = "pool_member_selection_policy_weight ==";
    let added = ground.show(&[&format!("{} and enrp.{weight} 3", update(0))]);
    element.set_policy(after);
    let changed = ground.show(&[&format!("{} and enrp.{weight} 5", update(0))]);
    let knows = format!("{} and asap.{weight} 5", asap_element("0xbbbb"));
    added.and(changed).and(ground.our_registrar_answers(&knows))
}

pub(crate) fn removes(ground: &Ground) -> Evidence {
    let _registrars = federation(ground);
    let element = ground.their_element(THEIR_PROGRAMS[0], "-echo", "0xbbbb", THEIRS, &[]);
    let known = ground.show(&[&update(0)]).and(ground.our_registrar_answers(&asap_element("0xbbbb")));
    element.signal(Signal::SIGINT);
    let removed = format!("frame.number > {} and {}", known.last(), update(1));
    known.and(ground.show(&[&removed])).and(ground.our_registrar_answers(UNKNOWN_POOL))
}
