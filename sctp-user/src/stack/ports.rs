//! The ports of a stack, each on some of its addresses: who is bound where, and what is leased for that.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;
use sctp_core::endpoint::Bound;
use sctp_core::endpoint::bound::meet;

use super::error::Error;
use crate::driver::{Driver, LeaseError};

/// So many sockets divide what comes to a place at most: who listens there looks at them all.
const MOST_LISTENERS: usize = 1_024;

/// Names a binding; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BindingId(u64);

/// With whom a socket shares the port of its addresses. All that are bound there have to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// With sockets of this user, whatever number stands for one.
    pub user: u32,
    /// With sockets that do not listen (SO_REUSEADDR, as Linux has it).
    pub silent: bool,
    /// With sockets of which one listens (`SCTP_REUSE_PORT`; RFC 6458, 8.1.27).
    pub beside_listener: bool,
    /// With sockets that all may listen: what comes in is divided among them (SO_REUSEPORT, as Linux has it).
    pub divided: bool,
}

/// A port on some addresses: an SCTP endpoint (RFC 9260, 1.3). It lives as long as its socket, and as the associations that began
/// on it, which may outlive that: until they have ended, the driver must bring their packets.
#[derive(Debug)]
struct Binding {
    port: u16,
    bound: Bound,
    /// Taken off: packets may come there still.
    left: Vec<IpAddr>,
    sharing: Option<Sharing>,
    /// Its socket is there.
    open: bool,
    listening: bool,
    associations: usize,
}

/// What there is of one port at one place, that is an address, or the wildcard of a family.
#[derive(Debug)]
struct Place {
    address: IpAddr,
    /// Bindings in all: the lease lasts as long as there are some.
    bindings: usize,
    /// Those of them that have a socket.
    open: usize,
    /// Those that take associations.
    listening: usize,
    shares: Shares,
}

/// How many of those that are open at a place share it in each way.
#[derive(Debug, Default)]
struct Shares {
    /// Who share at all, and whose they are, unless they are of several users.
    sharers: usize,
    user: Option<u32>,
    silent: usize,
    beside_listener: usize,
    divided: usize,
}

/// All ports in use.
#[derive(Debug, Default)]
pub(super) struct Ports {
    bindings: FxHashMap<BindingId, Binding>,
    places: FxHashMap<u16, Vec<Place>>,
    /// Blocks of ports that were leased for sockets that did not bind one.
    ephemeral: Vec<RangeInclusive<u16>>,
    last: u64,
}

impl Ports {
    /// Takes `port`, or any if it is 0, on these addresses. `random` picks where the search starts.
    pub(super) fn bind(
        &mut self,
        driver: &mut dyn Driver,
        port: u16,
        bound: &Bound,
        sharing: Option<Sharing>,
        random: u16,
    ) -> Result<(BindingId, u16), Error> {
        let port = if port == 0 { self.ephemeral_port(driver, random)? } else { port };
        let places: Vec<_> = bound.places().collect();
        self.check_free(port, &places, sharing)?;
        self.lease(driver, port, &places)?;
        Ok((self.open(port, bound.clone(), sharing), port))
    }

    fn open(&mut self, port: u16, bound: Bound, sharing: Option<Sharing>) -> BindingId {
        bound.places().for_each(|place| self.enter(port, place, sharing));
        self.last += 1;
        let id = BindingId(self.last);
        let left = Vec::new();
        let binding = Binding { port, bound, left, sharing, open: true, listening: false, associations: 0 };
        self.bindings.insert(id, binding);
        id
    }

