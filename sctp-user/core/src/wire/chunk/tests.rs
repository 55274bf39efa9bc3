//! Helpers for the chunks' own tests, and properties that all chunks share.

use super::*;
use crate::serial::{Fsn, Mid, Ssn};
use crate::wire::cause::{Cause, Causes};
use crate::wire::packet::{ChecksumPolicy, CommonHeader, Packet};
use crate::wire::param::{Parameter, Parameters};
use crate::wire::{PacketBuilder, UnrecognizedAction};
use proptest::prelude::*;

const HEADER: CommonHeader = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };

/// Checks that `chunk` is written as `bytes` (header and value, no padding), is read from them, and
/// is told as `text`.
pub(in crate::wire) fn assert_format(chunk: &Chunk, bytes: &[u8], text: &str) {
    assert_eq!(write(chunk).to_bytes().as_ref(), bytes, "{chunk:?}");
    assert_eq!(Chunk::parse(write(chunk)).as_ref(), Ok(chunk));
    assert_eq!(chunk.to_string(), text);
}

/// Checks that a chunk with this value is too short, and that `needed` bytes would do.
pub(in crate::wire) fn assert_too_short(chunk_type: ChunkType, value: &[u8], needed: usize) {
    let raw = RawChunk { chunk_type, flags: 0, value: Bytes::copy_from_slice(value) };
    let available = value.len();
    assert_eq!(Chunk::parse(raw), Err(ChunkError::TooShort { chunk_type, needed, available }));
}

/// The chunk as a packet carries it.
fn write(chunk: &Chunk) -> RawChunk {
    let mut buffer = Vec::new();
    let mut builder = PacketBuilder::new(&mut buffer, HEADER, 1 << 17);
    builder.push(chunk).unwrap();
    builder.finish();
    let packet = Packet::parse(Bytes::from(buffer), ChecksumPolicy::Crc32c).unwrap();
    packet.chunks().next().unwrap().unwrap()
}

#[test]
fn the_upper_two_bits_say_what_to_do_with_an_unknown_chunk() {
    let action = |chunk_type| ChunkType(chunk_type).unrecognized_action();
    assert_eq!(action(0x3f), UnrecognizedAction::Stop);
    assert_eq!(action(0x7f), UnrecognizedAction::StopAndReport);
    assert_eq!(action(0xbf), UnrecognizedAction::Skip);
    assert_eq!(action(0xff), UnrecognizedAction::SkipAndReport);
    assert!(action(0xff).goes_on() && action(0xff).reports());
    assert!(!action(0x3f).goes_on() && !action(0xbf).reports());
}

#[test]
fn a_type_without_name_is_unrecognized_and_every_other_is_not() {
    for chunk_type in (0..=u8::MAX).map(ChunkType) {
        let raw = RawChunk { chunk_type, flags: 0, value: Bytes::from_static(&[0; 68]) };
        let chunk = Chunk::parse(raw).unwrap();
        assert_eq!(matches!(chunk, Chunk::Unrecognized(_)), chunk_type.name().is_none(), "{chunk_type}");
        assert_eq!(chunk.chunk_type(), chunk_type);
    }
}

/// RFC 9260, 3.3.2.1, 3.3.3.1.
#[test]
fn an_init_and_its_answer_are_written_alike() {
    let init = InitChunk {
        kind: InitKind::Init,
        initiate_tag: 0xdead_beef,
        a_rwnd: 65_536,
        outbound_streams: 10,
        inbound_streams: 20,
        initial_tsn: Tsn(u32::MAX),
        parameters: Parameters::from_iter([Parameter::EcnCapable]),
    };
    let bytes = b"\x01\0\0\x18\xde\xad\xbe\xef\0\x01\0\0\0\x0a\0\x14\xff\xff\xff\xff\x80\0\0\x04";
    let text = "INIT tag=0xdeadbeef a_rwnd=65536 os=10 mis=20 tsn=4294967295 ECN_CAPABLE";
    assert_format(&Chunk::Init(init.clone()), bytes, text);
    let answer = Chunk::Init(InitChunk { kind: InitKind::InitAck, ..init });
    assert_format(&answer, &[b"\x02", &bytes[1..]].concat(), &text.replace("INIT", "INIT_ACK"));
    assert_too_short(ChunkType::INIT, &[0; 15], 16);
}

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 1..1500).prop_map(Bytes::from)
}

