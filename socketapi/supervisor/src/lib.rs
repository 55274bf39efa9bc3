//! Gives SCTP sockets to programs that make system calls without a C library: Go programs, static binaries.
//!
//! The program runs under a seccomp filter. The calls that the filter picks wait, and the kernel tells the supervisor, another
//! process, of them: it does them for the program as a client of the service (see `sctp-descriptors`), or lets the kernel go on
//! with the descriptor, which is a real one. The program keeps its process: [`enter()`] puts the calling thread under the filter, and
//! what it executes then is under it, with all its descendants.
//!
//! - `filter`: which calls are picked. `enter`, `supervise`: how the two processes begin.
//! - `supervisor`: the loop; calls that wait. `desk`: what calls do. `operation`: what registers and memory say.
//! - `target`: the thread that calls. `socket`: our copy of its descriptor. `numbers`: which number a new one gets.
//! - `control`: commands to the service. `address`: C's socket addresses. `sys`: the kernel.

mod address;
mod control;
mod desk;
mod enter;
mod filter;
mod numbers;
mod operation;
mod socket;
mod supervise;
mod supervisor;
mod sys;
mod target;

pub use enter::{Refusal, enter};
pub use supervise::supervise;
