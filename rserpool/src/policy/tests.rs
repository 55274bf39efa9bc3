use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Elements, Policies, Selector, Slot};
use crate::wire::{Policy, PolicyField, PolicyType};

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// A selector with what its elements say.
struct Pool {
    selector: Box<dyn Selector>,
    elements: Members,
}

#[derive(Default)]
struct Members(BTreeMap<Slot, Policy>);

impl Elements for Members {
    fn policy(&self, slot: Slot) -> Option<&Policy> {
        self.0.get(&slot)
    }
}

impl Pool {
    fn empty(policy_type: PolicyType) -> Self {
        Self { selector: Policies::default().selector(policy_type), elements: Members::default() }
    }

    fn register(&mut self, slot: Slot, policy: &Policy) {
        match self.elements.0.insert(slot, *policy) {
            Some(old) => self.selector.update(slot, &old, policy),
            None => self.selector.insert(slot, policy),
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.elements.0.remove(&slot);
        self.selector.remove(slot);
    }

    fn select(&mut self, count: usize, increment: usize, rng: &mut StdRng, picked: &mut Vec<Slot>) {
        self.selector.select(count, increment, &self.elements, rng, picked);
    }
}

fn pool(policies: &[Policy]) -> Pool {
    let mut pool = Pool::empty(policies[0].policy_type);
    policies.iter().enumerate().for_each(|(slot, policy)| pool.register(slot, policy));
    pool
}

/// What `times` answers of one element each name.
fn singles(pool: &mut Pool, times: usize) -> Vec<Slot> {
    let (mut rng, mut picked) = (rng(), Vec::new());
    (0..times).for_each(|_| pool.select(1, 1, &mut rng, &mut picked));
    picked
}

fn answer(pool: &mut Pool, count: usize) -> Vec<Slot> {
    let mut picked = Vec::new();
    pool.select(count, 1, &mut rng(), &mut picked);
    picked
}

fn shares(picked: &[Slot]) -> BTreeMap<Slot, usize> {
    picked.iter().fold(BTreeMap::new(), |mut shares, &slot| {
        *shares.entry(slot).or_default() += 1;
        shares
    })
}

#[test]
fn round_robin_advances_its_head_by_one_with_each_answer() {
    // RFC 5356, 4.1.1 and 4.1.2.
    let mut selector = pool(&[Policy::default(); 4]);
    assert_eq!(answer(&mut selector, 3), [0, 1, 2]);
    assert_eq!(answer(&mut selector, 3), [1, 2, 3]);
    assert_eq!(answer(&mut selector, 9), [2, 3, 0, 1]);
    selector.remove(3);
    selector.register(0, &Policy::default());
    assert_eq!(singles(&mut selector, 4), [0, 1, 2, 0]);
}

#[test]
fn least_used_sorts_by_load_and_goes_round_robin_among_equals() {
    // RFC 5356, 5.1.2.
    let mut selector = pool(&[50, 10, 10, 90].map(Policy::least_used));
    assert_eq!(answer(&mut selector, 4), [1, 2, 0, 3]);
    assert_eq!(answer(&mut selector, 4), [2, 1, 0, 3]);
    selector.register(3, &Policy::least_used(0));
    assert_eq!(singles(&mut selector, 3), [3, 3, 3]);
    selector.register(3, &Policy::least_used(10));
    assert_eq!(singles(&mut selector, 4), [1, 2, 3, 1]);
}

#[test]
fn degradation_adds_up_until_the_element_registers_again() {
    // RFC 5356, 5.2.2.
    let policy = Policy::new(PolicyType::LeastUsedDegradation);
    let policies = [(0, 10), (15, 100)].map(|(load, degradation)| {
        policy.with(PolicyField::Load, load).with(PolicyField::Degradation, degradation)
    });
    let mut selector = pool(&policies);
    assert_eq!(singles(&mut selector, 5), [0, 0, 1, 0, 0]);
    selector.register(1, &policies[1]);
    assert_eq!(singles(&mut selector, 1), [1]);
}

#[test]
fn weighted_round_robin_gives_turns_by_weight_evenly_spread() {
    // RFC 5356, 4.2.2; and weight 0 cannot serve (3.2).
    let weights = [1, 3, 0].map(|w| Policy::new(PolicyType::WeightedRoundRobin).with(PolicyField::Weight, w));
    let mut selector = pool(&weights);
    let picked = singles(&mut selector, 400);
    assert_eq!(shares(&picked), BTreeMap::from([(0, 100), (1, 300)]));
    assert!(picked.windows(4).all(|window| window.contains(&1)), "turns are spread");
}

#[test]
fn priority_prefers_the_largest_number() {
    // RFC 5356, 4.5.2.
    let priorities = [1, 9, 4].map(|p| Policy::new(PolicyType::Priority).with(PolicyField::Priority, p));
    assert_eq!(answer(&mut pool(&priorities), 3), [1, 2, 0]);
}

#[test]
fn priority_least_used_counts_the_load_that_one_more_user_brings() {
    // RFC 5356, 5.3.1: the RFC's own example; 5.3.2: in the order of the sums, in turn among equals.
    let policy = Policy::new(PolicyType::PriorityLeastUsed).with(PolicyField::Load, 50);
    let policies = [50, 10].map(|degradation| policy.with(PolicyField::Degradation, degradation));
    assert_eq!(singles(&mut pool(&policies), 3), [1, 1, 1]);
    assert_eq!(answer(&mut pool(&policies), 2), [1, 0]);
    let equal = [(50, 10), (40, 20)].map(|(load, degradation)| {
        policy.with(PolicyField::Load, load).with(PolicyField::Degradation, degradation)
    });
    assert_eq!(singles(&mut pool(&equal), 4), [0, 1, 0, 1]);
}

#[test]
fn a_distance_penalty_makes_a_near_element_of_more_load_win() {
    let policy = Policy::new(PolicyType::LeastUsedDpf).with(PolicyField::Dpf, 100);
    let policies = [(0, 50), (1000, 10)]
        .map(|(load, distance)| policy.with(PolicyField::Load, load).with(PolicyField::Distance, distance));
    assert_eq!(answer(&mut pool(&policies), 2), [1, 0]);
}

#[test]
fn random_gives_every_element_the_same_chance_and_none_twice() {
    // RFC 5356, 4.3 (4.3.2).
    let mut selector = pool(&[Policy::new(PolicyType::Random); 4]);
    for (slot, times) in shares(&singles(&mut selector, 4000)) {
        assert!((850..1150).contains(&times), "element {slot} {times} times of 4000");
    }
    let mut all = answer(&mut selector, 9);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
}

#[test]
fn weighted_random_chooses_by_weight() {
    // RFC 5356, 4.4.2.
    let weights = [1, 3, 0].map(|w| Policy::new(PolicyType::WeightedRandom).with(PolicyField::Weight, w));
    let mut selector = pool(&weights);
    let shares = shares(&singles(&mut selector, 4000));
    assert!((850..1150).contains(&shares[&0]) && shares[&0] + shares[&1] == 4000, "{shares:?}");
    assert_eq!(answer(&mut selector, 9).len(), 2);
}

#[test]
fn full_elements_are_drawn_only_when_all_are_full() {
    // RFC 5356, 5.4.2.
    let policy = |load| Policy::new(PolicyType::RandomizedLeastUsed).with(PolicyField::Load, load);
    let mut selector = pool(&[policy(u32::MAX), policy(0)]);
    assert_eq!(shares(&singles(&mut selector, 100)), BTreeMap::from([(1, 100)]));
    selector.register(1, &policy(u32::MAX));
    assert_eq!(shares(&singles(&mut selector, 100)).len(), 2);
}

#[test]
fn every_known_policy_has_a_rule_and_says_where_its_distance_is() {
    let policies = Policies::default();
    for policy_type in PolicyType::all() {
        let policy = policies.get(policy_type).expect("a rule");
        assert_eq!(policy.policy_type(), policy_type);
        assert_eq!(policy.distance().is_some(), policy_type.fields().contains(&PolicyField::Distance));
    }
    assert!(policies.get(PolicyType::Unknown(7)).is_none());
}

/// Elements whose number says so are not selected; the others in the order of their numbers.
struct Even;

impl super::Policy for Even {
    fn policy_type(&self) -> PolicyType {
        PolicyType::from_number(7)
    }

