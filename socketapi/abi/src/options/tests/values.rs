//! Values that `tests/linux` does not reach: several addresses, IPv6, associations that begin and are peeled off, keys.

use std::net::{IpAddr, SocketAddr};

use sctp_core::association::AssociationState;
use sctp_core::auth::SharedKeys;
use sctp_user::driver::mem::MemDriver;
use sctp_user::stack::{Patience, Peer, Socket, SocketKind};

use crate::constants::*;
use crate::errno::Errno;
use crate::harness::{HERE, Program, THERE, at};
use crate::options::Outcome;
use crate::{Form, Style, decode};

const V4: Form = Form::new(false);

/// Addresses one behind the other.
pub(super) fn list(addresses: &[&str]) -> Vec<u8> {
    addresses.iter().flat_map(|address| V4.encode(at(address))).collect()
}

/// The addresses in an answer to `sctp_getpaddrs` or `sctp_getladdrs`.
fn addresses(bytes: &[u8]) -> Vec<SocketAddr> {
    let count = u32::from_ne_bytes(bytes[4..8].try_into().unwrap());
    let mut rest = &bytes[8..];
    let mut addresses = Vec::new();
    for _ in 0..count {
        let address = decode(rest).unwrap();
        rest = &rest[if rest[0] == libc::AF_INET as u8 { 16 } else { 28 }..];
        addresses.push(address);
    }
    assert!(rest.is_empty());
    addresses
}

/// Two addresses on each side.
pub(super) fn multihomed(style: Style) -> Program {
    let ips = |texts: [&str; 2]| texts.map(|text| text.parse::<IpAddr>().unwrap());
    let (ours, theirs) =
        MemDriver::pair(ips(["127.0.0.1", "127.0.0.3"]), ips(["127.0.0.2", "127.0.0.4"]), 1_500).unwrap();
    Program::on(ours, theirs, style)
}

fn value(number: i32, value: u32) -> Vec<u8> {
    [number.to_ne_bytes(), value.to_ne_bytes()].concat()
}

/// RFC 6458, 9.1.
#[test]
fn bindx_adds_and_takes_off_addresses() {
    let mut program = multihomed(Style::OneToMany);
    let all = list(&["127.0.0.1:7001", "127.0.0.3:7001"]);
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&["127.0.0.9:7001"])), Err(Errno::EADDRNOTAVAIL));
    program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&["127.0.0.1:7001"])).unwrap();
    // Bound already, or to another port.
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_ADD, &all), Err(Errno::EINVAL));
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&["127.0.0.3:7002"])), Err(Errno::EINVAL));
    let bound =
        |program: &mut Program| addresses(&program.get(SCTP_GET_LOCAL_ADDRS, &[0; 8], 400).unwrap().bytes);
    // All or none.
    let with_foreign = list(&["127.0.0.3:0", "127.0.0.9:0"]);
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_ADD, &with_foreign), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(bound(&mut program), [at("127.0.0.1:7001")]);
    program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&["127.0.0.3:0"])).unwrap();
    assert_eq!(bound(&mut program), [at("127.0.0.1:7001"), at("127.0.0.3:7001")]);
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_REM, &list(&["127.0.0.9:0"])), Err(Errno::EINVAL));
}

/// What is bound to all addresses has one of them in Linux's eyes. Only such a socket can follow the host's addresses.
#[test]
fn the_wildcard_is_one_address() {
    let mut program = multihomed(Style::OneToMany);
    let on = 1_i32.to_ne_bytes();
    assert_eq!(program.set(SCTP_AUTO_ASCONF, &on), Err(Errno::EINVAL));
    program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&["0.0.0.0:7001"])).unwrap();
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_REM, &list(&["127.0.0.1:0"])), Err(Errno::EBUSY));
    program.set(SCTP_AUTO_ASCONF, &on).unwrap();
    assert_eq!(program.get(SCTP_AUTO_ASCONF, &[], 4).unwrap().bytes, on);
}

