//! A socket of a stack.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use sctp_core::association::Association;
use sctp_core::config::AssociationConfig;
use sctp_core::endpoint::{Bound, ResetDirections};
use sctp_core::event::AssociationId;
use sctp_core::message::SendOptions;
use sctp_core::path::{PathParameters, Thresholds};
use sctp_core::time::Time;

use super::Stack;
use super::calls::{Delivery, Peer};
use super::error::Error;
use super::lead::Patience;
use super::mailbox::{End, Interest, SocketId, SocketKind};
use super::ports::Sharing;
use super::state::{State, Target};

/// A socket: dropping it closes it. All calls work from any thread.
#[derive(Debug)]
pub struct Socket {
    stack: Stack,
    id: SocketId,
    closed: AtomicBool,
}

impl Socket {
    pub(super) fn new(stack: Stack, id: SocketId) -> Self {
        Self { stack, id, closed: AtomicBool::new(false) }
    }

    /// The stack that it is of.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    pub(super) fn id(&self) -> SocketId {
        self.id
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State, Time) -> T) -> T {
        self.stack.shared().with(act)
    }

    fn see<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.stack.shared().see(look)
    }

    pub(super) fn wait<T>(
        &self,
        interest: Interest,
        patience: Patience,
        attempt: impl FnMut(&mut State, Time) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        self.stack.shared().wait(Target::Socket(self.id), interest, patience, attempt)
    }

    /// Binds to a port, 0 for any, on these addresses, none for all of the stack's (RFC 6458, 9.1). The unspecified address stands
    /// for all of its family. Other sockets may have the same port on other addresses (RFC 9260, 1.3).
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NotLocal`], [`Error::Lease`].
    pub fn bind(&self, addresses: &[IpAddr], port: u16) -> Result<(), Error> {
        self.with(|state, _| state.bind(self.id, addresses, port))
    }

    /// Lets other sockets be bound to its port on the same addresses, if they share it, too. What a listener says when it begins to
    /// listen holds until it ends.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn share_port(&self, sharing: Option<Sharing>) -> Result<(), Error> {
        self.with(|state, _| {
            let mailbox = state.mailbox(self.id)?;
            mailbox.sharing = sharing;
            let binding = mailbox.binding;
            binding.iter().for_each(|binding| state.registry.ports.reshare(*binding, sharing));
            Ok(())
        })
    }

    /// What it is bound to where no address is named: all addresses (the empty list, as at first), or those of one family, by its
    /// unspecified address (IPV6_V6ONLY). To be said before it is bound.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_wildcard(&self, addresses: &[IpAddr]) -> Result<(), Error> {
        self.with(|state, _| {
            state.mailbox(self.id)?.wildcard = Bound::new(addresses);
            Ok(())
        })
    }

    /// Takes over the port and the addresses of another socket that is to be closed, and is not without them in between.
    ///
    /// # Errors
    /// [`Error::Closed`], if one of them is.
    pub fn take_port(&self, from: &Self) -> Result<(), Error> {
        self.with(|state, now| state.take_port(now, self.id, from.id))
    }

    /// Takes associations from now on; at most `backlog` of a listener's wait to be accepted. One of those who share a port can, or
    /// all that [divide](Sharing::divided) what comes in.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::Listen`].
    pub fn listen(&self, backlog: usize) -> Result<(), Error> {
        self.with(|state, _| state.listen(self.id, backlog))
    }

    /// Takes no more associations; those that it has stay, but for those that wait to be accepted, which end in good order.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn stop_listening(&self) -> Result<(), Error> {
        self.with(|state, now| state.stop_listening(now, self.id))
    }

    /// The next association of a listener, as a socket of its own.
    ///
    /// # Errors
    /// [`Error::NotListening`], and those of [`Patience`].
    pub fn accept(&self, patience: Patience) -> Result<Self, Error> {
        let id = self.wait(Interest::Read, patience, |state, _| state.accept(self.id))?;
        Ok(Self::new(self.stack.clone(), id))
    }

    /// Begins an association and does not wait for its set-up.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Listening`], and those of [`Socket::bind`] if the socket is not bound yet.
    pub fn connect(&self, peer: &Peer) -> Result<AssociationId, Error> {
        self.connect_with(peer, |_| ())
    }

    /// As [`Socket::connect`], with parameters of this association's own: `change` gets those of the socket (`SCTP_INIT` as a
    /// control message; RFC 6458, 5.3.1).
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub fn connect_with(
        &self,
        peer: &Peer,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<AssociationId, Error> {
        self.with(|state, now| {
            state.check_open()?;
            state.connect(now, self.id, peer, change)
        })
    }

    /// As [`Socket::connect_with`], with its first message: nothing comes between the two, however soon the peer refuses. If
    /// the message cannot be sent, nothing has begun: the peer gets an ABORT, and nothing is told.
    ///
    /// # Errors
    /// As [`Socket::connect`]; [`Error::Send`] tells what is wrong with the message.
    pub fn connect_sending(
        &self,
        peer: &Peer,
        change: impl FnOnce(&mut AssociationConfig),
        options: &SendOptions,
        payload: &Bytes,
    ) -> Result<AssociationId, Error> {
        self.with(|state, now| {
            state.check_open()?;
            let id = state.connect(now, self.id, peer, change)?;
            if let Poll::Ready(Err(error)) = state.send(now, id, options, payload) {
                state.registry.forget(&mut state.engine, id);
                state.mailbox(self.id)?.withdraw(id);
                return Err(error);
            }
            // An empty send buffer has room for any message.
            Ok(id)
        })
    }

    /// Waits for the end of the set-up of an association.
    ///
    /// # Errors
    /// [`Error::Lost`] tells why it failed; those of [`Patience`].
    pub fn wait_connected(&self, id: AssociationId, patience: Patience) -> Result<(), Error> {
        self.wait(Interest::Write, patience, |state, _| state.connected(self.id, id))
    }

    /// The association towards a peer, if there is one.
    pub fn find(&self, peer: &Peer) -> Option<AssociationId> {
        self.with(|state, _| state.find(self.id, peer))
    }

    /// Sends a message; waits while the send buffer is full. `id` may be `None` on a one-to-one socket.
    ///
    /// # Errors
    /// [`Error::Send`] tells what is wrong with the message, [`Error::Lost`] how the association ended,
    /// and those of [`Patience`].
    pub fn send(
        &self,
        id: Option<AssociationId>,
        options: &SendOptions,
        payload: &Bytes,
        patience: Patience,
    ) -> Result<(), Error> {
        self.wait(Interest::Write, patience, |state, now| {
            let id = state.association_of(self.id, id)?;
            state.send(now, id, options, payload)
        })
    }

    /// The next message, at most `limit` bytes of it, or notification. `None` at the end of a one-to-one
    /// association.
    ///
    /// # Errors
    /// [`Error::Lost`] when the association was, after its messages; [`Error::NotConnected`], and those of
    /// [`Patience`].
    pub fn receive(&self, limit: usize, patience: Patience) -> Result<Option<Delivery>, Error> {
        self.wait(Interest::Read, patience, |state, now| state.receive(now, self.id, limit))
    }

    /// Ends an association in good order: everything sent is delivered first (RFC 9260, 9.2).
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn shutdown(&self, id: Option<AssociationId>) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            state.shutdown(now, id)
        })
    }

    /// Says that everything has been sent that was to be sent before the peer's SHUTDOWN came, where that
    /// [is awaited](AssociationConfig::awaits_last_sends); else it does nothing. [`Association::awaits_last_sends`] says whether
    /// it is. Who waits to receive is woken when a SHUTDOWN comes.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn finish_sending(&self, id: Option<AssociationId>) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.finish_sending(now, id)?)
        })
    }

    /// Ends an association at once and tells the peer `reason` (RFC 9260, 9.1).
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn abort(&self, id: Option<AssociationId>, reason: Bytes) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.abort(now, id, reason)?)
        })
    }

    /// Waits until an association is over, and tells how it ended.
    ///
    /// # Errors
    /// Those of [`Patience`].
    pub fn wait_ended(&self, id: AssociationId, patience: Patience) -> Result<End, Error> {
        self.wait(Interest::Read, patience, |state, _| state.poll_end(id))
    }

    /// Gives an association of a one-to-many socket a one-to-one socket of its own (RFC 6458, 9.2).
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn peel_off(&self, id: AssociationId) -> Result<Self, Error> {
        let id = self.with(|state, _| state.peel_off(self.id, id))?;
        Ok(Self::new(self.stack.clone(), id))
    }

    /// Chooses the address that messages go to (RFC 6458, 8.1.9).
    ///
    /// # Errors
    /// [`Error::Command`] if the peer has no such address.
    pub fn set_primary(&self, id: Option<AssociationId>, remote: IpAddr) -> Result<(), Error> {
        self.with(|state, _| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.set_primary(id, remote)?)
        })
    }

    /// Numbers the messages of streams from 0 on again; an empty list means all (RFC 6525, 6.3.2).
    /// [`Notification::StreamsReset`](super::Notification::StreamsReset) tells how it went, for each direction.
    ///
    /// # Errors
    /// [`Error::Reconfig`] tells why it cannot be asked for now.
    pub fn reset_streams(
        &self,
        id: Option<AssociationId>,
        directions: ResetDirections,
        streams: &[u16],
    ) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.reset_streams(now, id, directions, streams)?)
        })
    }

    /// Numbers TSNs and all streams anew (RFC 6525, 6.3.3), once in 30 s.
    /// [`Notification::AssociationReset`](super::Notification::AssociationReset) tells how it went.
    ///
    /// # Errors
    /// [`Error::Reconfig`] tells why it cannot be asked for now.
    pub fn reset_association(&self, id: Option<AssociationId>) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.reset_association(now, id)?)
        })
    }

    /// Adds streams that we send on, and streams of the peer's (RFC 6525, 6.3.4).
    /// [`Notification::StreamsChanged`](super::Notification::StreamsChanged) tells how it went, for each direction.
    ///
    /// # Errors
    /// [`Error::Reconfig`] tells why it cannot be asked for now.
    pub fn add_streams(&self, id: Option<AssociationId>, outbound: u16, inbound: u16) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.add_streams(now, id, outbound, inbound)?)
        })
    }

    /// Sends a HEARTBEAT now (RFC 6458, 8.1.12, `SPP_HB_DEMAND`).
    ///
    /// # Errors
    /// [`Error::Command`] if the peer has no such address.
    pub fn request_heartbeat(&self, id: Option<AssociationId>, remote: IpAddr) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.request_heartbeat(now, id, remote)?)
        })
    }

    /// Sets the UDP encapsulation port of the peer's address `remote`, or with `None` of all its addresses (RFC 6951, 6.1).
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::Command`].
    pub fn set_association_udp_port(
        &self,
        id: Option<AssociationId>,
        remote: Option<IpAddr>,
        port: u16,
    ) -> Result<(), Error> {
        self.with(|state, _| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.set_remote_udp_port(id, remote, port)?)
        })
    }

    /// The largest RTO of the association since this was last asked, and the peer's address where it was; `None` if none was computed
    /// meanwhile.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn take_largest_rto(&self, id: Option<AssociationId>) -> Result<Option<(IpAddr, Duration)>, Error> {
        self.with(|state, _| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.take_largest_rto(id))
        })
    }

    /// Changes parameters of the path to `remote` alone (RFC 6458, 8.1.12). What is changed for the association afterwards holds
    /// for it, too.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::Command`] if the peer has no such address.
    pub fn configure_path(
        &self,
        id: Option<AssociationId>,
        remote: IpAddr,
        change: impl FnOnce(&mut PathParameters),
    ) -> Result<(), Error> {
        self.with(|state, _| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.update_path(id, remote, change)?)
        })
    }

    /// Sets how many errors in a row the path to `remote` may have (RFC 7829, 7.2).
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::Command`].
    pub fn set_thresholds(
        &self,
        id: Option<AssociationId>,
        remote: IpAddr,
        thresholds: Thresholds,
    ) -> Result<(), Error> {
        self.with(|state, _| {
            let id = state.association_of(self.id, id)?;
            Ok(state.engine.endpoint.set_thresholds(id, remote, thresholds)?)
        })
    }

    /// Changes parameters: of the association named, else of the socket's only one and those to come.
    ///
    /// # Errors
    /// [`Error::NoAssociation`]; [`Error::Command`] if they do not fit together.
    pub fn configure(
        &self,
        id: Option<AssociationId>,
        change: impl Fn(&mut AssociationConfig),
    ) -> Result<(), Error> {
        self.with(|state, _| state.configure(self.id, id, change))
    }

    /// The parameters of associations to come.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn config(&self) -> Result<AssociationConfig, Error> {
        self.look_at_config(AssociationConfig::clone)
    }

    /// Looks at the parameters of associations to come, which costs less than to have them.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn look_at_config<T>(&self, look: impl FnOnce(&AssociationConfig) -> T) -> Result<T, Error> {
        self.see(|state| {
            let mailbox = state.registry.sockets.get(&self.id).ok_or(Error::Closed)?;
            Ok(look(&mailbox.config))
        })
    }

    /// Looks at an association.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn association<T>(
        &self,
        id: Option<AssociationId>,
        look: impl FnOnce(&Association) -> T,
    ) -> Result<T, Error> {
        self.see(|state| {
            let id = state.association_of(self.id, id)?;
            Ok(look(state.association(id)?))
        })
    }

    /// All associations of the socket.
    pub fn associations(&self) -> Vec<AssociationId> {
        self.see(|state| state.associations(self.id))
    }

    /// The one association of a one-to-one socket.
    pub fn only_association(&self) -> Option<AssociationId> {
        self.see(|state| state.registry.sockets.get(&self.id)?.association)
    }

    /// The addresses that it is bound to, and its port: 0 until bound.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn local(&self) -> Result<(Vec<IpAddr>, u16), Error> {
        self.with(|state, _| {
            let all = state.engine.driver.local_addresses();
            let mailbox = state.mailbox(self.id)?;
            Ok((mailbox.bound.resolve(&all), mailbox.port))
        })
    }

    /// Whether it is bound to all of the stack's addresses, since none was named.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn is_bound_to_all(&self) -> Result<bool, Error> {
        self.with(|state, _| Ok(state.mailbox(self.id)?.bound_to_all))
    }

    /// Style of the socket.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn kind(&self) -> Result<SocketKind, Error> {
        self.with(|state, _| Ok(state.mailbox(self.id)?.kind))
    }

    /// The peers' UDP encapsulation port for associations to come (RFC 6951, 6.1); `None`: the stack's
    /// default.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_remote_udp_port(&self, port: Option<u16>) -> Result<(), Error> {
        self.with(|state, _| {
            state.mailbox(self.id)?.remote_udp_port = port;
            Ok(())
        })
    }

    /// What closing does with associations: `None`, they end in good order meanwhile; zero, they are
    /// aborted; else [`Socket::close`] waits so long for their end (RFC 6458, 8.1.4).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_linger(&self, linger: Option<Duration>) -> Result<(), Error> {
        self.with(|state, _| {
            state.mailbox(self.id)?.linger = linger;
            Ok(())
        })
    }

    /// Whether a read and a write would not wait.
    pub fn readiness(&self) -> (bool, bool) {
        self.with(|state, _| state.readiness(self.id))
    }

    /// Closes the socket: calls that wait in other threads fail with [`Error::Closed`]. Associations end in
    /// good order; those with messages that were not read are aborted, so that the peer learns of it.
    pub fn close(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        self.await_linger();
        self.with(|state, now| state.close_socket(now, self.id));
    }

    fn await_linger(&self) {
        let begun = self.with(|state, now| {
            let linger = state.mailbox(self.id).ok()?.linger.filter(|linger| !linger.is_zero())?;
            let associations = state.associations(self.id);
            let orderly = |id: &AssociationId| !state.engine.endpoint.is_readable(*id);
            let ending: Vec<_> = associations.into_iter().filter(orderly).collect();
            for id in &ending {
                // Those that are ending or have ended already are waited for all the same.
                let _ = state.engine.endpoint.shutdown(now, *id);
            }
            Some((now + linger, ending))
        });
        let Some((deadline, ending)) = begun else { return };
        for id in ending {
            // Whatever comes of it, the socket closes.
            let _ = self.wait_ended(id, Patience::Until(deadline));
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    pub(super) fn associations(&self, socket: SocketId) -> Vec<AssociationId> {
        let mailbox = self.registry.sockets.get(&socket);
        mailbox.map_or_else(Vec::new, |mailbox| mailbox.associations.iter().copied().collect())
    }
}
