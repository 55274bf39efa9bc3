//! One-to-one style: an association.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_user::stack::{End, Error, Notifications, Socket, Stack};

use crate::base::{Base, gather};
use crate::options::Options;
use crate::status::Status;
use crate::{AssociationId, Message, Received, RecvInfo, SendInfo, SocketBuilder};

/// An association, as a socket of its own (RFC 6458, 4): messages in streams, each with its boundaries.
///
/// All calls take `&self`: several threads may use one stream. Dropping it closes it: what was sent is
/// still delivered; if messages were not read, the association is aborted so that the peer knows.
#[derive(Debug)]
pub struct SctpStream {
    pub(crate) base: Base,
    pub(crate) association: AssociationId,
}

impl SctpStream {
    /// Connects to a peer, which may have several addresses of one port, and waits for the set-up.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why nobody answered.
    pub fn connect(stack: &Stack, peer: impl ToSocketAddrs) -> Result<Self, Error> {
        SocketBuilder::new(stack).connect(peer)
    }

    pub(crate) fn from_socket(socket: Socket) -> Result<Self, Error> {
        let association = socket.only_association().ok_or(Error::NotConnected)?;
        Ok(Self { base: Base::new(socket), association })
    }

    /// As [`SctpStream::connect`], for at most so long: then the set-up is given up.
    ///
    /// # Errors
    /// [`Error::TimedOut`], and those of [`SctpStream::connect`].
    pub fn connect_timeout(
        stack: &Stack,
        peer: impl ToSocketAddrs,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let stream = SocketBuilder::new(stack).nonblocking().connect(peer)?;
        let until = stream.base.until(Instant::now() + timeout);
        stream.base.socket.wait_connected(stream.association, until)?;
        stream.set_nonblocking(false);
        Ok(stream)
    }

    /// Waits for the set-up of a stream that was connected without waiting.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why it failed; [`Error::WouldBlock`], [`Error::TimedOut`].
    pub fn wait_connected(&self) -> Result<(), Error> {
        self.base.socket.wait_connected(self.association, self.base.writing())
    }

    /// Sends one message, copied. Waits while the send buffer is full.
    ///
    /// # Errors
    /// [`Error::Send`] tells what is wrong with the message; [`Error::Lost`], [`Error::ShuttingDown`],
    /// [`Error::WouldBlock`], [`Error::TimedOut`].
    pub fn send(&self, payload: &[u8], info: &SendInfo) -> Result<(), Error> {
        self.send_bytes(Bytes::copy_from_slice(payload), info)
    }

    /// As [`SctpStream::send`], without a copy.
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub fn send_bytes(&self, payload: Bytes, info: &SendInfo) -> Result<(), Error> {
        self.base.send(Some(self.association), &payload, info, self.base.writing())
    }

    /// As [`SctpStream::send_bytes`], until `deadline`.
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub fn send_deadline(&self, payload: Bytes, info: &SendInfo, deadline: Instant) -> Result<(), Error> {
        self.base.send(Some(self.association), &payload, info, self.base.until(deadline))
    }

    /// Sends one message with the default information ([`Options::set_default_send_info`]).
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub fn send_default(&self, payload: &[u8]) -> Result<(), Error> {
        self.send(payload, &self.base.default_send_info())
    }

