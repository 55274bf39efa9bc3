//! The course of events, as the parent directs and sees it.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sctp_user::driver::OpenError;
use sctp_user::driver::raw::{RawConfig, RawDriver};
use sctp_user::driver::udp::ENCAPSULATION_PORT;
use thiserror::Error;

use super::child::{Children, Heard};
use super::options::Options;
use super::report::{Failover, Fault, Report};
use super::role::Saying;
use super::screen::Screen;
use super::timeline::{Mark, Timeline};
use super::{ELEMENTS, monotonic};
use crate::pinger::Counts;
use crate::signals::Signals;

/// How long a process may take to get ready.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How much longer than planned the user may take.
const OVERTIME: Duration = Duration::from_secs(15);
/// Between two looks at the signals.
const GLANCE: Duration = Duration::from_millis(20);

/// Why the demo could not run to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// A child could not be started or listened to.
    #[error("cannot start the demo's processes: {0}")]
    System(#[from] io::Error),
    /// Raw IP was asked for.
    #[error("{0}")]
    Raw(OpenError),
    /// A child ended, or did not get ready.
    #[error("{0}; what it said stands above")]
    Child(String),
    /// A child ended before the demo began.
    #[error(
        "{0}; what it said stands above. If its address or port is taken, perhaps by another demo, take other ones: \
         --first-address 127.0.9.2"
    )]
    Start(String),
    /// A child waits for another one.
    #[error(
        "{0} within {limit} s: is the loopback interface up (`ip link set lo up`)? Does a firewall, or --loss, let \
         their packets through?",
        limit = START_LIMIT.as_secs()
    )]
    NotReady(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Runs the demo.
///
/// # Errors
/// When it could not run to its end. A run in which something was lost is not an error: the report says so.
pub fn run(options: &Options, signals: &Signals, screen: &mut Screen) -> Result<Report, Failure> {
    let is_raw = choose_transport(options, screen)?;
    let mut stage = Stage { options, signals, screen, is_raw, children: Children::default() };
    stage.begin()?;
    let mut play = Play::new(options);
    let outcome = stage.direct(&mut play);
    if let Some(frozen) = play.frozen {
        stage.children.signal(frozen, Signal::SIGKILL);
    }
    stage.children.end();
    outcome?;
    let report = play.into_report(options, is_raw);
    stage.screen.summary(&report.0, &report.1);
    Ok(report.0)
}

/// Whether raw IP is used.
fn choose_transport(options: &Options, screen: &mut Screen) -> Result<bool, Failure> {
    if options.udp.is_some() {
        return Ok(false);
    }
    let addresses = vec![options.address(0).into()];
    let probe = RawConfig { addresses, share: false, ..RawConfig::default() };
    match RawDriver::open(&probe) {
        Ok(_) => Ok(true),
        Err(reason) if options.raw => Err(Failure::Raw(reason)),
        Err(reason) => {
            screen.note(&format!("No raw IP here ({reason}): UDP encapsulation, port {ENCAPSULATION_PORT}."));
            Ok(false)
        }
    }
}

/// The processes.
struct Stage<'a> {
    options: &'a Options,
    signals: &'a Signals,
    screen: &'a mut Screen,
    is_raw: bool,
    children: Children,
}

