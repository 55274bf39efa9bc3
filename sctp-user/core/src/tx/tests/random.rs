//! Random histories against a naive peer: whatever is lost, reneged, delayed or timed out, each message
//! ends as delivered or as failed, once and in order; and no SACK breaks an invariant.

use super::harness::*;
use crate::config::AssociationConfig;
use crate::message::SendOptions;
use crate::path::{PathId, PathState};
use crate::reliability::Reliability;
use crate::serial::Tsn;
use crate::wire::chunk::{DataChunk, GapBlock, SackChunk};
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const PATHS: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    Enqueue {
        len: usize,
        stream_id: u16,
        unordered: bool,
        lifetime: Option<u64>,
    },
    Send,
    /// The next packets arrive; those whose bit is set are lost.
    Deliver {
        lost: u8,
    },
    /// The last packet overtakes the others.
    Reorder,
    Sack {
        a_rwnd: u32,
    },
    /// The peer drops what it holds behind a gap.
    Renege,
    Wait(u64),
    Expire(u8),
    SetState(u8, PathState),
    SetPrimary(u8),
    Shrink(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let state =
        prop_oneof![Just(PathState::Active), Just(PathState::PotentiallyFailed), Just(PathState::Inactive)];
    prop_oneof![
        6 => (1_usize..3_500, 0_u16..4, any::<bool>(), prop::option::weighted(0.2, 0_u64..2_000)).prop_map(
            |(len, stream_id, unordered, lifetime)| Step::Enqueue { len, stream_id, unordered, lifetime }
        ),
        4 => Just(Step::Send),
        4 => any::<u8>().prop_map(|lost| Step::Deliver { lost }),
        1 => Just(Step::Reorder),
        4 => prop_oneof![Just(0), 0_u32..3_000, Just(1 << 20)].prop_map(|a_rwnd| Step::Sack { a_rwnd }),
        1 => Just(Step::Renege),
        2 => (0_u64..1_500).prop_map(Step::Wait),
        2 => (0..PATHS).prop_map(Step::Expire),
        1 => (0..PATHS, state).prop_map(|(path, state)| Step::SetState(path, state)),
        1 => (0..PATHS).prop_map(Step::SetPrimary),
        1 => (0..PATHS).prop_map(Step::Shrink),
    ]
}

/// The sender, the packets on their way, and a peer that remembers everything.
struct World {
    t: Harness,
    on_the_way: VecDeque<Sent>,
    /// What the peer holds, by number.
    arrived: BTreeMap<u32, DataChunk>,
    /// The numbers below are cumulatively acknowledged, as the peer last said.
    acked: u32,
    next_new: u32,
    /// Messages by context, in the order of their arrival.
    accepted: Vec<Bytes>,
    failed: Vec<u32>,
}

impl World {
    fn new() -> Self {
        let config =
            AssociationConfig { send_buffer: 40_000, no_delay: false, ..AssociationConfig::default() };
        Self {
            t: Harness::with(PATHS, &config),
            on_the_way: VecDeque::new(),
            arrived: BTreeMap::new(),
            acked: 0,
            next_new: 0,
            accepted: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Enqueue { len, stream_id, unordered, lifetime } => {
                self.enqueue(len, stream_id, unordered, lifetime);
            }
            Step::Send => self.send(),
            Step::Deliver { lost } => (0..8).for_each(|bit| self.deliver(lost & 1 << bit != 0)),
            Step::Reorder => {
                if let Some(last) = self.on_the_way.pop_back() {
                    self.on_the_way.push_front(last);
                }
            }
            Step::Sack { a_rwnd } => self.sack(a_rwnd),
            Step::Renege => {
                let cumulative = self.cumulative();
                self.arrived.retain(|&number, _| number < cumulative);
            }
            Step::Wait(millis) => self.wait(millis),
            Step::Expire(path) => {
                if self.t.t3(path).is_some() {
                    self.t.expire(path);
                }
            }
            Step::SetState(path, state) => self.set_state(path, state),
            Step::SetPrimary(path) => _ = self.t.paths.set_primary(PathId(path)),
            Step::Shrink(path) => {
                let path = self.t.path(path);
                path.max_packet_size = (path.max_packet_size - 100).max(400);
            }
        }
        self.collect_failures();
        self.t.sender.check_invariants(&self.t.paths);
    }

    fn enqueue(&mut self, len: usize, stream_id: u16, unordered: bool, lifetime: Option<u64>) {
        let context = u32::try_from(self.accepted.len()).unwrap();
        let reliability = lifetime.map(|millis| Reliability::Timed(Duration::from_millis(millis)));
        let options = SendOptions { stream_id, unordered, context, reliability, ..SendOptions::default() };
        let payload = Bytes::from(vec![context as u8; len]);
        if self.t.sender.enqueue(self.t.now, &options, None, None, payload.clone()).is_ok() {
            self.accepted.push(payload);
        }
    }

    fn send(&mut self) {
        for sent in self.t.send() {
            let numbers = sent.numbers();
            assert!(numbers.is_sorted(), "6.10: TSNs of a packet ascend");
            for number in numbers {
                assert!(number <= self.next_new, "TSNs are given one after another");
                self.next_new = self.next_new.max(number + 1);
            }
            self.on_the_way.push_back(sent);
        }
    }

    fn deliver(&mut self, lost: bool) {
        let Some(sent) = self.on_the_way.pop_front().filter(|_| !lost) else { return };
        for mut chunk in sent.chunks {
            // What made the first one urgent may be over (RFC 7053, 5.1).
            chunk.flags.immediate = false;
            let number = chunk.tsn.distance_from(FIRST);
            let first = self.arrived.entry(number).or_insert_with(|| chunk.clone());
            assert_eq!(*first, chunk, "a retransmission is the same chunk");
        }
    }

