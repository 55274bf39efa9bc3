//! What `sctp-run` finds out before it starts a program.

mod executable;

pub use executable::{Refusal, check, find, hint};
