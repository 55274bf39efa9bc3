//! Sockets with everything set before they are used.

use std::net::ToSocketAddrs;
use std::time::Duration;

use sctp_core::config::AssociationConfig;
use sctp_user::stack::{Error, Notifications, Socket, SocketKind, Stack};

use crate::address::{to_bind, to_peer};
use crate::base::Base;
use crate::{SctpListener, SctpSocket, SctpStream};

/// Associations that wait to be accepted when the listener does not say otherwise.
pub(crate) const BACKLOG: usize = 128;

/// Builds a socket: what is bound, what associations are like, what is told of them.
///
/// ```no_run
/// use socketapi::{Notifications, SocketBuilder, Stack};
///
/// let stack = Stack::default_for_host()?;
/// let stream = SocketBuilder::new(&stack)
///     .bind("192.0.2.1:0")
///     .streams(4, 4)
///     .notifications(Notifications::ASSOCIATION | Notifications::PATHS)
///     .connect("192.0.2.7:3868")?;
/// # Ok::<(), socketapi::Error>(())
/// ```
#[derive(Debug)]
pub struct SocketBuilder<'a> {
    stack: &'a Stack,
    bind: Option<Result<(Vec<std::net::IpAddr>, u16), Error>>,
    config: Option<AssociationConfig>,
    changes: Vec<Change>,
    notifications: Notifications,
    nonblocking: bool,
    remote_udp_port: Option<u16>,
    linger: Option<Duration>,
    backlog: usize,
}

/// A change of the stack's default parameters.
#[derive(Debug)]
enum Change {
    Streams { outbound: u16, inbound: u16 },
    NoDelay(bool),
    Buffers { send: usize, receive: usize },
}

impl Change {
    fn apply(&self, config: &mut AssociationConfig) {
        match *self {
            Self::Streams { outbound, inbound } => {
                config.outbound_streams = outbound;
                config.max_inbound_streams = inbound;
            }
            Self::NoDelay(no_delay) => config.no_delay = no_delay,
            Self::Buffers { send, receive } => {
                config.send_buffer = send;
                config.receive_buffer = receive;
            }
        }
    }
}

impl<'a> SocketBuilder<'a> {
    /// A socket of `stack` with the stack's defaults.
    pub fn new(stack: &'a Stack) -> Self {
        Self {
            stack,
            bind: None,
            config: None,
            changes: Vec::new(),
            notifications: Notifications::NONE,
            nonblocking: false,
            remote_udp_port: None,
            linger: None,
            backlog: BACKLOG,
        }
    }

    /// Binds to these addresses of one port (`sctp_bindx`): a wildcard means all of the stack's, port 0 any.
    /// Without this: all addresses, any port.
    #[must_use]
    pub fn bind(mut self, addresses: impl ToSocketAddrs) -> Self {
        self.bind = Some(to_bind(addresses));
        self
    }

    /// Streams to ask for, and to accept at most (`SCTP_INITMSG`).
    #[must_use]
    pub fn streams(mut self, outbound: u16, inbound: u16) -> Self {
        self.changes.push(Change::Streams { outbound, inbound });
        self
    }

    /// Sends small messages at once (`SCTP_NODELAY`).
    #[must_use]
    pub fn no_delay(mut self, no_delay: bool) -> Self {
        self.changes.push(Change::NoDelay(no_delay));
        self
    }

    /// Bytes of the send and of the receive buffer of each association (`SO_SNDBUF`, `SO_RCVBUF`).
    #[must_use]
    pub fn buffers(mut self, send: usize, receive: usize) -> Self {
        self.changes.push(Change::Buffers { send, receive });
        self
    }

    /// All parameters at once, instead of the stack's defaults.
    #[must_use]
    pub fn config(mut self, config: AssociationConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// Kinds of notifications to deliver in line with the messages.
    #[must_use]
    pub fn notifications(mut self, notifications: Notifications) -> Self {
        self.notifications = notifications;
        self
    }

    /// Calls do not wait: they fail with [`Error::WouldBlock`].
    #[must_use]
    pub fn nonblocking(mut self) -> Self {
        self.nonblocking = true;
        self
    }

    /// The peers' UDP encapsulation port (RFC 6951), where it is not the stack's default.
    #[must_use]
    pub fn remote_udp_port(mut self, port: u16) -> Self {
        self.remote_udp_port = Some(port);
        self
    }

    /// See [`Options::set_linger`](crate::Options::set_linger).
    #[must_use]
    pub fn linger(mut self, linger: Option<Duration>) -> Self {
        self.linger = linger;
        self
    }

    /// Associations that may wait to be accepted; further ones are aborted. 128 by default.
    #[must_use]
    pub fn backlog(mut self, backlog: usize) -> Self {
        self.backlog = backlog;
        self
    }

    /// A one-to-one style listener.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NotLocal`], [`Error::Lease`].
    pub fn listen(self) -> Result<SctpListener, Error> {
        let socket = self.open(SocketKind::Listener)?;
        socket.listen(self.backlog)?;
        Ok(SctpListener { base: self.base(socket) })
    }

    /// A one-to-one style association with a peer of one or several addresses (`sctp_connectx`). Waits for
    /// the set-up, unless the socket is non-blocking: then [`SctpStream::wait_connected`] tells.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why nobody answered; those of [`SocketBuilder::listen`].
    pub fn connect(self, peer: impl ToSocketAddrs) -> Result<SctpStream, Error> {
        let peer = to_peer(peer)?;
        let socket = self.open(SocketKind::OneToOne)?;
        let id = socket.connect(&peer)?;
        let base = self.base(socket);
        if !self.nonblocking {
            base.socket.wait_connected(id, base.writing())?;
        }
        Ok(SctpStream { base, association: id })
    }

    /// A one-to-many style socket that takes associations.
    ///
    /// # Errors
    /// Those of [`SocketBuilder::listen`].
    pub fn one_to_many(self) -> Result<SctpSocket, Error> {
        let socket = self.open(SocketKind::OneToMany)?;
        socket.listen(self.backlog)?;
        Ok(SctpSocket { base: self.base(socket) })
    }

    /// A one-to-many style socket that sets associations up but takes none.
    ///
    /// # Errors
    /// Those of [`SocketBuilder::listen`].
    pub fn one_to_many_client(self) -> Result<SctpSocket, Error> {
        let socket = self.open(SocketKind::OneToMany)?;
        Ok(SctpSocket { base: self.base(socket) })
    }

    fn open(&self, kind: SocketKind) -> Result<Socket, Error> {
        let socket = self.stack.socket(kind)?;
        socket.configure(None, |config| {
            if let Some(whole) = &self.config {
                config.clone_from(whole);
            }
            self.changes.iter().for_each(|change| change.apply(config));
        })?;
        socket.subscribe(self.notifications)?;
        socket.set_remote_udp_port(self.remote_udp_port)?;
        socket.set_linger(self.linger)?;
        let (addresses, port) = self.bind.clone().transpose()?.unwrap_or_default();
        socket.bind(&addresses, port)?;
        Ok(socket)
    }

    fn base(&self, socket: Socket) -> Base {
        let base = Base::new(socket);
        base.set_nonblocking(self.nonblocking);
        base
    }
}
