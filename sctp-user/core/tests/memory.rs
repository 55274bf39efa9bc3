//! What a peer that does its worst can make an association hold, measured at the allocator: not what is accounted for,
//! but all of it. RFC 5062, 4; RFC 9260, 6.2: every queue has a bound.

use allocation_counter::measure;
use bytes::Bytes;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
use sctp_core::extensions::Extensions;
use sctp_core::net::{Ecn, PathAddress};
use sctp_core::serial::{Mid, Ssn, Tsn};
use sctp_core::time::Time;
use sctp_core::wire::chunk::{ChunkType, DataFlags, DataHeader, IDataHeader, InitChunk, PadChunk};
use sctp_core::wire::{ChecksumPolicy, CommonHeader, Packet, PacketBuilder};
use std::net::IpAddr;

const PORT: u16 = 7;
const NOW: Time = Time::from_millis(1);

/// Bytes of user data that may wait for the reader.
const RECEIVE_BUFFER: usize = 1 << 18;
/// What an association holds at most, as a multiple of that.
const MULTIPLE: usize = 4;
/// Beside it: four bytes for each of 65,535 streams, and what a single packet takes while it is worked on.
const FIXED: usize = 512 << 10;

/// More of them than fill the buffer, however small they are.
const CHUNKS: u32 = 4_000;

/// An endpoint with an association, and what it takes to send it whatever one likes.
struct Victim {
    endpoint: Endpoint,
    from: PathAddress,
    header: CommonHeader,
    first: Tsn,
    buffer: Vec<u8>,
}

impl Victim {
    /// Up to here all is as it should be: the peer is an endpoint, too.
    fn new(extensions: Extensions, receive_buffer: usize) -> Self {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let config = AssociationConfig {
            receive_buffer,
            max_inbound_streams: u16::MAX,
            outbound_streams: u16::MAX,
            extensions,
            ..AssociationConfig::default()
        };
        let endpoint = |last| {
            let local_addresses = vec![address(last)];
            Endpoint::new(EndpointConfig { local_addresses, ..EndpointConfig::default() }, [last; 32])
        };
        let (mut victim, mut peer) = (endpoint(1), endpoint(2));
        victim
            .listen(PORT, ListenOptions { config: config.clone(), ..ListenOptions::default() })
            .expect("the port is free");
        let request = ConnectRequest {
            local_port: PORT,
            local_addresses: Vec::new(),
            peers: vec![PathAddress::to(address(1))],
            peer_port: PORT,
            config,
        };
        peer.connect(NOW, request).expect("a route");
        let path = |local, remote| PathAddress {
            local: Some(address(local)),
            remote: address(remote),
            remote_udp_port: 0,
        };
        let (mut header, mut first) = (None, None);
        for _ in 0..4 {
            for datagram in sent_by(&mut peer) {
                let packet = Packet::parse(datagram.clone(), ChecksumPolicy::Crc32c).expect("a packet");
                let init = packet.chunks().flatten().find(|chunk| chunk.chunk_type == ChunkType::INIT);
                first =
                    init.and_then(|init| InitChunk::parse(&init).ok()).map(|init| init.initial_tsn).or(first);
                header = Some(packet.header);
                victim.handle_packet(NOW, path(1, 2), Ecn::NotCapable, datagram);
            }
            for datagram in sent_by(&mut victim) {
                peer.handle_packet(NOW, path(2, 1), Ecn::NotCapable, datagram);
            }
        }
        assert!(victim.poll_event().is_some(), "the association is up");
        while victim.poll_event().is_some() {}
        let (header, first) = header.zip(first).expect("an INIT");
        Self { endpoint: victim, from: path(1, 2), header, first, buffer: Vec::new() }
    }

