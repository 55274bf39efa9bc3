//! The C functions that stand before the C library's. Nothing is decided here.
//!
//! They may be unwound through, which is how a thread is cancelled: hence `C-unwind`. Functions of C with variable arguments
//! are defined with as many as they ever have; on Linux's machines those that a caller did not give are just unused.

mod data;
mod descriptors;
mod files;
mod names;
mod polling;
mod raw;

#[cfg(target_env = "gnu")]
pub(crate) use data::{read, write};
#[cfg(target_env = "gnu")]
pub(crate) use descriptors::{close, dup2};
