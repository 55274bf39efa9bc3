//! Who has which ports.

use std::{net::IpAddr, ops::RangeInclusive};

use super::Lease;
use crate::driver::{EPHEMERAL_PORTS, raw::ports::merge};

/// Ports in one block of ephemeral ports.
const BLOCK: u16 = 256;
/// Blocks there are; the few ports behind the last one are left to `bind`.
const BLOCKS: u16 = (*EPHEMERAL_PORTS.end() - *EPHEMERAL_PORTS.start() + 1) / BLOCK;
/// Leases of one stack. A kernel filter can name about half as many ranges, and a port of all addresses takes two leases.
const MOST_LEASES: usize = 2048;

/// Which client of the broker: given anew for each connection.
pub(crate) type ClientId = u64;

/// The leases of a network namespace.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    leases: Vec<(ClientId, Lease)>,
    /// The block to try next: ports that were given back rest as long as possible.
    next_block: u16,
}

/// Why a lease is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This client has one of the ports.
    Taken(ClientId),
    /// No block is free, or the client has too many leases.
    Exhausted,
}

impl LeaseTable {
    pub(crate) fn lease(&mut self, client: ClientId, lease: Lease) -> Result<(), Refusal> {
        if let Some(holder) = self.holder(client, &lease) {
            return Err(Refusal::Taken(holder));
        }
        if self.leases.iter().filter(|(holder, _)| *holder == client).count() >= MOST_LEASES {
            return Err(Refusal::Exhausted);
        }
        self.leases.push((client, lease));
        Ok(())
    }

    /// Another client whose lease overlaps.
    fn holder(&self, client: ClientId, wanted: &Lease) -> Option<ClientId> {
        self.leases
            .iter()
            .find(|(holder, lease)| *holder != client && lease.conflicts(wanted))
            .map(|(holder, _)| *holder)
    }

    pub(crate) fn lease_block(&mut self, client: ClientId) -> Result<Lease, Refusal> {
        for _ in 0..BLOCKS {
            let first = EPHEMERAL_PORTS.start() + self.next_block * BLOCK;
            self.next_block = (self.next_block + 1) % BLOCKS;
            let block = Lease { address: None, ports: first..=first + (BLOCK - 1) };
            if !self.leases.iter().any(|(_, lease)| lease.conflicts(&block)) {
                self.lease(client, block.clone())?;
                return Ok(block);
            }
        }
        Err(Refusal::Exhausted)
    }

    pub(crate) fn release(&mut self, client: ClientId, lease: &Lease) {
        if let Some(index) = self.leases.iter().position(|(holder, held)| *holder == client && held == lease)
        {
            self.leases.swap_remove(index);
        }
    }