    /// The number that the peer waits for.
    fn cumulative(&self) -> u32 {
        let gap = (0..).zip(self.arrived.keys()).find(|(expected, number)| expected != *number);
        gap.map_or(self.arrived.len() as u32, |(expected, _)| expected)
    }

    fn sack(&mut self, a_rwnd: u32) {
        let cumulative = self.cumulative();
        let behind: Vec<_> = self.arrived.range(cumulative..).map(|(&number, _)| (number, number)).collect();
        let outcome = self.t.try_sack(&SackChunk { a_rwnd, ..sack(cumulative, &behind) }).unwrap();
        assert_eq!(outcome.cumulative_advanced, cumulative > self.acked);
        self.acked = cumulative;
        assert_eq!(self.t.sender.outstanding_chunks() as u32, self.next_new - cumulative);
    }

    fn wait(&mut self, millis: u64) {
        self.t.wait(millis);
        let now = self.t.now;
        if self.t.sender.deadline().is_some_and(|deadline| deadline <= now) {
            self.t.sender.handle_timeout(now);
        }
        for path in 0..PATHS {
            if self.t.t3(path).is_some_and(|at| at <= now) {
                self.t.expire(path);
            }
        }
    }

    fn set_state(&mut self, path: u8, state: PathState) {
        self.t.path(path).state = state;
        match state {
            PathState::Inactive => self.t.sender.handle_path_failed(PathId(path), &mut self.t.paths),
            PathState::PotentiallyFailed => self.t.sender.handle_path_avoided(PathId(path), &self.t.paths),
            PathState::Active | PathState::Unconfirmed => {}
        }
    }

    fn collect_failures(&mut self) {
        while let Some(failure) = self.t.sender.poll_failure() {
            assert!(!failure.sent);
            assert_eq!(failure.payload, self.accepted[failure.context as usize]);
            self.failed.push(failure.context);
        }
    }

    /// The network and the peer behave from now on: everything must arrive in bounded time.
    fn finish(&mut self) {
        for _ in 0..2_000 {
            if self.t.sender.is_empty() {
                return;
            }
            self.send();
            (0..self.on_the_way.len()).for_each(|_| self.deliver(false));
            self.sack(1 << 20);
            self.wait(200);
            self.collect_failures();
        }
        panic!("the sender is stuck: {:?}", self.t.sender);
    }

    /// What the peer can put together: whole messages, each accepted one once, in order.
    fn check_delivery(&self) {
        let mut expected = (0..).zip(&self.accepted).filter(|(context, _)| !self.failed.contains(context));
        let mut ssns = [0_u16; 4];
        let mut whole = Vec::new();
        for chunk in self.arrived.values() {
            assert_eq!(chunk.flags.begin, whole.is_empty());
            whole.extend_from_slice(&chunk.payload);
            if !chunk.flags.unordered {
                assert_eq!(chunk.ssn.0, ssns[usize::from(chunk.stream_id)], "6.5");
            }
            if chunk.flags.end {
                let (_, message) = expected.next().expect("no message comes twice");
                assert_eq!(whole.as_slice(), &message[..]);
                whole.clear();
                ssns[usize::from(chunk.stream_id)] += u16::from(!chunk.flags.unordered);
            }
        }
        assert!(whole.is_empty() && expected.next().is_none(), "nothing is lost");
    }
}

/// A SACK made of anything, mostly near what was sent.
fn any_sack() -> impl Strategy<Value = SackChunk> {
    let tsn = prop_oneof![(0_u32..40).prop_map(|n| FIRST.prev().plus(n)), any::<u32>().prop_map(Tsn)];
    let offset = || prop_oneof![0_u16..40, any::<u16>()];
    let block = prop_oneof![
        3 => (0_u16..40, 0_u16..6).prop_map(|(start, len)| GapBlock { start, end: start + len }),
        1 => (offset(), offset()).prop_map(|(start, end)| GapBlock { start, end }),
    ];
    let a_rwnd = prop_oneof![Just(0), 0_u32..5_000, any::<u32>()];
    (tsn, a_rwnd, prop::collection::vec(block, 0..8)).prop_map(|(cumulative_tsn_ack, a_rwnd, blocks)| {
        SackChunk { cumulative_tsn_ack, a_rwnd, gap_blocks: blocks.into(), duplicates: Default::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_delivered_or_given_back(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.apply(step));
        for path in 0..PATHS {
            world.set_state(path, PathState::Active);
        }
        world.finish();
        world.check_delivery();
        prop_assert_eq!(world.t.sender.free(), 40_000);
    }

    #[test]
    fn no_sack_breaks_an_invariant(
        steps in prop::collection::vec((any_sack(), step()), 0..60),
    ) {
        let mut t = Harness::with(PATHS, &AssociationConfig::default());
        for (sack, step) in steps {
            match step {
                Step::Enqueue { len, .. } => t.enqueue(len),
                Step::Expire(path) if t.t3(path).is_some() => _ = t.expire(path),
                Step::Wait(millis) => t.wait(millis),
                _ => _ = t.send(),
            }
            let before = (t.sender.outstanding_chunks(), t.sender.peer_rwnd(), t.sender.free());
            if t.try_sack(&sack).is_err() {
                let after = (t.sender.outstanding_chunks(), t.sender.peer_rwnd(), t.sender.free());
                prop_assert_eq!(before, after, "a SACK that is refused changes nothing");
            }
        }
    }
}
