//! Packets in: to their association, or to one of the stateless answers.

use super::Endpoint;
use super::cookie::{StateCookie, Tags};
use super::demux::{PeerKey, TagKey};
use super::out_of_the_blue::{self, StatelessPacket, abort_for_init, answering};
use super::scope::known;
use super::slots::{Slot, Slots};
use crate::association::{
    Association, Blueprint, Context, CookieVerdict, Disposition, Echo, InitVerdict, Offer, PeerInit,
    agree_on_streams, initial_tsn, to_raw,
};
use crate::auth::{AuthAgreement, AuthOffer};
use crate::config::AssociationConfig;
use crate::net::{Ecn, IpDefaults, PathAddress};
use crate::path::PathParameters;
use crate::time::Time;
use crate::wire::cause::Cause;
use crate::wire::chunk::{AsconfChunk, ChunkType, ErrorChunk, InitChunk, InitKind};
use crate::wire::param::Parameter;
use crate::wire::{ChecksumPolicy, CommonHeader, Packet, PacketError};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

/// A datagram's packet and where it came from.
struct Arrived {
    packet: Packet,
    from: PathAddress,
    ecn: Ecn,
}

/// An INIT that can be answered.
struct Request<'a> {
    header: CommonHeader,
    from: PathAddress,
    init: &'a InitChunk,
    peer: &'a PeerInit,
}

impl Endpoint {
    /// RFC 9260, 3.1, 8.4.
    pub(super) fn receive_packet(&mut self, now: Time, from: PathAddress, ecn: Ecn, datagram: Bytes) {
        let policy = self.checksum_policy(from, &datagram);
        self.counters.packets_received += 1;
        let packet = match Packet::parse(datagram, policy) {
            Ok(packet) => packet,
            Err(PacketError::BadChecksum { .. }) => return self.counters.checksum_errors += 1,
            Err(_) => return self.discard(),
        };
        let header = packet.header;
        // 8.4, rule 1; 3.1: port 0 names nobody.
        if !out_of_the_blue::is_answerable(&from) || header.source_port == 0 || header.destination_port == 0 {
            return self.discard();
        }
        let arrived = Arrived { packet, from, ecn };
        match arrived.packet.first_chunk_type() {
            // 8.5.1 A.
            _ if header.verification_tag == 0 => self.receive_init(now, &arrived),
            Some(ChunkType::COOKIE_ECHO | ChunkType::AUTH) => match Echo::of(&arrived.packet) {
                Some(echo) => self.receive_cookie_echo(now, &arrived, &echo),
                None => self.receive_other(now, &arrived),
            },
            _ => self.receive_other(now, &arrived),
        }
    }

    /// A checksum must be right, or zero where the layer below finds damage and the packet belongs to an association for
    /// which we have said so (RFC 9653, 5.3). What may come before there is one has its checksum (5.2), and so has an ASCONF,
    /// which may lie behind AUTH. Other packets of nobody may come without: their senders are to learn soon that nobody
    /// knows them, after our restart or from another address (5.3).
    fn checksum_policy(&self, from: PathAddress, datagram: &[u8]) -> ChecksumPolicy {
        if !self.config.alternate_error_detection {
            return ChecksumPolicy::Crc32c;
        }
        let association = |header: &CommonHeader| {
            let slot = self.find_near(&key(header, from), from.local)?;
            self.slots.get(slot).map(|entry| &entry.association)
        };
        match Packet::without_checksum(datagram) {
            Some((header, first)) if header.verification_tag != 0 && first != ChunkType::COOKIE_ECHO => {
                let answerable = !matches!(first, ChunkType::AUTH | ChunkType::ASCONF);
                let accepted = association(&header).map_or(answerable, Association::accepts_zero_checksum);
                if accepted { ChecksumPolicy::Verified } else { ChecksumPolicy::Crc32c }
            }
            _ => ChecksumPolicy::Crc32c,
        }
    }

    /// RFC 5061, 5.3.2.
    fn receive_other(&mut self, now: Time, arrived: &Arrived) {
        let (key, local) = (key(&arrived.packet.header, arrived.from), arrived.from.local);
        let slots = &self.slots;
        let slot = self.demux.find_for_packet(&key, local, |slot| is_at(slots, slot, local));
        let Some((slot, entry)) = slot.and_then(|slot| Some((slot, self.slots.get_mut(slot)?))) else {
            return self.receive_relocated(now, arrived);
        };
        if entry.association.may_sack_early() && self.early_sacks.has_room() {
            self.early_sacks.push(|buffer| entry.association.write_sack_packet(now, buffer));
        }
        self.hand_over(now, slot, arrived, Association::handle_packet);
    }

