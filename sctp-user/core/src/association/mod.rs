//! One association: its state machine (RFC 9260, 4), one file for each procedure.
//!
//! | file | procedure |
//! |---|---|
//! | `state` | the states, each with what exists only in it |
//! | `setup` | INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, T1 (5.1) |
//! | `peer_init` | what an INIT or INIT ACK says of its sender |
//! | `restart` | the same chunks when they come unexpectedly (5.2) |
//! | `data` | DATA and SACK between the wire and the [sending](crate::tx) and [receiving](crate::rx) halves |
//! | `forward_tsn` | FORWARD TSN (RFC 3758) |
//! | `heartbeat` | path verification and supervision (5.4, 8.3) |
//! | `failure` | error counters of paths and association (8.1, 8.2), quick failover (RFC 7829) |
//! | `shutdown`, `abort` | the end (9) |
//! | `asconf` | changes of addresses (RFC 5061) |
//! | `auth` | authenticated chunks (RFC 4895) |
//! | `error` | ERROR, unrecognized chunks (3.2, 3.3.10) |
//! | `icmp` | ICMP (10) |
//! | `reconfig` | streams and TSNs reset, streams added (RFC 6525) |
//! | `ecn` | congestion marks (RFC 4960, Appendix A) |
//! | `mtu` | the search for path MTUs (RFC 8899) |
//! | `bundle` | which chunks go into the next packet (6.10) |
//! | `configure` | parameters of the association and of one path, changed while it lives |
//! | `timers` | the next deadline, and what to do when it has come |
//! | `view` | what can be seen of an association from outside |
//!
//! An association never acts by itself: the [endpoint](crate::endpoint) hands it packets, times and
//! commands, and afterwards takes away its events and packets.

mod abort;
mod asconf;
mod auth;
mod bundle;
mod configure;
mod data;
mod ecn;
mod error;
mod events;
mod failure;
mod forward_tsn;
mod heartbeat;
mod icmp;
mod mtu;
mod outbox;
mod peer_init;
mod reconfig;
mod restart;
mod sack_path;
mod setup;
mod shutdown;
mod state;
mod stats;
#[cfg(test)]
pub(crate) mod tests;
mod timers;
mod view;

pub use peer_init::PeerCapabilities;
pub use state::AssociationState;
pub use stats::AssociationStats;

pub(crate) use auth::Echo;
pub(crate) use bundle::{PacketKind, Written};
pub(crate) use icmp::Quoted;
pub(crate) use mtu::{BASE_PACKET_SIZE, headers_len};
pub(crate) use outbox::to_raw;
pub(crate) use peer_init::{PeerInit, PeerWishes, address_parameter};
pub(crate) use restart::{CookieVerdict, InitVerdict};
pub(crate) use setup::{Blueprint, Offer, agree_on_streams, initial_tsn};

use crate::arrival::Arrival;
use crate::config::AssociationConfig;
use crate::endpoint::{Bound, StatelessPacket, Tags, bound::wildcard_of, scope, scope::Scope};
use crate::error::CommandError;
use crate::event::{Event, LossReason, PathChange};
use crate::extensions::Extensions;
use crate::net::PathAddress;
use crate::path::{Path, PathId, PathParameters, PathSet, PathState};
use crate::rng::Random;
use crate::rx::Receiver;
use crate::serial::Tsn;
use crate::time::Time;
use crate::tx::Sender;
use crate::wire::chunk::{ChunkType, RawChunk};
use crate::wire::{CommonHeader, Packet};
use asconf::Asconf;
use auth::{Admission, Auth};
use core::net::IpAddr;
use ecn::EcnState;
use events::Events;
use mtu::{MIN_PACKET_SIZE, Probe, packet_size};
use outbox::Outbox;
use reconfig::Reconfig;
use sack_path::SackDetour;
use smallvec::SmallVec;
use state::State;
use std::sync::Arc;

/// What each step of an association gets from its endpoint.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The time of the step.
    pub(crate) now: Time,
    /// The endpoint's randomness.
    pub(crate) random: &'a mut Random,
}

/// What the endpoint is to do about a packet that it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Nothing: it was processed.
    Done,
    /// Nothing: it was discarded.
    Discarded,
    /// It does not belong to the association after all (8.5.1 E).
    OutOfTheBlue,
}

/// Whether the chunks behind one are to be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

