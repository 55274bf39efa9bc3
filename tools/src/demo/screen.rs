//! What people see of the demo.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use anstyle::{AnsiColor, Style};

use super::report::{Failover, Fault, Report};
use super::role::Ending;
use super::timeline::Timeline;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const COLD: Style = AnsiColor::Cyan.on_default().bold();
const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Standard output: with colours where it is a terminal, silent where JSON was asked for.
#[derive(Debug)]
pub struct Screen {
    is_silent: bool,
    has_colors: bool,
    is_terminal: bool,
}

impl Screen {
    /// For people, or for programs.
    pub fn new(json: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let has_colors = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { is_silent: json, has_colors, is_terminal }
    }

    fn line(&self, text: impl Display) {
        if !self.is_silent {
            let clear = if self.is_terminal { "\r\x1b[K" } else { "" };
            // Nobody reads it: the demo goes on all the same, its exit code tells.
            let _ = writeln!(io::stdout(), "{clear}{text}");
        }
    }

    fn paint(&self, style: Style, text: impl Display) -> String {
        match self.has_colors {
            true => format!("{style}{text}{style:#}"),
            false => text.to_string(),
        }
    }

    fn at(&self, seconds: f64, text: impl Display) {
        self.line(format_args!("{} {text}", self.paint(FAINT, format_args!("{seconds:7.3} s"))));
    }

    /// Something worth knowing, also where standard output is for programs.
    pub fn note(&mut self, text: &str) {
        if self.is_silent {
            eprintln!("{text}");
        } else {
            self.line(text);
        }
    }

    pub(super) fn title(&mut self, is_raw: bool) {
        let transport = if is_raw { "raw IP, protocol 132" } else { "UDP encapsulation" };
        self.line(
            self.paint(TITLE, format_args!("Reliable Server Pooling over SCTP in user space ({transport})")),
        );
    }

    pub(super) fn process(&mut self, name: &str, address: Ipv4Addr, pid: u32) {
        self.line(format_args!(
            "  {name:<10} {address:<12} {}",
            self.paint(FAINT, format_args!("process {pid}"))
        ));
    }

    pub(super) fn connected(&mut self, seconds: f64, element: Option<usize>) {
        self.at(
            seconds,
            format_args!("the user is connected to {}, which knows nothing of it yet", name(element)),
        );
    }

    /// A line that is overwritten, on terminals.
    pub(super) fn progress(&mut self, seconds: f64, replies: u64) {
        if self.is_terminal && !self.is_silent {
            let mut out = io::stdout();
            let bar = "▪".repeat(usize::try_from(replies).unwrap_or(0).min(40));
            let _ = write!(out, "\r\x1b[K{} {bar}", self.paint(FAINT, format_args!("{seconds:7.3} s")));
            let _ = out.flush();
        }
    }

    pub(super) fn fault(&mut self, seconds: f64, element: usize, fault: Fault) {
        let style = if fault == Fault::Kill { BAD } else { COLD };
        self.at(seconds, self.paint(style, format_args!("{} is {}", name(Some(element)), fault.describe())));
    }

    pub(super) fn noticed(&mut self, begun: Option<Instant>, failover: &Failover) {
        let signal = failover.signal.map_or("", describe);
        let after = failover.noticed_ms.unwrap_or_default();
        self.at(since(begun), format_args!("the user is told by the network: {signal}, after {after:.1} ms"));
    }

    pub(super) fn taken_over(&mut self, begun: Option<Instant>, element: Option<usize>, failover: &Failover) {
        let took = failover.took_ms.unwrap_or_default();
        let from = if failover.has_cookie { "goes on from the cookie" } else { "starts anew" };
        let text = format!("{} {from}: first reply after {took:.1} ms", name(element));
        self.at(since(begun), self.paint(GOOD, text));
    }

    pub(super) fn summary(&mut self, report: &Report, timeline: &Timeline) {
        self.line("");
        for line in timeline.draw() {
            self.line(line);
        }
        self.line("");
        let counts = &report.counts;
        self.line(format_args!("  requests  {:>7}   sent once each by the application", counts.requests));
        self.line(format_args!("  replies   {:>7}   given to it", counts.replies));
        self.line(format_args!("  repeats   {:>7}   requests sent again after fail-overs", counts.repeats));
        self.line(format_args!("  twice     {:>7}   replies given a second time", counts.duplicates));
        self.line(format_args!("  gaps      {:>7}   in the elements' numbers of replies", counts.gaps));
        for failover in &report.failovers {
            self.line(format_args!("  {}", self.failover(failover)));
        }
        for problem in &report.problems {
            self.line(format_args!("  {}", self.paint(BAD, problem)));
        }
        self.line(match report.passed {
            true => self.paint(GOOD, "Nothing was lost, nothing was given twice."),
            false => self.paint(BAD, "Not all went well."),
        });
    }

    fn failover(&self, failover: &Failover) -> String {
        let what = failover.fault.map_or("given up without need", Fault::describe);
        let signal = failover.signal.map_or("not noticed", describe);
        let took =
            failover.took_ms.map_or("no reply".into(), |took| format!("{took:.1} ms to the next reply"));
        format!("{} {what}: {signal}, {took}", failover.element)
    }
}

fn since(begun: Option<Instant>) -> f64 {
    begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64())
}

fn name(element: Option<usize>) -> String {
    element.map_or("nobody".into(), |element| format!("element {element}"))
}

fn describe(signal: Ending) -> &'static str {
    match signal {
        Ending::Abort => "an ABORT",
        Ending::Icmp => "an ICMP message",
        Ending::TimeOut => "time-outs",
        Ending::Shutdown => "a SHUTDOWN",
        Ending::Other => "something else",
    }
}