fn tsn() -> impl Strategy<Value = Tsn> {
    prop_oneof![any::<u32>(), u32::MAX - 3..=u32::MAX].prop_map(Tsn)
}

fn gap_blocks() -> impl Strategy<Value = Vec<GapBlock>> {
    let block = any::<(u16, u16)>().prop_map(|(start, end)| GapBlock { start, end });
    prop::collection::vec(block, 0..9)
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let parameter = prop_oneof![
        bytes(40).prop_map(Parameter::StateCookie),
        any::<u32>().prop_map(Parameter::CookiePreservative),
        any::<core::net::IpAddr>().prop_map(Parameter::address),
    ];
    prop::collection::vec(parameter, 0..5).prop_map(Parameters::from_iter)
}

fn causes() -> impl Strategy<Value = Causes> {
    let cause = prop_oneof![
        bytes(40).prop_map(Cause::ProtocolViolation),
        any::<u16>().prop_map(|stream_id| Cause::InvalidStreamIdentifier { stream_id }),
        tsn().prop_map(|tsn| Cause::NoUserData { tsn }),
    ];
    prop::collection::vec(cause, 0..5).prop_map(Causes::from_iter)
}

fn data() -> impl Strategy<Value = Chunk> {
    (tsn(), any::<(u16, u16, u32, u8)>(), payload()).prop_map(|(tsn, fields, payload)| {
        let (stream_id, ssn, ppid, flags) = fields;
        let flags = DataFlags::from_bits(flags);
        Chunk::Data(DataChunk { tsn, stream_id, ssn: Ssn(ssn), ppid, flags, payload })
    })
}

fn i_data() -> impl Strategy<Value = Chunk> {
    (tsn(), any::<(u16, u32, u32, u8)>(), payload()).prop_map(|(tsn, fields, payload)| {
        let (stream_id, mid, ppid_or_fsn, flags) = fields;
        let flags = DataFlags::from_bits(flags);
        let header = IDataHeader { tsn, stream_id, mid: Mid(mid), ppid_or_fsn, flags };
        Chunk::IData(IDataChunk { header, payload })
    })
}

fn sack() -> impl Strategy<Value = Chunk> {
    (tsn(), any::<u32>(), gap_blocks(), prop::collection::vec(tsn(), 0..5)).prop_map(
        |(cumulative_tsn_ack, a_rwnd, gap_blocks, duplicates)| {
            let (gap_blocks, duplicates) = (gap_blocks.into(), duplicates.into());
            Chunk::Sack(SackChunk { cumulative_tsn_ack, a_rwnd, gap_blocks, duplicates })
        },
    )
}

fn nr_sack() -> impl Strategy<Value = Chunk> {
    let duplicates = prop::collection::vec(tsn(), 0..5);
    (tsn(), any::<u32>(), gap_blocks(), gap_blocks(), duplicates, 0u8..4).prop_map(
        |(cumulative_tsn_ack, a_rwnd, renegable_blocks, non_renegable_blocks, duplicates, packets)| {
            Chunk::NrSack(NrSackChunk {
                cumulative_tsn_ack,
                a_rwnd,
                renegable_blocks: renegable_blocks.into(),
                non_renegable_blocks: non_renegable_blocks.into(),
                duplicates: duplicates.into(),
                packets,
            })
        },
    )
}

