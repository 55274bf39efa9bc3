//! Options at levels IPPROTO_IP and IPPROTO_IPV6.

use crate::harness::Program;
use crate::options::{get_ip, set_ip};
use crate::{Errno, Settings, Style};
use libc::{IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_TCLASS, IPV6_UNICAST_HOPS, IPV6_V6ONLY};

fn get(program: &mut Program, level: i32, number: i32) -> Result<i32, Errno> {
    let answer = program.target(|target| get_ip(target, level, number, 4))?;
    assert_eq!(answer.len, 4);
    Ok(i32::from_ne_bytes(answer.bytes.try_into().unwrap()))
}

fn set(program: &mut Program, level: i32, number: i32, value: i32) -> Result<(), Errno> {
    program.target(|target| set_ip(target, level, number, &value.to_ne_bytes())).map(|_| ())
}

/// IP_TOS and IP_TTL hold for what the socket has and for what it will have.
#[test]
fn what_is_set_for_a_socket_holds_for_its_associations() {
    let mut program = Program::connected(Style::OneToMany);
    assert_eq!(get(&mut program, IPPROTO_IP, IP_TOS), Ok(0));
    assert_eq!(get(&mut program, IPPROTO_IP, IP_TTL), Ok(64));
    set(&mut program, IPPROTO_IP, IP_TOS, 0xb8).unwrap();
    set(&mut program, IPPROTO_IP, IP_TTL, 3).unwrap();
    assert_eq!(get(&mut program, IPPROTO_IP, IP_TOS), Ok(0xb8));
    let of = |association: &sctp_core::association::Association| association.config().ipv4;
    let ipv4 = program.socket.association(program.association, of).unwrap();
    assert_eq!((ipv4.traffic_class, ipv4.hop_limit), (0xb8, 3));
    set(&mut program, IPPROTO_IP, IP_TTL, -1).unwrap();
    assert_eq!(get(&mut program, IPPROTO_IP, IP_TTL), Ok(64));
}

/// On stream sockets Linux leaves the ECN field to the protocol (RFC 3168, 5).
#[test]
fn the_ecn_field_of_a_stream_socket_cannot_be_set() {
    for (style, told) in [(Style::OneToOne, 0xb8), (Style::OneToMany, 0xbb)] {
        let mut program = Program::new(style);
        set(&mut program, IPPROTO_IP, IP_TOS, 0xbb).unwrap();
        assert_eq!(get(&mut program, IPPROTO_IP, IP_TOS), Ok(told), "{style:?}");
    }
}

/// RFC 3542, 6.3 and 6.5.
#[test]
fn sockets_of_ipv6_have_options_of_both_versions() {
    let mut program = Program::new(Style::OneToOne);
    for option in [IPV6_TCLASS, IPV6_UNICAST_HOPS] {
        assert_eq!(set(&mut program, IPPROTO_IPV6, option, 4), Err(Errno::ENOPROTOOPT), "AF_INET");
    }
    program.settings = Settings::new(true);
    set(&mut program, IPPROTO_IPV6, IPV6_TCLASS, 0x28).unwrap();
    set(&mut program, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5).unwrap();
    set(&mut program, IPPROTO_IP, IP_TOS, 0x48).unwrap();
    let all = [(IPPROTO_IPV6, IPV6_TCLASS), (IPPROTO_IPV6, IPV6_UNICAST_HOPS), (IPPROTO_IP, IP_TOS)];
    assert_eq!(all.map(|(level, number)| get(&mut program, level, number).unwrap()), [0x28, 5, 0x48]);
    for option in [IPV6_TCLASS, IPV6_UNICAST_HOPS] {
        for wrong in [-2, 256] {
            assert_eq!(set(&mut program, IPPROTO_IPV6, option, wrong), Err(Errno::EINVAL));
        }
        set(&mut program, IPPROTO_IPV6, option, -1).unwrap();
    }
    assert_eq!(get(&mut program, IPPROTO_IPV6, IPV6_TCLASS), Ok(0));
    assert_eq!(get(&mut program, IPPROTO_IPV6, IPV6_V6ONLY), Err(Errno::ENOPROTOOPT), "not one of these");
}

/// Options of IP may be one byte long.
#[test]
fn a_byte_is_enough_for_options_of_ip() {
    let mut program = Program::new(Style::OneToOne);
    program.target(|target| set_ip(target, IPPROTO_IP, IP_TTL, &[9])).unwrap();
    let short = program.target(|target| get_ip(target, IPPROTO_IP, IP_TTL, 1)).unwrap();
    assert_eq!((short.bytes, short.len), (vec![9], 1));
    assert_eq!(program.target(|target| set_ip(target, IPPROTO_IP, IP_TTL, &[])), Err(Errno::EINVAL));
    assert_eq!(set(&mut program, IPPROTO_IP, IP_TTL, 0), Err(Errno::EINVAL));
}