#[test]
fn bindx_takes_off_all_addresses_but_the_last() {
    let ips = ["127.0.0.1", "127.0.0.3", "127.0.0.5"].map(|text| text.parse::<IpAddr>().unwrap());
    let (ours, theirs) = MemDriver::pair(ips, [at(THERE).ip()], 1_500).unwrap();
    let mut program = Program::on(ours, theirs, Style::OneToMany);
    program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&["127.0.0.1:7001", "127.0.0.3:7001"])).unwrap();
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_REM, &list(&["127.0.0.5:0"])), Err(Errno::EINVAL));
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_REM, &list(&["127.0.0.1:7002"])), Err(Errno::EINVAL));
    // All or none.
    let both = list(&["127.0.0.1:0", "127.0.0.3:0"]);
    assert_eq!(program.set(SCTP_SOCKOPT_BINDX_REM, &both), Err(Errno::EBUSY));
    program.set(SCTP_SOCKOPT_BINDX_REM, &list(&["127.0.0.1:7001"])).unwrap();
    let left = program.get(SCTP_GET_LOCAL_ADDRS, &[0; 8], 400).unwrap();
    assert_eq!(addresses(&left.bytes), [at("127.0.0.3:7001")]);
    // As on Linux the length is that of the addresses alone.
    assert_eq!((left.len, left.bytes.len()), (16, 24));
}

/// Begins an association to both addresses of the peer.
pub(super) fn listening(program: &Program) {
    program.peer.bind(&[], at(THERE).port()).unwrap();
    program.peer.listen(5).unwrap();
}

/// RFC 6458, 9.9, in the three forms that libsctp has had.
#[test]
fn connectx_begins_an_association_and_tells_its_number() {
    let to = list(&["127.0.0.2:7000", "127.0.0.4:7000"]);
    let mut program = multihomed(Style::OneToMany);
    listening(&program);
    assert_eq!(program.set(SCTP_SOCKOPT_CONNECTX, &to), Ok(Outcome::Begun(3)));
    assert!(program.effects.begun.is_some());
    let mut program = multihomed(Style::OneToMany);
    listening(&program);
    assert_eq!(program.set(SCTP_SOCKOPT_CONNECTX_OLD, &to), Ok(Outcome::Begun(0)));
    let mut program = multihomed(Style::OneToMany);
    listening(&program);
    let asked = [&0_i32.to_ne_bytes()[..], &32_i32.to_ne_bytes(), &[0; 8], &to].concat();
    let answer = program.get(SCTP_SOCKOPT_CONNECTX3, &asked, 16).unwrap();
    assert_eq!((answer.bytes, answer.begun), (3_i32.to_ne_bytes().to_vec(), true));
}

#[test]
fn connectx_refuses_what_it_cannot_connect_to() {
    let mut program = multihomed(Style::OneToOne);
    listening(&program);
    let mut connect = |addresses: &[&str]| program.set(SCTP_SOCKOPT_CONNECTX, &list(addresses));
    assert_eq!(connect(&[]), Err(Errno::EINVAL));
    assert_eq!(connect(&["127.0.0.2:7000", "127.0.0.4:7001"]), Err(Errno::EINVAL));
    assert_eq!(connect(&["127.0.0.2:0"]), Err(Errno::EINVAL));
    assert_eq!(connect(&["127.0.0.2:7000"]), Ok(Outcome::Begun(3)));
    // RFC 6458, 4.1.4: under way, and then done.
    let again = connect(&["127.0.0.2:7000"]).unwrap_err();
    assert!(again == Errno::EALREADY || again == Errno::EISCONN);
    program
        .socket
        .wait_connected(program.effects.begun.unwrap_or_else(|| only(&program)), Patience::Forever)
        .unwrap();
    assert_eq!(program.set(SCTP_SOCKOPT_CONNECTX, &list(&["127.0.0.2:7000"])), Err(Errno::EISCONN));
    assert_eq!(program.set(SCTP_SOCKOPT_CONNECTX, &list(&["127.0.0.9:7000"])), Err(Errno::EISCONN));
}

fn only(program: &Program) -> sctp_core::event::AssociationId {
    program.socket.only_association().unwrap()
}

