//! Reads the packets of a run on the wire, independently of what the endpoints say of themselves.

use sctp_core::extensions::Extensions;
use sctp_core::net::Ecn;
use sctp_core::wire::chunk::{NrSackChunk, SackChunk};
use sctp_core::wire::{ChecksumPolicy, ChunkType, Packet};

use crate::sim::datagram::Datagram;
use crate::sim::tap::{Fate, Observation};

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireStats {
    /// Packets sent.
    pub packets: u64,
    /// Packets sent that our own parser does not accept: must stay 0.
    pub malformed: u64,
    /// Packets sent that only an extension explains that is not in use: must stay 0.
    pub out_of_place: u64,
    /// SACKs and NR-SACKs that close the window (`a_rwnd` 0).
    pub zero_windows: u64,
    /// TSNs that SACKs and NR-SACKs reported as duplicates.
    pub duplicate_tsns: u64,
    /// SACKs and NR-SACKs with gap blocks.
    pub gap_sacks: u64,
    /// ABORT chunks.
    pub aborts: u64,
    /// NR-SACK chunks.
    pub nr_sacks: u64,
    /// I-DATA chunks.
    pub i_data: u64,
    /// Packets with an AUTH chunk.
    pub authenticated: u64,
    /// ASCONF chunks.
    pub asconfs: u64,
    /// RE-CONFIG chunks.
    pub re_configs: u64,
    /// Probes for a path MTU.
    pub mtu_probes: u64,
    /// Packets that routers may mark.
    pub ecn_capable: u64,
    /// ECNE chunks.
    pub ecn_echoes: u64,
    /// CWR chunks.
    pub ecn_answers: u64,
    /// Packets without a checksum.
    pub zero_checksums: u64,
}

impl core::ops::AddAssign for WireStats {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.malformed += other.malformed;
        self.out_of_place += other.out_of_place;
        self.zero_windows += other.zero_windows;
        self.duplicate_tsns += other.duplicate_tsns;
        self.gap_sacks += other.gap_sacks;
        self.aborts += other.aborts;
        self.nr_sacks += other.nr_sacks;
        self.i_data += other.i_data;
        self.authenticated += other.authenticated;
        self.asconfs += other.asconfs;
        self.re_configs += other.re_configs;
        self.mtu_probes += other.mtu_probes;
        self.ecn_capable += other.ecn_capable;
        self.ecn_echoes += other.ecn_echoes;
        self.ecn_answers += other.ecn_answers;
        self.zero_checksums += other.zero_checksums;
    }
}

impl WireStats {
    /// `extensions`: those in use.
    pub(super) fn watch(&mut self, observation: &Observation<'_>, extensions: Extensions) {
        if observation.fate != Fate::Sent {
            return;
        }
        self.packets += 1;
        match self.read(observation.datagram, extensions) {
            None => self.malformed += 1,
            Some(in_place) => self.out_of_place += u64::from(!in_place),
        }
    }

    /// Whether the extensions in use explain the packet; `None`: it is no packet. The receiver checks the checksum; here
    /// it would only cost time.
    fn read(&mut self, datagram: &Datagram, extensions: Extensions) -> Option<bool> {
        let packet = Packet::parse(datagram.payload.clone(), ChecksumPolicy::Verified).ok()?;
        let marks = datagram.ecn != Ecn::NotCapable;
        let bare = datagram.payload.get(8..12) == Some(&[0; 4]);
        self.ecn_capable += u64::from(marks);
        self.zero_checksums += u64::from(bare);
        let mut in_place = (!marks || extensions.ecn) && (!bare || extensions.zero_checksum);
        for chunk in packet.chunks() {
            let chunk = chunk.ok()?;
            match chunk.chunk_type {
                ChunkType::SACK => {
                    let sack = SackChunk::parse(&chunk).ok()?;
                    self.note_sack(sack.a_rwnd, sack.duplicates.len(), !sack.gap_blocks.is_empty());
                }
                ChunkType::NR_SACK => {
                    let sack = NrSackChunk::parse(&chunk).ok()?;
                    let gaps = !sack.renegable_blocks.is_empty() || !sack.non_renegable_blocks.is_empty();
                    self.note_sack(sack.a_rwnd, sack.duplicates.len(), gaps);
                }
                _ => {}
            }
            in_place &= explains(chunk.chunk_type, bare, extensions);
            self.count(chunk.chunk_type);
        }
        Some(in_place)
    }

    fn note_sack(&mut self, a_rwnd: u32, duplicates: usize, gaps: bool) {
        self.zero_windows += u64::from(a_rwnd == 0);
        self.duplicate_tsns += duplicates as u64;
        self.gap_sacks += u64::from(gaps);
    }

    fn count(&mut self, chunk_type: ChunkType) {
        let counter = match chunk_type {
            ChunkType::ABORT => &mut self.aborts,
            ChunkType::NR_SACK => &mut self.nr_sacks,
            ChunkType::I_DATA => &mut self.i_data,
            ChunkType::AUTH => &mut self.authenticated,
            ChunkType::ASCONF => &mut self.asconfs,
            ChunkType::RE_CONFIG => &mut self.re_configs,
            ChunkType::PAD => &mut self.mtu_probes,
            ChunkType::ECNE => &mut self.ecn_echoes,
            ChunkType::CWR => &mut self.ecn_answers,
            _ => return,
        };
        *counter += 1;
    }
}

/// Whether the extensions in use explain a chunk, in a packet that is `bare` of a checksum or not.
fn explains(chunk_type: ChunkType, bare: bool, extensions: Extensions) -> bool {
    let Extensions { ecn, partial_reliability, reconfig, auth, asconf, interleaving, nr_sack, .. } =
        extensions;
    match chunk_type {
        // RFC 9653, 5.2.
        ChunkType::INIT | ChunkType::COOKIE_ECHO => !bare,
        ChunkType::DATA => !interleaving,
        ChunkType::I_DATA => interleaving,
        ChunkType::SACK => !nr_sack,
        ChunkType::NR_SACK => nr_sack,
        ChunkType::FORWARD_TSN => partial_reliability && !interleaving,
        ChunkType::I_FORWARD_TSN => partial_reliability && interleaving,
        ChunkType::RE_CONFIG => reconfig,
        ChunkType::AUTH => auth,
        ChunkType::ASCONF | ChunkType::ASCONF_ACK => asconf,
        ChunkType::ECNE | ChunkType::CWR => ecn,
        _ => true,
    }
}
