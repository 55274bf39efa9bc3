//! Packets that are to be cut into fragments.
//!
//! The kernel would cut them for the interface, whatever is known of the path; and what a switch behind it has no room for
//! vanishes. So the fragments are ours, with IP headers of our own.

use std::io::{self, ErrorKind};

use etherparse::IpNumber;
use sctp_core::net::Transmit;
use socket2::{Domain, Protocol, Socket, Type};

use crate::driver::{
    OpenError,
    header::Header,
    route,
    sys::message::{self, Outgoing},
};

/// Sockets that take whole IP packets, one for each family. They hear nothing.
#[derive(Debug)]
pub(super) struct Fragmenter {
    v4: Option<Socket>,
    v6: Option<Socket>,
    /// Of the packet that was cut last.
    identification: u32,
}

impl Fragmenter {
    pub(super) fn open(v4: bool, v6: bool) -> Result<Self, OpenError> {
        let open = |domain| {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let family = |wanted: bool, domain| wanted.then(|| open(domain)).transpose();
        let what = OpenError::system("open a raw socket for fragments");
        let sockets = family(v4, Domain::IPV4).and_then(|v4| Ok((v4, family(v6, Domain::IPV6)?)));
        let (v4, v6) = sockets.map_err(what)?;
        Ok(Self { v4, v6, identification: rand::random() })
    }

    /// Sends one packet in IP packets of at most `limit` bytes. False means that the socket is full, and nothing was sent.
    pub(super) fn send(&mut self, transmit: &Transmit, packet: &[u8], limit: usize) -> io::Result<bool> {
        let path = transmit.path;
        let socket = if path.remote.is_ipv4() { &self.v4 } else { &self.v6 };
        let socket = socket.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))?;
        let host = route::route_to(path.local, path.remote)?;
        let header = Header {
            source: path.local.unwrap_or(host.source),
            destination: path.remote,
            protocol: IpNumber::SCTP,
            ecn: transmit.ecn,
            marks: transmit.marks,
            may_fragment: true,
        };
        self.identification = self.identification.wrapping_add(1);
        let pieces = header.pieces(packet.len(), limit.min(host.mtu), self.identification);
        let fragments: Vec<Vec<u8>> =
            pieces.map(|(header, range)| [&header[..], &packet[range]].concat()).collect();
        if fragments.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let outgoing: Vec<Outgoing<'_>> =
            fragments.iter().map(|bytes| Outgoing::to(path.remote, 0, bytes)).collect();
        send_all(socket, &outgoing)
    }
}

/// A packet of which a part has left is lost as a whole when the rest cannot leave.
fn send_all(socket: &Socket, mut rest: &[Outgoing<'_>]) -> io::Result<bool> {
    let all = rest.len();
    while !rest.is_empty() {
        match message::send(socket, rest) {
            Ok(count) => rest = &rest[count.clamp(1, rest.len())..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(rest.len() < all),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
