//! The SCTP ports that a stack has leased.

use std::{net::IpAddr, ops::RangeInclusive};

use crate::broker::Lease;

/// Ports, each for one address or for all of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortSet {
    leases: Vec<Lease>,
}

impl PortSet {
    pub(crate) fn insert(&mut self, lease: Lease) {
        self.leases.push(lease);
    }

    pub(crate) fn remove(&mut self, lease: &Lease) {
        if let Some(index) = self.leases.iter().position(|held| held == lease) {
            self.leases.swap_remove(index);
        }
    }

    /// Whether packets to this address and port are ours. An unknown address counts as ours.
    pub(crate) fn covers(&self, address: Option<IpAddr>, port: u16) -> bool {
        let packet = Lease { address, ports: port..=port };
        self.leases.iter().any(|lease| lease.conflicts(&packet))
    }

    /// Whether some port is ours on some addresses only, so that a filter on ports is not enough.
    pub(crate) fn is_per_address(&self) -> bool {
        self.leases.iter().any(|lease| lease.address.is_some())
    }

    /// All ports whatever the address, sorted, without overlaps.
    pub(crate) fn ranges(&self) -> Vec<RangeInclusive<u16>> {
        merge(self.leases.iter().map(|lease| lease.ports.clone()))
    }
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
    }
}
