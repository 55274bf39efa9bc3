//! Setting up: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK and the T1 timers (RFC 9260, 5.1).

use super::auth::Auth;
use super::events::Events;
use super::peer_init::address_parameter;
use super::reconfig::Reconfig;
use super::sack_path::SackDetour;
use super::state::{Setup, State};
use super::{Association, Context, Flow, PeerInit, add_path, outbox::Outbox};
use crate::arrival::Arrivals;
use crate::auth::AuthOffer;
use crate::config::AssociationConfig;
use crate::endpoint::{Bound, StateCookie, Tags};
use crate::event::{Event, LossReason, PathChange};
use crate::extensions::Extensions;
use crate::net::PathAddress;
use crate::path::{Path, PathId, PathSet, PathState};
use crate::rng::Random;
use crate::rx::Receiver;
use crate::serial::Tsn;
use crate::time::Time;
use crate::tx::Sender;
use crate::wire::chunk::{AbortChunk, ErrorChunk, InitChunk, InitKind, RawChunk};
use crate::wire::param::{Parameter, ParameterType, Parameters};
use core::net::IpAddr;
use core::time::Duration;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// The longest extension of a cookie's life that we ask for beyond the round-trip time (5.2.6).
const MAX_EXTENSION: Duration = Duration::from_secs(1);

/// What our INIT or INIT ACK says of us.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) tag: u32,
    pub(crate) initial_tsn: Tsn,
    pub(crate) a_rwnd: u32,
    pub(crate) outbound_streams: u16,
    pub(crate) inbound_streams: u16,
    /// Our addresses; not listed if there is only one, the packet's source.
    pub(crate) addresses: Vec<IpAddr>,
    /// They are not listed in any case (RFC 6951, 5.7).
    pub(crate) hides_addresses: bool,
    pub(crate) extensions: Extensions,
    /// What it says of AUTH.
    pub(crate) auth: Option<AuthOffer>,
    /// What it tells the peer's upper layer (RFC 5061, 4.2.6).
    pub(crate) adaptation: Option<u32>,
}

impl Offer {
    /// The offer that `config` makes.
    /// RFC 9260, 3.3.2, 3.3.3; RFC 6951, 5.7.
    /// RFC 9260, 5.2.2.
    pub(crate) fn new(
        config: &AssociationConfig,
        tag: u32,
        initial_tsn: Tsn,
        addresses: Vec<IpAddr>,
        auth: Option<AuthOffer>,
    ) -> Self {
        Self {
            tag,
            initial_tsn,
            a_rwnd: u32::try_from(config.receive_buffer).unwrap_or(u32::MAX).max(1_500),
            outbound_streams: config.outbound_streams.max(1),
            inbound_streams: config.max_inbound_streams.max(1),
            addresses,
            hides_addresses: config.hide_addresses,
            extensions: config.extensions,
            adaptation: config.adaptation_indication,
            auth,
        }
    }

    /// The chunk, with `more` parameters behind the addresses and extensions.
    /// RFC 9260, 5.1.1; RFC 6951, 3.2.
    pub(crate) fn chunk(&self, kind: InitKind, more: impl Iterator<Item = Parameter>) -> InitChunk {
        let lists = self.addresses.len() > 1 && !self.hides_addresses;
        let listed = if lists { self.addresses.as_slice() } else { &[] };
        let addresses = listed.iter().copied().map(address_parameter);
        let auth = self.auth.iter().flat_map(AuthOffer::parameters);
        let more = self.adaptation.map(Parameter::AdaptationLayerIndication).into_iter().chain(more);
        InitChunk {
            kind,
            initiate_tag: self.tag,
            a_rwnd: self.a_rwnd,
            outbound_streams: self.outbound_streams,
            inbound_streams: self.inbound_streams,
            initial_tsn: self.initial_tsn,
            parameters: Parameters::from_iter(
                addresses.chain(self.extensions.parameters()).chain(auth).chain(more),
            ),
        }
    }
}

/// What an association starts from, on either side.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) local_port: u16,
    pub(crate) peer_port: u16,
    pub(crate) tags: Tags,
    pub(crate) initial_tsn: Tsn,
    /// Our addresses that the peer may be told of.
    pub(crate) local_addresses: Vec<IpAddr>,
    /// What the user has named: packets leave from these only. Of a wildcard the host picks.
    pub(crate) bound: Bound,
    /// What we say, or said, of AUTH.
    pub(crate) auth: Option<AuthOffer>,
    pub(crate) config: Arc<AssociationConfig>,
    /// Who numbers what comes.
    pub(crate) arrivals: Arrivals,
}

