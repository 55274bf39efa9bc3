//! Sockets for SCTP in user space, after RFC 6458: blocking and non-blocking Rust types.

pub use sctp_core::time::Time;
