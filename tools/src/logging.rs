//! Log options that the RSerPool programs have in common.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Mutex;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged, and where.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Log options")]
pub struct LogOptions {
    /// How much to log: 0 nothing, 1 errors, 2-3 warnings, 4-5 information, 6-7 details, 8-9 everything. The
    /// environment variable RUST_LOG goes further, e.g. RUST_LOG=rserpool=trace
    #[arg(long, value_name = "0-9", default_value_t = 2)]
    pub loglevel: u8,
    /// Log more: -v information, -vv details, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Log to this file instead of standard error; of this and --logappend the last one counts
    #[arg(long, value_name = "FILE", overrides_with = "logappend")]
    pub logfile: Option<PathBuf>,
    /// Append the log to this file
    #[arg(long, value_name = "FILE", overrides_with = "logfile")]
    pub logappend: Option<PathBuf>,
    /// Log nothing
    #[arg(long)]
    pub logquiet: bool,
    /// Colours in the log: by default where standard error is a terminal
    #[arg(long, value_name = "on|off")]
    pub logcolor: Option<Switch>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    #[value(alias = "yes")]
    On,
    /// No.
    #[value(alias = "no")]
    Off,
}

/// The log of this program.
pub struct Log {
    set: Box<dyn Fn(EnvFilter) + Send>,
}

impl Log {
    /// Starts to log what passes the filter.
    pub fn start<W>(writer: W, color: bool, filter: EnvFilter) -> Self
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let builder = tracing_subscriber::fmt().with_writer(writer).with_ansi(color);
        let builder = builder.with_env_filter(filter).with_filter_reloading();
        let handle = builder.reload_handle();
        builder.init();
        Self {
            set: Box::new(move |filter| {
                // Fails only when nothing is logged any more.
                let _ = handle.reload(filter);
            }),
        }
    }

    /// Logs what passes this filter from now on.
    pub fn set(&self, filter: EnvFilter) {
        (self.set)(filter);
    }
}

impl LogOptions {
    /// Starts logging. What is logged can be changed by what this returns.
    ///
    /// # Errors
    /// When the log file cannot be opened.
    pub fn start(&self) -> io::Result<Log> {
        let file = self.file()?;
        let is_terminal = file.is_none() && io::stderr().is_terminal();
        let color = self.logcolor.map_or(is_terminal, |switch| switch == Switch::On);
        Ok(match file {
            Some(file) => Log::start(Mutex::new(file), color, self.filter()),
            None => Log::start(io::stderr, color, self.filter()),
        })
    }

    /// Whether standard error does not get it.
    pub fn is_to_file(&self) -> bool {
        self.logfile.is_some() || self.logappend.is_some()
    }

    fn file(&self) -> io::Result<Option<File>> {
        let opened = match (&self.logfile, &self.logappend) {
            (Some(path), _) => File::create(path),
            (None, Some(path)) => OpenOptions::new().append(true).create(true).open(path),
            (None, None) => return Ok(None),
        };
        let path = self.logfile.as_ref().or(self.logappend.as_ref());
        let name = path.map(|path| path.display().to_string()).unwrap_or_default();
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot open the log {name}: {error}"));
        opened.map(Some).map_err(named)
    }

    /// What is to be logged.
    pub fn filter(&self) -> EnvFilter {
        let level = match (self.logquiet, self.loglevel.max(2 + 2 * self.verbose.min(3))) {
            (true, _) => "off",
            (false, _) if self.verbose == 0 && self.loglevel < 2 => {
                ["off", "error"][usize::from(self.loglevel)]
            }
            (false, 0..=3) => "warn",
            (false, 4..=5) => "info",
            (false, 6..=7) => "debug",
            (false, _) => "trace",
        };
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        log: LogOptions,
    }

    fn options(arguments: &[&str]) -> LogOptions {
        Cli::try_parse_from(["program"].iter().chain(arguments)).unwrap().log
    }

    #[test]
    fn of_two_files_the_last_one_counts() {
        // As with RSPLIB's programs.
        let log = options(&["--logfile=a", "--logappend=b"]);
        assert_eq!((log.logfile, log.logappend), (None, Some("b".into())));
        let log = options(&["--logappend=b", "--logfile=a"]);
        assert_eq!((log.logfile, log.logappend), (Some("a".into()), None));
    }

    #[test]
    fn colours_are_switched_by_on_and_yes() {
        assert_eq!(options(&["--logcolor=yes"]).logcolor, Some(Switch::On));
        assert_eq!(options(&["--logcolor=on"]).logcolor, Some(Switch::On));
        assert_eq!(options(&["--logcolor=off"]).logcolor, Some(Switch::Off));
    }
}
