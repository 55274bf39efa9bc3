//! What was seen of a transfer over virtual time.

use core::time::Duration;
use sctp_user::sim::scenario::{Failure, Run, Scenario, Side};

/// Bytes of a message.
pub(crate) const MESSAGE: usize = 10_000;
/// Time from one sample to the next.
const INTERVAL: Duration = Duration::from_millis(10);

/// A path at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Bytes that may be in flight.
    pub(crate) cwnd: usize,
    /// Bytes that wait at the line.
    pub(crate) queue: usize,
    /// Packets that the line has carried so far.
    pub(crate) carried: u64,
}

/// A transfer.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// For each path its samples.
    pub(crate) paths: Vec<Vec<Sample>>,
    /// Bytes that had reached the reader, at the same moments.
    pub(crate) received: Vec<usize>,
    /// How long it took, set-up and shutdown with it.
    pub(crate) lasted: Duration,
}

impl Recording {
    /// Runs a scenario and watches it.
    pub(crate) fn of(scenario: Scenario) -> Result<Self, Box<Failure>> {
        let limit = scenario.time_limit;
        let mut recording = Self { paths: vec![Vec::new(); scenario.paths.len()], ..Self::default() };
        let mut run = scenario.start();
        let mut at = INTERVAL;
        while !run.peer(Side::Server).inbox.is_complete() && at < limit {
            run.run_until(at)?;
            recording.take(&run);
            at += INTERVAL;
        }
        recording.lasted = run.finish()?.virtual_time;
        Ok(recording)
    }

    fn take(&mut self, run: &Run) {
        self.received.push(run.peer(Side::Server).inbox.count() * MESSAGE);
        let node = run.node(Side::Client);
        let association = run.peer(Side::Client).association.and_then(|id| node.endpoint.association(id));
        for (index, samples) in self.paths.iter_mut().enumerate() {
            let interface = run.interfaces[index][Side::Client as usize];
            let remote = run.scenario().address(Side::Server, index);
            let path = association.and_then(|association| association.paths().by_remote(remote));
            samples.push(Sample {
                cwnd: path.map_or(0, |path| path.congestion.cwnd()),
                queue: run.network.queued_bytes(interface),
                carried: run.network.link_stats(interface).carried,
            });
        }
    }

    /// Mbit/s of the whole.
    pub(crate) fn throughput(&self) -> f64 {
        let bytes = self.received.last().copied().unwrap_or(0);
        bytes as f64 * 8.0 / self.lasted.as_secs_f64() / 1e6
    }

    /// When the `index`th samples were taken, in seconds.
    pub(crate) fn seconds(&self, index: usize) -> f64 {
        INTERVAL.as_secs_f64() * (index + 1) as f64
    }
}
