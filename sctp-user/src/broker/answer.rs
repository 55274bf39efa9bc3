//! Answers to packets that are for no stack of this host (RFC 9260, 8.4).

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sctp_core::{
    net::PathAddress,
    wire::{
        CHUNK_HEADER_LEN, COMMON_HEADER_LEN, ChecksumPolicy, ChunkType, CommonHeader, Packet, PacketBuilder,
        RawChunk,
    },
};

/// Makes the answer to a packet to a port that nobody leased, if it gets one.
pub(crate) type Answer = fn(&PathAddress, Bytes) -> Option<Vec<u8>>;

/// The T bit: the verification tag is reflected (RFC 9260, 3.3.7, 3.3.13).
const T_BIT: u8 = 1;
/// Error cause "Stale Cookie" (3.3.10.3).
const STALE_COOKIE: [u8; 2] = [0, 3];

/// The answer of a host on which nobody has the port, ready to be sent.
pub(crate) fn answer(path: &PathAddress, datagram: Bytes) -> Option<Vec<u8>> {
    // Rule 1.
    if !is_unicast(path.remote) || path.local.is_some_and(|local| !is_unicast(local)) {
        return None;
    }
    let packet = Packet::parse(datagram, ChecksumPolicy::Crc32c).ok()?;
    let (verification_tag, chunk_type, flags) = decide(&packet)?;
    let header = CommonHeader {
        source_port: packet.header.destination_port,
        destination_port: packet.header.source_port,
        verification_tag,
    };
    let mut bytes = Vec::with_capacity(COMMON_HEADER_LEN + CHUNK_HEADER_LEN);
    let mut builder = PacketBuilder::new(&mut bytes, header, COMMON_HEADER_LEN + CHUNK_HEADER_LEN);
    builder.push(&RawChunk { chunk_type, flags, value: Bytes::new() }).ok()?;
    builder.finish();
    Some(bytes)
}

/// Tag, type and flags of the answer.
fn decide(packet: &Packet) -> Option<(u32, ChunkType, u8)> {
    let tag = packet.header.verification_tag;
    let chunks: Vec<RawChunk> = packet.chunks().map_while(Result::ok).collect();
    let has = |chunk_type| chunks.iter().any(|chunk| chunk.chunk_type == chunk_type);
    let is_stale_cookie =
        |chunk: &RawChunk| chunk.chunk_type == ChunkType::ERROR && chunk.value.starts_with(&STALE_COOKIE);
    match &chunks[..] {
        // Rule 2.
        _ if has(ChunkType::ABORT) => None,
        // Rule 3. An INIT is alone, and only it has the tag 0 (8.5.1 A); its own tag is not 0 (3.3.2).
        [init] if tag == 0 && init.chunk_type == ChunkType::INIT => {
            let initiate_tag = u32::from_be_bytes(*init.value.first_chunk()?);
            (initiate_tag != 0).then_some((initiate_tag, ChunkType::ABORT, 0))
        }
        _ if tag == 0 => None,
        // Rule 4: nobody here made the cookie (5.1.5).
        [first, ..] if first.chunk_type == ChunkType::COOKIE_ECHO => None,
        // Rule 5.
        _ if has(ChunkType::SHUTDOWN_ACK) => Some((tag, ChunkType::SHUTDOWN_COMPLETE, T_BIT)),
        // Rules 6 and 7.
        _ if has(ChunkType::SHUTDOWN_COMPLETE) || has(ChunkType::COOKIE_ACK) => None,
        chunks if chunks.iter().any(is_stale_cookie) => None,
        // Rule 8.
        _ => Some((tag, ChunkType::ABORT, T_BIT)),
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_multicast() || v6.is_unspecified()),
    }
}

/// Anybody can send such packets, from forged addresses: so many answers a second, not more.
const ANSWERS_PER_SECOND: u32 = 1000;

/// Counts answers.
#[derive(Debug)]
pub(crate) struct RateLimit {
    second: Instant,
    left: u32,
}

