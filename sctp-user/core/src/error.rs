//! Why a command of the layer above was refused. None of these changes an association.

use crate::auth::KeyError;
use crate::path::ThresholdError;
use core::net::IpAddr;
use core::time::Duration;
use thiserror::Error;

/// Why [`send`](crate::endpoint::Endpoint::send) refused a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// No such association, or it has ended.
    #[error("the association has ended")]
    Closed,
    /// It is shutting down.
    #[error("the association is shutting down: it takes no more messages")]
    ShuttingDown,
    /// Too few bytes are free in the send buffer; `Event::Writable` follows.
    #[error("the send buffer is full: {free} bytes free")]
    WouldBlock {
        /// Bytes free now.
        free: usize,
    },
    /// The message can never be sent.
    #[error("a message of {len} bytes exceeds the limit of {max}")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit: `max_message_size`, the send buffer, or where messages are not to be cut, one DATA chunk.
        max: usize,
    },
    /// Empty messages do not exist in SCTP (RFC 9260, 3.3.1).
    #[error("SCTP cannot carry an empty message")]
    Empty,
    /// It is to be sent with a shared key of its own, and the association does not offer AUTH (RFC 4895).
    #[error("the association does not authenticate")]
    NotAuthenticated,
    /// It cannot be sent with this shared key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is to be sent to an address that is none of the peer's.
    #[error("the peer has no address {0}")]
    UnknownAddress(IpAddr),
    /// The association has fewer streams.
    #[error("stream {stream_id} does not exist: the association has {streams} outbound streams")]
    InvalidStream {
        /// Asked for.
        stream_id: u16,
        /// Streams there are.
        streams: u16,
    },
}

/// Why [`connect`](crate::endpoint::Endpoint::connect) was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No peer address was given.
    #[error("no peer address was given")]
    NoPeerAddress,
    /// Unicast addresses only.
    #[error("{0} is not a unicast address")]
    NotUnicast(IpAddr),
    /// Port 0 was given.
    #[error("port 0 names nobody")]
    InvalidPort,
    /// There is already an association between these addresses and ports.
    #[error("there is already an association with that peer from local port {local_port}")]
    AlreadyConnected {
        /// Our port.
        local_port: u16,
    },
    /// `max_associations` reached.
    #[error("the limit of {max} associations is reached")]
    TooManyAssociations {
        /// The limit.
        max: usize,
    },
    /// Parameters of the association do not fit together.
    #[error(transparent)]
    Thresholds(#[from] ThresholdError),
}

/// Why [`listen`](crate::endpoint::Endpoint::listen) was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody of this endpoint listens there.
    #[error("port {0} is already listened on")]
    PortInUse(u16),
    /// Port 0 was given.
    #[error("port 0 names nobody")]
    InvalidPort,
    /// Parameters of the associations do not fit together.
    #[error(transparent)]
    Thresholds(#[from] ThresholdError),
}

/// A command named an association that is not there or not in a state for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such association, or it has ended.
    #[error("the association has ended")]
    Closed,
    /// The association has no such peer address.
    #[error("{0} is not an address of the peer")]
    UnknownAddress(IpAddr),
    /// Parameters do not fit together.
    #[error(transparent)]
    Thresholds(#[from] ThresholdError),
    /// The extension is not in use on this association.
    #[error("the association does not use the extension for this")]
    NotInUse,
    /// It is none of our addresses on this association.
    #[error("{0} is none of this association's own addresses")]
    UnknownLocalAddress(IpAddr),
    /// Unicast addresses only.
    #[error("{0} is not a unicast address")]
    NotUnicast(IpAddr),
    /// An association keeps at least one address (RFC 5061, 5.3 F5).
    #[error("{0} is the last address of the association")]
    LastAddress(IpAddr),
    /// Too many changes of addresses wait for the peer.
    #[error("{0} changes of addresses are waiting for the peer already")]
    TooManyChanges(usize),
    /// A command about shared keys.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a re-configuration (RFC 6525) was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReconfigError {
    /// No such association, or it has ended.
    #[error("the association has ended")]
    Closed,
    /// It is not up yet, or is shutting down.
    #[error("streams can be changed only while the association is up, and not shutting down")]
    NotEstablished,
    /// The peer did not offer RE-CONFIG, or we did not (5.1.1).
    #[error("RE-CONFIG is not in use on this association: the peer, or this side, does not offer it")]
    NotSupported,
    /// Another request is not finished, be it ours or the peer's (6.3: `EALREADY`).
    #[error("another re-configuration is in progress: wait for its event")]
    InProgress,
    /// It is to be sent to an address that is none of the peer's.
    #[error("the peer has no address {0}")]
    UnknownAddress(IpAddr),
    /// The association has fewer streams.
    #[error("stream {stream_id} does not exist: the association has {streams} streams in that direction")]
    InvalidStream {
        /// Asked for.
        stream_id: u16,
        /// Streams there are.
        streams: u16,
    },
    /// More streams than a request can list; all of them can be reset.
    #[error("a request cannot list {listed} streams, the limit is {max}: reset all, or fewer at a time")]
    TooManyListed {
        /// Streams given.
        listed: usize,
        /// The limit.
        max: usize,
    },
    /// More streams than there can be.
    #[error("{streams} more streams exceed the limit of {max}")]
    TooManyStreams {
        /// How many more were asked for.
        streams: u16,
        /// The limit: 65,535, or `max_inbound_streams`.
        max: u16,
    },
    /// No stream was to be added.
    #[error("no stream is to be added")]
    Nothing,
    /// TSNs were reset less than 30 s ago (5.1.4).
    #[error("TSNs may be reset once in 30 s: again in {wait:?}")]
    TooSoon {
        /// For so long.
        wait: Duration,
    },
}
