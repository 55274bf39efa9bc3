//! Where registrars are, as options say it: by addresses or by name; and who resolves names.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use rserpool::driver::NameOptions;
use rserpool::transport::Peer;
use rserpool::{Profile, RegistrarName};

/// One registrar by its addresses, or all that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// All addresses of one registrar.
    Addresses(Peer),
    /// A name.
    Name(RegistrarName),
}

impl Location {
    /// Reads `ADDRESS:PORT,...`, `NAME[:PORT]` or `_SERVICE._sctp.DOMAIN`.
    ///
    /// # Errors
    /// What is wrong, and what is needed.
    pub fn parse(text: &str, usual_port: u16) -> Result<Self, String> {
        match text.split(',').any(is_address) {
            true => addresses(text).map(Self::Addresses),
            false => match RegistrarName::parse(text, usual_port) {
                Ok(name) if name.is_tcp_service() => {
                    Err(format!("{name} is a service over TCP, and one over SCTP is needed"))
                }
                Ok(name) => Ok(Self::Name(name)),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

fn is_address(text: &str) -> bool {
    let text = text.trim();
    text.parse::<SocketAddr>().is_ok() || text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Splits locations into those with addresses and those with names.
pub fn split<'a>(all: impl IntoIterator<Item = &'a Location>) -> (Vec<Peer>, Vec<RegistrarName>) {
    let (mut peers, mut names) = (Vec::new(), Vec::new());
    for location in all {
        match location {
            Location::Addresses(peer) => peers.push(peer.clone()),
            Location::Name(name) => names.push(name.clone()),
        }
    }
    (peers, names)
}

/// Addresses with a common port.
///
/// # Errors
/// What is wrong, and what is needed.
pub fn addresses(text: &str) -> Result<Peer, String> {
    let parsed: Result<Vec<SocketAddr>, _> = text.split(',').map(|item| item.trim().parse()).collect();
    let all = parsed.map_err(|_| "ADDRESS:PORT is needed, e.g. 192.0.2.1:3863 or [2001:db8::1]:3863")?;
    let port = all.first().map_or(0, SocketAddr::port);
    if port == 0 || all.iter().any(|address| address.port() != port) {
        return Err("all addresses need the same port, and not port 0".into());
    }
    Ok(Peer { addresses: all.iter().map(SocketAddr::ip).collect(), port })
}

/// Who resolves names.
#[derive(Args, Clone, Debug)]
pub struct DnsOptions {
    /// A DNS server for the names of registrars, ADDRESS[:PORT], instead of /etc/resolv.conf. Repeatable
    #[arg(long, value_name = "A[:P]", value_parser = dns_server)]
    pub dns_server: Vec<SocketAddr>,
}

fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let without_port = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    text.parse().or_else(|_| without_port()).map_err(|_| "an address is needed, e.g. 192.0.2.53".into())
}

impl DnsOptions {
    /// How names are resolved.
    pub fn names(&self, profile: Profile) -> NameOptions {
        NameOptions { servers: self.dns_server.clone(), ..NameOptions::new(profile) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrar_may_have_several_addresses_of_one_port() {
        assert_eq!(addresses("192.0.2.1:3863").unwrap(), SocketAddr::from(([192, 0, 2, 1], 3863)).into());
        assert_eq!(addresses("192.0.2.1:3863, [2001:db8::1]:3863").unwrap().addresses.len(), 2);
        for wrong in ["", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:1,192.0.2.2:2"] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_address_is_a_name() {
        let host = |name: &str, port| Ok(Location::Name(RegistrarName::Host { name: name.into(), port }));
        assert_eq!(Location::parse("registrars", 3863), host("registrars", 3863));
        assert_eq!(Location::parse("registrars.example:4000", 3863), host("registrars.example", 4000));
        assert!(matches!(Location::parse("_asap._sctp.example", 3863), Ok(Location::Name(_))));
        assert!(matches!(Location::parse("[2001:db8::1]:3863", 3863), Ok(Location::Addresses(_))));
        for wrong in ["192.0.2.1", "[2001:db8::1]", "a,b", "_asap._tcp.example", "192.0.2.1:1,a", ""] {
            assert!(Location::parse(wrong, 3863).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_dns_server_has_the_usual_port() {
        assert_eq!(dns_server("::1"), Ok("[::1]:53".parse().unwrap()));
        assert_eq!(dns_server("127.0.0.1:5353"), Ok("127.0.0.1:5353".parse().unwrap()));
        assert!(dns_server("localhost").is_err());
    }
}