/// RFC 6458, 9.3 and 9.5; 8.1.9.
#[test]
fn addresses_of_an_association_are_told_and_one_is_chosen() {
    let mut program = multihomed(Style::OneToMany);
    listening(&program);
    let to = list(&["127.0.0.2:7000", "127.0.0.4:7000"]);
    let Ok(Outcome::Begun(number)) = program.set(SCTP_SOCKOPT_CONNECTX, &to) else { panic!() };
    program.socket.wait_connected(program.effects.begun.unwrap(), Patience::Forever).unwrap();
    let ask = value(number, 0);
    let told = program.get(SCTP_GET_PEER_ADDRS, &ask, 400).unwrap();
    assert_eq!((addresses(&told.bytes), told.len), (vec![at("127.0.0.2:7000"), at("127.0.0.4:7000")], 40));
    assert_eq!(program.get(SCTP_GET_PEER_ADDRS, &ask, 39), Err(Errno::ENOMEM));
    let primary = |address| [&number.to_ne_bytes()[..], &V4.storage(at(address))].concat();
    program.set(SCTP_PRIMARY_ADDR, &primary("127.0.0.4:7000")).unwrap();
    assert_eq!(program.get(SCTP_PRIMARY_ADDR, &ask, 132).unwrap().bytes, primary("127.0.0.4:7000"));
    assert_eq!(program.set(SCTP_PRIMARY_ADDR, &primary("127.0.0.9:7000")), Err(Errno::EINVAL));
}

/// RFC 6458, 9.2.
#[test]
fn an_association_is_peeled_off_a_one_to_many_socket_only() {
    let mut program = Program::connected(Style::OneToMany);
    let number = program.number();
    // SOCK_NONBLOCK, and one that means nothing.
    let asked = [number, -1, libc::SOCK_NONBLOCK | 1].map(i32::to_ne_bytes).concat();
    let answer = program.get(SCTP_SOCKOPT_PEELOFF_FLAGS, &asked, 12).unwrap();
    assert_eq!((answer.descriptor_at, &answer.bytes[..4]), (Some(4), &number.to_ne_bytes()[..]));
    let (association, socket, flags) = program.effects.peeled_off.take().unwrap();
    assert_eq!((Some(association), flags), (program.association, libc::SOCK_NONBLOCK));
    assert_eq!(socket.kind().unwrap(), SocketKind::OneToOne);
    // It is none of this socket's any more, and cannot be peeled off the other one.
    assert_eq!(program.get(SCTP_SOCKOPT_PEELOFF, &value(number, 0), 8), Err(Errno::EINVAL));
    program.settings = program.settings.hand_over(association);
    (program.socket, program.style) = (socket, Style::PeeledOff);
    assert_eq!(program.get(SCTP_SOCKOPT_PEELOFF, &value(number, 0), 8), Err(Errno::EINVAL));
    assert!(program.get(SCTP_STATUS, &[0; 4], 176).is_ok());
}

/// RFC 6458, 8.1.15.
#[test]
fn sockets_of_ipv6_speak_of_ipv4_as_mapped_addresses() {
    let mut program = Program::connected(Style::OneToOne);
    program.settings.form.ipv6 = true;
    let told = program.get(SCTP_GET_PEER_ADDRS, &[0; 8], 400).unwrap();
    assert_eq!((told.bytes.len(), addresses(&told.bytes)), (36, vec![at(THERE)]));
    program.set(SCTP_I_WANT_MAPPED_V4_ADDR, &0_i32.to_ne_bytes()).unwrap();
    assert_eq!(program.get(SCTP_GET_PEER_ADDRS, &[0; 8], 400).unwrap().bytes.len(), 24);
    // Whichever form it is given in.
    let mapped = Form::new(true);
    for form in [V4, mapped] {
        let info = [&[0; 4][..], &form.storage(at(THERE))].concat();
        assert!(program.get(SCTP_GET_PEER_ADDR_INFO, &info, 152).is_ok());
    }
}

