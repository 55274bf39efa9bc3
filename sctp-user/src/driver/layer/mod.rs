//! Drivers around drivers: what they do is done to any of them.

pub mod fault;
pub mod pcap;
