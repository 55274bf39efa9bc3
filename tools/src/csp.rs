//! Status reports to a monitor (CSP): options that the RSerPool programs have in common.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rserpool::RegistrarName;
use rserpool::csp::CSP_PORT;
use rserpool::driver::{Component, Reporter, ReporterOptions};

use crate::location::{self, Location};

/// Where to send status reports.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Status report options (CSP)")]
pub struct CspOptions {
    /// Report this program's state to a monitor, such as cspmonitor; by default to that in the environment's CSP_SERVER, if any
    #[arg(long, value_name = "A[:P]|NAME[:P]")]
    pub cspserver: Option<Monitor>,
    /// Time between reports, milliseconds, at least 250, or 0 for none; by default the environment's CSP_INTERVAL, or 1000
    #[arg(long, value_name = "MS", value_parser = interval)]
    pub cspinterval: Option<Duration>,
}

/// When nothing is said: RSPLIB's monitor shows what it has every second.
const USUAL_INTERVAL: Duration = Duration::from_secs(1);
/// More reports are of no use to anybody.
const SHORTEST_INTERVAL: u32 = 250;
/// What a report can tell, which is in microseconds.
const LONGEST_INTERVAL: u32 = u32::MAX / 1000;

/// Where reports go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Monitor {
    /// There.
    Address(SocketAddr),
    /// To the host of this name, which is looked up when reports begin, and to this port.
    Name(String, u16),
}

impl FromStr for Monitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Location::parse(text, CSP_PORT) {
            Ok(Location::Name(RegistrarName::Host { name, port })) => Ok(Self::Name(name, port)),
            _ => address(text).map(Self::Address),
        }
    }
}

impl Monitor {
    fn look_up(&self) -> Result<SocketAddr, String> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(*address),
            Self::Name(name, port) => (name.as_str(), *port),
        };
        let found = (name, port).to_socket_addrs();
        let mut found = found.map_err(|error| format!("the monitor {name} is not found: {error}"))?;
        found.next().ok_or_else(|| format!("the monitor {name} has no address"))
    }
}

/// An address, of which the port may be left out.
///
/// # Errors
/// What is wrong with it.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let found = location::address(text).map(|(ip, port)| SocketAddr::new(ip, port.unwrap_or(CSP_PORT)));
    found.ok_or_else(|| format!("ADDRESS or ADDRESS:PORT is needed, e.g. 192.0.2.1:{CSP_PORT}"))
}

fn interval(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(millis @ (0 | SHORTEST_INTERVAL..=LONGEST_INTERVAL)) => Ok(Duration::from_millis(millis.into())),
        _ => Err(format!("0, or {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}, is needed")),
    }
}

/// What the environment says of an option that was not given.
fn or_environment<T>(
    given: Option<T>,
    variable: &str,
    environment: impl Fn(&str) -> Option<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(text) = given.is_none().then(|| environment(variable)).flatten() else { return Ok(given) };
    parse(&text).map(Some).map_err(|error| format!("the environment's {variable}={text}: {error}"))
}

impl CspOptions {
    /// Reports on a component until what this returns is dropped; nothing, if nobody wants reports.
    ///
    /// # Errors
    /// What is wrong with the environment's options; the system's.
    pub fn report<C: Component>(&self, component: &Arc<C>) -> Result<Option<Reporter>, Box<dyn Error>> {
        let Some(options) = self.options(|name| std::env::var(name).ok())? else { return Ok(None) };
        Ok(Some(Reporter::start(options, Arc::clone(component))?))
    }

    /// Whether what these options, and the environment, say has a meaning; nobody is looked up.
    ///
    /// # Errors
    /// What has none.
    pub fn check(&self) -> Result<(), String> {
        self.wanted(|name| std::env::var(name).ok()).map(|_| ())
    }

    fn options(
        &self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<ReporterOptions>, String> {
        let Some((monitor, interval)) = self.wanted(environment)? else { return Ok(None) };
        Ok(Some(ReporterOptions { monitor: monitor.look_up()?, interval }))
    }

    fn wanted(
        &self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<(Monitor, Duration)>, String> {
        let Some(monitor) = or_environment(self.cspserver.clone(), "CSP_SERVER", &environment, str::parse)?
        else {
            return Ok(None);
        };
        let interval = or_environment(self.cspinterval, "CSP_INTERVAL", &environment, interval)?;
        let interval = interval.unwrap_or(USUAL_INTERVAL);
        Ok((!interval.is_zero()).then_some((monitor, interval)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(cspserver: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
        let options = CspOptions { cspserver: cspserver.map(|at| at.parse().unwrap()), cspinterval: None };
        let look =
            |name: &str| environment.iter().find(|(of, _)| *of == name).map(|(_, to)| (*to).to_owned());
        let found = options.options(look)?;
        Ok(found.map_or("none".into(), |found| format!("{} {:?}", found.monitor, found.interval)))
    }

    #[test]
    fn what_is_not_given_is_taken_from_the_environment() {
        assert_eq!(options(None, &[]).unwrap(), "none");
        assert_eq!(options(None, &[("CSP_INTERVAL", "500")]).unwrap(), "none");
        assert_eq!(options(Some("192.0.2.1"), &[]).unwrap(), "192.0.2.1:2960 1s");
        let both = [("CSP_SERVER", "[2001:db8::1]:7"), ("CSP_INTERVAL", "500")];
        assert_eq!(options(None, &both).unwrap(), "[2001:db8::1]:7 500ms");
        assert_eq!(options(Some("192.0.2.1:9"), &both).unwrap(), "192.0.2.1:9 500ms");
        assert_eq!(options(Some("192.0.2.1"), &[("CSP_INTERVAL", "0")]).unwrap(), "none");
    }

    #[test]
    fn what_is_wrong_in_the_environment_is_told() {
        let error = options(None, &[("CSP_SERVER", "192.0.2.1,192.0.2.2")]).unwrap_err();
        assert!(error.starts_with("the environment's CSP_SERVER=192.0.2.1,192.0.2.2: ADDRESS"), "{error}");
        for wrong in ["249", "-1", "x", "4294968"] {
            assert!(options(Some("192.0.2.1"), &[("CSP_INTERVAL", wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_monitor_may_have_a_name() {
        let found = options(Some("localhost:7"), &[]).unwrap();
        assert!(["127.0.0.1:7 1s", "[::1]:7 1s"].contains(&&found[..]), "{found}");
        assert_eq!("monitor.example".parse(), Ok(Monitor::Name("monitor.example".into(), CSP_PORT)));
        let error = options(Some("nobody.invalid"), &[]).unwrap_err();
        assert!(error.starts_with("the monitor nobody.invalid is not found: "), "{error}");
        for wrong in ["", "tcp:a", "_csp._sctp.example", "a:0", "192.0.2.1,192.0.2.2"] {
            assert!(wrong.parse::<Monitor>().is_err(), "{wrong}");
        }
    }
}
