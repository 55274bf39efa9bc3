//! A preload shim that gives unmodified programs SCTP sockets, where the kernel has none.
//!
//! It stands between a program and its C library. A socket of protocol 132 becomes one end of an `AF_UNIX` pair
//! whose other end the service holds (see `sctp-descriptors`); what only the service knows is asked over a control
//! connection; everything else is left to the kernel, because the descriptor is a real one.
//!
//! - `hooks`: the C functions, signatures only. `names`, `data`, `descriptors`, `files`, and `raw` for `syscall`.
//! - `ops`: sockets and their names. `receive`, `send`, `transfer`: data; `head`: information that is sent with it. `options`: bytes here. `procfs`: files of SCTP.
//! - `record`: what is in the pair. `parts`: the program's memory. `wait`: waiting; `hold`: at what; `cancel`: threads that are
//!   cancelled in it.
//! - `service`: where it is; `control`: commands to it. `board`: what can be known without asking.
//! - `table`: which descriptors are ours. `lease`: one that stays open. `address`: C's socket addresses. `real`: the C library's own functions.
//! - `stdio`: streams of the C library. `exempt`: who is not served. `detour`: what becomes of a call; `Detour::Bypass` means: not ours, the C library's turn.
//!
//! # What is left alone, and why
//!
//! - `poll` waits, and says, what the kernel says of the pair; `polling` adds POLLERR.
//! - `select`, `epoll` (and their fortified names), `fstat`, O_NONBLOCK, FIONBIO, close-on-exec, SO_RCVTIMEO: the
//!   descriptor is the kernel's.
//! - `fork`, `vfork`, `_Fork`, `clone`, `posix_spawn`: descriptors are inherited as all are, a name tells what each is, and a
//!   control connection notices that it is another process's (see `control`, `table`).
//! - What the C library does inside of itself, such as standard output: it finds bare messages, and writes them.
//!
//! # Panics
//!
//! What is done for a descriptor of ours runs [`guarded`]: a panic, which is a defect of ours, ends the process with its message and
//! does not unwind into the program. (Hooks may be unwound through all the same: that is how a thread is cancelled. See `cancel`.)
//!
//! As a library of Rust the shim gives `libsctp_user` its hooks.
//!
//! Calls on descriptors that are not ours allocate nothing and take no lock, so that they may be made in handlers of signals
//! and between `fork` and `exec`.

mod address;
mod board;
mod cancel;
mod control;
mod detour;
mod exempt;
mod head;
mod hold;
mod hooks;
mod lease;
mod memory;
mod ops;
mod options;
mod parts;
mod polling;
mod procfs;
mod real;
mod receive;
mod record;
mod send;
mod service;
mod stdio;
mod table;
mod transfer;
mod wait;
mod waiting;

pub use detour::{errno, guarded, set_errno};
pub use exempt::exempt_thread;
pub use lease::hold_lease;
pub use service::{Finder, Service, set_finder, told};

/// Runs when the shim is loaded.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    real::find_all();
    waiting::begin();
    hold::begin();
    exempt::look_for_another();
    lease::find();
    service::begin();
    // SAFETY: it has no conditions.
    unsafe { table::adopt_table() };
    // SAFETY: the functions do what may be done in handlers of signals, and in a child of a program with many threads.
    unsafe { libc::pthread_atfork(Some(begin_fork), Some(end_fork), Some(begin_child)) };
    stdio::begin();
}

unsafe extern "C" fn begin_fork() {
    hold::begin_fork();
}

unsafe extern "C" fn end_fork() {
    hold::end_fork();
}

unsafe extern "C" fn begin_child() {
    // SAFETY: it has no conditions.
    unsafe { table::adopt_table() };
    hold::begin_child();
}
