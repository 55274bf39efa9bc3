//! One-to-one style: an association.

use std::io::IoSliceMut;
use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::halves::{self, ReadHalf, WriteHalf};
use crate::{
    AssociationId, End, Error, Message, Notifications, Options, Received, RecvInfo, SendInfo, SocketBuilder,
    Stack, Status,
};

/// An association for asynchronous programs: [`SctpStream`](crate::SctpStream) with calls that wait as tasks do.
///
/// All calls take `&self`: several tasks may use one stream, in an `Arc` or as [halves](SctpStream::into_split). What waits
/// for nothing, and is not here, is there with [`get_ref`](SctpStream::get_ref).
#[derive(Debug)]
pub struct SctpStream {
    blocking: crate::SctpStream,
}

impl From<crate::SctpStream> for SctpStream {
    fn from(blocking: crate::SctpStream) -> Self {
        Self { blocking }
    }
}

/// The timeouts and the blocking mode are those that it had.
impl From<SctpStream> for crate::SctpStream {
    fn from(stream: SctpStream) -> Self {
        stream.blocking
    }
}

impl SctpStream {
    /// Connects to a peer, which may have several addresses of one port, and waits for the set-up.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why nobody answered.
    pub async fn connect(stack: &Stack, peer: impl ToSocketAddrs) -> Result<Self, Error> {
        Self::connect_with(SocketBuilder::new(stack), peer).await
    }

    /// As [`SctpStream::connect`], with everything set before.
    ///
    /// # Errors
    /// As [`SocketBuilder::connect`].
    pub async fn connect_with(builder: SocketBuilder<'_>, peer: impl ToSocketAddrs) -> Result<Self, Error> {
        let blocking = builder.nonblocking().connect(peer)?;
        blocking.set_nonblocking(false);
        let stream = Self { blocking };
        stream.wait_connected().await?;
        Ok(stream)
    }

    /// Waits for the set-up of a stream that was connected without waiting.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why it failed.
    pub async fn wait_connected(&self) -> Result<(), Error> {
        self.blocking.base.socket.connected_async(self.association()).await
    }

    /// Sends one message, copied. Waits while the send buffer is full.
    ///
    /// # Errors
    /// [`Error::Send`] tells what is wrong with the message; [`Error::Lost`], [`Error::ShuttingDown`].
    pub async fn send(&self, payload: &[u8], info: &SendInfo) -> Result<(), Error> {
        self.send_bytes(Bytes::copy_from_slice(payload), info).await
    }

    /// As [`SctpStream::send`], without a copy.
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub async fn send_bytes(&self, payload: Bytes, info: &SendInfo) -> Result<(), Error> {
        self.blocking.base.send_async(self.association(), payload, info).await
    }

    /// Sends one message with the default information ([`Options::set_default_send_info`]).
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub async fn send_default(&self, payload: &[u8]) -> Result<(), Error> {
        self.send(payload, &self.blocking.base.default_send_info()).await
    }

    /// Reads a message, or the part of it that fits: then the rest comes with the next read. `None` when the peer has
    /// ended the association in good order. Notifications are passed over: see [`SctpStream::receive`].
    ///
    /// # Errors
    /// [`Error::Lost`] after the last message of a lost association.
    pub async fn recv(&self, buffer: &mut [u8]) -> Result<Option<(usize, RecvInfo)>, Error> {
        let message = self.blocking.base.receive_message_async(buffer.len()).await?;
        Ok(message.map(|message| (message.copy_to(&mut [IoSliceMut::new(buffer)]), message.info)))
    }

    /// Reads a message without copying it, in pieces if it is larger than the receive buffer; `None` at the end, as
    /// [`SctpStream::recv`].
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub async fn recv_message(&self) -> Result<Option<Message>, Error> {
        self.blocking.base.receive_message_async(usize::MAX).await
    }

    /// Reads the next message or notification; `None` at the end.
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub async fn receive(&self) -> Result<Option<Received>, Error> {
        self.blocking.base.receive_async().await
    }

    /// What [`SctpStream::receive`] would bring, all that is there of it; it stays the next.
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub async fn peek(&self) -> Result<Option<Received>, Error> {
        self.blocking.base.peek_async().await
    }

    /// As [`SctpStream::receive`], for futures of one's own.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Option<Received>, Error>> {
        self.blocking.poll_receive(context)
    }

    /// As [`SctpStream::send_bytes`], for futures of one's own.
    pub fn poll_send(
        &self,
        context: &mut Context<'_>,
        payload: &Bytes,
        info: &SendInfo,
    ) -> Poll<Result<(), Error>> {
        self.blocking.poll_send(context, payload, info)
    }

    /// Begins to end the association in good order, and does not wait: what was sent is delivered first, nothing more can
    /// be sent. Reads go on until the end; [`SctpStream::wait_ended`] waits for it.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] if it has ended.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.blocking.shutdown()
    }

    /// Ends the association at once and tells the peer why.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] if it has ended.
    pub fn abort(&self, reason: &[u8]) -> Result<(), Error> {
        self.blocking.abort(reason)
    }

    /// Waits until the association is over, and tells how it ended.
    ///
    /// # Errors
    /// [`Error::StackClosed`].
    pub async fn wait_ended(&self) -> Result<End, Error> {
        self.blocking.base.socket.ended_async(self.association()).await
    }

    /// Ends the association in good order, waits until it is over, and tells how it ended: [`End::Shutdown`] means that the
    /// peer has everything that was sent. What the peer sent and nobody read is lost.
    ///
    /// # Errors
    /// [`Error::StackClosed`].
    pub async fn finish(self) -> Result<End, Error> {
        // It may be ending already, or have ended: that is what is waited for.
        let _ = self.shutdown();
        self.wait_ended().await
    }

    /// Two halves for two tasks. The association is closed when both are dropped: SCTP has none that are closed on
    /// one side only (RFC 6458, 4.1.7).
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        halves::split(self)
    }

    /// State, streams, paths.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] once it is forgotten.
    pub fn status(&self) -> Result<Status, Error> {
        self.blocking.status()
    }

    /// The association's options.
    pub fn options(&self) -> Options<'_> {
        self.blocking.options()
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

    /// The peer's addresses, the primary one first.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] once it is forgotten.
    pub fn peer_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.blocking.peer_addrs()
    }

    /// The association's name.
    pub fn association(&self) -> AssociationId {
        self.blocking.association()
    }

    /// The blocking stream, for what does not wait.
    pub fn get_ref(&self) -> &crate::SctpStream {
        &self.blocking
    }
}
