//! One-to-one style: the listening half.

use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use sctp_user::stack::{Error, Socket, Stack};

use crate::base::Base;
use crate::options::Options;
use crate::{SctpStream, SocketBuilder};

/// Takes associations and gives out a [`SctpStream`] for each (RFC 6458, 4).
#[derive(Debug)]
pub struct SctpListener {
    pub(crate) base: Base,
}

impl SctpListener {
    /// Listens on all the given addresses, which have one port: 0 for any, a wildcard address for all of
    /// the stack's.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NotLocal`], [`Error::Lease`].
    pub fn bind(stack: &Stack, addresses: impl ToSocketAddrs) -> Result<Self, Error> {
        SocketBuilder::new(stack).bind(addresses).listen()
    }

    /// Waits for an association: the stream and the peer's primary address.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::TimedOut`], [`Error::Closed`].
    pub fn accept(&self) -> Result<(SctpStream, SocketAddr), Error> {
        self.accepted(self.base.socket.accept(self.base.reading())?)
    }

    /// As [`SctpListener::accept`], until `deadline`.
    ///
    /// # Errors
    /// As [`SctpListener::accept`].
    pub fn accept_deadline(&self, deadline: Instant) -> Result<(SctpStream, SocketAddr), Error> {
        self.accepted(self.base.socket.accept(self.base.until(deadline))?)
    }

    /// As [`SctpListener::accept`], for tasks.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Result<(SctpStream, SocketAddr), Error>> {
        self.base.socket.poll_accept(context).map(|accepted| self.accepted(accepted?))
    }

    pub(crate) fn accepted(&self, socket: Socket) -> Result<(SctpStream, SocketAddr), Error> {
        let stream = SctpStream::from_socket(socket)?;
        stream.base.inherit(&self.base, stream.association);
        let peer = stream.peer_addrs()?.first().copied().ok_or(Error::NotConnected)?;
        Ok((stream, peer))
    }

    /// The addresses and the port that it listens on.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.base.local_addrs()
    }

    /// The first of them.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.base.local_addr()
    }

    /// Whether [`SctpListener::accept`] waits.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.base.set_nonblocking(nonblocking);
    }

    /// How long [`SctpListener::accept`] waits; `None`: as long as it takes.
    pub fn set_accept_timeout(&self, timeout: Option<Duration>) {
        self.base.set_read_timeout(timeout);
    }

    /// Options of associations that come in later; those that wait to be accepted keep theirs.
    pub fn options(&self) -> Options<'_> {
        Options::new(&self.base, None)
    }

    /// The socket of the stack below, for a [`Poller`](crate::Poller).
    pub fn socket(&self) -> &Socket {
        &self.base.socket
    }

    /// Closes it: calls that wait in other threads fail with [`Error::Closed`]. Associations that nobody accepted are shut down, or
    /// aborted where messages have come that nobody will read.
    pub fn close(&self) {
        self.base.socket.close();
    }
}
