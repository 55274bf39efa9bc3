//! UDP multicast: announces of registrars (RFC 5352, 2.2.11 and 3.6), and their Presences (RFC 5353, 3.1).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::slice;

use bytes::Bytes;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;
use socket2::{Domain, Protocol, Socket, Type};

use super::Error;
use crate::transport::{Side, TransportEvent};

/// Where RSPLIB's registrars announce themselves, and so ours.
pub const ANNOUNCE_GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 0, 0, 50)), 3863);

/// Where RSPLIB's registrars tell each other of their presence, and so ours.
pub const ENRP_GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 0, 0, 51)), 9901);

/// IANA's group for RSerPool (RFC 5352, 8.4), of the family and scope of another one: also listened to.
fn iana_group(other: IpAddr) -> IpAddr {
    match other {
        IpAddr::V4(_) => Ipv4Addr::new(224, 0, 1, 185).into(),
        IpAddr::V6(v6) => Ipv6Addr::new(0xff00 | scope(v6), 0, 0, 0, 0, 0, 0, 0x133).into(),
    }
}

/// How far an IPv6 group reaches (RFC 4291, 2.7).
fn scope(group: Ipv6Addr) -> u16 {
    group.segments()[0] & 0xf
}

/// Hops that an announce may travel, as RSPLIB's.
pub const ANNOUNCE_TTL: u32 = 30;

/// Longest announce that is read: one with all addresses of a registrar fits easily.
const MAX_ANNOUNCE: usize = 2048;

/// An address of an interface that is up and knows multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interface {
    address: IpAddr,
    index: u32,
}

