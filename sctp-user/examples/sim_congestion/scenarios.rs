//! The paths that are tried.

use core::ops::Range;
use core::time::Duration;
use sctp_core::path::congestion::CongestionControl;
use sctp_user::sim::Loss;
use sctp_user::sim::flows::Experiment;

const MBIT: u64 = 1_000_000;

/// A bottleneck, and who uses it.
pub(crate) struct Scenario {
    /// Names its plot.
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) title: &'static str,
    /// bit/s.
    pub(crate) rate: u64,
    rtt: Duration,
    queue_bdps: f64,
    loss: f64,
    /// A flow of RFC 9260 is there already.
    pub(crate) is_shared: bool,
    pub(crate) duration: Duration,
}

/// All of them.
pub(crate) fn all() -> [Scenario; 7] {
    let base = Scenario {
        name: "clean",
        title: "100 Mbit/s, 40 ms, a queue of one BDP",
        rate: 100 * MBIT,
        rtt: Duration::from_millis(40),
        queue_bdps: 1.0,
        loss: 0.0,
        is_shared: false,
        duration: Duration::from_secs(30),
    };
    [
        Scenario {
            name: "long-lossy",
            title: "1 Gbit/s, 100 ms, 0.1 % random loss",
            rate: 1_000 * MBIT,
            rtt: Duration::from_millis(100),
            loss: 0.001,
            duration: Duration::from_secs(20),
            ..base
        },
        Scenario {
            name: "lossy",
            title: "50 Mbit/s, 30 ms, 2 % random loss",
            rate: 50 * MBIT,
            rtt: Duration::from_millis(30),
            loss: 0.02,
            ..base
        },
        Scenario {
            name: "deep-queue",
            title: "50 Mbit/s, 20 ms, a queue of eight BDP",
            rate: 50 * MBIT,
            rtt: Duration::from_millis(20),
            queue_bdps: 8.0,
            ..base
        },
        Scenario {
            name: "shallow-queue",
            title: "100 Mbit/s, 40 ms, a queue of a tenth of a BDP",
            queue_bdps: 0.1,
            ..base
        },
        Scenario {
            name: "shared",
            title: "beside RFC 9260: 100 Mbit/s, 40 ms, a queue of one BDP",
            is_shared: true,
            duration: Duration::from_secs(120),
            ..base
        },
        Scenario {
            name: "shared-deep",
            title: "beside RFC 9260: 20 Mbit/s, 40 ms, a queue of two BDP",
            rate: 20 * MBIT,
            queue_bdps: 2.0,
            is_shared: true,
            duration: Duration::from_secs(120),
            ..base
        },
        base,
    ]
}

impl Scenario {
    /// Runs it with this algorithm for the last flow.
    pub(crate) fn experiment(&self, control: &CongestionControl, seed: u64) -> Experiment {
        let both = [CongestionControl::Rfc9260, control.clone()];
        let controls = if self.is_shared { &both[..] } else { &both[1..] };
        let mut experiment = Experiment::new(self.rate, self.rtt, self.queue_bdps, controls);
        experiment.bottleneck.loss = Loss::Random(self.loss);
        experiment.duration = self.duration;
        experiment.seed = seed;
        if let [_, second] = &mut experiment.flows[..] {
            second.begins_at = Duration::from_secs(5);
        }
        experiment
    }

    /// Seconds in which a flow is expected to have found its rate.
    pub(crate) fn settled(&self) -> Range<f64> {
        let seconds = self.duration.as_secs_f64();
        seconds / 4.0..seconds
    }
}