impl Blueprint {
    fn sources(&self) -> &[IpAddr] {
        sources(&self.bound, &self.local_addresses)
    }
}

/// Addresses to choose a packet's source from; none, or a wildcard, where the host picks.
pub(super) fn sources<'a>(bound: &'a Bound, local: &'a [IpAddr]) -> &'a [IpAddr] {
    if bound.is_wildcard() { bound.addresses() } else { local }
}

impl Association {
    /// An association that begins with INIT (5.1 A). `peers` are the addresses that the user gave.
    pub(crate) fn connect(now: Time, blueprint: Blueprint, peers: &[PathAddress]) -> Self {
        let mut paths = PathSet::default();
        for &peer in peers {
            // 5.4, rule 1: addresses from the user are confirmed.
            add_path(&mut paths, &blueprint.config, blueprint.sources(), peer, PathState::Active);
        }
        let path = paths.primary();
        let setup = Setup {
            t1: now + set_up_timeout(&blueprint.config, &paths, path),
            sent_at: now,
            attempts: 0,
            path,
            due: true,
            life_span_increment: None,
        };
        Self::new(now, blueprint, paths, State::CookieWait(setup), false)
    }

    /// An association that a valid COOKIE ECHO from `from` makes (5.1.5, step 5).
    pub(crate) fn accept(cx: &mut Context<'_>, blueprint: Blueprint, cookie: &StateCookie) -> Self {
        let paths = paths_of(cookie, &blueprint.config, blueprint.sources());
        let mut association = Self::new(cx.now, blueprint, paths, State::Established, true);
        association.adopt_peer(&PeerHalf::of_cookie(cookie));
        association.establish(cx);
        association
    }

    fn new(now: Time, blueprint: Blueprint, paths: PathSet, state: State, inbound: bool) -> Self {
        let Blueprint { local_port, peer_port, tags, initial_tsn, .. } = blueprint;
        let Blueprint { local_addresses, bound, auth, config, arrivals, .. } = blueprint;
        Self {
            local_port,
            peer_port,
            tags,
            tie_tags: None,
            local_addresses,
            bound,
            inbound,
            state,
            data_source: paths.primary(),
            sack_detour: SackDetour::default(),
            paths,
            addresses_changed: true,
            capabilities: super::PeerCapabilities::default(),
            extensions: Extensions::NONE,
            auth: auth.map(|offer| Box::new(Auth::new(offer, &config))),
            asconf: None,
            wishes: super::PeerWishes::default(),
            local_initial_tsn: initial_tsn,
            outbound_streams: config.outbound_streams.max(1),
            inbound_streams: config.max_inbound_streams.max(1),
            sender: Sender::new(&config, initial_tsn),
            config,
            receiver: None,
            error_count: 0,
            shutdown_requested: false,
            outbox: Outbox::default(),
            reconfig: Reconfig::new(initial_tsn, Tsn(0)),
            ecn: super::EcnState::default(),
            probes: SmallVec::new(),
            last_activity: now,
            events: Events::new(arrivals),
            readable_told: false,
            farewell: None,
            stats: super::AssociationStats::default(),
        }
    }

    /// What our INIT says; an INIT ACK in a collision says the same (5.2.1).
    /// RFC 9260, 5.1.
    pub(super) fn offer(&self) -> Offer {
        let addresses = self.local_addresses.clone();
        let auth = self.auth.as_ref().map(|auth| auth.offer.clone());
        Offer::new(&self.config, self.tags.local, self.local_initial_tsn, addresses, auth)
    }

    /// Our INIT chunk.
    /// RFC 9260, 3.3.2.
    pub(super) fn init_chunk(&self, life_span_increment: Option<u32>) -> InitChunk {
        let preservative = life_span_increment.map(Parameter::CookiePreservative);
        self.offer().chunk(InitKind::Init, self.address_types().into_iter().chain(preservative))
    }

    /// Supported Address Types (3.3.2.1.5), where we have addresses of one family only.
    /// RFC 9260, 3.3.2, 3.3.2.1.4.
    fn address_types(&self) -> Option<Parameter> {
        // Others may follow.
        let first = self.local_addresses.first().filter(|_| !self.config.hide_addresses)?;
        let only = self.local_addresses.iter().all(|address| address.is_ipv4() == first.is_ipv4());
        let family = if first.is_ipv4() { ParameterType::IPV4_ADDRESS } else { ParameterType::IPV6_ADDRESS };
        only.then(|| Parameter::SupportedAddressTypes(smallvec![family]))
    }

