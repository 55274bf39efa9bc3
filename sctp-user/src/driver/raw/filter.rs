//! The kernel filter of a raw socket (classic BPF): each packet of protocol 132 in the namespace would
//! else wake every stack, its own packets included.

use std::{net::IpAddr, ops::RangeInclusive};

use socket2::SockFilter;

/// Longest program that the kernel takes (BPF_MAXINSNS).
const LONGEST: usize = 4096;
/// Instructions before the first range, and after the last one.
const FRAME: usize = 4;
const PER_RANGE: usize = 3;
/// Ranges of ports that one filter can name.
pub(crate) const MOST_RANGES: usize = (LONGEST - FRAME) / PER_RANGE;

const ACCEPT_ALL: u32 = u32::MAX;
/// Where the destination port lies in the SCTP common header (RFC 9260, 3.1).
const DESTINATION_PORT: u32 = 2;
/// Where the destination address lies in the IP header (RFC 791, 3.1; RFC 8200, 3), as the kernel counts from there.
const DESTINATION_V4: u32 = libc::SKF_NET_OFF as u32 + 16;
const DESTINATION_V6: u32 = libc::SKF_NET_OFF as u32 + 24;

// Opcodes of linux/bpf_common.h.
const LDX_MSH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const LD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LD_HALF_INDEXED: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
const LD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LD_MEMORY: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_MEM) as u16;
const STORE: u16 = libc::BPF_ST as u16;
const JUMP_EQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_GE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_GT: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A filter that lets nothing through: for the time before the leases are known.
pub(crate) fn nothing() -> Vec<SockFilter> {
    vec![SockFilter::new(RETURN, 0, 0, 0)]
}

/// A filter that lets these destination ports through. On IPv4 a raw socket's filter sees the IP header first, on IPv6 the
/// SCTP header. Of more than [`MOST_RANGES`] ranges only the first count.
pub(crate) fn by_port(v4: bool, ranges: &[RangeInclusive<u16>]) -> Vec<SockFilter> {
    let mut program = load_port(v4);
    push_ranges(&mut program, ranges, ACCEPT_ALL);
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program
}

/// Lets all through but packets to these destination ports, and to these ports of one address each. What has no room
/// in a program comes through.
pub(crate) fn all_but(
    v4: bool,
    ranges: &[RangeInclusive<u16>],
    addressed: &[(IpAddr, RangeInclusive<u16>)],
) -> Vec<SockFilter> {
    let mut program = load_port(v4);
    push_ranges(&mut program, ranges, 0);
    for (address, ports) in addressed.iter().filter(|(address, _)| address.is_ipv4() == v4) {
        let test = test_address(address, ports);
        if program.len() + test.len() >= LONGEST {
            break;
        }
        program.extend(test);
    }
    program.push(SockFilter::new(RETURN, 0, 0, ACCEPT_ALL));
    program
}

/// Loads the destination port, and keeps it in memory cell 0 too.
fn load_port(v4: bool) -> Vec<SockFilter> {
    let mut program = Vec::new();
    if v4 {
        program.push(SockFilter::new(LDX_MSH, 0, 0, 0)); // X = bytes of the IP header
        program.push(SockFilter::new(LD_HALF_INDEXED, 0, 0, DESTINATION_PORT));
    } else {
        program.push(SockFilter::new(LD_HALF, 0, 0, DESTINATION_PORT));
    }
    program.push(SockFilter::new(STORE, 0, 0, 0));
    program
}

fn push_ranges(program: &mut Vec<SockFilter>, ranges: &[RangeInclusive<u16>], inside: u32) {
    for range in ranges.iter().take(MOST_RANGES) {
        program.push(SockFilter::new(JUMP_GE, 0, 2, u32::from(*range.start())));
        program.push(SockFilter::new(JUMP_GT, 1, 0, u32::from(*range.end())));
        program.push(SockFilter::new(RETURN, 0, 0, inside));
    }
}

/// Drops packets to these ports of this address; others go on behind it, with the port loaded.
fn test_address(address: &IpAddr, ports: &RangeInclusive<u16>) -> Vec<SockFilter> {
    let (first, words) = match address {
        IpAddr::V4(v4) => (DESTINATION_V4, vec![v4.to_bits()]),
        IpAddr::V6(v6) => {
            (DESTINATION_V6, (0..4).rev().map(|word| (v6.to_bits() >> (32 * word)) as u32).collect())
        }
    };
    // A load and a comparison for each word, then the drop; at the end the port is loaded again.
    let reload = 2 * words.len() as u8 + 1;
    let mut test = vec![
        SockFilter::new(JUMP_GE, 0, reload + 1, u32::from(*ports.start())),
        SockFilter::new(JUMP_GT, reload, 0, u32::from(*ports.end())),
    ];
    for (offset, word) in (first..).step_by(4).zip(words) {
        test.push(SockFilter::new(LD_WORD, 0, 0, offset));
        let to_reload = reload + 2 - (test.len() as u8 + 1);
        test.push(SockFilter::new(JUMP_EQ, 0, to_reload, word));
    }
    test.push(SockFilter::new(RETURN, 0, 0, 0));
    test.push(SockFilter::new(LD_MEMORY, 0, 0, 0));
    test
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use socket2::Socket;

    use super::*;

    /// The filter of a UDP socket sees the UDP header first, whose destination port lies where SCTP's does on IPv6:
    /// so the kernel itself can run the programs, without privileges.
    fn hears(program: impl Fn(u16) -> Vec<SockFilter>) -> bool {
        let socket = Socket::from(UdpSocket::bind("[::1]:0").unwrap());
        let local = socket.local_addr().unwrap();
        let port = local.as_socket().unwrap().port();
        socket.attach_filter(&program(port)).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.send_to(b"x", &local).unwrap();
        UdpSocket::from(socket).recv(&mut [0]).is_ok()
    }

    #[test]
    fn ports_of_one_address_are_kept_out_and_the_same_ports_of_others_are_not() {
        let (here, there) = (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 1, 1]));
        assert!(hears(|_| all_but(false, &[], &[])));
        assert!(!hears(|port| all_but(false, &[], &[(here, port..=port)])));
        assert!(!hears(|port| all_but(false, &[], &[(there, port..=port), (here, 1..=u16::MAX)])));
        assert!(hears(|port| all_but(false, &[], &[(there, port..=port), (here, port + 1..=port + 1)])));
        assert!(hears(|port| all_but(false, &[1..=1], &[(here, 1..=port - 1)])));
        assert!(!hears(|port| all_but(false, &[1..=1, port..=port], &[])));
    }

    #[test]
    fn only_named_ports_come_in() {
        assert!(hears(|port| by_port(false, &[1..=1, port..=port])));
        assert!(!hears(|port| by_port(false, &[1..=port - 1, port + 1..=u16::MAX])));
        assert!(!hears(|_| nothing()));
    }

    #[test]
    fn no_program_is_longer_than_the_kernel_takes() {
        let many: Vec<_> = (1..=2_000).map(|port| (IpAddr::from([7; 16]), port..=port)).collect();
        assert!(hears(|_| all_but(false, &[], &many)));
        let ranges: Vec<_> = (0..MOST_RANGES as u16).map(|at| 1 + 2 * at..=1 + 2 * at).collect();
        assert!(by_port(true, &ranges).len() <= LONGEST && all_but(true, &ranges, &many).len() <= LONGEST);
    }
}
