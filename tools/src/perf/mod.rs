//! `sctp-perf`: throughput, latency and association set-up rate, between two of these programs or a foreign one.

pub mod client;
pub mod protocol;
pub mod report;
pub mod server;
