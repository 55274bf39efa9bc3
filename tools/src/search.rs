//! How pool elements and users find a registrar: options that they have in common.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use rserpool::driver::{ANNOUNCE_GROUP, Error as DriverError, NameOptions, PoolUser, PoolUserOptions};
use rserpool::pool_user::ResolutionError;
use rserpool::transport::Peer;
use rserpool::wire::ASAP_PORT;
use rserpool::{HuntConfig, Profile, SctpSettings};
use socketapi::{Stack, StackBuilder};

use crate::location::{self, DnsOptions, Location};
use crate::program::GLANCE;
use crate::sctp_timers::SctpTimers;
use crate::signals::Signals;
use crate::transport::{TransportError, TransportOptions};

/// How to find a registrar.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registrar options")]
pub struct SearchOptions {
    /// A registrar, with all its addresses: ADDRESS:PORT,ADDRESS... (without PORT: 3863); or a name, NAME or NAME:PORT, that stands for one or more
    /// of them, or a service with SRV records, as _asap-sctp._sctp.example.com. Over TCP,
    /// which only clients may speak: tcp:ADDRESS, tcp:ADDRESS:PORT, tcp:NAME, tcp:NAME:PORT, _asap-tcp._tcp.example.com. Repeatable
    #[arg(long, value_name = "A[:P],...|NAME", value_parser = registrar)]
    pub registrar: Vec<Location>,
    #[command(flatten)]
    dns: DnsOptions,
    /// Listen to the announces of registrars: auto (239.0.0.50:3863), off, or a multicast group of IPv4 or IPv6
    #[arg(long, value_name = "auto|off|A:P", default_value = "auto")]
    pub asapannounce: Announce,
    /// How long an announce is valid, milliseconds; by default as the profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub registrarannouncetimeout: Option<u64>,
    /// How long to wait for connections to registrars, milliseconds; by default as the profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub registrarconnecttimeout: Option<u64>,
    /// How long to wait for a registrar's answer, milliseconds; by default as --registrarrequesttimeout says, or the profile
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    registrarresponsetimeout: Option<u64>,
    /// The same, if --registrarresponsetimeout is not there: requests leave at once, so that only answers take time
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    registrarrequesttimeout: Option<u64>,
    /// How often to send a request that no registrar answers; by default again and again, or as the profile says. A server pauses then until
    /// its registration is due again
    #[arg(long, value_name = "TRIALS", value_parser = clap::value_parser!(u32).range(1..))]
    pub registrarrequestmaxtrials: Option<u32>,
    /// How long to wait for a second registrar to choose from once the first is connected, milliseconds; by default as the profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    hunt_choice_delay: Option<u64>,
    /// Pause when no registrar is to be had, milliseconds; twice as long each time. By default as the profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    hunt_retry_delay: Option<u64>,
    /// What --hunt-retry-delay and --registrarconnecttimeout grow to, milliseconds; by default as the profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    max_hunt_retry_delay: Option<u64>,
    /// Timers: those of the RFCs, those of RSPLIB, or fast ones (fail-over within half a second)
    #[arg(long, value_enum, default_value_t = ProfileName::Rsplib)]
    pub profile: ProfileName,
    /// Follow the addresses that this host gets and loses, also in associations that are up, and let peers follow theirs (ADD-IP): over
    /// raw IP, without --local. All programs of a pool need it
    #[arg(long)]
    pub mobile: bool,
    #[command(flatten)]
    sctp_timers: SctpTimers,
}

/// An option of RSPLIB that has no use here: a registrar is sought as long as one is needed (RFC 5352, 3.6).
pub const IGNORED: &[&str] = &["registrarconnectmaxtrials"];

/// A set of timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// What the RFCs recommend.
    Rfc,
    /// What RSPLIB does.
    Rsplib,
    /// Fail-over within half a second.
    Fast,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Rfc => Self::Rfc,
            ProfileName::Rsplib => Self::Rsplib,
            ProfileName::Fast => Self::Fast,
        }
    }
}

/// Why there is no registrar to put load on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Load goes over SCTP.
    #[error("this program speaks SCTP only with registrars")]
    OverTcp,
    /// None in time.
    #[error("{}", ResolutionError::TimedOut)]
    NotFound,
    /// The search.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Signals.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Whether announces are used, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce(pub Option<SocketAddr>);

impl FromStr for Announce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        multicast_group(text, ANNOUNCE_GROUP).map(Self)
    }
}

/// `auto` for the usual group, `off` for none, or a group, of which the port may be left out. As with RSPLIB's programs, `none` is
/// `off`, and capitals do not matter.
pub fn multicast_group(text: &str, usual: SocketAddr) -> Result<Option<SocketAddr>, String> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => return Ok(Some(usual)),
        "off" | "none" => return Ok(None),
        _ => {}
    }
    let (group, port) =
        location::address(text).ok_or("auto, off, or ADDRESS:PORT of a multicast group is needed")?;
    if !group.is_multicast() {
        return Err(format!(
            "{group} is not a multicast address (224.0.0.0 to 239.255.255.255, or ff00::/8)"
        ));
    }
    match port.unwrap_or(usual.port()) {
        0 => Err("port 0 is nowhere: 1 to 65535 is needed".into()),
        port => Ok(Some(SocketAddr::new(group, port))),
    }
}

