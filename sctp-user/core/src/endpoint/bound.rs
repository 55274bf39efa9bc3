//! Which of our addresses something is bound to.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smallvec::SmallVec;

/// The wildcards of both families.
const WILDCARDS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// The addresses that a socket or an association is bound to: together with the port they are an SCTP endpoint
/// (RFC 9260, 1.3). The unspecified address stands for all of its family that the host has, or will get; both, or no address
/// at all (the default), for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound(SmallVec<[IpAddr; 1]>);

impl Bound {
    /// Bound to these; one that is there twice counts once.
    pub fn new(addresses: &[IpAddr]) -> Self {
        if WILDCARDS.iter().all(|wildcard| addresses.contains(wildcard)) {
            return Self::default();
        }
        let mut named = SmallVec::new();
        for address in addresses {
            if !named.contains(address) {
                named.push(*address);
            }
        }
        Self(named)
    }

    /// What it was made of: none for all.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.0
    }

    /// Whether no address is named: it follows the host's.
    pub fn is_wildcard(&self) -> bool {
        self.0.iter().all(IpAddr::is_unspecified)
    }

    /// Whether a packet to `local` is meant.
    pub fn includes(&self, local: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|&bound| covers(bound, local))
    }

    /// Whether some address could be of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.places().any(|one| other.places().any(|another| meet(one, another)))
    }

    /// Whether these are the same addresses, in whatever order.
    pub fn has_same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|address| other.0.contains(address))
    }

    /// Those of `host` that are meant, and what is named besides.
    pub fn resolve(&self, host: &[IpAddr]) -> Vec<IpAddr> {
        if self.0.is_empty() {
            return host.to_vec();
        }
        let mut addresses = Vec::with_capacity(self.0.len());
        for &bound in &self.0 {
            if bound.is_unspecified() {
                addresses.extend(host.iter().filter(|address| address.is_ipv4() == bound.is_ipv4()));
            } else {
                addresses.push(bound);
            }
        }
        addresses
    }

    /// The addresses, with a wildcard for each family that is bound as a whole.
    pub fn places(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let all = if self.0.is_empty() { WILDCARDS.as_slice() } else { &[] };
        self.0.iter().chain(all).copied()
    }

    /// One more; nothing changes if it is included already.
    pub fn add(&mut self, address: IpAddr) {
        if !self.includes(address) {
            self.0.push(address);
        }
    }

    /// One less. A wildcard stays what it is.
    pub fn remove(&mut self, address: IpAddr) {
        if self.0.len() > 1 {
            self.0.retain(|bound| *bound != address);
        }
    }
}

/// The wildcard of an address's family.
pub fn wildcard_of(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// Whether `bound`, which may be a wildcard, takes packets to `local`.
fn covers(bound: IpAddr, local: IpAddr) -> bool {
    bound == local || bound == wildcard_of(local)
}

/// Whether two places, each an address or a wildcard, have an address in common.
pub fn meet(one: IpAddr, other: IpAddr) -> bool {
    covers(one, other) || covers(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn bound(texts: &[&str]) -> Bound {
        Bound::new(&texts.iter().map(|text| ip(text)).collect::<Vec<_>>())
    }

    /// RFC 9260, 1.3.
    #[test]
    fn wildcards_meet_all_of_their_family_and_addresses_only_themselves() {
        let (v4, v6, all) = (bound(&["0.0.0.0"]), bound(&["::"]), bound(&[]));
        let (one, two) = (bound(&["10.0.0.1", "::1"]), bound(&["10.0.0.2"]));
        let met = |set: &Bound| [&v4, &v6, &all, &one, &two].map(|other| set.overlaps(other));
        assert_eq!(met(&v4), [true, false, true, true, true]);
        assert_eq!(met(&v6), [false, true, true, true, false]);
        assert_eq!(met(&all), [true; 5]);
        assert_eq!(met(&two), [true, false, true, false, true]);
        assert_eq!(bound(&["::", "0.0.0.0"]), all);
        assert!(v4.includes(ip("10.9.9.9")) && !v4.includes(ip("::1")) && !two.includes(ip("10.0.0.1")));
    }

    #[test]
    fn a_wildcard_is_what_the_host_has_of_its_family() {
        let host = [ip("10.0.0.1"), ip("::1")];
        assert_eq!(bound(&[]).resolve(&host), host);
        assert_eq!(bound(&["::"]).resolve(&host), host[1..]);
        assert_eq!(bound(&["10.0.0.2"]).resolve(&host), [ip("10.0.0.2")]);
        assert_eq!(bound(&["0.0.0.0"]).resolve(&host[1..]), [] as [IpAddr; 0]);
    }

    #[test]
    fn addresses_come_and_go_and_one_stays() {
        let mut set = bound(&["10.0.0.1"]);
        ["10.0.0.2", "10.0.0.2", "10.0.0.3"].iter().for_each(|text| set.add(ip(text)));
        ["10.0.0.1", "10.0.0.3", "10.0.0.2"].iter().for_each(|text| set.remove(ip(text)));
        assert_eq!(set, bound(&["10.0.0.2"]));
        let mut all = Bound::default();
        all.add(ip("10.0.0.1"));
        all.remove(ip("10.0.0.1"));
        assert_eq!(all, Bound::default());
    }
}
