//! How the items are done: a function each, which panics if something is not as it should be.

pub(crate) mod elements;
pub(crate) mod registrar;
pub(crate) mod users;

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