/// An association of an [`Endpoint`](crate::endpoint::Endpoint), to be looked at; the endpoint's
/// commands change it.
#[derive(Debug)]
pub struct Association {
    local_port: u16,
    peer_port: u16,
    /// Our verification tag and the peer's (0: not known yet).
    tags: Tags,
    /// Stand for `tags` in state cookies once an INIT has come for this association (5.2.2).
    tie_tags: Option<Tags>,
    /// Our addresses that this association may use.
    local_addresses: Vec<IpAddr>,
    /// What its socket is bound to. Packets leave from the addresses that are named; of a wildcard the host picks.
    bound: Bound,
    /// Towards one of our listening ports.
    inbound: bool,
    state: State,
    config: Arc<AssociationConfig>,
    paths: PathSet,
    /// The peer's addresses changed: the endpoint is to enter them in its table.
    addresses_changed: bool,
    capabilities: PeerCapabilities,
    /// Extensions that both sides offered: those in use.
    extensions: Extensions,
    /// Exists where we offer AUTH.
    auth: Option<Box<Auth>>,
    /// Exists where addresses can be changed.
    asconf: Option<Box<Asconf>>,
    /// What the peer asked for at the set-up.
    wishes: PeerWishes,
    local_initial_tsn: Tsn,
    outbound_streams: u16,
    inbound_streams: u16,
    sender: Sender,
    /// Exists once the peer's initial TSN is known.
    receiver: Option<Receiver>,
    /// Errors in a row (8.1).
    error_count: u32,
    /// SHUTDOWN was asked for during the set-up.
    shutdown_requested: bool,
    outbox: Outbox,
    reconfig: Reconfig,
    ecn: EcnState,
    /// Probes of path MTUs that are to leave.
    probes: SmallVec<[Probe; 1]>,
    /// Where DATA came from last, and SACKs go to (6.4) but for a detour.
    data_source: PathId,
    sack_detour: SackDetour,
    /// When user data was last sent or received.
    last_activity: Time,
    events: Events,
    /// `Event::Readable` was given and not all has been read since.
    readable_told: bool,
    /// The last packet of an association that has ended. It is looked for after each packet: a pointer is soon moved.
    farewell: Option<Box<(PathAddress, StatelessPacket)>>,
    stats: AssociationStats,
}

impl Association {
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<(Arrival, Event)> {
        self.events.pop_front()
    }

    /// Says what its sending half has to say.
    fn tell_sender(&mut self) {
        if self.tell_failures() && self.sender.is_empty() {
            self.events.push_back(Event::SenderDry);
        }
        if self.sender.take_writable() {
            self.events.push_back(Event::Writable);
        }
    }

    /// Says which messages were given up; whether there were some.
    #[inline]
    fn tell_failures(&mut self) -> bool {
        let mut any = false;
        while let Some(failure) = self.sender.poll_failure() {
            self.events.push_back(Event::SendFailed(Box::new(failure)));
            any = true;
        }
        any
    }

    /// The last packet of an association that has ended, once.
    pub(crate) fn take_farewell(&mut self) -> Option<Box<(PathAddress, StatelessPacket)>> {
        self.farewell.take()
    }

    /// Whether the peer's addresses have changed since this was last asked.
    pub(crate) fn take_addresses_changed(&mut self) -> bool {
        core::mem::take(&mut self.addresses_changed)
    }

    /// Its parameters, shared.
    pub(crate) fn shared_config(&self) -> Arc<AssociationConfig> {
        Arc::clone(&self.config)
    }

    /// SET PRIMARY (11.1.6). An address that is not confirmed yet gets data as soon as it is (5.4).
    pub(crate) fn set_primary(&mut self, remote: IpAddr) -> Result<(), CommandError> {
        let id = self.paths.by_remote(remote).ok_or(CommandError::UnknownAddress(remote))?.id;
        if self.paths.primary() != id && self.paths.set_primary(id) {
            self.tell_path(id, PathChange::MadePrimary);
        }
        Ok(())
    }

