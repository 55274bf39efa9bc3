//! Scenarios drawn from a seed.

mod network;

use core::time::Duration;
use sctp_core::auth::HmacAlgorithm;
use sctp_core::config::{AssociationConfig, FragmentInterleave, ReconfigPermissions, StreamScheduler};
use sctp_core::endpoint::ResetDirections;
use sctp_core::multipath::Multipath;
use sctp_core::path::congestion::CongestionControl;
use sctp_core::reliability::Reliability;
use sctp_core::wire::ChunkType;

use super::keys::KeyChange;
use super::peer::{Behaviour, Ending, Move, Reader};
use super::reconfiguration::Reconfiguration;
use super::traffic::PlannedMessage;
use super::{Scenario, Side, SidePlan};
use crate::sim::rng::SimRng;
use network::{faults, path};

/// Label of the generator that draws plans.
const PLAN: u64 = 3 << 32;
/// Label of the generator that draws what may be given up.
const POLICIES: u64 = 4 << 32;
/// Label of the generator that draws marks, NATs, checksums, keys and messages in pieces.
const MORE: u64 = 5 << 32;
/// Label of the generator that draws other addresses of NATs.
const NAT_MOVES: u64 = 6 << 32;
/// Label of the generator that draws second NATs.
const SECOND_NATS: u64 = 7 << 32;
/// Label of the generator that draws SHUTDOWNs that come before the last messages.
const LAST_SENDS: u64 = 8 << 32;
/// Most streams that a random scenario uses; the default number of outbound streams.
const STREAMS: u64 = 10;

impl Scenario {
    /// A scenario drawn from `seed`: two paths of which one fails, 0 to 20 % loss (single or in bursts),
    /// duplication, reordering and corruption, traffic one or both ways, slow readers and small
    /// buffers now and then, with and without quick failover; lines that mark, NATs, packets without checksum, changes of
    /// keys, messages in pieces. The protocol's other limits are the default ones.
    pub fn random(seed: u64) -> Self {
        let (mut scenario, lasts) = Self::draw(seed);
        scenario.draw_more(&mut SimRng::new(seed).split(MORE), lasts);
        scenario.draw_nat_moves(&mut SimRng::new(seed).split(NAT_MOVES), lasts + Duration::from_secs(60));
        scenario.draw_second_nat(&mut SimRng::new(seed).split(SECOND_NATS), lasts);
        scenario.draw_last_sends(&mut SimRng::new(seed).split(LAST_SENDS), lasts);
        scenario
    }

    /// As [`random`](Self::random), but only with what was drawn in the beginning, without marks, NATs and all that is named
    /// behind them: seeds that failed then still mean the same.
    pub fn basic(seed: u64) -> Self {
        Self::draw(seed).0
    }

    /// The scenario, and how long its traffic lasts.
    fn draw(seed: u64) -> (Self, Duration) {
        let mut rng = SimRng::new(seed).split(PLAN);
        let paths = vec![path(&mut rng), path(&mut rng)];
        let [client_buffer, server_buffer] = [receive_buffer(&mut rng), receive_buffer(&mut rng)];
        let mut connects = Behaviour {
            connect_at: Some(Duration::ZERO),
            reader: reader(&mut rng),
            ending: Ending::Shutdown,
            ..Behaviour::default()
        };
        let mut listens = Behaviour { reader: reader(&mut rng), ..Behaviour::default() };
        let both_ways = rng.chance(0.5);
        let upward = messages(&mut rng);
        let downward = if both_ways { messages(&mut rng) } else { Vec::new() };
        // While the traffic lasts, and a while more for what is sent again.
        let last = upward.iter().chain(&downward).map(|message| message.at).max().unwrap_or_default();
        let faults = faults(&mut rng, last + Duration::from_secs(2));
        connects.reconfigurations = reconfigurations(&mut rng, last);
        listens.reconfigurations = reconfigurations(&mut rng, last);
        let mut scenario = Self {
            seed,
            ipv6: rng.chance(0.25),
            udp_port: rng.chance(0.25).then_some(9_899),
            faults,
            paths,
            client: side(&mut rng, client_buffer, connects, upward),
            server: side(&mut rng, server_buffer, listens, downward),
            ..Self::default()
        };
        let moves = Side::BOTH.map(|side| moves(&mut rng, &scenario, side, last));
        let sides = [&mut scenario.client, &mut scenario.server];
        sides.into_iter().zip(moves).for_each(|(plan, moves)| plan.behaviour.moves = moves);
        scenario.draw_mtus(&mut rng, last + Duration::from_secs(60));
        let mut rng = SimRng::new(seed).split(POLICIES);
        draw_policies(&mut rng, &mut scenario.client);
        draw_policies(&mut rng, &mut scenario.server);
        (scenario, last)
    }

