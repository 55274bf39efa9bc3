//! Messages on their way out and in.

use std::io::IoSliceMut;
use std::net::IpAddr;

use bytes::Bytes;
use sctp_core::reliability::Reliability;
use sctp_user::stack::{Delivery, Notification};
use smallvec::SmallVec;

use crate::AssociationId;

/// How a message is to be sent (RFC 6458, 5.3.4).
///
/// ```
/// let info = socketapi::SendInfo::new().stream(3).ppid(11).unordered();
/// assert_eq!((info.stream, info.ppid), (3, 11));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendInfo {
    /// Stream, below the number of outbound streams.
    pub stream: u16,
    /// Payload protocol identifier, as a number: it travels in network byte order.
    pub ppid: u32,
    /// Deliver as soon as it is complete, in no order.
    pub unordered: bool,
    /// Given back with [`Notification::SendFailed`].
    pub context: u32,
    /// Ask the peer to acknowledge at once (RFC 7053).
    pub sack_immediately: bool,
    /// When to give the message up (`SCTP_PRINFO`); `None`: as the socket's default has it.
    pub reliability: Option<Reliability>,
    /// The shared key that it is authenticated with, where the peer wants that (`SCTP_AUTHINFO`); `None`: the
    /// [active](crate::Options::set_active_auth_key) one.
    pub auth_key: Option<u16>,
    /// The peer's address that it goes to (`SCTP_ADDR_OVER`); `None`: the primary one.
    pub path: Option<IpAddr>,
    /// The message ends with this send (`SCTP_EOR`). Of use only where
    /// [`Options::set_explicit_eor`](crate::Options::set_explicit_eor) is on; else each send is a message.
    pub end_of_record: bool,
}

impl SendInfo {
    /// Stream 0, PPID 0, ordered, as reliable as the socket's default.
    pub const fn new() -> Self {
        Self {
            stream: 0,
            ppid: 0,
            unordered: false,
            context: 0,
            sack_immediately: false,
            reliability: None,
            auth_key: None,
            path: None,
            end_of_record: false,
        }
    }

    /// On this stream.
    pub const fn stream(mut self, stream: u16) -> Self {
        self.stream = stream;
        self
    }

    /// With this payload protocol identifier.
    pub const fn ppid(mut self, ppid: u32) -> Self {
        self.ppid = ppid;
        self
    }

    /// In no order.
    pub const fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    /// With this number, to know it again if it fails.
    pub const fn context(mut self, context: u32) -> Self {
        self.context = context;
        self
    }

    /// Given up like this (RFC 6458, 5.3.7; RFC 7496, 4.2).
    pub const fn reliability(mut self, reliability: Reliability) -> Self {
        self.reliability = Some(reliability);
        self
    }

    /// Authenticated with this shared key (RFC 6458, 5.3.8). The send fails if there is none, it is deactivated, or the
    /// association offers no authentication.
    pub const fn auth_key(mut self, key: u16) -> Self {
        self.auth_key = Some(key);
        self
    }

    /// To this address of the peer's instead of the primary one, while that path is active (`SCTP_ADDR_OVER`; RFC 6458, 5.3.2).
    /// The send fails if the peer has no such address.
    pub const fn path(mut self, remote: IpAddr) -> Self {
        self.path = Some(remote);
        self
    }

    /// The last piece of a message that is handed over in several sends (`SCTP_EOR`; RFC 6458, 8.1.26).
    pub const fn end_of_record(mut self) -> Self {
        self.end_of_record = true;
        self
    }

    /// `explicit_eor`: the message goes on unless it is said to end.
    pub(crate) fn options(&self, explicit_eor: bool) -> sctp_core::message::SendOptions {
        sctp_core::message::SendOptions {
            stream_id: self.stream,
            ppid: self.ppid,
            unordered: self.unordered,
            context: self.context,
            sack_immediately: self.sack_immediately,
            reliability: self.reliability,
            auth_key: self.auth_key,
            path: self.path,
            more: explicit_eor && !self.end_of_record,
        }
    }
}

/// What is known of a received message (RFC 6458, 5.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvInfo {
    /// Association that it came on.
    pub association: AssociationId,
    /// Stream that it came on.
    pub stream: u16,
    /// Its stream sequence number; meaningless if `unordered`.
    pub ssn: u16,
    /// The number of which `ssn` is the lower half (RFC 8260, 2.1): tells messages apart that are delivered in pieces.
    pub mid: u32,
    /// TSN of its first fragment.
    pub tsn: u32,
    /// Payload protocol identifier, as a number.
    pub ppid: u32,
    /// What [`Options::set_context`](crate::Options::set_context) said of the association.
    pub context: u32,
    /// It was sent unordered.
    pub unordered: bool,
    /// The message ends here (`MSG_EOR`). Else the buffer was too small, or the message is larger than what the receive
    /// buffer or the partial delivery point lets be put together: more of it follows, with the same association,
    /// stream and `mid`.
    pub end_of_record: bool,
}

/// A received message, not copied.
#[derive(Clone, Debug)]
pub struct Message {
    /// What is known of it.
    pub info: RecvInfo,
    /// Its bytes, in the pieces in which they came.
    pub pieces: SmallVec<[Bytes; 1]>,
}

impl Message {
    /// Bytes of it.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether it has no bytes. SCTP has no empty messages.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The bytes in one piece: without a copy if they came in one packet.
    pub fn into_bytes(mut self) -> Bytes {
        if self.pieces.len() == 1 {
            return self.pieces.remove(0);
        }
        let mut whole = Vec::with_capacity(self.len());
        self.pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.into()
    }

    /// Copies the bytes to the beginning of `buffers`, which must be long enough together; returns how many.
    pub(crate) fn copy_to(&self, buffers: &mut [IoSliceMut<'_>]) -> usize {
        let mut pieces = self.pieces.iter();
        let mut piece: &[u8] = &[];
        let mut copied = 0;
        for buffer in buffers {
            let mut at = 0;
            while at < buffer.len() {
                if piece.is_empty() {
                    let Some(next) = pieces.next() else { return copied };
                    piece = next;
                }
                let (now, later) = piece.split_at(piece.len().min(buffer.len() - at));
                buffer[at..at + now.len()].copy_from_slice(now);
                (piece, at, copied) = (later, at + now.len(), copied + now.len());
            }
        }
        copied
    }
}

/// What a socket with notifications delivers.
#[derive(Clone, Debug)]
pub enum Received {
    /// A message.
    Message(Message),
    /// Something happened to an association; `None` for [`Notification::Overflow`], which is about all.
    Notification(Option<AssociationId>, Notification),
}

impl Received {
    /// `context` tells that of an association.
    pub(crate) fn new(delivery: Delivery, context: impl FnOnce(AssociationId) -> u32) -> Self {
        match delivery {
            Delivery::Message { association, message, end_of_record } => Self::Message(Message {
                info: RecvInfo {
                    association,
                    stream: message.stream_id,
                    ssn: message.ssn.0,
                    mid: message.mid.0,
                    tsn: message.tsn.0,
                    ppid: message.ppid,
                    context: context(association),
                    unordered: message.unordered,
                    end_of_record,
                },
                pieces: message.payload,
            }),
            Delivery::Notification { association, notification } => {
                Self::Notification(association, notification)
            }
        }
    }

    /// The message, if it is one.
    pub fn into_message(self) -> Option<Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Notification(..) => None,
        }
    }
}
