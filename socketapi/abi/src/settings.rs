//! What a program has set that the stack below knows nothing of: how sends and receives look in C, and values that are
//! kept only so that they can be read again.

use std::collections::BTreeMap;
use std::time::Duration;

use sctp_core::event::AssociationId;
use sctp_user::stack::{Notifications, Sharing};

use crate::address::Form;
use crate::events::Events;
use crate::target::Style;

/// Of one socket.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How addresses look: the family of the socket, and `SCTP_I_WANT_MAPPED_V4_ADDR`, `IPV6_V6ONLY`.
    pub form: Form,
    /// Messages come with [`SCTP_RCVINFO`](crate::constants::SCTP_RCVINFO) (`SCTP_RECVRCVINFO`).
    pub rcvinfo: bool,
    /// Messages come with [`SCTP_NXTINFO`](crate::constants::SCTP_NXTINFO) (`SCTP_RECVNXTINFO`).
    pub nxtinfo: bool,
    /// Several sockets of one user may be bound to one port, and one of them listen (`SCTP_REUSE_PORT`).
    pub reuse_port: bool,
    /// The same, while none of them listens (SO_REUSEADDR, as Linux has it).
    pub reuse_address: bool,
    /// Several sockets of one user may be bound to one port, and all of them listen (SO_REUSEPORT, as Linux has it).
    pub divides_port: bool,
    /// The listener that it was accepted from did that: what it is bound to is divided still, though the option is not shown of it.
    has_divided_port: bool,
    /// Whose socket it is. While nobody has said that, no port is shared.
    pub user: Option<u32>,
    /// The peers' UDP encapsulation port for associations to come, once it was set (`SCTP_REMOTE_UDP_ENCAPS_PORT`).
    pub remote_udp_port: Option<u16>,
    /// A one-to-one socket is shut down, though what was written before may be on its way to the stack still.
    pub shuts_down: bool,
    /// For associations to come.
    pub future: Manner,
    associations: BTreeMap<AssociationId, Manner>,
}

/// Of one association, or of those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What sends without information of their own use.
    pub send: DefaultSend,
    /// Comes with each received message (`SCTP_CONTEXT`; RFC 6458, 8.1.25).
    pub receive_context: u32,
    /// Notifications that are delivered.
    pub events: Events,
    /// The interval of heartbeats, whether they are on or not.
    pub hb_interval: Duration,
    /// The path MTU that was fixed last, whether it is searched for again or not; 0 for none.
    pub fixed_path_mtu: u32,
    /// Packets that a SACK may wait for, once it was set, whether SACKs are delayed or not.
    pub sack_frequency: Option<u32>,
    /// Whether potentially failed paths are shown, as Linux has it: 0 in the status only, 1 nowhere, 2 in both.
    pub expose_potentially_failed: u32,
}

/// `SCTP_DEFAULT_SEND_PARAM` and `SCTP_DEFAULT_SNDINFO` (RFC 6458, 8.1.13 and 8.1.31). When messages are given up is in the
/// stack's own parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultSend {
    /// Stream.
    pub stream: u16,
    /// `SCTP_UNORDERED` and its fellows.
    pub flags: u16,
    /// Payload protocol identifier, as a number.
    pub ppid: u32,
    /// Comes back when the message fails.
    pub context: u32,
}

impl Settings {
    /// Those of a new socket, of AF_INET6 or AF_INET.
    pub fn new(ipv6: bool) -> Self {
        Self {
            form: Form::new(ipv6),
            rcvinfo: false,
            nxtinfo: false,
            reuse_port: false,
            reuse_address: false,
            divides_port: false,
            has_divided_port: false,
            user: None,
            remote_udp_port: None,
            shuts_down: false,
            future: Manner::default(),
            associations: BTreeMap::new(),
        }
    }

    /// With whom the socket shares its port, which the stack wants to know before it is bound.
    pub fn sharing(&self) -> Option<Sharing> {
        let divided = self.divides_port || self.has_divided_port;
        let user = self.user.filter(|_| self.reuse_port || self.reuse_address || divided)?;
        Some(Sharing {
            user,
            // RFC 6458, 8.1.27: who shares beside a listener shares without one.
            silent: self.reuse_address || self.reuse_port,
            beside_listener: self.reuse_port,
            divided,
        })
    }

    /// An association has begun: from now on it has settings of its own.
    pub fn begin(&mut self, association: AssociationId) {
        self.associations.entry(association).or_insert(self.future);
    }

    /// An association is gone.
    pub fn end(&mut self, association: AssociationId) {
        self.associations.remove(&association);
    }

    /// The settings of a socket that takes over an association of this one (accept, peel-off).
    #[must_use]
    pub fn hand_over(&mut self, association: AssociationId) -> Self {
        let own = self.associations.remove(&association).unwrap_or(self.future);
        let others = std::mem::replace(&mut self.associations, BTreeMap::from([(association, own)]));
        let mut other = self.clone();
        // As on Linux: what is divided is what a listener gets.
        other.has_divided_port |= std::mem::take(&mut other.divides_port);
        self.associations = others;
        other
    }

    /// Those of an association, or of those to come.
    pub fn of(&self, association: Option<AssociationId>) -> &Manner {
        association.and_then(|id| self.associations.get(&id)).unwrap_or(&self.future)
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, association: Option<AssociationId>) -> &mut Manner {
        match association {
            Some(id) => self.associations.entry(id).or_insert(self.future),
            None => &mut self.future,
        }
    }

    /// What the stack has to tell: also which associations a one-to-many socket has, whoever began them.
    pub fn notifications(&self, style: Style) -> Notifications {
        let own = if style == Style::OneToMany { Notifications::ASSOCIATION } else { Notifications::NONE };
        self.all_events().notifications() | own
    }

    /// What any association of the socket is subscribed to, or those to come.
    pub fn all_events(&self) -> Events {
        self.associations.values().fold(self.future.events, |all, one| all.union(one.events))
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            send: DefaultSend::default(),
            receive_context: 0,
            events: Events::default(),
            hb_interval: Duration::from_secs(30),
            fixed_path_mtu: 0,
            sack_frequency: None,
            expose_potentially_failed: 0,
        }
    }
}
