//! SCTP (RFC 9260) as a state machine: no I/O, no clock, no threads, no unsafe.

pub mod association;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod message;
pub mod net;
pub mod path;
pub mod rng;
pub mod rx;
pub mod serial;
pub mod time;
pub mod tx;
pub mod wire;