    /// Some clients send SHUTDOWN while the traffic lasts; their servers go on until all is sent.
    fn draw_last_sends(&mut self, rng: &mut SimRng, lasts: Duration) {
        if rng.chance(0.2) {
            self.server.config.awaits_last_sends = true;
            self.client.behaviour.ending = Ending::ShutdownAt(lasts.mul_f64(rng.unit()));
        }
    }

    fn draw_more(&mut self, rng: &mut SimRng, lasts: Duration) {
        self.draw_marks(rng);
        self.draw_lower_layer(rng);
        self.draw_nat(rng, lasts + Duration::from_secs(60));
        for side in [&mut self.client, &mut self.server] {
            draw_pieces(rng, side);
        }
        if rng.chance(0.5) {
            let first = rng.chance(0.5);
            for side in [&mut self.client, &mut self.server] {
                draw_keys(rng, side, first, lasts);
            }
            for side in [&mut self.client, &mut self.server] {
                side.behaviour.keys_in_turn = rng.chance(0.4);
            }
        }
    }
}

/// Both sides share two keys beside the null key, one of which may be active from the beginning, and change between them
/// while the traffic lasts.
fn draw_keys(rng: &mut SimRng, side: &mut SidePlan, first: bool, lasts: Duration) {
    for key in [1, 2] {
        let secret = vec![key as u8; 20 * usize::from(key)];
        side.config.auth.keys.set(key, secret.into()).expect("few keys");
    }
    if first {
        side.config.auth.keys.activate(1).expect("it was just set");
    }
    let mut change = || {
        let (at, key) = (lasts.mul_f64(rng.unit()), rng.below(3) as u16);
        (at, if rng.chance(0.7) { KeyChange::Activate(key) } else { KeyChange::Deactivate(key) })
    };
    side.behaviour.key_changes = (0..4).map(|_| change()).collect();
    side.behaviour.key_changes.sort_by_key(|(at, _)| *at);
}

/// A third of the sides hand over some of their messages in pieces (explicit EOR): those that are never given up.
fn draw_pieces(rng: &mut SimRng, side: &mut SidePlan) {
    let share = if rng.chance(0.3) { rng.unit() } else { 0.0 };
    for message in &mut side.messages {
        if rng.chance(share) && message.reliability == Reliability::Full {
            message.pieces = rng.between(2, 5) as usize;
        }
    }
}

fn reader(rng: &mut SimRng) -> Reader {
    match rng.below(4) {
        0 => Reader { from: Duration::from_millis(rng.magnitude(100, 60_000)), interval: Duration::ZERO },
        1 => Reader { from: Duration::ZERO, interval: Duration::from_millis(rng.magnitude(1, 100)) },
        _ => Reader::default(),
    }
}

/// Half of the receivers have the default buffer, the others less.
fn receive_buffer(rng: &mut SimRng) -> usize {
    let default = AssociationConfig::default().receive_buffer;
    if rng.chance(0.5) { default } else { rng.magnitude(32 * 1_024, default as u64) as usize }
}

