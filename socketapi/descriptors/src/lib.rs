//! What the service (the shared stack) and its clients agree on.
//!
//! A client holds, for each SCTP socket, one end of an `AF_UNIX` `SEQPACKET` pair: a real descriptor, so that
//! `poll`, `epoll`, `dup`, `fork` and `exec` are the kernel's work. The service's end is bound to an abstract name
//! that [`SocketName`] describes: `getpeername` on the client's end tells any process what it holds. Commands
//! travel over a control connection of the process's own, one [`Request`] and one [`Reply`] at a time.

mod message;
mod name;

pub use message::{Address, Command, DecodeError, MAX_MESSAGE_LEN, Reply, Request};
pub use name::SocketName;

/// Environment variable that names the service's control socket (an abstract name, without the leading zero).
pub const SERVICE_VARIABLE: &str = "SCTP_SERVICE";

/// Version of all that is defined here; the first thing a client says, and refused if it differs.
pub const VERSION: u16 = 1;

/// Largest record in a data pair; longer messages cross in several.
pub const MAX_RECORD_LEN: usize = 64 * 1024;

/// Send buffer, in bytes, of the client's end while it must not poll writable: two filler records fill it.
pub const CLOSED_SEND_BUFFER: usize = 4_608;

/// Send buffer, in bytes, of the client's end once it is connected.
pub const OPEN_SEND_BUFFER: usize = 425_984;
