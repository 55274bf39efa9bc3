//! Whole-protocol scenarios on the simulated network, each written for one thing to go wrong.

use core::time::Duration;
use sctp_core::config::AssociationConfig;
use sctp_core::event::LossReason;
use sctp_core::reliability::Reliability;
use sctp_core::time::Time;
use sctp_user::sim::scenario::{
    Behaviour, End, Ending, FailureKind, PathFault, PathPlan, PlannedMessage, Reader, Report, Scenario, Side,
    SidePlan, bulk,
};
use sctp_user::sim::{CorruptedChecksum, LinkConfig, Loss, Outage, Outcome};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A 20 ms line of 10 Mbit/s.
fn line() -> LinkConfig {
    LinkConfig { delay: millis(20), rate: Some(10_000_000), ..LinkConfig::default() }
}

fn paths(links: &[LinkConfig]) -> Vec<PathPlan> {
    links.iter().cloned().map(PathPlan::symmetric).collect()
}

fn client_sends(messages: Vec<PlannedMessage>) -> Scenario {
    let mut scenario = Scenario::default();
    scenario.client.messages = messages;
    scenario
}

/// One message of `len` bytes each `interval`, in turn on `streams` streams.
fn paced(count: u32, len: usize, interval: Duration, streams: u16) -> Vec<PlannedMessage> {
    let message = |index: u32| PlannedMessage {
        at: interval * index,
        stream_id: (index % u32::from(streams)) as u16,
        unordered: false,
        len,
        reliability: Reliability::Full,
        pieces: 1,
    };
    (0..count).map(message).collect()
}

fn run(scenario: Scenario) -> Report {
    scenario.run().unwrap_or_else(|failure| panic!("{failure}"))
}

/// Runs, and demands that all was delivered and no association lost.
fn deliver(scenario: Scenario) -> Report {
    let planned = (scenario.client.messages.len() + scenario.server.messages.len()) as u64;
    let report = run(scenario);
    assert_eq!((report.messages_delivered, report.associations_lost), (planned, 0), "{report:?}");
    report
}

#[test]
fn a_clean_transfer_needs_no_retransmission() {
    let mut scenario = client_sends(bulk(1_000, 1_000));
    scenario.server.messages = bulk(1_000, 1_000);
    scenario.paths = paths(&[LinkConfig { delay: millis(20), ..LinkConfig::default() }]);
    let report = deliver(scenario);
    assert_eq!((report.peers.t3_expiries, report.peers.retransmitted_chunks), (0, 0));
    assert_eq!((report.wire.aborts, report.wire.duplicate_tsns), (0, 0));
}

#[test]
fn the_same_seed_replays_the_same_run_exactly() {
    for seed in 0..5 {
        assert_eq!(run(Scenario::random(seed)), run(Scenario::random(seed)), "seed {seed}");
    }
}

#[test]
fn a_transfer_fills_the_line() {
    // 5 MB at 10 Mbit/s take 4 s; headers, slow start and what the queue drops may add a third.
    let mut scenario = client_sends(bulk(500, 10_000));
    scenario.paths = paths(&[line()]);
    let report = deliver(scenario);
    assert!(report.virtual_time < millis(5_300), "took {:?}", report.virtual_time);
}

#[test]
fn random_loss_is_repaired_by_fast_retransmits_and_time_outs() {
    let mut scenario = client_sends(bulk(500, 4_000));
    scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.1), ..line() }]);
    let report = deliver(scenario);
    assert!(report.peers.fast_retransmits > 0 && report.wire.gap_sacks > 0, "{report:?}");
}

#[test]
fn loss_in_bursts_is_survived() {
    let loss = Loss::Bursts { good_for: millis(300), bad_for: millis(60), good: 0.0, bad: 1.0 };
    let mut scenario = client_sends(bulk(500, 4_000));
    scenario.paths = paths(&[LinkConfig { loss, ..line() }]);
    let report = deliver(scenario);
    assert!(report.peers.t3_expiries > 0, "{report:?}");
}

