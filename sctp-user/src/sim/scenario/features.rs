//! Which features a scenario has in use: a run in which nothing of a feature happens proves nothing of it.

use sctp_core::config::{FragmentInterleave, StreamScheduler};
use sctp_core::multipath::Multipath;
use sctp_core::path::congestion::CongestionControl;
use sctp_core::reliability::Reliability;

use super::reconfiguration::Reconfiguration;
use super::{Move, PlannedMessage, Scenario, Side, SidePlan};

/// A feature: what it is called, and whether it is in use.
type Feature = (&'static str, fn(&Scenario) -> bool);

const FEATURES: [Feature; 52] = [
    ("IPv6", |plan| plan.ipv6),
    ("UDP encapsulation", |plan| plan.udp_port.is_some()),
    ("NAT", |plan| plan.nat.is_some()),
    ("NAT that rebinds", |plan| plan.nat.as_ref().is_some_and(|nat| !nat.rebinds.is_empty())),
    ("NAT that moves, and ASCONF", |plan| {
        plan.extensions().asconf && plan.nat.as_ref().is_some_and(|nat| !nat.moves.is_empty())
    }),
    ("second interface behind a NAT, and ASCONF", |plan| {
        plan.extensions().asconf && plan.nat.as_ref().is_some_and(|nat| nat.second)
    }),
    ("ECN", |plan| plan.extensions().ecn),
    ("ECN, and links that mark", |plan| plan.extensions().ecn && has_marks(plan)),
    ("zero checksum", |plan| plan.extensions().zero_checksum),
    ("zero checksum acceptable to one side", |plan| plan.client.finds_damage != plan.server.finds_damage),
    ("AUTH", |plan| plan.extensions().auth),
    ("AUTH with changes of keys", |plan| {
        plan.extensions().auth && any(plan, |side| !side.behaviour.key_changes.is_empty())
    }),
    ("AUTH of DATA with keys of messages", |plan| {
        let signs = |side: &SidePlan| side.behaviour.keys_in_turn;
        plan.extensions().auth && any(plan, |side| !side.config.auth.chunks.is_empty()) && any(plan, signs)
    }),
    ("AUTH of DATA", |plan| plan.extensions().auth && any(plan, |side| !side.config.auth.chunks.is_empty())),
    ("ASCONF", |plan| plan.extensions().asconf),
    ("ASCONF: addition", |plan| moves(plan, |step| matches!(step, Move::Add(_)))),
    ("ASCONF: deletion", |plan| moves(plan, |step| matches!(step, Move::Remove(_)))),
    ("ASCONF: primary", |plan| moves(plan, |step| matches!(step, Move::Prefer(_)))),
    ("I-DATA", |plan| plan.extensions().interleaving),
    ("NR-SACK", |plan| plan.extensions().nr_sack),
    ("RE-CONFIG", |plan| plan.extensions().reconfig),
    ("RE-CONFIG: outgoing reset", |plan| asks(plan, |ask| resets(ask, true, false))),
    ("RE-CONFIG: incoming reset", |plan| asks(plan, |ask| resets(ask, false, true))),
    ("RE-CONFIG: reset both ways", |plan| asks(plan, |ask| resets(ask, true, true))),
    ("RE-CONFIG: reset of TSNs", |plan| asks(plan, |ask| *ask == Reconfiguration::ResetAssociation)),
    ("RE-CONFIG: outgoing streams", |plan| {
        asks(plan, |ask| matches!(ask, Reconfiguration::AddStreams(1.., _)))
    }),
    ("RE-CONFIG: incoming streams", |plan| {
        asks(plan, |ask| matches!(ask, Reconfiguration::AddStreams(_, 1..)))
    }),
    ("PR-SCTP", |plan| plan.extensions().partial_reliability),
    ("PR-SCTP: lifetime", |plan| limited(plan, |limit| matches!(limit, Reliability::Timed(_)))),
    ("PR-SCTP: retransmissions", |plan| {
        limited(plan, |limit| matches!(limit, Reliability::Retransmissions(_)))
    }),
    ("PR-SCTP: priority", |plan| limited(plan, |limit| matches!(limit, Reliability::Priority(_)))),
    ("scheduler: first come, first served", |plan| schedules(plan, StreamScheduler::FirstComeFirstServed)),
    ("scheduler: round robin", |plan| schedules(plan, StreamScheduler::RoundRobin)),
    ("scheduler: round robin for packets", |plan| schedules(plan, StreamScheduler::RoundRobinPerPacket)),
    ("scheduler: priority", |plan| schedules(plan, StreamScheduler::Priority)),
    ("scheduler: fair capacity", |plan| schedules(plan, StreamScheduler::FairCapacity)),
    ("scheduler: weighted fair queueing", |plan| schedules(plan, StreamScheduler::WeightedFairQueueing)),
    ("multipath: concurrent", |plan| any(plan, |side| side.config.multipath == Multipath::Concurrent)),
    ("multipath: pooled", |plan| any(plan, |side| side.config.multipath == Multipath::Pooled)),
    ("multipath with NR-SACK", |plan| {
        plan.extensions().nr_sack && any(plan, |side| side.config.multipath != Multipath::Off)
    }),
    ("congestion control: RFC 9260", |plan| controls(plan, &CongestionControl::Rfc9260)),
    ("congestion control: CUBIC", |plan| controls(plan, &CongestionControl::Cubic)),
    ("congestion control: BBR", |plan| controls(plan, &CongestionControl::Bbr)),
    ("potentially failed paths", |plan| {
        any(plan, |side| side.config.potentially_failed_max_retrans.is_some())
    }),
    ("switch of the primary path", |plan| {
        any(plan, |side| side.config.primary_switchover_max_retrans.is_some())
    }),
    ("path MTU search", |plan| any(plan, |side| side.config.mtu_search.is_some())),
    ("messages sent in pieces", |plan| sends(plan, |message| message.pieces > 1)),
    ("messages delivered in pieces", |plan| any(plan, |side| side.config.partial_delivery_point.is_some())),
    ("fragments of streams interleaved", |plan| {
        any(plan, |side| side.config.fragment_interleave == FragmentInterleave::Streams)
    }),
    ("last sends behind a SHUTDOWN", |plan| any(plan, |side| side.config.awaits_last_sends)),
    ("unordered messages", |plan| sends(plan, |message| message.unordered)),
    ("Nagle's algorithm", |plan| any(plan, |side| !side.config.no_delay)),
];

/// How many runs have which feature in use, on one side at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features([u64; FEATURES.len()]);

impl Default for Features {
    fn default() -> Self {
        Self([0; FEATURES.len()])
    }
}

impl Features {
    /// Those of one run.
    pub fn of(scenario: &Scenario) -> Self {
        Self(FEATURES.map(|(_, is_in_use)| u64::from(is_in_use(scenario))))
    }

    /// Names and counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FEATURES.iter().map(|(name, _)| *name).zip(self.0)
    }
}