    /// INIT ACK (5.1 C, 5.1.4).
    /// RFC 9260, 3.3.3, 3.2.2.
    pub(super) fn handle_init_ack(&mut self, cx: &mut Context<'_>, chunk: &RawChunk, source: PathId) -> Flow {
        // 5.2.3: in any other state it is discarded.
        let State::CookieWait(setup) = &self.state else { return Flow::Stop };
        let setup = setup.clone();
        let (Ok(init), Some(path)) = (InitChunk::parse(chunk), self.paths.get(source)) else {
            return Flow::Stop;
        };
        let from = path.address;
        if init.initiate_tag == 0 {
            self.refuse_init_ack(source, AbortChunk { tbit: true, ..AbortChunk::default() });
            return Flow::Stop;
        }
        self.tags.peer = init.initiate_tag;
        let read = PeerInit::read(&init, from.remote)
            .and_then(|peer| peer.authentication(&self.config).map(|auth| (peer, auth)));
        let (peer, auth) = match read {
            Ok(read) => read,
            Err(causes) => {
                self.refuse_init_ack(source, AbortChunk { tbit: false, causes });
                return Flow::Stop;
            }
        };
        self.adopt_peer(&PeerHalf { auth, ..PeerHalf::of_init(&init, &peer, &self.config) });
        self.measure_setup(cx.now, &setup, source);
        let source = self.drop_unlisted_addresses(&peer.addresses, source, from);
        self.add_addresses(&peer.addresses, from);
        if let Some(causes) = peer.report_causes() {
            self.outbox.push_own(source, &ErrorChunk { causes });
        }
        self.echo_cookie(cx.now, peer.cookie.unwrap_or_default(), &setup, source);
        Flow::Stop
    }

    /// 3.3.3, 5.1: the INIT ACK cannot be accepted; the TCB goes.
    /// RFC 9260, 5.1.2.
    fn refuse_init_ack(&mut self, path: PathId, abort: AbortChunk) {
        // With the T bit the tag of the INIT ACK, which is ours, is reflected.
        let tag = if abort.tbit { self.tags.local } else { self.tags.peer };
        self.say_farewell(path, tag, &abort);
        let cause = abort.causes.iter().find_map(Result::ok).map_or(0, |cause| cause.code.0);
        self.lose(LossReason::ProtocolError { cause });
    }

    /// RFC 9260, 5.1.4, 3.3.3.
    fn echo_cookie(&mut self, now: Time, cookie: bytes::Bytes, before: &Setup, path: PathId) {
        let setup = Setup {
            t1: now + set_up_timeout(&self.config, &self.paths, path),
            sent_at: now,
            path,
            due: true,
            ..before.clone()
        };
        self.set_state(State::CookieEchoed(setup, cookie));
    }

    /// Takes over what the peer said of itself.
    /// RFC 8260, 2.
    /// RFC 5061, 4.2.6.
    pub(super) fn adopt_peer(&mut self, peer: &PeerHalf) {
        self.tags.peer = peer.tag;
        self.capabilities = peer.capabilities;
        self.extensions = peer.capabilities.agree_on(self.config.extensions);
        self.adopt_auth(peer.auth.as_ref());
        self.adopt_asconf(peer.initial_tsn);
        self.wishes = peer.wishes;
        self.outbound_streams = peer.outbound_streams;
        self.inbound_streams = peer.inbound_streams;
        self.sender.set_interleaving(self.extensions.interleaving);
        self.sender.set_peer(peer.a_rwnd, peer.outbound_streams);
        self.restart_reconfig(peer.initial_tsn);
        self.forget_ecn_echo();
        self.sender.set_partial_reliability(self.extensions.partial_reliability);
        let (config, tsn, streams) = (&self.config, peer.initial_tsn, peer.inbound_streams);
        let receiver = match self.receiver.take() {
            Some(before) => before.restart(config, tsn, streams),
            None => Receiver::new(config, tsn, streams).numbered_by(self.events.arrivals()),
        };
        let interleaving = self.extensions.interleaving;
        let mut receiver = if interleaving { receiver.interleaved(config) } else { receiver };
        if self.acknowledges_on_several_paths() {
            receiver.let_gaps_wait();
        }
        if self.extensions.partial_reliability {
            receiver.allow_giving_up();
        }
        if self.extensions.nr_sack {
            receiver.note_kept();
        }
        self.receiver = Some(receiver);
        self.time_sacks();
    }

