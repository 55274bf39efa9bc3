//! Who takes associations, on which ports of which addresses.

use super::Endpoint;
use super::bound::{Bound, meet, wildcard_of};
use super::demux::KeyedState;
use crate::config::AssociationConfig;
use crate::error::{CommandError, ListenError};
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::path::Thresholds;
use core::hash::BuildHasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Names one that listens; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

/// How a port is listened on.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Addresses that are bound, as [`Bound`] has them; empty: all of the endpoint's.
    pub addresses: Vec<IpAddr>,
    /// `None` (one-to-many style): associations are up at once. `Some(n)` (one-to-one style): they
    /// wait for [`Endpoint::accept`]; a COOKIE ECHO that finds `n` of them waiting gets ABORT.
    pub backlog: Option<usize>,
    /// Others that say the same may listen on the same addresses. What comes in is divided among them by the address and port
    /// that the peer sends from (SO_REUSEPORT, as Linux has it).
    pub divided: bool,
    /// Parameters of the associations that come in.
    pub config: AssociationConfig,
}

/// One that takes associations.
#[derive(Debug)]
pub(super) struct Listener {
    port: u16,
    bound: Bound,
    pub(super) config: Arc<AssociationConfig>,
    backlog: Option<usize>,
    divided: bool,
    /// Associations that nobody has accepted yet.
    waiting: VecDeque<AssociationId>,
}

impl Listener {
    fn new(port: u16, options: ListenOptions) -> Self {
        let ListenOptions { addresses, backlog, divided, config } = options;
        let bound = Bound::new(&addresses);
        Self { port, bound, config: Arc::new(config), backlog, divided, waiting: VecDeque::new() }
    }

    /// Addresses that it listens on.
    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The parameters of an association that was offered these extensions.
    pub(super) fn config_offering(&self, extensions: Extensions) -> Arc<AssociationConfig> {
        if self.config.extensions == extensions {
            return Arc::clone(&self.config);
        }
        Arc::new(AssociationConfig { extensions, ..AssociationConfig::clone(&self.config) })
    }

    /// Whether one more association may wait.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_none_or(|backlog| self.waiting.len() < backlog)
    }

    /// A new association: it waits if the port has a backlog.
    pub(super) fn admit(&mut self, id: AssociationId) {
        if self.backlog.is_some() {
            self.waiting.push_back(id);
        }
    }

    /// The one that has waited longest.
    pub(super) fn accept(&mut self) -> Option<AssociationId> {
        self.waiting.pop_front()
    }

    /// An association that nobody will accept any more.
    pub(super) fn forget(&mut self, id: AssociationId) {
        self.waiting.retain(|&waiting| waiting != id);
    }
}

/// All that listen.
#[derive(Debug)]
pub(super) struct Listeners {
    all: FxHashMap<ListenerId, Listener>,
    /// By port and address, or the wildcard of a family: one, or several that divide what comes in.
    places: BTreeMap<(u16, IpAddr), SmallVec<[ListenerId; 1]>>,
    /// Which of several a peer gets is nothing that it can choose.
    keyed: KeyedState,
    last: u64,
}

impl Listeners {
    pub(super) fn new(keyed: KeyedState) -> Self {
        Self { all: FxHashMap::default(), places: BTreeMap::new(), keyed, last: 0 }
    }

    /// Who takes associations that come to `local` from this address and port; one of the port if the driver does not know to
    /// where they came.
    pub(super) fn find(
        &self,
        port: u16,
        local: Option<IpAddr>,
        from: (IpAddr, u16),
    ) -> Option<(ListenerId, &Listener)> {
        let at = |address| self.places.get(&(port, address));
        let group = match local {
            Some(local) => at(local).or_else(|| at(wildcard_of(local)))?,
            None => self.at_port(port).next()?.1,
        };
        let place = match group.len() {
            0 | 1 => 0,
            count => self.keyed.hash_one(from) % count as u64,
        };
        let id = *group.get(place as usize)?;
        Some((id, self.all.get(&id)?))
    }