#[test]
fn a_failed_primary_path_is_left_and_taken_again_when_it_returns() {
    // RFC 9260, 6.4.1 and 8.2: after Path.Max.Retrans errors the data goes to the other address.
    let mut scenario = client_sends(paced(600, 1_000, millis(500), 4));
    scenario.paths = paths(&[line(), line()]);
    scenario.faults = vec![(secs(10), 0, PathFault::Down(Outage::Silent)), (secs(150), 0, PathFault::Up)];
    let mut run = scenario.start();
    run.run_until(secs(149)).unwrap_or_else(|failure| panic!("{failure}"));
    let carried_by_first =
        |run: &sctp_user::sim::scenario::Run| run.network.link_stats(run.interfaces[0][0]).carried;
    assert!(run.report().peers.path_failures >= 1, "{:?}", run.report());
    let while_down = carried_by_first(&run);
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((report.messages_delivered, report.associations_lost), (600, 0));
    assert!(report.peers.path_returns >= 1, "{report:?}");
    assert!(carried_by_first(&run) > while_down + 100, "the primary path carries data again");
}

/// The promise of `docs/failover.md`, over lines with queues (RFC 7829, 3 and 6).
#[test]
fn bulk_data_with_fast_settings_survives_a_cut_path_with_a_gap_below_one_second() {
    for seed in 0..10 {
        let mut scenario = client_sends(bulk(2_000, 5_000));
        scenario.seed = seed;
        scenario.paths = paths(&[line(), line()]);
        scenario.client.config = AssociationConfig::fast_failover();
        scenario.server.config = AssociationConfig::fast_failover();
        scenario.faults = vec![(millis(2_000 + 37 * seed), 0, PathFault::Down(Outage::Silent))];
        let report = deliver(scenario);
        assert!(report.peers.path_doubts > 0);
        assert!(report.peers.longest_gap < secs(1), "seed {seed}: {:?}", report.peers.longest_gap);
    }
}

#[test]
fn a_reported_outage_does_not_end_an_association_with_another_path() {
    let mut scenario = client_sends(paced(100, 1_000, millis(100), 1));
    scenario.paths = paths(&[line(), line()]);
    scenario.faults = vec![(secs(3), 0, PathFault::Down(Outage::Reported))];
    deliver(scenario);
}

#[test]
fn a_blackout_of_all_paths_is_survived() {
    let mut scenario = client_sends(paced(200, 2_000, millis(100), 2));
    scenario.paths = paths(&[line(), line()]);
    scenario.faults = (0..2)
        .flat_map(|path| [(secs(5), path, PathFault::Down(Outage::Silent)), (secs(25), path, PathFault::Up)])
        .collect();
    let report = deliver(scenario);
    assert!(report.peers.t3_expiries >= 3, "{report:?}");
}

#[test]
fn a_blackout_for_good_loses_the_association_and_names_every_undelivered_message() {
    // The balance of the books is the proof: what was sent and did not arrive is reported.
    let mut scenario = client_sends(paced(200, 2_000, millis(100), 2));
    scenario.server.messages = paced(200, 2_000, millis(100), 2);
    scenario.paths = paths(&[line()]);
    scenario.faults = vec![(secs(5), 0, PathFault::Down(Outage::Silent))];
    let report = run(scenario);
    assert_eq!(report.associations_lost, 2);
    assert!(report.messages_failed > 0 && report.messages_delivered > 0, "{report:?}");
}

#[test]
fn nobody_there_ends_the_set_up() {
    let mut scenario = client_sends(bulk(3, 100));
    scenario.faults = vec![(Duration::ZERO, 0, PathFault::Down(Outage::Silent))];
    let mut run = scenario.start();
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(run.peer(Side::Client).end, Some(End::Lost(LossReason::SetupTimedOut)));
    assert_eq!(report.messages_failed, report.messages_sent);
}

#[test]
fn a_slow_reader_closes_the_window_and_loses_nothing() {
    let mut scenario = client_sends(bulk(200, 2_000));
    scenario.server.config.receive_buffer = 32 * 1_024;
    scenario.server.behaviour.reader = Reader { from: secs(30), interval: millis(50) };
    let report = deliver(scenario);
    assert!(report.wire.zero_windows > 0, "{report:?}");
}

#[test]
fn a_window_that_opens_is_told_and_used_at_once() {
    // RFC 9260, 6.2: the receiver says so when its window opens; the next probe would be many seconds away.
    let mut scenario = client_sends(bulk(100, 2_000));
    scenario.server.config.receive_buffer = 32 * 1_024;
    scenario.server.behaviour.reader = Reader { from: secs(100), interval: Duration::ZERO };
    let report = deliver(scenario);
    assert!(report.wire.zero_windows > 0 && report.virtual_time < secs(102), "{report:?}");
}