    /// Drops the addresses from the user that the INIT ACK, or INIT, from `source` does not list (5.1.2 A and C): they
    /// are not the peer's, or it does not want them used. The path's index from now on.
    /// RFC 9260, 3.3.3.
    pub(super) fn drop_unlisted_addresses(
        &mut self,
        listed: &[IpAddr],
        source: PathId,
        from: PathAddress,
    ) -> PathId {
        // After a stale cookie paths are in use already; the INIT ACK before has seen to it.
        if self.sender.has_outstanding() {
            return source;
        }
        let stays = |path: &Path| path.id == source || listed.contains(&path.address.remote);
        if !self.paths.get(self.paths.primary()).is_some_and(stays) {
            self.paths.set_primary(source);
        }
        let dropped = self.paths.retain(stays);
        self.data_source = self.paths.primary();
        // Replies to what came before the association was agreed on; their paths have new indices.
        self.outbox.clear();
        for path in &dropped {
            let change = PathChange::Removed;
            self.events.push_back(Event::PathChanged { address: path.address, change });
        }
        self.paths.by_remote(from.remote).map_or(self.data_source, |path| path.id)
    }

    /// Adds the addresses that an INIT ACK listed; they are to be confirmed (5.4, rule 3).
    pub(super) fn add_addresses(&mut self, addresses: &[IpAddr], from: PathAddress) {
        for &remote in addresses {
            let address = PathAddress { local: None, remote, remote_udp_port: from.remote_udp_port };
            let sources = sources(&self.bound, &self.local_addresses);
            add_path(&mut self.paths, &self.config, sources, address, PathState::Unconfirmed);
        }
        self.addresses_changed = true;
    }

    /// COOKIE ACK (5.1 E).
    pub(super) fn handle_cookie_ack(&mut self, cx: &mut Context<'_>) -> Flow {
        // 5.2.5: in any other state it is discarded.
        let State::CookieEchoed(setup, _) = &self.state else { return Flow::Continue };
        let setup = setup.clone();
        self.measure_setup(cx.now, &setup, setup.path);
        self.establish(cx);
        Flow::Continue
    }

    /// A round-trip time, unless there was a retransmission (6.3.1 C5).
    fn measure_setup(&mut self, now: Time, setup: &Setup, answered_from: PathId) {
        if let Some(path) = self.paths.get_mut(setup.path) {
            path.error_count = 0;
            if setup.attempts == 0 && setup.path == answered_from {
                path.rtt.measure(setup.sent_at, now);
            }
        }
    }

    /// Enters ESTABLISHED for the first time, and says so.
    pub(super) fn establish(&mut self, cx: &mut Context<'_>) {
        self.stats.established_at = Some(cx.now);
        self.events.push_back(Event::CommunicationUp {
            inbound: self.inbound,
            outbound_streams: self.outbound_streams,
            inbound_streams: self.inbound_streams,
        });
        self.tell_auth();
        self.enter_established(cx);
    }

    /// Enters ESTABLISHED, for the first time or after the peer's restart.
    pub(super) fn enter_established(&mut self, cx: &mut Context<'_>) {
        self.set_state(State::Established);
        self.error_count = 0;
        self.last_activity = cx.now;
        self.start_heartbeats(cx);
        self.start_address_changes(cx.now);
        self.start_mtu_searches();
        self.follow_wishes();
        self.resume_shutdown(cx.now);
    }

    /// T1-init or T1-cookie expired.
    /// RFC 9260, 4, 5.1.4, 5.1.6.
    pub(super) fn handle_t1(&mut self, now: Time) {
        let limit = self.config.max_init_retransmits;
        match &self.state {
            State::CookieEchoed(..) => self.stats.t1_cookie_expiries += 1,
            _ => self.stats.t1_init_expiries += 1,
        }
        let Some(setup) = self.state.setup_mut() else { return };
        setup.attempts += 1;
        if setup.attempts > limit {
            self.lose(LossReason::SetupTimedOut);
            return;
        }
        let failed = setup.path;
        if let Some(path) = self.paths.get_mut(failed) {
            path.rtt.back_off();
        }
        // 5.1: retransmissions use all addresses of the peer, in turn.
        let next = self.paths.for_retransmission(failed).unwrap_or(failed);
        let timeout = set_up_timeout(&self.config, &self.paths, next);
        if let Some(setup) = self.state.setup_mut() {
            setup.path = next;
            setup.due = true;
            setup.t1 = now + timeout;
        }
    }

