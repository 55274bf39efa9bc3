//! Packets that belong to no association (RFC 9260, 8.4).
//!
//! [`answer`] is a pure function: who answers for a whole host (a broker that knows all ports) uses
//! it as an endpoint does. Both check rule 1 with [`is_answerable`] and limit the rate.

use super::scope::is_unicast;
use crate::net::{IpMarks, PathAddress};
use crate::wire::chunk::{AuthChunk, ChunkType, InitChunk, RawChunk};
use crate::wire::{CommonHeader, Packet};
use bytes::Bytes;

/// The T bit of ABORT and SHUTDOWN COMPLETE: the verification tag is reflected (3.3.7, 3.3.13).
const T_BIT: u8 = 1;

/// Error cause "Stale Cookie" (3.3.10.3).
const STALE_COOKIE: [u8; 2] = [0, 3];

/// A packet of one chunk that no association sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatelessPacket {
    /// What its IP header says.
    pub marks: IpMarks,
    /// The common header.
    pub header: CommonHeader,
    /// Authenticates the chunk, where the peer asks for it (RFC 4895).
    pub auth: Option<AuthChunk>,
    /// The only chunk besides.
    pub chunk: RawChunk,
}

impl StatelessPacket {
    /// A packet with just this chunk.
    pub fn of(header: CommonHeader, chunk: RawChunk) -> Self {
        Self { marks: IpMarks::NONE, header, auth: None, chunk }
    }
}

/// Rule 1: packets to or from an address that is not unicast get no answer.
/// RFC 9260, 8.4.
pub fn is_answerable(path: &PathAddress) -> bool {
    is_unicast(path.remote) && path.local.is_none_or(is_unicast)
}

/// The answer to an out-of-the-blue packet, if it gets one. A packet that an endpoint can process as
/// section 5.1 says (an INIT to a listening port, a COOKIE ECHO) is not for this function; here
/// nobody listens.
/// RFC 9260, 3.3.7, 8.4.
/// RFC 4895, 6.3.
pub fn answer(packet: &Packet) -> Option<StatelessPacket> {
    let chunks = Seen::of(packet);
    match () {
        // Rule 2, and 9.1: never answer an ABORT.
        () if chunks.abort => None,
        // 8.5.1 A: tag 0 belongs to an INIT alone; rule 3 gives that one an ABORT without T bit.
        () if packet.header.verification_tag == 0 => answer_init(packet, &chunks),
        // Rule 4: nobody here made that cookie, so it fails authentication (5.1.5).
        () if chunks.cookie_echo_first => None,
        // Rule 5.
        () if chunks.shutdown_ack => Some(reflect(packet, ChunkType::SHUTDOWN_COMPLETE)),
        // Rules 6 and 7.
        () if chunks.silent => None,
        // Rule 8.
        () => Some(reflect(packet, ChunkType::ABORT)),
    }
}

/// An ABORT for an INIT that is not served: its initiate tag, T bit 0 (rule 3).
/// RFC 9260, 5.1.
pub(super) fn abort_for_init(request: &CommonHeader, initiate_tag: u32, causes: Bytes) -> StatelessPacket {
    let chunk = RawChunk { chunk_type: ChunkType::ABORT, flags: 0, value: causes };
    StatelessPacket::of(answering(request, initiate_tag), chunk)
}

/// The header of the answer to a packet with header `request`.
pub(super) fn answering(request: &CommonHeader, verification_tag: u32) -> CommonHeader {
    CommonHeader {
        source_port: request.destination_port,
        destination_port: request.source_port,
        verification_tag,
    }
}

/// RFC 9260, 8.4.
fn answer_init(packet: &Packet, chunks: &Seen) -> Option<StatelessPacket> {
    let init = chunks.only_init.as_ref()?;
    // 3.3.2: an INIT with the tag 0 is discarded in silence.
    (init.initiate_tag != 0).then(|| abort_for_init(&packet.header, init.initiate_tag, Bytes::new()))
}

/// A chunk without value, with the T bit and the tag of the packet that it answers.
/// RFC 9260, 3.1, 3.3.13, 3.3.7, 8.4, 8.5.1.
fn reflect(packet: &Packet, chunk_type: ChunkType) -> StatelessPacket {
    let chunk = RawChunk { chunk_type, flags: T_BIT, value: Bytes::new() };
    StatelessPacket::of(answering(&packet.header, packet.header.verification_tag), chunk)
}

/// What the rules ask about the chunks of a packet.
#[derive(Default)]
struct Seen {
    /// COOKIE ECHO stands first.
    cookie_echo_first: bool,
    abort: bool,
    shutdown_ack: bool,
    /// SHUTDOWN COMPLETE, COOKIE ACK, or ERROR with "Stale Cookie".
    silent: bool,
    /// The INIT, if there is nothing else.
    only_init: Option<InitChunk>,
}

