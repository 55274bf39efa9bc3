//! How the items are done: a function each, which panics if something is not as it should be.

pub(crate) mod audits;
pub(crate) mod elements;
pub(crate) mod peers;
pub(crate) mod registrar;
pub(crate) mod takeover;
pub(crate) mod updates;
pub(crate) mod users;

use crate::ground::{Evidence, Ground};

/// An ENRP message from our registrar to RSPLIB's.
fn from_us(message: &str) -> String {
    format!("ip.src == 10.77.0.1 and ip.dst == 10.77.0.2 and sctp and enrp.message_type == {message}")
}

/// The same the other way.
fn to_us(message: &str) -> String {
    format!("ip.src == 10.77.0.2 and ip.dst == 10.77.0.1 and sctp and enrp.message_type == {message}")
}

/// A table in so many parts, each of which is asked for.
fn in_parts(ground: &Ground, parts: usize, request: &str, response: &str) -> Evidence {
    let part = |after: u32, more: u8| {
        ground.show(&[
            &format!("frame.number > {after} and {request}"),
            &format!("{response} and enrp.m_bit == {more}"),
        ])
    };
    let first = part(0, u8::from(parts > 1));
    (2..=parts).fold(first, |seen, number| {
        let next = part(seen.last(), u8::from(number < parts));
        seen.and(next)
    })
}

/// ENRP's message types (RFC 5353, 2), and ASAP's answer to who asks for a pool that is not there (RFC 5354, 3.12).
const PRESENCE: &str = "1";
const TABLE_REQUEST: &str = "2";
const TABLE_RESPONSE: &str = "3";
const UPDATE: &str = "4";
const LIST_REQUEST: &str = "5";
const LIST_RESPONSE: &str = "6";
const UNKNOWN_POOL: &str = "asap.cause_code == 9";

/// The part of a filter that asks for an element, in ENRP and in ASAP.
fn enrp_element(id: &str) -> String {
    format!("enrp.pool_element_pe_identifier == {id}")
}

fn asap_element(id: &str) -> String {
    format!("asap.pool_element_pe_identifier == {id}")
}

/// A policy's type on the wire (RFC 5356), and how programs name it.
fn policy(policy_type: u32) -> &'static str {
    match policy_type {
        1 => "-policy=RoundRobin",
        2 => "-policy=WeightedRoundRobin:3",
        3 => "-policy=Random",
        4 => "-policy=WeightedRandom:3",
        0x4000_0001 => "-policy=LeastUsed",
        other => panic!("no program is told of policy {other:#x}"),
    }
}