/// Milliseconds that an option says, if it is there.
pub(crate) fn set(setting: &mut Duration, millis: Option<u64>) {
    if let Some(millis) = millis {
        *setting = Duration::from_millis(millis);
    }
}

fn registrar(text: &str) -> Result<Location, String> {
    Location::parse(text, ASAP_PORT)
}

impl SearchOptions {
    /// The settings of the search.
    pub fn hunt(&self) -> HuntConfig {
        let (registrars, names) = location::split(&self.registrar);
        let mut hunt = HuntConfig::new(registrars, self.profile());
        hunt.names = names;
        hunt.use_announces = self.asapannounce.0.is_some();
        set(&mut hunt.announce_life, self.registrarannouncetimeout);
        set(&mut hunt.connect_timeout, self.registrarconnecttimeout);
        set(&mut hunt.choice_delay, self.hunt_choice_delay);
        set(&mut hunt.retry_delay, self.hunt_retry_delay);
        set(&mut hunt.max_retry_delay, self.max_hunt_retry_delay);
        hunt
    }

    /// How long to wait for a registrar's answer, milliseconds.
    pub(crate) fn request_timeout(&self) -> Option<u64> {
        self.registrarresponsetimeout.or(self.registrarrequesttimeout)
    }

    /// A stack that is as mobile as these options say.
    ///
    /// # Errors
    /// See [`TransportOptions::build_stack`].
    pub fn build_stack(&self, transport: &TransportOptions) -> Result<Stack, TransportError> {
        Ok(self.builder(transport)?.build()?)
    }

    /// The same, not built yet.
    ///
    /// # Errors
    /// See [`TransportOptions::builder`].
    pub fn builder(&self, transport: &TransportOptions) -> Result<StackBuilder, TransportError> {
        Ok(transport.builder()?.watch_addresses(self.mobile))
    }

    /// The parameters of associations.
    pub fn sctp(&self) -> SctpSettings {
        let mut settings = SctpSettings { mobile: self.mobile, ..self.profile().sctp_settings() };
        self.sctp_timers.apply(&mut settings);
        settings
    }

    /// Where one registrar is, for who puts load on it: the one that is named, or else one that is found as users find theirs. None if
    /// a signal came first. Once a registrar is named, announces of others count for nothing.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn find(
        &self,
        stack: &Stack,
        patience: Duration,
        signals: &Signals,
    ) -> Result<Option<Peer>, SearchError> {
        if !location::are_sctp(&self.registrar) {
            return Err(SearchError::OverTcp);
        }
        if let [Location::Addresses(peer)] = &self.registrar[..] {
            return Ok(Some(peer.clone()));
        }
        let mut options = PoolUserOptions::new(Vec::new(), self.profile());
        (options.names, options.sctp, options.config.hunt) = (self.names(), self.sctp(), self.hunt());
        options.announce = self.asapannounce.0.filter(|_| self.registrar.is_empty());
        let user = PoolUser::start(stack, options)?;
        let end = Instant::now() + patience;
        while !signals.have_come()? {
            let now = Instant::now();
            match user.find_registrar(Some(end.min(now + GLANCE))) {
                Err(DriverError::TimedOut) if now >= end => return Err(SearchError::NotFound),
                Err(DriverError::TimedOut) => {}
                found => return Ok(Some(found?)),
            }
        }
        Ok(None)
    }

    /// How names of registrars are resolved.
    pub fn names(&self) -> NameOptions {
        self.dns.names(self.profile())
    }

    /// The timers.
    pub fn profile(&self) -> Profile {
        self.profile.into()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        search: SearchOptions,
    }

    #[test]
    fn every_timer_of_the_hunt_can_be_set() {
        let cli = Cli::parse_from([
            "program",
            "--registrarannouncetimeout=1",
            "--registrarconnecttimeout=2",
            "--hunt-choice-delay=3",
            "--hunt-retry-delay=4",
            "--max-hunt-retry-delay=5",
            "--rto-min=6",
        ]);
        let hunt = cli.search.hunt();
        let HuntConfig { announce_life, connect_timeout, choice_delay, retry_delay, max_retry_delay, .. } =
            hunt;
        let timers = [announce_life, connect_timeout, choice_delay, retry_delay, max_retry_delay];
        assert_eq!(timers.map(|timer| timer.as_millis()), [1, 2, 3, 4, 5]);
        assert_eq!(cli.search.sctp().rto_min, Duration::from_millis(6), "and those of SCTP");
    }

    #[test]
    fn announces_are_automatic_off_or_on_a_group() {
        assert_eq!("auto".parse(), Ok(Announce(Some(ANNOUNCE_GROUP))));
        for off in ["off", "OFF", "none", "None"] {
            assert_eq!(off.parse(), Ok(Announce(None)), "{off}");
        }
        assert_eq!("239.1.2.3".parse(), Ok(Announce(Some("239.1.2.3:3863".parse().unwrap()))));
        assert!("10.0.0.1:3863".parse::<Announce>().is_err());
    }
}
