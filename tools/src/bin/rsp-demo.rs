//! Shows Reliable Server Pooling at work.

use std::process::ExitCode;

use clap::Parser;
use sctp_tools::demo::options::Options;
use sctp_tools::demo::role;
use sctp_tools::demo::screen::Screen;
use sctp_tools::demo::script::{self, Failure};
use sctp_tools::program;
use sctp_tools::signals::Signals;

/// As shells report a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(role) = &options.role {
        return role::play(role);
    }
    let mut screen = Screen::new(options.json);
    let outcome = Signals::hold()
        .map_err(Failure::from)
        .and_then(|signals| script::run(&options, &signals, &mut screen));
    match outcome {
        Ok(report) => {
            let mut told = Ok(());
            if options.json {
                told = program::say(report.to_json());
            }
            if let Err(error) = told {
                eprintln!("rsp-demo: {error}");
                return ExitCode::FAILURE;
            }
            if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(Failure::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("rsp-demo: {error}");
            ExitCode::FAILURE
        }
    }
}
