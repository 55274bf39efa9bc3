//! Sockets over real stacks: in memory, over UDP on loopback addresses, and over raw IP.

mod addressing;
mod blocking;
mod inheritance;
mod large;
mod many;
mod notifications;
mod one_to_many;
mod one_to_one;
mod partial_reliability;
mod pausing;
mod peek;
mod per_association;
mod poller;
mod ports;
mod raw;
mod reconfig;
mod stacks;
mod stress;
mod support;
#[cfg(feature = "tokio")]
mod tasks;
