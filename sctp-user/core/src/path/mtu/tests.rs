use super::*;

const LIMITS: Limits = Limits { min: 508, base: 1_200, max: 65_512, headers: 20 };
/// A packet that is larger than the base size.
const FULL: usize = 1_480;
/// Data in flight, more than one packet.
const MUCH: usize = 10_000;
const RTT: Duration = Duration::from_millis(100);

/// A search on a path that carries SCTP packets of `mtu` bytes, under virtual time.
struct World {
    search: MtuSearch,
    now: Time,
    mtu: usize,
    nonce: u64,
    /// Sizes of probes, with the time when they left.
    probes: Vec<(Time, usize)>,
}

impl World {
    fn new(mtu: usize) -> Self {
        let search = MtuSearch::start(LIMITS, MtuSearchConfig::default());
        Self { search, now: Time::from_millis(5_000), mtu, nonce: 7, probes: Vec::new() }
    }

    /// One expiry of the timer, and the answer a round trip later if the probe gets through.
    fn step(&mut self) -> Option<usize> {
        self.now = self.now.max(self.search.timer().expect("a search has a timer"));
        self.nonce += 1;
        let probed = self.search.on_timer(self.now, self.nonce, false);
        self.search.check();
        let size = probed?;
        self.probes.push((self.now, size));
        if size <= self.mtu {
            self.now += RTT;
            assert!(self.search.on_answer(self.now, self.nonce));
            self.search.check();
        }
        Some(size)
    }

    fn run(&mut self) -> usize {
        while self.search.state() != MtuState::Complete {
            self.step();
        }
        self.search.packet_size().unwrap()
    }

    /// T3-rtx expires for a packet of `len` bytes.
    fn time_out(&mut self, len: usize) -> bool {
        self.search.on_sent(len, true);
        let is_black_hole = self.search.on_time_out(self.now, len);
        self.search.check();
        is_black_hole
    }

    fn too_big(&mut self, size: usize) -> bool {
        let changed = self.search.on_too_big(self.now, size, RTT);
        self.search.check();
        changed
    }
}

fn sizes(world: &World) -> Vec<usize> {
    world.probes.iter().map(|&(_, size)| size).collect()
}

#[test]
fn a_search_climbs_the_table_of_real_sizes_and_stops_where_the_path_ends() {
    // RFC 8899, 5.1.2
    // RFC 8899, 5.2 (BASE, SEARCHING, SEARCH_COMPLETE), 5.3.1, 5.3.2
    for mtu in [1_200, 1_280, 1_400, 1_452, 1_492, 1_500, 9_000, 65_535] {
        let fits = if mtu == 1_200 { 1_200 } else { (mtu - 20) & !3 };
        let mut world = World::new(fits);
        assert_eq!(world.search.packet_size(), Some(1_200), "nothing but the base size before it is known");
        assert_eq!(world.run(), fits, "{mtu}");
        assert_eq!(sizes(&world)[0], 1_200, "the base size is confirmed first");
    }
}

#[test]
fn a_size_is_given_up_after_three_probes_one_probe_timer_apart() {
    // RFC 8899, 5.1.1 and 5.1.2 (MAX_PROBES); 5.3.1
    let mut world = World::new(1_480);
    world.run();
    let lost: Vec<_> = world.probes.iter().filter(|&&(_, size)| size > 1_480).copied().collect();
    assert_eq!(lost.len(), 3);
    for pair in lost.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, Duration::from_secs(16));
    }
}

#[test]
fn a_lost_probe_is_followed_by_another_one_and_changes_nothing() {
    // RFC 8899, 3, item 4; 5.2: PROBE_COUNT is zero after each answer.
    let mut world = World::new(0);
    world.step();
    world.step();
    world.mtu = 1_480;
    assert_eq!(world.run(), 1_480);
}

#[test]
fn probes_are_at_least_a_round_trip_apart_and_the_timer_at_least_a_second_long() {
    // RFC 8899, 3, item 7; 5.1.1; 8
    let config = MtuSearchConfig { probe_timer: Duration::from_millis(1), ..MtuSearchConfig::default() };
    let mut world = World::new(1_480);
    world.search = MtuSearch::start(LIMITS, config);
    world.run();
    for pair in world.probes.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!(apart >= if pair[0].1 > 1_480 { Duration::from_secs(1) } else { RTT }, "{pair:?}");
    }
    // A message that comes at once does not let the next probe leave at once.
    let mut world = World::new(1_280);
    (0..3).for_each(|_| _ = world.step());
    let last = world.probes.last().unwrap().0;
    assert!(world.too_big(1_296));
    world.step();
    assert_eq!(world.probes.last().unwrap(), &(last + RTT, 1_296));
}

