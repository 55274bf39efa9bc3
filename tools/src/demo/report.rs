//! What the demo tells at its end, and whether all went well.

use std::time::Duration;

use serde::Serialize;

use super::FAILOVER_LIMIT;
use super::role::Ending;
use crate::pinger::Counts;

/// What was done to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Fault {
    /// Killed.
    #[serde(rename = "SIGKILL")]
    Kill,
    /// Frozen.
    #[serde(rename = "SIGSTOP")]
    Freeze,
}

impl Fault {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Kill => "killed (SIGKILL)",
            Self::Freeze => "frozen (SIGSTOP)",
        }
    }
}

/// A fail-over. Times count from the fault; for one without a fault, from when the user gave the element up.
#[derive(Clone, Debug, Serialize)]
pub struct Failover {
    /// What was done to the element; nothing if it failed by itself or was given up needlessly.
    pub fault: Option<Fault>,
    /// The element's address.
    pub element: String,
    /// What told the user.
    pub signal: Option<Ending>,
    /// When the user gave the element up.
    pub noticed_ms: Option<f64>,
    /// Who took over.
    pub successor: Option<String>,
    /// Whether that one got the session's cookie.
    pub has_cookie: bool,
    /// When the first reply came from there.
    pub took_ms: Option<f64>,
    #[serde(skip)]
    pub(super) begun: Duration,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `raw` or `udp`.
    pub transport: &'static str,
    /// How long requests were sent, seconds.
    pub duration: f64,
    /// Packets that were lost on purpose, percent.
    pub loss_percent: f64,
    /// Requests and replies.
    #[serde(flatten)]
    pub counts: Counts,
    /// Requests without reply.
    pub unanswered: u64,
    /// In the order in which they happened.
    pub failovers: Vec<Failover>,
    /// Fail-overs without a fault.
    pub needless_failovers: usize,
    /// What went wrong; empty if all went well.
    pub problems: Vec<String>,
    /// Whether all went well.
    pub passed: bool,
}

impl Report {
    /// One line of JSON.
    pub fn to_json(&self) -> String {
        // Neither a map with keys that are no strings is in it, nor a type that refuses.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Judges what happened. `faults` is how many were meant to be done.
    pub fn judge(mut self, faults: usize) -> Self {
        let Counts { requests, replies, gaps, duplicates, .. } = self.counts;
        self.needless_failovers = self.failovers.iter().filter(|failover| failover.fault.is_none()).count();
        let done = self.failovers.len() - self.needless_failovers;
        let mut problems = Vec::new();
        let mut check = |is_bad: bool, problem: String| {
            if is_bad {
                problems.push(problem);
            }
        };
        check(requests == 0, "no requests were sent".into());
        check(self.unanswered > 0, format!("{} requests got no reply", self.unanswered));
        check(replies + self.unanswered != requests, "requests and replies do not add up".into());
        check(gaps > 0, format!("{gaps} numbers are missing among the replies"));
        check(duplicates > 0, format!("{duplicates} replies were given twice"));
        check(self.needless_failovers > 0, format!("{} needless fail-overs", self.needless_failovers));
        check(done != faults, format!("{done} of {faults} faults were done"));
        problems.extend(self.failovers.iter().filter_map(slow));
        self.passed = problems.is_empty();
        self.problems = problems;
        self
    }
}

/// What is wrong with a fail-over.
fn slow(failover: &Failover) -> Option<String> {
    let element = &failover.element;
    let limit = FAILOVER_LIMIT.as_secs_f64() * 1000.0;
    match failover.took_ms {
        None => Some(format!("nobody took over from {element}")),
        Some(took) if took > limit => Some(format!("it took {took:.0} ms to fail over from {element}")),
        Some(_) if !failover.has_cookie => Some(format!("the successor of {element} got no cookie")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            transport: "udp",
            duration: 2.0,
            loss_percent: 0.0,
            counts: Counts { requests: 400, replies: 400, ..Counts::default() },
            unanswered: 0,
            failovers: Vec::new(),
            needless_failovers: 0,
            problems: Vec::new(),
            passed: false,
        }
    }

    fn failover(fault: Option<Fault>, took_ms: Option<f64>) -> Failover {
        Failover {
            fault,
            element: "127.0.0.3".into(),
            signal: Some(Ending::Abort),
            noticed_ms: Some(1.0),
            successor: Some("127.0.0.4".into()),
            has_cookie: true,
            took_ms,
            begun: Duration::ZERO,
        }
    }

    fn problems(change: impl FnOnce(&mut Report), faults: usize) -> Vec<String> {
        let mut report = report();
        change(&mut report);
        let judged = report.judge(faults);
        assert_eq!(judged.passed, judged.problems.is_empty());
        judged.problems
    }

    #[test]
    fn a_run_that_lost_nothing_passes() {
        assert!(problems(|_| {}, 0).is_empty());
        let kill = |report: &mut Report| report.failovers.push(failover(Some(Fault::Kill), Some(80.0)));
        assert!(problems(kill, 1).is_empty());
    }

    #[test]
    fn each_kind_of_failure_is_named() {
        assert_eq!(problems(|report| report.counts.gaps = 1, 0), ["1 numbers are missing among the replies"]);
        assert_eq!(problems(|report| report.counts.duplicates = 2, 0), ["2 replies were given twice"]);
        assert_eq!(problems(|report| report.counts.replies = 399, 0), ["requests and replies do not add up"]);
        assert_eq!(problems(|_| {}, 2), ["0 of 2 faults were done"]);
        let needless = |report: &mut Report| report.failovers.push(failover(None, Some(1.0)));
        assert_eq!(problems(needless, 0), ["1 needless fail-overs"]);
        let slow = |report: &mut Report| report.failovers.push(failover(Some(Fault::Freeze), Some(501.0)));
        assert_eq!(problems(slow, 1), ["it took 501 ms to fail over from 127.0.0.3"]);
        let never = |report: &mut Report| report.failovers.push(failover(Some(Fault::Kill), None));
        assert_eq!(problems(never, 1), ["nobody took over from 127.0.0.3"]);
    }
}