    /// A packet is dropped in silence.
    fn discard(&mut self) {
        self.counters.packets_discarded += 1;
    }

    /// Has an association handle the packet, unless it turns out to be nobody's.
    #[inline]
    fn hand_over(
        &mut self,
        now: Time,
        slot: Slot,
        arrived: &Arrived,
        handle: fn(&mut Association, &mut Context<'_>, &Packet, PathAddress) -> Disposition,
    ) {
        let Some(entry) = self.slots.get_mut(slot) else { return self.answer_out_of_the_blue(now, arrived) };
        let mut cx = Context { now, random: &mut self.random };
        entry.association.set_arriving_ecn(arrived.ecn);
        match handle(&mut entry.association, &mut cx, &arrived.packet, arrived.from) {
            Disposition::Done => self.after_packet(now, slot),
            Disposition::Discarded => {
                self.discard();
                self.after_packet(now, slot);
            }
            Disposition::OutOfTheBlue => self.answer_out_of_the_blue(now, arrived),
        }
    }

    /// A packet from an address that nobody knows: an ASCONF in it may name one that an association knows (RFC 5061,
    /// 5.2 D2 and D3), or leave that to the packet's tag (4.1.1).
    fn receive_relocated(&mut self, now: Time, arrived: &Arrived) {
        let header = &arrived.packet.header;
        let names_tag = || named_addresses(&arrived.packet).any(|address| address.is_unspecified());
        let by_tag = || names_tag().then(|| self.demux.find_tag(&tag_key(header))).flatten();
        let named = |address| self.find_near(&key_for(header, address), arrived.from.local);
        match named_addresses(&arrived.packet).find_map(named).or_else(by_tag) {
            Some(slot) => self.hand_over(now, slot, arrived, Association::handle_relocated),
            None => self.receive_overlooked(now, arrived),
        }
    }

    /// A packet that may come from an address of a peer that lists some that are not held: its tag says whose it is. (An
    /// ABORT in answer would end the association.)
    /// RFC 9260, 5.1.2, 8.4.
    #[cold]
    fn receive_overlooked(&mut self, now: Time, arrived: &Arrived) {
        let slot = self.demux.find_tag(&tag_key(&arrived.packet.header));
        let lists_more = |slot: &Slot| {
            self.slots.get(*slot).is_some_and(|entry| entry.association.capabilities().more_addresses)
        };
        match slot.filter(lists_more) {
            Some(slot) => self.hand_over(now, slot, arrived, Association::handle_packet),
            None => self.answer_out_of_the_blue(now, arrived),
        }
    }

    /// 8.4.
    fn answer_out_of_the_blue(&mut self, now: Time, arrived: &Arrived) {
        self.counters.out_of_blues += 1;
        if self.config.answer_out_of_the_blue
            && let Some(answer) = out_of_the_blue::answer(&arrived.packet)
        {
            self.answer_anybody(now, arrived.from, answer);
        }
    }

    /// An answer that costs its receiver's attention: limited in rate.
    fn answer_anybody(&mut self, now: Time, to: PathAddress, answer: StatelessPacket) {
        if self.answers.allow(now) {
            self.push_stateless(to, answer);
        }
    }

    /// A packet with the tag 0: an INIT, and nothing else, or it is discarded (8.5.1 A).
    /// RFC 9260, 12.3.
    fn receive_init(&mut self, now: Time, arrived: &Arrived) {
        let mut chunks = arrived.packet.chunks();
        let (Some(Ok(raw)), None) = (chunks.next(), chunks.next()) else { return self.discard() };
        if raw.chunk_type != ChunkType::INIT {
            return self.discard();
        }
        let Ok(init) = InitChunk::parse(&raw) else { return self.discard() };
        // 3.3.2: silently.
        if init.initiate_tag == 0 {
            return self.discard();
        }
        self.counters.control_chunks_received += 1;
        let (header, from) = (arrived.packet.header, arrived.from);
        match PeerInit::read(&init, from.remote) {
            Ok(peer) => self.answer_init(now, &Request { header, from, init: &init, peer: &peer }),
            Err(causes) => {
                let abort = abort_for_init(&header, init.initiate_tag, causes.0);
                self.answer_anybody(now, from, abort);
            }
        }
    }

    fn answer_init(&mut self, now: Time, request: &Request<'_>) {
        // 5.1.2 D: any of its addresses may name an association that is there.
        let listed = request.peer.addresses.iter().copied();
        let addresses = core::iter::once(request.from.remote).chain(listed);
        match self.find_any(&request.header, addresses, request.from.local) {
            Some(slot) => self.answer_unexpected_init(now, slot, request),
            None => self.answer_new_init(now, request),
        }
    }

    /// 5.2.1, 5.2.2.
    /// RFC 9260, 5.1.3.
    fn answer_unexpected_init(&mut self, now: Time, slot: Slot, request: &Request<'_>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let config = entry.association.shared_config();
        match entry.association.handle_init(&mut self.random, request.peer, request.from) {
            InitVerdict::Answer(offer, tie_tags) => {
                self.push_init_ack(now, request, &config, offer, tie_tags)
            }
            InitVerdict::Abort(causes) => {
                let abort = abort_for_init(&request.header, request.init.initiate_tag, causes.0);
                self.answer_anybody(now, request.from, abort);
            }
            InitVerdict::Discard => {}
        }
        self.settle(slot);
    }

    /// 5.1 B: nothing is kept.
    /// RFC 9260, 5.2.2, 3.3.2.
    fn answer_new_init(&mut self, now: Time, request: &Request<'_>) {
        let from = (request.from.remote, request.header.source_port);
        let listener = self.listeners.find(request.header.destination_port, request.from.local, from);
        let Some((_, listener)) = listener else {
            // 8.4, rule 3.
            self.counters.out_of_blues += 1;
            if self.config.answer_out_of_the_blue {
                let abort = abort_for_init(&request.header, request.init.initiate_tag, Bytes::new());
                self.answer_anybody(now, request.from, abort);
            }
            return;
        };
        if self.slots.len() >= self.config.max_associations {
            return self.refuse_init(now, request);
        }
        let config = Arc::clone(&listener.config);
        let bound = match request.from.local {
            Some(own) if config.hide_addresses => vec![own],
            _ => listener.bound().resolve(&self.config.local_addresses),
        };
        let addresses = known(&bound, request.from.remote, config.hide_addresses);
        let tag = self.random.verification_tag();
        let initial_tsn = initial_tsn(&mut self.random);
        let auth = AuthOffer::of(&config, &mut self.random);
        let offer = Offer::new(&config, tag, initial_tsn, addresses, auth);
        self.push_init_ack(now, request, &config, offer, Tags::default());
    }

    fn refuse_init(&mut self, now: Time, request: &Request<'_>) {
        let causes = crate::wire::cause::Causes::from(Cause::OutOfResource);
        let abort = abort_for_init(&request.header, request.init.initiate_tag, causes.0);
        self.answer_anybody(now, request.from, abort);
    }

    /// INIT ACK with a state cookie (5.1.3).
    /// RFC 9260, 5.1, 5.1.2, 5.2.1, 5.2.2, 12.4.
    fn push_init_ack(
        &mut self,
        now: Time,
        request: &Request<'_>,
        config: &AssociationConfig,
        mut offer: Offer,
        tie_tags: Tags,
    ) {
        let peer_auth = match request.peer.authentication(config) {
            Ok(peer_auth) => peer_auth,
            Err(causes) => {
                let abort = abort_for_init(&request.header, request.init.initiate_tag, causes.0);
                return self.answer_anybody(now, request.from, abort);
            }
        };
        let auth = offer.auth.clone().zip(peer_auth);
        let (outbound_streams, inbound_streams) = agree_on_streams(request.init, config);
        offer.outbound_streams = outbound_streams;
        let cookie = StateCookie {
            created_at: now,
            life_span: self.life_span(config, request.peer.life_span_increment),
            local_port: request.header.destination_port,
            peer_port: request.header.source_port,
            tags: Tags { local: offer.tag, peer: request.init.initiate_tag },
            tie_tags,
            local_initial_tsn: offer.initial_tsn,
            peer_initial_tsn: request.init.initial_tsn,
            peer_a_rwnd: request.init.a_rwnd,
            outbound_streams,
            inbound_streams,
            capabilities: request.peer.capabilities,
            offered: config.extensions,
            wishes: request.peer.wishes,
            auth: auth.map(|(local, peer)| Box::new(AuthAgreement { local, peer })),
            source: request.from,
            local_addresses: offer.addresses.clone(),
            addresses: request.peer.addresses.clone(),
        };
        let sealed = self.cookie_keys.seal(now, &cookie, &mut self.random);
        let more = core::iter::once(Parameter::StateCookie(sealed)).chain(request.peer.reports());
        let chunk = to_raw(&offer.chunk(InitKind::InitAck, more));
        let header = answering(&request.header, request.init.initiate_tag);
        let marks = PathParameters::of(config).marks(IpDefaults::of(config, request.from.remote));
        // 5.1, 5.1.2, 5.2.1, 5.2.2: to where the INIT came from.
        self.push_stateless(request.from, StatelessPacket { marks, header, auth: None, chunk });
    }

    /// Valid.Cookie.Life, and what a Cookie Preservative asks for up to as much again (5.2.6).
    fn life_span(&self, config: &AssociationConfig, increment_ms: u32) -> Duration {
        let life = config.cookie_life.unwrap_or(self.config.valid_cookie_life);
        life + Duration::from_millis(increment_ms.into()).min(life)
    }

    /// COOKIE ECHO as the first chunk, or behind AUTH (5.1.5, 5.2.4; RFC 4895, 6.3).
    /// RFC 9260, 4.
    fn receive_cookie_echo(&mut self, now: Time, arrived: &Arrived, echo: &Echo) {
        self.counters.control_chunks_received += 1;
        // Steps 1 to 3: what is not ours, or not for this packet, is discarded in silence.
        let Some(cookie) = self.cookie_keys.open(echo.cookie()) else { return self.discard() };
        let header = arrived.packet.header;
        let ports = (cookie.local_port, cookie.peer_port) == (header.destination_port, header.source_port);
        if !ports || cookie.tags.local != header.verification_tag {
            return self.discard();
        }
        let addresses = core::iter::once(arrived.from.remote).chain(cookie.peer_addresses());
        match self.find_any(&header, addresses, arrived.from.local) {
            Some(slot) => self.echo_to_association(now, slot, &cookie, arrived, echo),
            None if cookie.staleness(now).is_some() => self.push_stale_cookie(now, &cookie, arrived),
            None => self.create_association(now, &cookie, arrived, echo),
        }
    }

    /// RFC 9260, 5.1.5.
    fn echo_to_association(
        &mut self,
        now: Time,
        slot: Slot,
        cookie: &StateCookie,
        arrived: &Arrived,
        echo: &Echo,
    ) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if !entry.association.authenticates(echo, cookie) {
            return;
        }
        let mut cx = Context { now, random: &mut self.random };
        match entry.association.handle_cookie(&mut cx, cookie, arrived.from) {
            CookieVerdict::Accepted => {
                entry.association.handle_bundled(&mut cx, &arrived.packet, arrived.from, echo);
                self.after_packet(now, slot);
            }
            CookieVerdict::Discarded => self.settle(slot),
            CookieVerdict::Stale => self.push_stale_cookie(now, cookie, arrived),
        }
    }

