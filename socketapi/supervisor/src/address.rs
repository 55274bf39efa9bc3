//! C's socket addresses, as bytes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;

/// `sizeof(struct sockaddr_in)` and `sizeof(struct sockaddr_in6)`.
const LEN_V4: usize = 16;
const LEN_V6: usize = 28;
/// No address is longer (`struct sockaddr_storage`).
pub(crate) const MAX_LEN: usize = 128;

/// Reads an IPv4 or IPv6 address that a program gave.
pub(crate) fn decode(bytes: &[u8]) -> nix::Result<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk().ok_or(Errno::EINVAL)?;
    let port = |rest: &[u8]| rest.first_chunk().map_or(0, |port| u16::from_be_bytes(*port));
    let ip: IpAddr = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET if bytes.len() >= LEN_V4 => Ipv4Addr::from(octets(rest, 2)).into(),
        libc::AF_INET6 if bytes.len() >= LEN_V6 => Ipv6Addr::from(octets(rest, 6)).into(),
        libc::AF_INET | libc::AF_INET6 => return Err(Errno::EINVAL),
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    Ok(SocketAddr::new(ip, port(rest)))
}

fn octets<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    bytes.get(from..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// As the program gets it.
pub(crate) fn encode(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    let family = |family: i32| (family as u16).to_ne_bytes();
    match address.ip() {
        IpAddr::V4(ip) => [&family(libc::AF_INET)[..], &port, &ip.octets(), &[0; 8]].concat(),
        IpAddr::V6(ip) => [&family(libc::AF_INET6)[..], &port, &[0; 4], &ip.octets(), &[0; 4]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_back() {
        for address in ["192.0.2.1:7", "[2001:db8::1]:65535", "[::ffff:192.0.2.1]:9"] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(decode(&encode(address)), Ok(address));
        }
    }

    #[test]
    fn short_and_strange_ones_are_refused() {
        let whole = encode("192.0.2.1:7".parse().expect("an address"));
        assert_eq!(decode(&whole[..15]), Err(Errno::EINVAL));
        assert_eq!(decode(&[]), Err(Errno::EINVAL));
        assert_eq!(decode(&[255; 28]), Err(Errno::EAFNOSUPPORT));
    }
}
