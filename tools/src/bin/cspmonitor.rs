//! Shows what registrars, pool elements and pool users report of themselves.

use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use rserpool::csp::ComponentId;
use sctp_tools::monitor::components::{Change, Component};
use sctp_tools::monitor::options::Options;
use sctp_tools::monitor::plain::{Json, Line};
use sctp_tools::monitor::{Ears, screen};
use sctp_tools::program;
use sctp_tools::signals::Signals;

fn main() -> ExitCode {
    let options: Options = program::parse(&["cspserver", "cspinterval"]);
    program::run("cspmonitor", |signals| monitor(&options, signals))
}

fn monitor(options: &Options, signals: &Signals) -> Result<(), Box<dyn Error>> {
    options.log.start()?;
    let at = options.localaddress.look_up()?;
    let mut ears = Ears::open(at, Duration::from_millis(options.purgeinterval))
        .map_err(|error| format!("cannot listen at {at} (UDP): {error}"))?;
    if !options.json && io::stdout().is_terminal() {
        return Ok(screen::show(&mut ears, options, signals)?);
    }
    program::complain(format_args!("listening at {}", ears.local_addr()?));
    let tell = |id: ComponentId, change: Change, component: &Component| {
        let line = Line { id, change, component };
        match options.json {
            true => program::say(serde_json::to_string(&Json::new(&line))?),
            false => program::say(line),
        }
    };
    while !signals.have_come()? {
        ears.listen(program::GLANCE, tell)?;
    }
    Ok(())
}
