//! One-to-many style: one socket, many associations.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_core::association::AssociationState;
use sctp_core::config::AssociationConfig;
use sctp_user::stack::{Error, Notifications, Patience, Socket, Stack};

use crate::address::to_peer;
use crate::base::{Base, gather};
use crate::builder::BACKLOG;
use crate::options::Options;
use crate::status::Status;
use crate::{AssociationId, Message, Received, RecvInfo, SctpStream, SendInfo, SocketBuilder};

/// A socket with any number of associations (RFC 6458, 3). Messages of all come from one place; each
/// says which association it belongs to.
///
/// All calls take `&self`: several threads may use one socket. Dropping it closes it, as
/// [`SctpStream`] does.
#[derive(Debug)]
pub struct SctpSocket {
    pub(crate) base: Base,
}

impl SctpSocket {
    /// Binds to all the given addresses, which have one port, and takes associations.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NotLocal`], [`Error::Lease`].
    pub fn bind(stack: &Stack, addresses: impl ToSocketAddrs) -> Result<Self, Error> {
        SocketBuilder::new(stack).bind(addresses).one_to_many()
    }

    /// Begins an association with a peer of one or several addresses, and does not wait: messages may be
    /// sent at once. [`SctpSocket::wait_connected`] waits, a notification tells.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub fn connect(&self, peer: impl ToSocketAddrs) -> Result<AssociationId, Error> {
        self.base.socket.connect(&to_peer(peer)?)
    }

    /// As [`SctpSocket::connect`], with parameters of this association's own: `change` gets those of the socket (`SCTP_INIT`
    /// with `sendmsg`; RFC 6458, 5.3.1).
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub fn connect_with(
        &self,
        peer: impl ToSocketAddrs,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<AssociationId, Error> {
        self.base.socket.connect_with(&to_peer(peer)?, change)
    }

    /// The association with the peer that has one of these addresses, if there is one.
    ///
    /// # Errors
    /// [`Error::NoAddress`], [`Error::PortsDiffer`].
    pub fn find(&self, peer: impl ToSocketAddrs) -> Result<Option<AssociationId>, Error> {
        Ok(self.base.socket.find(&to_peer(peer)?))
    }

    /// Takes associations from now on, where it was [built](SocketBuilder::one_to_many_client) to take none, or
    /// [stopped](SctpSocket::stop_listening).
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::Listen`].
    pub fn listen(&self) -> Result<(), Error> {
        self.base.socket.listen(BACKLOG)
    }

    /// Takes no more associations; those that it has stay (`listen` with a backlog of 0; RFC 6458, 3.1.3).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn stop_listening(&self) -> Result<(), Error> {
        self.base.socket.stop_listening()
    }

    /// Waits for the end of the set-up.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why it failed, [`Error::NoAssociation`] if that is over already.
    pub fn wait_connected(&self, association: AssociationId) -> Result<(), Error> {
        self.base.socket.wait_connected(association, self.base.writing())
    }

    /// Sends one message, copied. Waits while the association's send buffer is full.
    ///
    /// # Errors
    /// [`Error::Send`] tells what is wrong with the message; [`Error::NoAssociation`],
    /// [`Error::ShuttingDown`], [`Error::WouldBlock`], [`Error::TimedOut`].
    pub fn send(&self, association: AssociationId, payload: &[u8], info: &SendInfo) -> Result<(), Error> {
        self.send_bytes(association, Bytes::copy_from_slice(payload), info)
    }

    /// As [`SctpSocket::send`], without a copy.
    ///
    /// # Errors
    /// As [`SctpSocket::send`].
    pub fn send_bytes(
        &self,
        association: AssociationId,
        payload: Bytes,
        info: &SendInfo,
    ) -> Result<(), Error> {
        self.base.send(Some(association), &payload, info, self.base.writing())
    }

    /// As [`SctpSocket::send_bytes`], until `deadline`.
    ///
    /// # Errors
    /// As [`SctpSocket::send`].
    pub fn send_deadline(
        &self,
        association: AssociationId,
        payload: Bytes,
        info: &SendInfo,
        deadline: Instant,
    ) -> Result<(), Error> {
        self.base.send(Some(association), &payload, info, self.base.until(deadline))
    }

    /// Sends one message out of several buffers (`sctp_sendv`; RFC 6458, 9.12).
    ///
    /// # Errors
    /// As [`SctpSocket::send`].
    pub fn send_vectored(
        &self,
        association: AssociationId,
        buffers: &[IoSlice<'_>],
        info: &SendInfo,
    ) -> Result<(), Error> {
        self.send_bytes(association, gather(buffers), info)
    }

    /// Sends one message with the default information ([`Options::set_default_send_info`]).
    ///
    /// # Errors
    /// As [`SctpSocket::send`].
    pub fn send_default(&self, association: AssociationId, payload: &[u8]) -> Result<(), Error> {
        self.send(association, payload, &self.base.default_send_info())
    }

    /// Sends one message to each association that is established (`SCTP_SENDALL`; RFC 6458, 5.3.4). Returns those that did
    /// not take it, and why. Waits for each as [`SctpSocket::send`] does.
    pub fn send_to_all(&self, payload: &[u8], info: &SendInfo) -> Vec<(AssociationId, Error)> {
        let payload = Bytes::copy_from_slice(payload);
        let state = |id| self.base.socket.association(Some(id), |association| association.state());
        let is_up = |id: &AssociationId| state(*id).is_ok_and(|state| state == AssociationState::Established);
        let send = |id| self.send_bytes(id, payload.clone(), info).err().map(|error| (id, error));
        self.associations().into_iter().filter(is_up).filter_map(send).collect()
    }

    /// Sends one message to a peer by address; sets the association up first if there is none (RFC 6458,
    /// 3.1.2). Returns the association.
    ///
    /// # Errors
    /// As [`SctpSocket::send`] and [`SctpSocket::connect`].
    pub fn send_to(
        &self,
        payload: &[u8],
        peer: impl ToSocketAddrs,
        info: &SendInfo,
    ) -> Result<AssociationId, Error> {
        let association = self.find_or_connect(peer)?;
        self.send(association, payload, info)?;
        Ok(association)
    }

    pub(crate) fn find_or_connect(&self, peer: impl ToSocketAddrs) -> Result<AssociationId, Error> {
        let peer = to_peer(peer)?;
        match self.base.socket.find(&peer) {
            Some(association) => Ok(association),
            None => self.base.socket.connect(&peer),
        }
    }

    /// Reads a message, or the part of it that fits: then the rest comes with the next read. Notifications
    /// are passed over: see [`SctpSocket::receive`].
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::TimedOut`], [`Error::Closed`].
    pub fn recv(&self, buffer: &mut [u8]) -> Result<(usize, RecvInfo), Error> {
        self.recv_vectored(&mut [IoSliceMut::new(buffer)])
    }

    /// As [`SctpSocket::recv`], into several buffers, one after the other (`sctp_recvv`; RFC 6458, 9.13).
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> Result<(usize, RecvInfo), Error> {
        self.base.receive_into(buffers, self.base.reading())?.ok_or(Error::Closed)
    }

    /// Reads a message without copying it; in pieces if it is larger than the receive buffer.
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub fn recv_message(&self) -> Result<Message, Error> {
        self.base.receive_message(usize::MAX, self.base.reading())?.ok_or(Error::Closed)
    }

    /// As [`SctpSocket::recv_message`], until `deadline`.
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Message, Error> {
        self.base.receive_message(usize::MAX, self.base.until(deadline))?.ok_or(Error::Closed)
    }

    /// Reads the next message or notification.
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub fn receive(&self) -> Result<Received, Error> {
        self.base.receive(self.base.reading())?.ok_or(Error::Closed)
    }

    /// As [`SctpSocket::receive`], but never waits: `None` when nothing is there.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::StackClosed`].
    pub fn try_receive(&self) -> Result<Option<Received>, Error> {
        match self.base.receive(Patience::None) {
            Err(Error::WouldBlock) => Ok(None),
            received => received,
        }
    }

    /// What [`SctpSocket::receive`] would bring, all that is there of it; it stays the next (`MSG_PEEK`).
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub fn peek(&self) -> Result<Received, Error> {
        self.base.peek(self.base.reading())?.ok_or(Error::Closed)
    }

    /// As [`SctpSocket::peek`], but never waits: what follows a message that was read, if it is there already
    /// (`SCTP_NXTINFO`; RFC 6458, 5.3.6).
    ///
    /// # Errors
    /// As [`SctpSocket::recv`].
    pub fn try_peek(&self) -> Result<Option<Received>, Error> {
        self.base.try_peek()
    }

    /// Leaves the messages of one association in its receive buffer, so that its peer has to wait (RFC 9260, 6.2), and reads those
    /// of the others. The rest of a message of which a part was read comes all the same, and so do notifications, before messages
    /// that came earlier; but the end of the association, or its restart, ends the pause, and comes after its messages as ever.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn pause_reading(&self, association: AssociationId) -> Result<(), Error> {
        self.base.socket.pause_reading(association)
    }

    /// Reads the messages of an association again, if that was [paused](SctpSocket::pause_reading).
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn resume_reading(&self, association: AssociationId) -> Result<(), Error> {
        self.base.socket.resume_reading(association)
    }

    /// As [`SctpSocket::receive`], for tasks.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        let received = self.base.socket.poll_receive(context, usize::MAX);
        received.map(|delivery| Ok(self.base.received(delivery?.ok_or(Error::Closed)?)))
    }

    /// As [`SctpSocket::send_bytes`], for tasks.
    pub fn poll_send(
        &self,
        context: &mut Context<'_>,
        association: AssociationId,
        payload: &Bytes,
        info: &SendInfo,
    ) -> Poll<Result<(), Error>> {
        let options = self.base.send_options(info);
        self.base.socket.poll_send(context, Some(association), &options, payload)
    }

    /// Ends an association in good order.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn shutdown(&self, association: AssociationId) -> Result<(), Error> {
        self.base.socket.shutdown(Some(association))
    }

    /// Ends an association in good order, for who wants no more messages of it: should the socket be closed before the association has
    /// ended, what nobody has read is thrown away, where otherwise the association would be aborted.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn leave(&self, association: AssociationId) -> Result<(), Error> {
        self.base.socket.leave(association)
    }

    /// Ends an association at once and tells the peer why.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn abort(&self, association: AssociationId, reason: &[u8]) -> Result<(), Error> {
        self.base.socket.abort(Some(association), Bytes::copy_from_slice(reason))
    }

    /// Gives an association a stream of its own (`sctp_peeloff`); what was not read yet moves with it.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn peel_off(&self, association: AssociationId) -> Result<SctpStream, Error> {
        let stream = SctpStream::from_socket(self.base.socket.peel_off(association)?)?;
        stream.base.inherit(&self.base, association);
        Ok(stream)
    }

    /// All associations.
    pub fn associations(&self) -> Vec<AssociationId> {
        self.base.socket.associations()
    }

    /// State, streams, paths of an association (`SCTP_STATUS`).
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn status(&self, association: AssociationId) -> Result<Status, Error> {
        Status::of(&self.base.socket, Some(association))
    }

    /// As [`SctpStream::take_largest_rto`], of an association.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn take_largest_rto(&self, association: AssociationId) -> Result<Option<(IpAddr, Duration)>, Error> {
        self.base.socket.take_largest_rto(Some(association))
    }

    /// Our addresses.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.base.local_addrs()
    }

    /// The first of them; [`Status::local_addresses`] has those that the peer of an association knows.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.base.local_addr()
    }

    /// The addresses of an association's peer, the primary one first.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn peer_addrs(&self, association: AssociationId) -> Result<Vec<SocketAddr>, Error> {
        self.base.peer_addrs(Some(association))
    }

    /// Chooses the address that an association's messages go to (`SCTP_PRIMARY_ADDR`).
    ///
    /// # Errors
    /// [`Error::NoAssociation`]; [`Error::Command`] if the peer has no such address.
    pub fn set_primary(&self, association: AssociationId, remote: IpAddr) -> Result<(), Error> {
        self.base.socket.set_primary(Some(association), remote)
    }

    /// Chooses the kinds of notifications to deliver in line with the messages, of all associations that have no
    /// [choice of their own](SctpSocket::subscribe_to). If everything sent is acknowledged when
    /// [`Notifications::SENDER_DRY`] is among them, that is told at once (RFC 6458, 6.1.9).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn subscribe(&self, notifications: Notifications) -> Result<(), Error> {
        self.base.subscribe(None, notifications)
    }

    /// As [`SctpSocket::subscribe`], of one association (`SCTP_EVENT`; RFC 6458, 6.2.2).
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn subscribe_to(
        &self,
        association: AssociationId,
        notifications: Notifications,
    ) -> Result<(), Error> {
        self.base.subscribe(Some(association), notifications)
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

    /// Options of associations to come.
    pub fn options(&self) -> Options<'_> {
        Options::new(&self.base, None)
    }

    /// Options of one association.
    pub fn options_of(&self, association: AssociationId) -> Options<'_> {
        Options::new(&self.base, Some(association))
    }

    /// The socket of the stack below, for a [`Poller`](crate::Poller).
    pub fn socket(&self) -> &Socket {
        &self.base.socket
    }

    /// Closes it: calls that wait in other threads fail with [`Error::Closed`].
    pub fn close(&self) {
        self.base.socket.close();
    }
}