    /// ERROR "Stale Cookie" (5.1.5, step 4).
    fn push_stale_cookie(&mut self, now: Time, cookie: &StateCookie, arrived: &Arrived) {
        let staleness = cookie.staleness(now).unwrap_or_default();
        let staleness_us = u32::try_from(staleness.as_micros()).unwrap_or(u32::MAX);
        let chunk = to_raw(&ErrorChunk { causes: Cause::StaleCookie { staleness_us }.into() });
        let header = answering(&arrived.packet.header, cookie.tags.peer);
        self.push_stateless(arrived.from, StatelessPacket::of(header, chunk));
    }

    /// 5.1.5, steps 5 to 7.
    /// RFC 9260, 5.1.
    fn create_association(&mut self, now: Time, cookie: &StateCookie, arrived: &Arrived, echo: &Echo) {
        let has_room = self.slots.len() < self.config.max_associations;
        let from = (cookie.source.remote, cookie.peer_port);
        let listener = self.listeners.find(cookie.local_port, cookie.source.local, from);
        // RFC 4895, 6.3: there is no association yet, so the cookie must do, with the listener's shared keys.
        if listener.is_some_and(|(_, listener)| !echo.is_authentic(cookie, &listener.config.auth.keys)) {
            return;
        }
        let Some((listens, listener)) = listener.filter(|(_, listener)| has_room && listener.has_room())
        else {
            let causes = crate::wire::cause::Causes::from(Cause::OutOfResource);
            let abort = abort_for_init(&arrived.packet.header, cookie.tags.peer, causes.0);
            return self.answer_anybody(now, arrived.from, abort);
        };
        let blueprint = Blueprint {
            local_port: cookie.local_port,
            peer_port: cookie.peer_port,
            tags: cookie.tags,
            initial_tsn: cookie.local_initial_tsn,
            local_addresses: cookie.local_addresses.clone(),
            bound: listener.bound().clone(),
            auth: cookie.auth.as_ref().map(|agreement| agreement.local.clone()),
            config: listener.config_offering(cookie.offered),
            arrivals: self.arrivals.clone(),
        };
        let mut cx = Context { now, random: &mut self.random };
        let mut association = Association::accept(&mut cx, blueprint, cookie);
        if !listener.bound().is_wildcard() {
            // They may have changed since the INIT ACK, as those of the host.
            association.follow_addresses(now, listener.bound().addresses());
        }
        association.acknowledge_cookie(arrived.from);
        association.handle_bundled(&mut cx, &arrived.packet, arrived.from, echo);
        let slot = self.slots.insert(association, Some(listens));
        if let (Some(entry), Some(listener)) = (self.slots.get(slot), self.listeners.get_mut(listens)) {
            listener.admit(entry.id);
        }
        self.after_packet(now, slot);
    }