fn side(
    rng: &mut SimRng,
    receive_buffer: usize,
    behaviour: Behaviour,
    messages: Vec<PlannedMessage>,
) -> SidePlan {
    let mut config = AssociationConfig { receive_buffer, no_delay: rng.chance(0.5), ..Default::default() };
    if rng.chance(0.3) {
        config.send_buffer = rng.magnitude(10_000, config.send_buffer as u64) as usize;
    }
    failover(rng, &mut config);
    config.extensions.reconfig = rng.chance(0.9);
    config.extensions.ecn = rng.chance(0.8);
    config.reconfig_permissions = ReconfigPermissions {
        reset_streams: rng.chance(0.8),
        reset_association: rng.chance(0.8),
        add_streams: rng.chance(0.8),
    };
    authentication(rng, &mut config);
    interleaving(rng, &mut config);
    config.congestion_control = congestion_control(rng);
    config.extensions.nr_sack = rng.chance(0.6);
    config.multipath = match rng.below(5) {
        0 => Multipath::Concurrent,
        1 => Multipath::Pooled,
        _ => Multipath::Off,
    };
    SidePlan { config, messages, behaviour, finds_damage: false }
}

/// Streams and TSNs reset, streams added (RFC 6525) while the traffic lasts: in half of the cases.
fn reconfigurations(rng: &mut SimRng, lasts: Duration) -> Vec<(Duration, Reconfiguration)> {
    let count = if rng.chance(0.5) { 1 + rng.below(6) } else { 0 };
    let mut all: Vec<_> = (0..count).map(|_| (lasts.mul_f64(rng.unit()), reconfiguration(rng))).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

fn reconfiguration(rng: &mut SimRng) -> Reconfiguration {
    match rng.below(4) {
        0 => Reconfiguration::ResetAssociation,
        1 => Reconfiguration::AddStreams(rng.below(3) as u16, 1 + rng.below(3) as u16),
        _ => {
            let (outgoing, both) = (rng.chance(0.5), rng.chance(0.3));
            let directions = ResetDirections { outgoing: outgoing || both, incoming: !outgoing || both };
            let listed = rng.below(4);
            Reconfiguration::ResetStreams(
                directions,
                (0..listed).map(|_| rng.below(STREAMS) as u16).collect(),
            )
        }
    }
}

/// A third of the sides change addresses (RFC 5061) while the traffic lasts, up to ten times, among them any that
/// cannot be done; they are done where both sides offer ASCONF.
fn moves(rng: &mut SimRng, scenario: &Scenario, side: Side, lasts: Duration) -> Vec<(Duration, Move)> {
    let count = if rng.chance(0.3) { rng.between(1, 10) } else { 0 };
    let mut moves: Vec<_> = (0..count)
        .map(|_| {
            let at = (lasts + Duration::from_secs(1)).mul_f64(rng.unit());
            let address = scenario.address(side, rng.below(scenario.paths.len() as u64) as usize);
            let next = match rng.below(5) {
                0 | 1 => Move::Remove(address),
                2 | 3 => Move::Add(address),
                _ => Move::Prefer(address),
            };
            (at, next)
        })
        .collect();
    moves.sort_by_key(|(at, _)| *at);
    moves
}

/// Half of the sides offer AUTH (RFC 4895), and take some types of chunks only authenticated.
fn authentication(rng: &mut SimRng, config: &mut AssociationConfig) {
    config.extensions.auth = rng.chance(0.6);
    config.extensions.asconf = rng.chance(0.8);
    let listed = [
        ChunkType::DATA,
        ChunkType::I_DATA,
        ChunkType::SACK,
        ChunkType::COOKIE_ECHO,
        ChunkType::HEARTBEAT,
        ChunkType::SHUTDOWN,
    ]
    .into_iter()
    .filter(|_| rng.chance(0.3));
    config.auth.chunks = listed.collect();
    if rng.chance(0.3) {
        config.auth.hmacs = [HmacAlgorithm::Sha1].into_iter().collect();
    }
}

/// Thresholds of paths (RFC 7829): a third each of plain RFC 9260, of the default, and of any that are allowed.
fn failover(rng: &mut SimRng, config: &mut AssociationConfig) {
    let least = match rng.below(3) {
        0 => {
            config.potentially_failed_max_retrans = None;
            config.path_max_retrans
        }
        1 => 0,
        _ => {
            let most = rng.below(7) as u32;
            config.potentially_failed_max_retrans = Some(most);
            most
        }
    };
    if rng.chance(0.3) {
        config.primary_switchover_max_retrans = Some(least + rng.below(3) as u32);
    }
    config.expose_potentially_failed = rng.chance(0.8);
}

/// Most sides offer to interleave messages, half have a scheduler other than the default one (RFC 8260), and some
/// deliver messages in pieces where they need not (RFC 6458, 8.1.20 and 8.1.21).
fn interleaving(rng: &mut SimRng, config: &mut AssociationConfig) {
    config.extensions.interleaving = rng.chance(0.6);
    config.scheduler = scheduler(rng);
    config.fragment_interleave = match rng.below(3) {
        0 => FragmentInterleave::Nothing,
        1 => FragmentInterleave::Associations,
        _ => FragmentInterleave::Streams,
    };
    config.partial_delivery_point =
        rng.chance(0.3).then(|| rng.magnitude(1, config.receive_buffer as u64) as usize);
    config.stream_values = (0..STREAMS as u16).map(|id| (id, rng.below(5) as u16)).collect();
}

fn scheduler(rng: &mut SimRng) -> StreamScheduler {
    match rng.below(8) {
        0 => StreamScheduler::RoundRobin,
        1 => StreamScheduler::RoundRobinPerPacket,
        2 => StreamScheduler::Priority,
        3 => StreamScheduler::FairCapacity,
        4 => StreamScheduler::WeightedFairQueueing,
        _ => StreamScheduler::FirstComeFirstServed,
    }
}

fn congestion_control(rng: &mut SimRng) -> CongestionControl {
    match rng.below(4) {
        0 => CongestionControl::Cubic,
        1 => CongestionControl::Bbr,
        _ => CongestionControl::Rfc9260,
    }
}

const LARGEST: u64 = 200 * 1_024;

/// 50 to 300 messages of up to 200 KB, 4 MB at most; small ones are the most frequent. Half of the traffic
/// comes at once, half of it spread over up to three minutes. Some are larger than the buffers.
fn messages(rng: &mut SimRng) -> Vec<PlannedMessage> {
    let lasts =
        if rng.chance(0.5) { Duration::ZERO } else { Duration::from_millis(rng.magnitude(1_000, 180_000)) };
    let unordered = if rng.chance(0.5) { 0.0 } else { rng.unit() };
    let streams = rng.between(1, STREAMS);
    let count = rng.between(50, 300) as u32;
    let mut budget = rng.magnitude(20_000, 4_000_000);
    let mut message = |index: u32| {
        let len = rng.magnitude(1, LARGEST).min(budget.max(1));
        budget = budget.saturating_sub(len);
        PlannedMessage {
            at: lasts * index / count,
            stream_id: rng.below(streams) as u16,
            unordered: rng.chance(unordered),
            len: len as usize,
            reliability: Reliability::Full,
            pieces: 1,
        }
    };
    (0..count).map(&mut message).collect()
}

/// One side in six is without partial reliability. Half of the sides have messages that may be given up, few or all.
fn draw_policies(rng: &mut SimRng, side: &mut SidePlan) {
    side.config.extensions.partial_reliability = rng.chance(0.85);
    let share = if rng.chance(0.5) { 0.0 } else { rng.unit() };
    for message in &mut side.messages {
        if rng.chance(share) {
            message.reliability = policy(rng);
        }
    }
}

fn policy(rng: &mut SimRng) -> Reliability {
    match rng.below(3) {
        0 => Reliability::Timed(Duration::from_millis(rng.magnitude(1, 20_000))),
        1 => Reliability::Retransmissions(rng.below(4) as u32),
        _ => Reliability::Priority(rng.below(5) as u32),
    }
}