    /// The same addresses once more, for the socket that an association gets which began on `id`: accepted, or peeled off. As on
    /// Linux it has the port also when the socket that it comes from is closed.
    pub(super) fn split(&mut self, id: BindingId) -> Option<BindingId> {
        let binding = self.bindings.get_mut(&id)?;
        binding.associations -= 1;
        let (port, bound, sharing) = (binding.port, binding.bound.clone(), binding.sharing);
        let left = binding.left.clone();
        let own = self.open(port, bound, sharing);
        // The association may have what its socket had before.
        let places = self.places.get_mut(&port).into_iter().flatten();
        places.filter(|place| left.contains(&place.address)).for_each(|place| place.bindings += 1);
        self.bindings.get_mut(&own)?.left = left;
        self.begin_association(own);
        Some(own)
    }

    /// One more address.
    pub(super) fn add(
        &mut self,
        driver: &mut dyn Driver,
        id: BindingId,
        address: IpAddr,
    ) -> Result<(), Error> {
        let Some(binding) = self.bindings.get(&id).filter(|binding| !binding.bound.includes(address)) else {
            return Ok(());
        };
        let (port, sharing, listening) = (binding.port, binding.sharing, binding.listening);
        self.check_free(port, &[address], sharing)?;
        if listening {
            self.check_unheard(port, &[address], sharing)?;
        }
        self.lease(driver, port, &[address])?;
        self.enter(port, address, sharing);
        if let Some(place) = self.place(port, address) {
            place.listening += usize::from(listening);
        }
        if let Some(binding) = self.bindings.get_mut(&id) {
            binding.bound.add(address);
            // It has a place anew.
            if let Some(at) = binding.left.iter().position(|left| *left == address) {
                binding.left.swap_remove(at);
                self.leave(driver, port, &[address]);
            }
        }
        Ok(())
    }

    /// One less. Another socket may have it at once; the lease stays, since packets to it are taken until all peers know.
    pub(super) fn remove(&mut self, id: BindingId, address: IpAddr) {
        let Some(binding) = self.bindings.get_mut(&id) else { return };
        let before = binding.bound.clone();
        binding.bound.remove(address);
        if binding.bound != before {
            binding.left.push(address);
            let (port, sharing, listening) = (binding.port, binding.sharing, binding.listening);
            self.close_places(port, &[address], sharing, listening);
        }
    }

    /// Associations that come in are its socket's from now on.
    pub(super) fn listen(&mut self, id: BindingId) -> Result<(), Error> {
        let Some(binding) = self.bindings.get(&id).filter(|binding| !binding.listening) else {
            return Ok(());
        };
        let (port, places) = (binding.port, binding.bound.places().collect::<Vec<_>>());
        self.check_unheard(port, &places, binding.sharing)?;
        self.set_listening(id, true);
        Ok(())
    }

    pub(super) fn stop_listening(&mut self, id: BindingId) {
        if self.bindings.get(&id).is_some_and(|binding| binding.listening) {
            self.set_listening(id, false);
        }
    }

    fn set_listening(&mut self, id: BindingId, listening: bool) {
        let Some(binding) = self.bindings.get_mut(&id) else { return };
        binding.listening = listening;
        let places = self.places.entry(binding.port).or_default();
        for place in places.iter_mut().filter(|place| binding.bound.places().any(|it| it == place.address)) {
            if listening { place.listening += 1 } else { place.listening -= 1 }
        }
    }

    /// Its socket is closed.
    pub(super) fn close(&mut self, driver: &mut dyn Driver, id: BindingId) {
        if let Some(binding) = self.bindings.get_mut(&id)
            && std::mem::take(&mut binding.open)
        {
            let listening = std::mem::take(&mut binding.listening);
            let (port, sharing) = (binding.port, binding.sharing);
            let places = binding.bound.places().collect::<Vec<_>>();
            self.close_places(port, &places, sharing, listening);
        }
        self.release_if_unused(driver, id);
    }

    /// An association has begun there.
    pub(super) fn begin_association(&mut self, id: BindingId) {
        if let Some(binding) = self.bindings.get_mut(&id) {
            binding.associations += 1;
        }
    }