    /// Sends one message out of several buffers (`sctp_sendv`; RFC 6458, 9.12).
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>], info: &SendInfo) -> Result<(), Error> {
        self.send_bytes(gather(buffers), info)
    }

    /// Reads a message, or the part of it that fits: then the rest comes with the next read. `None` when the
    /// peer has ended the association in good order. Notifications are passed over: see
    /// [`SctpStream::receive`].
    ///
    /// # Errors
    /// [`Error::Lost`] after the last message of a lost association; [`Error::WouldBlock`],
    /// [`Error::TimedOut`].
    pub fn recv(&self, buffer: &mut [u8]) -> Result<Option<(usize, RecvInfo)>, Error> {
        self.recv_vectored(&mut [IoSliceMut::new(buffer)])
    }

    /// As [`SctpStream::recv`], into several buffers, one after the other (`sctp_recvv`; RFC 6458, 9.13).
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> Result<Option<(usize, RecvInfo)>, Error> {
        self.base.receive_into(buffers, self.base.reading())
    }

    /// Reads a message without copying it, in pieces if it is larger than the receive buffer; `None` at the end, as
    /// [`SctpStream::recv`].
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub fn recv_message(&self) -> Result<Option<Message>, Error> {
        self.base.receive_message(usize::MAX, self.base.reading())
    }

    /// As [`SctpStream::recv_message`], until `deadline`.
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Option<Message>, Error> {
        self.base.receive_message(usize::MAX, self.base.until(deadline))
    }

    /// Reads the next message or notification; `None` at the end.
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub fn receive(&self) -> Result<Option<Received>, Error> {
        self.base.receive(self.base.reading())
    }

    /// What [`SctpStream::receive`] would bring, all that is there of it; it stays the next (`MSG_PEEK`).
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub fn peek(&self) -> Result<Option<Received>, Error> {
        self.base.peek(self.base.reading())
    }

    /// As [`SctpStream::peek`], but never waits: what follows a message that was read, if it is there already
    /// (`SCTP_NXTINFO`; RFC 6458, 5.3.6).
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub fn try_peek(&self) -> Result<Option<Received>, Error> {
        self.base.try_peek()
    }

    /// As [`SctpStream::receive`], for tasks.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Option<Received>, Error>> {
        let received = self.base.socket.poll_receive(context, usize::MAX);
        received.map_ok(|delivery| delivery.map(|delivery| self.base.received(delivery)))
    }

    /// As [`SctpStream::recv_message`], for tasks: at most `limit` bytes of it.
    pub fn poll_message(
        &self,
        context: &mut Context<'_>,
        limit: usize,
    ) -> Poll<Result<Option<Message>, Error>> {
        while let Some(delivery) = ready!(self.base.socket.poll_receive(context, limit))? {
            if let Some(message) = self.base.received(delivery).into_message() {
                return Poll::Ready(Ok(Some(message)));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// As [`SctpStream::wait_connected`], for tasks.
    pub fn poll_connected(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.base.socket.poll_connected(context, self.association)
    }

    /// As [`SctpStream::wait_ended`], for tasks.
    pub fn poll_ended(&self, context: &mut Context<'_>) -> Poll<Result<End, Error>> {
        self.base.socket.poll_ended(context, self.association)
    }

    /// As [`SctpStream::send_bytes`], for tasks.
    pub fn poll_send(
        &self,
        context: &mut Context<'_>,
        payload: &Bytes,
        info: &SendInfo,
    ) -> Poll<Result<(), Error>> {
        let options = self.base.send_options(info);
        self.base.socket.poll_send(context, Some(self.association), &options, payload)
    }

    /// Ends the association in good order: what was sent is delivered first, nothing more can be sent. Reads
    /// go on until the end.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] if it has ended.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.base.socket.shutdown(Some(self.association))
    }

    /// Ends the association at once and tells the peer why.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] if it has ended.
    pub fn abort(&self, reason: &[u8]) -> Result<(), Error> {
        self.base.socket.abort(Some(self.association), Bytes::copy_from_slice(reason))
    }

    /// Waits until the association is over, and tells how it ended.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::TimedOut`].
    pub fn wait_ended(&self) -> Result<End, Error> {
        self.base.socket.wait_ended(self.association, self.base.reading())
    }

    /// Closes it: calls that wait in other threads fail with [`Error::Closed`]. As dropping it, otherwise.
    pub fn close(&self) {
        self.base.socket.close();
    }

    /// State, streams, paths (`SCTP_STATUS`).
    ///
    /// # Errors
    /// [`Error::NoAssociation`] once it is forgotten.
    pub fn status(&self) -> Result<Status, Error> {
        Status::of(&self.base.socket, Some(self.association))
    }

    /// Our addresses.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.base.local_addrs()
    }

    /// The first of them; [`Status::local_addresses`] has those that the peer knows.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.base.local_addr()
    }

    /// The peer's primary address (`getpeername`).
    ///
    /// # Errors
    /// [`Error::NoAssociation`] once it is forgotten.
    pub fn peer_addr(&self) -> Result<SocketAddr, Error> {
        self.peer_addrs()?.first().copied().ok_or(Error::NotConnected)
    }

    /// The peer's addresses, the primary one first.
    ///
    /// # Errors
    /// [`Error::NoAssociation`] once it is forgotten.
    pub fn peer_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.base.peer_addrs(Some(self.association))
    }

    /// The association's name: that of [`RecvInfo::association`].
    pub fn association(&self) -> AssociationId {
        self.association
    }

    /// Chooses the address that messages go to (`SCTP_PRIMARY_ADDR`).
    ///
    /// # Errors
    /// [`Error::Command`] if the peer has no such address.
    pub fn set_primary(&self, remote: IpAddr) -> Result<(), Error> {
        self.base.socket.set_primary(Some(self.association), remote)
    }

    /// Chooses the kinds of notifications to deliver in line with the messages. If everything sent is acknowledged when
    /// [`Notifications::SENDER_DRY`] is among them, that is told at once (RFC 6458, 6.1.9).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn subscribe(&self, notifications: Notifications) -> Result<(), Error> {
        self.base.subscribe(None, notifications)
    }

    /// Whether calls wait.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.base.set_nonblocking(nonblocking);
    }

    /// How long reads wait; `None`: as long as it takes.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.base.set_read_timeout(timeout);
    }

    /// How long sends wait; `None`: as long as it takes.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.base.set_write_timeout(timeout);
    }

    /// The association's options.
    pub fn options(&self) -> Options<'_> {
        Options::new(&self.base, None)
    }

    /// The socket of the stack below, for a [`Poller`](crate::Poller).
    pub fn socket(&self) -> &Socket {
        &self.base.socket
    }
}
