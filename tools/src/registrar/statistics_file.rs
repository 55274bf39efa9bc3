//! Files of statistics, as RSPLIB's registrar writes them: a line for each interval, and totals and averages at the end.

use std::io::{self, Write};
use std::ops::Add;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rserpool::registrar::{Registrar, RegistrarStatistics};

use super::line_file::LineFile;
use super::line_queue::LineQueue;
use super::process::Usage;
use crate::output_file::OutputFile;
use crate::program::GLANCE;

const HEADER: &str = "AbsTime RelTime Runtime UserTime SystemTime   Peers Pools PoolElements OwnedPoolElements   \
Registrations Reregistrations Deregistrations HandleResolutions FailureReports Synchronizations HandleUpdates \
EndpointKeepAlives";

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What is counted, over all lives of the registrar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; 8]);

/// The names of the counts in scalar files.
const NAMES: [&str; 8] = [
    "Registrations",
    "Reregistrations",
    "Deregistrations",
    "Handle Resolutions",
    "Failure Reports",
    "Synchronizations",
    "Handle Updates",
    "Endpoint Keep Alives",
];

impl From<&RegistrarStatistics> for Counts {
    fn from(statistics: &RegistrarStatistics) -> Self {
        Self([
            // RSPLIB counts renewals as registrations, too.
            statistics.registrations + statistics.reregistrations,
            statistics.reregistrations,
            statistics.deregistrations,
            statistics.resolutions + statistics.failed_resolutions,
            statistics.unreachable_reports,
            statistics.table_requests,
            statistics.peer_updates,
            statistics.keep_alives,
        ])
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] + other.0[index]))
    }
}

/// How many there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    peers: usize,
    pools: usize,
    elements: usize,
    own_elements: usize,
}

impl Sizes {
    pub(super) fn of(machine: &Registrar) -> Self {
        let handlespace = machine.handlespace();
        Self {
            peers: machine.peers().count(),
            pools: handlespace.pools().len(),
            elements: handlespace.len(),
            own_elements: handlespace.count_of(machine.config().id),
        }
    }
}

/// Averages over time, in the order of scalar files.
#[derive(Debug, Default)]
struct Averages {
    sums: [f64; 4],
    time: f64,
}

impl Averages {
    fn add(&mut self, sizes: Sizes, time: f64) {
        let Sizes { peers, pools, elements, own_elements } = sizes;
        for (sum, size) in self.sums.iter_mut().zip([pools, elements, own_elements, peers]) {
            *sum += size as f64 * time;
        }
        self.time += time;
    }

    fn values(&self) -> [f64; 4] {
        self.sums.map(|sum| if self.time > 0.0 { sum / self.time } else { 0.0 })
    }
}

/// Where statistics go.
pub(super) struct Statistics {
    begin: Instant,
    interval: Duration,
    lines: Option<LineQueue>,
    number: u64,
    next: Instant,
    scalar: Option<Scalar>,
    averages: Averages,
    measured: Instant,
    /// What earlier lives have counted.
    before: Counts,
    counts: Counts,
}

/// A file of totals.
struct Scalar {
    file: LineFile,
    object: String,
}

impl Scalar {
    /// It is opened now, so that it is known now that it can be, and there once it is complete.
    fn create(path: &Path, object: &str) -> io::Result<Self> {
        Ok(Self { file: LineFile::new(path, OutputFile::create(path)?), object: object.to_owned() })
    }

    fn write(mut self, counts: Counts, averages: &Averages) -> io::Result<()> {
        let (file, object) = (&mut self.file, self.object);
        writeln!(file, "run 1 \"scenario\"")?;
        for (name, count) in NAMES.iter().zip(counts.0) {
            let name = format!("\"Registrar Total {name}\"");
            writeln!(file, "scalar \"{object}\" {name:<39}{count:>8}")?;
        }
        let names = ["Pools", "Pool Elements", "Owned Pool Elements", "Peers"];
        for (name, average) in names.iter().zip(averages.values()) {
            let name = format!("\"Registrar Average Number Of {name}\"");
            writeln!(file, "scalar \"{object}\" {name:<49} {average:.6}")?;
        }
        self.file.finish()
    }
}

impl Statistics {
    /// Starts to write what is asked for.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub(super) fn start(
        file: Option<&Path>,
        interval: Duration,
        scalar: Option<(&Path, &str)>,
    ) -> io::Result<Self> {
        let lines = file.map(|path| LineQueue::to_file(path, HEADER)).transpose()?;
        let scalar = scalar.map(|(path, object)| Scalar::create(path, object));
        let begin = Instant::now();
        Ok(Self {
            begin,
            interval,
            lines,
            number: 0,
            next: begin,
            scalar: scalar.transpose()?,
            averages: Averages::default(),
            measured: begin,
            before: Counts::default(),
            counts: Counts::default(),
        })
    }

    /// When to look again, if there is anything to write.
    pub(super) fn next(&self) -> Option<Instant> {
        let for_averages = self.scalar.as_ref().map(|_| self.measured + GLANCE);
        let for_line = self.lines.as_ref().map(|_| self.next);
        for_averages.into_iter().chain(for_line).min()
    }

    /// Takes in how a registrar is now, and writes a line if it is time.
    pub(super) fn take(&mut self, machine: &Registrar) {
        self.record(Sizes::of(machine), Counts::from(machine.statistics()), Instant::now());
    }

    /// A life of the registrar is over; what it counted stays.
    pub(super) fn end_life(&mut self) {
        self.before = self.before + std::mem::take(&mut self.counts);
    }

    fn record(&mut self, sizes: Sizes, counts: Counts, now: Instant) {
        self.averages.add(sizes, now.duration_since(self.measured).as_secs_f64());
        (self.measured, self.counts) = (now, counts);
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let line = self.line(sizes, now);
        if let Some(lines) = &self.lines {
            lines.write(line);
        }
    }

    fn line(&mut self, sizes: Sizes, at: Instant) -> String {
        self.number += 1;
        let (relative, usage) = (at.duration_since(self.begin).as_secs_f64(), Usage::now());
        let (user, system) = (usage.user.as_secs_f64(), usage.system.as_secs_f64());
        let Sizes { peers, pools, elements, own_elements } = sizes;
        let counts: Vec<_> = (self.before + self.counts).0.iter().map(ToString::to_string).collect();
        format!(
            "{:06} {:.6} {relative:.6}   {relative:.6} {user:.6} {system:.6}   {peers} {pools} {elements} {own_elements}   {}",
            self.number,
            now(),
            counts.join(" ")
        )
    }

    /// The registrar has ended: writes the totals.
    ///
    /// # Errors
    /// Which files do not have all that belongs to them, and why.
    pub(super) fn finish(self) -> Vec<io::Error> {
        let lines = self.lines.map(|mut lines| lines.finish());
        let scalar = self.scalar.map(|file| file.write(self.before + self.counts, &self.averages));
        [lines, scalar].into_iter().flatten().filter_map(Result::err).collect()
    }
}

#[cfg(test)]
mod tests;
