//! The shared stack: serves SCTP sockets to other processes as real descriptors.
//!
//! A program that runs under the preload shim holds, for each SCTP socket, one end of an `AF_UNIX` `SEQPACKET` pair;
//! the [`Service`] holds the other end, and the socket of the stack behind it. What both sides agree on is in
//! `sctp-descriptors`. One thread serves everything: it waits for the control listener, the control connections,
//! the pairs, and for the stack, whose sockets wake it through a descriptor.
//!
//! - `service`: the loop; `turns`: whose turn it is; `commands`: what clients ask for.
//! - `rules`: who is served, and to what; `users`: what each user holds; `control`: what can be done to a service while it runs;
//!   `stop`: its end.
//! - `client`: the other side of the first contact: whether the well-known service serves us.
//! - `socket`: one socket, from its making to its end; `setup`: how its associations begin; `pump`: its messages in the pair, in both directions; `written`: those that programs write there; `send` and `receive`:
//!   messages by command, with all that comes with them; `inbox`: what waits to be read; `early`: what was written bare too
//!   early; `known`: what is remembered of associations.
//! - `ended`: what is kept of sockets that have ended; `guests`: who may use another user's.
//! - `options`: what can be asked and set by `getsockopt` and `setsockopt`.
//! - `procfs`: what Linux shows below `/proc`.
//! - `pair`: the kernel's half of a socket; `board`: what programs know without asking. `wakes`: how the stack calls.
//!
//! A socket ends with the last copy of its descriptor, however that copy ends; the service sees the end of file.
//! Where the association ends first, the service closes its end, so that the program finds what the kernel's SCTP
//! would show: what came before, then end of file, a hang-up in `poll`, EPIPE for writers. The error, if there is
//! one, waits in the service until it is asked for.

mod board;
pub mod client;
mod commands;
mod control;
mod early;
mod ended;
mod guests;
mod inbox;
mod known;
mod options;
mod pair;
mod procfs;
mod pump;
mod receive;
mod rules;
mod send;
mod service;
mod setup;
mod socket;
mod stop;
mod turns;
mod users;
mod wakes;
mod written;

pub use control::Control;
pub use guests::Identity;
pub use rules::{Access, Rules};
pub use sctp_abi::defaults;
pub use service::{Listener, Service, ServiceError};
pub use users::Limits;
