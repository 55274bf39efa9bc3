//! What can be set on a registrar, what it tells, what it counts.

use std::fmt;
use std::time::Duration;

use super::{Access, Rejections, Removals, UserLimits};
use crate::handlespace::{Limits, RegistrationError};
use crate::policy::Policies;
use crate::transport::Peer;
use crate::wire::{Format, PoolElement, Transport};
use crate::{AddressScope, PeId, PoolHandle, Profile, RegistrarId, RegistrarName};

/// Settings of a registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// Its identifier; not zero (RFC 5353, 2.1).
    pub id: RegistrarId,
    /// The dialect on the wire.
    pub format: Format,
    /// How many pools and elements to keep.
    pub limits: Limits,
    /// The policies that it can select by.
    pub policies: Policies,
    /// The distances of elements are multiples of this (delay draft, 2.1); to the millisecond.
    pub distance_step: Duration,
    /// How many associations to keep. For a further one, the oldest that has not said anything yet is aborted, or else itself.
    pub max_associations: usize,
    /// Addresses of elements that are not known so far are left out (`-minaddressscope` of RSPLIB). None: loopback and
    /// link-local addresses are, unless an element has no others, so that a pool on one host works.
    pub min_address_scope: Option<AddressScope>,
    /// Elements in an answer to a request that names no number.
    pub default_items: usize,
    /// Elements in any answer.
    pub max_items: usize,
    /// How many elements of an answer have their counters moved; none for what each policy wants.
    pub increment: Option<usize>,
    /// From a registration or keep-alive ack to the next keep-alive.
    pub keep_alive_interval: Duration,
    /// By how many percent `keep_alive_interval` varies, so that keep-alives spread out (RFC 5352, 3.5).
    pub keep_alive_jitter: u32,
    /// How long to wait for a keep-alive's ack.
    pub keep_alive_timeout: Duration,
    /// The report of an unreachable element that removes it (MAX-BAD-PE-REPORT).
    pub max_bad_pe_reports: u32,
    /// Between announces (T6), give or take 12.5 %; none to send no announces.
    pub announce_interval: Option<Duration>,
    /// Transports in announces: at most one SCTP transport, last, with all addresses. None of them means "the source
    /// of the datagram", which is what RSPLIB sends.
    pub announce_transports: Vec<Transport>,
    /// How long the set-up of an association may take, to another registrar or to an element that is taken over.
    pub connect_timeout: Duration,
    /// When to close an association without registrations and messages.
    pub autoclose: Duration,
    /// Who may do what.
    pub access: Access,
    /// What one user may ask.
    pub user_limits: UserLimits,
    /// Pools to whose changes one association may be subscribed (RFC 5352, 2.2.5); 0 for no dynamic updates.
    pub max_subscriptions: usize,
    /// From a change of a pool to the updates of its subscribers, give or take half of it; changes in this time are told
    /// together.
    pub update_delay: Duration,
    /// How to get along with other registrars.
    pub enrp: EnrpConfig,
}

/// Settings of a registrar's ENRP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrpConfig {
    /// Where peers reach it; none if there are none. Drivers fill it in.
    pub transport: Option<Transport>,
    /// Registrars that are known beforehand.
    pub peers: Vec<Peer>,
    /// Names that stand for more of them; this registrar may be one.
    pub names: Vec<RegistrarName>,
    /// Whether Presences also go by multicast, and peers are found by it.
    pub multicast: bool,
    /// How many peers to know: anybody can claim to be one.
    pub max_peers: usize,
    /// Between Presences (PEER-HEARTBEAT-CYCLE), give or take 12.5 %.
    pub heartbeat_cycle: Duration,
    /// Silence after which a peer is asked whether it is there (MAX-TIME-LAST-HEARD).
    pub max_time_last_heard: Duration,
    /// How long to wait for an answer (MAX-TIME-NO-RESPONSE).
    pub max_time_no_response: Duration,
    /// How long to look for a registrar to learn the handlespace from.
    pub mentor_discovery_timeout: Duration,
    /// How long another registrar may take for a takeover that we have left to it.
    pub takeover_expiry: Duration,
    /// How long to insist on a takeover while a peer with a smaller identifier insists on it, too, which peers that follow
    /// RFC 5353 do not.
    pub takeover_patience: Duration,
    /// How often an element that is taken over is asked to change its home before it is removed: again when it does not answer in
    /// `keep_alive_timeout`, or when its association is lost, or not set up, because nothing comes back. Who refuses is removed.
    pub max_claims: u8,
    /// Elements in one Handle Table Response.
    pub max_table_entries: usize,
    /// Bytes of one Handle Table Response, unless a single element is longer.
    pub max_table_len: usize,
    /// Whether to suggest to peers to take over elements that are nearer to their identifiers (enrp-takeover draft).
    pub suggest_takeovers: bool,
}

impl EnrpConfig {
    /// The profile's settings: alone.
    pub fn new(profile: Profile) -> Self {
        Self {
            transport: None,
            peers: Vec::new(),
            names: Vec::new(),
            multicast: false,
            max_peers: 256,
            heartbeat_cycle: profile.millis(30_000, 2444, 250),
            max_time_last_heard: profile.millis(61_000, 5000, 600),
            max_time_no_response: profile.millis(5000, 5000, 300),
            mentor_discovery_timeout: profile.millis(5000, 5000, 500),
            takeover_expiry: profile.millis(5000, 5000, 500),
            takeover_patience: profile.millis(2500, 2500, 250),
            max_claims: 3,
            max_table_entries: 128,
            max_table_len: 1400,
            suggest_takeovers: false,
        }
    }
}

