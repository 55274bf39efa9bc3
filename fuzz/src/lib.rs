//! Fuzz targets of the parsers and state machines, replayed as plain tests.
//!
//! A target is a function of bytes that panics when something is wrong. Each has a module here, a
//! line in [`TARGETS`], a program in `fuzz_targets/` for libFuzzer, and a committed corpus in
//! `corpus/`. The README tells how to run them and how to add one.

mod books;
mod data_and_i_data;
mod endpoint_states;
mod forging;
mod pair;
mod received_tsns;
mod rserpool_messages;
mod sctp_packet;
mod two_endpoints;

pub use data_and_i_data::data_and_i_data;
pub use endpoint_states::endpoint_states;
pub use received_tsns::received_tsns;
pub use rserpool_messages::{asap_message, enrp_message};
pub use sctp_packet::sctp_packet;
pub use two_endpoints::two_endpoints;

/// A target: takes bytes, panics when something is wrong.
pub type Target = fn(&[u8]);

/// Every target by name, which is its corpus's folder name as well. The plain tests replay them.
pub const TARGETS: &[(&str, Target)] = &[
    ("asap_message", asap_message),
    ("data_and_i_data", data_and_i_data),
    ("endpoint_states", endpoint_states),
    ("enrp_message", enrp_message),
    ("received_tsns", received_tsns),
    ("sctp_packet", sctp_packet),
    ("two_endpoints", two_endpoints),
];
