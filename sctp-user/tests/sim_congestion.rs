//! What each algorithm of congestion control makes of a path, in small; in full: `--example sim_congestion`.

use sctp_core::path::congestion::CongestionControl::{self, Bbr, Cubic, Rfc9260};
use sctp_user::sim::Loss;
use sctp_user::sim::flows::{Experiment, Recording};
use std::time::Duration;

const MBIT: u64 = 1_000_000;
/// Part of a packet that is payload of full DATA chunks.
const PAYLOAD: f64 = 1_452.0 / 1_500.0;

fn experiment(
    mbit: u64,
    rtt_ms: u64,
    queue_bdps: f64,
    seconds: u64,
    controls: &[CongestionControl],
) -> Experiment {
    let rtt = Duration::from_millis(rtt_ms);
    let duration = Duration::from_secs(seconds);
    Experiment { duration, ..Experiment::new(mbit * MBIT, rtt, queue_bdps, controls) }
}

fn run(experiment: &Experiment) -> Recording {
    experiment.run().expect("the run lasts its time")
}

/// Goodput as part of what the link can carry.
fn utilization(recording: &Recording, experiment: &Experiment, from: f64, to: f64) -> f64 {
    let rate = experiment.bottleneck.rate.unwrap_or(0) as f64 * PAYLOAD;
    recording.goodput(0, from..to) / rate
}

#[test]
fn bbr_holds_its_throughput_on_a_long_and_lossy_path_and_the_others_do_not() {
    let used = [Bbr, Cubic, Rfc9260].map(|control| {
        let mut experiment = experiment(50, 100, 1.0, 8, &[control]);
        experiment.bottleneck.loss = Loss::Random(0.001);
        utilization(&run(&experiment), &experiment, 3.0, 8.0)
    });
    assert!(used[0] > 0.9, "BBR uses {} of the link", used[0]);
    assert!(used[1] < 0.5 && used[2] < 0.5, "CUBIC and RFC 9260 use {:?}", &used[1..]);
}

#[test]
fn retransmissions_that_are_lost_too_need_no_time_out() {
    let mut experiment = experiment(20, 50, 1.0, 10, &[Bbr]);
    experiment.bottleneck.loss = Loss::Random(0.03);
    let recording = run(&experiment);
    let last = recording.flows[0].last().copied().unwrap_or_default();
    assert!(last.retransmitted > 200, "{} chunks were sent again", last.retransmitted);
    assert_eq!(last.t3_expiries, 0);
}

#[test]
fn bbr_beside_rfc_9260_leaves_it_its_part_and_the_queue_shorter_than_a_bdp() {
    let shared = experiment(20, 40, 1.0, 60, &[Rfc9260, Bbr]);
    let recording = run(&shared);
    let share = recording.share(1, 10.0..60.0);
    assert!((0.3..=0.6).contains(&share), "BBR takes {share} of the link");
    let queue = recording.mean_queue(10.0..60.0) / shared.bdp();
    assert!(queue < 1.0, "{queue} BDP wait in the mean");
    let whole = recording.goodput(0, 10.0..60.0) + recording.goodput(1, 10.0..60.0);
    assert!(whole > 0.9 * PAYLOAD * 20e6, "together they use {whole} bit/s");
}

