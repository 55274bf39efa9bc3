//! SCTP (RFC 9260) as a state machine: no I/O, no clock, no threads, no unsafe.

pub mod net;
pub mod serial;
pub mod time;
pub mod wire;
