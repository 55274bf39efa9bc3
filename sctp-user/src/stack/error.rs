//! Why a call of a stack or of one of its sockets failed.

use std::{io, net::IpAddr, sync::Arc};

use sctp_core::error::{CommandError, ConnectError, ListenError, ReconfigError, SendError};
use sctp_core::event::LossReason;

use crate::driver::{LeaseError, OpenError};

/// Why a call failed, with what to do about it. [`io::Error`] can be made from it: the kind is the one that
/// the kernel's sockets would report.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A non-blocking call has nothing to do now.
    #[error("nothing can be done without waiting: wait until the socket is ready, or make it blocking")]
    WouldBlock,
    /// The deadline of a blocking call passed.
    #[error("the time allowed for this call is over")]
    TimedOut,
    /// The socket was closed, perhaps by another thread while this one waited.
    #[error("the socket is closed")]
    Closed,
    /// The stack was closed.
    #[error("the stack is closed: open another one")]
    StackClosed,
    /// The driver cannot go on; the stack is of no more use.
    #[error("the network driver failed: {0}; open another stack")]
    Driver(Arc<io::Error>),
    /// The driver could not be opened.
    #[error(transparent)]
    Open(Arc<OpenError>),
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The port belongs to another socket of this stack.
    #[error("port {0} belongs to another socket of this stack: use another port, or 0 for any")]
    PortInUse(u16),
    /// Somebody [divides](super::Sharing::divided) what comes to one of the addresses, and has others besides.
    #[error("who divides what comes to port {0} has other addresses: all need the same ones")]
    OtherAddresses(u16),
    /// As many as may [divide](super::Sharing::divided) what comes to one of the addresses.
    #[error("what comes to port {0} is divided among as many sockets as may be: close others")]
    TooManyListeners(u16),
    /// Another stack of this host has the port, or all ports are out.
    #[error(transparent)]
    Lease(Arc<LeaseError>),
    /// The address is not one of the stack's.
    #[error("{0} is not an address of this stack: give it to the stack when it is built")]
    NotLocal(IpAddr),
    /// The stack has IPv4 addresses only and the peer IPv6 addresses only, or the other way round.
    #[error(
        "{0} cannot be reached: this stack has no {family} address, give it one when it is built",
        family = family(.0)
    )]
    NoCommonFamily(IpAddr),
    /// A link-local address of a peer means another host on each interface.
    #[error("{0} is a link-local address, which cannot be reached without its interface: use another one")]
    LinkLocal(IpAddr),
    /// The host has no way to the peer.
    #[error("the host has no route to {0}: add one, or use another of the peer's addresses")]
    NoRoute(IpAddr),
    /// The addresses given name more than one port.
    #[error("all addresses of a socket share one port, but {0} and {1} were given")]
    PortsDiffer(u16, u16),
    /// No address was given, or the name has none.
    #[error("no address was given")]
    NoAddress,
    /// The socket has no association.
    #[error("the socket is not connected")]
    NotConnected,
    /// The socket does not listen.
    #[error("the socket does not listen")]
    NotListening,
    /// The socket listens: it is for the associations of others.
    #[error("the socket listens: connect another one")]
    Listening,
    /// The socket has, or had, its one association.
    #[error("the socket has its association: connect another one")]
    Associated,
    /// The call is for one-to-many sockets.
    #[error("only one-to-many sockets pause one of their associations: do not read this one")]
    NotOneToMany,
    /// The association is not one of this socket's, or has ended.
    #[error("the association has ended or belongs to another socket")]
    NoAssociation,
    /// The meter of the socket admits no more associations.
    #[error("there may be no more associations: end others, or have the limit raised")]
    Refused,
    /// The association was lost.
    #[error("the association was lost: {}", loss_text(.0))]
    Lost(LossReason),
    /// Our side has shut the association down: it takes no more messages.
    #[error("the association is shutting down: it takes no more messages")]
    ShuttingDown,
    /// The message was refused.
    #[error(transparent)]
    Send(SendError),
    /// The association was refused.
    #[error(transparent)]
    Connect(ConnectError),
    /// Listening was refused.
    #[error(transparent)]
    Listen(ListenError),
    /// The command was refused.
    #[error(transparent)]
    Command(CommandError),
    /// The re-configuration was refused.
    #[error(transparent)]
    Reconfig(ReconfigError),
}

