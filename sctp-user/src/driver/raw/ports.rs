//! The SCTP ports that a stack has leased.

use std::{net::IpAddr, ops::RangeInclusive};

use rustc_hash::FxHashMap;
use sctp_core::endpoint::bound::meet;
use smallvec::SmallVec;

use crate::broker::Lease;

/// Ports, each for one address or for all of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortSet {
    /// Blocks of ports: few.
    blocks: Vec<Lease>,
    /// For each other port, on which address.
    ports: FxHashMap<u16, SmallVec<[Option<IpAddr>; 2]>>,
    /// How many of these are of one address.
    addressed: usize,
}

impl PortSet {
    pub(crate) fn insert(&mut self, lease: Lease) {
        let (first, last) = (*lease.ports.start(), *lease.ports.end());
        if first != last {
            return self.blocks.push(lease);
        }
        self.addressed += usize::from(is_addressed(&lease));
        self.ports.entry(first).or_default().push(lease.address);
    }

    pub(crate) fn remove(&mut self, lease: &Lease) {
        let port = *lease.ports.start();
        if let Some(index) = self.blocks.iter().position(|held| held == lease) {
            self.blocks.swap_remove(index);
        } else if let Some(addresses) = self.ports.get_mut(&port)
            && let Some(index) = addresses.iter().position(|held| *held == lease.address)
        {
            addresses.swap_remove(index);
            self.addressed -= usize::from(is_addressed(lease));
            if addresses.is_empty() {
                self.ports.remove(&port);
            }
        }
    }

    /// Whether packets to this address and port are ours. An unknown address counts as ours.
    pub(crate) fn covers(&self, address: Option<IpAddr>, port: u16) -> bool {
        let meets = |held: &Option<IpAddr>| held.zip(address).is_none_or(|(held, to)| meet(held, to));
        let held = self.ports.get(&port).is_some_and(|addresses| addresses.iter().any(meets));
        held || self.blocks.iter().any(|block| block.ports.contains(&port) && meets(&block.address))
    }

    /// Whether some port is ours on some addresses of a family only, so that a filter on ports is not enough.
    pub(crate) fn is_per_address(&self) -> bool {
        self.addressed > 0
    }

    /// All ports that are ours on some address of a family, sorted, without overlaps.
    pub(crate) fn ranges(&self, v4: bool) -> Vec<RangeInclusive<u16>> {
        let is_of = |address: &Option<IpAddr>| address.is_none_or(|address| address.is_ipv4() == v4);
        let ports = self.ports.iter().filter(|(_, addresses)| addresses.iter().any(is_of));
        let blocks = self.blocks.iter().filter(|block| is_of(&block.address));
        merge(ports.map(|(&port, _)| port..=port).chain(blocks.map(|block| block.ports.clone())))
    }
}

/// Whether a lease is of one address.
fn is_addressed(lease: &Lease) -> bool {
    lease.address.is_some_and(|address| !address.is_unspecified())
}

/// Sorts ranges and joins those that touch.
pub(crate) fn merge(ranges: impl Iterator<Item = RangeInclusive<u16>>) -> Vec<RangeInclusive<u16>> {
    let mut sorted: Vec<_> = ranges.collect();
    sorted.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u16>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if u32::from(*range.start()) <= u32::from(*last.end()) + 1 => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let ranges = [5..=9, 1..=2, 10..=12, 65535..=65535, 3..=3, 7..=8];
        assert_eq!(merge(ranges.into_iter()), [1..=3, 5..=12, 65535..=65535]);
    }

    #[test]
    fn a_port_of_one_address_is_not_ours_on_another() {
        let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut ports = PortSet::default();
        let on_a = Lease { address: Some(a), ports: 80..=80 };
        ports.insert(on_a.clone());
        ports.insert(Lease { address: None, ports: 1000..=1063 });
        assert!(ports.covers(Some(a), 80) && !ports.covers(Some(b), 80));
        assert!(ports.covers(Some(b), 1063) && !ports.covers(Some(b), 1064));
        assert!(ports.is_per_address());
        ports.remove(&on_a);
        assert!(!ports.covers(Some(a), 80) && !ports.is_per_address());
        assert_eq!(ports.ranges(true), [1000..=1063]);
    }

    /// IPV6_V6ONLY: the filters of the two families name different ports.
    #[test]
    fn a_port_of_one_family_is_not_ours_in_the_other() {
        let mut ports = PortSet::default();
        let all_of_v6 = Lease { address: Some([0; 16].into()), ports: 80..=80 };
        ports.insert(all_of_v6.clone());
        ports.insert(Lease { address: Some([0; 4].into()), ports: 81..=81 });
        assert_eq!([true, false].map(|v4| ports.ranges(v4)), [[81..=81], [80..=80]]);
        assert!(ports.covers(Some([1; 16].into()), 80) && !ports.covers(Some([1; 4].into()), 80));
        assert!(ports.covers(None, 80) && !ports.is_per_address());
        ports.remove(&all_of_v6);
        assert!(!ports.covers(None, 80));
    }
}
