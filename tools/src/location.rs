//! Where registrars are, as options say it: by addresses or by name; and who resolves names.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use rserpool::driver::{Error as DriverError, NameOptions};
use rserpool::transport::Peer;
use rserpool::wire::ASAP_PORT;
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
    /// Reads `ADDRESS[:PORT],...`, `NAME[:PORT]` or `_SERVICE._sctp.DOMAIN`; and `tcp:ADDRESS[:PORT]`, `tcp:NAME[:PORT]` or
    /// `_SERVICE._tcp.DOMAIN`.
    ///
    /// # Errors
    /// What is wrong, and what is needed.
    pub fn parse(text: &str, usual_port: u16) -> Result<Self, String> {
        let (text, is_tcp) = text.strip_prefix("tcp:").map_or((text, false), |rest| (rest, true));
        if text.split(',').any(|item| address(item).is_some()) {
            let peer = addresses(text, usual_port)?;
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

    /// Where it is now, for who asks one registrar, once: any of these will do.
    ///
    /// # Errors
    /// When a name is not found.
    pub fn look_up(&self, names: &NameOptions) -> Result<Vec<Peer>, DriverError> {
        match self {
            Self::Addresses(peer) => Ok(vec![peer.clone()]),
            Self::Tcp(address) => Ok(vec![(*address).into()]),
            Self::Name(name) | Self::TcpName(name) => names.resolve(name),
        }
    }

    fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::TcpName(_))
    }
}

/// `ADDRESS:PORT`, `ADDRESS` or `[ADDRESS]`.
pub(crate) fn address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip(), Some(address.port())));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().map(|ip| (ip, None))
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

/// Addresses with a common port; the usual one, if none says another.
///
/// # Errors
/// What is wrong, and what is needed.
pub fn addresses(text: &str, usual_port: u16) -> Result<Peer, String> {
    match with_common_port(text)? {
        (_, Some(0)) => Err("port 0 is nowhere: 1 to 65535 is needed".into()),
        (addresses, port) => Ok(Peer { addresses, port: port.unwrap_or(usual_port) }),
    }
}

/// The addresses of a registrar's ASAP side.
///
/// # Errors
/// What is wrong, and what is needed.
pub fn registrar(text: &str) -> Result<Peer, String> {
    addresses(text, ASAP_PORT)
}

/// Addresses, and the port that they have if any of them says one: RSPLIB's programs want it behind the first one only.
///
/// # Errors
/// What is wrong, and what is needed.
pub fn with_common_port(text: &str) -> Result<(Vec<IpAddr>, Option<u16>), String> {
    let all: Option<Vec<_>> = text.split(',').map(address).collect();
    let all = all.ok_or("ADDRESS:PORT is needed, e.g. 192.0.2.1:3863 or [2001:db8::1]:3863")?;
    let mut ports = all.iter().filter_map(|(_, port)| *port);
    let port = ports.next();
    match ports.all(|other| Some(other) == port) {
        true => Ok((all.into_iter().map(|(address, _)| address).collect(), port)),
        false => Err("all addresses need the same port".into()),
    }
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
        let one = addresses("192.0.2.1:3863", 1).unwrap();
        assert_eq!(one, SocketAddr::from(([192, 0, 2, 1], 3863)).into());
        assert_eq!(addresses("192.0.2.1:3863, [2001:db8::1]:3863", 1).unwrap().addresses.len(), 2);
        for wrong in ["", "192.0.2.1:0", "192.0.2.1:1,192.0.2.2:2", "[192.0.2.1", "[2001:db8::1]:", "a"] {
            assert!(addresses(wrong, 1).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_is_said_once_or_is_the_usual_one() {
        // As in the manual of RSPLIB's registrar.
        let rsplib = addresses("1.2.3.4:9900,[2000::1:2:3],9.8.7.6", 9901).unwrap();
        assert_eq!((rsplib.addresses.len(), rsplib.port), (3, 9900));
        for usual in ["192.0.2.1", "2001:db8::1", "[2001:db8::1]", "192.0.2.1,192.0.2.2:9901"] {
            assert_eq!(addresses(usual, 9901).unwrap().port, 9901, "{usual}");
        }
    }

    #[test]
    fn what_is_no_address_is_a_name() {
        let host = |name: &str, port| Ok(Location::Name(RegistrarName::Host { name: name.into(), port }));
        assert_eq!(Location::parse("registrars", 3863), host("registrars", 3863));
        assert_eq!(Location::parse("registrars.example:4000", 3863), host("registrars.example", 4000));
        assert!(matches!(Location::parse("_asap._sctp.example", 3863), Ok(Location::Name(_))));
        assert!(matches!(Location::parse("[2001:db8::1]:3863", 3863), Ok(Location::Addresses(_))));
        assert!(matches!(Location::parse("192.0.2.1", 3863), Ok(Location::Addresses(at)) if at.port == 3863));
        for wrong in ["192.0.2.1:0", "a,b", "192.0.2.1:1,a", ""] {
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