impl Error {
    /// Whether trying again later may help: [`Error::WouldBlock`] and [`Error::TimedOut`].
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::WouldBlock | Self::TimedOut)
    }

    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source: Arc::new(source) }
    }

    /// The kind that the kernel's sockets would report.
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind as Kind;
        match self {
            Self::WouldBlock => Kind::WouldBlock,
            Self::TimedOut => Kind::TimedOut,
            Self::PortInUse(_)
            | Self::OtherAddresses(_)
            | Self::Lease(_)
            | Self::Listen(ListenError::PortInUse(_)) => Kind::AddrInUse,
            Self::NotLocal(_) | Self::NoCommonFamily(_) => Kind::AddrNotAvailable,
            Self::NoRoute(_) => Kind::NetworkUnreachable,
            Self::NotConnected | Self::NoAssociation | Self::Closed | Self::StackClosed => Kind::NotConnected,
            Self::ShuttingDown | Self::Send(SendError::Closed | SendError::ShuttingDown) => Kind::BrokenPipe,
            Self::Lost(reason) => loss_kind(reason),
            Self::Refused | Self::TooManyListeners(_) => Kind::OutOfMemory,
            Self::System { source, .. } | Self::Driver(source) => source.kind(),
            Self::Open(error) => open_kind(error),
            Self::Command(CommandError::Closed) => Kind::NotConnected,
            Self::Reconfig(ReconfigError::NotSupported) => Kind::Unsupported,
            Self::Reconfig(ReconfigError::InProgress) => Kind::ResourceBusy,
            Self::NoAddress
            | Self::LinkLocal(_)
            | Self::PortsDiffer(..)
            | Self::NotListening
            | Self::Listening
            | Self::Associated
            | Self::NotOneToMany
            | Self::Send(_)
            | Self::Connect(_)
            | Self::Listen(_)
            | Self::Command(_)
            | Self::Reconfig(_) => Kind::InvalidInput,
        }
    }
}

/// The name of an address's family.
fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn open_kind(error: &OpenError) -> io::ErrorKind {
    match error {
        OpenError::NeedsNetRaw => io::ErrorKind::PermissionDenied,
        OpenError::PortTaken { .. } | OpenError::Lease(_) => io::ErrorKind::AddrInUse,
        OpenError::NotLocal { .. } | OpenError::LinkLocal { .. } => io::ErrorKind::AddrNotAvailable,
        OpenError::System { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    }
}

fn loss_kind(reason: &LossReason) -> io::ErrorKind {
    match reason {
        LossReason::PeerAborted { .. } => io::ErrorKind::ConnectionReset,
        LossReason::UserAborted | LossReason::ProtocolError { .. } => io::ErrorKind::ConnectionAborted,
        LossReason::TimedOut | LossReason::SetupTimedOut => io::ErrorKind::TimedOut,
        LossReason::Unreachable { .. } => io::ErrorKind::HostUnreachable,
        _ => io::ErrorKind::Other,
    }
}

fn loss_text(reason: &LossReason) -> String {
    match reason {
        LossReason::PeerAborted { cause: Some(cause), .. } => {
            format!("the peer aborted it (error cause {cause})")
        }
        LossReason::PeerAborted { cause: None, .. } => "the peer aborted it".into(),
        LossReason::UserAborted => "this side aborted it".into(),
        LossReason::ProtocolError { cause } => {
            format!("the peer broke the protocol (error cause {cause} was sent)")
        }
        LossReason::TimedOut => "the peer no longer answers".into(),
        LossReason::SetupTimedOut => {
            "nobody answered: check address, port and firewall, and that the peer uses the same \
             transport (raw IP or UDP encapsulation)"
                .into()
        }
        LossReason::Unreachable { address } => {
            format!(
                "{address} says that nobody speaks SCTP there: is the peer running, on the same transport?"
            )
        }
        LossReason::NoResources => "too many associations wait to be accepted".into(),
        other => format!("{other:?}"),
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::NotConnected,
            SendError::ShuttingDown => Self::ShuttingDown,
            SendError::WouldBlock { .. } => Self::WouldBlock,
            other => Self::Send(other),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<ListenError> for Error {
    fn from(error: ListenError) -> Self {
        match error {
            ListenError::PortInUse(port) => Self::PortInUse(port),
            other => Self::Listen(other),
        }
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Closed => Self::NoAssociation,
            other => Self::Command(other),
        }
    }
}

impl From<ReconfigError> for Error {
    fn from(error: ReconfigError) -> Self {
        match error {
            ReconfigError::Closed => Self::NoAssociation,
            other => Self::Reconfig(other),
        }
    }
}

impl From<LeaseError> for Error {
    fn from(error: LeaseError) -> Self {
        Self::Lease(Arc::new(error))
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Open(Arc::new(error))
    }
}
