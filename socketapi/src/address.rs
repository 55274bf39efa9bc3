//! Addresses as the standard library has them, as SCTP needs them: many addresses, one port.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use sctp_user::stack::{Error, Peer};

/// All addresses and their common port.
fn split(addresses: impl ToSocketAddrs) -> Result<(Vec<IpAddr>, u16), Error> {
    let all = addresses
        .to_socket_addrs()
        .map_err(|source| Error::System { what: "resolve the address", source: source.into() })?;
    let mut addresses = Vec::new();
    let mut port = None;
    for address in all {
        let common = *port.get_or_insert(address.port());
        if common != address.port() {
            return Err(Error::PortsDiffer(common, address.port()));
        }
        addresses.push(address.ip());
    }
    Ok((addresses, port.ok_or(Error::NoAddress)?))
}

/// Addresses to bind to. A wildcard among them means all of the stack's, which an empty list says.
pub(crate) fn to_bind(addresses: impl ToSocketAddrs) -> Result<(Vec<IpAddr>, u16), Error> {
    let (mut addresses, port) = split(addresses)?;
    if addresses.iter().any(IpAddr::is_unspecified) {
        addresses.clear();
    }
    Ok((addresses, port))
}

/// A peer with all its addresses.
pub(crate) fn to_peer(addresses: impl ToSocketAddrs) -> Result<Peer, Error> {
    let (addresses, port) = split(addresses)?;
    Ok(Peer { addresses, port })
}

/// The other way round.
pub(crate) fn join(addresses: impl IntoIterator<Item = IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn several_addresses_share_one_port() {
        let (addresses, port) = to_bind(&[at("127.0.0.1:7"), at("[::1]:7")][..]).unwrap();
        assert_eq!((addresses.len(), port), (2, 7));
        let error = to_bind(&[at("127.0.0.1:7"), at("127.0.0.2:8")][..]).unwrap_err();
        assert!(matches!(error, Error::PortsDiffer(7, 8)));
        assert!(matches!(to_peer(&[][..]).unwrap_err(), Error::NoAddress));
    }

    #[test]
    fn the_wildcard_is_every_address_of_the_stack() {
        assert_eq!(to_bind("0.0.0.0:9").unwrap(), (vec![], 9));
    }
}
