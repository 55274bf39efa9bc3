//! What waits for one socket: messages, notifications, associations to accept, and who waits for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sctp_core::config::AssociationConfig;
use sctp_core::endpoint::{Bound, ListenerId};
use sctp_core::event::{AssociationId, LossReason};
use sctp_core::message::Message;
use smallvec::SmallVec;

use super::incoming::Incoming;
use super::meter::{Admission, Meter};
use super::notification::Notifications;
use super::ports::{BindingId, Sharing};

/// Names a socket of a stack; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SocketId(pub(super) u64);

/// The two styles of RFC 6458, and the listening half of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// Associations wait to be accepted (one-to-one style; RFC 6458, 4).
    Listener,
    /// At most one association (one-to-one style).
    OneToOne,
    /// Any number of associations (one-to-many style; RFC 6458, 3).
    OneToMany,
}

/// What a thread or task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Interest {
    /// Messages, notifications, the end, or associations to accept.
    Read,
    /// Set-up, or room in the send buffer.
    Write,
}

/// How an association ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides delivered everything.
    Shutdown,
    /// Something was, or may have been, lost.
    Lost(LossReason),
}

/// What an association is to the sockets.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) owner: Owner,
    /// Where it began.
    pub(super) binding: BindingId,
    pub(super) up: bool,
    /// The peer sends nothing more.
    pub(super) peer_done: bool,
    pub(super) end: Option<End>,
    /// Its messages are in [`Mailbox::incoming`].
    pub(super) queued: bool,
    /// Its messages are left unread, see [`Socket::pause_reading`](super::Socket::pause_reading).
    pub(super) paused: bool,
    /// Its messages may be thrown away, see [`Socket::leave`](super::Socket::leave).
    pub(super) is_left: bool,
    /// What is told of it; `None`: what its socket subscribed to.
    pub(super) subscribed: Option<Notifications>,
    /// That it may be, from the meter of the socket that it began on.
    _admission: Option<Admission>,
}

/// Whose association it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Socket(SocketId),
    /// Its socket is closed: it is driven to its end and forgotten.
    Nobody,
}

impl Link {
    pub(super) fn new(owner: Owner, binding: BindingId, admission: Option<Admission>) -> Self {
        Self {
            owner,
            binding,
            up: false,
            peer_done: false,
            end: None,
            queued: false,
            paused: false,
            is_left: false,
            subscribed: None,
            _admission: admission,
        }
    }
}

/// The state of one socket.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) kind: SocketKind,
    /// 0 until bound.
    pub(super) port: u16,
    pub(super) bound: Bound,
    /// What it is bound to if no address is named.
    pub(super) wildcard: Bound,
    /// It was bound without naming addresses, and none was taken off.
    pub(super) bound_to_all: bool,
    /// The port is this socket's to give back.
    pub(super) binding: Option<BindingId>,
    /// Other sockets may be bound to the port.
    pub(super) sharing: Option<Sharing>,
    /// It takes associations.
    pub(super) listener: Option<ListenerId>,
    /// For associations to come.
    pub(super) config: AssociationConfig,
    /// The peers' UDP port for associations to come; `None`: the stack's default.
    pub(super) remote_udp_port: Option<u16>,
    pub(super) subscribed: Notifications,
    /// Messages and notifications that wait to be read.
    pub(super) incoming: Incoming,
    /// Associations that may wait to be accepted.
    pub(super) acceptable: usize,
    /// What a short read left.
    pub(super) unread: Option<(AssociationId, Message)>,
    /// All that are linked to it.
    pub(super) associations: BTreeSet<AssociationId>,
    /// Who admits associations.
    pub(super) meter: Option<Arc<dyn Meter>>,
    /// The one association of a one-to-one socket.
    pub(super) association: Option<AssociationId>,
    /// It has ended, or its peer is done: reading does not wait any more.
    pub(super) at_end: bool,
    /// How a close treats what is not delivered yet.
    pub(super) linger: Option<Duration>,
    /// Who waits, as keys of the waiters.
    pub(super) waiters: SmallVec<[usize; 2]>,
    pub(super) pollers: SmallVec<[u64; 1]>,
}

impl Mailbox {
    pub(super) fn new(kind: SocketKind, config: AssociationConfig) -> Self {
        Self {
            kind,
            port: 0,
            bound: Bound::default(),
            wildcard: Bound::default(),
            bound_to_all: false,
            binding: None,
            sharing: None,
            listener: None,
            config,
            remote_udp_port: None,
            subscribed: Notifications::NONE,
            incoming: Incoming::default(),
            acceptable: 0,
            unread: None,
            associations: BTreeSet::new(),
            meter: None,
            association: None,
            at_end: false,
            linger: None,
            waiters: SmallVec::new(),
            pollers: SmallVec::new(),
        }
    }

    /// A read would not wait.
    pub(super) fn is_readable(&self) -> bool {
        !self.incoming.is_empty() || self.unread.is_some() || self.acceptable > 0 || self.at_end
    }

    /// A message of `id` was read, or a piece of one.
    pub(super) fn note_read(&mut self, id: AssociationId, message: &Message) {
        self.incoming.note_read(id, message, self.config.fragment_interleave);
    }

    /// Nothing is told of an association.
    pub(super) fn withdraw(&mut self, id: AssociationId) {
        self.incoming.withdraw(id);
        self.association.take_if(|association| *association == id);
    }

    /// Moves what belongs to `id` to another socket (peel-off; RFC 6458, 9.2).
    pub(super) fn move_to(&mut self, id: AssociationId, other: &mut Self) {
        other.incoming = self.incoming.split_off(id);
        other.unread = self.unread.take_if(|(owner, _)| *owner == id);
    }
}
