//! The running registrar: its lives, what signals do to it, what it tells.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rserpool::RegistrarId;
use rserpool::driver::{Error as DriverError, Registrar};
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use sctp_user::driver::{LeaseError, OpenError};
use sd_notify::NotifyState;
use socketapi::{Error as SocketError, Stack};

use super::line_queue::LineQueue;
use super::options::CHANGEABLE;
use super::watching::Watching;
use super::{Source, Told};
use crate::detach::PidFile;
use crate::limits::raise_descriptor_limit;
use crate::logging::Log;
use crate::program::{self, GLANCE};
use crate::service_manager::{Watchdog, tell};
use crate::signals::Signals;
use crate::transport::{carrier, explain};

/// How long the registrar's thread may take to show that it is alive.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the program is about.
pub(super) struct Service {
    source: Source,
    /// What it was started with, and of that what has been changed since.
    told: Told,
    id: RegistrarId,
    /// What the next life begins with.
    config: RegistrarConfig,
    signals: Signals,
    log: Log,
    stack: Stack,
    watching: Watching,
    /// Where lines for standard output wait, from the second one on.
    lines: Option<LineQueue>,
    watchdog: Watchdog,
    /// The service manager has been told that it serves.
    is_ready: bool,
    pid_file: Option<PidFile>,
}

/// What comes next.
#[derive(PartialEq)]
enum Next {
    GoOn,
    End,
}

impl Service {
    pub(super) fn start(source: Source, told: Told, signals: Signals) -> Result<Self, Box<dyn Error>> {
        let cli = &told.cli;
        let log = cli.log.start()?;
        raise_descriptor_limit();
        let builder = cli.transport_options()?.builder()?.watch_addresses(cli.mobile);
        let stack = builder.build().map_err(|error| explain(&error))?;
        let id = cli.id();
        let config = cli.config(id);
        let watching = cli.watching.start(&config)?;
        let watchdog = Watchdog::of_environment();
        Ok(Self {
            source,
            told,
            id,
            config,
            signals,
            log,
            stack,
            watching,
            lines: None,
            watchdog,
            is_ready: false,
            pid_file: None,
        })
    }

    /// Goes on until a signal ends it, and then ends its files.
    pub(super) fn run(mut self) -> Result<(), Box<dyn Error>> {
        let lived = self.live_on();
        let said =
            self.lines.take().map_or(Ok(()), |mut lines| lines.finish().map_err(|error| error.to_string()));
        let errors = [lived.map_err(|error| error.to_string()), self.watching.finish(), said];
        let errors: Vec<_> = errors.into_iter().filter_map(Result::err).collect();
        let end = if errors.is_empty() { Ok(()) } else { Err(errors.join("; ").into()) };
        // A daemon has no standard error that somebody reads.
        if let (Err(error), true) = (&end, self.told.cli.log.is_to_file()) {
            tracing::error!(%error, "ended");
        }
        end
    }

    /// Without a failure test, one life.
    fn live_on(&mut self) -> Result<(), Box<dyn Error>> {
        loop {
            let end = self.told.cli.outages.next_uptime().map(|uptime| Instant::now() + uptime);
            let next = self.live(end);
            self.watching.hide();
            if next? == Next::End || self.stay_away()? == Next::End {
                return Ok(());
            }
        }
    }

    fn live(&mut self, end: Option<Instant>) -> Result<Next, Box<dyn Error>> {
        let cli = &self.told.cli;
        let (config, options) = (self.config.clone(), cli.driver_options());
        let registrar = Registrar::start_observed(&self.stack, config, options, self.watching.observer());
        let registrar = registrar.map_err(|error| explain_port(&error).unwrap_or_else(|| error.into()))?;
        let registrar = Arc::new(registrar);
        let _reporter = cli.csp.report(&registrar)?;
        self.watching.show(&registrar);
        self.greet()?;
        while end.is_none_or(|end| Instant::now() < end) {
            if self.obey(Duration::ZERO, Some(&registrar))? == Next::End {
                return Ok(Next::End);
            }
            self.look_after(&registrar, end)?;
        }
        Ok(Next::GoOn)
    }

