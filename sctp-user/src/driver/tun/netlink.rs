//! Three requests to the kernel by rtnetlink: MTU and up, an address, a route. No `ip` program is needed.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Room for an answer: an error quotes the request.
const ANSWER: usize = 1024;
/// The host's own scope of a route to a neighbour (RT_SCOPE_LINK).
const SCOPE_LINK: u8 = 253;

/// A connection to the kernel's routing tables, in the network namespace of the thread that made it.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        Ok(Self { socket })
    }

    /// Sets an interface's MTU and brings it up.
    pub(super) fn bring_up(&self, interface: u32, mtu: u32) -> io::Result<()> {
        let up = libc::IFF_UP as u32;
        let mut request = Request::new(libc::RTM_NEWLINK, 0);
        // struct ifinfomsg: family, padding, type, index, flags, mask of the flags to change
        request.bytes(&[libc::AF_UNSPEC as u8, 0, 0, 0]);
        [interface, up, up].iter().for_each(|field| request.bytes(&field.to_ne_bytes()));
        request.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
        self.ask(request)
    }

    /// Gives an interface an address, usable at once.
    pub(super) fn add_address(&self, interface: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut request = Request::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        // struct ifaddrmsg: family, prefix length, flags, scope, interface
        request.bytes(&[family(address), prefix, libc::IFA_F_NODAD as u8, libc::RT_SCOPE_UNIVERSE]);
        request.bytes(&interface.to_ne_bytes());
        let octets = octets(address);
        request.attribute(libc::IFA_LOCAL, &octets);
        request.attribute(libc::IFA_ADDRESS, &octets);
        self.ask(request)
    }

    /// Routes one address to an interface.
    pub(super) fn add_route(&self, interface: u32, address: IpAddr) -> io::Result<()> {
        let mut request = Request::new(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        let octets = octets(address);
        let scope = if address.is_ipv4() { SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
        // struct rtmsg: family, prefix lengths of destination and source, TOS, table, protocol, scope, type, flags
        let prefix = octets.len() as u8 * 8;
        request.bytes(&[family(address), prefix, 0, 0, libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, scope]);
        request.bytes(&[libc::RTN_UNICAST, 0, 0, 0, 0]);
        request.attribute(libc::RTA_DST, &octets);
        request.attribute(libc::RTA_OIF, &interface.to_ne_bytes());
        self.ask(request)
    }

    fn ask(&self, request: Request) -> io::Result<()> {
        let descriptor = self.socket.as_raw_fd();
        send(descriptor, &request.finish(), MsgFlags::empty())?;
        let mut answer = [0; ANSWER];
        let len = recv(descriptor, &mut answer, MsgFlags::empty())?;
        read_answer(&answer[..len])
    }
}

/// What the kernel answers to each request: NLMSG_ERROR with 0 or a negative error number.
fn read_answer(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|kind| kind.first_chunk()).map(|kind| u16::from_ne_bytes(*kind));
    let code = answer.get(HEADER..).and_then(|body| body.first_chunk()).map(|code| i32::from_ne_bytes(*code));
    match (kind.map(i32::from), code) {
        (Some(libc::NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(libc::NLMSG_ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

/// A request that is written.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: libc::c_int) -> Self {
        let flags = (flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        let mut request = Self(vec![0; 4]);
        request.bytes(&kind.to_ne_bytes());
        request.bytes(&flags.to_ne_bytes());
        // The number of the request and of the asker: one request is out at a time.
        request.bytes(&[0; 8]);
        request
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let len = value.len() as u16 + 4;
        self.bytes(&len.to_ne_bytes());
        self.bytes(&kind.to_ne_bytes());
        self.bytes(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let len = (self.0.len() as u32).to_ne_bytes();
        self.0[..4].copy_from_slice(&len);
        self.0
    }
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_their_attributes_are_padded_and_counted() {
        let mut request = Request::new(libc::RTM_NEWLINK, 0);
        request.attribute(libc::IFLA_IFNAME, b"tun0\0");
        let bytes = request.finish();
        assert_eq!(bytes.len(), HEADER + 4 + 8);
        assert_eq!(bytes[..4], 28u32.to_ne_bytes());
        assert_eq!(bytes[HEADER..HEADER + 2], 9u16.to_ne_bytes(), "the padding is not counted");
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        assert!(read_answer(&[]).is_err());
        let mut answer = [0; 36];
        answer[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
        assert!(read_answer(&answer).is_ok());
        answer[HEADER..HEADER + 4].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert_eq!(read_answer(&answer).unwrap_err().raw_os_error(), Some(libc::EPERM));
    }
}