fn init() -> impl Strategy<Value = Chunk> {
    (any::<(bool, u32, u32, u16, u16)>(), tsn(), parameters()).prop_map(
        |(fields, initial_tsn, parameters)| {
            let (ack, initiate_tag, a_rwnd, outbound_streams, inbound_streams) = fields;
            let kind = if ack { InitKind::InitAck } else { InitKind::Init };
            Chunk::Init(InitChunk {
                kind,
                initiate_tag,
                a_rwnd,
                outbound_streams,
                inbound_streams,
                initial_tsn,
                parameters,
            })
        },
    )
}

fn forward_tsn() -> impl Strategy<Value = Chunk> {
    (tsn(), prop::collection::vec(any::<(u16, u16)>(), 0..9)).prop_map(|(new_cumulative_tsn, streams)| {
        let streams = streams.into_iter().map(|(stream_id, ssn)| SkippedStream { stream_id, ssn: Ssn(ssn) });
        Chunk::ForwardTsn(ForwardTsnChunk { new_cumulative_tsn, streams: streams.collect() })
    })
}

fn i_forward_tsn() -> impl Strategy<Value = Chunk> {
    let stream = any::<(u16, bool, u32)>().prop_map(|(stream_id, unordered, mid)| SkippedMessage {
        stream_id,
        unordered,
        mid: Mid(mid),
    });
    (tsn(), prop::collection::vec(stream, 0..9)).prop_map(|(new_cumulative_tsn, streams)| {
        Chunk::IForwardTsn(IForwardTsnChunk { new_cumulative_tsn, streams: streams.into() })
    })
}

fn small_chunk() -> impl Strategy<Value = Chunk> {
    prop_oneof![
        bytes(64).prop_map(|info| Chunk::Heartbeat(HeartbeatChunk::request(info))),
        bytes(64).prop_map(|info| Chunk::Heartbeat(HeartbeatChunk::request(info).into_ack())),
        (any::<bool>(), causes()).prop_map(|(tbit, causes)| Chunk::Abort(AbortChunk { tbit, causes })),
        causes().prop_map(|causes| Chunk::Error(ErrorChunk { causes })),
        tsn().prop_map(|cumulative_tsn_ack| Chunk::Shutdown(ShutdownChunk { cumulative_tsn_ack })),
        Just(Chunk::ShutdownAck(ShutdownAckChunk)),
        any::<bool>().prop_map(|tbit| Chunk::ShutdownComplete(ShutdownCompleteChunk { tbit })),
        bytes(200).prop_map(|cookie| Chunk::CookieEcho(CookieEchoChunk { cookie })),
        Just(Chunk::CookieAck(CookieAckChunk)),
        tsn().prop_map(|lowest_tsn| Chunk::Ecn(EcnChunk { kind: EcnKind::Echo, lowest_tsn })),
        tsn().prop_map(|lowest_tsn| Chunk::Ecn(EcnChunk { kind: EcnKind::WindowReduced, lowest_tsn })),
    ]
}

fn extension_chunk() -> impl Strategy<Value = Chunk> {
    prop_oneof![
        (any::<(u16, u16)>(), bytes(64)).prop_map(|((shared_key_id, hmac_id), hmac)| {
            Chunk::Auth(AuthChunk { shared_key_id, hmac_id, hmac })
        }),
        (any::<(bool, u32)>(), parameters()).prop_map(|((ack, sequence_number), parameters)| {
            let kind = if ack { AsconfKind::AsconfAck } else { AsconfKind::Asconf };
            Chunk::Asconf(AsconfChunk { kind, sequence_number, parameters })
        }),
        parameters().prop_map(|parameters| Chunk::ReConfig(ReConfigChunk { parameters })),
        (0usize..1500).prop_map(|len| Chunk::Pad(PadChunk { len })),
        (0x20u8..0x40, any::<u8>(), bytes(64)).prop_map(|(chunk_type, flags, value)| {
            Chunk::Unrecognized(RawChunk { chunk_type: ChunkType(chunk_type), flags, value })
        }),
    ]
}

