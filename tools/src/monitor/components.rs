//! The components that have reported not long ago.
//!
//! Anybody can send reports in anybody's name. So nothing of them is trusted: they take a bounded room, one sender only a part of
//! it, and their texts are made harmless before anybody sees them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rserpool::csp::{ComponentId, StatusReport};

use super::words::harmless;

/// Components at most; of more, reports are refused until others are silent.
pub const MAX_COMPONENTS: usize = 10_000;
/// Components that one address may report of.
pub const MAX_PER_SOURCE: usize = 2_500;
/// Associations of one component that are kept.
pub const MAX_ASSOCIATIONS: usize = 64;

/// A component, by its last report.
#[derive(Clone, Debug)]
pub struct Component {
    /// What it said; its texts are harmless, of its associations there are [`MAX_ASSOCIATIONS`] at most.
    pub report: StatusReport,
    /// How many associations it has.
    pub associations: usize,
    /// Who sent it.
    pub source: IpAddr,
    /// When.
    pub heard: Instant,
}

/// What became of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It reported for the first time, or again.
    Came,
    /// It says something else than before, not counting times.
    Changed,
    /// It said good-bye.
    Ended,
    /// It has not reported for long.
    Silent,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Components {
    known: BTreeMap<ComponentId, Component>,
    per_source: BTreeMap<IpAddr, usize>,
    /// Datagrams that were no reports.
    pub malformed: u64,
    /// Reports for which there was no room.
    pub refused: u64,
}

impl Components {
    /// A datagram has come.
    pub fn hear(
        &mut self,
        datagram: &[u8],
        source: IpAddr,
        now: Instant,
    ) -> Option<(ComponentId, Change, Component)> {
        let Ok(report) = StatusReport::parse(datagram) else {
            self.malformed += 1;
            return None;
        };
        let id = report.sender;
        if report.is_final {
            return self.forget(id).map(|component| (id, Change::Ended, component));
        }
        if !self.has_room(id, source) {
            self.refused += 1;
            return None;
        }
        let before = self.forget(id);
        let component = Component::new(report, source, now);
        let change = match &before {
            None => Some(Change::Came),
            Some(before) => (!before.says_the_same(&component)).then_some(Change::Changed),
        };
        *self.per_source.entry(source).or_default() += 1;
        self.known.insert(id, component.clone());
        change.map(|change| (id, change, component))
    }

    fn has_room(&self, id: ComponentId, source: IpAddr) -> bool {
        let before = self.known.get(&id);
        if before.is_some_and(|before| before.source == source) {
            return true;
        }
        let of_source = self.per_source.get(&source).copied().unwrap_or_default();
        (before.is_some() || self.known.len() < MAX_COMPONENTS) && of_source < MAX_PER_SOURCE
    }

    fn forget(&mut self, id: ComponentId) -> Option<Component> {
        let component = self.known.remove(&id)?;
        if let Some(count) = self.per_source.get_mut(&component.source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&component.source);
            }
        }
        Some(component)
    }

    /// Forgets those that have been silent for so long.
    pub fn purge(&mut self, patience: Duration, now: Instant) -> Vec<(ComponentId, Change, Component)> {
        let is_silent = |component: &Component| now.saturating_duration_since(component.heard) >= patience;
        let silent: Vec<_> =
            self.known.iter().filter(|(_, component)| is_silent(component)).map(|(id, _)| *id).collect();
        let gone = |id| self.forget(id).map(|component| (id, Change::Silent, component));
        silent.into_iter().filter_map(gone).collect()
    }

    /// All of them, in the order of their groups and numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ComponentId, &Component)> {
        self.known.iter().map(|(id, component)| (*id, component))
    }
}

impl Component {
    fn new(mut report: StatusReport, source: IpAddr, now: Instant) -> Self {
        report.location = harmless(&report.location);
        report.status = harmless(&report.status);
        let associations = report.associations.len();
        report.associations.truncate(MAX_ASSOCIATIONS);
        report.associations.shrink_to_fit();
        Self { report, associations, source, heard: now }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let (one, two) = (&self.report, &other.report);
        let receivers =
            |report: &StatusReport| report.associations.iter().map(|to| (to.receiver, to.ppid)).collect();
        let same_receivers = || -> bool {
            let (one, two): (Vec<_>, Vec<_>) = (receivers(one), receivers(two));
            one == two
        };
        (&one.location, &one.status, one.workload, self.associations)
            == (&two.location, &two.status, two.workload, other.associations)
            && same_receivers()
    }
}

#[cfg(test)]
mod tests;
