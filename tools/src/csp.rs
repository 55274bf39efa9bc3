//! Status reports to a monitor (CSP): options that the RSerPool programs have in common.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rserpool::csp::CSP_PORT;
use rserpool::driver::{Component, NameOptions, Reporter, ReporterOptions};
use rserpool::{Profile, RegistrarName};

use crate::location::{self, Location};

/// Where to send status reports.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Status report options (CSP)")]
pub struct CspOptions {
    /// Report this program's state to a monitor, such as cspmonitor; by default to that in the environment's CSP_SERVER, if any; with
    /// --cspinterval alone to 127.0.0.1
    #[arg(long, value_name = "A[:P]|NAME[:P]")]
    pub cspserver: Option<Monitor>,
    /// Time between reports, milliseconds, or 0 for none; what is shorter than 250 is taken for 250. By default the environment's
    /// CSP_INTERVAL, or 1000
    #[arg(long, value_name = "MS", value_parser = interval)]
    pub cspinterval: Option<Duration>,
}

/// When nothing is said: RSPLIB's monitor shows what it has every second.
const USUAL_INTERVAL: Duration = Duration::from_secs(1);
/// More reports are of no use to anybody.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);
/// What a report can tell, which is in microseconds.
const LONGEST_INTERVAL: u32 = u32::MAX / 1000;

/// Where a monitor is: at an address, or at the first one of a host's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor(Location);

impl FromStr for Monitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Location::parse(text, CSP_PORT) {
            Ok(location @ Location::Name(RegistrarName::Host { .. })) => Ok(Self(location)),
            _ => address(text).map(Into::into),
        }
    }
}

impl From<SocketAddr> for Monitor {
    fn from(address: SocketAddr) -> Self {
        Self(Location::Addresses(address.into()))
    }
}

impl Monitor {
    /// Its address now.
    ///
    /// # Errors
    /// When its name is not found.
    pub fn look_up(&self) -> Result<SocketAddr, String> {
        let found = self.0.look_up(&NameOptions::new(Profile::Rsplib));
        let found = found.map_err(|error| format!("a monitor: {error}"))?;
        let addresses = found.iter().flat_map(|peer| peer.addresses.iter().map(|ip| (*ip, peer.port)));
        addresses.map(Into::into).next().ok_or_else(|| "a monitor has no address".into())
    }
}

/// An address, of which the port may be left out.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found = location::address(text).map(|(ip, port)| SocketAddr::new(ip, port.unwrap_or(CSP_PORT)));
    found.ok_or_else(|| format!("ADDRESS or ADDRESS:PORT is needed, e.g. 192.0.2.1:{CSP_PORT}"))
}

fn interval(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(millis @ 0..=LONGEST_INTERVAL) => Ok(Duration::from_millis(millis.into())),
        _ => Err(format!("0 to {LONGEST_INTERVAL} is needed")),
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
        let monitor = or_environment(self.cspserver.clone(), "CSP_SERVER", &environment, str::parse)?;
        // As with RSPLIB's programs, but not by the environment's interval.
        let here = || self.cspinterval.map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, CSP_PORT)).into());
        let Some(monitor) = monitor.or_else(here) else { return Ok(None) };
        let wanted = or_environment(self.cspinterval, "CSP_INTERVAL", &environment, interval)?;
        let wanted = wanted.unwrap_or(USUAL_INTERVAL);
        if wanted.is_zero() {
            return Ok(None);
        }
        let interval = wanted.max(SHORTEST_INTERVAL);
        if interval != wanted {
            tracing::warn!("status reports each {wanted:?} are too many: there is one each {interval:?}");
        }
        Ok(Some((monitor, interval)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(cspserver: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
        options_with(cspserver, None, environment)
    }

    fn options_with(
        cspserver: Option<&str>,
        cspinterval: Option<&str>,
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        let cspserver = cspserver.map(|at| at.parse().unwrap());
        let options = CspOptions { cspserver, cspinterval: cspinterval.map(|at| interval(at).unwrap()) };
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
        for wrong in ["-1", "x", "4294968"] {
            assert!(options(Some("192.0.2.1"), &[("CSP_INTERVAL", wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn too_many_reports_are_fewer() {
        let environment = [("CSP_INTERVAL", "100")];
        assert_eq!(options(Some("192.0.2.1"), &environment).unwrap(), "192.0.2.1:2960 250ms");
        assert_eq!(options_with(Some("192.0.2.1"), Some("1"), &[]).unwrap(), "192.0.2.1:2960 250ms");
    }

    #[test]
    fn an_interval_alone_means_a_monitor_here() {
        assert_eq!(options_with(None, Some("500"), &[]).unwrap(), "127.0.0.1:2960 500ms");
        assert_eq!(options_with(None, Some("0"), &[]).unwrap(), "none");
        let server = [("CSP_SERVER", "192.0.2.1")];
        assert_eq!(options_with(None, Some("500"), &server).unwrap(), "192.0.2.1:2960 500ms");
    }

    #[test]
    fn a_monitor_may_have_a_name() {
        let found = options(Some("localhost:7"), &[]).unwrap();
        assert!(["127.0.0.1:7 1s", "[::1]:7 1s"].contains(&&found[..]), "{found}");
        let with_port = "monitor.example:2960".parse::<Monitor>();
        assert_eq!("monitor.example".parse(), with_port);
        let error = options(Some("nobody.invalid"), &[]).unwrap_err();
        assert!(error.starts_with("a monitor: cannot find nobody.invalid:2960: "), "{error}");
        for wrong in ["", "tcp:a", "_csp._sctp.example", "a:0", "192.0.2.1,192.0.2.2"] {
            assert!(wrong.parse::<Monitor>().is_err(), "{wrong}");
        }
    }
}
