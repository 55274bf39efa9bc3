//! What the service (the shared stack) and its clients agree on.
//!
//! A client holds, for each SCTP socket, one end of an `AF_UNIX` `SEQPACKET` pair: a real descriptor, so that
//! `poll`, `epoll`, `dup`, `fork` and `exec` are the kernel's work. The service's end is bound to an abstract name
//! that [`SocketName`] describes: `getpeername` on the client's end tells any process what it holds. Commands
//! travel over a control connection of the process's own, one [`Request`] and one [`Reply`] at a time.
//!
//! A service listens at the name that its clients are told, and at [`one`](service_name) that the names of its sockets tell: a
//! process may hold sockets of several services. Whom the service does not know shows it a descriptor of such a socket with the first
//! thing that it says, its version, and is served for what sockets it holds.
//!
//! # What is in a pair
//!
//! | record | towards | means |
//! |---|---|---|
//! | bare: anything that does not begin with the socket's [marker](SocketName::marker) | both | a message; of [`MAX_RECORD_LEN`] bytes towards the client: a piece that does not end one |
//! | the marker, a [`Head`], and more, a *headed* record | the service | a message, of which the head tells stream, flags, PPID and context |
//! | the marker and a number, a [`Token`] | the client | something waits that must be asked for, by [`Command::Receive`] or [`Command::Accept`] |
//! | nothing, an empty record | the client | look, and ask: nothing more comes |
//! | the marker and zeros, a *filler* | the service | nothing: it keeps the descriptor from polling writable |
//!
//! So a plain one-to-one socket is read and written by the kernel's own calls, also by programs and parts of the C library
//! that know nothing of us. What only a command can say or ask for goes by commands: control messages, notifications,
//! everything on one-to-many sockets. A token is taken out *before* it is asked for, and the command says which it was; the
//! service puts another one where more is left. Where nothing is left, replies say up to which number tokens are stale: clients
//! take these out. Who finds that he took a later one says so ([`Command::GiveBackToken`]).
//!
//! A client that finds nothing in the pair asks before it says so, because what has reached the host may not have reached the
//! pair yet. A write is bare if the [`Slot`] of the socket says that it may be, else it is a [`Command::Send`], whose errno is
//! exact. The last close the service sees on its end. Where both halves of a socket are shut down, both of the pair are, so that every way
//! of polling shows POLLHUP.
//!
//! A write with information is *headed* if the slot says that it may be, if the information is no more than a [`Head`] says, and if
//! its stream is one of those that the slot tells of; else it is a command. Headed records are sent behind what was written before, as
//! bare ones are, with full reliability: the slot tells of no streams where that is not what is meant by saying nothing. Who writes one
//! makes sure before that what he writes to is the socket, since of all others only the payload was meant, and looks at
//! the slot after that. What begins with the marker and is neither a headed record nor a token is passed over as a filler
//! is. So a bare message that begins with the marker goes by command, whatever follows.
//!
//! A descriptor polls writable when a set-up is over, or when there is room for what was refused. Who waits for that writes the filler
//! that the reply names ([`Filler`]), once, and no command waits for it: the service takes fillers out when something has happened
//! that anybody waits for, and from then on whenever one comes. So nobody is told to write one again but by a command that he gives
//! when the descriptor polls writable.
//!
//! An association that the peer has shut down ends with the end of file. Where a read is to fail instead, an empty record wakes up
//! who waits: he takes it out and asks, and what he is answered counts. If he had waited he says so, for there may be others.

mod board;
mod head;
mod message;
mod name;
mod owner;
mod pieces;

pub use board::Slot;
pub use head::Head;
pub use message::{
    Address, Command, DecodeError, Filler, MAX_OPTION_LEN, MAX_PAYLOAD_LEN, MAX_REPLY_LEN, OptionName,
    Peeled, Receive, Received, Reply, Request, Send, SetUp, Ticket, Value,
};
pub use name::{Marker, SocketName, Style, Token, service_name};
pub use owner::Owner;
pub use pieces::{Joiner, MAX_PIECE_LEN, SHOWN, pieces};
pub use serde_bytes::ByteBuf;

/// Environment variable that names the service's control socket (an abstract name, without the leading zero).
pub const SERVICE_VARIABLE: &str = "SCTP_SERVICE";

/// Environment variable that names the user, by number, whose service that is. Anybody may take an abstract name once its owner
/// has gone; clients hang up on who is neither this user nor root.
pub const SERVICE_USER_VARIABLE: &str = "SCTP_SERVICE_USER";

/// Environment variable that names the user, by number, that the service has become, and so the user who makes its sockets: the
/// kernel tells of each (SO_PEERCRED). What has a name like theirs and is of somebody else, but root or the program's own user, is
/// no socket of ours: anybody may bind such a name.
pub const SERVICE_MAKER_VARIABLE: &str = "SCTP_SERVICE_MAKER";

/// The environment variable that names the program's lease: a descriptor, as `NUMBER:INODE`. The service of a program lives as
/// long as one of its processes has it open. A process that has become another user sends it with the first thing that it says, its
/// version: so the service knows that it is one of its program's, and serves it.
pub const LEASE_VARIABLE: &str = "SCTP_LEASE";

/// Version of all that is defined here; the first thing a client says, and refused if it differs.
pub const VERSION: u16 = 12;

/// A record of this length in a data pair is a piece of a message that does not end it; shorter ones end one. The largest
/// messages that programs like to send fit into one record.
pub const MAX_RECORD_LEN: usize = 72 * 1024;
