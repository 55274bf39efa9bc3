//! One-to-many style: one socket, many associations.

use std::io::IoSliceMut;
use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::SctpStream;
use crate::{
    AssociationId, Error, Message, Notifications, Options, Received, RecvInfo, SendInfo, SocketBuilder,
    Stack, Status,
};

/// A socket with any number of associations for asynchronous programs: [`SctpSocket`](crate::SctpSocket) with calls
/// that wait as tasks do.
#[derive(Debug)]
pub struct SctpSocket {
    blocking: crate::SctpSocket,
}

/// [`SocketBuilder::one_to_many`] makes a socket with everything set.
impl From<crate::SctpSocket> for SctpSocket {
    fn from(blocking: crate::SctpSocket) -> Self {
        Self { blocking }
    }
}

impl From<SctpSocket> for crate::SctpSocket {
    fn from(socket: SctpSocket) -> Self {
        socket.blocking
    }
}

impl SctpSocket {
    /// Binds to all the given addresses, which have one port, and takes associations.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NotLocal`], [`Error::Lease`].
    pub fn bind(stack: &Stack, addresses: impl ToSocketAddrs) -> Result<Self, Error> {
        SocketBuilder::new(stack).bind(addresses).one_to_many().map(Self::from)
    }

    /// Begins an association with a peer of one or several addresses, and does not wait: messages may be sent at once.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub fn connect(&self, peer: impl ToSocketAddrs) -> Result<AssociationId, Error> {
        self.blocking.connect(peer)
    }

    /// Waits for the end of the set-up.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why it failed, [`Error::NoAssociation`] if that is over already.
    pub async fn wait_connected(&self, association: AssociationId) -> Result<(), Error> {
        self.blocking.base.socket.connected_async(association).await
    }

    /// Sends one message, copied. Waits while the association's send buffer is full.
    ///
    /// # Errors
    /// [`Error::Send`] tells what is wrong with the message; [`Error::NoAssociation`], [`Error::ShuttingDown`].
    pub async fn send(
        &self,
        association: AssociationId,
        payload: &[u8],
        info: &SendInfo,
    ) -> Result<(), Error> {
        self.send_bytes(association, Bytes::copy_from_slice(payload), info).await
    }

    /// As [`SctpSocket::send`], without a copy.
    ///
    /// # Errors
    /// As [`SctpSocket::send`].
    pub async fn send_bytes(
        &self,
        association: AssociationId,
        payload: Bytes,
        info: &SendInfo,
    ) -> Result<(), Error> {
        self.blocking.base.send_async(association, payload, info).await
    }

    /// Sends one message to a peer by address; sets the association up first if there is none. Returns the association.
    /// Dropped while it waits, the message is not sent, but the set-up goes on.
    ///
    /// # Errors
    /// As [`SctpSocket::send`] and [`SctpSocket::connect`].
    pub async fn send_to(
        &self,
        payload: &[u8],
        peer: impl ToSocketAddrs,
        info: &SendInfo,
    ) -> Result<AssociationId, Error> {
        let association = self.blocking.find_or_connect(peer)?;
        self.send(association, payload, info).await?;
        Ok(association)
    }

    /// Reads a message, or the part of it that fits: then the rest comes with the next read. Notifications are passed
    /// over: see [`SctpSocket::receive`].
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::StackClosed`].
    pub async fn recv(&self, buffer: &mut [u8]) -> Result<(usize, RecvInfo), Error> {
        let message = self.blocking.base.receive_message_async(buffer.len()).await?.ok_or(Error::Closed)?;
        Ok((message.copy_to(&mut [IoSliceMut::new(buffer)]), message.info))
    }

    /// Reads a message without copying it; in pieces if it is larger than the receive buffer.
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub async fn recv_message(&self) -> Result<Message, Error> {
        self.blocking.base.receive_message_async(usize::MAX).await?.ok_or(Error::Closed)
    }

    /// Reads the next message or notification.
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub async fn receive(&self) -> Result<Received, Error> {
        self.blocking.base.receive_async().await?.ok_or(Error::Closed)
    }

    /// What [`SctpSocket::receive`] would bring, all that is there of it; it stays the next.
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub async fn peek(&self) -> Result<Received, Error> {
        self.blocking.base.peek_async().await?.ok_or(Error::Closed)
    }

    /// As [`SctpSocket::receive`], for futures of one's own.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        self.blocking.poll_receive(context)
    }

    /// As [`SctpSocket::send_bytes`], for futures of one's own.
    pub fn poll_send(
        &self,
        context: &mut Context<'_>,
        association: AssociationId,
        payload: &Bytes,
        info: &SendInfo,
    ) -> Poll<Result<(), Error>> {
        self.blocking.poll_send(context, association, payload, info)
    }

    /// Gives an association a stream of its own; what was not read yet moves with it.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn peel_off(&self, association: AssociationId) -> Result<SctpStream, Error> {
        self.blocking.peel_off(association).map(SctpStream::from)
    }

    /// Begins to end an association in good order; a notification tells when it is over.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn shutdown(&self, association: AssociationId) -> Result<(), Error> {
        self.blocking.shutdown(association)
    }

    /// Ends an association at once and tells the peer why.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn abort(&self, association: AssociationId, reason: &[u8]) -> Result<(), Error> {
        self.blocking.abort(association, reason)
    }

    /// All associations.
    pub fn associations(&self) -> Vec<AssociationId> {
        self.blocking.associations()
    }

    /// State, streams, paths of an association.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn status(&self, association: AssociationId) -> Result<Status, Error> {
        self.blocking.status(association)
    }

    /// Chooses the kinds of notifications to deliver in line with the messages.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn subscribe(&self, notifications: Notifications) -> Result<(), Error> {
        self.blocking.subscribe(notifications)
    }

    /// Our addresses.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.blocking.local_addrs()
    }

    /// Options of associations to come.
    pub fn options(&self) -> Options<'_> {
        self.blocking.options()
    }

    /// Options of one association.
    pub fn options_of(&self, association: AssociationId) -> Options<'_> {
        self.blocking.options_of(association)
    }

    /// The blocking socket, for what does not wait.
    pub fn get_ref(&self) -> &crate::SctpSocket {
        &self.blocking
    }
}