#[test]
fn a_window_that_stays_closed_for_long_does_not_lose_the_association() {
    // RFC 9260, 6.1 A: probes into a closed window that are answered are no errors.
    let mut scenario = client_sends(bulk(100, 2_000));
    scenario.server.config.receive_buffer = 32 * 1_024;
    scenario.server.behaviour.reader = Reader { from: secs(1_800), interval: Duration::ZERO };
    let report = deliver(scenario);
    assert!(report.wire.zero_windows > 10, "{report:?}");
}

#[test]
fn lost_answers_to_window_probes_do_not_add_up_to_a_lost_association() {
    // RFC 9260, 6.1 A: a peer that answers some of the probes is alive. A day of probes, every tenth unanswered.
    let mut scenario = client_sends(bulk(100, 2_000));
    scenario.server.config.receive_buffer = 32 * 1_024;
    scenario.server.behaviour.reader = Reader { from: secs(24 * 3_600), interval: Duration::ZERO };
    scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.05), ..line() }]);
    scenario.time_limit = secs(25 * 3_600);
    deliver(scenario);
}

#[test]
fn both_sides_calling_at_once_get_one_association() {
    // RFC 9260, 5.2.1: INITs that cross.
    for offset in [0, 10, 20, 21, 30, 40, 60] {
        let mut scenario = client_sends(bulk(50, 1_000));
        scenario.server.messages = bulk(50, 1_000);
        scenario.server.behaviour.connect_at = Some(millis(offset));
        scenario.paths = paths(&[line()]);
        deliver(scenario);
    }
}

#[test]
fn both_sides_calling_at_once_under_loss_get_one_association() {
    for seed in 0..20 {
        let mut scenario = client_sends(bulk(20, 1_000));
        scenario.seed = seed;
        scenario.server.messages = bulk(20, 1_000);
        scenario.server.behaviour.connect_at = Some(millis(seed * 3));
        scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.2), ..line() }]);
        deliver(scenario);
    }
}

#[test]
fn a_server_that_restarts_and_calls_back_takes_the_association_over() {
    // RFC 9260, 5.2.2: an INIT from a known peer in ESTABLISHED; here the server calls after its restart.
    let mut scenario = client_sends(paced(100, 1_000, millis(100), 1));
    scenario.client.behaviour.ending = Ending::AbortAt(secs(60));
    scenario.paths = paths(&[line()]);
    let mut run = scenario.start();
    run.run_until(secs(5)).unwrap_or_else(|failure| panic!("{failure}"));
    run.restart_with(Side::Server, Behaviour { connect_at: Some(secs(5)), ..Behaviour::default() });
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.peers.restarts, 1, "{report:?}");
    assert!(report.messages_delivered > 0, "the new server is sent to");
}

#[test]
fn a_server_that_restarts_in_silence_disowns_the_association() {
    // RFC 9260, 8.4: a packet that belongs to no association is answered by ABORT.
    let mut scenario = client_sends(paced(100, 1_000, millis(100), 1));
    scenario.paths = paths(&[line()]);
    let mut run = scenario.start();
    run.run_until(secs(5)).unwrap_or_else(|failure| panic!("{failure}"));
    run.restart_with(Side::Server, Behaviour::default());
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((report.associations_lost, report.wire.aborts), (1, 1), "{report:?}");
    assert!(matches!(run.peer(Side::Client).end, Some(End::Lost(LossReason::PeerAborted { .. }))));
}

#[test]
fn a_shutdown_gets_through_heavy_loss() {
    // RFC 9260, 9.2: T2-shutdown repeats SHUTDOWN and SHUTDOWN ACK; a lost SHUTDOWN COMPLETE is made
    // good by the answer to the repeated SHUTDOWN ACK (8.5.1).
    for seed in 0..100 {
        let mut scenario = client_sends(bulk(5, 1_000));
        scenario.seed = seed;
        scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.2), ..line() }]);
        let mut run = scenario.start();
        run.finish().unwrap_or_else(|failure| panic!("{failure}"));
        let ends = Side::BOTH.map(|side| run.peer(side).end.clone());
        assert_eq!(ends, [Some(End::Shutdown), Some(End::Shutdown)], "seed {seed}");
    }
}

