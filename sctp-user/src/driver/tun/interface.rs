//! The TUN interface: made, addressed and brought up.

use std::{
    fmt,
    io::{self, ErrorKind, IoSlice},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, BorrowedFd},
    str::FromStr,
};

use nix::{net::if_::if_nametoindex, sys::uio::writev};
use tun_tap::{Iface, Mode};

use super::netlink::Netlink;
use crate::driver::{OpenError, route, sys};

/// Characters of an interface's name (IFNAMSIZ without its zero).
const LONGEST_NAME: usize = 15;

/// An address of the stack's own, and the network that it lies in.
///
/// ```
/// use sctp_user::driver::tun::TunAddress;
///
/// let address: TunAddress = "10.9.0.2/24".parse()?;
/// assert_eq!(address.host_side(), Some([10, 9, 0, 1].into()));
/// # Ok::<(), sctp_user::driver::tun::TunAddressError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunAddress {
    address: IpAddr,
    prefix: u8,
}

/// Why something is no address for a TUN interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunAddressError {
    /// Neither an address nor an address with a prefix length.
    #[error("{0:?} is not ADDRESS or ADDRESS/LENGTH")]
    Syntax(String),
    /// The prefix length is longer than the address.
    #[error("{prefix} is too long a prefix for {address}")]
    Prefix {
        /// The address.
        address: IpAddr,
        /// The prefix length.
        prefix: u8,
    },
    /// No host has this address.
    #[error("{0} is no address of a host")]
    NotUnicast(IpAddr),
    /// The network itself, or all of its hosts.
    #[error("{0} is the first or last address of its network, which no host can have")]
    Reserved(IpAddr),
    /// It means another host on each interface.
    #[error("{0} is a link-local address, which a stack cannot be reached by")]
    LinkLocal(IpAddr),
}

impl TunAddress {
    /// An address in a network with this prefix length.
    ///
    /// # Errors
    /// All of [`TunAddressError`] but the syntax.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, TunAddressError> {
        if u32::from(prefix) > bits(address) {
            return Err(TunAddressError::Prefix { address, prefix });
        }
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(TunAddressError::NotUnicast(address));
        }
        match address {
            IpAddr::V4(v4) if prefix < 31 => {
                let last = u32::MAX >> prefix;
                if [0, last].contains(&(v4.to_bits() & last)) {
                    return Err(TunAddressError::Reserved(address));
                }
            }
            IpAddr::V6(v6) if v6.is_unicast_link_local() => return Err(TunAddressError::LinkLocal(address)),
            _ => {}
        }
        Ok(Self { address, prefix })
    }

    /// An address by itself.
    ///
    /// # Errors
    /// [`TunAddressError::NotUnicast`].
    pub fn alone(address: IpAddr) -> Result<Self, TunAddressError> {
        Self::new(address, bits(address) as u8)
    }

    /// The stack's address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The address that the host's kernel gets in this network: the first that is not the stack's. Without
    /// room for it (a prefix of 31, 32, 127 or 128) the kernel just routes the stack's address.
    pub fn host_side(&self) -> Option<IpAddr> {
        let host_bits = bits(self.address) - u32::from(self.prefix);
        if host_bits < 2 {
            return None;
        }
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let own = match self.address {
            IpAddr::V4(address) => u32::from(address).into(),
            IpAddr::V6(address) => u128::from(address),
        };
        let first = (own & mask) + 1;
        let chosen = if first == own { first + 1 } else { first };
        Some(match self.address {
            IpAddr::V4(_) => Ipv4Addr::from(chosen as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from(chosen).into(),
        })
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for TunAddress {
    type Err = TunAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || TunAddressError::Syntax(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| syntax())?)),
            None => (text, None),
        };
        let address = address.parse().map_err(|_| syntax())?;
        prefix.map_or_else(|| Self::alone(address), |prefix| Self::new(address, prefix))
    }
}

impl fmt::Display for TunAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A TUN interface that is up. It goes when this value does.
#[derive(Debug)]
pub(super) struct Interface {
    device: Iface,
}