#[test]
fn after_the_raise_timer_larger_sizes_are_tried_again_if_data_was_sent() {
    // RFC 8899, 5.1.1 (PMTU_RAISE_TIMER) and 5.2; no CONFIRMATION_TIMER: 6.2.1.3
    let mut world = World::new(1_380);
    assert_eq!(world.run(), 1_380);
    let probes = world.probes.len();
    world.mtu = 8_980;
    let raised_at = world.search.timer().unwrap();
    assert_eq!(raised_at, world.probes.last().unwrap().0 + Duration::from_secs(616));
    assert_eq!(world.search.on_timer(raised_at, 1, true), None, "an idle path waits");
    assert_eq!(world.search.timer(), Some(raised_at + Duration::from_secs(600)));
    world.step();
    assert_eq!(world.run(), 8_980);
    assert!(world.probes[probes..].iter().all(|&(_, size)| size > 1_380), "the size in use is not probed");
}

#[test]
fn a_message_about_the_probe_names_the_next_size() {
    // RFC 8899, 3
    // RFC 8899, 4.6.2: PLPMTU < PL_PTB_SIZE < PROBED_SIZE
    let mut world = World::new(1_476);
    world.mtu = 1_380;
    while world.probes.last().is_none_or(|&(_, size)| size <= 1_380) {
        world.step();
    }
    assert!(world.too_big(1_390));
    assert_eq!(world.search.packet_size(), Some(1_380), "a message never sets the size");
    world.mtu = 1_388;
    assert_eq!(world.step(), Some(1_388), "but is asked about");
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Complete, Some(1_388)));
}

#[test]
fn a_message_that_the_path_has_shrunk_takes_the_base_size_and_searches_below() {
    // RFC 8899, 4.6.2: BASE_PLPMTU <= PL_PTB_SIZE < PLPMTU; 4.6: MUST NOT set the PLPMTU.
    let mut world = World::new(8_980);
    assert_eq!(world.run(), 8_980);
    world.mtu = 1_420;
    assert!(world.too_big(1_420));
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Searching, Some(1_200)));
    assert_eq!(world.run(), 1_420);
    // Down to the base size itself: nothing is left to search.
    assert!(world.too_big(1_200));
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Complete, Some(1_200)));
}

/// RFC 8899, 8.
#[test]
fn messages_that_make_no_sense_are_discarded() {
    // RFC 8899, 4.6.2: below the minimum, not below the probe, or larger without a probe; 3, item 6.
    let mut world = World::new(1_480);
    world.run();
    for size in [0, 68, 507, 1_480, 1_500, 9_000, usize::MAX] {
        assert!(!world.too_big(size), "{size}");
    }
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Complete, Some(1_480)));
    let mut world = World::new(1_260);
    (0..3).for_each(|_| _ = world.step());
    assert_eq!(world.probes.last().unwrap().1, 1_380);
    assert!(!world.too_big(1_380) && !world.too_big(1_384), "not below what is probed");
}

#[test]
fn a_path_below_the_base_size_gets_the_least_size_until_it_carries_the_base_size() {
    // RFC 8899, 5.2 (ERROR) and 5.4
    let mut world = World::new(600);
    (0..4).for_each(|_| _ = world.step());
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Error, Some(508)));
    (0..20).for_each(|_| assert_eq!(world.step(), Some(1_200)));
    assert_eq!(world.search.state(), MtuState::Error);
    world.mtu = 1_480;
    assert_eq!(world.run(), 1_480);
    // A message says so at once.
    assert!(world.too_big(1_000));
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Error, Some(508)));
}

/// RFC 8899, 4.3: what gets lost was in no packet that could be too large, however often that happens. A peer may delay its
/// SACK for longer than the RTO (RFC 9260, 6.2).
#[test]
fn time_outs_of_small_packets_are_no_black_hole() {
    let mut world = World::new(1_480);
    world.run();
    assert!((0..5).all(|_| !world.time_out(LIMITS.base)), "what the path is known to carry");
    assert!(!world.time_out(LIMITS.base + 4));
    assert!(world.time_out(LIMITS.base + 4), "the smallest that may be too large");
    // One of several in flight is enough, but not if it was acknowledged.
    world.run();
    world.search.on_sent(FULL, true);
    world.search.on_sent(100, false);
    assert!((0..5).all(|_| !world.search.on_time_out(world.now, LIMITS.base / 2)));
    assert!(!world.search.on_time_out(world.now, MUCH) && world.search.on_time_out(world.now, MUCH));
}

