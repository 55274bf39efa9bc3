//! Answers to packets that are for no stack of this host (RFC 9260, 8.4).

use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_core::{
    endpoint::out_of_the_blue::{self, StatelessPacket},
    net::PathAddress,
    wire::{CHUNK_HEADER_LEN, COMMON_HEADER_LEN, ChecksumPolicy, Packet, PacketBuilder},
};

/// Makes the answer to a packet to a port that nobody leased, if it gets one.
pub(crate) type Answer = fn(&PathAddress, Bytes) -> Option<Vec<u8>>;

/// ABORT and SHUTDOWN COMPLETE without anything in them.
const LONGEST_ANSWER: usize = COMMON_HEADER_LEN + CHUNK_HEADER_LEN;

/// The answer of a host on which nobody has the port, ready to be sent.
pub(crate) fn answer(path: &PathAddress, datagram: Bytes) -> Option<Vec<u8>> {
    if !out_of_the_blue::is_answerable(path) {
        return None;
    }
    let packet = Packet::parse(datagram, ChecksumPolicy::Crc32c).ok()?;
    let StatelessPacket { header, chunk, .. } = out_of_the_blue::answer(&packet)?;
    let mut bytes = Vec::with_capacity(LONGEST_ANSWER);
    let mut builder = PacketBuilder::new(&mut bytes, header, LONGEST_ANSWER);
    builder.push(&chunk).ok()?;
    builder.finish();
    Some(bytes)
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
    use sctp_core::wire::{ChunkType, CommonHeader, RawChunk};

    use super::*;

    #[test]
    fn an_answer_is_a_whole_packet() {
        let path = PathAddress::to([192, 0, 2, 1].into());
        let mut bytes = Vec::new();
        let header = CommonHeader { source_port: 7, destination_port: 9, verification_tag: 5 };
        let mut builder = PacketBuilder::new(&mut bytes, header, 1500);
        builder
            .push(&RawChunk { chunk_type: ChunkType::SHUTDOWN_ACK, flags: 0, value: Bytes::new() })
            .unwrap();
        builder.finish();
        let packet =
            Packet::parse(answer(&path, bytes.into()).unwrap().into(), ChecksumPolicy::Crc32c).unwrap();
        assert_eq!((packet.header.source_port, packet.header.destination_port), (9, 7));
        // RFC 9260, 8.4, rule 5.
        assert_eq!(packet.first_chunk_type(), Some(ChunkType::SHUTDOWN_COMPLETE));
        assert_eq!(packet.header.verification_tag, 5);
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
