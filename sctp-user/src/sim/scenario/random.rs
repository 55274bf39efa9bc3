//! Scenarios drawn from a seed.

use core::time::Duration;
use sctp_core::auth::HmacAlgorithm;
use sctp_core::config::{AssociationConfig, FragmentInterleave, ReconfigPermissions, StreamScheduler};
use sctp_core::endpoint::ResetDirections;
use sctp_core::multipath::Multipath;
use sctp_core::path::congestion::CongestionControl;
use sctp_core::reliability::Reliability;
use sctp_core::wire::ChunkType;

use super::peer::{Behaviour, Ending, Move, Reader};
use super::reconfiguration::Reconfiguration;
use super::traffic::PlannedMessage;
use super::{PathFault, PathPlan, Scenario, Side, SidePlan};
use crate::sim::link::{LinkConfig, Loss};
use crate::sim::rng::SimRng;
use crate::sim::topology::Outage;

/// Label of the generator that draws plans.
const PLAN: u64 = 3 << 32;
/// Label of the generator that draws what may be given up.
const POLICIES: u64 = 4 << 32;
/// Most streams that a random scenario uses; the default number of outbound streams.
const STREAMS: u64 = 10;

impl Scenario {
    /// A scenario drawn from `seed`: two paths of which one fails, 0 to 20 % loss (single or in bursts),
    /// duplication, reordering and corruption, traffic one or both ways, slow readers and small
    /// buffers now and then, with and without quick failover. The protocol's other limits are the default ones.
    pub fn random(seed: u64) -> Self {
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
        scenario
    }

    /// Paths with other MTUs than Ethernet's, some of which change on the way, to more or to less, and some of which do
    /// not say so. A side that does not search for them must be told, or they must be what it takes them for.
    fn draw_mtus(&mut self, rng: &mut SimRng, lasts: Duration) {
        let search = [rng.chance(0.7), rng.chance(0.7)];
        for (searches, side) in search.into_iter().zip([&mut self.client, &mut self.server]) {
            if !searches {
                side.config.mtu_search = None;
            }
        }
        let silent_allowed = search == [true; 2];
        for index in 0..self.paths.len() {
            self.paths[index].set_mtu(mtu(rng, self.ipv6), !silent_allowed || rng.chance(0.5));
            if rng.chance(0.3) {
                let mut changed = self.paths[index].clone();
                changed.set_mtu(mtu(rng, self.ipv6), !silent_allowed || rng.chance(0.5));
                let at = lasts.mul_f64(rng.unit());
                self.faults.push((at, index, PathFault::Change(Box::new(changed))));
            }
        }
    }
}

/// MTUs of the world; IPv6 has a least one.
fn mtu(rng: &mut SimRng, ipv6: bool) -> usize {
    const MTUS: [usize; 9] = [1_500, 1_500, 1_500, 1_492, 1_452, 1_400, 1_280, 9_000, 700];
    let kinds = if ipv6 { MTUS.len() - 1 } else { MTUS.len() };
    MTUS[rng.below(kinds as u64) as usize]
}

fn path(rng: &mut SimRng) -> PathPlan {
    let to_server = link(rng);
    let to_client = LinkConfig { mtu: to_server.mtu, ..link(rng) };
    PathPlan { to_server, to_client }
}

fn link(rng: &mut SimRng) -> LinkConfig {
    let probability = |rng: &mut SimRng, most: f64| if rng.chance(0.3) { 0.0 } else { rng.unit() * most };
    LinkConfig {
        delay: Duration::from_micros(rng.magnitude(50, 100_000)),
        jitter: Duration::from_micros(rng.magnitude(1, 20_000)),
        rate: rng.chance(0.7).then(|| rng.magnitude(500_000, 1_000_000_000)),
        queue_bytes: rng.magnitude(10_000, 500_000) as usize,
        mtu: 1_500,
        loss: loss(rng),
        duplication: probability(rng, 0.1),
        reordering: probability(rng, 0.2),
        reorder_delay: Duration::from_micros(rng.magnitude(100, 50_000)),
        corruption: probability(rng, 0.05),
        ..LinkConfig::default()
    }
}

/// 0 to 20 % in the mean.
fn loss(rng: &mut SimRng) -> Loss {
    let mean = rng.unit() * 0.2;
    match rng.below(4) {
        0 => Loss::Random(0.0),
        1 | 2 => Loss::Random(mean),
        _ => {
            let bad_for = Duration::from_millis(rng.magnitude(2, 500));
            Loss::Bursts {
                good_for: bad_for.mul_f64((1.0 - mean) / mean.max(0.001)),
                bad_for,
                good: 0.0,
                bad: 1.0,
            }
        }
    }
}

/// One of the two paths fails, for a while or for good; more often the first one, which is the primary.
fn faults(rng: &mut SimRng, lasts: Duration) -> Vec<(Duration, usize, PathFault)> {
    let path = usize::from(rng.chance(0.3));
    let fails_at = lasts.mul_f64(rng.unit());
    let outage = if rng.chance(0.5) { Outage::Silent } else { Outage::Reported };
    let mut faults = vec![(fails_at, path, PathFault::Down(outage))];
    if rng.chance(0.5) {
        let back_at = fails_at + Duration::from_millis(rng.magnitude(100, 300_000));
        faults.push((back_at, path, PathFault::Up));
    }
    faults
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
    SidePlan { config, messages, behaviour }
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