#[test]
fn heartbeats_do_not_put_off_the_repetition_of_a_lost_shutdown() {
    // RFC 9260, 9.2. T2 takes a minute here, a HEARTBEAT of the server comes twice in that time.
    let mut scenario = client_sends(paced(2, 100, secs(10), 1));
    let minute = secs(60);
    scenario.client.config.rto_initial = minute;
    scenario.client.config.rto_min = minute;
    scenario.paths = paths(&[line()]);
    // The second message gets through (20 ms); its SACK, asked for at once, brings about the SHUTDOWN, which does not.
    let mute = PathPlan { to_server: LinkConfig { loss: Loss::Random(1.0), ..line() }, to_client: line() };
    let whole = PathPlan::symmetric(line());
    scenario.faults = vec![
        (millis(10_030), 0, PathFault::Change(Box::new(mute))),
        (millis(11_000), 0, PathFault::Change(Box::new(whole))),
    ];
    let mut run = scenario.start();
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(Side::BOTH.map(|side| run.peer(side).end.clone()), [Some(End::Shutdown), Some(End::Shutdown)]);
    assert_eq!(report.links.lost, 1, "the SHUTDOWN");
    assert!(report.virtual_time < secs(72), "took {:?}", report.virtual_time);
}

#[test]
fn both_sides_may_shut_down_at_once() {
    let mut scenario = client_sends(bulk(20, 1_000));
    scenario.server.messages = bulk(20, 1_000);
    scenario.server.behaviour.ending = Ending::Shutdown;
    let mut run = scenario.start();
    run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(Side::BOTH.map(|side| run.peer(side).end.clone()), [Some(End::Shutdown), Some(End::Shutdown)]);
}

/// RFC 9260, 9.2: what the server was given is delivered although the SHUTDOWN has come, and without such a user nothing more.
#[test]
fn the_last_sends_behind_a_shutdown_get_through_heavy_loss() {
    for seed in 0..30 {
        for awaits_last_sends in [true, false] {
            let mut scenario = Scenario { seed, ..Scenario::default() };
            scenario.server.messages = paced(40, 5_000, millis(250), 3);
            scenario.server.config.awaits_last_sends = awaits_last_sends;
            scenario.client.behaviour.ending = Ending::ShutdownAt(secs(1));
            scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.1), ..line() }]);
            let mut run = scenario.start();
            let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
            let ends = Side::BOTH.map(|side| run.peer(side).end.clone());
            assert_eq!(ends, [Some(End::Shutdown), Some(End::Shutdown)], "seed {seed}");
            assert_eq!(report.peers.last_sends, u64::from(awaits_last_sends), "seed {seed}");
            assert_eq!(report.messages_delivered == 40, awaits_last_sends, "seed {seed}: {report:?}");
        }
    }
}

#[test]
fn an_abort_ends_both_sides_and_names_what_was_not_delivered() {
    let mut scenario = client_sends(bulk(500, 10_000));
    scenario.client.behaviour.ending = Ending::AbortAt(secs(1));
    scenario.paths = paths(&[line()]);
    let mut run = scenario.start();
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(run.peer(Side::Client).end, Some(End::Lost(LossReason::UserAborted)));
    // RFC 9260, 3.3.10.12: cause "User-Initiated Abort" with the reason given.
    let reason = LossReason::PeerAborted { cause: Some(12), value: b"enough".as_slice().into() };
    assert_eq!(run.peer(Side::Server).end, Some(End::Lost(reason)));
    assert!(report.messages_failed > 0, "{report:?}");
}

#[test]
fn ordered_and_unordered_messages_mix_under_loss_and_reordering() {
    let mut messages = paced(600, 700, millis(1), 8);
    messages.iter_mut().step_by(3).for_each(|message| message.unordered = true);
    messages.iter_mut().step_by(7).for_each(|message| message.len = 9_000);
    let mut scenario = client_sends(messages);
    let link = LinkConfig {
        loss: Loss::Random(0.05),
        reordering: 0.2,
        reorder_delay: millis(30),
        duplication: 0.05,
        ..line()
    };
    scenario.paths = paths(&[link]);
    let report = deliver(scenario);
    assert!(report.links.reordered > 0 && report.wire.duplicate_tsns > 0, "{report:?}");
}

