//! `sctpd`: one SCTP stack for the programs of many users.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sctp_tools::daemon::{self, Config, ConfigError, DEFAULT_FILE, FILE_VARIABLE, Sources, StartError};
use sctp_tools::program;
use sctp_tools::transport::TransportOptions;

/// Exit codes: as for a service that systemd asks for its status.
const WRONG: u8 = 2;
const NOT_RUNNING: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  sctpd                                          over raw IP where that is permitted, else over UDP
  sctpd --udp --local 192.0.2.1                  no privilege is needed
  sctpd --config /etc/sctpd.toml --check-config
  SCTPD_LIMITS_SOCKETS=100 sctpd --set log=info --print-config
  sctpd --status                                 what a running one does, and for whom
  sctp-run ./server                              uses it

Configuration: /etc/sctpd.toml, if it is there; then the environment, where SCTPD_LOG is the key `log` and \
SCTPD_LIMITS_SOCKETS the key `sockets` of [limits]; then the command line. What comes later goes before. The sample \
sctpd.toml explains each key.

Signals: SIGHUP reads the configuration again; access, limits, stop_ms and log are changed at once, and what needs a \
restart is named in the log. SIGTERM and SIGINT: programs get no more service, what they have written is sent, and \
associations are shut down, within stop_ms; a second one ends all at once, with ABORTs.

Trust: clients are known by the kernel (SO_PEERCRED). sctp-run uses an sctpd of root, of the user `sctpd`, or of its own \
user. One sctpd serves a network namespace.

Exit codes: 0 ended as asked, or the configuration is good, or --status found one; 1 cannot start, or go on; 2 wrong usage or \
configuration; 3 --status found none.";

/// Serves SCTP sockets to unmodified programs of many users, over one stack. Programs run under sctp-run, which finds it.
#[derive(Parser, Debug)]
#[command(name = "sctpd", version, after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    transport: TransportOptions,
    /// The configuration [default: $SCTPD_CONFIG, else /etc/sctpd.toml if it is there]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a key of the configuration, such as limits.sockets=100; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Say what is wrong with the configuration, and leave
    #[arg(long, group = "instead")]
    check_config: bool,
    /// Print the configuration as it is with environment and command line, and leave
    #[arg(long, group = "instead")]
    print_config: bool,
    /// Ask the running sctpd what it does, and leave
    #[arg(long, group = "instead")]
    status: bool,
    /// With --status: as JSON
    #[arg(long, requires = "status")]
    json: bool,
}

impl Options {
    fn file(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
        let usual = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
        self.config.clone().or_else(variable).or_else(usual)
    }

    fn read(&self) -> Result<Config, ConfigError> {
        let environment = std::env::vars_os();
        // What is no text is none of our variables.
        let environment =
            environment.filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let sources =
            Sources { set: &self.set, environment: environment.collect(), transport: Some(&self.transport) };
        Config::read(self.file().as_deref(), &sources)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.status {
        return show_status(&options);
    }
    let result = if options.check_config {
        options.read().and_then(|config| daemon::check(&config)).map_err(Into::into)
    } else if options.print_config {
        options.read().map_err(Into::into).and_then(|config| print(&config))
    } else {
        let transport = options.transport.clone();
        daemon::run(&transport, move || options.read())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sctpd: {error}");
            ExitCode::from(if matches!(error, StartError::Config(_)) { WRONG } else { 1 })
        }
    }
}

fn print(config: &Config) -> Result<(), StartError> {
    let text = toml::to_string(config).map_err(|error| StartError::Host(error.to_string()))?;
    program::say(text.trim_end()).map_err(|error| StartError::Host(error.to_string()))
}

fn show_status(options: &Options) -> ExitCode {
    let config = match options.read() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("sctpd: {error}");
            return ExitCode::from(WRONG);
        }
    };
    let said = match daemon::status(&config.name) {
        Ok(status) if options.json => serde_json::to_string(&status).unwrap_or_default(),
        Ok(status) => status.to_string(),
        Err(reason) => {
            eprintln!("sctpd: {reason}");
            return ExitCode::from(NOT_RUNNING);
        }
    };
    match program::say(said) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sctpd: {error}");
            ExitCode::FAILURE
        }
    }
}