    /// The association of any of these peer addresses with `local`. One with another address of ours is another endpoint's, who
    /// may well have the same port (RFC 9260, 1.3).
    fn find_any(
        &self,
        header: &CommonHeader,
        mut addresses: impl Iterator<Item = IpAddr>,
        local: Option<IpAddr>,
    ) -> Option<Slot> {
        let at = |key| self.demux.claimants(&key).find(|slot| is_at(&self.slots, *slot, local));
        addresses.find_map(|peer_address| at(key_for(header, peer_address)))
    }

    /// As `find_any`, where the association may have lost `local` while the packet was under way (RFC 5061).
    pub(super) fn find_near(&self, key: &PeerKey, local: Option<IpAddr>) -> Option<Slot> {
        let at = self.demux.claimants(key).find(|slot| is_at(&self.slots, *slot, local));
        at.or_else(|| self.demux.claimants(key).next())
    }

    /// A packet was handed to an association. If it is set up now, the host's addresses may have changed meanwhile.
    fn after_packet(&mut self, now: Time, slot: Slot) {
        if let Some(entry) = self.slots.get_mut(slot)
            && entry.association.takes_up_address_changes()
        {
            entry.association.follow_host(now, &self.config.local_addresses);
        }
        if let Some(entry) = self.slots.get_mut(slot)
            && !entry.in_batch
        {
            entry.in_batch = true;
            self.batch.push(slot);
        }
        self.settle(slot);
    }
}

