//! What the service (the shared stack) and its clients agree on.
//!
//! A client holds, for each SCTP socket, one end of an `AF_UNIX` `SEQPACKET` pair: a real descriptor, so that
//! `poll`, `epoll`, `dup`, `fork` and `exec` are the kernel's work. The service's end is bound to an abstract name
//! that [`SocketName`] describes: `getpeername` on the client's end tells any process what it holds. Commands
//! travel over a control connection of the process's own, one [`Request`] and one [`Reply`] at a time.
//!
//! What needs no command: sending and receiving (a record is a message, or a piece of a long one); shutting down, which
//! the service sees on its end; closing, which it sees when the last copy is gone. The end of the association is the
//! end of file. A descriptor that must not poll writable yet holds a filler record, which the service takes out.
//! On a listener's descriptor each byte stands for an association that waits.

mod message;
mod name;

pub use message::{
    Address, Command, DecodeError, MAX_MESSAGE_LEN, MAX_OPTION_LEN, OptionName, Reply, Request, Value,
};
pub use name::SocketName;

/// Environment variable that names the service's control socket (an abstract name, without the leading zero).
pub const SERVICE_VARIABLE: &str = "SCTP_SERVICE";

/// Version of all that is defined here; the first thing a client says, and refused if it differs.
pub const VERSION: u16 = 2;

/// Largest record in a data pair; longer messages cross in several.
pub const MAX_RECORD_LEN: usize = 64 * 1024;
