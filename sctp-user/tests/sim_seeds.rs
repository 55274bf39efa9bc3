//! Random scenarios: two paths of which one fails, loss, duplication, reordering, corruption, the
//! protocol's default limits. The long run is `cargo run --profile simulation -p sctp-user --example sim_seeds`.

use sctp_user::sim::scenario::{Features, Report, Scenario};

/// Seeds that a plain test run tries.
const SEEDS: u64 = 200;

#[test]
fn random_scenarios_deliver_every_message_once_or_name_it() {
    let mut total = Report::default();
    for seed in 0..SEEDS {
        match Scenario::random(seed).run() {
            Ok(report) => total += report,
            Err(failure) => panic!(
                "{failure}replay with: cargo run --profile simulation -p sctp-user --example sim_seeds -- --seed {seed} --trace"
            ),
        }
    }
    // A suite in which nothing goes wrong proves nothing.
    let happened = [
        ("T3 expiries", total.peers.t3_expiries),
        ("fast retransmits", total.peers.fast_retransmits),
        ("fail-overs", total.peers.path_failures),
        ("zero windows", total.wire.zero_windows),
        ("duplicate TSNs", total.wire.duplicate_tsns),
        ("damaged packets", total.links.corrupted),
        ("marked packets", total.links.marked),
        ("echoes of marks", total.wire.ecn_echoes),
        ("packets without checksum", total.wire.zero_checksums),
        ("changes of keys", total.peers.key_changes),
        ("messages in pieces", total.peers.in_pieces),
        ("last sends behind a SHUTDOWN", total.peers.last_sends),
        ("other ports after a NAT", total.rebindings),
    ];
    for (what, count) in happened {
        assert!(count > 0, "no {what} in {SEEDS} seeds: {total:?}");
    }
    assert!(total.messages_delivered > SEEDS * 30, "{total:?}");
}

/// With each extension on and off: what is in use is on the wire, and what is not is not.
#[test]
fn each_feature_is_in_use_in_some_scenarios_and_not_in_others() {
    let mut features = Features::default();
    (0..SEEDS).for_each(|seed| features += Features::of(&Scenario::random(seed)));
    for (name, runs) in features.iter() {
        assert!(runs > 0 && runs < SEEDS, "{name} is in use in {runs} of {SEEDS} scenarios");
    }
}

/// What once went wrong: pieces of a message that was given up, before and after a reset of its stream; messages that were
/// promised to be kept and waited behind one in pieces; a window that no longer held the next chunk once larger packets fit;
/// half an answer to two requests of re-configuration; paths that were paced as if a minute without SACKs had been their own.
#[test]
fn scenarios_that_failed_once_pass() {
    let given_up = [10_937, 43_076, 54_781];
    let promised = [4_132, 10_395, 14_640, 32_635, 76_996, 77_501, 93_951];
    let [window, answer, paced] = [&[8_158][..], &[14_161], &[71_125, 18_571]];
    for &seed in [&given_up[..], &promised, window, answer, paced].into_iter().flatten() {
        if let Err(failure) = Scenario::basic(seed).run() {
            panic!("{failure}");
        }
    }
    // A FORWARD TSN that the peer threw away with all else when a NAT had moved; a T5-shutdown-guard is no accusation.
    for seed in [2_284, 6_074, 9_283] {
        if let Err(failure) = Scenario::random(seed).run() {
            panic!("{failure}");
        }
    }
}