    /// It has started; it serves once it has learned what others know.
    fn greet(&mut self) -> Result<(), Box<dyn Error>> {
        let (id, over) = (self.id, reach(&self.stack));
        self.say(format_args!("registrar {id} on {}, {over}", program::list(&self.stack.local_addresses())))?;
        tracing::info!(%id, over, "started");
        if self.stack.why_not_raw().is_some() {
            tracing::warn!(
                "who speaks plain SCTP does not reach this registrar; if that is meant, say so: --udp"
            );
        }
        tell(&[NotifyState::Status("looking for other registrars")]);
        if let (None, Some(file)) = (&self.pid_file, &self.told.cli.daemonpidfile) {
            self.pid_file = Some(PidFile::write(file)?);
        }
        Ok(())
    }

    /// Waits a while for what happens to the registrar.
    fn look_after(&mut self, registrar: &Registrar, end: Option<Instant>) -> Result<(), Box<dyn Error>> {
        let times = [self.watching.look(registrar), end];
        let until = times.into_iter().flatten().fold(Instant::now() + GLANCE, Instant::min);
        match registrar.next_event(Some(until)) {
            Ok(event) => self.hear(&event)?,
            Err(DriverError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        self.watchdog.look_after(|| registrar.is_alive(PATIENCE));
        Ok(())
    }

    fn hear(&mut self, event: &RegistrarEvent) -> io::Result<()> {
        self.watching.hear(event);
        if *event == RegistrarEvent::Serving {
            let status = format!("registrar {} serves over {}", self.id, reach(&self.stack));
            tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
            self.is_ready = true;
        }
        match describe(event) {
            Some(text) => self.say(text),
            None => Ok(()),
        }
    }

    /// Says a line on standard output. Its reader may be slow, or read nothing: only the first line is waited for, since who goes on in
    /// the background has another standard output then.
    fn say(&mut self, line: impl Display) -> io::Result<()> {
        match &self.lines {
            _ if self.told.cli.quiet => {}
            Some(lines) => lines.write(line.to_string()),
            None => {
                program::say(line)?;
                self.lines = Some(LineQueue::to_standard_output()?);
            }
        }
        Ok(())
    }

    /// In a failure test: time without a registrar.
    fn stay_away(&mut self) -> Result<Next, Box<dyn Error>> {
        let downtime = self.told.cli.outages.next_downtime();
        self.say(format_args!("away for {:.3} s", downtime.as_secs_f64()))?;
        let end = Instant::now() + downtime;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            // Nobody is ill here.
            self.watchdog.look_after(|| true);
            if self.obey(left.min(GLANCE), None)? == Next::End {
                return Ok(Next::End);
            }
        }
        Ok(Next::GoOn)
    }

    /// Does what a signal says, if one comes.
    fn obey(&mut self, patience: Duration, registrar: Option<&Registrar>) -> io::Result<Next> {
        match self.signals.next(Some(patience))? {
            None => Ok(Next::GoOn),
            Some(Signal::SIGHUP) => {
                self.reload(registrar);
                Ok(Next::GoOn)
            }
            Some(_) => {
                tell(&[NotifyState::Stopping]);
                Ok(Next::End)
            }
        }
    }

    /// Reads the configuration again, and takes what can be changed while it runs.
    fn reload(&mut self, registrar: Option<&Registrar>) {
        // Before it serves, ready would be said too early.
        if self.is_ready {
            tell(&reloading());
        }
        match self.source.read_again(&self.told) {
            Ok(wanted) => self.take(wanted, registrar),
            Err(error) => keep(&error),
        }
        if self.is_ready {
            tell(&[NotifyState::Ready]);
        }
    }

    /// What needs a restart stays as it was, whatever else depends on it, and is named again at the next reload.
    fn take(&mut self, wanted: Told, registrar: Option<&Registrar>) {
        let told = match self.source.take_over(&self.told, &wanted) {
            Ok(told) => told,
            Err(error) => return keep(&error),
        };
        let differences = self.source.differences(&self.told.matches, &wanted.matches);
        let is_changeable = |name: &String| CHANGEABLE.contains(&name.as_str());
        let (mut taken, mut left): (Vec<_>, Vec<_>) = differences.into_iter().partition(is_changeable);
        let mut config = told.cli.config(self.id);
        // Also in the next life, since who resolves them was told at the start.
        let names = std::mem::replace(&mut config.enrp.names, self.config.enrp.names.clone());
        if names != config.enrp.names {
            left.push("peer (names)".into());
        }
        taken.retain(|name| name != "peer" || config.enrp.peers != self.config.enrp.peers);
        if let Some(Err(error)) = registrar.map(|registrar| registrar.reconfigure(config.clone())) {
            return keep(&error);
        }
        self.watching.reconfigure(&config);
        self.config = config;
        self.log.set(told.cli.log.filter());
        if !left.is_empty() {
            tracing::warn!(options = left.join(", "), "what was changed there needs a restart");
        }
        tracing::info!(changed = taken.join(", "), "the configuration was read again");
        self.told = told;
    }
}

/// A configuration cannot be taken.
fn keep(error: &dyn Error) {
    let error = error.to_string();
    let error = error.trim_end();
    tracing::error!(error, "the configuration is not taken, all stays as it was");
}

/// With the time, from which systemd tells the reload that it waits for (Type=notify-reload).
fn reloading() -> Vec<NotifyState<'static>> {
    let time = NotifyState::monotonic_usec_now().ok();
    std::iter::once(NotifyState::Reloading).chain(time).collect()
}

