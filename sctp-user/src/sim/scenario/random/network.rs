//! Networks drawn from a seed: paths, what befalls them, and what lies on the way.

use core::time::Duration;

use super::super::{Move, NatPlan, PathFault, PathPlan, Scenario};
use crate::sim::link::{LinkConfig, Loss};
use crate::sim::rng::SimRng;
use crate::sim::topology::Outage;

impl Scenario {
    /// Paths with other MTUs than Ethernet's, some of which change on the way, to more or to less, and some of which do
    /// not say so. A side that does not search for them must be told, or they must be what it takes them for.
    pub(super) fn draw_mtus(&mut self, rng: &mut SimRng, lasts: Duration) {
        let search = [rng.chance(0.7), rng.chance(0.7)];
        for (searches, side) in search.into_iter().zip([&mut self.client, &mut self.server]) {
            if !searches {
                side.config.mtu_search = None;
            }
        }
        let silent_allowed = search == [true; 2];
        for index in 0..self.paths.len() {
            self.paths[index].set_mtu(mtu(rng, self.ipv6), !silent_allowed || rng.chance(0.5));
            if rng.chance(0.3) {
                let mut changed = self.paths[index].clone();
                changed.set_mtu(mtu(rng, self.ipv6), !silent_allowed || rng.chance(0.5));
                let at = lasts.mul_f64(rng.unit());
                self.faults.push((at, index, PathFault::Change(Box::new(changed))));
            }
        }
    }

    /// Half of the lines mark what finds a queue (RFC 3168).
    pub(super) fn draw_marks(&mut self, rng: &mut SimRng) {
        for index in 0..self.paths.len() {
            let thresholds = [(); 2].map(|()| rng.chance(0.5).then(|| rng.unit() * 0.5));
            self.change_plans(index, |plan| {
                for (link, threshold) in
                    [&mut plan.to_server, &mut plan.to_client].into_iter().zip(thresholds)
                {
                    link.ecn_threshold = threshold.map(|part| (link.queue_bytes as f64 * part) as usize);
                }
            });
        }
    }

    /// In a third of the scenarios the layer below finds damage, on both sides or on one: then none reaches SCTP, and
    /// checksums may be left out (RFC 9653).
    pub(super) fn draw_lower_layer(&mut self, rng: &mut SimRng) {
        if !rng.chance(0.3) {
            return;
        }
        let one = rng.chance(0.3).then(|| rng.chance(0.5));
        (self.client.finds_damage, self.server.finds_damage) = (one != Some(true), one != Some(false));
        for side in [&mut self.client, &mut self.server] {
            side.config.extensions.zero_checksum = rng.chance(0.9);
        }
        for index in 0..self.paths.len() {
            self.change_plans(index, |plan| {
                (plan.to_server.corruption, plan.to_client.corruption) = (0.0, 0.0);
            });
        }
    }

    /// Half of the clients that use UDP are behind a NAT, which forgets them now and then (RFC 6951).
    pub(super) fn draw_nat(&mut self, rng: &mut SimRng, lasts: Duration) {
        if self.udp_port.is_none() || rng.chance(0.5) {
            return;
        }
        let timeout = Duration::from_millis(rng.magnitude(5_000, 300_000));
        let rebinds = if rng.chance(0.5) { rng.between(1, 5) } else { 0 };
        let rebinds = (0..rebinds).map(|_| lasts.mul_f64(rng.unit())).collect();
        self.nat = Some(NatPlan { timeout, rebinds, moves: Vec::new(), second: false });
        // RFC 6951, 5.7.
        self.client.config.hide_addresses = true;
        // The server knows but one address of the client's: were that lost for good, the association would be, too.
        let down =
            self.faults.iter().find(|(_, path, fault)| *path == 0 && matches!(fault, PathFault::Down(_)));
        let comes_back = self.faults.iter().any(|(_, _, fault)| *fault == PathFault::Up);
        if let Some((at, ..)) = down.filter(|_| !comes_back) {
            let back_at = *at + Duration::from_millis(rng.magnitude(100, 60_000));
            self.faults.push((back_at, 0, PathFault::Up));
        }
    }

    /// A third of the NATs get other addresses, which is no loss only where both sides may say so (RFC 6951, 5.7): as they
    /// do, here, in most cases.
    pub(super) fn draw_nat_moves(&mut self, rng: &mut SimRng, lasts: Duration) {
        let Some(nat) = self.nat.as_mut().filter(|_| rng.chance(0.3)) else { return };
        nat.moves = (0..rng.between(1, 3)).map(|_| lasts.mul_f64(rng.unit())).collect();
        nat.moves.sort_unstable();
        for side in [&mut self.client, &mut self.server] {
            let offers = rng.chance(0.9);
            (side.config.extensions.auth, side.config.extensions.asconf) = (offers, offers);
        }
    }

