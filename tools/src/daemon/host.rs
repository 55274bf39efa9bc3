//! The running daemon: how it starts, what signals do to it, how it ends.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use sctp_service::{Control, Listener, Service};
use sd_notify::NotifyState;
use socketapi::Stack;
use tracing_subscriber::EnvFilter;

use super::access::rules;
use super::config::{Config, ConfigError};
use super::privileges;
use crate::limits::raise_descriptor_limit;
use crate::logging::Log;
use crate::service_manager::tell;
use crate::signals::Signals;
use crate::transport::{TransportOptions, carrier, explain};

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It is told what cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host refuses something.
    #[error("{0}")]
    Host(String),
}

/// In words, for whoever started it.
fn host(error: impl ToString) -> StartError {
    StartError::Host(error.to_string())
}

/// Serves until SIGTERM or SIGINT comes. `read` reads the configuration, again for each SIGHUP.
///
/// # Errors
/// [`StartError`].
pub fn run(
    flags: &TransportOptions,
    read: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
) -> Result<(), StartError> {
    let config = read()?;
    let control = Control::new(rules(&config)?).map_err(host)?;
    let log = Log::start(std::io::stderr, false, EnvFilter::new(&config.log));
    // Before any thread starts, so that all of them leave signals alone.
    let signals = Signals::hold_all(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]).map_err(host)?;
    raise_descriptor_limit();
    // Whose the name is counts from now on: what root has bound is trusted by all.
    let listener = Listener::bind(&config.name).map_err(|error| already_runs(&config.name, &error))?;
    privileges::become_user(&config).map_err(host)?;
    let stack = open_stack(&config, flags, &control)?;
    privileges::drop_all().map_err(host)?;
    let over = carrier(&stack);
    let held = Arc::new(Mutex::new(Some(stack.clone())));
    let service = Service::open(stack, listener, control.clone()).map_err(host)?;
    tracing::info!(name = config.name, over, "serving");
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving over {over}"))]);
    let daemon = Daemon { config, control, log, held: Arc::clone(&held) };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || daemon.obey(&signals, read))
        .map_err(host)?;
    let result = service.run(None).map_err(host);
    // The last handle: associations still end in good order, within the same bound.
    drop(held.lock().take());
    result
}

/// Whether a daemon could be told so: users and groups are looked up, too.
///
/// # Errors
/// What is wrong.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    rules(config).map(|_| ())
}

fn open_stack(config: &Config, flags: &TransportOptions, control: &Control) -> Result<Stack, StartError> {
    let users = control.clone();
    let builder = config.transport_options(flags)?.builder().map_err(host)?;
    let builder = builder
        .defaults(config.defaults.parameters())
        .linger(Duration::from_millis(config.stop_ms))
        .tell_users(move || users.users());
    builder.build().map_err(|error| host(explain(&error)))
}

fn already_runs(name: &str, error: &sctp_service::ServiceError) -> StartError {
    let found = super::probe(name);
    match found {
        super::Probe::Absent | super::Probe::Failed(_) => host(error),
        found => StartError::Host(format!("{error}: {}", found.describe())),
    }
}

/// What signals are done to.
struct Daemon {
    config: Config,
    control: Control,
    log: Log,
    held: Arc<Mutex<Option<Stack>>>,
}

impl Daemon {
    fn obey(mut self, signals: &Signals, read: impl Fn() -> Result<Config, ConfigError>) {
        let mut stopping = false;
        loop {
            match signals.next(None) {
                Ok(None) => {}
                Ok(Some(Signal::SIGHUP)) => self.reload(&read),
                Ok(Some(_)) if !std::mem::replace(&mut stopping, true) => self.stop(),
                Ok(Some(_)) => self.end_at_once(),
                Err(error) => {
                    tracing::error!(%error, "signals cannot be waited for");
                    return self.stop();
                }
            }
        }
    }

    fn stop(&self) {
        tracing::info!("stopping: associations are shut down");
        tell(&[NotifyState::Stopping]);
        self.control.stop(Duration::from_millis(self.config.stop_ms));
    }

    /// Associations are aborted, so that peers need not wait.
    fn end_at_once(&self) {
        if let Some(stack) = self.held.lock().take() {
            stack.close();
        }
        std::process::exit(0);
    }

    /// Takes what can be changed while it runs: access, limits, what is logged.
    fn reload(&mut self, read: impl Fn() -> Result<Config, ConfigError>) {
        tell(&[NotifyState::Reloading]);
        match read().and_then(|config| Ok((rules(&config)?, config))) {
            Ok((rules, config)) => {
                self.control.set_rules(rules);
                self.log.set(EnvFilter::new(&config.log));
                let restart = self.config.needs_restart(&config);
                if !restart.is_empty() {
                    tracing::warn!(keys = restart.join(", "), "what was changed there needs a restart");
                }
                tracing::info!("the configuration was read again");
                // What needs a restart stays as it was, and is named again at the next reload.
                self.config.access = config.access;
                self.config.limits = config.limits;
                self.config.stop_ms = config.stop_ms;
            }
            Err(error) => tracing::error!(%error, "the configuration is not taken, all stays as it was"),
        }
        tell(&[NotifyState::Ready]);
    }
}
