//! Changes of addresses on a living association: ASCONF and ASCONF-ACK (RFC 5061).
//!
//! | file | holds |
//! |---|---|
//! | `requests` | what we ask of the peer: one ASCONF at a time, T4 (5.1) |
//! | `responses` | what the peer asks of us (5.2) |
//! | `further` | a second address of ours behind a NAT (RFC 6951, 5.7) |
//! | `announce` | that a NAT has given us another outer address (RFC 6951, 5.7) |
//! | `sources` | which of our addresses packets leave from meanwhile (5.3) |

mod announce;
mod further;
mod requests;
mod responses;
mod sources;

use super::{Association, Context, Disposition, Flow};
use crate::event::Event;
use crate::net::PathAddress;
use crate::path::{PathId, PathState};
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::Packet;
use crate::wire::chunk::{ChunkType, RawChunk};
use announce::Whereabouts;
use core::net::IpAddr;
use requests::Outstanding;
use std::collections::VecDeque;

/// Addresses that were ours and are no more: so many are remembered, the latest.
const MAX_RETIRED: usize = 16;

/// A change that we ask the peer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add(IpAddr),
    SetPrimary(IpAddr),
    Delete(IpAddr),
    /// The address that the request comes from, by the wildcard of its family (4.2.1).
    AddSource(IpAddr),
    /// What packets from this address of ours come from, by the same wildcard; the request leaves from there.
    AddFrom(IpAddr),
    /// All addresses but that one (4.2.2).
    DeleteOthers(IpAddr),
}

impl Change {
    /// What takes it back.
    fn contrary(self) -> Option<Self> {
        match self {
            Self::Add(address) => Some(Self::Delete(address)),
            Self::Delete(address) => Some(Self::Add(address)),
            _ => None,
        }
    }
}

/// ASCONF on an association that uses it.
#[derive(Debug)]
pub(super) struct Asconf {
    /// The number of our next ASCONF: the initial TSN is that of the first (5.1 A2).
    next_sequence: Tsn,
    /// Changes that wait until the ASCONF before them is acknowledged.
    waiting: Vec<Change>,
    outstanding: Option<Outstanding>,
    /// The number of the last ASCONF of the peer's that was processed.
    peer_sequence: Tsn,
    /// ASCONF-ACKs with their numbers, in case that they are lost.
    answers: VecDeque<(Tsn, RawChunk)>,
    /// An ASCONF of the present packet has been processed.
    in_packet: bool,
    /// The peer understands no Add and Delete (5.3 F3a), or no ASCONF at all (5.1 A9).
    no_addresses: bool,
    /// The peer understands no Set Primary (5.3 F3b).
    no_primary: bool,
    /// The peer has just said that addresses can be changed.
    is_new: bool,
    /// Addresses that were ours.
    retired: VecDeque<IpAddr>,
    /// The peer's wish for its primary address, while that one is not confirmed.
    wanted_primary: Option<PathId>,
    /// No address may be a packet's source but one that is being added, and that one only beside ASCONF (5.3 F1, F4).
    only_asconf: bool,
    whereabouts: Whereabouts,
}

impl Asconf {
    /// The initial TSNs are the first numbers (5.1 A2).
    fn new(local_initial_tsn: Tsn, peer_initial_tsn: Tsn) -> Self {
        Self {
            next_sequence: local_initial_tsn,
            waiting: Vec::new(),
            outstanding: None,
            peer_sequence: peer_initial_tsn.prev(),
            answers: VecDeque::new(),
            in_packet: false,
            no_addresses: false,
            no_primary: false,
            is_new: true,
            retired: VecDeque::new(),
            wanted_primary: None,
            only_asconf: false,
            whereabouts: Whereabouts::default(),
        }
    }

    /// When T4 expires.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.outstanding.as_ref().map(|outstanding| outstanding.t4)
    }

    /// Where an ASCONF is to be sent now.
    pub(super) fn due_on(&self) -> Option<PathId> {
        self.outstanding.as_ref().filter(|outstanding| outstanding.due).map(|outstanding| outstanding.path)
    }

    /// Changes that the peer has been asked for.
    fn asked(&self) -> impl Iterator<Item = Change> {
        self.outstanding.iter().flat_map(|outstanding| outstanding.changes.iter().copied())
    }

    fn retire(&mut self, address: IpAddr) {
        self.retired.push_back(address);
        if self.retired.len() > MAX_RETIRED {
            self.retired.pop_front();
        }
    }
}

impl Association {
    /// Both sides have said what they do. Changes that were not finished before a restart are asked for again.
    pub(super) fn adopt_asconf(&mut self, peer_initial_tsn: Tsn) {
        let before = self.asconf.take();
        if !self.extensions.asconf {
            return;
        }
        let mut asconf = Asconf::new(self.local_initial_tsn, peer_initial_tsn);
        if let Some(before) = before {
            let unfinished = before.asked().chain(before.waiting.iter().copied());
            unfinished.for_each(|change| asconf.wait_with(change));
            asconf.retired = before.retired;
        }
        self.asconf = Some(Box::new(asconf));
        // From now on it is found by its tag, too.
        self.addresses_changed = true;
    }

