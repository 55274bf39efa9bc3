//! User messages on their way in and out.

use bytes::Bytes;
use core::net::IpAddr;
use smallvec::SmallVec;

use crate::reliability::Reliability;
use crate::serial::{Mid, Ssn, Tsn};

/// How a message is to be sent (SEND, RFC 9260, 11.1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Stream, below the number that both sides agreed on.
    pub stream_id: u16,
    /// Payload protocol identifier, opaque to SCTP.
    pub ppid: u32,
    /// Deliver as soon as it is complete, in no order.
    pub unordered: bool,
    /// Given back when the message fails.
    pub context: u32,
    /// Ask the peer to acknowledge at once (I bit; RFC 7053).
    pub sack_immediately: bool,
    /// When the message is given up; `None`: as [`AssociationConfig::reliability`] says.
    ///
    /// [`AssociationConfig::reliability`]: crate::config::AssociationConfig::reliability
    pub reliability: Option<Reliability>,
    /// The shared key that it is authenticated with, where the peer wants that (RFC 4895; `SCTP_AUTHINFO` of RFC 6458, 5.3.8);
    /// `None`: the one that is active when it leaves.
    pub auth_key: Option<u16>,
    /// The address of the peer's that it is to be sent to, instead of the primary one (RFC 9260, 11.1.5; `SCTP_ADDR_OVER` of RFC 6458,
    /// 5.3.2): as long as the path there is active, and unless it must be sent again, which goes as usual (RFC 9260, 6.4). What
    /// is behind it waits while that path may send nothing.
    pub path: Option<IpAddr>,
    /// More of the message comes with the next send on its stream, which ends it unless it says the same (explicit EOR;
    /// RFC 6458, 8.1.26). A message sent in pieces is reliable, and `ppid`, `unordered` and `auth_key` are those of its first
    /// piece.
    pub more: bool,
}

/// A message that came in, or a piece of one that is handed over before all of it has come (partial delivery).
#[derive(Clone, Debug)]
pub struct Message {
    /// Stream.
    pub stream_id: u16,
    /// Its number in the stream, or the lower half of it where messages are interleaved (RFC 8260, 4.1); meaningless
    /// if `unordered`.
    pub ssn: Ssn,
    /// The number of which `ssn` is the lower half. Unordered messages are counted apart, and only where messages are
    /// interleaved.
    pub mid: Mid,
    /// TSN of its first fragment.
    pub tsn: Tsn,
    /// Payload protocol identifier.
    pub ppid: u32,
    /// It was sent unordered.
    pub unordered: bool,
    /// The message ends here. If not, more of it follows, with the same stream, `unordered` and `mid` (RFC 6458,
    /// 8.1.20).
    pub end_of_record: bool,
    /// The bytes, in the pieces in which they came: slices of the received packets.
    pub payload: SmallVec<[Bytes; 1]>,
}

impl Message {
    /// Bytes of the payload.
    pub fn len(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// Whether the payload is empty. It never is: RFC 9260, 3.3.1 forbids empty DATA chunks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload in one piece: without a copy if it came in one packet.
    pub fn into_bytes(mut self) -> Bytes {
        match self.payload.len() {
            1 => self.payload.remove(0),
            _ => {
                let mut whole = Vec::with_capacity(self.len());
                self.payload.iter().for_each(|piece| whole.extend_from_slice(piece));
                whole.into()
            }
        }
    }
}