    fn selector(&self) -> Box<dyn Selector> {
        let key =
            |element: &Policy, _| element.number(0).is_multiple_of(2).then_some(element.number(0).into());
        Box::new(super::Sorted::by(key))
    }
}

#[test]
fn an_own_policy_selects_and_without_it_round_robin_does() {
    let policies = Policies::default().with(Even);
    let elements = [4, 3, 2].map(|number| Policy::own(7, [number]));
    for (policies, expected) in [(policies, vec![2, 0]), (Policies::default(), vec![0, 1, 2])] {
        let mut pool =
            Pool { selector: policies.selector(PolicyType::Unknown(7)), elements: Members::default() };
        elements.iter().enumerate().for_each(|(slot, element)| pool.register(slot, element));
        assert_eq!(answer(&mut pool, 3), expected);
    }
}

#[test]
fn weighted_round_robin_gives_who_joins_its_turns_from_the_present_round_on() {
    // RFC 5356, 4.2.2.
    let weight = |w| Policy::new(PolicyType::WeightedRoundRobin).with(PolicyField::Weight, w);
    let mut selector = pool(&[weight(1), weight(1)]);
    singles(&mut selector, 100);
    selector.register(2, &weight(2));
    assert_eq!(shares(&singles(&mut selector, 40)), BTreeMap::from([(0, 10), (1, 10), (2, 20)]));
    selector.register(2, &weight(2));
    assert_eq!(shares(&singles(&mut selector, 40)), BTreeMap::from([(0, 10), (1, 10), (2, 20)]));
}

#[derive(Clone, Debug)]
enum Step {
    Register(Slot, u32),
    Remove(Slot),
    Select(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12usize, 0..4u32).prop_map(|(slot, load)| Step::Register(slot, load)),
        1 => (0..12usize).prop_map(Step::Remove),
        4 => (0..14usize, 0..3usize).prop_map(|(count, increment)| Step::Select(count, increment)),
    ];
    vec(step, 1..120)
}

