//! Writes the corpora's seeds from the captures of `tests/captures`: for each target one input of
//! every shape that occurs. Run it again when captures are added:
//! `cargo run -p sctp-fuzz --example seed_corpus`.

#[path = "../../sctp-user/core/tests/captures/pcap.rs"]
mod pcap;

use bytes::Bytes;
use sctp_core::wire::{ChecksumPolicy, Chunk, Packet};
use std::collections::BTreeMap;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let captures = pcap::sctp_captures(&fuzz.join("../tests/captures"));
    let packets = captures.iter().flat_map(|capture| pcap::sctp_packets(capture));
    let mut seeds = BTreeMap::new();
    for (_, packet) in packets {
        let seed = seeds.entry(shape(&packet)).or_insert_with(|| packet.clone());
        if packet.len() < seed.len() {
            *seed = packet;
        }
    }
    let folder = fuzz.join("corpus/sctp_packet");
    std::fs::create_dir_all(&folder)?;
    seeds.into_iter().try_for_each(|(shape, packet)| std::fs::write(folder.join(shape), packet))
}

/// A name for what a packet is made of: its chunks, in INIT with the parameters.
fn shape(packet: &[u8]) -> String {
    let packet = Packet::parse(Bytes::copy_from_slice(packet), ChecksumPolicy::Crc32c);
    let packet = packet.expect("captured packets have right checksums");
    let names = packet.chunks().flatten().map(|raw| match Chunk::parse(raw) {
        Ok(Chunk::Init(init)) => format!("INIT-{}", init.parameters.iter().count()),
        Ok(Chunk::Sack(sack)) => format!("SACK-{}", sack.gap_blocks.len().min(2)),
        Ok(chunk) => {
            use sctp_core::wire::WriteChunk;
            chunk.chunk_type().to_string()
        }
        Err(error) => panic!("captured chunks can be read: {error}"),
    });
    names.collect::<Vec<_>>().join("+").to_lowercase()
}