    /// Whether addresses can be changed from now on; once.
    pub(crate) fn takes_up_address_changes(&mut self) -> bool {
        self.asconf.as_mut().is_some_and(|asconf| core::mem::take(&mut asconf.is_new))
    }

    /// ESTABLISHED is entered.
    pub(super) fn start_address_changes(&mut self, now: Time) {
        self.choose_sources();
        self.ask_next(now);
    }

    /// The association is up: what the peer asked for in INIT or INIT ACK (4.2.6, 5.4).
    pub(super) fn follow_wishes(&mut self) {
        self.events.extend(self.wishes.adaptation.map(Event::AdaptationIndication));
        if let Some(primary) = self.wishes.primary {
            // It is advice: an address that is none of the peer's changes nothing.
            self.prefer(primary);
        }
    }

    /// Makes `remote` the primary address, as soon as it is confirmed; false if it is none of the peer's.
    /// RFC 5061, 5.4.
    fn prefer(&mut self, remote: IpAddr) -> bool {
        let (Some(path), Some(asconf)) = (self.paths.by_remote(remote), &mut self.asconf) else {
            return false;
        };
        let (id, confirmed) = (path.id, path.state != PathState::Unconfirmed);
        asconf.wanted_primary = (!confirmed).then_some(id);
        if confirmed {
            self.make_primary(id);
        }
        true
    }

    /// A packet begins.
    pub(super) fn begin_address_changes(&mut self) {
        if let Some(asconf) = &mut self.asconf {
            asconf.in_packet = false;
        }
    }

    /// ASCONF or ASCONF-ACK, authenticated.
    pub(super) fn handle_address_change(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &RawChunk,
        source: PathId,
    ) -> Flow {
        let Some(from) = self.paths.get(source).map(|path| path.address) else { return Flow::Stop };
        if !self.state().changes_addresses() {
            return Flow::Continue;
        }
        match chunk.chunk_type {
            ChunkType::ASCONF => self.handle_asconf(cx, chunk, from),
            _ => self.handle_asconf_ack(cx.now, chunk, source),
        }
    }

    /// A packet came from an address that we do not know, but whose ASCONF names one that we do know (4.1.1, 5.2 D2 to
    /// D5).
    pub(crate) fn handle_relocated(
        &mut self,
        cx: &mut Context<'_>,
        packet: &Packet,
        from: PathAddress,
    ) -> Disposition {
        if self.asconf.is_none() || !self.state().changes_addresses() {
            return Disposition::OutOfTheBlue;
        }
        // D4.
        if packet.header.verification_tag != self.tags.local {
            return Disposition::Done;
        }
        let mut chunks = packet.chunks();
        self.outbox.begin_packet(0);
        self.begin_authentication(false);
        self.begin_address_changes();
        self.stats.packets_received += 1;
        while let Some(Ok(chunk)) = chunks.next() {
            self.count_chunk(chunk.chunk_type);
            let known = self.paths.by_remote(from.remote).map(|path| path.id);
            let admission = self.admit(&chunk, chunks.rest(), known.unwrap_or(self.data_path()));
            let flow = match (admission, known) {
                (super::Admission::Discard, _) => Flow::Continue,
                (super::Admission::DiscardRest, _) => Flow::Stop,
                (_, Some(source)) => self.handle_chunk(cx, chunk, source),
                (_, None) if chunk.chunk_type == ChunkType::ASCONF => self.handle_asconf(cx, &chunk, from),
                (_, None) => Flow::Continue,
            };
            if flow == Flow::Stop || self.is_closed() {
                break;
            }
        }
        self.end_packet(cx);
        Disposition::Done
    }

    /// What becomes of a packet for the sake of the address that it was sent to (5.3 F4, 5.3.1); `None`: nothing.
    pub(super) fn check_destination(&self, packet: &Packet, from: PathAddress) -> Option<Disposition> {
        let (asconf, local) = (self.asconf.as_ref()?, from.local?);
        if asconf.retired.contains(&local) {
            return Some(Disposition::OutOfTheBlue);
        }
        let leaving = asconf.asked().any(|change| change == Change::Delete(local));
        let mut chunks = packet.chunks().map_while(Result::ok);
        let aborts = leaving && chunks.any(|chunk| chunk.chunk_type == ChunkType::ABORT);
        aborts.then_some(Disposition::Done)
    }

    /// Whether a path may carry more than HEARTBEATs and their answers. During the set-up, and as long as addresses
    /// cannot be changed, there is always one that may; but all that may can be deleted (5.3 F14).
    pub(super) fn is_verified(&self, id: PathId) -> bool {
        self.asconf.is_none() || self.paths.get(id).is_some_and(|path| path.state != PathState::Unconfirmed)
    }

    /// An address is confirmed, which the peer may have wished for its primary one (5.4).
    pub(super) fn honour_wanted_primary(&mut self, id: PathId) {
        if self
            .asconf
            .as_mut()
            .is_some_and(|asconf| asconf.wanted_primary.take_if(|wanted| *wanted == id).is_some())
        {
            self.make_primary(id);
        }
    }
}