    /// ERROR with "Stale Cookie" (5.2.6, alternative 3): again from INIT, asking for a longer life.
    pub(super) fn handle_stale_cookie(&mut self, now: Time, staleness: Duration) {
        let State::CookieEchoed(setup, _) = &self.state else { return };
        let mut setup = setup.clone();
        setup.attempts += 1;
        if setup.attempts > self.config.max_init_retransmits {
            self.lose(LossReason::SetupTimedOut);
            return;
        }
        // The increment counts from the peer's own life span: what was asked for before was not enough.
        let before = Duration::from_millis(setup.life_span_increment.unwrap_or(0).into());
        let increment = now.since(setup.sent_at) + (before + staleness).min(MAX_EXTENSION);
        setup.life_span_increment = u32::try_from(increment.as_millis()).ok();
        setup.due = true;
        setup.t1 = now + set_up_timeout(&self.config, &self.paths, setup.path);
        self.tags.peer = 0;
        self.outbox.clear();
        // DATA beside the COOKIE ECHO was discarded with it (5.1.5): it leaves beside the next one.
        self.sender.handle_discarded(&mut self.paths);
        self.set_state(State::CookieWait(setup));
    }
}

/// The peer's half of what is agreed on, from INIT, INIT ACK or a state cookie.
pub(super) struct PeerHalf {
    tag: u32,
    initial_tsn: Tsn,
    a_rwnd: u32,
    outbound_streams: u16,
    inbound_streams: u16,
    capabilities: super::PeerCapabilities,
    auth: Option<AuthOffer>,
    wishes: super::PeerWishes,
}

impl PeerHalf {
    fn of_init(init: &InitChunk, peer: &PeerInit, config: &AssociationConfig) -> Self {
        let (outbound_streams, inbound_streams) = agree_on_streams(init, config);
        Self {
            tag: init.initiate_tag,
            initial_tsn: init.initial_tsn,
            a_rwnd: init.a_rwnd,
            outbound_streams,
            inbound_streams,
            capabilities: peer.capabilities,
            auth: None,
            wishes: peer.wishes,
        }
    }

    pub(super) fn of_cookie(cookie: &StateCookie) -> Self {
        Self {
            tag: cookie.tags.peer,
            initial_tsn: cookie.peer_initial_tsn,
            a_rwnd: cookie.peer_a_rwnd,
            outbound_streams: cookie.outbound_streams,
            inbound_streams: cookie.inbound_streams,
            capabilities: cookie.capabilities,
            auth: cookie.auth.as_ref().map(|agreement| agreement.peer.clone()),
            wishes: cookie.wishes,
        }
    }
}

/// A random initial TSN (3.3.2). In tests of this crate it is one of the last before the wrap.
/// RFC 9260, 3.3.3.
pub(crate) fn initial_tsn(random: &mut Random) -> Tsn {
    let near_the_wrap = if cfg!(test) { 0xffff_fff0 } else { 0 };
    Tsn(random.u32() | near_the_wrap)
}

/// Streams to the peer and from it (5.1.1).
/// RFC 9260, 3.3.3.
pub(crate) fn agree_on_streams(init: &InitChunk, config: &AssociationConfig) -> (u16, u16) {
    let outbound = config.outbound_streams.max(1).min(init.inbound_streams);
    (outbound, config.max_inbound_streams.max(1).min(init.outbound_streams))
}

/// The paths to the addresses in `cookie`; only the one that INIT ACK went to is confirmed (5.4, rule 2).
/// RFC 9260, 3.3.2.1.2, 5.1.2.
pub(super) fn paths_of(cookie: &StateCookie, config: &AssociationConfig, local: &[IpAddr]) -> PathSet {
    let mut paths = PathSet::default();
    add_path(&mut paths, config, local, cookie.source, PathState::Active);
    for &remote in &cookie.addresses {
        let address = PathAddress { local: None, remote, remote_udp_port: cookie.source.remote_udp_port };
        add_path(&mut paths, config, local, address, PathState::Unconfirmed);
    }
    paths
}

/// How long T1 runs (RFC 9260, 5.1; RFC 6458, 8.1.3).
fn set_up_timeout(config: &AssociationConfig, paths: &PathSet, path: PathId) -> Duration {
    let rto = rto(paths, path);
    config.max_init_timeout.map_or(rto, |most| rto.min(most))
}

/// The RTO of a path.
pub(super) fn rto(paths: &PathSet, path: PathId) -> Duration {
    paths.get(path).map_or(Duration::from_secs(1), crate::path::Path::rto)
}