    /// A packet, the answers to which are thrown away.
    fn packet(&mut self, fill: impl FnOnce(&mut PacketBuilder<'_>)) {
        let mut datagram = Vec::new();
        let mut packet = PacketBuilder::new(&mut datagram, self.header, 65_535);
        fill(&mut packet);
        packet.finish();
        self.endpoint.handle_packet(NOW, self.from, Ecn::NotCapable, datagram.into());
        while self.endpoint.poll_transmit(NOW, &mut self.buffer, 64).is_some() {
            self.buffer.clear();
        }
        while self.endpoint.poll_event().is_some() {}
    }

    fn data(&mut self, offset: u32, (stream_id, ssn): (u16, u16), flags: DataFlags, payload: &[u8]) {
        let header = DataHeader { tsn: self.first.plus(offset), stream_id, ssn: Ssn(ssn), ppid: 0, flags };
        self.packet(|packet| packet.push_data(&header, payload).expect("room"));
    }

    fn i_data(&mut self, offset: u32, (stream_id, mid, fsn): (u16, u32, u32), flags: DataFlags) {
        let tsn = self.first.plus(offset);
        let header = IDataHeader { tsn, stream_id, mid: Mid(mid), ppid_or_fsn: fsn, flags };
        self.packet(|packet| packet.push_i_data(&header, b"x").expect("room"));
    }
}

fn sent_by(endpoint: &mut Endpoint) -> Vec<Bytes> {
    let (mut buffer, mut sent) = (Vec::new(), Vec::new());
    while let Some(transmit) = endpoint.poll_transmit(NOW, &mut buffer, 16) {
        sent.extend(buffer.chunks(transmit.segment_size).map(Bytes::copy_from_slice));
        buffer.clear();
    }
    sent
}

/// What `flood` makes a victim hold is bounded. The association may end by that, and pieces of messages with it, but not before
/// its buffer is full.
fn assert_bounded(name: &str, extensions: Extensions, mut flood: impl FnMut(&mut Victim, u32)) {
    let mut victim = Victim::new(extensions, RECEIVE_BUFFER);
    let used = measure(|| (0..CHUNKS).for_each(|i| flood(&mut victim, i)));
    let full = used.bytes_max >= RECEIVE_BUFFER as u64 / 2;
    assert!(full, "{name}: {} bytes held, so nothing was shown", used.bytes_max);
    let bound = (MULTIPLE * RECEIVE_BUFFER + FIXED) as u64;
    assert!(used.bytes_max <= bound, "{name}: {} bytes, more than {bound}", used.bytes_max);
}

const WHOLE: DataFlags = DataFlags::WHOLE_MESSAGE;
const BEGIN: DataFlags = DataFlags { immediate: false, unordered: false, begin: true, end: false };
const MIDDLE: DataFlags = DataFlags { begin: false, ..BEGIN };

fn stream(i: u32) -> u16 {
    (i * 7 % 65_535) as u16
}

#[test]
fn messages_that_nobody_reads() {
    assert_bounded("small", Extensions::NONE, |victim, i| victim.data(i, (0, i as u16), WHOLE, b"x"));
    assert_bounded("streams", Extensions::NONE, |victim, i| victim.data(i, (stream(i), 0), WHOLE, b"x"));
    assert_bounded("large", Extensions::NONE, |victim, i| victim.data(i, (0, i as u16), WHOLE, &[0; 1_400]));
    assert_bounded("huge", Extensions::NONE, |victim, i| victim.data(i, (0, i as u16), WHOLE, &[0; 65_000]));
}

#[test]
fn messages_whose_turn_never_comes() {
    assert_bounded("waiting", Extensions::NONE, |victim, i| victim.data(i, (stream(i), 1), WHOLE, b"x"));
    assert_bounded("backwards", Extensions::NONE, |victim, i| {
        victim.data(CHUNKS - i, (stream(i), 1), WHOLE, b"x");
    });
}

#[test]
fn fragments_without_neighbours() {
    assert_bounded("holes", Extensions::NONE, |victim, i| {
        victim.data(2 * i + 1, (stream(i), 0), BEGIN, b"x")
    });
    assert_bounded("backwards", Extensions::NONE, |victim, i| {
        victim.data(2 * (CHUNKS - i) + 1, (0, 0), MIDDLE, b"x");
    });
}

#[test]
fn interleaved_messages_without_an_end() {
    let interleaving = Extensions { interleaving: true, ..Extensions::NONE };
    /// Stream, MID and FSN of a chunk.
    type Place = fn(u32) -> (u16, u32, u32);
    let kinds: [(&str, DataFlags, Place); 6] = [
        ("first fragments", BEGIN, |i| (stream(i), 0, 0)),
        ("unordered first fragments", DataFlags { unordered: true, ..BEGIN }, |i| (0, i, 0)),
        ("first fragments out of turn", BEGIN, |i| (stream(i), 1, 0)),
        ("second fragments", MIDDLE, |i| (stream(i), i, 1)),
        ("every second fragment", MIDDLE, |i| (0, 0, 2 * i + 1)),
        ("whole ones out of turn", WHOLE, |i| (stream(i), i + 1, 0)),
    ];
    for (name, flags, place) in kinds {
        assert_bounded(name, interleaving, |victim, i| victim.i_data(i, place(i), flags));
        assert_bounded(name, interleaving, |victim, i| victim.i_data(CHUNKS - i, place(i), flags));
    }
}

/// A payload is a slice of its packet, and keeps all of it. What is kept beside the payloads is no more than the buffer.
#[test]
fn little_data_in_large_packets() {
    const BUFFER: usize = 1 << 20;
    for flags in [WHOLE, BEGIN] {
        let mut victim = Victim::new(Extensions::NONE, BUFFER);
        let flood = |i| {
            let (tsn, stream_id) = (victim.first.plus(2 * i + 1), stream(i));
            let header = DataHeader { tsn, stream_id, ssn: Ssn(0), ppid: 0, flags };
            victim.packet(|packet| {
                packet.push_data(&header, b"x").unwrap();
                packet.push(&PadChunk { len: 60_000 }).unwrap();
            });
        };
        let used = measure(|| (0..200).for_each(flood));
        assert!(used.bytes_max <= (BUFFER + FIXED) as u64, "{} bytes", used.bytes_max);
    }
}
