//! What the host knows of its own addresses and routes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
    sys::socket::{getsockopt, sockopt},
};

use sctp_core::net::PathAddress;

use super::sys::option;

/// No IP packet is larger than its length field says: IPv4 counts its header, IPv6 does not.
const LARGEST_V4: usize = 65535;
const LARGEST_V6: usize = 65535 + 40;

/// How a packet to some peer would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The source address that the host picks.
    pub source: IpAddr,
    /// Bytes of the largest IP packet that leaves on this way, as the host knows it.
    pub mtu: usize,
}

/// Asks the host for the way to `remote`, from `local` if it is given. Nothing is sent.
///
/// # Errors
/// The system's, above all when there is no route.
pub fn route_to(local: Option<IpAddr>, remote: IpAddr) -> io::Result<Route> {
    let any = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(local.unwrap_or(any), 0))?;
    // The port is of no matter: a connected UDP socket sends nothing by itself.
    socket.connect(SocketAddr::new(remote, 9))?;
    let mtu = if remote.is_ipv4() {
        let mtu = getsockopt(&socket, sockopt::IpMtu)?;
        usize::try_from(mtu).unwrap_or_default().min(LARGEST_V4)
    } else {
        option::ipv6_mtu(&socket)?.min(LARGEST_V6)
    };
    Ok(Route { source: socket.local_addr()?.ip(), mtu })
}

/// Whether the host has a way to `remote`, from one of `ours`: routes may depend on the source.
pub(crate) fn leads_to(ours: &[IpAddr], remote: IpAddr) -> bool {
    let is_refused = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable)
    };
    let leads = |local| !route_to(local, remote).is_err_and(|error| is_refused(&error));
    leads(None) || ours.iter().any(|local| local.is_ipv4() == remote.is_ipv4() && leads(Some(*local)))
}

/// The first link's MTU towards a peer. Where the host has no answer, what each IPv6 link carries and
/// almost each IPv4 link (the path MTU search finds the truth).
pub(crate) fn mtu_or_default(path: &PathAddress) -> usize {
    route_to(path.local, path.remote).map_or(1280, |route| route.mtu)
}

/// Bytes of an IP header without options.
pub(crate) fn ip_header(remote: IpAddr) -> usize {
    if remote.is_ipv4() { 20 } else { 40 }
}

/// The addresses of this host's interfaces that are up, loopback last. IPv6's link-local ones are left out: without
/// the interface's number they mean nothing, and cannot be bound.
///
/// # Errors
/// The system's.
pub fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<(bool, IpAddr)> = getifaddrs()?
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| {
            let address = interface.address?;
            let address = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => IpAddr::V4(v4.ip()),
                (_, Some(v6)) => IpAddr::V6(v6.ip()),
                _ => return None,
            };
            (!is_link_local(address))
                .then(|| (interface.flags.contains(InterfaceFlags::IFF_LOOPBACK), address))
        })
        .collect();
    found.sort_by_key(|&(loopback, _)| loopback);
    Ok(found.into_iter().map(|(_, address)| address).collect())
}

/// Whether an address can be a stack's own.
pub(crate) fn is_local(address: IpAddr) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::AddrNotAvailable;
    !address.is_multicast() && !is_broadcast(address) && !UdpSocket::bind((address, 0)).is_err_and(refused)
}

/// The kernel lets a socket be bound to all hosts of a network, too.
fn is_broadcast(address: IpAddr) -> bool {
    let IpAddr::V4(v4) = address else { return false };
    let is_last = |interface| last_address(&interface) == Some(v4);
    v4.is_broadcast() || getifaddrs().is_ok_and(|mut interfaces| interfaces.any(is_last))
}

/// The last address of an interface's network means all of its hosts (RFC 1122, 3.2.1.3), but where it has two addresses
/// or one (RFC 3021).
fn last_address(interface: &InterfaceAddress) -> Option<Ipv4Addr> {
    let address = interface.address?.as_sockaddr_in()?.ip();
    let hosts = !interface.netmask?.as_sockaddr_in()?.ip();
    (hosts.to_bits() > 1).then_some(address | hosts)
}

/// Such an address means another host on each interface.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Whether the kernel has SCTP at work: it then answers all SCTP packets of the host itself.
/// (Opening an SCTP socket would tell too, but may load the module.)
pub fn kernel_has_sctp() -> bool {
    std::fs::read_to_string("/proc/net/protocols").is_ok_and(|table| lists_sctp(&table))
}

fn lists_sctp(protocols: &str) -> bool {
    protocols.lines().any(|line| line.split_whitespace().next().is_some_and(|name| name.starts_with("SCTP")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_other_hosts_and_of_groups_are_not_local() {
        assert!(is_local(Ipv4Addr::new(127, 0, 0, 77).into()));
        assert!(!is_local(Ipv4Addr::new(192, 0, 2, 77).into()), "TEST-NET-1 (RFC 5737)");
        assert!(!is_local(Ipv4Addr::new(224, 0, 0, 1).into()));
        assert!(!is_local(Ipv4Addr::BROADCAST.into()));
        // Linux gives the loopback 127.0.0.1/8.
        assert!(!is_local(Ipv4Addr::new(127, 255, 255, 255).into()));
    }

    #[test]
    fn the_loopback_has_its_real_mtu() {
        let route = route_to(None, Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(route.source, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(route.mtu > 1500, "{route:?}");
        assert!(route.mtu <= LARGEST_V4, "{route:?}");
    }

    #[test]
    fn local_addresses_include_the_loopback() {
        assert!(local_addresses().unwrap().contains(&Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn kernel_sctp_is_recognised_by_its_protocol_line() {
        let header = "protocol  size sockets  memory press maxhdr  slab module\n";
        assert!(!lists_sctp(&format!("{header}UDP 1 2\nTCP 1 2\n")));
        assert!(lists_sctp(&format!(
            "{header}TCP 1 2\nSCTPv6     1696   1      4   no      0   yes  sctp\n"
        )));
    }
}
