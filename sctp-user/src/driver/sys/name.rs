//! Socket addresses of raw sockets, small enough to keep a batch of them on the stack.

use std::net::IpAddr;

const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;
const V4_LEN: usize = size_of::<libc::sockaddr_in>();
const V6_LEN: usize = size_of::<libc::sockaddr_in6>();
const _: () = assert!(V4_LEN == 16 && V6_LEN == 28, "the layout of Linux");

/// A `sockaddr_in` or `sockaddr_in6`.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
pub(crate) struct Name([u8; V6_LEN]);

impl Name {
    pub(crate) const EMPTY: Self = Self([0; V6_LEN]);
    pub(crate) const SPACE: usize = V6_LEN;

    pub(crate) fn new(address: IpAddr, port: u16) -> Self {
        let mut name = Self::EMPTY;
        name.0[2..4].copy_from_slice(&port.to_be_bytes());
        match address {
            IpAddr::V4(v4) => {
                name.0[..2].copy_from_slice(&AF_INET.to_ne_bytes());
                name.0[4..8].copy_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                name.0[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
                name.0[8..24].copy_from_slice(&v6.octets());
            }
        }
        name
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        let family = u16::from_ne_bytes([self.0[0], self.0[1]]);
        match family {
            AF_INET => {
                let octets: [u8; 4] = self.0[4..8].try_into().ok()?;
                Some(octets.into())
            }
            AF_INET6 => {
                let octets: [u8; 16] = self.0[8..24].try_into().ok()?;
                Some(octets.into())
            }
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        if u16::from_ne_bytes([self.0[0], self.0[1]]) == AF_INET { V4_LEN } else { V6_LEN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_read_back() {
        for text in ["192.0.2.77", "2001:db8::77"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Name::new(address, 9899).address(), Some(address));
        }
        assert_eq!(Name::EMPTY.address(), None);
    }
}