    /// An association is forgotten.
    pub(super) fn end_association(&mut self, driver: &mut dyn Driver, id: BindingId) {
        if let Some(binding) = self.bindings.get_mut(&id) {
            binding.associations -= 1;
        }
        self.release_if_unused(driver, id);
    }

    fn release_if_unused(&mut self, driver: &mut dyn Driver, id: BindingId) {
        let unused = |binding: &Binding| !binding.open && binding.associations == 0;
        if self.bindings.get(&id).is_some_and(unused)
            && let Some(Binding { port, bound, left, .. }) = self.bindings.remove(&id)
        {
            self.leave(driver, port, &bound.places().chain(left).collect::<Vec<_>>());
        }
    }

    /// Whether all who are bound there share with one who shares so.
    fn check_free(&self, port: u16, wanted: &[IpAddr], sharing: Option<Sharing>) -> Result<(), Error> {
        let mut met = self.places_of(port).iter().filter(|place| place.open > 0 && place.meets(wanted));
        if met.all(|place| place.takes(sharing)) { Ok(()) } else { Err(Error::PortInUse(port)) }
    }

    /// Whether nobody listens there, unless what comes in is divided.
    fn check_unheard(&self, port: u16, wanted: &[IpAddr], sharing: Option<Sharing>) -> Result<(), Error> {
        let heard = self.places_of(port).iter().filter(|place| place.listening > 0 && place.meets(wanted));
        let check = |place: &Place| match place.is_divided(sharing) {
            false => Err(Error::PortInUse(port)),
            true if place.listening >= MOST_LISTENERS => Err(Error::TooManyListeners(port)),
            true => Ok(()),
        };
        heard.into_iter().try_for_each(check)
    }

    /// Its socket shares otherwise from now on.
    pub(super) fn reshare(&mut self, id: BindingId, sharing: Option<Sharing>) {
        let Some(binding) = self.bindings.get_mut(&id).filter(|binding| binding.open) else { return };
        let before = std::mem::replace(&mut binding.sharing, sharing);
        let places = self.places.get_mut(&binding.port).into_iter().flatten();
        for place in places.filter(|place| binding.bound.places().any(|it| it == place.address)) {
            place.drop_share(before);
            place.add_share(sharing);
        }
    }

    /// Leases what is not leased yet: all of it, or nothing.
    fn lease(&self, driver: &mut dyn Driver, port: u16, wanted: &[IpAddr]) -> Result<(), Error> {
        let known = self.places_of(port);
        let is_new = |wanted: &IpAddr| !known.iter().any(|place| place.address == *wanted);
        let missing: Vec<_> = wanted.iter().copied().filter(is_new).collect();
        // Ports of the leased blocks are ours already.
        if !missing.is_empty() && !self.is_ephemeral(port) {
            driver.lease_port(port, &missing)?;
        }
        Ok(())
    }

    fn enter(&mut self, port: u16, address: IpAddr, sharing: Option<Sharing>) {
        if self.place(port, address).is_none() {
            let place = Place { address, bindings: 0, open: 0, listening: 0, shares: Shares::default() };
            self.places.entry(port).or_default().push(place);
        }
        if let Some(place) = self.place(port, address) {
            place.bindings += 1;
            place.add_share(sharing);
        }
    }

    /// A socket has these no more.
    fn close_places(&mut self, port: u16, addresses: &[IpAddr], sharing: Option<Sharing>, listening: bool) {
        for address in addresses {
            if let Some(place) = self.place(port, *address) {
                place.drop_share(sharing);
                place.listening -= usize::from(listening);
            }
        }
    }

    /// A binding has these no more: what nobody has is given back.
    fn leave(&mut self, driver: &mut dyn Driver, port: u16, addresses: &[IpAddr]) {
        let is_ephemeral = self.is_ephemeral(port);
        let Some(places) = self.places.get_mut(&port) else { return };
        for place in places.iter_mut().filter(|place| addresses.contains(&place.address)) {
            place.bindings -= 1;
        }
        let gone: Vec<_> = places.extract_if(.., |place| place.bindings == 0).map(|it| it.address).collect();
        if places.is_empty() {
            self.places.remove(&port);
        }
        if !gone.is_empty() && !is_ephemeral {
            driver.release_port(port, &gone);
        }
    }

