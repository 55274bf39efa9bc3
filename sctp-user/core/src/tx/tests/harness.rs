//! A sender with paths, a clock, and one-line steps. Every step checks the invariants.

use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::event::SendFailure;
use crate::message::SendOptions;
use crate::net::PathAddress;
use crate::path::{Path, PathId, PathSet, PathState};
use crate::reliability::Reliability;
use crate::serial::{Ssn, Tsn};
use crate::time::Time;
use crate::tx::{SackError, SackOutcome, Sender, T3Expiry};
use crate::wire::chunk::{
    ChunkType, DataChunk, ForwardTsnChunk, GapBlock, IDataChunk, IDataHeader, IForwardTsnChunk, RawChunk,
    SackChunk, SkippedMessage,
};
use crate::wire::{ChecksumPolicy, CommonHeader, Packet, PacketBuilder};
use bytes::Bytes;
use core::time::Duration;

/// The first TSN of all tests: it wraps after four chunks.
pub(super) const FIRST: Tsn = Tsn(u32::MAX - 3);

/// Payload that fills a packet.
pub(super) const FULL: usize = 1_000;

/// The sender under test.
pub(super) struct Harness {
    pub(super) sender: Sender,
    pub(super) paths: PathSet,
    pub(super) now: Time,
    failures: Vec<SendFailure>,
}

/// A packet that left.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) path: u8,
    /// Its chunks; those of I-DATA as DATA, with the MID as SSN.
    pub(super) chunks: Vec<DataChunk>,
    /// What I-DATA said in its own way.
    pub(super) i_data: Vec<IDataHeader>,
}

impl Sent {
    /// Its chunks, counted from [`FIRST`].
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.chunks.iter().map(|chunk| chunk.tsn.distance_from(FIRST)).collect()
    }

    fn push(&mut self, raw: &RawChunk) {
        if raw.chunk_type != ChunkType::I_DATA {
            self.chunks.push(DataChunk::parse(raw).unwrap());
            return;
        }
        let IDataChunk { header, payload } = IDataChunk::parse(raw).unwrap();
        let IDataHeader { tsn, stream_id, mid, flags, .. } = header;
        let ppid = header.ppid().unwrap_or_default();
        self.chunks.push(DataChunk { tsn, stream_id, ssn: Ssn::of_mid(mid), ppid, flags, payload });
        self.i_data.push(header);
    }
}

pub(super) fn config() -> AssociationConfig {
    AssociationConfig { no_delay: true, ..AssociationConfig::default() }
}

/// Stream 0, ordered, with this policy.
pub(super) fn with(reliability: Reliability) -> SendOptions {
    SendOptions { reliability: Some(reliability), ..SendOptions::default() }
}

/// A SACK whose cumulative TSN ack is that of chunk `up_to - 1`: it acknowledges `up_to` chunks, with
/// a window of a megabyte and gap blocks given by the numbers of their first and last chunk.
pub(super) fn sack(up_to: u32, gaps: &[(u32, u32)]) -> SackChunk {
    let offset = |number: u32| u16::try_from(number + 1 - up_to).unwrap();
    SackChunk {
        cumulative_tsn_ack: FIRST.plus(up_to).prev(),
        a_rwnd: 1 << 20,
        gap_blocks: gaps.iter().map(|&(a, b)| GapBlock { start: offset(a), end: offset(b) }).collect(),
        duplicates: Default::default(),
    }
}

impl Harness {
    /// One path, a peer with a window of a megabyte and ten streams, no Nagle.
    pub(super) fn new() -> Self {
        Self::with(1, &config())
    }

    pub(super) fn with(paths: u8, config: &AssociationConfig) -> Self {
        let mut harness = Self::unconnected(paths, config);
        harness.sender.set_peer(1 << 20, 10);
        harness
    }

    /// As [`with`](Self::with); both sides have partial reliability.
    pub(super) fn partial(paths: u8, config: &AssociationConfig) -> Self {
        let mut harness = Self::with(paths, config);
        harness.sender.set_partial_reliability(true);
        harness
    }

