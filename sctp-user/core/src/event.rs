//! What the core tells the layer above.

use bytes::Bytes;
use core::net::IpAddr;

use crate::net::PathAddress;
use crate::serial::Mid;
use crate::serial::Tsn;

/// Names an association of an endpoint, past its end too: a later one in the same slot has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssociationId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl AssociationId {
    /// One number that holds both parts, for layers that need an integer.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }
}

/// Something that the layer above wants to know. Events of one association keep their order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// COMMUNICATION UP (RFC 9260, 11.2.4).
    CommunicationUp {
        /// The peer began, towards one of our listening ports.
        inbound: bool,
        /// Streams that we may send on.
        outbound_streams: u16,
        /// Streams that the peer may send on.
        inbound_streams: u16,
    },
    /// COMMUNICATION LOST (11.2.5), or the set-up failed. The association holds only what was not yet read.
    CommunicationLost {
        /// What ended it.
        reason: LossReason,
    },
    /// The peer restarted (11.2.7); unsent and unacknowledged messages come back as `SendFailed` before this.
    Restart,
    /// The peer has begun to shut down (SHUTDOWN received): no further messages are accepted, but for the last ones where these
    /// are [awaited](crate::config::AssociationConfig::awaits_last_sends).
    ShutdownReceived,
    /// The association ended in good order (11.2.8).
    ShutdownComplete,
    /// Messages, or the end, can be read where before there was nothing to read.
    Readable,
    /// The send buffer has room again after a send was refused.
    Writable,
    /// All that was sent is acknowledged (SENDER DRY).
    SenderDry,
    /// Pieces of a message were read, and the rest will not come (PARTIAL DELIVERY ABORTED; RFC 6458, 6.1.7). Pieces that
    /// were not yet read are dropped.
    PartialDeliveryAborted(AbortedDelivery),
    /// A message will not be delivered (SEND FAILURE, 11.2.2).
    SendFailed(Box<SendFailure>),
    /// A path changed (NETWORK STATUS CHANGE, 11.2.3).
    PathChanged {
        /// The peer's address.
        address: PathAddress,
        /// What happened.
        change: PathChange,
    },
    /// One of our addresses came or went, or did not, on this association (RFC 5061).
    LocalAddressChanged {
        /// The address.
        address: IpAddr,
        /// What happened.
        change: LocalAddressChange,
    },
    /// What the peer's upper layer says at the set-up (RFC 5061, 4.2.6).
    AdaptationIndication(u32),
    /// Authentication: a key, or that there is none (RFC 6458, 6.1.8).
    Authentication(AuthenticationEvent),
    /// The messages of streams are numbered from 0 on again (RFC 6525, 6.1.1), or our request for that has failed.
    StreamsReset {
        /// Whether they are those that the peer sends on, or ours.
        incoming: bool,
        /// The streams; none means all.
        streams: Vec<u16>,
        /// Whether it was done.
        outcome: ReconfigOutcome,
    },
    /// TSNs and all streams are numbered anew (RFC 6525, 6.1.2), or our request for that has failed.
    AssociationReset {
        /// The TSN that we use next.
        local_tsn: Tsn,
        /// The TSN that the peer uses next.
        remote_tsn: Tsn,
        /// Whether it was done.
        outcome: ReconfigOutcome,
    },
    /// There are more streams (RFC 6525, 6.1.3), or our request for them has failed.
    StreamsChanged {
        /// Streams that we may send on.
        outbound_streams: u16,
        /// Streams that the peer may send on.
        inbound_streams: u16,
        /// Whether it was done.
        outcome: ReconfigOutcome,
    },
    /// The peer sent an ERROR chunk (COMMUNICATION ERROR, 11.2.6).
    RemoteError {
        /// Cause code.
        cause: u16,
        /// The cause's value.
        value: Bytes,
    },
}

/// What happened about authentication (RFC 6458, 6.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationEvent {
    /// The peer has begun to use this shared key (`SCTP_AUTH_NEW_KEY`).
    NewKey(u16),
    /// We offered AUTH, but the peer does not do it (`SCTP_AUTH_NO_AUTH`).
    NotSupported,
    /// This shared key will not be used any more for what we send (`SCTP_AUTH_FREE_KEY`).
    FreeKey(u16),
}

/// How a re-configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconfigOutcome {
    /// It was done, or there was nothing to do.
    Done,
    /// The peer does not allow it.
    Denied,
    /// It was not done.
    Failed {
        /// The peer's result (RFC 6525, 4.4); `None`: the association ended or was restarted before.
        result: Option<u32>,
    },
}

/// What became of an address of ours (RFC 5061).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalAddressChange {
    /// The peer has added it.
    Added,
    /// The peer has removed it.
    Removed,
    /// The peer did not add it.
    AdditionRefused,
    /// The peer did not remove it.
    RemovalRefused,
    /// The peer did not make it its primary destination.
    PrimaryRefused,
}

/// A message of which only a part will ever be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedDelivery {
    /// Stream.
    pub stream_id: u16,
    /// It was sent unordered.
    pub unordered: bool,
    /// Its number, as its pieces said ([`Message::mid`](crate::message::Message::mid)).
    pub mid: Mid,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// It was verified (RFC 9260, 5.4).
    Confirmed,
    /// It answers again.
    Available(SignOfLife),
    /// It does not answer for the moment, and data avoids it (RFC 7829, 3).
    PotentiallyFailed,
    /// It no longer answers.
    Unreachable,
    /// It became the primary path.
    MadePrimary,
    /// It was added.
    Added,
    /// It was removed.
    Removed,
}

/// What showed that a path works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOfLife {
    /// A HEARTBEAT was answered (RFC 9260, 8.3), or a probe of the path MTU.
    Heartbeat,
    /// What was sent there was acknowledged: data, or a request (8.2).
    Acknowledgement,
}

/// Why an association was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// The peer sent ABORT, with this first cause code, if any.
    PeerAborted {
        /// First error cause of the ABORT.
        cause: Option<u16>,
        /// Its value (the upper layer's reason of cause 12).
        value: Bytes,
    },
    /// We aborted it on the user's word.
    UserAborted,
    /// The peer broke the protocol, we aborted; with the cause code that we sent.
    ProtocolError {
        /// Cause code.
        cause: u16,
    },
    /// Nothing came back: the error counters passed their limit.
    TimedOut,
    /// The set-up got no answer.
    SetupTimedOut,
    /// The peer (or its host) said that nobody speaks SCTP there (RFC 9260, 10).
    Unreachable {
        /// Address that the ICMP message spoke of.
        address: IpAddr,
    },
    /// Our backlog or table was full.
    NoResources,
}

/// A message that was not, or perhaps not, delivered.
#[derive(Clone, Debug)]
pub struct SendFailure {
    /// Stream it was for.
    pub stream_id: u16,
    /// Payload protocol identifier, as given.
    pub ppid: u32,
    /// Sent unordered.
    pub unordered: bool,
    /// The number that the sender gave with it.
    pub context: u32,
    /// Whether some of it was on the wire: the peer may have got it.
    pub sent: bool,
    /// The whole message, or the piece of it that was handed over.
    pub payload: Bytes,
}
