//! UDP multicast: announces of registrars (RFC 5352, 2.2.11 and 3.6), and their Presences (RFC 5353, 3.1).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};

use bytes::Bytes;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::Error;
use crate::transport::{Side, TransportEvent};

/// Where RSPLIB's registrars announce themselves, and so ours.
pub const ANNOUNCE_GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 0, 0, 50), 3863);

/// Where RSPLIB's registrars tell each other of their presence, and so ours.
pub const ENRP_GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 0, 0, 51), 9901);

/// IANA's group for RSerPool (RFC 5352, 8.4): also listened to.
const IANA_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 185);

/// Hops that an announce may travel, as RSPLIB's.
pub const ANNOUNCE_TTL: u32 = 30;

/// Longest announce that is read: one with all addresses of a registrar fits easily.
const MAX_ANNOUNCE: usize = 2048;

/// IPv4 addresses of interfaces that are up and know multicast.
fn multicast_interfaces() -> Result<Vec<Ipv4Addr>, Error> {
    let interfaces = getifaddrs().map_err(io::Error::from).map_err(Error::system("list the interfaces"))?;
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    let addresses = interfaces
        .filter(|interface| interface.flags.contains(wanted))
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()));
    Ok(addresses.collect())
}

/// A UDP socket that shares its port with the other programs of this host.
fn open(local: SocketAddrV4) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    Ok(socket)
}

/// Sends announces on every interface. The source is what receivers take for the registrar's address: see
/// [`AnnounceSender::open`].
pub(super) struct AnnounceSender {
    group: SocketAddrV4,
    sockets: Vec<UdpSocket>,
}

impl AnnounceSender {
    /// One socket for each of `addresses` (none: of all) that belongs to a multicast interface, with the registrar's
    /// port as source.
    pub(super) fn open(
        group: SocketAddrV4,
        ttl: u32,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<Self, Error> {
        let mut sockets = Vec::new();
        for interface in multicast_interfaces()? {
            if addresses.is_empty() || addresses.contains(&interface.into()) {
                let socket = Self::open_on(interface, ttl, port);
                sockets.push(socket.map_err(Error::system("open a socket for announces"))?);
            }
        }
        if sockets.is_empty() {
            tracing::info!("no announces: none of our addresses is on an interface that knows multicast");
        }
        Ok(Self { group, sockets })
    }

    pub(super) fn reaches_any(&self) -> bool {
        !self.sockets.is_empty()
    }

    fn open_on(interface: Ipv4Addr, ttl: u32, port: u16) -> io::Result<UdpSocket> {
        let socket = open(SocketAddrV4::new(interface, port))?;
        socket.set_multicast_if_v4(&interface)?;
        socket.set_multicast_ttl_v4(ttl)?;
        socket.set_multicast_loop_v4(true)?;
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
    pub(super) fn open(side: Side, group: SocketAddrV4) -> Result<Self, Error> {
        let interfaces = multicast_interfaces()?;
        let mut sockets = Vec::new();
        for address in [*group.ip(), IANA_GROUP] {
            let socket = open(SocketAddrV4::new(address, group.port()));
            let socket: UdpSocket =
                socket.map(Into::into).map_err(Error::system("open a socket for announces"))?;
            for interface in &interfaces {
                if let Err(error) = socket.join_multicast_v4(&address, interface) {
                    tracing::debug!(%error, %address, %interface, "multicast group not joined");
                }
            }
            sockets.push(socket);
        }
        Ok(Self { side, sockets })
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
