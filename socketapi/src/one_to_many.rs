//! One-to-many style: one socket, many associations.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_user::stack::{Error, Notifications, Patience, Socket, Stack};

use crate::address::to_peer;
use crate::base::Base;
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
        let peer = to_peer(peer)?;
        let association = match self.base.socket.find(&peer) {
            Some(association) => association,
            None => self.base.socket.connect(&peer)?,
        };
        self.send(association, payload, info)?;
        Ok(association)
    }

    /// Reads a message, or the part of it that fits: then the rest comes with the next read. Notifications
    /// are passed over: see [`SctpSocket::receive`].
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::TimedOut`], [`Error::Closed`].
    pub fn recv(&self, buffer: &mut [u8]) -> Result<(usize, RecvInfo), Error> {
        self.base.receive_into(buffer, self.base.reading())?.ok_or(Error::Closed)
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

    /// As [`SctpSocket::receive`], for tasks.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        let received = self.base.socket.poll_receive(context, usize::MAX);
        received.map(|delivery| delivery?.map(Received::new).ok_or(Error::Closed))
    }

    /// Ends an association in good order.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn shutdown(&self, association: AssociationId) -> Result<(), Error> {
        self.base.socket.shutdown(Some(association))
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
        stream.base.inherit(&self.base);
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

    /// Our addresses.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        self.base.local_addrs()
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

    /// Chooses the kinds of notifications to deliver in line with the messages.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn subscribe(&self, notifications: Notifications) -> Result<(), Error> {
        self.base.socket.subscribe(notifications)
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