impl RateLimit {
    pub(crate) fn new(now: Instant) -> Self {
        Self { second: now, left: ANSWERS_PER_SECOND }
    }

    /// Whether one more answer may leave.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(tag: u32, chunks: &[(ChunkType, &'static [u8])]) -> Option<(u32, ChunkType, u8)> {
        let mut bytes = Vec::new();
        let header = CommonHeader { source_port: 7, destination_port: 9, verification_tag: tag };
        let mut builder = PacketBuilder::new(&mut bytes, header, 1500);
        for &(chunk_type, value) in chunks {
            builder.push(&RawChunk { chunk_type, flags: 0, value: Bytes::from_static(value) }).unwrap();
        }
        builder.finish();
        let path = PathAddress::to([192, 0, 2, 1].into());
        let packet = Packet::parse(answer(&path, bytes.into())?.into(), ChecksumPolicy::Crc32c).unwrap();
        assert_eq!((packet.header.source_port, packet.header.destination_port), (9, 7));
        let chunk = packet.chunks().next().unwrap().unwrap();
        Some((packet.header.verification_tag, chunk.chunk_type, chunk.flags))
    }

    const INIT: &[u8] = &[1, 2, 3, 4, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];

    #[test]
    fn the_rules_of_section_8_4_hold() {
        use ChunkType as T;
        assert_eq!(answered(5, &[(T::SHUTDOWN_ACK, b""), (T::ABORT, b"")]), None, "rule 2");
        assert_eq!(answered(0, &[(T::INIT, INIT)]), Some((0x0102_0304, T::ABORT, 0)), "rule 3");
        assert_eq!(answered(0, &[(T::DATA, &[0; 13])]), None, "tag 0 is for INIT only (8.5.1 A)");
        assert_eq!(answered(0, &[(T::INIT, &[0; 16])]), None, "an initiate tag of 0 (3.3.2)");
        assert_eq!(answered(5, &[(T::COOKIE_ECHO, b"cookie")]), None, "rule 4");
        assert_eq!(answered(5, &[(T::SHUTDOWN_ACK, b"")]), Some((5, T::SHUTDOWN_COMPLETE, T_BIT)), "rule 5");
        assert_eq!(answered(5, &[(T::SHUTDOWN_COMPLETE, b"")]), None, "rule 6");
        assert_eq!(answered(5, &[(T::COOKIE_ACK, b"")]), None, "rule 7");
        assert_eq!(answered(5, &[(T::ERROR, &[0, 3, 0, 8, 0, 0, 0, 0])]), None, "rule 7");
        for chunk_type in [T::DATA, T::SACK, T::HEARTBEAT, T::INIT, T(0xfe)] {
            assert_eq!(answered(5, &[(chunk_type, &[0; 16])]), Some((5, T::ABORT, T_BIT)), "rule 8");
        }
    }

    #[test]
    fn damaged_packets_and_groups_get_no_answer() {
        let unicast = PathAddress::to([192, 0, 2, 1].into());
        assert_eq!(answer(&unicast, Bytes::from_static(&[0; 40])), None);
        let group = PathAddress { local: Some([224, 0, 0, 1].into()), ..unicast };
        let mut bytes = Vec::new();
        let header = CommonHeader { source_port: 7, destination_port: 9, verification_tag: 5 };
        PacketBuilder::new(&mut bytes, header, 1500).finish();
        assert!(answer(&unicast, bytes.clone().into()).is_some());
        assert_eq!(answer(&group, bytes.into()), None, "rule 1");
    }

    #[test]
    fn a_flood_gets_a_seconds_worth_of_answers_each_second() {
        let start = Instant::now();
        let mut limit = RateLimit::new(start);
        let mut answers =
            |millis| (0..5000).filter(|_| limit.allows(start + Duration::from_millis(millis))).count();
        assert_eq!(answers(0), 1000);
        assert_eq!(answers(999), 0);
        assert_eq!(answers(1000), 1000);
    }
}
