//! Status reports to a monitor (CSP): options that the RSerPool programs have in common.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rserpool::csp::CSP_PORT;
use rserpool::driver::{Component, Reporter, ReporterOptions};

/// Where to send status reports.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Status report options (CSP)")]
pub struct CspOptions {
    /// Report this program's state to a monitor, such as cspmonitor; by default to that in the environment's CSP_SERVER, if any
    #[arg(long, value_name = "A[:P]", value_parser = monitor)]
    pub cspserver: Option<SocketAddr>,
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

/// An address, of which the port may be left out.
///
/// # Errors
/// What is wrong with it.
pub fn monitor(text: &str) -> Result<SocketAddr, String> {
    let without_port = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, CSP_PORT));
    text.parse()
        .or_else(|_| without_port())
        .map_err(|_| format!("ADDRESS or ADDRESS:PORT is needed, e.g. 192.0.2.1:{CSP_PORT}"))
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

    fn options(
        &self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<ReporterOptions>, String> {
        let Some(monitor) = or_environment(self.cspserver, "CSP_SERVER", &environment, monitor)? else {
            return Ok(None);
        };
        let interval = or_environment(self.cspinterval, "CSP_INTERVAL", &environment, interval)?;
        let interval = interval.unwrap_or(USUAL_INTERVAL);
        Ok((!interval.is_zero()).then_some(ReporterOptions { monitor, interval }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(cspserver: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
        let options = CspOptions { cspserver: cspserver.map(|at| monitor(at).unwrap()), cspinterval: None };
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
        let error = options(None, &[("CSP_SERVER", "nowhere")]).unwrap_err();
        assert!(error.starts_with("the environment's CSP_SERVER=nowhere: ADDRESS"), "{error}");
        for wrong in ["249", "-1", "x", "4294968"] {
            assert!(options(Some("192.0.2.1"), &[("CSP_INTERVAL", wrong)]).is_err(), "{wrong}");
        }
    }
}
