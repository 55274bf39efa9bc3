//! Handle resolutions (RFC 5352, 3.3).

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use rserpool::wire::AsapMessage;
use rserpool::{PeId, PoolHandle};

use super::pace::Pace;
use super::{Place, Times, Work};
use crate::program;

/// What answers a run gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which run, from 1.
    pub number: u64,
    /// How long it took.
    pub after: Duration,
    /// The elements, or why there are none.
    pub elements: Result<Vec<PeId>, String>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = match &self.elements {
            Ok(elements) => program::list(elements),
            Err(error) => error.clone(),
        };
        write!(f, "{} after {} us: {elements}", self.number, self.after.as_micros())
    }
}

impl Run {
    /// Whether it brought an element.
    pub fn is_success(&self) -> bool {
        self.brought() > 0
    }

    /// How many elements it brought.
    pub fn brought(&self) -> usize {
        self.elements.as_ref().map_or(0, Vec::len)
    }
}

/// Asks for a pool's elements, again and again.
pub struct Resolutions<T: FnMut(Run) -> Result<(), String>> {
    pool_handle: PoolHandle,
    items: Option<u32>,
    pace: Pace,
    max_runs: Option<u64>,
    /// How likely an element is reported as unreachable.
    unreachable: f64,
    reports: VecDeque<(usize, PeId)>,
    asked: u64,
    times: Times,
    /// Why the last run that brought no element did not.
    refusal: Option<String>,
    tell: T,
    /// Why a run could not be told: it is the last one.
    failure: Option<String>,
}

impl<T: FnMut(Run) -> Result<(), String>> Resolutions<T> {
    /// Without pause and end; `tell` hears of each run, and ends all when it fails.
    pub fn new(pool_handle: PoolHandle, items: Option<u32>, tell: T) -> Self {
        Self {
            pool_handle,
            items,
            pace: Pace::new(Duration::ZERO),
            max_runs: None,
            unreachable: 0.0,
            reports: VecDeque::new(),
            asked: 0,
            times: Times::default(),
            refusal: None,
            tell,
            failure: None,
        }
    }

    /// Why none of the runs brought an element, if that is so.
    pub fn refusal(&self) -> Option<&str> {
        match self.times.len() {
            0 => Some("the registrar has not answered"),
            answers if answers > self.times.refused => None,
            _ => self.refusal.as_deref(),
        }
    }

    /// Why a run could not be told.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// With a pause between requests, and an end.
    #[must_use]
    pub fn paced(self, pause: Duration, max_runs: Option<u64>) -> Self {
        Self { pace: Pace::new(pause), max_runs, ..self }
    }

    /// Elements are reported as unreachable with this probability.
    #[must_use]
    pub fn reporting(self, unreachable: f64) -> Self {
        Self { unreachable, ..self }
    }

    /// How long the answers took.
    pub fn times(&self) -> &Times {
        &self.times
    }

    fn has_more(&self) -> bool {
        self.max_runs.is_none_or(|most| self.asked < most)
    }
}

impl<T: FnMut(Run) -> Result<(), String>> Work for Resolutions<T> {
    fn next(&mut self, line: &Place) -> Option<AsapMessage> {
        let pool_handle = self.pool_handle.clone();
        if self.reports.front().is_some_and(|(of, _)| *of == line.index) {
            let (_, pe_id) = self.reports.pop_front()?;
            return Some(AsapMessage::EndpointUnreachable { pool_handle, pe_id });
        }
        if !self.has_more() || !self.pace.allows(Instant::now()) {
            return None;
        }
        self.asked += 1;
        Some(AsapMessage::HandleResolution { subscribe: false, pool_handle, items: self.items })
    }

    fn handle(&mut self, line: &Place, answer: AsapMessage, after: Duration) {
        let AsapMessage::HandleResolutionResponse { elements, errors, .. } = answer else { return };
        if self.unreachable > 0.0 {
            let hit = elements.iter().filter(|_| rand::random_bool(self.unreachable));
            self.reports.extend(hit.map(|element| (line.index, element.id)));
        }
        let elements = match errors.is_empty() {
            true => Ok(elements.iter().map(|element| element.id).collect()),
            false => Err(rserpool::wire::ErrorCause::list(&errors)),
        };
        let run = Run { number: self.times.len() + 1, after, elements };
        self.times.note(after, !run.is_success());
        if !run.is_success() {
            self.refusal = Some(run.elements.clone().err().unwrap_or_else(|| "the pool is empty".into()));
        }
        let told = (self.tell)(run);
        self.failure = self.failure.take().or(told.err());
    }

    fn is_answer(&self, message: &AsapMessage) -> bool {
        matches!(message, AsapMessage::HandleResolutionResponse { .. })
    }

    fn is_done(&mut self) -> bool {
        let is_answered = !self.has_more() && self.times.len() >= self.asked && self.reports.is_empty();
        is_answered || self.failure.is_some()
    }

    fn describe(&self) -> String {
        format!("{} resolutions", self.times.len())
    }

    fn next_due(&self) -> Option<Instant> {
        self.pace.next_due().filter(|_| self.has_more())
    }
}