/// RFC 6458, 8.2.1 and 8.2.2.
#[test]
fn the_status_is_that_of_the_association() {
    let mut program = Program::connected(Style::OneToOne);
    let status = program.get(SCTP_STATUS, &[], 176).unwrap().bytes;
    let u32_at = |at: usize| u32::from_ne_bytes(status[at..at + 4].try_into().unwrap());
    let u16_at = |at: usize| u16::from_ne_bytes(status[at..at + 2].try_into().unwrap());
    let id = only(&program);
    let look = |association: &sctp_core::association::Association| {
        assert_eq!(association.state(), AssociationState::Established);
        (association.outbound_streams(), association.inbound_streams(), association.peer_rwnd())
    };
    let (outbound, inbound, rwnd) = program.socket.association(Some(id), look).unwrap();
    assert_eq!(u32_at(4), SCTP_ESTABLISHED as u32);
    assert_eq!((u16_at(18), u16_at(16), u32_at(8) as usize), (outbound, inbound, rwnd));
    assert_eq!(decode(&status[28..]), Some(at(THERE)));
    assert_eq!((u32_at(24), u32_at(24 + 132)), (u32_at(0), SCTP_ACTIVE as u32));
    // What is cut to fits into the path's MTU with the headers of IP, SCTP and DATA.
    assert_eq!(u32_at(20), u32_at(24 + 148) - 20 - 12 - 16);
}

/// RFC 6458, 6.1.9: who subscribes while everything is acknowledged is told at once.
#[test]
fn a_subscriber_to_sender_dry_is_told_at_once() {
    let mut program = Program::connected(Style::OneToOne);
    let mut events = [0; 14];
    events[usize::from(SCTP_SENDER_DRY_EVENT - SCTP_DATA_IO_EVENT)] = 1;
    program.set(SCTP_EVENTS, &events).unwrap();
    assert_eq!(program.effects.dry, [only(&program)]);
    let mut program = Program::connected(Style::OneToMany);
    let event = [&program.number().to_ne_bytes()[..], &SCTP_SENDER_DRY_EVENT.to_ne_bytes(), &[1, 0]].concat();
    program.set(SCTP_EVENT, &event).unwrap();
    assert_eq!(program.effects.dry, [program.association.unwrap()]);
}

/// RFC 6458, 7.2: an association begins with what holds for those to come, and keeps it.
#[test]
fn an_association_keeps_what_it_began_with() {
    let mut program = Program::new(Style::OneToMany);
    program.set(SCTP_CONTEXT, &value(SCTP_FUTURE_ASSOC, 1)).unwrap();
    program.connect();
    program.set(SCTP_CONTEXT, &value(SCTP_FUTURE_ASSOC, 2)).unwrap();
    let number = program.number();
    let mut context = |number| program.get(SCTP_CONTEXT, &value(number, 0), 8).unwrap().bytes[4];
    assert_eq!((context(number), context(SCTP_FUTURE_ASSOC)), (1, 2));
}

