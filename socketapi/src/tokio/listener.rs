//! One-to-one style: the listening half.

use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll};

use super::SctpStream;
use crate::{Error, Options, SocketBuilder, Stack};

/// Takes associations and gives out a [`SctpStream`] for each.
#[derive(Debug)]
pub struct SctpListener {
    blocking: crate::SctpListener,
}

/// [`SocketBuilder::listen`] makes a listener with everything set.
impl From<crate::SctpListener> for SctpListener {
    fn from(blocking: crate::SctpListener) -> Self {
        Self { blocking }
    }
}

impl From<SctpListener> for crate::SctpListener {
    fn from(listener: SctpListener) -> Self {
        listener.blocking
    }
}

impl SctpListener {
    /// Listens on all the given addresses, as [`SctpListener::bind`](crate::SctpListener::bind) of blocking ones.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NotLocal`], [`Error::Lease`].
    pub fn bind(stack: &Stack, addresses: impl ToSocketAddrs) -> Result<Self, Error> {
        SocketBuilder::new(stack).bind(addresses).listen().map(Self::from)
    }

    /// Waits for an association: the stream and the peer's primary address.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::StackClosed`].
    pub async fn accept(&self) -> Result<(SctpStream, SocketAddr), Error> {
        let socket = ::tokio::task::coop::cooperative(self.blocking.base.socket.accept_async()).await?;
        self.blocking.accepted(socket).map(|(stream, peer)| (stream.into(), peer))
    }

    /// As [`SctpListener::accept`], for futures of one's own.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Result<(SctpStream, SocketAddr), Error>> {
        self.blocking.poll_accept(context).map_ok(|(stream, peer)| (stream.into(), peer))
    }

    /// The addresses and the port that it listens on.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.blocking.local_addrs()
    }

    /// Options of associations that come in later.
    pub fn options(&self) -> Options<'_> {
        self.blocking.options()
    }

    /// The blocking listener, for what does not wait.
    pub fn get_ref(&self) -> &crate::SctpListener {
        &self.blocking
    }
}
