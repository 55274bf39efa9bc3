//! Many elements at one registrar.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use rserpool::driver::{PoolElementOptions, Registration};
use rserpool::pool_element::PoolElementEvent;
use rserpool::wire::{Transport as UserTransport, TransportUse};
use rserpool::{PeId, Profile};
use socketapi::Stack;

use crate::ground::{Ground, THEIR_PROGRAMS, asap_at};

/// So many are more than a message of a table holds, and less than two do.
pub(crate) const MANY: u32 = 32;

/// Elements on RSPLIB's host, all of one stack of ours in this process. Nobody serves there: they are only registered.
pub(crate) struct Crowd {
    stack: Stack,
    registrar: SocketAddr,
    members: BTreeMap<u32, Registration>,
}

impl Crowd {
    pub(crate) fn new(ground: &Ground, registrar: &str) -> Self {
        let stack = ground.stack_beside_theirs(THEIR_PROGRAMS[0]);
        Self { stack, registrar: asap_at(registrar), members: BTreeMap::new() }
    }

    /// Who is there.
    pub(crate) fn ids(&self) -> BTreeSet<u32> {
        self.members.keys().copied().collect()
    }

    /// These come, the element 0 with identifier 0x1000 and so on.
    pub(crate) fn join(&mut self, which: Range<u32>) {
        let new: Vec<_> = which.map(|number| 0x1000 + number).map(|id| (id, self.register(id))).collect();
        for (id, member) in &new {
            let event = member.next_event(Some(in_time()));
            assert!(matches!(event, Ok(PoolElementEvent::Registered)), "{id:#x}: {event:?}");
        }
        self.members.extend(new);
    }

    fn register(&self, id: u32) -> Registration {
        let registrars = vec![self.registrar.into()];
        let mut options = PoolElementOptions::new("EchoPool".into(), registrars, Profile::Rsplib);
        options.config.id = PeId(id);
        let at = UserTransport::sctp(id as u16, self.stack.local_addresses(), TransportUse::DataAndControl);
        let started = Registration::start(&self.stack, &options, at);
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    /// These leave.
    pub(crate) fn leave(&mut self, which: Range<u32>) {
        for id in which.map(|number| 0x1000 + number) {
            let member = self.members.remove(&id).expect("it had come");
            assert_eq!(member.deregister(Some(in_time())).ok(), Some(true), "{id:#x}");
        }
    }
}

/// Longer than a registrar takes to answer.
fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(120)
}