/// RFC 6458, 8.3.2 to 8.3.5; RFC 4895.
#[test]
fn keys_are_set_where_authentication_is_in_use() {
    let mut program = Program::new(Style::OneToMany);
    program.set(SCTP_AUTH_SUPPORTED, &value(0, 1)).unwrap();
    program.connect();
    let number = program.number();
    let key = |number: i32, key: u16, secret: &[u8]| {
        let len = u16::try_from(secret.len()).unwrap();
        [&number.to_ne_bytes()[..], &key.to_ne_bytes(), &len.to_ne_bytes(), secret].concat()
    };
    let id = |key: u16| [&number.to_ne_bytes()[..], &key.to_ne_bytes(), &[0, 0]].concat();
    program.set(SCTP_AUTH_KEY, &key(number, 5, b"secret")).unwrap();
    assert_eq!(program.set(SCTP_AUTH_ACTIVE_KEY, &id(6)), Err(Errno::EINVAL));
    program.set(SCTP_AUTH_ACTIVE_KEY, &id(5)).unwrap();
    assert_eq!(program.get(SCTP_AUTH_ACTIVE_KEY, &id(0), 8).unwrap().bytes, id(5));
    assert_eq!(program.set(SCTP_AUTH_DELETE_KEY, &id(5)), Err(Errno::EINVAL));
    program.set(SCTP_AUTH_DELETE_KEY, &id(0)).unwrap();
    let chunks = program.get(SCTP_PEER_AUTH_CHUNKS, &value(number, 0), 100).unwrap().bytes;
    // RFC 5061, 4.1.1: ASCONF-ACK and ASCONF, which the peer offers.
    assert_eq!(chunks[4..], [&2_u32.to_ne_bytes()[..], &[0x80, 0xc1]].concat());
    assert_eq!(program.get(SCTP_PEER_AUTH_CHUNKS, &value(number, 0), 9), Err(Errno::EINVAL));
    // One after the other: FUTURE, then each that there is.
    program.set(SCTP_AUTH_KEY, &key(SCTP_ALL_ASSOC, 6, b"other")).unwrap();
    program.set(SCTP_AUTH_ACTIVE_KEY, &id(6)).unwrap();
}

/// Each key may have 65,535 bytes: a program must not fill the memory of a service with them.
#[test]
fn there_is_a_limit_of_keys() {
    let mut program = Program::new(Style::OneToMany);
    program.set(SCTP_AUTH_SUPPORTED, &value(0, 1)).unwrap();
    let secret = [7; 9];
    let mut set = |key: u16| {
        let head = [&0_i32.to_ne_bytes()[..], &key.to_ne_bytes(), &9_u16.to_ne_bytes()].concat();
        program.set(SCTP_AUTH_KEY, &[&head[..], &secret].concat())
    };
    // Key 0 is there from the start.
    let most = SharedKeys::MOST as u16;
    assert!((1..most).all(|key| set(key).is_ok()));
    assert_eq!((set(most), set(1)), (Err(Errno::ENOBUFS), Ok(Outcome::Done)));
}

/// RFC 6458, 7.2: of all associations, those that cannot do it are told of, and the others do it.
#[test]
fn what_fails_for_one_association_is_done_for_the_others() {
    let mut program = Program::new(Style::OneToMany);
    program.set(SCTP_AUTH_SUPPORTED, &value(0, 1)).unwrap();
    let plain = [7005, 7006].map(|port| without_authentication(&program, port));
    program.socket.bind(&[at(HERE).ip()], at(HERE).port()).unwrap();
    associate(&mut program, 7005);
    program.connect();
    associate(&mut program, 7006);
    let key = [&value(SCTP_ALL_ASSOC, 5 | 3 << 16)[..], b"key"].concat();
    assert_eq!(program.set(SCTP_AUTH_KEY, &key), Err(Errno::EACCES));
    let number = program.number();
    assert_eq!(program.set(SCTP_AUTH_ACTIVE_KEY, &value(number, 5)), Ok(Outcome::Done));
    drop(plain);
}

/// A socket of the peer that does not offer AUTH.
fn without_authentication(program: &Program, port: u16) -> Socket {
    let socket = program.peer.stack().socket(SocketKind::OneToMany).unwrap();
    socket.bind(&[at(THERE).ip()], port).unwrap();
    socket.listen(5).unwrap();
    socket
}

fn associate(program: &mut Program, port: u16) {
    let peer = Peer { addresses: vec![at(THERE).ip()], port };
    let association = program.socket.connect(&peer).unwrap();
    program.socket.wait_connected(association, Patience::Forever).unwrap();
    program.settings.begin(association);
}

