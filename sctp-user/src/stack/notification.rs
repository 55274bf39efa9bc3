//! What a socket tells its user besides messages (RFC 6458, 6.1).

use std::net::IpAddr;

use bytes::Bytes;
use sctp_core::event::{
    AbortedDelivery, AuthenticationEvent, Event, LocalAddressChange, LossReason, PathChange, ReconfigOutcome,
    SendFailure,
};

/// What happened to an association, delivered in line with all messages and notifications of its socket, but not between the pieces
/// of a message unless that is wanted (RFC 6458, 8.1.20).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notification {
    /// The association is up (`SCTP_COMM_UP`).
    CommunicationUp {
        /// The peer began.
        inbound: bool,
        /// Streams that we may send on.
        outbound_streams: u16,
        /// Streams that the peer may send on.
        inbound_streams: u16,
    },
    /// The association was lost, or could not be set up (`SCTP_COMM_LOST`, `SCTP_CANT_STR_ASSOC`).
    CommunicationLost(LossReason),
    /// The peer restarted (`SCTP_RESTART`): what it knew of us is gone.
    Restarted,
    /// The peer sends nothing more and accepts nothing more (`SCTP_SHUTDOWN_EVENT`).
    ShutdownReceived,
    /// The association ended in good order (`SCTP_SHUTDOWN_COMP`).
    ShutdownComplete,
    /// A path to the peer changed (`SCTP_PEER_ADDR_CHANGE`).
    PathChanged {
        /// The peer's address.
        address: IpAddr,
        /// What happened to it.
        change: PathChange,
    },
    /// A message was not, or perhaps not, delivered (`SCTP_SEND_FAILED_EVENT`).
    SendFailed(Box<SendFailure>),
    /// The peer reported an error (`SCTP_REMOTE_ERROR`).
    RemoteError {
        /// Its cause code (RFC 9260, 3.3.10).
        cause: u16,
        /// What came with it.
        value: Bytes,
    },
    /// One of our addresses came or went on this association, or did not (RFC 5061).
    LocalAddressChanged {
        /// Our address.
        address: IpAddr,
        /// What happened to it.
        change: LocalAddressChange,
    },
    /// What the peer's upper layer says at the set-up (`SCTP_ADAPTATION_INDICATION`).
    AdaptationIndication(u32),
    /// A key is new or free, or the peer does not authenticate (`SCTP_AUTHENTICATION_EVENT`).
    Authentication(AuthenticationEvent),
    /// Messages of streams are numbered from 0 on again, or a request for that failed (`SCTP_STREAM_RESET_EVENT`).
    StreamsReset {
        /// Whether they are streams of the peer's, or ours.
        incoming: bool,
        /// The streams; none means all.
        streams: Vec<u16>,
        /// Whether it was done.
        outcome: ReconfigOutcome,
    },
    /// TSNs and all streams are numbered anew, or a request for that failed (`SCTP_ASSOC_RESET_EVENT`).
    AssociationReset {
        /// The TSN that we use next.
        local_tsn: u32,
        /// The TSN that the peer uses next.
        remote_tsn: u32,
        /// Whether it was done.
        outcome: ReconfigOutcome,
    },
    /// Streams were added, or a request for that failed (`SCTP_STREAM_CHANGE_EVENT`).
    StreamsChanged {
        /// Streams that we may send on.
        outbound_streams: u16,
        /// Streams that the peer may send on.
        inbound_streams: u16,
        /// Whether it was done.
        outcome: ReconfigOutcome,
    },
    /// Pieces of a message were read, and the rest will not come (`SCTP_PARTIAL_DELIVERY_EVENT`).
    PartialDeliveryAborted(AbortedDelivery),
    /// Everything sent is acknowledged (`SCTP_SENDER_DRY_EVENT`).
    SenderDry,
    /// The queue of notifications was full: this many were dropped.
    Overflow(u64),
}