/// What carries its packets, and whom it does not reach by that.
fn reach(stack: &Stack) -> String {
    let why_not = match stack.why_not_raw() {
        Some(OpenError::KernelHasSctp) => ", and NOT over plain SCTP: this host's kernel has its own",
        Some(_) => ", and NOT over plain SCTP: that needs CAP_NET_RAW",
        None => "",
    };
    format!("{}{why_not}", carrier(stack))
}

/// What to do about a port that somebody else has.
fn explain_port(error: &DriverError) -> Option<Box<dyn Error>> {
    let DriverError::Socket(SocketError::Lease(lease)) = error else { return None };
    let LeaseError::Taken { port, pid } = **lease else { return None };
    Some(
        format!(
            "SCTP port {port} is taken by process {pid}, maybe another registrar: give this one another port \
             (-asap=ADDRESS:PORT; -enrp=ADDRESS:PORT for the other registrars), or an address that the other one does not use \
             (--local=ADDRESS, of both)"
        )
        .into(),
    )
}

/// What happened, in words, as far as it is of interest.
fn describe(event: &RegistrarEvent) -> Option<String> {
    Some(match event {
        RegistrarEvent::Registered { pool_handle, element, is_new: true } => {
            let transport = &element.user_transport;
            let addresses: Vec<_> =
                transport.addresses.iter().map(|ip| SocketAddr::new(*ip, transport.port)).collect();
            format!("{pool_handle}: {} registered at {}", element.id, program::list(&addresses))
        }
        RegistrarEvent::Rejected { pool_handle, pe_id, error } => {
            format!("{pool_handle}: {pe_id} rejected: {error}")
        }
        RegistrarEvent::Removed { pool_handle, element, reason } => {
            format!("{pool_handle}: {} removed ({reason})", element.id)
        }
        RegistrarEvent::Serving => "serving".into(),
        RegistrarEvent::PeerFound(id) => format!("registrar {id} found"),
        RegistrarEvent::TakeoverBegun { target } => {
            format!("registrar {target} is silent: asking the others whether to take it over")
        }
        RegistrarEvent::TakeoverGivenUp { target } => format!("registrar {target} is there again"),
        RegistrarEvent::TakenOver { target, by, elements } => {
            format!("registrar {target} is gone: {by} has taken {elements} elements over")
        }
        RegistrarEvent::Synchronized { peer } => format!("learned anew what registrar {peer} has"),
        _ => return None,
    })
}