/// The addresses by which the ASCONF chunks of a packet name their association: RFC 5061, 4.1.1. There is one in a
/// packet of a sender that keeps the rules of congestion control, so few are looked at.
fn named_addresses(packet: &Packet) -> impl Iterator<Item = IpAddr> {
    const MAX_LOOKUPS: usize = 4;
    let chunks = packet.chunks().map_while(Result::ok);
    let asconfs = chunks.filter(|chunk| chunk.chunk_type == ChunkType::ASCONF).take(MAX_LOOKUPS);
    asconfs.filter_map(|chunk| {
        let first = AsconfChunk::parse(&chunk).ok()?.parameters.iter().next()?.ok()?;
        Parameter::parse(&first).ok()?.as_address().map(|address| address.to_canonical())
    })
}

/// Whether packets to `local` are for this association. A driver may not know to where they came.
fn is_at(slots: &Slots, slot: Slot, local: Option<IpAddr>) -> bool {
    local.is_none_or(|local| slots.get(slot).is_some_and(|entry| entry.association.bound().includes(local)))
}

fn key(header: &CommonHeader, from: PathAddress) -> PeerKey {
    key_for(header, from.remote)
}

fn tag_key(header: &CommonHeader) -> TagKey {
    TagKey {
        local_port: header.destination_port,
        peer_port: header.source_port,
        local_tag: header.verification_tag,
    }
}

fn key_for(header: &CommonHeader, peer_address: IpAddr) -> PeerKey {
    PeerKey { local_port: header.destination_port, peer_port: header.source_port, peer_address }
}