    /// Outstanding data has a timer, flight sizes add up.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check_invariants(&self) {
        if !self.is_closed() {
            self.sender.check_invariants(&self.paths);
            self.sender.check_probe(&self.paths);
            self.reconfig.check_invariants(&self.sender);
            assert!(self.paths.get(self.paths.primary()).is_some(), "the primary path exists");
            assert!(self.paths.get(self.data_source).is_some(), "SACKs go to a path that exists");
            let idle = |path: &Path| !path.sourceless || path.flight_size == 0;
            assert!(self.paths.iter().all(idle), "nothing is in flight where nothing may leave");
            self.paths.iter().for_each(|path| path.mtu.check());
        }
    }

    /// The common header of packets to the peer.
    /// RFC 9260, 1.3, 3.1, 3.3.2, 3.3.3, 8.5, 8.5.1, 5.3.1.
    fn header(&self) -> CommonHeader {
        CommonHeader {
            source_port: self.local_port,
            destination_port: self.peer_port,
            verification_tag: self.tags.peer,
        }
    }

    fn set_state(&mut self, state: State) {
        tracing::debug!(tag = self.tags.local, from = ?self.state.name(), to = ?state.name(), "association state");
        self.state = state;
    }

    /// A packet came for these ports from an address of the peer's, perhaps from one that is not held.
    pub(crate) fn handle_packet(
        &mut self,
        cx: &mut Context<'_>,
        packet: &Packet,
        from: PathAddress,
    ) -> Disposition {
        if let Some(verdict) = self.check_destination(packet, from) {
            return verdict;
        }
        match self.check_tag(packet) {
            TagCheck::Accept => {
                let Some(source) = self.note_arrival(from) else { return Disposition::OutOfTheBlue };
                self.handle_chunks(cx, packet, source, None);
                Disposition::Done
            }
            // Whoever knows no association cannot authenticate what it says of it.
            TagCheck::Reflected(chunk) if self.requires_auth(chunk.chunk_type) => Disposition::Discarded,
            TagCheck::Reflected(chunk) => {
                self.handle_reflected(cx.now, &chunk);
                Disposition::Done
            }
            TagCheck::Discard => Disposition::Discarded,
            TagCheck::OutOfTheBlue => Disposition::OutOfTheBlue,
        }
    }

    /// Processes the chunks of an accepted packet: all, or those behind the COOKIE ECHO that was accepted.
    /// RFC 4895, 6.3.
    fn handle_chunks(&mut self, cx: &mut Context<'_>, packet: &Packet, source: PathId, echo: Option<&Echo>) {
        // COOKIE ACK, SHUTDOWN or SHUTDOWN ACK may stand beside the replies.
        const OTHER_ANSWERS: usize = 16;
        let room = self.paths.get(source).map_or(0, Path::pmdcs);
        self.outbox.begin_packet(room.saturating_sub(OTHER_ANSWERS));
        // 6.10: a partial chunk ends the walk; those before it count.
        let mut chunks = echo.map_or_else(|| packet.chunks(), Echo::behind);
        if let Some(receiver) = &mut self.receiver {
            receiver.begin_packet(chunks.rest().len());
        }
        self.begin_authentication(echo.is_some_and(Echo::has_auth));
        self.begin_address_changes();
        let mut laborious = 0;
        while let Some(Ok(chunk)) = chunks.next() {
            let is_control = self.count_chunk(chunk.chunk_type);
            laborious += usize::from(is_control && is_laborious(chunk.chunk_type));
            let admission = self.admit(&chunk, chunks.rest(), source);
            if admission == Admission::Discard || laborious > MAX_LABORIOUS {
                continue;
            }
            let stops =
                admission == Admission::DiscardRest || self.handle_chunk(cx, chunk, source) == Flow::Stop;
            if stops || self.is_closed() {
                break;
            }
        }
        self.end_packet(cx);
    }

    /// Counts a chunk; whether it is one of control.
    fn count_chunk(&mut self, chunk_type: ChunkType) -> bool {
        let is_control = !matches!(chunk_type, ChunkType::DATA | ChunkType::I_DATA);
        self.stats.control_chunks_received += u64::from(is_control);
        is_control
    }

    /// The chunks behind a COOKIE ECHO from `from` that made this association or was taken by it.
    pub(crate) fn handle_bundled(
        &mut self,
        cx: &mut Context<'_>,
        packet: &Packet,
        from: PathAddress,
        echo: &Echo,
    ) {
        let source = self.note_arrival(from).unwrap_or(self.data_path());
        self.handle_chunks(cx, packet, source, Some(echo));
    }

    /// What to do with each chunk.
    fn handle_chunk(&mut self, cx: &mut Context<'_>, chunk: RawChunk, source: PathId) -> Flow {
        match chunk.chunk_type {
            ChunkType::DATA | ChunkType::I_DATA => self.handle_data(cx, chunk, source),
            ChunkType::SACK => self.handle_sack(cx, &chunk),
            ChunkType::NR_SACK if self.extensions.nr_sack => self.handle_nr_sack(cx, &chunk),
            ChunkType::FORWARD_TSN | ChunkType::I_FORWARD_TSN => self.handle_forward_tsn(&chunk, source),
            // 6.10: INIT stands alone, with the tag 0; the endpoint sees to it.
            ChunkType::INIT => Flow::Stop,
            ChunkType::INIT_ACK => self.handle_init_ack(cx, &chunk, source),
            // The endpoint sees to it when it stands first, and it must.
            ChunkType::COOKIE_ECHO => Flow::Stop,
            ChunkType::COOKIE_ACK => self.handle_cookie_ack(cx),
            ChunkType::HEARTBEAT => self.handle_heartbeat(&chunk, source),
            ChunkType::HEARTBEAT_ACK => self.handle_heartbeat_ack(cx, &chunk),
            ChunkType::SHUTDOWN => self.handle_shutdown(cx, &chunk, self.confirmed(source)),
            ChunkType::SHUTDOWN_ACK => self.handle_shutdown_ack(self.confirmed(source)),
            // 8.5.1 B and C: with the T bit the packet must have the peer's tag.
            ChunkType::SHUTDOWN_COMPLETE | ChunkType::ABORT if is_reflected(&chunk) => Flow::Stop,
            ChunkType::SHUTDOWN_COMPLETE => self.handle_shutdown_complete(),
            ChunkType::ABORT => self.handle_abort(&chunk),
            ChunkType::ERROR => self.handle_error(cx, &chunk),
            ChunkType::ECNE if self.extensions.ecn => self.handle_ecn_echo(cx, &chunk, source),
            ChunkType::CWR if self.extensions.ecn => self.handle_window_reduced(&chunk),
            ChunkType::RE_CONFIG if self.extensions.reconfig => self.handle_re_config(cx, &chunk, source),
            ChunkType::ASCONF | ChunkType::ASCONF_ACK if self.asconf.is_some() => {
                self.handle_address_change(cx, &chunk, source)
            }
            // RFC 4820, 3.
            // RFC 8899, 4.1: padding is nothing to anybody.
            ChunkType::PAD => Flow::Continue,
            _ => self.handle_unrecognized(&chunk, source),
        }
    }

    /// 8.5 and 8.5.1.
    /// RFC 9260, 9.1.
    fn check_tag(&self, packet: &Packet) -> TagCheck {
        let tag = packet.header.verification_tag;
        let forming = self.state().is_forming();
        if tag == self.tags.local && !forming {
            return TagCheck::Accept;
        }
        for chunk in packet.chunks().map_while(Result::ok) {
            match chunk.chunk_type {
                // B and C.
                ChunkType::ABORT | ChunkType::SHUTDOWN_COMPLETE if is_reflected(&chunk) => {
                    let accepted = tag == self.tags.peer && tag != 0;
                    return if accepted { TagCheck::Reflected(chunk) } else { TagCheck::Discard };
                }
                // 8.5.1 E, and 9.2: an old association's SHUTDOWN ACK is answered whatever its tag.
                ChunkType::SHUTDOWN_ACK if forming => return TagCheck::OutOfTheBlue,
                _ => {}
            }
        }
        if tag == self.tags.local { TagCheck::Accept } else { TagCheck::Discard }
    }

    /// The peer knows no association, and says so by our own tag.
    fn handle_reflected(&mut self, now: Time, chunk: &RawChunk) {
        match chunk.chunk_type {
            // RFC 6951, 5.7.
            ChunkType::ABORT if self.outlives_reflected_abort(now) => Flow::Stop,
            ChunkType::ABORT => self.handle_abort(chunk),
            _ => self.handle_shutdown_complete(),
        };
    }

    /// A packet with the right tag came from `from`: learns what its addresses say. The path's index.
    fn note_arrival(&mut self, from: PathAddress) -> Option<PathId> {
        let Some(id) = self.paths.by_remote(from.remote).map(|path| path.id) else {
            return self.note_overlooked();
        };
        let path = self.paths.get_mut(id)?;
        self.stats.packets_received += 1;
        path.stats.packets_received += 1;
        path.address.local = path.address.local.or(from.local);
        // RFC 6951, 5.4: the peer's UDP port is the one that its packets come from; without one it is plain IP again.
        if path.address.remote_udp_port != from.remote_udp_port {
            self.set_udp_port(id, from.remote_udp_port);
        }
        Some(id)
    }

    /// The same for an address that is not held ([`PeerCapabilities::more_addresses`]): the packet is as good as one from
    /// where data goes to, and is answered there.
    /// RFC 9260, 5.1.2.
    #[cold]
    fn note_overlooked(&mut self) -> Option<PathId> {
        self.stats.packets_received += u64::from(self.capabilities.more_addresses);
        self.capabilities.more_addresses.then(|| self.data_path())
    }

    /// From now on packets to `id` go to this UDP port of the peer's; 0: they go without UDP.
    /// RFC 6951, 5.1.
    fn set_udp_port(&mut self, id: PathId, port: u16) {
        let Some(path) = self.paths.get_mut(id) else { return };
        let before = mtu::headers_len(&path.address);
        path.address.remote_udp_port = port;
        let now = mtu::headers_len(&path.address);
        // RFC 6951, 5.6: the header counts. A NAT that has bound another port changes nothing.
        if now != before {
            path.mtu.stop();
            path.max_packet_size = (path.max_packet_size + before).saturating_sub(now).max(MIN_PACKET_SIZE);
            self.start_mtu_search(id);
        }
    }

    /// Sets the UDP port of the peer's address `remote`, or of all its addresses (RFC 6951, 6.1).
    pub(crate) fn set_remote_udp_port(
        &mut self,
        remote: Option<IpAddr>,
        port: u16,
    ) -> Result<(), CommandError> {
        let asked = |path: &&Path| remote.is_none_or(|remote| path.address.remote == remote);
        let ids: SmallVec<[PathId; 4]> = self.paths.iter().filter(asked).map(|path| path.id).collect();
        if let (Some(remote), true) = (remote, ids.is_empty()) {
            return Err(CommandError::UnknownAddress(remote));
        }
        ids.into_iter().for_each(|id| self.set_udp_port(id, port));
        Ok(())
    }

    /// Removes the association from the record (the association enters the CLOSED state). The messages that
    /// were not delivered come back first.
    fn lose(&mut self, reason: LossReason) {
        if self.is_closed() {
            return;
        }
        self.fail_messages();
        self.close(Event::CommunicationLost { reason });
    }

    /// Gives back all messages that were not wholly acknowledged.
    /// RFC 9260, 8.1.
    fn fail_messages(&mut self) {
        let failures = self.sender.fail_all(&mut self.paths);
        self.events.extend(failures.into_iter().map(|failure| Event::SendFailed(Box::new(failure))));
    }

    fn close(&mut self, event: Event) {
        self.fail_reconfig();
        self.set_state(State::Closed);
        self.outbox.clear();
        self.probes.clear();
        self.end_deliveries();
        self.events.push_back(event);
    }
}

