//! What registrars, pool elements and pool users tell a monitor of themselves (CSP).

use std::net::SocketAddr;

use socketapi::Time;

use super::reporter::{Component, ComponentState};
use super::{PoolElement, PoolUser, Registrar};
use crate::RegistrarId;
use crate::csp::{ComponentAssociation, ComponentId, Workload};
use crate::registrar;
use crate::wire::{ASAP_PPID, ENRP_PPID, Policy, PolicyField};

/// The number of SCTP among IP's protocols.
const SCTP: u16 = 132;

fn association(receiver: impl Into<ComponentId>, since: Time, now: Time, ppid: u32) -> ComponentAssociation {
    let (receiver, duration) = (receiver.into(), Some(now.since(since)));
    ComponentAssociation { receiver, duration, flags: 0, protocol: SCTP, ppid }
}

/// With its registrar, if there is one.
fn home(home: Option<(RegistrarId, Time)>, now: Time) -> Vec<ComponentAssociation> {
    home.map(|(id, since)| association(id, since, now, ASAP_PPID)).into_iter().collect()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Component for Registrar {
    fn component_id(&self) -> ComponentId {
        self.inspect(|machine| machine.config().id.into())
    }

    fn state(&self) -> ComponentState {
        self.look(|machine, addresses, now| ComponentState {
            addresses,
            status: describe(machine),
            workload: None,
            associations: machine
                .linked_peers()
                .map(|(id, since)| association(id, since, now, ENRP_PPID))
                .collect(),
        })
    }
}

/// All elements, and how many of them are its own.
fn describe(machine: &registrar::Registrar) -> String {
    let handlespace = machine.handlespace();
    let own = handlespace.count_of(machine.config().id);
    let (pools, peers) = (count(handlespace.pools().count(), "Pool"), count(machine.peers().count(), "Peer"));
    format!("{}[{own}] PEs in {pools}, {peers}", handlespace.len())
}

impl Component for PoolElement {
    fn component_id(&self) -> ComponentId {
        self.id().into()
    }

    fn state(&self) -> ComponentState {
        let (policy, associations) =
            self.registration().look(|machine, now| (machine.config().policy, home(machine.home(), now)));
        ComponentState {
            addresses: self.local_addrs(),
            status: count(self.sessions(), "Session"),
            workload: workload(&policy),
            associations,
        }
    }
}

/// The load that the element's policy tells the registrar, if it does.
fn workload(policy: &Policy) -> Option<Workload> {
    policy
        .policy_type
        .fields()
        .contains(&PolicyField::Load)
        .then(|| Workload::from_fraction(f64::from(policy.field(PolicyField::Load)) / f64::from(u32::MAX)))
}

impl Component for PoolUser {
    fn component_id(&self) -> ComponentId {
        self.component
    }

    fn state(&self) -> ComponentState {
        self.look(|machine, addresses, now| {
            let sessions = machine.serving().map(|(id, since, ppid)| association(id, since, now, ppid));
            let associations: Vec<_> = home(machine.home(), now).into_iter().chain(sessions).collect();
            let addresses = addresses.iter().map(|address| SocketAddr::new(address.ip(), 0)).collect();
            let status = count(machine.serving().count(), "Session");
            ComponentState { addresses, status, workload: None, associations }
        })
    }
}