impl Interface {
    pub(super) fn open(name: &str, mtu: usize, addresses: &[TunAddress]) -> Result<Self, OpenError> {
        if name.len() > LONGEST_NAME {
            let source =
                io::Error::new(ErrorKind::InvalidInput, format!("{name} has more than 15 characters"));
            return Err(OpenError::System { what: "name a TUN interface", source });
        }
        check_free(addresses, &route::local_addresses().map_err(OpenError::system("list addresses"))?)?;
        let device = Iface::without_packet_info(name, Mode::Tun).map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied => OpenError::NeedsNetAdmin,
            _ => OpenError::System { what: "open a TUN interface (/dev/net/tun)", source },
        })?;
        device.set_non_blocking().map_err(OpenError::system("set up a TUN interface"))?;
        configure(device.name(), mtu, addresses)?;
        Ok(Self { device })
    }

    pub(super) fn name(&self) -> &str {
        self.device.name()
    }

    /// Reads one packet.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.device.recv(buffer)
    }

    /// Writes one packet.
    pub(super) fn write(&self, header: &[u8], payload: &[u8]) -> io::Result<()> {
        writev(self, &[IoSlice::new(header), IoSlice::new(payload)])?;
        Ok(())
    }
}

impl AsFd for Interface {
    fn as_fd(&self) -> BorrowedFd<'_> {
        sys::tun::descriptor(&self.device)
    }
}

/// The kernel would get the packets that are meant for us, or send those of another interface's network.
fn check_free(addresses: &[TunAddress], host: &[IpAddr]) -> Result<(), OpenError> {
    for own in addresses {
        if host.contains(&own.address) {
            return Err(OpenError::NotOurs { address: own.address });
        }
        if let Some(side) = own.host_side().filter(|side| host.contains(side)) {
            return Err(OpenError::NetworkTaken { address: own.address, side });
        }
    }
    Ok(())
}

fn configure(name: &str, mtu: usize, addresses: &[TunAddress]) -> Result<(), OpenError> {
    let set_up = "set up a TUN interface";
    let index = if_nametoindex(name).map_err(io::Error::from).map_err(OpenError::system(set_up))?;
    let netlink = Netlink::open().map_err(OpenError::system("open a netlink socket"))?;
    netlink.bring_up(index, mtu as u32).map_err(OpenError::system("set the MTU of a TUN interface"))?;
    for own in addresses {
        match own.host_side() {
            Some(side) => netlink.add_address(index, side, own.prefix),
            None => netlink.add_route(index, own.address),
        }
        .map_err(OpenError::system("route an address to a TUN interface (is it routed elsewhere?)"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_gets_the_first_address_that_is_free() {
        let side = |text: &str| text.parse::<TunAddress>().unwrap().host_side().map(|ip| ip.to_string());
        assert_eq!(side("10.9.0.2/24").as_deref(), Some("10.9.0.1"));
        assert_eq!(side("10.9.0.1/24").as_deref(), Some("10.9.0.2"));
        assert_eq!(side("fd00::7/64").as_deref(), Some("fd00::1"));
        for alone in ["10.9.0.2", "10.9.0.2/31", "fd00::7", "fd00::7/127"] {
            assert_eq!(side(alone), None, "{alone}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<TunAddress>().unwrap_err().to_string();
        assert_eq!(refused("10.9.0.2/33"), "33 is too long a prefix for 10.9.0.2");
        assert_eq!(refused("224.0.0.1"), "224.0.0.1 is no address of a host");
        assert_eq!(
            refused("10.9.0.255/24"),
            "10.9.0.255 is the first or last address of its network, which no host can have"
        );
        assert!(refused("10.9.0.0/16").contains("first or last") && refused("9.0.0.0/8").contains("first"));
        assert!("10.9.0.0/31".parse::<TunAddress>().is_ok() && "10.9.0.255/32".parse::<TunAddress>().is_ok());
        assert!(refused("fe80::1/64").contains("link-local"));
        assert_eq!(refused("here/24"), "\"here/24\" is not ADDRESS or ADDRESS/LENGTH");
    }
}
