//! Addresses of C: `sockaddr_in`, `sockaddr_in6`, `sockaddr_storage`, and packed lists of the first two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::layout::{Network, Record, View};
use crate::structures::{sockaddr_in, sockaddr_in6};

const AF_UNSPEC: u16 = libc::AF_UNSPEC as u16;
const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

/// How addresses look to the program: by the family of its socket, and `SCTP_I_WANT_MAPPED_V4_ADDR` (RFC 6458, 8.1.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The socket is one of AF_INET6.
    pub ipv6: bool,
    /// Such a socket shows IPv4 addresses as mapped IPv6 addresses.
    pub mapped: bool,
    /// Such a socket has nothing to do with IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

/// What a `sockaddr_storage` in a structure names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The wildcard, or nothing: all addresses.
    Any,
    /// One address. IPv4 also if it was given as a mapped IPv6 address.
    One(SocketAddr),
    /// No address that SCTP can use.
    Unusable,
}

impl Form {
    /// That of a new socket of AF_INET6 or AF_INET.
    pub const fn new(ipv6: bool) -> Self {
        Self { ipv6, mapped: true, v6_only: false }
    }

    /// Reads a `sockaddr_storage`. One without a family is of the socket's.
    pub(crate) fn named(self, storage: &[u8]) -> Named {
        let view = View(storage);
        let family = match view.get(sockaddr_in::sin_family) {
            AF_UNSPEC if self.ipv6 => AF_INET6,
            AF_UNSPEC => AF_INET,
            family => family,
        };
        match read_as(family, view) {
            Some(address) if address.ip().is_unspecified() => Named::Any,
            Some(address) => Named::One(address),
            None => Named::Unusable,
        }
    }

    /// A `sockaddr_storage` that the program gave, as it is shown: what names no address stays as it is.
    pub(crate) fn normalized(self, storage: [u8; 128]) -> [u8; 128] {
        match self.named(&storage) {
            Named::One(address) => self.storage(address),
            Named::Any | Named::Unusable => storage,
        }
    }

    /// As it is shown: in 16 or 28 bytes.
    pub fn encode(self, address: SocketAddr) -> Vec<u8> {
        match self.shown(address.ip()) {
            IpAddr::V4(ip) => write_v4(ip, address.port()),
            IpAddr::V6(ip) => write_v6(ip, address.port()),
        }
    }

    /// As it is shown, in a `sockaddr_storage`.
    pub(crate) fn storage(self, address: SocketAddr) -> [u8; 128] {
        Record::from_view(View(&self.encode(address)), 128).into_array()
    }

    fn shown(self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) if self.ipv6 && self.mapped => ip.to_ipv6_mapped().into(),
            other => other,
        }
    }

    /// What such a socket is bound to where no address is named, in the stack's terms: IPv6 takes IPv4 along, unless told not to.
    pub fn wildcard(self) -> &'static [IpAddr] {
        match (self.ipv6, self.v6_only) {
            (false, _) => &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            (true, true) => &[IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            (true, false) => &[],
        }
    }

    /// Whether a socket of this family may use the address at all.
    pub fn takes(self, address: SocketAddr) -> bool {
        if self.ipv6 { !(self.v6_only && address.is_ipv4()) } else { address.is_ipv4() }
    }
}

/// Reads one address. `None`: it is too short, or of another family.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let view = View(bytes);
    let family = view.get(sockaddr_in::sin_family);
    let size = size_of_family(family)?;
    if bytes.len() < size { None } else { read_as(family, view) }
}

/// Reads addresses one behind the other, as `sctp_bindx` and `sctp_connectx` pass them (RFC 6458, 9.1 and 9.9). `None`: one
/// is of another family, or not whole.
pub(crate) fn decode_list(mut bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    while !bytes.is_empty() {
        addresses.push(decode(bytes)?);
        bytes = bytes.get(size_of_family(View(bytes).get(sockaddr_in::sin_family))?..)?;
    }
    Some(addresses)
}

fn size_of_family(family: u16) -> Option<usize> {
    match family {
        AF_INET => Some(sockaddr_in::SIZE),
        AF_INET6 => Some(sockaddr_in6::SIZE),
        _ => None,
    }
}

