//! Which of our addresses a peer can make use of.
//!
//! An INIT that lists a loopback or link-local address to a peer elsewhere makes the peer probe an
//! address that is not ours there. So an address is listed only if its scope is at least as wide as
//! that of the address we talk to.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This host.
    Loopback,
    /// This link (169.254/16, fe80::/10).
    LinkLocal,
    /// This site (RFC 1918, RFC 6598, fc00::/7).
    Private,
    /// Everywhere.
    Global,
}

impl Scope {
    /// The scope of a unicast address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => address.to_ipv4_mapped().map_or_else(|| Self::of_v6(address), Self::of_v4),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let shared = matches!(address.octets(), [100, 64..=127, _, _]);
        match () {
            () if address.is_loopback() => Self::Loopback,
            () if address.is_link_local() => Self::LinkLocal,
            () if address.is_private() || shared => Self::Private,
            () => Self::Global,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match () {
            () if address.is_loopback() => Self::Loopback,
            () if address.is_unicast_link_local() => Self::LinkLocal,
            () if address.is_unique_local() => Self::Private,
            () => Self::Global,
        }
    }
}

/// Whether `address` can be the address of one host (RFC 9260, 8.4 rule 1).
pub fn is_unicast(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
        }
        IpAddr::V6(address) => !(address.is_unspecified() || address.is_multicast()),
    }
}

/// Those of `local` that a peer at `remote` can use.
pub fn suitable(local: &[IpAddr], remote: IpAddr) -> impl Iterator<Item = IpAddr> {
    let needed = Scope::of(remote);
    local.iter().copied().filter(move |&address| is_unicast(address) && Scope::of(address) >= needed)
}

/// Those of `local` that a peer at `remote` knows when the association is set up: all that it can use or, where they are
/// hidden, the one that packets to it come from (RFC 6951, 5.7).
pub fn known(local: &[IpAddr], remote: IpAddr, hidden: bool) -> Vec<IpAddr> {
    if hidden {
        hidden_source(local, remote).into_iter().collect()
    } else {
        suitable(local, remote).collect()
    }
}

/// As [`source_for`], where a NAT may make more of an address than it is.
pub fn hidden_source(local: &[IpAddr], remote: IpAddr) -> Option<IpAddr> {
    let same_family = |address: &IpAddr| address.is_ipv4() == remote.is_ipv4() && is_unicast(*address);
    source_for(local, remote).or_else(|| local.iter().copied().find(same_family))
}

/// Our address to talk to `remote` from: of its family, of its own scope if there is one, and of its
/// network, as far as addresses tell.
pub fn source_for(local: &[IpAddr], remote: IpAddr) -> Option<IpAddr> {
    suitable(local, remote)
        .filter(|address| address.is_ipv4() == remote.is_ipv4())
        .min_by_key(|&address| (Scope::of(address), core::cmp::Reverse(common_prefix(address, remote))))
}

/// Whether `one` is nearer to `remote` than `other`, as far as addresses tell.
pub(crate) fn is_nearer(one: IpAddr, other: IpAddr, remote: IpAddr) -> bool {
    common_prefix(one, remote) > common_prefix(other, remote)
}

/// Bits that two addresses of one family have in common at the front.
fn common_prefix(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_listed_only_to_peers_within_their_reach() {
        let all =
            ["127.0.0.1", "169.254.1.1", "10.0.0.1", "192.0.2.1", "::1", "fe80::1", "fd00::1", "2001:db8::1"]
                .map(ip);
        let listed = |remote| suitable(&all, ip(remote)).collect::<Vec<_>>();
        assert_eq!(listed("127.0.0.9"), all);
        assert_eq!(listed("8.8.8.8"), [ip("192.0.2.1"), ip("2001:db8::1")]);
        assert_eq!(listed("100.64.0.7"), ["10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"].map(ip));
        assert!(!listed("fe80::2").contains(&ip("127.0.0.1")));
    }

    /// RFC 6951, 5.7.
    #[test]
    fn a_peer_beyond_a_nat_knows_one_address_whatever_its_reach() {
        let local = ["2001:db8::1", "192.168.0.1", "192.168.1.1"].map(ip);
        assert_eq!(known(&local, ip("8.8.8.8"), true), [ip("192.168.0.1")]);
        assert_eq!(known(&local, ip("8.8.8.8"), false), [ip("2001:db8::1")]);
        assert_eq!(known(&local, ip("192.168.1.9"), true), [ip("192.168.1.1")]);
        assert_eq!(known(&local[1..], ip("2001:db8::9"), true), [] as [IpAddr; 0]);
    }

    #[test]
    fn the_source_has_the_family_and_the_scope_of_the_destination() {
        let local = ["10.0.0.1", "192.0.2.1", "2001:db8::1"].map(ip);
        assert_eq!(source_for(&local, ip("10.9.9.9")), Some(ip("10.0.0.1")));
        assert_eq!(source_for(&local, ip("8.8.8.8")), Some(ip("192.0.2.1")));
        assert_eq!(source_for(&local, ip("fd00::1")), Some(ip("2001:db8::1")));
        assert_eq!(source_for(&local[..1], ip("8.8.8.8")), None);
        let networks = ["10.0.1.1", "10.0.2.1"].map(ip);
        assert_eq!(source_for(&networks, ip("10.0.2.9")), Some(ip("10.0.2.1")));
    }

    #[test]
    fn groups_and_wildcards_are_not_unicast() {
        for address in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "::ffff:224.0.0.1"] {
            assert!(!is_unicast(ip(address)), "{address}");
        }
        assert!(is_unicast(ip("127.0.0.1")) && is_unicast(ip("fe80::1")));
    }
}
