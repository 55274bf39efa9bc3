//! How a registrar can be watched: files of statistics, and pages for probes and Prometheus.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use parking_lot::Mutex;
use rserpool::driver::{Observer, Registrar};
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};

use super::action_log::ActionLog;
use super::metrics::Snapshot;
use super::statistics_file::Statistics;
use crate::http::{HttpServer, Page};

/// How long the registrar's thread may take to show that it is alive.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is written down, and what can be asked.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of statistics")]
pub(super) struct WatchingOptions {
    /// Answer at this address by HTTP: /metrics (for Prometheus), /healthz (200 if it is alive), /readyz (200 if it serves)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) metrics: Option<SocketAddr>,
    /// Write a line of statistics to this file for each interval; compressed if it is named .bz2
    #[arg(long, value_name = "FILE")]
    pub(super) statsfile: Option<PathBuf>,
    /// Time between lines of statistics, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=36_000_000))]
    pub(super) statsinterval: u64,
    /// Write each message that it hears or says to this file; compressed if it is named .bz2
    #[arg(long, value_name = "FILE")]
    pub(super) actionlogfile: Option<PathBuf>,
    /// Write totals and averages to this file at the end
    #[arg(long, value_name = "FILE")]
    pub(super) scalar: Option<PathBuf>,
    /// What totals and averages are said to be of
    #[arg(long, value_name = "NAME", default_value = "registrar")]
    pub(super) object: String,
}

/// A registrar that is there, or not, in a failure test.
type Shown = Arc<Mutex<Option<Arc<Registrar>>>>;

/// Who watches.
pub(super) struct Watching {
    statistics: Statistics,
    actions: Option<Arc<Mutex<ActionLog>>>,
    shown: Shown,
    _server: Option<HttpServer>,
}

impl WatchingOptions {
    /// Opens files, and the port.
    ///
    /// # Errors
    /// In words.
    pub(super) fn start(&self, config: &RegistrarConfig) -> Result<Watching, String> {
        let scalar = self.scalar.as_deref().map(|path| (path, self.object.as_str()));
        let interval = Duration::from_millis(self.statsinterval);
        let words = |error: io::Error| error.to_string();
        let statistics = Statistics::start(self.statsfile.as_deref(), interval, scalar).map_err(words)?;
        let log = |path: &PathBuf| {
            let log = ActionLog::create(path, config.id, config.format, config.keep_alive_interval);
            log.map(|log| Arc::new(Mutex::new(log))).map_err(words)
        };
        let actions = self.actionlogfile.as_ref().map(log).transpose()?;
        let shown = Shown::default();
        let server = self.metrics.map(|address| serve(address, &shown)).transpose()?;
        Ok(Watching { statistics, actions, shown, _server: server })
    }
}

fn serve(address: SocketAddr, shown: &Shown) -> Result<HttpServer, String> {
    let shown = Arc::clone(shown);
    let server = HttpServer::start(address, move |path| page(path, &shown));
    server.map_err(|error| format!("--metrics: cannot listen at {address}: {error}"))
}

fn page(path: &str, shown: &Shown) -> Option<Page> {
    if !["/metrics", "/healthz", "/readyz"].contains(&path) {
        return None;
    }
    let shown = shown.lock();
    let Some(registrar) = shown.as_ref().filter(|registrar| registrar.is_alive(PATIENCE)) else {
        return Some(Page::line(503, "the registrar does not answer"));
    };
    Some(match path {
        "/metrics" => Snapshot::take(registrar).page(),
        "/readyz" if !registrar.inspect(|machine| machine.is_serving()) => {
            Page::line(503, "the registrar learns from others: it does not serve yet")
        }
        _ => Page::line(200, "ok"),
    })
}

impl Watching {
    /// Who is to be told what the next registrar hears and says.
    pub(super) fn observer(&self) -> Option<Observer> {
        let actions = Arc::clone(self.actions.as_ref()?);
        Some(Box::new(move |observation| actions.lock().observe(observation)))
    }

    /// The registrar has other settings now.
    pub(super) fn reconfigure(&self, config: &RegistrarConfig) {
        if let Some(actions) = &self.actions {
            actions.lock().set_keep_alive_interval(config.keep_alive_interval);
        }
    }

    /// A registrar begins its life.
    pub(super) fn show(&self, registrar: &Arc<Registrar>) {
        *self.shown.lock() = Some(Arc::clone(registrar));
    }

    /// Looks at it. When to look again, if there is a time for it.
    pub(super) fn look(&mut self, registrar: &Registrar) -> Option<Instant> {
        if self.statistics.next()? <= Instant::now() {
            registrar.inspect(|machine| self.statistics.take(machine));
        }
        self.statistics.next()
    }

    /// Something happened to an element.
    pub(super) fn hear(&self, event: &RegistrarEvent) {
        if let (Some(actions), RegistrarEvent::Removed { pool_handle, element, reason }) =
            (&self.actions, event)
        {
            actions.lock().removed(pool_handle, element.id, *reason);
        }
    }

    /// The last life is over.
    ///
    /// # Errors
    /// Which files do not have all that belongs to them, and why.
    pub(super) fn finish(self) -> Result<(), String> {
        let mut errors = self.statistics.finish();
        errors.extend(self.actions.and_then(|actions| actions.lock().finish().err()));
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }

    /// Its life is over.
    pub(super) fn hide(&mut self) {
        if let Some(registrar) = self.shown.lock().take() {
            registrar.inspect(|machine| self.statistics.take(machine));
        }
        self.statistics.end_life();
    }
}
