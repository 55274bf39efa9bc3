//! What a stack tells of itself.

use std::io;
use std::sync::{Arc, Weak};

use sctp_core::event::AssociationId;
use sctp_core::time::Time;

use super::builder::Transport;
use super::error::Error;
use super::lead::Shared;
use super::mailbox::SocketKind;
use super::state::State;
use super::{Handle, Stack};
use crate::statistics::{AssociationReport, EndpointReport, Line, Server, StackReport, UserReport};

/// Associations that are looked at under one lock.
const AT_ONCE: usize = 64;

impl Stack {
    /// The stack, with the general statistics of RFC 3873.
    pub fn statistics(&self) -> StackReport {
        let Handle { transport, udp_port, .. } = *self.handle;
        self.shared().report(transport, udp_port)
    }

    /// All sockets that take associations.
    pub fn endpoints(&self) -> Vec<EndpointReport> {
        self.shared().with(|state, _| state.endpoints())
    }

    /// All associations, in no order.
    pub fn associations(&self) -> Vec<AssociationReport> {
        let mut reports = Vec::new();
        // The closure never fails.
        let _ = self.shared().each_association(&mut |report| {
            reports.push(report);
            Ok(())
        });
        reports
    }
}

impl Shared {
    fn report(&self, transport: Transport, udp_port: u16) -> StackReport {
        self.with(|state, now| StackReport {
            pid: std::process::id(),
            transport: transport.name().into(),
            udp_port,
            addresses: state.engine.driver.local_addresses(),
            uptime_ms: u64::try_from(now.since(Time::ZERO).as_millis()).unwrap_or(u64::MAX),
            associations: state.registry.links.len(),
            statistics: state.engine.endpoint.stats().into(),
        })
    }

    /// Hands each association to `take`, without keeping the lock for long.
    fn each_association(&self, take: &mut dyn FnMut(AssociationReport) -> io::Result<()>) -> io::Result<()> {
        let ids: Vec<AssociationId> = self.with(|state, _| state.registry.links.keys().copied().collect());
        for some in ids.chunks(AT_ONCE) {
            let reports: Vec<_> = self.with(|state, now| {
                let association = |id: &AssociationId| Some((id.to_bits(), state.association(*id).ok()?));
                let found = some.iter().filter_map(association);
                found.map(|(id, association)| AssociationReport::new(id, now, association)).collect()
            });
            reports.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    }
}

impl State {
    fn endpoints(&self) -> Vec<EndpointReport> {
        let listening = self.registry.sockets.values().filter(|mailbox| mailbox.listener.is_some());
        listening
            .map(|mailbox| EndpointReport {
                port: mailbox.port,
                addresses: mailbox.bound.addresses().to_vec(),
                style: match mailbox.kind {
                    SocketKind::OneToMany => "one-to-many".into(),
                    SocketKind::Listener | SocketKind::OneToOne => "one-to-one".into(),
                },
                waiting: mailbox.acceptable,
            })
            .collect()
    }
}

/// Tells what users hold.
pub(super) type TellUsers = Box<dyn Fn() -> Vec<UserReport> + Send>;

/// Serves the statistics socket of a stack for as long as the stack lives.
pub(super) fn serve(
    shared: &Arc<Shared>,
    transport: Transport,
    udp_port: u16,
    users: Option<TellUsers>,
) -> Result<Server, Error> {
    let shared = Arc::downgrade(shared);
    let tell = move |write: &mut dyn FnMut(&Line) -> io::Result<()>| {
        let Some(shared) = Weak::upgrade(&shared) else { return Ok(false) };
        write(&Line::Stack(Box::new(shared.report(transport, udp_port))))?;
        let endpoints = shared.with(|state, _| state.endpoints());
        endpoints.into_iter().try_for_each(|endpoint| write(&Line::Endpoint(endpoint)))?;
        shared.each_association(&mut |report| write(&Line::Association(Box::new(report))))?;
        let users = users.as_ref().map(|tell| tell()).unwrap_or_default();
        users.into_iter().try_for_each(|report| write(&Line::User(report)))?;
        Ok(true)
    };
    Server::start(rand::random(), Box::new(tell)).map_err(Error::system("open the statistics socket"))
}
