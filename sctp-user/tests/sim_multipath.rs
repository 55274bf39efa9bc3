//! Data on several paths at once, on the simulated network (draft-tuexen-tsvwg-sctp-multipath).

use core::time::Duration;
use sctp_core::config::AssociationConfig;
use sctp_core::multipath::Multipath;
use sctp_user::sim::scenario::{PathPlan, Report, Scenario, bulk};
use sctp_user::sim::{LinkConfig, Loss};

/// Bytes of a transfer: four seconds on one line.
const BYTES: usize = 50_000_000;

/// A line of 100 Mbit/s and 20 ms there and back.
fn line() -> LinkConfig {
    LinkConfig { delay: Duration::from_millis(10), rate: Some(100_000_000), ..LinkConfig::default() }
}

fn lossy(probability: f64) -> LinkConfig {
    LinkConfig { loss: Loss::Random(probability), ..line() }
}

/// How a transfer over these lines goes.
fn transfer(lines: &[LinkConfig], multipath: Multipath) -> Report {
    let mut scenario = Scenario::default();
    scenario.client.messages = bulk(BYTES / 10_000, 10_000);
    scenario.paths = lines.iter().cloned().map(PathPlan::symmetric).collect();
    let mut config = AssociationConfig {
        multipath,
        receive_buffer: 4 << 20,
        send_buffer: 8 << 20,
        ..AssociationConfig::default()
    };
    config.extensions.nr_sack = true;
    scenario.client.config = config.clone();
    scenario.server.config = config;
    let report = scenario.run().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(
        (report.messages_delivered, report.associations_lost),
        ((BYTES / 10_000) as u64, 0),
        "{report:?}"
    );
    report
}

/// Mbit/s.
fn throughput(report: &Report) -> f64 {
    BYTES as f64 * 8.0 / report.virtual_time.as_secs_f64() / 1e6
}

#[test]
fn two_paths_carry_nearly_twice_as_much_as_one() {
    let one = throughput(&transfer(&[line()], Multipath::Off));
    for multipath in [Multipath::Concurrent, Multipath::Pooled] {
        let two = throughput(&transfer(&[line(), line()], multipath));
        assert!(two >= 1.9 * one, "{multipath:?}: {two:.1} Mbit/s over two paths, {one:.1} over one");
    }
}

#[test]
fn a_lossy_third_path_never_slows_the_whole_below_the_best_single_one() {
    let one = throughput(&transfer(&[line()], Multipath::Off));
    for probability in [0.02, 0.2, 0.4] {
        let three = throughput(&transfer(&[line(), line(), lossy(probability)], Multipath::Concurrent));
        assert!(
            three >= one,
            "{three:.1} Mbit/s with loss {probability} on the third path, {one:.1} over the best alone"
        );
    }
}

/// What a transfer over a good line and this one carries, as part of what the good one carries alone.
fn beside_a_good_line(other: LinkConfig) -> f64 {
    let one = throughput(&transfer(&[line()], Multipath::Off));
    throughput(&transfer(&[line(), other], Multipath::Concurrent)) / one
}

#[test]
fn a_lossy_path_beside_a_good_one_costs_nothing() {
    for probability in [0.02, 0.05, 0.2, 0.4, 0.6] {
        let times = beside_a_good_line(lossy(probability));
        assert!(times >= 0.99, "with loss {probability} on the other path {times:.3} times");
    }
}

#[test]
fn a_slow_or_distant_path_beside_a_good_one_costs_nothing() {
    for mbit in [1, 10] {
        let times = beside_a_good_line(LinkConfig { rate: Some(mbit * 1_000_000), ..line() });
        assert!(times >= 0.99, "with {mbit} Mbit/s on the other path {times:.3} times");
    }
    let times = beside_a_good_line(LinkConfig { delay: Duration::from_millis(100), ..line() });
    assert!(times >= 0.99, "with 200 ms on the other path {times:.3} times");
}