impl RegistrarConfig {
    /// The profile's settings.
    pub fn new(id: RegistrarId, profile: Profile) -> Self {
        Self {
            id,
            format: Format::default(),
            limits: Limits::default(),
            policies: Policies::default(),
            distance_step: Duration::from_millis(50),
            max_associations: 100_000,
            min_address_scope: None,
            default_items: 3,
            max_items: 128,
            increment: None,
            keep_alive_interval: profile.millis(30_000, 5000, 250),
            keep_alive_jitter: 50,
            keep_alive_timeout: profile.millis(30_000, 5000, 400),
            max_bad_pe_reports: 3,
            announce_interval: Some(profile.millis(1000, 1000, 250)),
            announce_transports: Vec::new(),
            connect_timeout: profile.millis(10_000, 7500, 1000),
            autoclose: Duration::from_secs(300),
            access: Access::default(),
            user_limits: UserLimits::default(),
            max_subscriptions: 16,
            update_delay: profile.millis(1000, 500, 20),
            enrp: EnrpConfig::new(profile),
        }
    }
}

/// Why an element was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovalReason {
    /// It asked for it.
    Deregistered,
    /// Its association ended.
    AssociationLost,
    /// It did not answer a keep-alive.
    NoKeepAliveAck,
    /// Too many users reported it.
    ReportedUnreachable,
    /// It did not renew its registration.
    LifeExpired,
    /// It was to be taken over, and nobody knows where it is.
    Unreachable,
}

impl fmt::Display for RemovalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deregistered => "deregistered",
            Self::AssociationLost => "its association ended",
            Self::NoKeepAliveAck => "no answer to a keep-alive",
            Self::ReportedUnreachable => "users reported it as unreachable",
            Self::LifeExpired => "its registration was not renewed",
            Self::Unreachable => "its registrar is gone, and it cannot be reached",
        })
    }
}

/// What happened to the elements that this registrar owns, and among registrars.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrarEvent {
    /// An element registered, or renewed its registration.
    Registered {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element, with its ASAP transport.
        element: PoolElement,
        /// Whether it was unknown before.
        is_new: bool,
    },
    /// A registration was rejected. Of very many in a second some are only counted.
    Rejected {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        pe_id: PeId,
        /// Why.
        error: RegistrationError,
    },
    /// An element was removed.
    Removed {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        element: PoolElement,
        /// Why.
        reason: RemovalReason,
    },
    /// The handlespace has been learned from a peer, or there is none: elements and users are served from now on.
    Serving,
    /// Another registrar was heard for the first time, or again.
    PeerFound(RegistrarId),
    /// Another registrar is silent, and it is being asked of the others whether to take its elements over.
    TakeoverBegun {
        /// Whose.
        target: RegistrarId,
    },
    /// It has come to life again.
    TakeoverGivenUp {
        /// Whose.
        target: RegistrarId,
    },
    /// A registrar is gone, and its elements have a new home.
    TakenOver {
        /// Whose.
        target: RegistrarId,
        /// The new home; maybe this registrar.
        by: RegistrarId,
        /// How many.
        elements: usize,
    },
    /// A peer's elements were other ones than thought, and have been learned anew.
    Synchronized {
        /// Whose.
        peer: RegistrarId,
    },
}

/// What a registrar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RegistrarStatistics {
    /// Registrations of elements that were unknown.
    pub registrations: u64,
    /// Renewals.
    pub reregistrations: u64,
    /// Registrations rejected.
    pub rejections: Rejections,
    /// Deregistrations.
    pub deregistrations: u64,
    /// Deregistrations refused: only an element itself may deregister.
    pub refused_deregistrations: u64,
    /// Handle resolutions answered with elements.
    pub resolutions: u64,
    /// Handle resolutions answered with an error.
    pub failed_resolutions: u64,
    /// Keep-alives sent.
    pub keep_alives: u64,
    /// Keep-alives acknowledged.
    pub keep_alive_acks: u64,
    /// Endpoint Unreachable reports taken.
    pub unreachable_reports: u64,
    /// Elements removed without having asked for it.
    pub removals: Removals,
    /// Announces sent.
    pub announces: u64,
    /// Messages that could not be parsed, or that a registrar has no use for.
    pub bad_messages: u64,
    /// Dynamic updates sent to subscribers.
    pub dynamic_updates: u64,
    /// ASAP_ERROR messages taken.
    pub errors_reported: u64,
    /// Messages over a rate limit.
    pub rate_limited: u64,
    /// Requests that the access rules do not allow.
    pub forbidden: u64,
    /// Associations that were aborted because of the access rules, or because there are too many.
    pub refused_associations: u64,
    /// Presences sent to peers, and by multicast.
    pub presences: u64,
    /// Handle Updates sent.
    pub updates: u64,
    /// Handle Updates taken from peers.
    pub peer_updates: u64,
    /// Changes that a peer announced and that are not its to make, or that contradict what is known.
    pub refused_updates: u64,
    /// Checksums of peers that differed from ours.
    pub failed_audits: u64,
    /// Parts of handle tables that peers asked for.
    pub table_requests: u64,
    /// Takeovers begun, also those that were left to others then.
    pub takeovers_begun: u64,
    /// Registrars whose elements this one has taken over.
    pub takeovers: u64,
    /// Registrars whose elements another one has taken over.
    pub peer_takeovers: u64,
    /// Messages ignored because the driver did not fetch commands.
    pub ignored_when_full: u64,
    /// Events forgotten because the driver did not fetch them.
    pub lost_events: u64,
}