impl core::ops::AddAssign for Features {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }
}

fn any(plan: &Scenario, has: impl Fn(&SidePlan) -> bool) -> bool {
    Side::BOTH.iter().any(|side| has(plan.side(*side)))
}

fn has_marks(plan: &Scenario) -> bool {
    let links = plan.paths.iter().flat_map(|path| [&path.to_server, &path.to_client]);
    links.into_iter().any(|link| link.rate.is_some() && link.ecn_threshold.is_some())
}

fn moves(plan: &Scenario, is_it: impl Fn(&Move) -> bool) -> bool {
    plan.extensions().asconf && any(plan, |side| side.behaviour.moves.iter().any(|(_, step)| is_it(step)))
}

fn asks(plan: &Scenario, is_it: impl Fn(&Reconfiguration) -> bool) -> bool {
    plan.extensions().reconfig
        && any(plan, |side| side.behaviour.reconfigurations.iter().any(|(_, ask)| is_it(ask)))
}

fn resets(ask: &Reconfiguration, outgoing: bool, incoming: bool) -> bool {
    let Reconfiguration::ResetStreams(directions, _) = ask else { return false };
    (directions.outgoing, directions.incoming) == (outgoing, incoming)
}

fn sends(plan: &Scenario, is_it: impl Fn(&PlannedMessage) -> bool) -> bool {
    any(plan, |side| side.messages.iter().any(&is_it))
}

fn limited(plan: &Scenario, is_it: impl Fn(&Reliability) -> bool) -> bool {
    plan.extensions().partial_reliability && sends(plan, |message| is_it(&message.reliability))
}

fn schedules(plan: &Scenario, scheduler: StreamScheduler) -> bool {
    any(plan, |side| side.config.scheduler == scheduler)
}

fn controls(plan: &Scenario, control: &CongestionControl) -> bool {
    any(plan, |side| side.config.congestion_control == *control)
}
