//! Packets to bytes and back, and the checksum that dominates both.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sctp_core::serial::{Ssn, Tsn};
use sctp_core::wire::chunk::{DataChunk, DataFlags, DataHeader, GapBlock, SackChunk};
use sctp_core::wire::{ChecksumPolicy, CommonHeader, Packet, PacketBuilder, checksum};
use std::hint::black_box;

const HEADER: CommonHeader = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };
/// An Ethernet frame's SCTP packet over IPv4.
const PACKET: usize = 1_480;

fn data_header(tsn: u32) -> DataHeader {
    DataHeader { tsn: Tsn(tsn), stream_id: 0, ssn: Ssn(0), ppid: 0, flags: DataFlags::WHOLE_MESSAGE }
}

/// A packet with `count` DATA chunks of `len` bytes.
fn build_data(buffer: &mut Vec<u8>, payload: &[u8], count: u32) {
    buffer.clear();
    let mut packet = PacketBuilder::new(buffer, HEADER, PACKET);
    (0..count).for_each(|tsn| packet.push_data(&data_header(tsn), payload).expect("they fit"));
    packet.finish();
}

fn sack(gaps: u16) -> SackChunk {
    let gap_blocks = (1..=gaps).map(|gap| GapBlock { start: 4 * gap, end: 4 * gap + 1 }).collect();
    SackChunk { cumulative_tsn_ack: Tsn(7), a_rwnd: 1 << 20, gap_blocks, duplicates: Default::default() }
}

fn data(criterion: &mut Criterion) {
    for (name, len, count) in [("data 1x1452", 1_452, 1), ("data 18x64", 64, 18)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes((len * count) as u64));
        let (payload, mut buffer) = (vec![0x5a; len], Vec::with_capacity(2 * PACKET));
        let count = count as u32;
        group.bench_function("build", |b| b.iter(|| build_data(&mut buffer, black_box(&payload), count)));
        build_data(&mut buffer, &payload, count);
        let datagram = Bytes::from(buffer);
        group.bench_function("parse", |b| {
            b.iter(|| {
                let packet =
                    Packet::parse(black_box(&datagram).clone(), ChecksumPolicy::Crc32c).expect("ours");
                packet.chunks().flatten().filter_map(|raw| DataChunk::from_raw(raw).ok()).count()
            });
        });
    }
}

fn sacks(criterion: &mut Criterion) {
    for gaps in [0, 20] {
        let mut group = criterion.benchmark_group(format!("sack with {gaps} gaps"));
        let (chunk, mut buffer) = (sack(gaps), Vec::with_capacity(PACKET));
        group.bench_function("build", |b| {
            b.iter(|| {
                buffer.clear();
                let mut packet = PacketBuilder::new(&mut buffer, HEADER, PACKET);
                packet.push(black_box(&chunk)).expect("it fits");
                packet.finish()
            });
        });
        let datagram = Bytes::from(buffer);
        group.bench_function("parse", |b| {
            b.iter_batched(
                || datagram.clone(),
                |datagram| {
                    let packet = Packet::parse(datagram, ChecksumPolicy::Crc32c).expect("ours");
                    packet.chunks().flatten().filter_map(|raw| SackChunk::parse(&raw).ok()).count()
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn crc32c(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [64, PACKET, 65_516] {
        let packet = vec![0x5a; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(len.to_string(), |b| b.iter(|| checksum(black_box(&packet))));
    }
}

criterion_group!(benches, data, sacks, crc32c);
criterion_main!(benches);