    /// Half of the clients behind a NAT have a second interface, which they add while the traffic lasts (RFC 6951, 5.7), where
    /// both sides offer that: as they do, here, in most cases.
    pub(super) fn draw_second_nat(&mut self, rng: &mut SimRng, lasts: Duration) {
        let Some(nat) = self.nat.as_mut().filter(|_| rng.chance(0.5)) else { return };
        nat.second = true;
        // Chunks that were cut for a larger path do not pass a smaller one where IP does not fragment (docs/remaining.md).
        let mtus = [self.paths[0].to_server.mtu, self.paths[0].to_client.mtu];
        for index in 0..self.paths.len() {
            self.change_plans(index, |plan| (plan.to_server.mtu, plan.to_client.mtu) = (mtus[0], mtus[1]));
        }
        let second = self.inside_addresses().last().copied();
        let at = lasts.mul_f64(rng.unit());
        self.client.behaviour.moves = second.map(|address| (at, Move::Add(address))).into_iter().collect();
        for side in [&mut self.client, &mut self.server] {
            let offers = rng.chance(0.9);
            (side.config.extensions.auth, side.config.extensions.asconf) = (offers, offers);
        }
    }

    /// Changes the plan of a path, and those that take its place.
    fn change_plans(&mut self, index: usize, change: impl Fn(&mut PathPlan)) {
        change(&mut self.paths[index]);
        for (_, path, fault) in &mut self.faults {
            if let PathFault::Change(plan) = fault
                && *path == index
            {
                change(plan);
            }
        }
    }
}

/// MTUs of the world; IPv6 has a least one.
fn mtu(rng: &mut SimRng, ipv6: bool) -> usize {
    const MTUS: [usize; 9] = [1_500, 1_500, 1_500, 1_492, 1_452, 1_400, 1_280, 9_000, 700];
    let kinds = if ipv6 { MTUS.len() - 1 } else { MTUS.len() };
    MTUS[rng.below(kinds as u64) as usize]
}

pub(super) fn path(rng: &mut SimRng) -> PathPlan {
    let to_server = link(rng);
    let to_client = LinkConfig { mtu: to_server.mtu, ..link(rng) };
    PathPlan { to_server, to_client }
}

fn link(rng: &mut SimRng) -> LinkConfig {
    let probability = |rng: &mut SimRng, most: f64| if rng.chance(0.3) { 0.0 } else { rng.unit() * most };
    LinkConfig {
        delay: Duration::from_micros(rng.magnitude(50, 100_000)),
        jitter: Duration::from_micros(rng.magnitude(1, 20_000)),
        rate: rng.chance(0.7).then(|| rng.magnitude(500_000, 1_000_000_000)),
        queue_bytes: rng.magnitude(10_000, 500_000) as usize,
        mtu: 1_500,
        loss: loss(rng),
        duplication: probability(rng, 0.1),
        reordering: probability(rng, 0.2),
        reorder_delay: Duration::from_micros(rng.magnitude(100, 50_000)),
        corruption: probability(rng, 0.05),
        ..LinkConfig::default()
    }
}

/// 0 to 20 % in the mean.
fn loss(rng: &mut SimRng) -> Loss {
    let mean = rng.unit() * 0.2;
    match rng.below(4) {
        0 => Loss::Random(0.0),
        1 | 2 => Loss::Random(mean),
        _ => {
            let bad_for = Duration::from_millis(rng.magnitude(2, 500));
            Loss::Bursts {
                good_for: bad_for.mul_f64((1.0 - mean) / mean.max(0.001)),
                bad_for,
                good: 0.0,
                bad: 1.0,
            }
        }
    }
}

/// One of the two paths fails, for a while or for good; more often the first one, which is the primary.
pub(super) fn faults(rng: &mut SimRng, lasts: Duration) -> Vec<(Duration, usize, PathFault)> {
    let path = usize::from(rng.chance(0.3));
    let fails_at = lasts.mul_f64(rng.unit());
    let outage = if rng.chance(0.5) { Outage::Silent } else { Outage::Reported };
    let mut faults = vec![(fails_at, path, PathFault::Down(outage))];
    if rng.chance(0.5) {
        let back_at = fails_at + Duration::from_millis(rng.magnitude(100, 300_000));
        faults.push((back_at, path, PathFault::Up));
    }
    faults
}