#[test]
fn full_packets_that_get_lost_twice_in_a_row_are_a_black_hole() {
    // RFC 8899, 4.3: MUST NOT rely on messages alone; 5.2: back to BASE.
    let mut world = World::new(8_980);
    world.run();
    assert!(!world.time_out(FULL));
    world.search.on_acknowledged(8_000);
    assert!(!world.time_out(FULL), "a large chunk got through in between");
    world.search.on_acknowledged(1_000);
    assert!(world.time_out(FULL), "a small one says nothing");
    assert_eq!((world.search.state(), world.search.packet_size()), (MtuState::Base, Some(1_200)));
    world.mtu = 1_432;
    assert_eq!(world.run(), 1_432);
    let mut base = World::new(1_200);
    base.run();
    assert!((0..5).all(|_| !base.time_out(FULL)), "the base size is known to be good");
    // Not yet known: data tells sooner than the probes (ERROR).
    let mut unknown = World::new(0);
    unknown.step();
    assert!(!unknown.time_out(FULL) && unknown.time_out(FULL));
    assert_eq!((unknown.search.state(), unknown.search.packet_size()), (MtuState::Error, Some(508)));
    assert!(!unknown.time_out(FULL));
}

#[test]
fn answers_that_are_late_doubled_or_made_up_confirm_nothing() {
    // RFC 8899, 6.1.1
    // RFC 8899, 3 (delay and duplication); 4.1
    let mut world = World::new(0);
    world.step();
    let first = world.nonce;
    assert!(!world.search.on_answer(world.now, first ^ 1));
    world.step();
    assert!(!world.search.on_answer(world.now, first), "its timer has expired");
    let second = world.nonce;
    assert!(world.search.on_answer(world.now, second));
    assert!(!world.search.on_answer(world.now, second), "once");
    assert_eq!(world.search.packet_size(), Some(1_200));
}

#[test]
fn the_search_ends_at_the_limit_and_stops_with_the_path() {
    // RFC 8899, 5.3.1 (MAX_PLPMTU), 5.2 (DISABLED)
    let mut world = World::new(65_512);
    world.search = MtuSearch::start(Limits { max: 1_440, ..LIMITS }, MtuSearchConfig::default());
    assert_eq!(world.run(), 1_440);
    world.search.stop();
    assert_eq!((world.search.state(), world.search.timer()), (MtuState::Disabled, None));
    assert!(!world.too_big(600));
    assert_eq!(world.search.packet_size(), None);
}

mod random {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Timer { idle: bool },
        Answer,
        TooBig(usize),
        TimeOut,
        Acknowledged(usize),
        Postpone,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<bool>().prop_map(|idle| Step::Timer { idle }),
            Just(Step::Answer),
            (0_usize..70_000).prop_map(Step::TooBig),
            Just(Step::TimeOut),
            (0_usize..70_000).prop_map(Step::Acknowledged),
            Just(Step::Postpone),
        ]
    }

    proptest! {
        /// Whatever happens, in whatever order: the size stays within its limits, only an answered probe makes it
        /// larger (RFC 8899, 3, item 6), and a timer runs.
        #[test]
        fn only_an_answered_probe_makes_packets_larger(steps in prop::collection::vec(step(), 0..200)) {
            let mut search = MtuSearch::start(LIMITS, MtuSearchConfig::default());
            let (mut now, mut nonce) = (Time::from_millis(1), 0);
            for step in steps {
                let before = search.packet_size().unwrap();
                let answer = matches!(step, Step::Answer);
                match step {
                    Step::Timer { idle } => {
                        now = now.max(search.timer().unwrap());
                        nonce += 1;
                        search.on_timer(now, nonce, idle);
                    }
                    Step::Answer => _ = search.on_answer(now, nonce),
                    Step::TooBig(size) => _ = search.on_too_big(now, size, RTT),
                    Step::TimeOut => {
                        search.on_sent(FULL, true);
                        search.on_time_out(now, MUCH);
                    }
                    Step::Acknowledged(len) => search.on_acknowledged(len),
                    Step::Postpone => search.postpone(now + RTT),
                }
                search.check();
                prop_assert!(answer || search.packet_size().unwrap() <= before.max(LIMITS.base));
            }
        }
    }
}
