//! ICMP errors about packets that we sent, from the error queue of a socket (IP_RECVERR).

use std::{
    io::{self, IoSliceMut},
    net::IpAddr,
    os::fd::{AsFd, AsRawFd},
};

use bytes::Bytes;
use nix::{
    cmsg_space,
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg},
};
use sctp_core::net::PathAddress;

use super::{Problem, Report, route};

/// What we keep of a quoted packet: the common header and the first chunk's head is what the core
/// compares; RFC 1812 lets routers quote up to 576 bytes.
pub(crate) const QUOTE: usize = 128;
/// Errors read in one call, so that a flood of ICMP cannot keep us from the packets.
const AT_MOST: usize = 32;

/// Empties the error queue. `local` is our address if the socket has only one.
pub(crate) fn drain(socket: &impl AsFd, local: Option<IpAddr>, udp: bool, mut report: impl FnMut(Report)) {
    for _ in 0..AT_MOST {
        match next(socket, local, udp) {
            Next::Report(found) => report(found),
            Next::Other => {}
            Next::Empty => return,
        }
    }
}

enum Next {
    Empty,
    Other,
    Report(Report),
}

fn next(socket: &impl AsFd, local: Option<IpAddr>, udp: bool) -> Next {
    let mut quoted = [0; QUOTE];
    let mut slices = [IoSliceMut::new(&mut quoted)];
    let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, libc::in6_pktinfo, [u8; 64]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let received =
        recvmsg::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut slices, Some(&mut control), flags);
    let Ok(message) = received else { return Next::Empty };
    let (mut local, mut problem) = (local, None);
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                problem = classify(&error);
            }
            // The destination of the ICMP message: our address.
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                local = local.or(Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                local = local.or(Some(IpAddr::from(info.ipi6_addr.s6_addr)));
            }
            _ => {}
        }
    }
    let remote = message.address.and_then(|address| destination(&address));
    let (Some(problem), Some((remote, port))) = (problem, remote) else { return Next::Other };
    let len = message.bytes;
    let path = PathAddress { local, remote, remote_udp_port: if udp { port } else { 0 } };
    Next::Report(Report { path, problem, quoted: Bytes::copy_from_slice(&quoted[..len.min(QUOTE)]) })
}

fn destination(address: &SockaddrStorage) -> Option<(IpAddr, u16)> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some((v4.ip().into(), v4.port())),
        (_, Some(v6)) => Some((v6.ip().into(), v6.port())),
        _ => None,
    }
}

fn classify(error: &libc::sock_extended_err) -> Option<Problem> {
    let v4 = match error.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => true,
        libc::SO_EE_ORIGIN_ICMP6 => false,
        // Our own kernel's refusals (SO_EE_ORIGIN_LOCAL) fail the call that sends: see `refusal`.
        _ => return None,
    };
    let mtu = usize::try_from(error.ee_info).unwrap_or(usize::MAX);
    Some(problem(v4, error.ee_type, error.ee_code, mtu))
}

/// ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443) in our terms. `mtu` is what "too big" says.
pub(crate) fn problem(v4: bool, kind: u8, code: u8, mtu: usize) -> Problem {
    match (v4, kind, code) {
        (true, 3, 0 | 6 | 11) => Problem::NetUnreachable,
        (true, 3, 1 | 5 | 7 | 12) => Problem::HostUnreachable,
        (true, 3, 2) => Problem::ProtocolUnreachable,
        (true, 3, 3) => Problem::PortUnreachable,
        (true, 3, 4) => Problem::PacketTooBig { mtu },
        (true, 3, 9 | 10 | 13) => Problem::Prohibited,
        (false, 1, 0) => Problem::NetUnreachable,
        (false, 1, 1 | 5 | 6) => Problem::Prohibited,
        (false, 1, 2 | 3) => Problem::HostUnreachable,
        (false, 1, 4) => Problem::PortUnreachable,
        (false, 2, 0) => Problem::PacketTooBig { mtu },
        // RFC 4443, 3.4: unrecognized next header, which is how IPv6 says "no such protocol"
        (false, 4, 1) => Problem::ProtocolUnreachable,
        _ => Problem::Other { kind, code },
    }
}

/// The errors that an ICMP message leaves behind for the next call. Anybody can forge one: what is missing here lets a
/// stranger end the driver.
pub(crate) fn is_icmp(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::EMSGSIZE
                | libc::EACCES
                | libc::EOPNOTSUPP
                | libc::EINTR
        )
    )
}

/// A report of a packet that our own host would not send.
pub(crate) fn refusal(path: &PathAddress, packet: &[u8], errno: i32) -> Report {
    let problem = match errno {
        libc::EMSGSIZE => Problem::PacketTooBig { mtu: route::mtu_or_default(path) },
        libc::ENETUNREACH => Problem::NetUnreachable,
        libc::EHOSTUNREACH => Problem::HostUnreachable,
        libc::EACCES | libc::EPERM => Problem::Prohibited,
        errno => Problem::SendFailed { errno },
    };
    let quoted = Bytes::copy_from_slice(&packet[..packet.len().min(QUOTE)]);
    Report { path: *path, problem, quoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(origin: u8, kind: u8, code: u8, info: u32) -> libc::sock_extended_err {
        libc::sock_extended_err {
            ee_errno: 0,
            ee_origin: origin,
            ee_type: kind,
            ee_code: code,
            ee_pad: 0,
            ee_info: info,
            ee_data: 0,
        }
    }

    // RFC 9260, 10: what the kernel makes of each code of a "destination unreachable", and of the other errors.
    #[test]
    fn no_icmp_message_ends_a_driver() {
        for errno in [
            libc::ENETUNREACH,
            libc::EHOSTUNREACH,
            libc::ENOPROTOOPT,
            libc::ECONNREFUSED,
            libc::EMSGSIZE,
            libc::EOPNOTSUPP,
            libc::EHOSTDOWN,
            libc::ENONET,
            libc::EACCES,
            libc::EPROTO,
        ] {
            assert!(is_icmp(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
        assert!(!is_icmp(&io::Error::from_raw_os_error(libc::EBADF)));
    }

    #[test]
    fn icmp_of_both_families_is_told_apart() {
        let (v4, v6) = (libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6);
        for (origin, kind, code, problem) in [
            (v4, 3, 2, Problem::ProtocolUnreachable),
            (v4, 3, 3, Problem::PortUnreachable),
            (v4, 3, 4, Problem::PacketTooBig { mtu: 1300 }),
            (v4, 11, 0, Problem::Other { kind: 11, code: 0 }),
            (v6, 4, 1, Problem::ProtocolUnreachable),
            (v6, 1, 4, Problem::PortUnreachable),
            (v6, 2, 0, Problem::PacketTooBig { mtu: 1300 }),
        ] {
            assert_eq!(classify(&error(origin, kind, code, 1300)), Some(problem), "{origin} {kind} {code}");
        }
        assert_eq!(classify(&error(libc::SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 0)), None);
    }
}
