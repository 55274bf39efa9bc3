//! The networks that this host is connected to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;

use super::Error;

/// This host is a network of its own.
const LOOPBACK: [IpNet; 2] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// The directly connected networks that any of these addresses is in.
pub(super) fn networks_of(addresses: &[IpAddr]) -> Result<Vec<IpNet>, Error> {
    let interfaces = getifaddrs().map_err(io::Error::from).map_err(Error::system("list the interfaces"))?;
    let connected: Vec<IpNet> = interfaces.filter_map(|interface| network(&interface)).collect();
    Ok(select(connected, addresses))
}

fn select(connected: Vec<IpNet>, addresses: &[IpAddr]) -> Vec<IpNet> {
    let is_ours = |network: &IpNet| addresses.iter().any(|address| network.contains(&address.to_canonical()));
    let mut networks: Vec<IpNet> = connected.into_iter().filter(is_ours).chain(LOOPBACK).collect();
    networks.sort();
    networks.dedup();
    networks
}

fn network(interface: &InterfaceAddress) -> Option<IpNet> {
    let address = ip(interface.address.as_ref()?)?;
    let mask = ip(interface.netmask.as_ref()?)?;
    Some(IpNet::with_netmask(address, mask).ok()?.trunc())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_count_that_have_an_address_of_ours() {
        let connected = ["192.0.2.0/24", "198.51.100.0/24", "fe80::/64"].map(|text| text.parse().unwrap());
        let ours = ["192.0.2.7", "10.0.0.1"].map(|text| text.parse().unwrap());
        let expected: Vec<IpNet> =
            ["127.0.0.0/8", "192.0.2.0/24", "::1/128"].map(|text| text.parse().unwrap()).into();
        assert_eq!(select(connected.into(), &ours), expected);
    }

    #[test]
    fn the_loopback_interface_is_there_once() {
        let networks = networks_of(&["127.0.0.2".parse().unwrap()]).unwrap();
        assert_eq!(networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.0/8", "::1/128"]);
    }
}
