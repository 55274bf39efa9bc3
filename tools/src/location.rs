//! Where registrars are, as options say it: by addresses or by name; and who resolves names.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use rserpool::driver::NameOptions;
use rserpool::transport::Peer;
use rserpool::{Profile, RegistrarName, TcpHunt};

/// One registrar by its addresses, or all that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// All addresses of one registrar.
    Addresses(Peer),
    /// A name.
    Name(RegistrarName),
    /// An address of one registrar that speaks TCP.
    Tcp(SocketAddr),
    /// A name of registrars that speak TCP.
    TcpName(RegistrarName),
}

impl Location {
    /// Reads `ADDRESS:PORT,...`, `NAME[:PORT]` or `_SERVICE._sctp.DOMAIN`; and `tcp:ADDRESS:PORT`, `tcp:NAME[:PORT]` or
    /// `_SERVICE._tcp.DOMAIN`.
    ///
    /// # Errors
    /// What is wrong, and what is needed.
    pub fn parse(text: &str, usual_port: u16) -> Result<Self, String> {
        let (text, is_tcp) = text.strip_prefix("tcp:").map_or((text, false), |rest| (rest, true));
        if text.split(',').any(is_address) {
            let peer = addresses(text)?;
            return match peer.addresses[..] {
                _ if !is_tcp => Ok(Self::Addresses(peer)),
                [address] => Ok(Self::Tcp(SocketAddr::new(address, peer.port))),
                _ => Err("TCP has one address: repeat the option for more".into()),
            };
        }
        let name = RegistrarName::parse(text, usual_port).map_err(|error| error.to_string())?;
        Ok(if is_tcp || name.is_tcp_service() { Self::TcpName(name) } else { Self::Name(name) })
    }

    /// As [`Location::parse`], for those who have to speak SCTP (RFC 5352, 2.1).
    ///
    /// # Errors
    /// The same; and for registrars over TCP.
    pub fn parse_sctp(text: &str, usual_port: u16) -> Result<Self, String> {
        match Self::parse(text, usual_port)? {
            Self::Tcp(_) | Self::TcpName(_) => Err("only pool users may speak TCP (RFC 5352, 2.1)".into()),
            location => Ok(location),
        }
    }

    fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::TcpName(_))
    }
}

fn is_address(text: &str) -> bool {
    let text = text.trim();
    text.parse::<SocketAddr>().is_ok() || text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Where registrars are that speak TCP.
pub fn over_tcp<'a>(all: impl IntoIterator<Item = &'a Location>) -> TcpHunt {
    let mut hunt = TcpHunt::default();
    for location in all {
        match location {
            Location::Tcp(address) => hunt.registrars.push(*address),
            Location::TcpName(name) => hunt.names.push(name.clone()),
            Location::Addresses(_) | Location::Name(_) => {}
        }
    }
    hunt
}

/// Whether there is nobody who speaks TCP. Only pool users may have to do with them (RFC 5352, 2.1).
pub fn are_sctp<'a>(all: impl IntoIterator<Item = &'a Location>) -> bool {
    !all.into_iter().any(Location::is_tcp)
}

/// Splits locations into those with addresses and those with names; without those of TCP.
pub fn split<'a>(all: impl IntoIterator<Item = &'a Location>) -> (Vec<Peer>, Vec<RegistrarName>) {
    let (mut peers, mut names) = (Vec::new(), Vec::new());
    for location in all {
        match location {
            Location::Addresses(peer) => peers.push(peer.clone()),
            Location::Name(name) => names.push(name.clone()),
            Location::Tcp(_) | Location::TcpName(_) => {}
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
    /// A DNS server for the names of registrars, ADDRESS or ADDRESS:PORT, instead of /etc/resolv.conf. Repeatable
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
        for wrong in ["192.0.2.1", "[2001:db8::1]", "a,b", "192.0.2.1:1,a", ""] {
            assert!(Location::parse(wrong, 3863).is_err(), "{wrong}");
        }
    }

    #[test]
    fn users_may_name_registrars_over_tcp_and_nobody_else() {
        // RFC 5352, 2.1.
        let address = "192.0.2.1:3863".parse().unwrap();
        assert_eq!(Location::parse("tcp:192.0.2.1:3863", 3863), Ok(Location::Tcp(address)));
        for name in ["tcp:registrars", "_asap-tcp._tcp.example", "tcp:_asap._tcp.example"] {
            assert!(matches!(Location::parse(name, 3863), Ok(Location::TcpName(_))), "{name}");
            assert!(Location::parse_sctp(name, 3863).is_err(), "{name}");
        }
        assert!(Location::parse("tcp:192.0.2.1:1,192.0.2.2:1", 3863).is_err());
        let all = ["tcp:192.0.2.1:3863", "tcp:a", "b"].map(|text| Location::parse(text, 3863).unwrap());
        let hunt = over_tcp(&all);
        assert_eq!((hunt.registrars, hunt.names.len(), split(&all).1.len()), (vec![address], 1, 1));
        assert!(!are_sctp(&all) && are_sctp(&all[2..]));
    }

    #[test]
    fn a_dns_server_has_the_usual_port() {
        assert_eq!(dns_server("::1"), Ok("[::1]:53".parse().unwrap()));
        assert_eq!(dns_server("127.0.0.1:5353"), Ok("127.0.0.1:5353".parse().unwrap()));
        assert!(dns_server("localhost").is_err());
    }
}