/// The definition of Least Used with round robin among equals, without regard to cost: sorted by load, then by
/// the moment of the last selection, or of the arrival with this load.
#[derive(Default)]
struct SimpleLeastUsed {
    elements: BTreeMap<Slot, (u32, u64)>,
    clock: u64,
}

impl SimpleLeastUsed {
    fn register(&mut self, slot: Slot, load: u32) {
        self.clock += 1;
        let element = self.elements.entry(slot).or_insert((load, self.clock));
        if element.0 != load {
            *element = (load, self.clock);
        }
    }

    fn select(&mut self, count: usize, increment: usize) -> Vec<Slot> {
        let mut order: Vec<_> = self.elements.keys().copied().collect();
        order.sort_by_key(|slot| self.elements[slot]);
        order.truncate(count);
        for slot in order.iter().take(increment) {
            self.clock += 1;
            self.elements.get_mut(slot).unwrap().1 = self.clock;
        }
        order
    }
}

proptest! {
    #[test]
    fn least_used_does_what_its_definition_says(steps in steps()) {
        let mut selector = Pool::empty(PolicyType::LeastUsed);
        let mut simple = SimpleLeastUsed::default();
        for step in steps {
            match step {
                Step::Register(slot, load) if simple.elements.contains_key(&slot) => {
                    selector.register(slot, &Policy::least_used(load));
                    simple.register(slot, load);
                }
                Step::Register(slot, load) => {
                    selector.register(slot, &Policy::least_used(load));
                    simple.register(slot, load);
                }
                Step::Remove(slot) => {
                    selector.remove(slot);
                    simple.elements.remove(&slot);
                }
                Step::Select(count, increment) => {
                    let mut picked = Vec::new();
                    selector.select(count, increment, &mut rng(), &mut picked);
                    prop_assert_eq!(picked, simple.select(count, increment));
                }
            }
        }
    }

    /// RFC 5356, 4.3.2, 4.4.2, 5.1.2 and 5.3.2.
    #[test]
    fn every_policy_answers_with_members_only_and_none_twice(
        steps in steps(),
        policy_type in proptest::sample::select(PolicyType::all().collect::<Vec<_>>()),
    ) {
        let mut selector = Pool::empty(policy_type);
        let mut members = BTreeMap::new();
        for step in steps {
            match step {
                Step::Register(slot, number) => {
                    let fields = policy_type.fields().iter();
                    let policy = fields.fold(Policy::new(policy_type), |p, &field| p.with(field, number + 1));
                    members.insert(slot, ());
                    selector.register(slot, &policy);
                }
                Step::Remove(slot) => {
                    selector.remove(slot);
                    members.remove(&slot);
                }
                Step::Select(count, increment) => {
                    let mut picked = Vec::new();
                    selector.select(count, increment, &mut rng(), &mut picked);
                    prop_assert_eq!(picked.len(), count.min(members.len()));
                    prop_assert!(picked.iter().all(|slot| members.contains_key(slot)));
                    prop_assert!(shares(&picked).values().all(|&times| times == 1));
                }
            }
        }
    }
}