fn read_as(family: u16, view: View<'_>) -> Option<SocketAddr> {
    let Network(port) = view.get(sockaddr_in::sin_port);
    let ip: IpAddr = match family {
        AF_INET => Ipv4Addr::from(view.get(sockaddr_in::sin_addr)).into(),
        AF_INET6 => Ipv6Addr::from(view.get(sockaddr_in6::sin6_addr)).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

fn write_v4(ip: Ipv4Addr, port: u16) -> Vec<u8> {
    let record = Record::new(sockaddr_in::SIZE).set(sockaddr_in::sin_family, AF_INET);
    let record = record.set(sockaddr_in::sin_port, Network(port)).set(sockaddr_in::sin_addr, ip.octets());
    record.into_bytes()
}

fn write_v6(ip: Ipv6Addr, port: u16) -> Vec<u8> {
    let record = Record::new(sockaddr_in6::SIZE).set(sockaddr_in6::sin6_family, AF_INET6);
    let record = record.set(sockaddr_in6::sin6_port, Network(port)).set(sockaddr_in6::sin6_addr, ip.octets());
    record.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V4: Form = Form::new(false);
    const MAPPED: Form = Form::new(true);
    const PLAIN: Form = Form { mapped: false, ..MAPPED };

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_address_has_the_bytes_of_c() {
        let mut expected = libc::AF_INET.to_ne_bytes()[..2].to_vec();
        expected.extend([0x1b, 0x58, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(V4.encode(at("127.0.0.1:7000")), expected);
    }

    /// RFC 6458, 8.1.15.
    #[test]
    fn sockets_of_ipv6_show_ipv4_addresses_mapped_unless_told_otherwise() {
        assert_eq!(MAPPED.encode(at("127.0.0.1:7")), PLAIN.encode(at("[::ffff:127.0.0.1]:7")));
        assert_eq!(PLAIN.encode(at("127.0.0.1:7")), V4.encode(at("127.0.0.1:7")));
        assert_eq!(decode(&MAPPED.encode(at("127.0.0.1:7"))), Some(at("127.0.0.1:7")));
    }

    #[test]
    fn a_socket_takes_addresses_of_its_families() {
        let (v4, v6) = (at("127.0.0.1:7"), at("[::1]:7"));
        let only = Form { v6_only: true, ..MAPPED };
        assert_eq!(
            [V4, MAPPED, only].map(|form| (form.takes(v4), form.takes(v6))),
            [(true, false), (true, true), (false, true)]
        );
    }

    #[test]
    fn a_storage_of_zeros_names_all_addresses() {
        assert_eq!([V4, MAPPED].map(|form| form.named(&[0; 128])), [Named::Any; 2]);
        assert_eq!(V4.named(&V4.storage(at("0.0.0.0:9"))), Named::Any);
        assert_eq!(V4.named(&V4.storage(at("10.0.0.1:9"))), Named::One(at("10.0.0.1:9")));
        assert_eq!(V4.named(&[0x7f; 128]), Named::Unusable);
    }

    #[test]
    fn a_list_with_a_piece_of_an_address_is_no_list() {
        let mut list = V4.encode(at("127.0.0.1:7"));
        list.extend(PLAIN.encode(at("[::1]:7")));
        assert_eq!(decode_list(&list), Some(vec![at("127.0.0.1:7"), at("[::1]:7")]));
        assert_eq!(decode_list(&list[..list.len() - 1]), None);
        assert_eq!(decode_list(&[]), Some(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_list(&bytes);
            let _ = V4.named(&bytes);
        }

        #[test]
        fn addresses_are_read_as_they_were_written(ip in any::<u128>(), v4 in any::<u32>(), port in any::<u16>()) {
            for ip in [IpAddr::from(Ipv6Addr::from(ip)).to_canonical(), Ipv4Addr::from(v4).into()] {
                let address = SocketAddr::new(ip, port);
                for form in [V4, MAPPED, PLAIN] {
                    prop_assert_eq!(decode(&form.encode(address)), Some(address));
                }
            }
        }
    }
}
