//! The paths that are tried.

use super::recording::{MESSAGE, Recording};
use core::time::Duration;
use sctp_core::config::AssociationConfig;
use sctp_core::multipath::Multipath;
use sctp_user::sim::scenario::{Failure, PathFault, PathPlan, Scenario, bulk};
use sctp_user::sim::{LinkConfig, Loss, Outage};

/// Several paths, the best one first.
pub(crate) struct Case {
    /// Names its plot.
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) title: &'static str,
    pub(crate) paths: Vec<LinkConfig>,
    /// What happens to the last one.
    faults: Vec<(Duration, PathFault)>,
}

/// The good path: 100 Mbit/s, 20 ms there and back, a queue of one bandwidth-delay product.
fn good() -> LinkConfig {
    LinkConfig { delay: Duration::from_millis(10), rate: Some(100_000_000), ..LinkConfig::default() }
}

fn lossy(probability: f64) -> LinkConfig {
    LinkConfig { loss: Loss::Random(probability), ..good() }
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let beside = |name, title, other| Case { name, title, paths: vec![good(), other], faults: Vec::new() };
    let slow = |rate| LinkConfig { rate: Some(rate), ..good() };
    let distant = LinkConfig { delay: Duration::from_millis(100), ..good() };
    let outage = vec![
        (Duration::from_secs(1), PathFault::Down(Outage::Silent)),
        (Duration::from_secs(2), PathFault::Up),
    ];
    vec![
        beside("twins", "two paths of 100 Mbit/s and 20 ms", good()),
        Case {
            faults: outage,
            ..beside("outage", "two such paths, of which one is dead from 1 s to 2 s", good())
        },
        Case {
            name: "third",
            title: "two such paths, and one with 20 % loss",
            paths: vec![good(), good(), lossy(0.2)],
            faults: Vec::new(),
        },
        beside("loss-2", "100 Mbit/s and 20 ms, and the same with 2 % loss", lossy(0.02)),
        beside("loss-5", "100 Mbit/s and 20 ms, and the same with 5 % loss", lossy(0.05)),
        beside("loss-20", "100 Mbit/s and 20 ms, and the same with 20 % loss", lossy(0.2)),
        beside("loss-40", "100 Mbit/s and 20 ms, and the same with 40 % loss", lossy(0.4)),
        beside("loss-60", "100 Mbit/s and 20 ms, and the same with 60 % loss", lossy(0.6)),
        beside("half", "100 Mbit/s, and 50 Mbit/s", slow(50_000_000)),
        beside("tenth", "100 Mbit/s, and 10 Mbit/s", slow(10_000_000)),
        beside("hundredth", "100 Mbit/s, and 1 Mbit/s", slow(1_000_000)),
        beside("distant", "20 ms, and 200 ms", distant),
    ]
}

impl Case {
    /// A transfer of so many bytes over some of the paths.
    pub(crate) fn transfer(
        &self,
        paths: &[LinkConfig],
        multipath: Multipath,
        bytes: usize,
        buffer: usize,
        seed: u64,
    ) -> Result<Recording, Box<Failure>> {
        let mut scenario = Scenario { seed, ..Scenario::default() };
        scenario.client.messages = bulk(bytes / MESSAGE, MESSAGE);
        scenario.paths = paths.iter().cloned().map(PathPlan::symmetric).collect();
        if paths.len() == self.paths.len() {
            let last = paths.len() - 1;
            scenario.faults = self.faults.iter().map(|(at, fault)| (*at, last, fault.clone())).collect();
        }
        let mut config = AssociationConfig {
            multipath,
            receive_buffer: buffer,
            send_buffer: 2 * buffer,
            ..AssociationConfig::default()
        };
        config.extensions.nr_sack = true;
        scenario.client.config = config.clone();
        scenario.server.config = config;
        Recording::of(scenario)
    }
}
