//! An SCTP packet: parse it, walk everything in it, write it again, compare.

use bytes::Bytes;
use sctp_core::wire::param::CauseIndication;
use sctp_core::wire::{
    Cause, Causes, ChecksumPolicy, Chunk, CommonHeader, Packet, PacketBuilder, Parameter, Parameters,
    RawChunk,
};

const HEADER: CommonHeader = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };

/// Large enough for any chunk.
const MAX_PACKET_SIZE: usize = 1 << 17;

/// Reads `data` as an SCTP packet without a look at the checksum. Panics if what could be read is
/// not the same after it was written and read again.
pub fn sctp_packet(data: &[u8]) {
    let datagram = Bytes::copy_from_slice(data);
    let Ok(packet) = Packet::parse(datagram, ChecksumPolicy::Verified) else { return };
    assert!(!format!("{packet} {packet:#}").is_empty());
    let raw: Vec<_> = packet.chunks().map_while(Result::ok).collect();
    assert_eq!(packet.first_chunk_type().is_some(), packet.chunks().next().is_some());
    for chunk in &raw {
        assert_eq!(written(chunk), *chunk, "what is not interpreted stays as it is");
        if let Ok(chunk) = Chunk::parse(chunk.clone()) {
            check_chunk(&chunk);
        }
    }
}

/// The chunk as it comes out of a packet that holds nothing else.
fn written(chunk: &impl sctp_core::wire::WriteChunk) -> RawChunk {
    let mut buffer = Vec::new();
    let mut builder = PacketBuilder::new(&mut buffer, HEADER, MAX_PACKET_SIZE);
    builder.push(chunk).expect("a chunk that was read can be written");
    builder.finish();
    let packet = Packet::parse(Bytes::from(buffer), ChecksumPolicy::Crc32c).expect("the checksum is right");
    let chunk = packet.chunks().next().expect("there is one chunk");
    chunk.expect("its length is right")
}

fn check_chunk(chunk: &Chunk) {
    assert_eq!(Chunk::parse(written(chunk)).as_ref(), Ok(chunk));
    match chunk {
        Chunk::Init(init) => check_parameters(&init.parameters),
        Chunk::Heartbeat(heartbeat) => check_parameters(&heartbeat.parameters),
        Chunk::Asconf(asconf) => check_parameters(&asconf.parameters),
        Chunk::ReConfig(re_config) => check_parameters(&re_config.parameters),
        Chunk::Abort(abort) => check_causes(&abort.causes),
        Chunk::Error(error) => check_causes(&error.causes),
        Chunk::Sack(sack) => _ = sack.has_ordered_gap_blocks(),
        _ => {}
    }
}

fn check_parameters(parameters: &Parameters) {
    let read = |row: &Parameters| -> Vec<_> {
        row.iter().map_while(Result::ok).filter_map(|raw| Parameter::parse(&raw).ok()).collect()
    };
    let typed = read(parameters);
    assert_eq!(read(&Parameters::from_iter(typed.clone())), typed);
    for parameter in typed {
        if let Parameter::CauseIndication(CauseIndication { causes, .. }) = parameter {
            check_causes(&causes);
        }
    }
}

fn check_causes(causes: &Causes) {
    let read = |row: &Causes| -> Vec<_> {
        row.iter().map_while(Result::ok).filter_map(|raw| Cause::parse(&raw).ok()).collect()
    };
    let typed = read(causes);
    assert_eq!(read(&Causes::from_iter(typed.clone())), typed);
}