    /// The peer has not answered yet.
    pub(super) fn unconnected(paths: u8, config: &AssociationConfig) -> Self {
        let mut set = PathSet::default();
        for i in 1..=paths {
            let address = PathAddress::to([10, 0, 0, i].into());
            set.add(address, PathState::Active, 12 + 16 + FULL, config);
        }
        let sender = Sender::new(config, FIRST);
        Self { sender, paths: set, now: Time::from_millis(1_000), failures: Vec::new() }
    }

    fn check(&self) {
        self.sender.check_invariants(&self.paths);
    }

    pub(super) fn path(&mut self, id: u8) -> &mut Path {
        self.paths.get_mut(PathId(id)).unwrap()
    }

    pub(super) fn try_enqueue(&mut self, options: &SendOptions, len: usize) -> Result<(), SendError> {
        self.sender.make_room(self.now, options, len, &mut self.paths);
        self.collect_failures();
        let path = options.path.and_then(|remote| self.paths.by_remote(remote)).map(|path| path.id);
        let outcome = self.sender.enqueue(self.now, options, None, path, Bytes::from(vec![7; len]));
        self.check();
        outcome
    }

    pub(super) fn enqueue(&mut self, len: usize) {
        self.try_enqueue(&SendOptions::default(), len).unwrap();
    }

    /// `count` messages that fill a packet each.
    pub(super) fn enqueue_full(&mut self, count: usize) {
        (0..count).for_each(|_| self.enqueue(FULL));
    }

    /// A message with this policy; its context says how many there were before.
    pub(super) fn enqueue_with(&mut self, reliability: Reliability, len: usize) {
        self.try_enqueue(&with(reliability), len).unwrap();
    }

    fn collect_failures(&mut self) {
        self.failures.extend(core::iter::from_fn(|| self.sender.poll_failure()));
        self.check();
    }

    /// Lengths of the messages that were given up since, and whether some of them was sent.
    pub(super) fn take_failures(&mut self) -> Vec<(usize, bool)> {
        self.collect_failures();
        self.failures.drain(..).map(|failure| (failure.payload.len(), failure.sent)).collect()
    }

    /// Gives up what is overdue; the path and FORWARD TSN that are due, which thereby are sent.
    pub(super) fn send_forward_tsn(&mut self) -> Option<(u8, ForwardTsnChunk)> {
        self.sender.abandon_overdue(self.now, &mut self.paths);
        self.check();
        let path = self.sender.forward_path()?;
        let raw = self.write_forward_tsn(path);
        Some((path.0, ForwardTsnChunk::parse(&raw).unwrap()))
    }

    /// The I-FORWARD-TSN that is due, which thereby is sent: the number of the chunk after the last skipped one, and
    /// the messages.
    pub(super) fn i_forwarded(&mut self) -> Option<(u32, Vec<SkippedMessage>)> {
        self.sender.abandon_overdue(self.now, &mut self.paths);
        let path = self.sender.forward_path()?;
        let chunk = IForwardTsnChunk::parse(&self.write_forward_tsn(path)).unwrap();
        Some((chunk.new_cumulative_tsn.next().distance_from(FIRST), chunk.streams.to_vec()))
    }

