use sctp_descriptors::MAX_RECORD_LEN;

use super::*;
use crate::parts::one;

const MARKER: Marker = *b"0123456789abcdef";

/// A control message, as programs make it.
fn control(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    // SAFETY: all zeros is a valid header.
    let mut header: cmsghdr = unsafe { core::mem::zeroed() };
    // SAFETY: it has no conditions.
    header.cmsg_len = unsafe { CMSG_LEN(data.len() as u32) } as _;
    (header.cmsg_level, header.cmsg_type) = (level, kind);
    // SAFETY: of a header, which has been written.
    let bytes: [u8; size_of::<cmsghdr>()] = unsafe { core::mem::transmute(header) };
    let mut whole = bytes.to_vec();
    whole.resize(header.cmsg_len as usize - data.len(), 0);
    whole.extend(data);
    whole
}

fn sndinfo(stream: u16, flags: u16) -> Vec<u8> {
    let mut data = [&stream.to_ne_bytes()[..], &flags.to_ne_bytes()].concat();
    data.extend(18_u32.to_be_bytes());
    data.extend(7_u32.to_ne_bytes());
    data.extend((-1_i32).to_ne_bytes());
    data
}

fn sndrcv(stream: u16, flags: u16, time_to_live: u32) -> Vec<u8> {
    let mut data = [stream, 0xffff, flags, 0xffff].map(u16::to_ne_bytes).concat();
    data.extend(18_u32.to_be_bytes());
    data.extend([7, time_to_live, u32::MAX, u32::MAX, u32::MAX].map(u32::to_ne_bytes).concat());
    data
}

fn read_sctp(kind: i32, data: &[u8]) -> Option<Head> {
    read(&control(IPPROTO_SCTP, kind, data))
}

/// RFC 6458, 5.3.2 and 5.3.4.
#[test]
fn what_both_structures_say_of_a_message_is_in_its_head() {
    let head = Head { stream: 300, ppid: 18, context: 7, ..Head::default() };
    let flags = [
        (0, head),
        (SCTP_UNORDERED, Head { unordered: true, ..head }),
        (SCTP_SACK_IMMEDIATELY, Head { sack_immediately: true, ..head }),
        (9, Head { unordered: true, sack_immediately: true, ..head }),
    ];
    for (flags, head) in flags {
        assert_eq!(read_sctp(SCTP_SNDINFO, &sndinfo(300, flags)), Some(head));
        assert_eq!(read_sctp(SCTP_SNDRCV, &sndrcv(300, flags, 0)), Some(head));
    }
}

#[test]
fn what_a_head_cannot_say_goes_by_command() {
    // SCTP_EOF, SCTP_ABORT, SCTP_ADDR_OVER, SCTP_SENDALL, policies of partial reliability, and what does not exist.
    for bit in [1, 2].into_iter().chain(4..16) {
        assert_eq!(read_sctp(SCTP_SNDINFO, &sndinfo(1, 1 << bit)), None, "bit {bit}");
        assert_eq!(read_sctp(SCTP_SNDRCV, &sndrcv(1, 1 << bit, 0)), None, "bit {bit}");
    }
    assert_eq!(read_sctp(SCTP_SNDRCV, &sndrcv(1, 0, 100)), None);
    // SCTP_INIT, SCTP_PRINFO, SCTP_AUTHINFO, SCTP_DSTADDRV4, SCTP_DSTADDRV6, and what is none.
    for kind in [0].into_iter().chain(3..12) {
        assert_eq!(read_sctp(kind, &sndinfo(1, 0)), None, "type {kind}");
        assert_eq!(read_sctp(kind, &sndrcv(1, 0, 0)), None, "type {kind}");
    }
    assert_eq!(read(&control(libc::SOL_SOCKET, SCTP_SNDINFO, &sndinfo(1, 0))), None);
}

/// Their errno is the service's to find.
#[test]
fn what_is_malformed_or_more_than_one_goes_by_command() {
    let good = control(IPPROTO_SCTP, SCTP_SNDINFO, &sndinfo(1, 0));
    assert!(read(&good).is_some());
    for len in 0..good.len() {
        assert_eq!(read(&good[..len]), None, "{len} bytes");
    }
    assert_eq!(read(&[&good[..], &[0]].concat()), None);
    assert_eq!(read(&[&good[..], &good].concat()), None);
    for len in 0..40 {
        let data = vec![0; len];
        assert_eq!(read_sctp(SCTP_SNDINFO, &data).is_some(), len == 16, "{len} bytes");
        assert_eq!(read_sctp(SCTP_SNDRCV, &data).is_some(), len == 32, "{len} bytes");
    }
    let mut strange = good;
    for len in (0..0x200).chain([usize::MAX, 1 << 31]) {
        strange[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
        assert_eq!(read(&strange).is_some(), len == strange.len(), "{len}");
    }
}

#[test]
fn a_record_is_head_and_payload_and_there_is_none_of_too_many_pieces() {
    let control = control(IPPROTO_SCTP, SCTP_SNDINFO, &sndinfo(5, 0));
    let payload = vec![7_u8; MAX_RECORD_LEN];
    let [piece] = one(payload.as_ptr().cast(), payload.len());
    let mut headed = Headed::NONE;
    assert!(headed.record().is_none());
    for count in 0..12 {
        let pieces = vec![piece; count];
        // SAFETY: of `payload`.
        let parts = unsafe { Parts::new(&pieces) };
        headed.make(&control, parts, &MARKER);
        let Some((stream, record)) = headed.record() else {
            assert!(count > MOST_PARTS);
            continue;
        };
        assert_eq!((stream, record.len()), (5, count + 1));
        assert!(count <= MOST_PARTS && record[1..].iter().all(|part| part.iov_len == payload.len()));
        // SAFETY: of `headed` and `payload`.
        let bytes = unsafe { Parts::new(record) }.copy_out(Head::LEN + 1);
        let head = Head::from_bytes(&bytes, &MARKER);
        assert_eq!(head, (count > 0).then_some(Head { stream: 5, ppid: 18, context: 7, ..Head::default() }));
    }
    // SAFETY: none.
    headed.make(&[], unsafe { Parts::new(&[]) }, &MARKER);
    assert!(headed.record().is_none());
}