/// A chunk of any type.
fn any_chunk() -> impl Strategy<Value = Chunk> {
    prop_oneof![
        data(),
        i_data(),
        sack(),
        nr_sack(),
        init(),
        forward_tsn(),
        i_forward_tsn(),
        small_chunk(),
        extension_chunk()
    ]
}

proptest! {
    /// RFC 9260, 3.2, 6.8.
    #[test]
    fn every_chunk_comes_back_from_a_packet_with_a_right_checksum(
        chunks in prop::collection::vec(any_chunk(), 1..6),
        max_packet_size in 12usize..4096,
    ) {
        let mut buffer = vec![0xaa; 5];
        let mut builder = PacketBuilder::new(&mut buffer, HEADER, max_packet_size);
        let mut written = Vec::new();
        for chunk in chunks {
            let fits = chunk.value_len() + CHUNK_HEADER_LEN <= builder.remaining();
            prop_assert_eq!(builder.push(&chunk).is_ok(), fits);
            if fits {
                written.push(chunk);
            }
        }
        let len = builder.finish();
        prop_assert!(len <= max_packet_size && len.is_multiple_of(4));
        let datagram = Bytes::from(buffer.split_off(5));
        prop_assert_eq!(datagram.len(), len);
        let packet = Packet::parse(datagram, ChecksumPolicy::Crc32c).unwrap();
        prop_assert_eq!(packet.header, HEADER);
        let read: Vec<_> = packet.chunks().map(|raw| Chunk::parse(raw.unwrap()).unwrap()).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn push_data_writes_what_push_writes(chunk in prop_oneof![data(), i_data()]) {
        let mut buffer = Vec::new();
        let mut builder = PacketBuilder::new(&mut buffer, HEADER, 4096);
        builder.push(&chunk).unwrap();
        match &chunk {
            Chunk::Data(data) => builder.push_data(&data.header(), &data.payload).unwrap(),
            Chunk::IData(data) => builder.push_i_data(&data.header, &data.payload).unwrap(),
            _ => unreachable!("the strategy makes no other chunk"),
        }
        builder.finish();
        let packet = Packet::parse(Bytes::from(buffer), ChecksumPolicy::Crc32c).unwrap();
        let chunks: Vec<_> = packet.chunks().map(Result::unwrap).collect();
        prop_assert_eq!(&chunks[0], &chunks[1]);
    }

    #[test]
    fn arbitrary_bytes_are_walked_to_an_end_without_panic(
        datagram in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let len = datagram.len();
        if let Ok(packet) = Packet::parse(Bytes::from(datagram), ChecksumPolicy::Verified) {
            prop_assert!(packet.chunks().count() <= len / CHUNK_HEADER_LEN + 1);
            let text = format!("{packet} {packet:#}");
            prop_assert!(!text.is_empty());
        }
    }

    /// Random bytes rarely make a chunk of a known type and a right length: so these do.
    #[test]
    fn any_value_of_any_type_is_read_or_refused_and_what_is_read_is_stable(
        chunk_type in prop_oneof![0u8..17, Just(64), 0x80u8..0x86, 0xc0u8..0xc3],
        flags in any::<u8>(),
        value in bytes(100),
    ) {
        let raw = RawChunk { chunk_type: ChunkType(chunk_type), flags, value };
        if let Ok(chunk) = Chunk::parse(raw) {
            prop_assert!(!chunk.to_string().is_empty());
            prop_assert_eq!(Chunk::parse(write(&chunk)), Ok(chunk));
        }
    }
}

/// The FSN of a first fragment is 0 whatever the field holds (RFC 8260, 2.1).
#[test]
fn a_first_fragment_has_the_number_zero() {
    let flags = DataFlags::WHOLE_MESSAGE;
    let header = IDataHeader { tsn: Tsn(1), stream_id: 0, mid: Mid(0), ppid_or_fsn: 9, flags };
    assert_eq!((header.fsn(), header.ppid()), (Fsn(0), Some(9)));
}