/// How many [laborious](is_laborious) chunks of a packet are processed. An honest peer sends one of each type; what is beyond
/// is as good as lost.
const MAX_LABORIOUS: usize = 8;

/// Whether what there is to do for such a chunk is not bounded by its length.
fn is_laborious(chunk_type: ChunkType) -> bool {
    matches!(
        chunk_type,
        ChunkType::SACK
            | ChunkType::NR_SACK
            | ChunkType::FORWARD_TSN
            | ChunkType::I_FORWARD_TSN
            | ChunkType::RE_CONFIG
            | ChunkType::ASCONF
    )
}

/// Whether the T bit of an ABORT or SHUTDOWN COMPLETE is set.
fn is_reflected(chunk: &RawChunk) -> bool {
    chunk.flags & 1 != 0
}

/// What the verification tag of a packet says.
enum TagCheck {
    Accept,
    /// ABORT or SHUTDOWN COMPLETE with the T bit and the peer's tag: only this chunk counts.
    Reflected(RawChunk),
    Discard,
    OutOfTheBlue,
}

/// Adds a path to `address` if there is none to its host; leaves from one of `local`. Of none, or a wildcard, the host picks.
/// A peer that is reached by a loopback address is on this host, where each address reaches all others.
/// RFC 9260, 5.1.2.
fn add_path(
    paths: &mut PathSet,
    config: &AssociationConfig,
    local: &[IpAddr],
    mut address: PathAddress,
    state: PathState,
) {
    if paths.by_remote(address.remote).is_some() {
        return;
    }
    let here = paths.iter().next().is_some_and(|first| Scope::of(first.address.remote) == Scope::Loopback);
    let choose = if config.hide_addresses || here { scope::hidden_source } else { scope::source_for };
    address.local = address.local.or_else(|| choose(local, address.remote));
    let host_picks = local.is_empty() || local.contains(&wildcard_of(address.remote));
    // An association bound to addresses of one family has no way to the peer's other family; the
    // address that the user named first is tried all the same.
    if address.local.is_none() && !host_picks && paths.iter().next().is_some() {
        return;
    }
    // A full set ignores the rest: RFC 5062, 4 (bounded state).
    let parameters = PathParameters::of(config);
    let size = packet_size(&parameters, config.max_packet_size, &address);
    let _ = paths.add(address, state, size, config);
}
