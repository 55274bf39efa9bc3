//! A second address of ours behind a NAT, or a third one: each interface may have a NAT of its own (RFC 6951, 5.7).
//!
//! Such an association begins with one address; nobody knows the outer address of another one. "Add the source of this
//! packet" (RFC 5061, 4.2.1) leaves from there, alone (5.3 F1). Where that way does not lead to the peer, the request may not be
//! taken back, for those behind it would wait for ever (5.2 E5): it leaves from where everything does, says nothing new
//! there, and the address counts as refused.

use super::super::Association;
use super::super::setup::rto;
use super::{Asconf, Change};
use crate::endpoint::scope::hidden_source;
use crate::path::{Path, PathId};
use crate::time::Time;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// So often a request is sent from the address that it adds.
const MAX_TRIES: u8 = 4;

/// How an ASCONF leaves that adds its own source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    from: IpAddr,
    /// Times that it was sent from there without an answer.
    tries: u8,
}

impl Way {
    /// The way of an ASCONF with these changes, if it is one of its own.
    pub(super) fn of(changes: &[Change]) -> Option<Self> {
        changes.iter().find_map(|change| match *change {
            Change::AddFrom(from) => Some(Self { from, tries: 0 }),
            _ => None,
        })
    }

    /// T4 expired. How long to wait for the next answer, from an RTO that says nothing of this way; `None`: it is given up.
    pub(super) fn try_again(&mut self, rto: Duration) -> Option<Duration> {
        self.tries += 1;
        (self.tries < MAX_TRIES).then(|| rto * (1 << self.tries))
    }

    /// Whether it has been given up.
    pub(super) fn is_given_up(&self) -> bool {
        self.tries >= MAX_TRIES
    }
}

impl Asconf {
    /// Takes the next change whose ASCONF leaves from a place of its own.
    pub(super) fn take_addition_from(&mut self) -> Option<Change> {
        let place = self.waiting.iter().position(|change| matches!(change, Change::AddFrom(_)))?;
        Some(self.waiting.remove(place))
    }
}

impl Association {
    /// Where the ASCONF that is due on a path leaves from, if not from where everything does.
    pub(in super::super) fn source_of_asconf(&self, id: PathId) -> Option<IpAddr> {
        let outstanding = self.asconf.as_ref()?.outstanding.as_ref()?;
        let way = outstanding.way.filter(|way| !way.is_given_up())?;
        (outstanding.due && outstanding.path == id).then_some(way.from)
    }

    /// The path on which a request leaves from `address`: it need not be the one that will have that source.
    pub(super) fn path_from(&self, address: IpAddr) -> Option<PathId> {
        let reachable = |path: &&Path| path.address.remote.is_ipv4() == address.is_ipv4();
        let data_path = self.data_path();
        let paths = self.paths.iter().filter(reachable);
        paths.min_by_key(|path| (!self.is_verified(path.id), path.id == data_path)).map(|path| path.id)
    }

    /// T4 expired: whether that was on a way of its own, which says nothing of the paths (5.1 B1).
    pub(super) fn try_way_again(&mut self, now: Time) -> bool {
        let data_path = self.data_path();
        let Some(outstanding) = self.asconf.as_mut().and_then(|asconf| asconf.outstanding.as_mut()) else {
            return false;
        };
        let Some(way) = outstanding.way.as_mut().filter(|way| !way.is_given_up()) else { return false };
        let rto = rto(&self.paths, outstanding.path);
        let wait = way.try_again(rto).unwrap_or_else(|| {
            outstanding.path = data_path;
            rto
        });
        (outstanding.due, outstanding.t4) = (true, now + wait);
        true
    }

    /// The peer knows no address of ours any more but that which packets on `path` come from.
    pub(super) fn add_others_again(&mut self, path: PathId) {
        let source = self.paths.get(path).and_then(|path| path.address.local);
        let Some(source) = source.filter(|source| self.local_addresses.contains(source)) else { return };
        let others: Vec<_> = self.local_addresses.extract_if(.., |local| *local != source).collect();
        for path in
            self.paths.iter_mut().filter(|path| path.address.local.is_some_and(|it| others.contains(&it)))
        {
            path.address.local = Some(source);
        }
        let Some(asconf) = &mut self.asconf else { return };
        others.into_iter().for_each(|other| asconf.wait_with(Change::AddFrom(other)));
    }

    /// Each path leaves from an address that the peer knows the outside of. What ours reach by themselves says nothing: a NAT
    /// is in between.
    pub(super) fn keep_hidden_sources(&mut self) {
        let known = &self.local_addresses;
        for path in self.paths.iter_mut() {
            let source = path.address.local.filter(|local| known.contains(local));
            path.address.local = source.or_else(|| hidden_source(known, path.address.remote));
        }
    }

    /// `address` is ours from now on: a path that shares its source with another one leaves from there.
    pub(super) fn spread_sources(&mut self, address: IpAddr) {
        let data_path = self.data_path();
        let shares = |path: &&Path| {
            let is_other = |other: &Path| other.id != path.id && other.address.local == path.address.local;
            path.id != data_path
                && path.address.remote.is_ipv4() == address.is_ipv4()
                && self.paths.iter().any(is_other)
        };
        let Some(id) = self.paths.iter().find(shares).map(|path| path.id) else { return };
        if let Some(path) = self.paths.get_mut(id) {
            path.address.local = Some(address);
        }
    }
}

/// The wildcard of an address's family.
pub(super) fn wildcard_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
