//! What monitors are told (CSP) of programs that are made of associations of their own: load, attacks, dumps.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rserpool::RegistrarId;
use rserpool::csp::{ComponentAssociation, ComponentId, Group};
use rserpool::driver::{Component, ComponentState};
use socketapi::Stack;

/// The number of SCTP among IP's protocols.
const SCTP: u16 = 132;

/// Such a program as a monitor sees it: a pool user with associations with a registrar, whoever it poses as.
pub struct Watched {
    id: ComponentId,
    addresses: Vec<SocketAddr>,
    ppid: u32,
    since: Instant,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    status: String,
    associations: usize,
}

impl Watched {
    /// One that speaks this protocol over its associations.
    pub fn new(stack: &Stack, ppid: u32) -> Arc<Self> {
        let addresses = stack.local_addresses().iter().map(|address| SocketAddr::new(*address, 0)).collect();
        let (id, since) = (ComponentId::new(Group::PoolUser, rand::random()), Instant::now());
        Arc::new(Self { id, addresses, ppid, since, said: Mutex::default() })
    }

    /// What it does now, and how many associations it has.
    pub fn say(&self, status: impl Into<String>, associations: usize) {
        *self.said.lock() = Said { status: status.into(), associations };
    }
}

impl Component for Watched {
    fn component_id(&self) -> ComponentId {
        self.id
    }

    fn state(&self) -> ComponentState {
        let association = ComponentAssociation {
            // Not every registrar says who it is.
            receiver: RegistrarId::NONE.into(),
            duration: Some(self.since.elapsed()),
            flags: 0,
            protocol: SCTP,
            ppid: self.ppid,
        };
        let said = self.said.lock();
        ComponentState {
            addresses: self.addresses.clone(),
            status: said.status.clone(),
            workload: None,
            associations: vec![association; said.associations],
        }
    }
}