#[test]
fn messages_of_64_kib_are_cut_up_and_put_together() {
    let mut scenario = client_sends(bulk(60, 64 * 1_024));
    scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.02), ..line() }]);
    deliver(scenario);
}

#[test]
fn everything_doubled_is_delivered_once() {
    let mut scenario = client_sends(bulk(300, 3_000));
    scenario.server.messages = bulk(300, 3_000);
    scenario.paths = paths(&[LinkConfig { duplication: 1.0, ..line() }]);
    let report = deliver(scenario);
    assert!(report.wire.duplicate_tsns > 300, "{report:?}");
}

#[test]
fn damaged_packets_count_as_lost() {
    // RFC 9260, 6.8: the checksum decides.
    let mut scenario = client_sends(bulk(500, 4_000));
    scenario.paths = paths(&[LinkConfig { corruption: 0.1, ..line() }]);
    let report = deliver(scenario);
    assert!(report.links.corrupted > 50, "{report:?}");
}

#[test]
fn damaged_packets_with_a_right_checksum_cause_no_panic_and_no_endless_loop() {
    for seed in 0..30 {
        let mut scenario = client_sends(paced(100, 500, millis(20), 4));
        scenario.seed = seed;
        scenario.server.messages = paced(100, 500, millis(20), 4);
        let corrupted_checksum = CorruptedChecksum::Fixed;
        scenario.paths = paths(&[LinkConfig { corruption: 0.2, corrupted_checksum, ..line() }]);
        // Damage that the checksum hides may end an association or reach the reader; that is all it may do.
        let Err(failure) = scenario.run() else { continue };
        let endless = matches!(
            failure.kind,
            FailureKind::Network(Outcome::LiveLock { .. } | Outcome::EventLimit)
                | FailureKind::Malformed { .. }
        );
        assert!(!endless, "{failure}");
    }
}

#[test]
fn answers_may_come_another_way() {
    // The server reaches the client's first address through the second network only.
    let mut scenario = client_sends(bulk(200, 2_000));
    scenario.server.messages = bulk(200, 2_000);
    scenario.paths = paths(&[line(), LinkConfig { delay: millis(70), ..line() }]);
    let detour = scenario.address(Side::Client, 0);
    let mut run = scenario.start();
    let [_, server_second] = run.interfaces[1];
    run.network.set_route(run.host(Side::Server), detour, server_second);
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((report.messages_delivered, report.associations_lost), (400, 0), "{report:?}");
}

#[test]
fn a_path_that_works_in_one_direction_only_is_no_path() {
    // What the client sends to the server's first address arrives, what comes back does not.
    let mut scenario = client_sends(paced(100, 1_000, millis(300), 2));
    scenario.paths = paths(&[line(), line()]);
    let deaf = PathPlan { to_server: line(), to_client: LinkConfig { loss: Loss::Random(1.0), ..line() } };
    scenario.faults = vec![(secs(5), 0, PathFault::Change(Box::new(deaf)))];
    deliver(scenario);
}

/// RFC 6951, 5.4: whoever is behind a NAT comes from another port now and then.
#[test]
fn a_nat_that_rebinds_the_port_costs_nothing_but_what_was_on_the_way() {
    let mut scenario = client_sends(paced(200, 2_000, millis(50), 2));
    scenario.server.messages = paced(200, 2_000, millis(50), 2);
    scenario.udp_port = Some(9_899);
    let mut run = scenario.start();
    let client = run.host(Side::Client);
    for round in 1..=8_u16 {
        run.network.run_until(Time::from_millis(1_000 * u64::from(round)), |_| false);
        run.network.with_node(client, |node, _| node.rebind(20_000 + round));
    }
    let report = run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((report.messages_delivered, report.associations_lost), (400, 0));
    assert!(report.peers.longest_gap < secs(5), "{:?}", report.peers.longest_gap);
}

/// Packets have the size that is configured, and nothing is probed.
fn without_search(mut scenario: Scenario) -> Scenario {
    scenario.client.config.mtu_search = None;
    scenario.server.config.mtu_search = None;
    scenario
}