/// RFC 6525, 6.3.2 to 6.3.4.
#[test]
fn streams_are_reset_and_added() {
    let mut program = Program::new(Style::OneToMany);
    program.set(SCTP_RECONFIG_SUPPORTED, &value(0, 1)).unwrap();
    program.set(SCTP_ENABLE_STREAM_RESET, &value(0, 7)).unwrap();
    program.connect();
    let number = program.number();
    let request = |first: u16, second: u16| {
        [&number.to_ne_bytes()[..], &first.to_ne_bytes(), &second.to_ne_bytes()].concat()
    };
    let outgoing = request(SCTP_STREAM_RESET_OUTGOING, 1);
    assert_eq!(program.set(SCTP_RESET_STREAMS, &outgoing), Err(Errno::EINVAL));
    program.set(SCTP_RESET_STREAMS, &[&outgoing[..], &1_u16.to_ne_bytes()].concat()).unwrap();
    // One request at a time. The first may be answered by now.
    let second = program.set(SCTP_ADD_STREAMS, &request(0, 2));
    assert!(second == Ok(Outcome::Done) || second == Err(Errno::EINPROGRESS));
}

#[test]
fn the_harness_speaks_of_the_addresses_that_it_says() {
    let mut program = Program::connected(Style::OneToMany);
    let told = program.get(SCTP_GET_LOCAL_ADDRS, &[0; 8], 400).unwrap();
    assert_eq!(addresses(&told.bytes), [at(HERE)]);
}

/// RFC 6458, 8.1.2 and 8.1.3: the life of cookies and the longest time-out of an INIT are the stack's.
#[test]
fn limits_of_the_set_up_are_told_to_the_stack() {
    let mut program = Program::new(Style::OneToMany);
    let told =
        |program: &mut Program, option: i32, room: usize| program.get(option, &[0; 20], room).unwrap().bytes;
    assert_eq!(told(&mut program, SCTP_INITMSG, 8)[6..], 60_000_u16.to_ne_bytes());
    assert_eq!(told(&mut program, SCTP_ASSOCINFO, 20)[16..], 60_000_u32.to_ne_bytes());
    let init: Vec<u8> = [10_u16, 20, 4, 1_500].iter().flat_map(|number| number.to_ne_bytes()).collect();
    program.set(SCTP_INITMSG, &init).unwrap();
    let association = [&[0; 16][..], &5_000_u32.to_ne_bytes()].concat();
    program.set(SCTP_ASSOCINFO, &association).unwrap();
    let config = program.socket.config().unwrap();
    assert_eq!(config.max_init_timeout, Some(std::time::Duration::from_millis(1_500)));
    assert_eq!(config.cookie_life, Some(std::time::Duration::from_secs(5)));
    assert_eq!(told(&mut program, SCTP_INITMSG, 8), init);
    assert_eq!(told(&mut program, SCTP_ASSOCINFO, 20)[16..], 5_000_u32.to_ne_bytes());
}

/// RFC 6458, 8.1.27: all sockets on the port must have said so, and at most one listens; of one user, as on Linux.
#[test]
fn one_to_one_sockets_of_one_user_share_a_port() {
    let mut program = Program::new(Style::OneToOne);
    let on = 1_i32.to_ne_bytes();
    let bind = |program: &mut Program, user: Option<u32>, reuse: bool| {
        let before = program.renew(Style::OneToOne);
        program.settings.user = user;
        if reuse {
            program.set(SCTP_REUSE_PORT, &on).unwrap();
        }
        let bound = program.set(SCTP_SOCKOPT_BINDX_ADD, &list(&[HERE])).map(|_| ());
        (before, bound)
    };
    let (_, first) = bind(&mut program, Some(7), true);
    let (first_socket, second) = bind(&mut program, Some(7), true);
    assert_eq!((first, second), (Ok(()), Ok(())));
    for (user, reuse) in [(Some(8), true), (None, true), (Some(7), false)] {
        let (socket, refused) = bind(&mut program, user, reuse);
        assert_eq!(refused, Err(Errno::EADDRINUSE), "{user:?} {reuse}");
        if socket.local().unwrap().1 != 0 {
            // The second socket of the port: it listens, and no other one may.
            socket.listen(1).unwrap();
            assert!(first_socket.listen(1).is_err());
            socket.close();
            first_socket.listen(1).unwrap();
        }
    }
    first_socket.close();
    let (_, bound) = bind(&mut program, None, false);
    assert_eq!(bound, Ok(()), "nobody has the port any more");
}