impl Seen {
    /// RFC 9260, 8.4.
    fn of(packet: &Packet) -> Self {
        let mut seen = Self::default();
        let mut count = 0;
        // RFC 4895, 6.3: AUTH is not taken into account.
        let chunks = packet.chunks().map_while(Result::ok);
        for chunk in chunks.filter(|chunk| chunk.chunk_type != ChunkType::AUTH) {
            count += 1;
            seen.cookie_echo_first |= count == 1 && chunk.chunk_type == ChunkType::COOKIE_ECHO;
            match chunk.chunk_type {
                ChunkType::ABORT => seen.abort = true,
                ChunkType::SHUTDOWN_ACK => seen.shutdown_ack = true,
                ChunkType::SHUTDOWN_COMPLETE | ChunkType::COOKIE_ACK => seen.silent = true,
                ChunkType::ERROR => seen.silent |= chunk.value.starts_with(&STALE_COOKIE),
                ChunkType::INIT => seen.only_init = InitChunk::parse(&chunk).ok(),
                _ => {}
            }
        }
        if count != 1 {
            seen.only_init = None;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ChecksumPolicy, PacketBuilder};

    const TAG: u32 = 0xffff_fffe;

    fn packet(verification_tag: u32, chunks: &[(ChunkType, &[u8])]) -> Packet {
        let mut buffer = Vec::new();
        let header = CommonHeader { source_port: 7, destination_port: 9, verification_tag };
        let mut builder = PacketBuilder::new(&mut buffer, header, 1_500);
        for &(chunk_type, value) in chunks {
            let value = Bytes::copy_from_slice(value);
            builder.push(&RawChunk { chunk_type, flags: 0, value }).unwrap();
        }
        builder.finish();
        Packet::parse(buffer.into(), ChecksumPolicy::Crc32c).unwrap()
    }

    fn answered(tag: u32, chunks: &[(ChunkType, &[u8])]) -> Option<(ChunkType, u8, u32)> {
        answer(&packet(tag, chunks)).map(|answer| {
            assert_eq!((answer.header.source_port, answer.header.destination_port), (9, 7));
            (answer.chunk.chunk_type, answer.chunk.flags, answer.header.verification_tag)
        })
    }

    const INIT: &[u8] = &[1, 2, 3, 4, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];

    /// RFC 9260, 3.3.7, 8.4, 9.1.
    #[test]
    fn rule_2_an_abort_anywhere_in_the_packet_gets_no_answer() {
        assert_eq!(answered(TAG, &[(ChunkType::ABORT, b"")]), None);
        assert_eq!(answered(TAG, &[(ChunkType::SHUTDOWN_ACK, b""), (ChunkType::ABORT, b"")]), None);
        assert_eq!(answered(0, &[(ChunkType::INIT, INIT), (ChunkType::ABORT, b"")]), None);
    }

    /// RFC 9260, 8.4.
    #[test]
    fn rule_3_an_init_gets_abort_with_its_own_tag_and_no_t_bit() {
        assert_eq!(answered(0, &[(ChunkType::INIT, INIT)]), Some((ChunkType::ABORT, 0, 0x0102_0304)));
        let zero_tag = [&[0; 4], &INIT[4..]].concat();
        assert_eq!(answered(0, &[(ChunkType::INIT, &zero_tag)]), None);
    }

    /// RFC 9260, 5.1.5, 8.4.
    #[test]
    fn rule_4_a_cookie_echo_that_nobody_can_authenticate_is_discarded() {
        assert_eq!(answered(TAG, &[(ChunkType::COOKIE_ECHO, b"cookie"), (ChunkType::DATA, &[0; 13])]), None);
    }

    /// RFC 9260, 3.1, 3.3.13, 8.4, 8.5.1.
    #[test]
    fn rule_5_a_shutdown_ack_gets_shutdown_complete_with_the_tag_reflected() {
        let answer = Some((ChunkType::SHUTDOWN_COMPLETE, T_BIT, TAG));
        assert_eq!(answered(TAG, &[(ChunkType::SHUTDOWN_ACK, b"")]), answer);
    }

    /// RFC 9260, 8.4.
    #[test]
    fn rules_6_and_7_what_ends_an_exchange_gets_no_answer() {
        assert_eq!(answered(TAG, &[(ChunkType::SHUTDOWN_COMPLETE, b"")]), None);
        assert_eq!(answered(TAG, &[(ChunkType::COOKIE_ACK, b"")]), None);
        assert_eq!(answered(TAG, &[(ChunkType::ERROR, &[0, 3, 0, 8, 0, 0, 0, 0])]), None);
    }

    /// RFC 9260, 3.3.7, 8.4, 8.5.1.
    #[test]
    fn rule_8_all_else_gets_abort_with_the_tag_reflected() {
        let abort = Some((ChunkType::ABORT, T_BIT, TAG));
        for chunk in [ChunkType::DATA, ChunkType::SACK, ChunkType::HEARTBEAT, ChunkType(0xfe)] {
            assert_eq!(answered(TAG, &[(chunk, &[0; 16])]), abort, "{chunk}");
        }
        assert_eq!(answered(TAG, &[(ChunkType::ERROR, &[0, 6, 0, 4])]), abort);
        assert_eq!(answered(TAG, &[(ChunkType::INIT, INIT)]), abort, "an INIT must have the tag 0");
        assert_eq!(answered(TAG, &[]), abort);
    }

    #[test]
    fn a_tag_of_zero_belongs_to_an_init_alone() {
        assert_eq!(answered(0, &[(ChunkType::DATA, &[0; 13])]), None);
        assert_eq!(answered(0, &[(ChunkType::INIT, INIT), (ChunkType::DATA, &[0; 13])]), None);
        assert_eq!(answered(0, &[]), None);
    }

    /// RFC 9260, 8.4.
    #[test]
    fn rule_1_groups_get_no_answer() {
        let path = |local: &str, remote: &str| PathAddress {
            local: Some(local.parse().unwrap()),
            remote: remote.parse().unwrap(),
            remote_udp_port: 0,
        };
        assert!(is_answerable(&path("192.0.2.1", "192.0.2.2")));
        assert!(!is_answerable(&path("224.0.0.1", "192.0.2.2")));
        assert!(!is_answerable(&path("192.0.2.1", "255.255.255.255")));
    }
}
