//! The sending half of an association: from the user's message to the acknowledged TSN.
//!
//! - `send_queue`: what is not in chunks yet, per stream; the `scheduler` picks the stream (RFC 8260, 3), `waiting` knows
//!   what all streams have together.
//! - `outstanding`: what has a TSN and is not yet cumulatively acknowledged, in the order of TSNs.
//! - `abandon`, `forward`: partial reliability, what is given up and how the peer learns of it (RFC 3758).
//! - `window`: the peer's receive window and the probes while it is closed (RFC 9260, 6.1 A).
//! - `sender`: ties them to the paths. `transmit` fills packets (6.1, 6.9), `sack` takes in
//!   acknowledgements (6.2.1) and fast retransmits (7.2.4), `timeout` handles T3-rtx (6.3.3), `reset` numbers streams
//!   and TSNs anew (RFC 6525), `ecn` slows a path down whose packets were marked.

mod abandon;
mod ecn;
mod forward;
mod message;
mod multipath;
mod outstanding;
mod recovery;
mod reset;
mod sack;
mod scheduler;
mod send_queue;
mod sender;
mod slab;
mod timeout;
mod transmit;
mod waiting;
mod window;

#[cfg(test)]
mod tests;

pub use sack::{AckedPath, SackError, SackOutcome};
pub use sender::{Sender, SenderStats};
pub use timeout::T3Expiry;
pub use transmit::Filled;