/// At most 60 %, whoever was there first; and who grows by a packet in a round trip gets his part in slow start, or never.
#[test]
fn bbr_makes_room_for_a_flow_of_rfc_9260_on_a_path_that_holds_many_packets() {
    for (mbit, rtt_ms, queue_bdps, begins_at) in
        [(100, 100, 1.0, [0, 0]), (100, 100, 1.0, [3, 0]), (50, 100, 0.5, [3, 0]), (50, 100, 0.5, [0, 3])]
    {
        let mut shared = experiment(mbit, rtt_ms, queue_bdps, 25, &[Rfc9260, Bbr]);
        for (flow, seconds) in shared.flows.iter_mut().zip(begins_at) {
            flow.begins_at = Duration::from_secs(seconds);
        }
        let recording = run(&shared);
        let label = format!("{mbit} Mbit/s, queue of {queue_bdps} BDP, from {begins_at:?} s on");
        let share = recording.share(1, 10.0..25.0);
        assert!((0.15..=0.6).contains(&share), "{label}: BBR takes {share}");
        let queue = recording.mean_queue(10.0..25.0) / shared.bdp();
        assert!(queue < 1.0, "{label}: {queue} BDP wait in the mean");
        let whole = recording.goodput(0, 10.0..25.0) + recording.goodput(1, 10.0..25.0);
        assert!(whole > 0.85 * PAYLOAD * mbit as f64 * 1e6, "{label}: together they use {whole} bit/s");
    }
}

#[test]
fn bbr_keeps_a_deep_queue_short_which_rfc_9260_fills() {
    let [of_bbr, of_rfc_9260] = [Bbr, Rfc9260].map(|control| {
        let experiment = experiment(20, 20, 8.0, 12, &[control]);
        let recording = run(&experiment);
        let used = utilization(&recording, &experiment, 2.0, 12.0);
        assert!(used > 0.95, "{used} of the link is used");
        recording.longest_queue(1.0..12.0) as f64 / experiment.bdp()
    });
    assert!(of_bbr < 1.0, "BBR lets {of_bbr} BDP wait");
    assert!(of_rfc_9260 > 4.0, "RFC 9260 lets {of_rfc_9260} BDP wait");
}

#[test]
fn two_flows_of_a_kind_come_to_share_the_link() {
    for control in [Rfc9260, Cubic, Bbr] {
        let recording = run(&experiment(10, 30, 1.0, 60, &[control.clone(), control.clone()]));
        let share = recording.share(1, 20.0..60.0);
        assert!((0.25..=0.75).contains(&share), "{control:?}: the second one has {share}");
    }
}

/// RFC 3168, 5 and 6.1.2; RFC 4960, Appendix A; RFC 9438, 4.6: a mark is answered as a loss is, so nothing gets lost.
#[test]
fn two_flows_over_a_link_that_marks_share_it_without_a_loss_and_the_queue_stays_near_the_threshold() {
    for control in [Rfc9260, Cubic, Bbr] {
        let mut experiment = experiment(20, 40, 4.0, 40, &[control.clone(), control.clone()]);
        let bdp = experiment.bdp();
        experiment.bottleneck.ecn_threshold = Some((bdp / 2.0) as usize);
        let recording = run(&experiment);
        assert!(recording.link.marked > 0 && recording.link.queue_full == 0, "{:?}", recording.link);
        let again: u64 =
            recording.flows.iter().filter_map(|flow| flow.last()).map(|last| last.retransmitted).sum();
        assert_eq!(again, 0, "{control:?} sends chunks again");
        let share = recording.share(1, 15.0..40.0);
        assert!((0.35..=0.65).contains(&share), "{control:?}: the second one has {share}");
        let [mean, longest] = [recording.mean_queue(15.0..40.0), recording.longest_queue(15.0..40.0) as f64];
        assert!(mean < 0.5 * bdp && longest < 0.8 * bdp, "{control:?}: queues of {mean} and {longest} bytes");
        let whole = recording.goodput(0, 15.0..40.0) + recording.goodput(1, 15.0..40.0);
        assert!(whole > 0.9 * PAYLOAD * 20e6, "{control:?}: together they use {whole} bit/s");
    }
}

#[test]
fn samples_are_written_as_a_table() {
    let recording = run(&experiment(1, 10, 1.0, 1, &[Rfc9260]));
    let mut csv = Vec::new();
    recording.write_csv(&mut csv).expect("memory takes all");
    let text = String::from_utf8(csv).expect("text");
    assert!(text.starts_with("seconds,queue_bytes,cwnd_0,"), "{text}");
    assert_eq!(text.lines().count(), 101);
}