    fn places_of(&self, port: u16) -> &[Place] {
        self.places.get(&port).map_or(&[], Vec::as_slice)
    }

    fn place(&mut self, port: u16, address: IpAddr) -> Option<&mut Place> {
        self.places.get_mut(&port)?.iter_mut().find(|place| place.address == address)
    }

    fn is_ephemeral(&self, port: u16) -> bool {
        self.ephemeral.iter().any(|block| block.contains(&port))
    }

    fn ephemeral_port(&mut self, driver: &mut dyn Driver, random: u16) -> Result<u16, Error> {
        // The latest block first: the earlier ones were full.
        if let Some(port) = self.ephemeral.iter().rev().find_map(|block| self.free_port(block, random)) {
            return Ok(port);
        }
        let block = driver.lease_ephemeral_ports()?;
        let port = self.free_port(&block, random);
        if !self.ephemeral.contains(&block) {
            self.ephemeral.push(block);
        }
        port.ok_or_else(|| LeaseError::Exhausted.into())
    }

    /// One that nobody has, on no address.
    fn free_port(&self, block: &RangeInclusive<u16>, random: u16) -> Option<u16> {
        let count = block.end() - block.start() + 1;
        let first = random % count;
        (0..count)
            .map(|step| block.start() + (first as u32 + u32::from(step)).rem_euclid(u32::from(count)) as u16)
            .find(|port| !self.places.contains_key(port))
    }
}

impl Shares {
    fn count(&mut self, sharing: Sharing, change: impl Fn(&mut usize)) {
        let ways = [
            (true, &mut self.sharers),
            (sharing.silent, &mut self.silent),
            (sharing.beside_listener, &mut self.beside_listener),
            (sharing.divided, &mut self.divided),
        ];
        ways.into_iter().filter(|(shares, _)| *shares).for_each(|(_, count)| change(count));
    }
}

impl Place {
    fn meets(&self, wanted: &[IpAddr]) -> bool {
        wanted.iter().any(|wanted| meet(self.address, *wanted))
    }

    /// One more that is open here.
    fn add_share(&mut self, sharing: Option<Sharing>) {
        self.open += 1;
        if let Some(sharing) = sharing {
            let is_same = self.shares.sharers == 0 || self.shares.user == Some(sharing.user);
            self.shares.user = is_same.then_some(sharing.user);
            self.shares.count(sharing, |count| *count += 1);
        }
    }

    /// One less.
    fn drop_share(&mut self, sharing: Option<Sharing>) {
        self.open -= 1;
        if let Some(sharing) = sharing {
            self.shares.count(sharing, |count| *count -= 1);
        }
    }

    /// What all that are open here agree on with one who shares so.
    fn common(&self, sharing: Option<Sharing>) -> Option<Sharing> {
        let one = sharing.filter(|sharing| self.shares.user == Some(sharing.user))?;
        let all = |count| count == self.open;
        let beside_listener = one.beside_listener && all(self.shares.beside_listener);
        let silent = one.silent && all(self.shares.silent);
        Some(Sharing { silent, beside_listener, divided: one.divided && all(self.shares.divided), ..one })
    }

    /// Whether one more who shares so may be bound here.
    fn takes(&self, sharing: Option<Sharing>) -> bool {
        let takes = |it: Sharing| it.divided || it.beside_listener || (it.silent && self.listening == 0);
        self.common(sharing).is_some_and(takes)
    }

    /// Whether one who shares so may listen beside those who do.
    fn is_divided(&self, sharing: Option<Sharing>) -> bool {
        self.common(sharing).is_some_and(|it| it.divided)
    }
}

#[cfg(test)]
mod tests;
