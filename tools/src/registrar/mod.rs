//! `rspregistrar`: a registrar as a program.

mod options;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use rserpool::driver::Registrar;
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use socketapi::Stack;

use crate::signals::Signals;
use crate::{program, transport};
use options::{Cli, IGNORED};

/// The program.
pub fn main() -> ExitCode {
    let cli: Cli = program::parse(IGNORED);
    program::run("rspregistrar", |signals| serve(&cli, signals))
}

fn serve(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.transport.builder()?.watch_addresses(cli.mobile).build()?;
    let config = cli.config();
    loop {
        let end = cli.outages.next_uptime().map(|uptime| Instant::now() + uptime);
        if live(cli, &stack, &config, signals, end)? {
            return Ok(());
        }
        let downtime = cli.outages.next_downtime();
        if !cli.quiet {
            program::say(format_args!("away for {:.3} s", downtime.as_secs_f64()))?;
        }
        if signals.wait(Some(downtime))? {
            return Ok(());
        }
    }
}

/// One life of the registrar. Whether a signal ended it.
fn live(
    cli: &Cli,
    stack: &Stack,
    config: &RegistrarConfig,
    signals: &Signals,
    end: Option<Instant>,
) -> Result<bool, Box<dyn Error>> {
    let registrar = Arc::new(Registrar::start(stack, config.clone(), cli.driver_options())?);
    let _reporter = cli.csp.report(&registrar)?;
    if !cli.quiet {
        program::say(format_args!(
            "registrar {} on {}, {}",
            config.id,
            program::list(&stack.local_addresses()),
            transport::carrier(stack)
        ))?;
    }
    while end.is_none_or(|end| Instant::now() < end) {
        if signals.have_come()? {
            return Ok(true);
        }
        match registrar.next_event(Some(Instant::now() + program::GLANCE)) {
            Ok(event) if !cli.quiet => tell(&event)?,
            Ok(_) | Err(rserpool::driver::Error::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn tell(event: &RegistrarEvent) -> io::Result<()> {
    match event {
        RegistrarEvent::Registered { pool_handle, element, is_new: true } => {
            let transport = &element.user_transport;
            let addresses: Vec<_> =
                transport.addresses.iter().map(|ip| SocketAddr::new(*ip, transport.port)).collect();
            program::say(format_args!(
                "{pool_handle}: {} registered at {}",
                element.id,
                program::list(&addresses)
            ))
        }
        RegistrarEvent::Rejected { pool_handle, pe_id, error } => {
            program::say(format_args!("{pool_handle}: {pe_id} rejected: {error}"))
        }
        RegistrarEvent::Removed { pool_handle, element, reason } => {
            program::say(format_args!("{pool_handle}: {} removed ({reason})", element.id))
        }
        RegistrarEvent::Serving => program::say(format_args!("serving")),
        RegistrarEvent::PeerFound(id) => program::say(format_args!("registrar {id} found")),
        RegistrarEvent::TakeoverBegun { target } => program::say(format_args!(
            "registrar {target} is silent: asking the others whether to take it over"
        )),
        RegistrarEvent::TakeoverGivenUp { target } => {
            program::say(format_args!("registrar {target} is there again"))
        }
        RegistrarEvent::TakenOver { target, by, elements } => {
            program::say(format_args!("registrar {target} is gone: {by} has taken {elements} elements over"))
        }
        RegistrarEvent::Synchronized { peer } => {
            program::say(format_args!("learned anew what registrar {peer} has"))
        }
        _ => Ok(()),
    }
}
