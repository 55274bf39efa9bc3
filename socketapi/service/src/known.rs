//! What is remembered of associations: programs read notifications and messages of those that have ended, too.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sctp_core::association::Association;
use sctp_core::event::AssociationId;
use sctp_user::stack::{Notification, Socket};

/// Of one association.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// The peer's primary address, and its port.
    pub(crate) peer: SocketAddr,
    /// Our address on the way to that.
    pub(crate) local: Option<IpAddr>,
    /// The set-up was over: what is lost is an association.
    pub(crate) was_up: bool,
    /// Streams that we may send on, and that the peer may.
    pub(crate) streams: (u16, u16),
}

/// Of all associations of a socket, as long as they live and are read.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    associations: BTreeMap<AssociationId, Known>,
}

const NOTHING: Known = Known {
    peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    local: None,
    was_up: false,
    streams: (0, 0),
};

impl Memory {
    /// An association begins.
    pub(crate) fn begin(&mut self, socket: &Socket, id: AssociationId) {
        self.associations.entry(id).or_insert(NOTHING);
        self.recall(socket, id);
    }

    /// What is known, brought up to date if the association still lives. Nothing more is remembered of one that was forgotten.
    pub(crate) fn recall(&mut self, socket: &Socket, id: AssociationId) -> Known {
        let Some(known) = self.associations.get_mut(&id) else { return NOTHING };
        let look = |association: &Association| {
            let all = association.local_addresses();
            let primary = association.paths().get(association.paths().primary());
            if let Some(path) = primary {
                let remote = path.address.remote;
                let suits = |address: &&IpAddr| address.is_ipv4() == remote.is_ipv4();
                known.peer = SocketAddr::new(remote, association.peer_port());
                known.local = path.address.local.or_else(|| all.iter().find(suits).copied());
            }
            known.streams = (association.outbound_streams(), association.inbound_streams());
        };
        // What has ended is remembered as it was.
        let _ = socket.association(Some(id), look);
        *known
    }

    /// It is up, though nobody was told.
    pub(crate) fn set_up(&mut self, socket: &Socket, id: AssociationId) {
        self.associations.entry(id).or_insert(NOTHING).was_up = true;
        self.recall(socket, id);
    }

    /// Notes what a notification tells, before it is shown.
    pub(crate) fn note(&mut self, id: AssociationId, notification: &Notification) {
        if let Notification::CommunicationUp { .. } = notification {
            self.associations.entry(id).or_insert(NOTHING).was_up = true;
        }
    }

    /// The association is over, and everything of it has been taken out.
    pub(crate) fn forget(&mut self, id: AssociationId) {
        self.associations.remove(&id);
    }

    /// All associations.
    pub(crate) fn associations(&self) -> impl Iterator<Item = AssociationId> + '_ {
        self.associations.keys().copied()
    }

    /// Whether there is no association.
    pub(crate) fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    /// Forgets all.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = AssociationId> + use<> {
        std::mem::take(&mut self.associations).into_keys()
    }

    /// It goes to another socket.
    pub(crate) fn split_off(&mut self, id: AssociationId) -> Self {
        Self { associations: self.associations.remove(&id).map(|known| (id, known)).into_iter().collect() }
    }
}