impl Stage<'_> {
    /// Starts everybody.
    fn begin(&mut self) -> Result<(), Failure> {
        self.screen.title(self.is_raw);
        let registrar = self.start("registrar-role", 0)?;
        self.await_ready("registrar", &[registrar])?;
        self.screen.process("registrar", self.options.address(0), self.children.pid(registrar));
        let elements: Result<Vec<_>, _> =
            (1..=ELEMENTS).map(|process| self.start("element-role", process)).collect();
        self.await_ready("element", &elements?)?;
        for process in 1..=ELEMENTS {
            let name = format!("element {process}");
            self.screen.process(&name, self.options.address(process), self.children.pid(process));
        }
        let user = self.start("user-role", Options::USER)?;
        self.screen.process("user", self.options.address(Options::USER), self.children.pid(user));
        Ok(())
    }

    /// Starts a process; its number among the children is its number in the demo.
    fn start(&mut self, role: &str, process: usize) -> Result<usize, Failure> {
        let options = self.options;
        let mut arguments = vec![role.to_owned()];
        arguments.push(format!("--local={}", options.address(process)));
        arguments.push(format!("--registrar-address={}", options.address(0)));
        arguments.push(format!("--parent={}", std::process::id()));
        arguments.push(match self.is_raw {
            true => "--raw".into(),
            false => format!("--udp={}", options.udp.unwrap_or(ENCAPSULATION_PORT)),
        });
        arguments.push(format!("--loss={}", options.loss));
        arguments.push(format!("--seed={}", options.seed.wrapping_add(process as u64)));
        arguments.extend((0..options.verbose).map(|_| "-v".to_owned()));
        if process == Options::USER {
            arguments.push(format!("--seconds={}", options.duration));
            arguments.extend(options.pcap.iter().map(|file| format!("--pcap={}", file.display())));
        }
        Ok(self.children.start(arguments)?)
    }

    fn await_ready(&mut self, what: &str, children: &[usize]) -> Result<(), Failure> {
        let end = Instant::now() + START_LIMIT;
        let mut waiting = children.to_vec();
        while !waiting.is_empty() {
            if self.signals.have_come()? {
                return Err(Failure::Interrupted);
            }
            match self.children.listen(GLANCE) {
                Some((child, Some(Saying::Ready))) => waiting.retain(|other| *other != child),
                Some((_, None)) => return Err(Failure::Start(format!("the {what} ended"))),
                Some(_) => {}
                None if Instant::now() > end => {
                    return Err(Failure::NotReady(format!("the {what} did not get ready")));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Listens to the user until it is done, and does the faults.
    fn direct(&mut self, play: &mut Play) -> Result<(), Failure> {
        let planned = Duration::from_secs_f64(self.options.duration);
        let end = Instant::now() + planned + START_LIMIT + OVERTIME;
        while play.counts.is_none() {
            if self.signals.have_come()? {
                return Err(Failure::Interrupted);
            }
            if Instant::now() > end {
                return Err(Failure::Child("the user did not get done".into()));
            }
            if let Some(heard) = self.children.listen(play.patience()) {
                self.hear(heard, play)?;
            }
            if let Some(fault) = play.due_fault() {
                self.do_fault(fault, play);
            }
        }
        Ok(())
    }

    fn hear(&mut self, (child, saying): Heard, play: &mut Play) -> Result<(), Failure> {
        match saying {
            None if child == Options::USER => Err(Failure::Child("the user ended".into())),
            None if !play.has_killed(child) => {
                Err(Failure::Child(format!("process {child} ended by itself")))
            }
            Some(saying) if child == Options::USER => {
                play.hear(saying, self.screen);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn do_fault(&mut self, fault: Fault, play: &mut Play) {
        let Some(element) = play.serving else { return };
        play.begin_fault(fault, element, monotonic());
        let signal = match fault {
            Fault::Kill => Signal::SIGKILL,
            Fault::Freeze => Signal::SIGSTOP,
        };
        self.children.signal(element, signal);
        self.screen.fault(play.seconds(), element, fault);
    }
}

/// What has happened so far.
struct Play {
    addresses: Vec<String>,
    begun: Option<Instant>,
    /// Faults to do, and when, counted from the user's first connection; the next one last.
    plan: Vec<(Duration, Fault)>,
    faults: usize,
    /// The child that serves the user; none during a fail-over.
    serving: Option<usize>,
    killed: Option<usize>,
    frozen: Option<usize>,
    failovers: Vec<Failover>,
    timeline: Timeline,
    counts: Option<(Counts, u64)>,
}

impl Play {
    fn new(options: &Options) -> Self {
        let at = |share: f64| Duration::from_secs_f64(options.duration * share);
        let plan = match options.no_faults {
            true => Vec::new(),
            false => vec![(at(0.6), Fault::Freeze), (at(0.25), Fault::Kill)],
        };
        Self {
            addresses: (0..=Options::USER).map(|process| options.address(process).to_string()).collect(),
            begun: None,
            faults: plan.len(),
            plan,
            serving: None,
            killed: None,
            frozen: None,
            failovers: Vec::new(),
            timeline: Timeline::default(),
            counts: None,
        }
    }

    /// Seconds since the user was connected.
    fn seconds(&self) -> f64 {
        self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
    }

    fn patience(&self) -> Duration {
        let next = self.begun.zip(self.plan.last()).map(|(begun, (after, _))| begun + *after);
        next.map_or(GLANCE, |next| next.saturating_duration_since(Instant::now()).min(GLANCE))
    }

    /// The fault whose time has come, unless a fail-over is under way.
    fn due_fault(&mut self) -> Option<Fault> {
        let (after, _) = self.plan.last()?;
        let is_due = self.begun.is_some_and(|begun| begun.elapsed() >= *after) && self.serving.is_some();
        if !is_due {
            return None;
        }
        self.plan.pop().map(|(_, fault)| fault)
    }

    fn has_killed(&self, child: usize) -> bool {
        self.killed == Some(child)
    }

    fn begin_fault(&mut self, fault: Fault, element: usize, at: Duration) {
        let mark = match fault {
            Fault::Kill => {
                self.killed = Some(element);
                Mark::Killed
            }
            Fault::Freeze => {
                self.frozen = Some(element);
                Mark::Frozen
            }
        };
        self.timeline.mark(element - 1, mark);
        self.serving = None;
        self.failovers.push(self.new_failover(Some(fault), element, at));
    }

    fn new_failover(&self, fault: Option<Fault>, element: usize, begun: Duration) -> Failover {
        Failover {
            fault,
            element: self.addresses[element].clone(),
            signal: None,
            noticed_ms: None,
            successor: None,
            has_cookie: false,
            took_ms: None,
            begun,
        }
    }

    fn hear(&mut self, saying: Saying, screen: &mut Screen) {
        match saying {
            Saying::Ready => {}
            Saying::Connected { element } => {
                self.begun = Some(Instant::now());
                self.serving = self.child_at(&element);
                screen.connected(self.seconds(), self.serving);
            }
            Saying::Progress { replies } => {
                let element = self.serving.map(|child| child - 1);
                self.timeline.push(replies, element);
                screen.progress(self.seconds(), replies);
            }
            Saying::Failed { at, signal } => {
                let at = Duration::from_nanos(at);
                // Nobody did anything to the one that serves.
                if let Some(element) = self.serving.take() {
                    self.failovers.push(self.new_failover(None, element, at));
                }
                if let Some(failover) = self.failovers.last_mut() {
                    failover.signal = Some(signal);
                    failover.noticed_ms = Some(millis_since(failover.begun, at));
                    screen.noticed(self.begun, failover);
                }
            }
            Saying::TakenOver { element, has_cookie, .. } => {
                self.serving = self.child_at(&element);
                if let Some(failover) = self.failovers.last_mut() {
                    failover.successor = Some(element);
                    failover.has_cookie = has_cookie;
                }
            }
            Saying::FirstReply { at } => {
                let serving = self.serving;
                if let Some(failover) = self.failovers.last_mut() {
                    failover.took_ms = Some(millis_since(failover.begun, Duration::from_nanos(at)));
                    screen.taken_over(self.begun, serving, failover);
                }
            }
            Saying::Done { counts, unanswered } => self.counts = Some((counts, unanswered)),
        }
    }

    /// The child at an address.
    fn child_at(&self, address: &str) -> Option<usize> {
        self.addresses.iter().position(|other| other == address)
    }

    fn into_report(self, options: &Options, is_raw: bool) -> (Report, Timeline) {
        let (counts, unanswered) = self.counts.unwrap_or_default();
        let report = Report {
            transport: if is_raw { "raw" } else { "udp" },
            duration: options.duration,
            loss_percent: options.loss,
            counts,
            unanswered,
            failovers: self.failovers,
            needless_failovers: 0,
            problems: Vec::new(),
            passed: false,
        };
        (report.judge(self.faults), self.timeline)
    }
}

/// To a tenth of a millisecond.
fn millis_since(begun: Duration, at: Duration) -> f64 {
    (at.saturating_sub(begun).as_secs_f64() * 10_000.0).round() / 10.0
}