    fn write_forward_tsn(&mut self, path: PathId) -> RawChunk {
        let header = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };
        let mut buffer = Vec::new();
        let size = self.path(path.0).max_packet_size;
        let mut packet = PacketBuilder::new(&mut buffer, header, size);
        let len = self.sender.forward_tsn_len();
        assert!(
            self.sender.write_forward_tsn(self.now, path, &mut self.paths, &mut packet),
            "3.5 C4: it fits"
        );
        packet.finish();
        self.check();
        let packet = Packet::parse(buffer.into(), ChecksumPolicy::Crc32c).unwrap();
        let raw = packet.chunks().next().unwrap().unwrap();
        assert_eq!(raw.value.len(), len);
        raw
    }

    /// As [`send_forward_tsn`](Self::send_forward_tsn): the number of the chunk after the last skipped one, and the
    /// streams with their sequence numbers.
    pub(super) fn forwarded(&mut self) -> Option<(u32, Vec<(u16, u16)>)> {
        let (_, chunk) = self.send_forward_tsn()?;
        let streams = chunk.streams.iter().map(|stream| (stream.stream_id, stream.ssn.0)).collect();
        Some((chunk.new_cumulative_tsn.next().distance_from(FIRST), streams))
    }

    /// Sends one packet, if one may leave.
    pub(super) fn send_one(&mut self) -> Option<Sent> {
        self.sender.abandon_overdue(self.now, &mut self.paths);
        self.check();
        let Some(id) = self.sender.next_path(self.now, &self.paths) else {
            self.sender.handle_nothing_left(self.now, &self.paths);
            self.sender.check_probe(&self.paths);
            return None;
        };
        let header = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };
        let mut buffer = Vec::new();
        let size = self.sender.packet_size(id, &self.paths);
        let mut packet = PacketBuilder::new(&mut buffer, header, size);
        let count = self.sender.fill(self.now, id, &mut self.paths, &mut packet).chunks;
        packet.finish();
        self.check();
        let packet = Packet::parse(buffer.into(), ChecksumPolicy::Crc32c).unwrap();
        let mut sent = Sent { path: id.0, chunks: Vec::new(), i_data: Vec::new() };
        packet.chunks().for_each(|raw| sent.push(&raw.unwrap()));
        assert_eq!(sent.chunks.len(), count);
        assert!(count > 0, "next_path named a path on which nothing could leave");
        Some(sent)
    }

    /// Sends one packet without the checks, which take long when much is outstanding; its chunks.
    pub(super) fn send_one_unchecked(&mut self) -> Option<u32> {
        let id = self.sender.next_path(self.now, &self.paths)?;
        let header = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };
        let mut buffer = Vec::new();
        let mut packet = PacketBuilder::new(&mut buffer, header, 12 + 16 + FULL);
        u32::try_from(self.sender.fill(self.now, id, &mut self.paths, &mut packet).chunks).ok()
    }

    /// Sends all that may leave.
    pub(super) fn send(&mut self) -> Vec<Sent> {
        let sent: Vec<_> = core::iter::from_fn(|| self.send_one()).take(10_000).collect();
        assert!(sent.len() < 10_000, "sending never ends");
        sent
    }

    /// Sends all that may leave: the chunks by number, one list for each packet.
    pub(super) fn send_numbers(&mut self) -> Vec<Vec<u32>> {
        self.send().iter().map(Sent::numbers).collect()
    }

    pub(super) fn try_sack(&mut self, sack: &SackChunk) -> Result<SackOutcome, SackError> {
        let outcome = self.sender.handle_sack(self.now, sack, &mut self.paths);
        self.check();
        outcome
    }

    pub(super) fn sack(&mut self, up_to: u32, gaps: &[(u32, u32)]) -> SackOutcome {
        self.try_sack(&sack(up_to, gaps)).unwrap()
    }

    /// A SACK with this window.
    pub(super) fn sack_window(&mut self, up_to: u32, a_rwnd: u32) -> SackOutcome {
        self.try_sack(&SackChunk { a_rwnd, ..sack(up_to, &[]) }).unwrap()
    }

    /// When T3-rtx of a path expires.
    pub(super) fn t3(&mut self, id: u8) -> Option<Time> {
        self.path(id).t3_rtx
    }

    /// When T3-rtx of a path would expire if it were started now.
    pub(super) fn t3_if_started(&mut self, id: u8) -> Option<Time> {
        let rto = self.path(id).rto();
        Some(self.now + rto)
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Lets T3-rtx of a path expire.
    pub(super) fn expire(&mut self, id: u8) -> T3Expiry {
        self.now = self.path(id).t3_rtx.expect("T3-rtx runs").max(self.now);
        let expiry = self.sender.handle_t3(self.now, PathId(id), &mut self.paths);
        self.check();
        expiry
    }

    /// Makes the window of path 0 so large that it never stops anything.
    pub(super) fn open_cwnd(&mut self) {
        let config = AssociationConfig { max_burst: 0, ..config() };
        self.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(1 << 30, &config);
    }
}
