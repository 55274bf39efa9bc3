//! What a monitor is told of a load program (CSP).

use std::net::SocketAddr;
use std::time::Instant;

use parking_lot::Mutex;
use rserpool::RegistrarId;
use rserpool::csp::{ComponentAssociation, ComponentId, Group};
use rserpool::driver::{Component, ComponentState};
use rserpool::wire::ASAP_PPID;

/// The number of SCTP among IP's protocols.
const SCTP: u16 = 132;

/// A load program as a monitor sees it: a pool user with many associations, whoever it poses as.
pub struct Watched {
    id: ComponentId,
    addresses: Vec<SocketAddr>,
    since: Instant,
    associations: usize,
    status: Mutex<String>,
}

impl Watched {
    pub(super) fn new(addresses: Vec<SocketAddr>, associations: usize) -> Self {
        let id = ComponentId::new(Group::PoolUser, rand::random());
        Self { id, addresses, since: Instant::now(), associations, status: Mutex::default() }
    }

    pub(super) fn say(&self, status: String) {
        *self.status.lock() = status;
    }
}

impl Component for Watched {
    fn component_id(&self) -> ComponentId {
        self.id
    }

    fn state(&self) -> ComponentState {
        let association = ComponentAssociation {
            // Who it is it does not say before there is an element to keep alive.
            receiver: RegistrarId::NONE.into(),
            duration: Some(self.since.elapsed()),
            flags: 0,
            protocol: SCTP,
            ppid: ASAP_PPID,
        };
        ComponentState {
            addresses: self.addresses.clone(),
            status: self.status.lock().clone(),
            workload: None,
            associations: vec![association; self.associations],
        }
    }
}
