//! The policies of RFC 5356 and of RSPLIB, one line each.
//!
//! What an element's numbers mean is in the order of [`PolicyType::fields`], the order on the wire.

use super::sorted::{Turns, equals};
use super::uniform::Uniform;
use super::{Drawn, Key, Policy, Selector, Sorted};
use crate::wire::{self, PolicyField, PolicyType};

/// One of them, with what makes its selectors.
struct Builtin(PolicyType, fn() -> Box<dyn Selector>);

impl Policy for Builtin {
    fn policy_type(&self) -> PolicyType {
        self.0
    }

    fn selector(&self) -> Box<dyn Selector> {
        self.1()
    }

    fn distance(&self) -> Option<usize> {
        self.0.position(PolicyField::Distance)
    }
}

static POLICIES: [Builtin; 16] = [
    Builtin(PolicyType::RoundRobin, round_robin),
    Builtin(PolicyType::WeightedRoundRobin, || Box::new(Sorted::by(Turns))),
    Builtin(PolicyType::Random, || Box::new(Uniform::default())),
    // RFC 5356, 3.2: weight 0 cannot serve.
    Builtin(PolicyType::WeightedRandom, || drawn(|element, _| element.number(0))),
    // RFC 5356, 4.5.4: larger numbers mean higher priorities.
    Builtin(PolicyType::Priority, || sorted(|element, _| Key::from(u32::MAX - element.number(0)))),
    Builtin(PolicyType::LeastUsed, || sorted(|element, _| degraded(element, 0))),
    Builtin(PolicyType::LeastUsedDegradation, || sorted(degraded)),
    Builtin(PolicyType::PriorityLeastUsed, || sorted(|element, _| degraded(element, 1))),
    Builtin(PolicyType::RandomizedLeastUsed, || drawn(|element, _| unused(degraded(element, 0)))),
    Builtin(PolicyType::RandomizedPriorityLeastUsed, || drawn(|element, _| unused(degraded(element, 1)))),
    Builtin(PolicyType::RandomizedLeastUsedDegradation, || {
        drawn(|element, selections| unused(degraded(element, selections)))
    }),
    Builtin(PolicyType::PriorityLeastUsedDegradation, || {
        sorted(|element, selections| degraded(element, selections.saturating_add(1)))
    }),
    Builtin(PolicyType::RandomizedPriorityLeastUsedDegradation, || {
        drawn(|element, selections| unused(degraded(element, selections.saturating_add(1))))
    }),
    Builtin(PolicyType::WeightedRandomDpf, || drawn(|element, _| distant_weight(element))),
    Builtin(PolicyType::LeastUsedDpf, || {
        sorted(|element, _| degraded(element, 0) + penalty(element.number(1), element.number(2)))
    }),
    Builtin(PolicyType::LeastUsedDegradationDpf, || {
        sorted(|element, selections| {
            degraded(element, selections) + penalty(element.number(2), element.number(3))
        })
    }),
];

pub(super) fn find(policy_type: PolicyType) -> Option<&'static dyn Policy> {
    POLICIES.iter().find(|policy| policy.0 == policy_type).map(|policy| policy as &dyn Policy)
}

pub(super) fn round_robin() -> Box<dyn Selector> {
    Box::new(Sorted::by(equals))
}

/// A policy that may select every element.
fn sorted(key: impl Fn(&wire::Policy, u64) -> Key + Send + Sync + 'static) -> Box<dyn Selector> {
    Box::new(Sorted::by(move |element: &wire::Policy, selections| Some(key(element, selections))))
}

fn drawn(weight: impl Fn(&wire::Policy, u64) -> u32 + Send + Sync + 'static) -> Box<dyn Selector> {
    Box::new(Drawn::by(weight))
}

/// The load with the degradation of `times` more users added (RFC 5356, 5.2.2).
fn degraded(element: &wire::Policy, times: u64) -> Key {
    let (load, degradation) = (element.number(0), element.number(1));
    Key::from(load) + Key::from(degradation) * Key::from(times)
}

/// What an element's distance adds to its load: the penalty factor is a fraction of 2^32 of full load per millisecond.
fn penalty(factor: u32, distance: u32) -> Key {
    Key::from(factor) * Key::from(distance)
}

/// RFC 5356, 5.4.2: 0xffffffff - load; but a pool whose elements are all full still has elements.
fn unused(load: Key) -> u32 {
    u32::MAX.saturating_sub(u32::try_from(load).unwrap_or(u32::MAX)).max(1)
}

/// The weight less what the distance costs; distance alone never excludes an element.
fn distant_weight(element: &wire::Policy) -> u32 {
    let weight = element.number(0);
    let cost = (penalty(element.number(1), element.number(2)) >> 32) as u32;
    weight.saturating_sub(cost).max(weight.min(1))
}