impl Notification {
    /// The notification that tells of `event`, if there is one.
    pub(super) fn from_event(event: Event) -> Option<Self> {
        Some(match event {
            Event::CommunicationUp { inbound, outbound_streams, inbound_streams } => {
                Self::CommunicationUp { inbound, outbound_streams, inbound_streams }
            }
            Event::CommunicationLost { reason } => Self::CommunicationLost(reason),
            Event::Restart => Self::Restarted,
            Event::ShutdownReceived => Self::ShutdownReceived,
            Event::ShutdownComplete => Self::ShutdownComplete,
            Event::PathChanged { address, change } => Self::PathChanged { address: address.remote, change },
            Event::SendFailed(failure) => Self::SendFailed(failure),
            Event::RemoteError { cause, value } => Self::RemoteError { cause, value },
            Event::StreamsReset { incoming, streams, outcome } => {
                Self::StreamsReset { incoming, streams, outcome }
            }
            Event::AssociationReset { local_tsn, remote_tsn, outcome } => {
                Self::AssociationReset { local_tsn: local_tsn.0, remote_tsn: remote_tsn.0, outcome }
            }
            Event::StreamsChanged { outbound_streams, inbound_streams, outcome } => {
                Self::StreamsChanged { outbound_streams, inbound_streams, outcome }
            }
            Event::LocalAddressChanged { address, change } => Self::LocalAddressChanged { address, change },
            Event::AdaptationIndication(indication) => Self::AdaptationIndication(indication),
            Event::Authentication(event) => Self::Authentication(event),
            Event::PartialDeliveryAborted(aborted) => Self::PartialDeliveryAborted(aborted),
            Event::SenderDry => Self::SenderDry,
            _ => return None,
        })
    }

    /// Whether it tells that an association has begun.
    pub(super) fn begins(&self) -> bool {
        matches!(self, Self::CommunicationUp { .. })
    }

    /// Whether it tells that an association is over.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Self::CommunicationLost(_) | Self::ShutdownComplete)
    }

    fn kind(&self) -> Notifications {
        match self {
            Self::CommunicationUp { .. }
            | Self::CommunicationLost(_)
            | Self::Restarted
            | Self::ShutdownComplete => Notifications::ASSOCIATION,
            Self::ShutdownReceived => Notifications::SHUTDOWN,
            Self::PathChanged { .. } | Self::LocalAddressChanged { .. } => Notifications::PATHS,
            Self::Authentication(_) => Notifications::AUTHENTICATION,
            Self::AdaptationIndication(_) => Notifications::ADAPTATION,
            Self::SendFailed(_) => Notifications::SEND_FAILED,
            Self::RemoteError { .. } => Notifications::REMOTE_ERROR,
            Self::StreamsReset { .. } => Notifications::STREAM_RESET,
            Self::AssociationReset { .. } => Notifications::ASSOCIATION_RESET,
            Self::StreamsChanged { .. } => Notifications::STREAM_CHANGE,
            Self::PartialDeliveryAborted(_) => Notifications::PARTIAL_DELIVERY,
            Self::SenderDry => Notifications::SENDER_DRY,
            Self::Overflow(_) => Notifications::NONE,
        }
    }
}

/// A set of kinds of notifications, to subscribe to (RFC 6458, 6.2; RFC 6525, 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notifications(u16);

impl Notifications {
    /// None: the default.
    pub const NONE: Self = Self(0);
    /// The association's ups and downs (`SCTP_ASSOC_CHANGE`).
    pub const ASSOCIATION: Self = Self(1);
    /// The peer shuts down (`SCTP_SHUTDOWN_EVENT`).
    pub const SHUTDOWN: Self = Self(1 << 1);
    /// Path changes (`SCTP_PEER_ADDR_CHANGE`), and changes of our own addresses.
    pub const PATHS: Self = Self(1 << 2);
    /// Messages that failed (`SCTP_SEND_FAILED_EVENT`).
    pub const SEND_FAILED: Self = Self(1 << 3);
    /// Errors that the peer reports (`SCTP_REMOTE_ERROR`).
    pub const REMOTE_ERROR: Self = Self(1 << 4);
    /// Everything is acknowledged (`SCTP_SENDER_DRY_EVENT`).
    pub const SENDER_DRY: Self = Self(1 << 5);
    /// Streams that are numbered anew (`SCTP_STREAM_RESET_EVENT`).
    pub const STREAM_RESET: Self = Self(1 << 6);
    /// TSNs that are numbered anew (`SCTP_ASSOC_RESET_EVENT`).
    pub const ASSOCIATION_RESET: Self = Self(1 << 7);
    /// Streams that were added (`SCTP_STREAM_CHANGE_EVENT`).
    pub const STREAM_CHANGE: Self = Self(1 << 8);
    /// Keys (`SCTP_AUTHENTICATION_EVENT`).
    pub const AUTHENTICATION: Self = Self(1 << 9);
    /// What the peer's upper layer says (`SCTP_ADAPTATION_INDICATION`).
    pub const ADAPTATION: Self = Self(1 << 10);
    /// Messages that end before their end (`SCTP_PARTIAL_DELIVERY_EVENT`).
    pub const PARTIAL_DELIVERY: Self = Self(1 << 11);
    /// All of them.
    pub const ALL: Self = Self((1 << 12) - 1);

    /// Whether all kinds of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn wants(self, notification: &Notification) -> bool {
        self.contains(notification.kind())
    }
}

impl std::ops::BitOr for Notifications {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
