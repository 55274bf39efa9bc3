//! `rspregistrar`: a registrar as a program.

mod action_log;
mod check;
mod line_file;
mod line_queue;
mod metrics;
mod options;
mod process;
mod service;
mod statistics_file;
mod timers;
mod watching;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use nix::sys::signal::Signal;

use crate::config_file::{self, ConfigFileError};
use crate::program::{self, complain};
use crate::rsplib;
use crate::signals::Signals;
use options::{CHANGEABLE, CLAMPED, Cli};
use service::Service;

/// Exit code for what the program is told wrongly.
const WRONG: u8 = 2;

/// The program.
pub fn main() -> ExitCode {
    process::begin();
    let source = Source::of_command_line();
    match source.read() {
        Ok(told) if told.cli.check_config => ExitCode::SUCCESS,
        Ok(told) => run(source, told),
        Err(SourceError::Options(ConfigFileError::CommandLine(error))) => error.exit(),
        Err(error) => {
            complain(format_args!("rspregistrar: {error}"));
            ExitCode::from(WRONG)
        }
    }
}

fn run(source: Source, told: Told) -> ExitCode {
    let pid_file = told.cli.daemonpidfile.clone();
    program::run_by_itself("rspregistrar", pid_file.as_deref(), || {
        // Before any thread starts, so that all of them leave signals alone.
        let signals = Signals::hold_all(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
        Service::start(source, told, signals)?.run()
    })
}

/// Where the program is told what to do; it can be read again.
struct Source {
    command: Command,
    arguments: Vec<OsString>,
}

/// Why it is not known what to do.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    /// An option, or the file.
    #[error(transparent)]
    Options(#[from] ConfigFileError),
    /// Options that do not go together.
    #[error("{0}")]
    Together(String),
}

/// What it says.
struct Told {
    cli: Cli,
    matches: ArgMatches,
}

impl Told {
    fn new(matches: ArgMatches) -> Result<Self, ConfigFileError> {
        Ok(Self { cli: Cli::from_arg_matches(&matches)?, matches })
    }
}

impl Source {
    /// In GNU's and in RSPLIB's spelling; tells of what is taken otherwise than it is said.
    fn of_command_line() -> Self {
        let (arguments, _) = rsplib::arguments(program::clamped_arguments(CLAMPED), &[]);
        Self { command: Cli::command().args_override_self(true), arguments }
    }

    /// What it says now, if a registrar can be started so.
    fn read(&self) -> Result<Told, SourceError> {
        let told = Told::new(config_file::read(&self.command, &self.arguments)?)?;
        told.cli.check().map_err(SourceError::Together)?;
        Ok(told)
    }

    /// The same for a registrar that runs.
    fn read_again(&self, running: &Told) -> Result<Told, SourceError> {
        if let Some(file) = &running.cli.config {
            config_file::check_readable_again(file)?;
        }
        self.read()
    }

    /// What a running registrar goes on with: of what is wanted only what it takes.
    fn take_over(&self, running: &Told, wanted: &Told) -> Result<Told, SourceError> {
        let is_changeable = |name: &str| CHANGEABLE.contains(&name);
        let matches = config_file::take_over(&self.command, &running.matches, &wanted.matches, is_changeable);
        Ok(Told::new(matches.map_err(SourceError::Together)?)?)
    }

    /// The options that differ.
    fn differences(&self, before: &ArgMatches, after: &ArgMatches) -> Vec<String> {
        config_file::differences(&self.command, before, after)
    }
}
