use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sctp_core::config::AssociationConfig;
use sctp_core::message::{Message, SendOptions};
use sctp_core::reliability::Reliability;
use sctp_core::serial::{Mid, Ssn, Tsn};
use sctp_user::stack::Peer;

use super::*;
use crate::constants::*;
use crate::harness::{HERE, Program, THERE, at};
use crate::settings::DefaultSend;
use crate::{Settings, Style};

const LINUX: &str = include_str!("../../tests/linux/messages.linux");
/// What it wrote with messages (little-endian; `tests/linux/events.c`).
const EVENTS: &str = include_str!("../../tests/linux/events.linux");

/// What the kernel said to each `sendmsg` (`tests/linux`), as far as it is decided here.
#[test]
fn control_messages_are_taken_and_refused_as_on_linux() {
    let mut program = Program::new(Style::OneToMany);
    let mut differences = Vec::new();
    for line in LINUX.lines().filter(|line| !line.starts_with('#')) {
        let (step, expected) = line.split_once(" = ").unwrap_or((line, ""));
        let words: Vec<&str> = step.split_whitespace().collect();
        let found = match words[..] {
            ["socket", "one"] => continue_with(&mut program, Style::OneToOne),
            ["socket", _] => continue_with(&mut program, Style::OneToMany),
            ["send", len, addressed, ref control @ ..] => {
                let control = control.first().map(|bytes| program.bytes(bytes)).unwrap_or_default();
                send(&mut program, len.parse().unwrap(), addressed == "1", &control)
            }
            _ => continue,
        };
        if found != expected {
            differences.push(format!("{step}: {found}, Linux: {expected}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn continue_with(program: &mut Program, style: Style) -> String {
    *program = Program::connected(style);
    String::new()
}

fn send(program: &mut Program, len: usize, addressed: bool, control: &[u8]) -> String {
    let style = program.style;
    let address = addressed.then(|| at(THERE));
    let info = SendInfo::read(control, len, style, addressed);
    let found = info.and_then(|info| program.target(|target| destination(target, &info, address)));
    found.map_or_else(|errno| format!("errno {}", errno.0), |_| "ok".into())
}

fn message(kind: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(kind, data.len()).with_tail(data).into_bytes();
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

/// Numbers one behind the other, of the sizes that they have.
macro_rules! packed {
    ($($number:expr),* $(,)?) => {{
        let mut bytes = Vec::new();
        $(bytes.extend($number.to_ne_bytes());)*
        bytes
    }};
}

fn sndinfo(stream: u16, flags: u16, number: i32) -> Vec<u8> {
    message(SCTP_SNDINFO, &packed!(stream, flags, 7_u32.to_be(), 9_u32, number))
}

fn read(control: &[u8]) -> SendInfo {
    SendInfo::read(control, 5, Style::OneToMany, false).unwrap()
}

/// RFC 6458, 5.3.4.
#[test]
fn send_information_becomes_options_of_the_stack() {
    let info = read(&sndinfo(3, SCTP_UNORDERED | SCTP_SACK_IMMEDIATELY, 4));
    assert_eq!((info.number, info.action()), (4, Action::Send));
    let expected = SendOptions {
        stream_id: 3,
        ppid: 7,
        unordered: true,
        context: 9,
        sack_immediately: true,
        reliability: None,
        auth_key: None,
        path: None,
        more: false,
    };
    assert_eq!(info.options(&DefaultSend::default()), expected);
}

/// RFC 6458, 8.1.31.
#[test]
fn what_is_not_said_is_as_the_default_has_it() {
    let default = DefaultSend { stream: 2, flags: SCTP_UNORDERED, ppid: 5, context: 6 };
    let options = read(&[]).options(&default);
    assert_eq!((options.stream_id, options.unordered, options.ppid, options.context), (2, true, 5, 6));
    // Information that is there replaces all of it.
    let options = read(&sndinfo(0, 0, 0)).options(&default);
    assert_eq!((options.stream_id, options.unordered), (0, false));
}

fn sndrcv(flags: u16, time_to_live: u32) -> Vec<u8> {
    message(
        SCTP_SNDRCV,
        &packed!(1_u16, 0_u16, flags, 0_u16, 0_u32, 0_u32, time_to_live, 0_u32, 0_u32, 4_i32),
    )
}

fn prinfo(policy: u16, value: u32) -> Vec<u8> {
    message(SCTP_PRINFO, &packed!(policy, 0_u16, value))
}

/// RFC 6458, 5.3.2 and 5.3.7; RFC 7496, 4.2.
#[test]
fn partial_reliability_is_what_was_said_most_precisely() {
    let reliability = |control: &[u8]| read(control).options(&DefaultSend::default()).reliability;
    let second = Duration::from_secs(1);
    assert_eq!(reliability(&[]), None);
    assert_eq!(reliability(&sndrcv(0, 1_000)), Some(Reliability::Timed(second)));
    assert_eq!(reliability(&sndrcv(0, 0)), Some(Reliability::Full));
    assert_eq!(reliability(&sndrcv(SCTP_PR_SCTP_RTX, 3)), Some(Reliability::Retransmissions(3)));
    assert_eq!(reliability(&prinfo(SCTP_PR_SCTP_TTL, 1_000)), Some(Reliability::Timed(second)));
    assert_eq!(reliability(&prinfo(SCTP_PR_SCTP_PRIO, 0)), Some(Reliability::Priority(0)));
    assert_eq!(reliability(&prinfo(SCTP_PR_SCTP_NONE, 9)), Some(Reliability::Full));
    // Whichever comes first.
    for both in [
        [sndrcv(0, 1_000), prinfo(SCTP_PR_SCTP_RTX, 2)].concat(),
        [prinfo(SCTP_PR_SCTP_RTX, 2), sndrcv(0, 1_000)].concat(),
    ] {
        assert_eq!(reliability(&both), Some(Reliability::Retransmissions(2)));
    }
}

/// RFC 6458, 5.3.1.
#[test]
fn an_init_message_changes_the_parameters_of_the_association_to_come() {
    let info = read(&message(SCTP_INIT, &packed!(3_u16, 0_u16, 2_u16, 0_u16)));
    let mut config = AssociationConfig::default();
    let before = config.max_inbound_streams;
    info.apply_init(&mut config);
    assert_eq!((config.outbound_streams, config.max_inbound_streams), (3, before));
    assert_eq!(config.max_init_retransmits, 2);
}

/// RFC 6458, 5.3.1: of this association only.
#[test]
fn an_association_that_a_message_begins_has_the_streams_of_its_init_message() {
    let program = Program::new(Style::OneToMany);
    let info = read(&message(SCTP_INIT, &packed!(3_u16, 0_u16, 2_u16, 0_u16)));
    let peer = Peer { addresses: vec![at(THERE).ip()], port: at(THERE).port() };
    let id = program.socket.connect_with(&peer, |config| info.apply_init(config)).unwrap();
    let streams = program.socket.association(Some(id), |association| association.config().outbound_streams);
    assert_eq!((streams.unwrap(), program.socket.config().unwrap().outbound_streams), (3, 10));
}

/// RFC 6458, 5.3.8 to 5.3.10.
#[test]
fn keys_and_further_addresses_are_read() {
    let control = [
        message(SCTP_AUTHINFO, &packed!(11_u16)),
        message(SCTP_DSTADDRV4, &[10, 0, 0, 2]),
        message(SCTP_DSTADDRV6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        message(SCTP_DSTADDRV4, &[10, 0, 0, 3]),
    ];
    let info = read(&control.concat());
    let addresses: [IpAddr; 3] = ["10.0.0.2", "::1", "10.0.0.3"].map(|text| text.parse().unwrap());
    assert_eq!(info.options(&DefaultSend::default()).auth_key, Some(11));
    assert_eq!(info.addresses(), Ok(&addresses[..]));
}

/// RFC 6458, 3.1.4.
#[test]
fn a_message_goes_where_its_information_and_its_address_say() {
    let mut many = Program::connected(Style::OneToMany);
    let (id, number) = (many.association.unwrap(), many.number());
    let mut goes = |control: &[u8], len: usize, address: Option<&str>| {
        let address = address.map(at);
        let info = SendInfo::read(control, len, Style::OneToMany, address.is_some()).unwrap();
        many.target(|target| destination(target, &info, address))
    };
    assert_eq!(goes(&sndinfo(0, 0, number), 1, None), Ok(Destination::Association(id)));
    assert_eq!(goes(&sndinfo(0, 0, number + 1), 1, None), Err(Errno::EPIPE));
    assert_eq!(goes(&sndinfo(0, SCTP_SENDALL, 0), 1, None), Ok(Destination::All(vec![id])));
    assert_eq!(goes(&[], 1, Some(THERE)), Ok(Destination::Association(id)));
    let over = Destination::Path(id, at(THERE).ip());
    assert_eq!(goes(&sndinfo(0, SCTP_ADDR_OVER, 0), 1, Some(THERE)), Ok(over));
    assert_eq!(goes(&[], 1, Some(HERE)), Ok(Destination::New(at(HERE))));
    assert_eq!(goes(&sndinfo(0, SCTP_EOF, 0), 0, Some(HERE)), Err(Errno::EINVAL));
    assert_eq!(goes(&[], 1, Some("[::1]:7000")), Err(Errno::EINVAL));
}

/// All sockets of a stack share its numbers, also those of different programs.
#[test]
fn no_message_reaches_the_association_of_another_socket() {
    let mut program = Program::connected(Style::OneToMany);
    let number = program.number();
    let _owner = program.renew(Style::OneToMany);
    let mut goes = |flags, number, address: Option<&str>| {
        let info = read(&sndinfo(0, flags, number));
        program.target(|target| destination(target, &info, address.map(at)))
    };
    assert_eq!(goes(0, number, None), Err(Errno::EPIPE));
    assert_eq!(goes(0, number, Some(THERE)), Ok(Destination::New(at(THERE))));
    assert_eq!(goes(SCTP_SENDALL, number, None), Ok(Destination::All(vec![])));
}

/// RFC 6458, 4.1.8.
#[test]
fn a_one_to_one_socket_sends_to_its_peer_only() {
    let mut one = Program::connected(Style::OneToOne);
    let id = one.association.unwrap();
    let mut goes = |address: Option<&str>| {
        one.target(|target| destination(target, &SendInfo::default(), address.map(at)))
    };
    assert_eq!(goes(None), Ok(Destination::Association(id)));
    assert_eq!(goes(Some(THERE)), Ok(Destination::Path(id, at(THERE).ip())));
    assert_eq!(goes(Some(HERE)), Err(Errno::EADDRNOTAVAIL));
}

fn arrived(unordered: bool) -> Message {
    Message {
        stream_id: if unordered { 2 } else { 1 },
        ssn: Ssn(0),
        mid: Mid(0),
        tsn: Tsn(if unordered { 0xa91f_b220 } else { 0xa91f_b21f }),
        ppid: if unordered { 8 } else { 7 },
        unordered,
        end_of_record: true,
        payload: std::iter::once(Bytes::from_static(b"one")).collect(),
    }
}

/// Linux wrote the same.
fn is_linux(control: &Control) {
    let hex: String = control.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(EVENTS.lines().any(|line| line.ends_with(&format!("control {hex}"))), "{hex}");
}

fn reader() -> (Settings, Program) {
    let mut program = Program::connected(Style::OneToMany);
    program.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes()).unwrap();
    program.set(SCTP_RECVNXTINFO, &1_i32.to_ne_bytes()).unwrap();
    program.set(SCTP_EVENTS, &[1]).unwrap();
    program.set(SCTP_CONTEXT, &packed!(SCTP_ALL_ASSOC, 0x51_u32)).unwrap();
    (program.settings.clone(), program)
}

const NEXT: Next = Next { number: 4, notification: false, stream: 2, unordered: true, ppid: 8, len: 4 };

/// RFC 6458, 5.3.2, 5.3.5 and 5.3.6.
#[test]
#[cfg(target_endian = "little")]
fn a_message_is_described_in_the_bytes_of_linux() {
    let (settings, program) = reader();
    let association = program.association.unwrap();
    let ordered = arrived(false);
    let first = Arrived { association, number: 4, message: &ordered, cumulative_tsn: 0xa91f_b21f };
    let control = received(&settings, Some(&first), Some(&NEXT), 400);
    assert!(!control.truncated);
    is_linux(&control);
    // Unordered messages show how far everything has come.
    let unordered = arrived(true);
    let second = Arrived { association, number: 4, message: &unordered, cumulative_tsn: 0xa91f_b220 };
    is_linux(&received(&settings, Some(&second), None, 400));
}

/// With a notification comes only what is next.
#[test]
#[cfg(target_endian = "little")]
fn a_notification_says_what_is_next_as_on_linux() {
    let (settings, _) = reader();
    let next = Next { number: 4, notification: true, stream: 0, unordered: false, ppid: 0, len: 16 };
    let control = received(&settings, None, Some(&next), 400);
    is_linux(&control);
    assert_eq!(received(&settings, None, None, 400).bytes, [0_u8; 0]);
}

/// Sizes of buffers, and how much of them the kernel filled (`events.linux`).
#[test]
fn what_has_no_room_is_cut_as_on_linux() {
    let (settings, program) = reader();
    let message = arrived(false);
    let association = program.association.unwrap();
    let arrived = Arrived { association, number: 4, message: &message, cumulative_tsn: 0 };
    let rooms = [(0, 0), (10, 0), (16, 16), (20, 20), (32, 32), (40, 32), (80, 80), (127, 127), (128, 128)];
    for (room, len) in rooms {
        let control = received(&settings, Some(&arrived), Some(&NEXT), room);
        assert_eq!((control.bytes.len(), control.truncated), (len, room < 128), "{room}");
        // A message that is cut has the shorter length in its header.
        assert!(messages(&control.bytes).is_ok());
    }
    assert_eq!(received(&Settings::new(false), Some(&arrived), Some(&NEXT), 400).bytes, [0_u8; 0]);
}

proptest! {
    #[test]
    fn any_control_messages_are_taken_or_refused(
        parts in prop::collection::vec((0_i32..10, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
        cut in 0_usize..100,
        len in 0_usize..2,
        style in prop_oneof![Just(Style::OneToOne), Just(Style::OneToMany), Just(Style::PeeledOff)],
    ) {
        let mut control: Vec<u8> = parts.iter().flat_map(|(kind, data)| message(*kind, data)).collect();
        control.truncate(control.len().saturating_sub(cut / 4));
        if let Ok(info) = SendInfo::read(&control, len, style, cut % 2 == 0) {
            let _ = info.options(&DefaultSend::default());
            prop_assert!(info.action() != Action::Send || len > 0);
        }
    }

    #[test]
    fn any_bytes_are_control_messages_or_not(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = SendInfo::read(&bytes, 1, Style::OneToMany, true);
    }

    #[test]
    fn no_answer_is_longer_than_its_room(room in 0_usize..200) {
        let mut settings = Settings::new(false);
        settings.nxtinfo = true;
        prop_assert!(received(&settings, None, Some(&NEXT), room).bytes.len() <= room);
    }
}
