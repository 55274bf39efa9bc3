//! What waits for one socket: messages, notifications, associations to accept, and who waits for them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sctp_core::config::{AssociationConfig, FragmentInterleave};
use sctp_core::endpoint::{Bound, ListenerId};
use sctp_core::event::{AssociationId, LossReason};
use sctp_core::message::Message;
use smallvec::SmallVec;

use super::meter::{Admission, Meter};
use super::notification::{Notification, Notifications};
use super::ports::{BindingId, Sharing};

/// Notifications that wait at most; later ones are dropped and counted ([`Notification::Overflow`]).
const MOST_NOTIFICATIONS: usize = 1_024;
/// Beyond so many, an association whose beginning nobody has been told of is not told of at all when it ends. So a reader that
/// knows of an association hears of its end, and the queue is no longer than this and what the associations add that live.
const MOST_CHANGES: usize = 2_048;

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
    /// In [`Mailbox::readable`].
    pub(super) queued: bool,
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
            subscribed: None,
            _admission: admission,
        }
    }
}

/// Orders what comes to a socket.
type Arrival = u64;

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
    notifications: VecDeque<(Arrival, AssociationId, Notification)>,
    overflow: u64,
    /// Associations with messages to read, in turn.
    readable: VecDeque<(Arrival, AssociationId)>,
    /// Of what came last.
    last_arrival: Arrival,
    /// Associations that may wait to be accepted.
    pub(super) acceptable: usize,
    /// What a short read left.
    pub(super) unread: Option<(AssociationId, Message)>,
    /// Nothing of other associations is read before the end of the message that this one is delivering in pieces
    /// (RFC 6458, 8.1.20, level 0).
    pub(super) in_part: Option<AssociationId>,
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
            notifications: VecDeque::new(),
            overflow: 0,
            readable: VecDeque::new(),
            last_arrival: 0,
            acceptable: 0,
            unread: None,
            in_part: None,
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
        self.has_messages()
            || !self.notifications.is_empty()
            || self.overflow > 0
            || self.unread.is_some()
            || self.acceptable > 0
            || self.at_end
    }

    fn has_messages(&self) -> bool {
        self.in_part.map_or(!self.readable.is_empty(), |id| self.readable.iter().any(|(_, of)| *of == id))
    }

    /// An association has messages to read: its turn comes behind all that is there.
    pub(super) fn queue(&mut self, id: AssociationId) {
        self.last_arrival += 1;
        self.readable.push_back((self.last_arrival, id));
    }

    /// The association to read from next; it stays.
    pub(super) fn front_readable(&self) -> Option<AssociationId> {
        self.in_part.filter(|_| self.has_messages()).or_else(|| {
            let front = self.readable.front().filter(|_| self.in_part.is_none());
            front.map(|(_, id)| *id)
        })
    }

    /// The association to read from next.
    pub(super) fn next_readable(&mut self) -> Option<AssociationId> {
        let place = match self.in_part {
            None => 0,
            Some(id) => self.readable.iter().position(|(_, queued)| *queued == id)?,
        };
        self.readable.remove(place).map(|(_, id)| id)
    }

    /// Whether a message came before all notifications: programs are told what happens in the order in which it does, as far as it is
    /// known. What waits behind the first message of an association has no place of its own.
    pub(super) fn messages_come_first(&self) -> bool {
        let (message, notification) = (self.readable.front(), self.notifications.front());
        let came_first = message.zip(notification).is_some_and(|(message, other)| message.0 < other.0);
        came_first && self.in_part.is_none()
    }

    /// A message of `id` was read, or a piece of one.
    pub(super) fn note_read(&mut self, id: AssociationId, message: &Message) {
        let alone = self.config.fragment_interleave == FragmentInterleave::Nothing;
        self.in_part = (alone && !message.end_of_record).then_some(id);
    }

    /// No further pieces of a message of `id` come.
    pub(super) fn note_end(&mut self, id: AssociationId) {
        self.in_part.take_if(|in_part| *in_part == id);
    }

    pub(super) fn notify(&mut self, id: AssociationId, notification: Notification) {
        let waiting = self.notifications.len();
        let is_change = notification.begins() || notification.ends();
        if waiting >= MOST_CHANGES && notification.ends() && self.forget_beginning(id) {
            self.overflow += 2;
        } else if waiting >= MOST_NOTIFICATIONS && !is_change {
            self.overflow += 1;
        } else {
            self.last_arrival += 1;
            self.notifications.push_back((self.last_arrival, id, notification));
        }
    }

    /// Takes the beginning of an association out of what is to be told; false if it has been told.
    fn forget_beginning(&mut self, id: AssociationId) -> bool {
        let place = self.notifications.iter().position(|(_, of, it)| *of == id && it.begins());
        place.and_then(|place| self.notifications.remove(place)).is_some()
    }

    /// Nothing is told of an association.
    pub(super) fn withdraw(&mut self, id: AssociationId) {
        self.notifications.retain(|(_, of, _)| *of != id);
        self.association.take_if(|association| *association == id);
    }

    /// Why an association was lost, if that is still to be told.
    pub(super) fn why_lost(&self, id: AssociationId) -> Option<&LossReason> {
        self.notifications.iter().find_map(|(_, of, notification)| match notification {
            Notification::CommunicationLost(reason) if *of == id => Some(reason),
            _ => None,
        })
    }

    /// The next notification whose turn it is; `has_data` says whether messages of an association wait.
    pub(super) fn next_notification(
        &mut self,
        has_data: impl Fn(AssociationId) -> bool,
    ) -> Option<(Option<AssociationId>, Notification)> {
        if let Some((_, id, next)) = self.notifications.front() {
            let early = next.follows_data() && has_data(*id);
            let (_, id, next) = self.notifications.pop_front_if(|_| !early)?;
            return Some((Some(id), next));
        }
        let dropped = std::mem::take(&mut self.overflow);
        (dropped > 0).then_some((None, Notification::Overflow(dropped)))
    }

    /// Gives back what [`Mailbox::next_notification`] took.
    pub(super) fn put_back(&mut self, id: Option<AssociationId>, notification: Notification) {
        match (id, notification) {
            (Some(id), notification) => self.notifications.push_front((0, id, notification)),
            (None, Notification::Overflow(dropped)) => self.overflow += dropped,
            (None, _) => {}
        }
    }

    /// Moves what belongs to `id` to another socket (peel-off; RFC 6458, 9.2).
    pub(super) fn move_to(&mut self, id: AssociationId, other: &mut Self) {
        let (theirs, ours) = self.notifications.drain(..).partition(|(_, owner, _)| *owner == id);
        self.notifications = ours;
        other.notifications = theirs;
        let (theirs, ours) = self.readable.drain(..).partition(|(_, owner)| *owner == id);
        self.readable = ours;
        other.readable = theirs;
        other.last_arrival = self.last_arrival;
        other.in_part = self.in_part.take_if(|owner| *owner == id);
        other.unread = self.unread.take_if(|(owner, _)| *owner == id);
    }
}
