//! `libsctp_user`: SCTP for C programs that link it, without a daemon and without LD_PRELOAD.
//!
//! It exports three sets of functions: those of the C library that the shim stands before (`socket`, `sendmsg`, `close`, ...), since
//! the program finds ours before libc's; those of libsctp (RFC 6458, 9); and the `ext_` functions of dreibh's socketapi. All act on
//! the same descriptors, so they can be mixed.
//!
//! - [`associations`], [`send`], [`receive`]: libsctp's functions, on top of `getsockopt`, `setsockopt`, `sendmsg`, `recvmsg`.
//! - [`ext`]: the `ext_` functions, under their names.
//! - [`host`]: the stack, in a thread of the process, where no service is there already; `descriptors`: its own table of descriptors.
//! - `calls`: the functions of sockets; `control`, `packed`, `parts`: what they are given; `outcome`: errno, and no panics.
//!
//! The headers in `include` are made of this by cbindgen (functions; a test compares), and written by hand (structures and numbers;
//! a test compares them with the tables of `sctp-abi`).

pub mod associations;
mod calls;
mod control;
mod descriptors;
pub mod ext;
pub mod host;
mod outcome;
mod packed;
mod parts;
pub mod receive;
pub mod send;
pub mod structures;
