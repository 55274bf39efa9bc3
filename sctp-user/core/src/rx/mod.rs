//! The receiving half of an association: from DATA chunks to the user's messages.
//!
//! - [`Receiver`] ties the parts together:
//! - `tsn_map`: which TSNs came (cumulative TSN, gap blocks, duplicates). Knows no streams.
//! - `sack`: when to acknowledge (RFC 9260, 6.2).
//! - `window`: what to advertise, and when to say that it grew (6.2, silly window).
//! - `account`: the memory held, and its bounds.
//! - `reassembly`: fragments to messages (6.9). Knows no SACK. `interleaved`: the same for I-DATA (RFC 8260).
//! - `run`: a part of a message, and what it costs.
//! - `forward`: what the peer has given up on (RFC 3758, 3.6; RFC 8260, 2.3.1).
//! - `skipped`: late fragments of unordered messages that the peer has given up on.
//! - `streams`: ordered and unordered delivery (6.5, 6.6), the queue to the reader.
//! - `reset`: streams and TSNs numbered anew (RFC 6525).

mod account;
mod forward;
mod interleaved;
mod kept;
mod reassembly;
mod receiver;
mod reset;
mod run;
mod sack;
mod skipped;
mod streams;
mod tsn_map;
mod window;

#[cfg(test)]
mod tests;

use thiserror::Error;

pub use receiver::Receiver;
pub use run::Fragment;

use crate::serial::{Fsn, Mid, Ssn, Tsn};

/// What became of a DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum DataOutcome {
    /// Taken, and acknowledged by the next SACK.
    Accepted,
    /// It had come before.
    Duplicate,
    /// Dropped for want of room: not acknowledged, the peer sends it again (RFC 9260, 6.2).
    NoBuffer,
    /// Acknowledged and discarded: the association sends ERROR with "Invalid Stream Identifier" (6.5).
    InvalidStream {
        /// The stream that does not exist.
        stream_id: u16,
    },
    /// The peer broke the protocol, or cannot be served: the association sends ABORT.
    Violation(Violation),
}

/// Why DATA ends the association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A fragment contradicts its neighbours: B within a message, no B after E, another stream or SSN (6.9).
    #[error("fragment {tsn} contradicts its neighbours")]
    BadFragment {
        /// Its TSN.
        tsn: Tsn,
    },
    /// A fragment contradicts others of its message: its number came before, it lies behind the end, or B is not on
    /// the first one (RFC 8260, 2.1).
    #[error("stream {stream_id}: fragment {fsn} of message {mid} contradicts others")]
    BadInterleavedFragment {
        /// Stream.
        stream_id: u16,
        /// Its message.
        mid: Mid,
        /// Its number in the message.
        fsn: Fsn,
    },
    /// Two ordered messages of a stream have the same message identifier (RFC 8260, 2.1).
    #[error("stream {stream_id} carries a second message {mid}")]
    DuplicateMid {
        /// Stream.
        stream_id: u16,
        /// The number that was used twice.
        mid: Mid,
    },
    /// Two ordered messages of a stream have the same stream sequence number (6.5).
    #[error("stream {stream_id} carries a second message {ssn}")]
    DuplicateSsn {
        /// Stream.
        stream_id: u16,
        /// The number that was used twice.
        ssn: Ssn,
    },
    /// A message is larger than `max_message_size`.
    #[error(
        "a message on stream {stream_id} has {len} bytes or more, the limit is {max}: raise max_message_size"
    )]
    MessageTooLarge {
        /// Stream.
        stream_id: u16,
        /// Bytes that came so far.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// All of the buffer holds parts of messages of which none can be completed.
    #[error("{held} bytes are held and no message is complete: raise receive_buffer")]
    BufferExhausted {
        /// Bytes held, bookkeeping included.
        held: usize,
    },
}

impl Violation {
    /// The error cause of the ABORT (RFC 9260, 3.3.10): Out of Resource or Protocol Violation.
    pub const fn cause_code(self) -> u16 {
        match self {
            Self::MessageTooLarge { .. } | Self::BufferExhausted { .. } => 4,
            Self::BadFragment { .. }
            | Self::BadInterleavedFragment { .. }
            | Self::DuplicateMid { .. }
            | Self::DuplicateSsn { .. } => 13,
        }
    }
}
