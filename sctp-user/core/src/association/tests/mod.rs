//! Scenarios of two endpoints, split by topic.

mod asconf;
mod asconf_rules;
mod attacks;
mod auth;
mod data;
mod ecn;
mod failover;
pub(crate) mod harness;
mod heartbeats;
mod hostile;
mod icmp;
mod init;
mod interleaving;
mod mtu;
mod multihoming;
mod partial_reliability;
mod reconfig;
mod reconfig_hostile;
mod restart;
mod setup;
mod shutdown;
mod states;
mod stats;
mod tags;
mod timers;
mod udp;
mod zero_checksum;