/// Addresses of interfaces on which a group can be had.
fn interfaces_for(group: SocketAddr) -> Result<Vec<Interface>, Error> {
    let interfaces = getifaddrs().map_err(io::Error::from).map_err(Error::system("list the interfaces"))?;
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    let all = interfaces.filter(|interface| interface.flags.contains(wanted)).filter_map(|interface| {
        let address = ip(&interface.address?)?;
        // An interface that is gone again has no index.
        let index = if_nametoindex(interface.interface_name.as_str()).ok()?;
        (address.is_ipv4() == group.is_ipv4()).then_some(Interface { address, index })
    });
    Ok(all.collect())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = || address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4().or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

/// A UDP socket that shares its port with the other programs of this host.
fn open(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
        // An address that is tested for duplicates yet will do in a second.
        socket.set_freebind_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    Ok(socket)
}

/// Sends announces on every interface. The source is what receivers take for the registrar's address: see
/// [`AnnounceSender::open`].
pub(super) struct AnnounceSender {
    group: SocketAddr,
    sockets: Vec<UdpSocket>,
}

impl AnnounceSender {
    /// One socket for each of `addresses` (none: of all) that belongs to a multicast interface, with the registrar's
    /// port as source.
    pub(super) fn open(group: SocketAddr, ttl: u32, addresses: &[IpAddr], port: u16) -> Result<Self, Error> {
        let mut sockets = Vec::new();
        for interface in interfaces_for(group)? {
            if addresses.is_empty() || addresses.contains(&interface.address) {
                let socket = Self::open_on(interface, ttl, port);
                sockets.push(socket.map_err(Error::system("open a socket for announces"))?);
            }
        }
        if sockets.is_empty() {
            tracing::info!(%group, "no announces: none of our addresses is on an interface that knows multicast");
        }
        Ok(Self { group, sockets })
    }

    pub(super) fn reaches_any(&self) -> bool {
        !self.sockets.is_empty()
    }

    fn open_on(interface: Interface, ttl: u32, port: u16) -> io::Result<UdpSocket> {
        let socket = match interface.address {
            IpAddr::V4(address) => {
                let socket = open(SocketAddr::new(interface.address, port))?;
                socket.set_multicast_if_v4(&address)?;
                socket.set_multicast_ttl_v4(ttl)?;
                socket.set_multicast_loop_v4(true)?;
                socket
            }
            IpAddr::V6(address) => {
                let socket = open(SocketAddrV6::new(address, port, 0, interface.index).into())?;
                socket.set_multicast_if_v6(interface.index)?;
                socket.set_multicast_hops_v6(ttl)?;
                socket.set_multicast_loop_v6(true)?;
                socket
            }
        };
        Ok(socket.into())
    }

    /// Sends one announce everywhere. Announces are repeated, so failures are only noted.
    pub(super) fn send(&mut self, data: &[u8]) {
        for socket in &self.sockets {
            if let Err(error) = socket.send_to(data, self.group) {
                tracing::debug!(%error, "announce not sent");
            }
        }
    }
}

/// Receives what comes to one endpoint's groups.
pub(super) struct AnnounceReceiver {
    side: Side,
    sockets: Vec<UdpSocket>,
}

impl AnnounceReceiver {
    /// Joins `group`, and IANA's group, on every interface.
    pub(super) fn open(side: Side, group: SocketAddr) -> Result<Self, Error> {
        let mut interfaces = interfaces_for(group)?;
        interfaces.sort_by_key(|interface| interface.index);
        interfaces.dedup_by_key(|interface| interface.index);
        let mut groups = vec![group.ip(), iana_group(group.ip())];
        groups.dedup();
        let mut sockets = Vec::new();
        for group in groups.into_iter().map(|ip| SocketAddr::new(ip, group.port())) {
            for (place, interfaces) in places(group, &interfaces) {
                let socket = Self::join(place, interfaces);
                sockets.push(socket.map_err(Error::system("open a socket for announces"))?);
            }
        }
        Ok(Self { side, sockets })
    }

    fn join(group: SocketAddr, interfaces: &[Interface]) -> io::Result<UdpSocket> {
        let socket: UdpSocket = open(group)?.into();
        for interface in interfaces {
            let joined = match (group.ip(), interface.address) {
                (IpAddr::V4(group), IpAddr::V4(address)) => socket.join_multicast_v4(&group, &address),
                (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, interface.index),
                (IpAddr::V4(_), IpAddr::V6(_)) => continue,
            };
            if let Err(error) = joined {
                tracing::debug!(%error, %group, ?interface, "multicast group not joined");
            }
        }
        Ok(socket)
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.iter()
    }

    /// The next announce, if one is there.
    pub(super) fn receive(&mut self) -> Option<TransportEvent> {
        let mut buffer = [0; MAX_ANNOUNCE];
        self.sockets.iter().find_map(|socket| match socket.recv_from(&mut buffer) {
            Ok((len, source)) => {
                let data = Bytes::copy_from_slice(buffer.get(..len)?);
                Some(TransportEvent::Announce { side: self.side, source, data })
            }
            Err(error) => {
                if error.kind() != ErrorKind::WouldBlock {
                    tracing::debug!(%error, "announce not received");
                }
                None
            }
        })
    }
}

/// Where to listen to a group, and on which interfaces. A group of one link, or of one interface (RFC 4291, 2.7), is another one on each.
fn places(group: SocketAddr, interfaces: &[Interface]) -> Vec<(SocketAddr, &[Interface])> {
    match group {
        SocketAddr::V6(v6) if scope(*v6.ip()) <= 2 => {
            let place = |index| SocketAddrV6::new(*v6.ip(), v6.port(), 0, index).into();
            interfaces.iter().map(|one| (place(one.index), slice::from_ref(one))).collect()
        }
        _ => vec![(group, interfaces)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iana_s_group_has_the_scope_of_the_other() {
        // RFC 5352, 8.4.
        let of = |group: &str| iana_group(group.parse().unwrap()).to_string();
        assert_eq!(of("239.0.0.50"), "224.0.1.185");
        assert_eq!(of("ff05::50"), "ff05::133");
        assert_eq!(of("ff12::1:2"), "ff02::133");
    }

    #[test]
    fn a_group_of_one_link_is_another_one_on_each() {
        let interfaces = [3, 7].map(|index| Interface { address: Ipv6Addr::LOCALHOST.into(), index });
        let of = |group: &str| {
            let places = places(group.parse().unwrap(), &interfaces);
            places.into_iter().map(|(place, on)| (place.to_string(), on.len())).collect::<Vec<_>>()
        };
        assert_eq!(of("[ff05::50]:3863"), [("[ff05::50]:3863".to_owned(), 2)]);
        assert_eq!(of("239.0.0.50:3863"), [("239.0.0.50:3863".to_owned(), 2)]);
        let of_link = ["[ff02::50%3]:3863", "[ff02::50%7]:3863"].map(|place| (place.to_owned(), 1));
        assert_eq!(of("[ff02::50]:3863"), of_link);
    }
}
