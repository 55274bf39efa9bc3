//! A preload shim that gives unmodified programs SCTP sockets, where the kernel has none.
//!
//! It stands between a program and its C library. A socket of protocol 132 becomes one end of an `AF_UNIX` pair
//! whose other end the service holds (see `sctp-descriptors`); what only the service knows is asked over a control
//! connection; everything else is left to the kernel, because the descriptor is a real one.
//!
//! - `hooks`: the C functions, signatures and errno only.
//! - `ops`: what they do for a descriptor of ours. `Detour::Bypass` means: not ours, the C library's turn.
//! - `options`: the same for options, which are bytes here.
//! - `control`: commands to the service. `table`: which descriptors are ours. `address`: C's socket addresses.
//! - `real`: the C library's own functions.

mod address;
mod control;
mod hooks;
mod ops;
mod options;
mod real;
mod table;