    /// Ends all leases of a client.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.leases.retain(|(holder, _)| *holder != client);
    }

    /// Whether some stack is to answer packets to this port.
    pub(crate) fn is_leased(&self, address: Option<IpAddr>, port: u16) -> bool {
        let packet = Lease { address, ports: port..=port };
        self.leases.iter().any(|(_, lease)| lease.conflicts(&packet))
    }

    /// Ports that are leased on all addresses of a family: the kernel need not show us their packets.
    pub(crate) fn wildcard_ranges(&self, v4: bool) -> Vec<RangeInclusive<u16>> {
        let is_whole = |address: IpAddr| address.is_unspecified() && address.is_ipv4() == v4;
        let leases = self.leases.iter().filter(|(_, lease)| lease.address.is_none_or(is_whole));
        merge(leases.map(|(_, lease)| lease.ports.clone()))
    }

    /// Ports that are leased on one address each.
    pub(crate) fn addressed_ranges(&self) -> Vec<(IpAddr, RangeInclusive<u16>)> {
        let one = |lease: &Lease| lease.address.filter(|address| !address.is_unspecified());
        self.leases.iter().filter_map(|(_, lease)| Some((one(lease)?, lease.ports.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(ports: RangeInclusive<u16>) -> Lease {
        Lease { address: None, ports }
    }

    fn on(last: u8, port: u16) -> Lease {
        Lease { address: Some([10, 0, 0, last].into()), ports: port..=port }
    }

    #[test]
    fn a_port_belongs_to_one_stack_for_each_address() {
        let mut table = LeaseTable::default();
        table.lease(1, on(1, 80)).unwrap();
        table.lease(2, on(2, 80)).unwrap();
        assert_eq!(table.lease(3, on(1, 80)), Err(Refusal::Taken(1)));
        assert_eq!(table.lease(3, any(80..=80)), Err(Refusal::Taken(1)), "the wildcard includes it");
        table.lease(3, any(81..=90)).unwrap();
        assert_eq!(table.lease(1, on(1, 85)), Err(Refusal::Taken(3)));
        table.lease(1, on(1, 80)).unwrap();
    }

    /// IPV6_V6ONLY.
    #[test]
    fn a_port_belongs_to_one_stack_for_each_family() {
        let mut table = LeaseTable::default();
        let (v4, v6) = ([0, 0, 0, 0].into(), [0; 16].into());
        table.lease(1, Lease { address: Some(v6), ports: 80..=80 }).unwrap();
        table.lease(2, on(2, 80)).unwrap();
        let all_of_v4 = Lease { address: Some(v4), ports: 80..=80 };
        assert_eq!(table.lease(3, all_of_v4.clone()), Err(Refusal::Taken(2)));
        table.release(2, &on(2, 80));
        table.lease(3, all_of_v4).unwrap();
        assert_eq!(table.lease(2, on(2, 80)), Err(Refusal::Taken(3)));
        assert_eq!(
            table.lease(3, Lease { address: Some([1; 16].into()), ports: 1..=99 }),
            Err(Refusal::Taken(1))
        );
    }

    #[test]
    fn released_and_forgotten_ports_are_free() {
        let mut table = LeaseTable::default();
        table.lease(1, any(80..=80)).unwrap();
        table.release(2, &any(80..=80));
        assert!(table.is_leased(None, 80), "only its holder can release it");
        table.release(1, &any(80..=80));
        assert!(!table.is_leased(None, 80));
        table.lease(1, any(80..=80)).unwrap();
        table.lease(2, on(1, 90)).unwrap();
        table.forget(1);
        assert!(!table.is_leased(None, 80));
        assert!(table.is_leased(Some([10, 0, 0, 1].into()), 90));
        assert!(!table.is_leased(Some([10, 0, 0, 2].into()), 90));
    }

    #[test]
    fn blocks_do_not_overlap_and_come_back_last() {
        let mut table = LeaseTable::default();
        table.lease(9, any(32800..=32800)).unwrap();
        let first = table.lease_block(1).unwrap();
        assert_eq!(first.ports, 33024..=33279, "the block with the port of another is left out");
        let mut count = 1;
        while let Ok(block) = table.lease_block(2) {
            assert!(!block.conflicts(&first));
            assert!(block.ports.end() <= EPHEMERAL_PORTS.end());
            count += 1;
        }
        assert_eq!(count, BLOCKS - 1);
        table.release(1, &first);
        assert_eq!(table.lease_block(2).unwrap(), first);
    }

    #[test]
    fn wildcard_leases_join_to_ranges() {
        let mut table = LeaseTable::default();
        table.lease(1, any(5..=6)).unwrap();
        table.lease(2, any(7..=9)).unwrap();
        table.lease(2, on(1, 70)).unwrap();
        table.lease(3, Lease { address: Some([0; 16].into()), ports: 10..=10 }).unwrap();
        assert_eq!([true, false].map(|v4| table.wildcard_ranges(v4)), [[5..=9], [5..=10]]);
        assert_eq!(table.addressed_ranges(), [([10, 0, 0, 1].into(), 70..=70)]);
    }
}