/// RFC 8899, 4.3 and 4.6.2: with and without ICMP, to less and to more, in the middle of a transfer. What does not fit is
/// lost for a few time-outs at most, or a round trip where a router says so.
#[test]
fn a_path_whose_mtu_changes_on_the_way_carries_everything() {
    for (before, after, told, gap) in [
        (9_000, 1_400, true, secs(3)),
        (9_000, 1_400, false, secs(12)),
        (1_500, 1_280, true, secs(3)),
        (1_500, 1_280, false, secs(12)),
        (1_500, 700, false, secs(30)),
        (1_400, 9_000, true, secs(3)),
        (1_400, 9_000, false, secs(3)),
    ] {
        let plan = |mtu| {
            let mut plan = PathPlan::symmetric(line());
            plan.set_mtu(mtu, told);
            plan
        };
        let mut scenario = client_sends(bulk(1_000, 10_000));
        scenario.paths = vec![plan(before)];
        scenario.faults = vec![(secs(3), 0, PathFault::Change(Box::new(plan(after))))];
        let report = deliver(scenario);
        let longest = report.peers.longest_gap;
        assert!(longest < gap, "{before} to {after}, told: {told}: {longest:?}");
    }
}

#[test]
fn ipv6_carries_the_same() {
    let mut scenario = client_sends(bulk(200, 3_000));
    scenario.ipv6 = true;
    scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.05), ..line() }, line()]);
    let report = deliver(without_search(scenario));
    assert_eq!(report.links.too_big, 0);
}

#[test]
fn udp_encapsulation_carries_the_same() {
    let mut scenario = client_sends(bulk(200, 3_000));
    scenario.udp_port = Some(9_899);
    scenario.paths = paths(&[LinkConfig { loss: Loss::Random(0.05), ..line() }, line()]);
    let report = deliver(without_search(scenario));
    assert_eq!(report.links.too_big, 0, "packets leave room for the UDP header");
}

#[test]
fn a_line_with_little_buffer_is_shared_without_a_collapse() {
    // 1 MB through 1 Mbit/s with a queue of 20 packets takes 8 s; twice that is a collapse.
    let mut scenario = client_sends(bulk(100, 10_000));
    scenario.paths = paths(&[LinkConfig { rate: Some(1_000_000), queue_bytes: 30_000, ..line() }]);
    let report = deliver(scenario);
    assert!(report.links.queue_full > 0, "the queue is smaller than the window");
    assert!(report.virtual_time < secs(16), "took {:?}", report.virtual_time);
}

#[test]
fn a_send_buffer_that_is_always_full_lets_all_through() {
    let mut scenario = client_sends(bulk(300, 10_000));
    scenario.client.config.send_buffer = 40_000;
    scenario.paths = paths(&[line()]);
    let report = deliver(scenario);
    assert!(report.peers.refused_sends > 100, "{report:?}");
}

#[test]
fn an_idle_association_notices_a_dead_peer_by_its_heartbeats() {
    // RFC 9260, 8.3: HEARTBEATs go on without data, and unanswered ones end the association.
    let scenario = Scenario {
        client: SidePlan {
            behaviour: Behaviour { connect_at: Some(Duration::ZERO), ..Behaviour::default() },
            messages: paced(2, 100, secs(3_000), 1),
            ..SidePlan::default()
        },
        faults: vec![(secs(60), 0, PathFault::Down(Outage::Silent))],
        ..Scenario::default()
    };
    let mut run = scenario.start();
    run.finish().unwrap_or_else(|failure| panic!("{failure}"));
    for side in Side::BOTH {
        assert_eq!(run.peer(side).end, Some(End::Lost(LossReason::TimedOut)), "{side:?}");
    }
}

/// RFC 9260, 3.3.10.12: an ABORT on the user's word accuses nobody; any other cause says that the peer broke the protocol.
#[test]
fn a_loss_by_a_breach_of_the_protocol_is_told_from_others() {
    let aborted = |cause| LossReason::PeerAborted { cause, value: bytes::Bytes::new() };
    let losses = [
        (LossReason::ProtocolError { cause: 13 }, Some(13)),
        (aborted(Some(13)), Some(13)),
        (aborted(Some(12)), None),
        (aborted(None), None),
        (LossReason::TimedOut, None),
    ];
    for (reason, accusation) in losses {
        assert_eq!(End::Lost(reason.clone()).accusation(), accusation, "{reason:?}");
    }
}