    pub(super) fn get_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.all.get_mut(&id)
    }

    fn insert(&mut self, listener: Listener) -> Result<ListenerId, ListenError> {
        let Listener { port, divided, ref bound, .. } = listener;
        self.check_free(port, bound, divided, None)?;
        self.last += 1;
        let id = ListenerId(self.last);
        self.enter(id, port, bound);
        self.all.insert(id, listener);
        Ok(id)
    }

    fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        let listener = self.all.remove(&id)?;
        self.leave(id, listener.port, &listener.bound);
        Some(listener)
    }

    /// Changes the addresses of one that listens.
    pub(super) fn rebind(&mut self, id: ListenerId, bound: Bound) -> Result<(), ListenError> {
        let Some(&Listener { port, divided, .. }) = self.all.get(&id) else { return Ok(()) };
        self.check_free(port, &bound, divided, Some(id))?;
        self.enter(id, port, &bound);
        let before =
            self.all.get_mut(&id).map(|listener| core::mem::replace(&mut listener.bound, bound.clone()));
        let left =
            before.iter().flat_map(Bound::places).filter(|place| !bound.places().any(|it| it == *place));
        left.for_each(|place| self.leave_place(id, port, place));
        Ok(())
    }

    fn enter(&mut self, id: ListenerId, port: u16, bound: &Bound) {
        for place in bound.places() {
            let group = self.places.entry((port, place)).or_default();
            if !group.contains(&id) {
                group.push(id);
            }
        }
    }

    fn leave(&mut self, id: ListenerId, port: u16, bound: &Bound) {
        bound.places().for_each(|place| self.leave_place(id, port, place));
    }

    fn leave_place(&mut self, id: ListenerId, port: u16, place: IpAddr) {
        let Some(group) = self.places.get_mut(&(port, place)) else { return };
        group.retain(|it| *it != id);
        if group.is_empty() {
            self.places.remove(&(port, place));
        }
    }

    fn at_place(&self, port: u16, place: IpAddr) -> &[ListenerId] {
        self.places.get(&(port, place)).map_or(&[], SmallVec::as_slice)
    }

    fn at_port(&self, port: u16) -> impl Iterator<Item = (IpAddr, &SmallVec<[ListenerId; 1]>)> {
        self.places.range((port, FIRST)..=(port, LAST)).map(|(&(_, place), group)| (place, group))
    }

    /// Whether nobody but `own` listens on any of these addresses, unless all divide what comes in.
    fn check_free(
        &self,
        port: u16,
        bound: &Bound,
        divided: bool,
        own: Option<ListenerId>,
    ) -> Result<(), ListenError> {
        let met = self.at_port(port).filter(|(place, _)| bound.places().any(|wanted| meet(wanted, *place)));
        // Those of one place agree.
        let other = |group: &SmallVec<[ListenerId; 1]>| group.iter().copied().find(|id| Some(*id) != own);
        let takes = |id| divided && self.all.get(&id).is_some_and(|listener| listener.divided);
        let is_free = met.into_iter().filter_map(|(_, group)| other(group)).all(takes);
        if is_free { Ok(()) } else { Err(ListenError::PortInUse(port)) }
    }
}

/// The first address of all, and the last one.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const LAST: IpAddr = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));

impl Endpoint {
    /// Takes associations on `port` from now on. Others may listen on the same port of other addresses, or
    /// [divide](ListenOptions::divided) what comes in.
    /// RFC 9260, 1.3.
    ///
    /// # Errors
    /// [`ListenError`] says what is wrong; [`ListenError::PortInUse`] if somebody listens on one of the addresses.
    pub fn listen(&mut self, port: u16, options: ListenOptions) -> Result<ListenerId, ListenError> {
        if port == 0 {
            return Err(ListenError::InvalidPort);
        }
        Thresholds::of(&options.config).check()?;
        let options = ListenOptions { config: self.offerable(options.config), ..options };
        self.listeners.insert(Listener::new(port, options))
    }

    /// Who listens on `port` of this very address, or wildcard.
    pub fn listeners_at(&self, port: u16, address: IpAddr) -> &[ListenerId] {
        self.listeners.at_place(port, address)
    }

    /// Changes how many may wait, as [`ListenOptions::backlog`] has it; those that wait already stay.
    pub fn set_backlog(&mut self, id: ListenerId, backlog: Option<usize>) {
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.backlog = backlog;
        }
    }

    /// Changes the parameters of associations that come in from now on; those that wait to be accepted keep theirs.
    /// One that listens no more has none.
    ///
    /// # Errors
    /// [`CommandError::Thresholds`]: they do not fit together, and nothing is changed.
    pub fn update_listener(
        &mut self,
        id: ListenerId,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<(), CommandError> {
        let Some(listener) = self.listeners.get_mut(id) else { return Ok(()) };
        let mut changed = AssociationConfig::clone(&listener.config);
        change(&mut changed);
        Thresholds::of(&changed).check()?;
        let changed = Arc::new(self.offerable(changed));
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.config = changed;
        }
        Ok(())
    }

    /// Takes no more associations; those that nobody has accepted are aborted.
    pub fn close_listener(&mut self, id: ListenerId) {
        let Some(mut listener) = self.listeners.remove(id) else { return };
        while let Some(id) = listener.accept() {
            self.release(id);
        }
    }

    /// The association that has waited longest, of one that listens with a backlog. One that has ended in the meantime waits as
    /// others do: who accepts it is told what became of it.
    pub fn accept(&mut self, id: ListenerId) -> Option<AssociationId> {
        self.listeners.get_mut(id)?.accept()
    }
}
