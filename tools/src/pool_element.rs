//! What programs that are pool elements have in common.

use std::time::Duration;

use clap::Args;
use rserpool::PeId;
use rserpool::driver::PoolElementOptions;
use rserpool::wire::{Life, Policy};

use crate::dialect::DialectOptions;
use crate::program::{self, Failure};
use crate::search::{SearchOptions, set};
use crate::{location, policy};

/// How a program registers.
#[derive(Args, Clone, Debug)]
pub struct ElementOptions {
    #[command(flatten)]
    registration: RegistrationOptions,
    /// How it finds a registrar.
    #[command(flatten)]
    pub search: SearchOptions,
    #[command(flatten)]
    dialect: DialectOptions,
}

/// What it registers as, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registration options")]
struct RegistrationOptions {
    /// Identifier of this element, decimal or 0x...; random by default, and for 0
    #[arg(long, value_name = "ID", value_parser = program::number)]
    identifier: Option<u32>,
    /// Policy of the pool, with its numbers: RoundRobin, Random, LeastUsed, WeightedRoundRobin:WEIGHT,
    /// Priority:PRIORITY, LeastUsedDegradation:SHARE... RoundRobin by default; for -scripting LeastUsedDegradation, with the share
    /// of a session
    #[arg(long, value_parser = policy::parse)]
    policy: Option<Policy>,
    /// Time between renewals of the registration, milliseconds, at least 10; it lives three times as long. By default as the
    /// profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=1_400_000_000))]
    rereginterval: Option<u64>,
    /// How long the registration is valid unless it is renewed, milliseconds; 0: until it is deregistered
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(..i64::from(u32::MAX)))]
    registration_life: Option<u32>,
    /// How long leaving the pool may take, with finding another registrar and all, milliseconds; by default as the profile says, but no
    /// more than 5000
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    deregistration_timeout: Option<u64>,
    /// Let only registrars that are configured, or have announced themselves, take this element over. By default whoever reaches it
    /// may, as the RFC has it
    #[arg(long)]
    adopt_known_only: bool,
}

/// Who ends a program does not want to wait for longer.
const LONGEST_LEAVE: Duration = Duration::from_secs(5);

impl ElementOptions {
    /// An element of a pool with these options, and with this policy unless they say another.
    ///
    /// # Errors
    /// [`Failure::WrongUsage`]: the handle is too long for the dialect; registrars over TCP, to which only users may speak (RFC 5352, 2.1).
    pub fn pool_element(&self, pool_handle: &str, policy: Policy) -> Result<PoolElementOptions, Failure> {
        let Self { registration, search, dialect } = self;
        if !location::are_sctp(&search.registrar) {
            let why = "pool elements speak SCTP with registrars, only clients may speak TCP";
            return Err(Failure::WrongUsage(why.into()));
        }
        let handle = dialect.pool_handle(pool_handle)?;
        let mut options = PoolElementOptions::new(handle, Vec::new(), search.profile());
        options.sctp = search.sctp();
        options.names = search.names();
        options.announce = search.asapannounce.0;
        let config = &mut options.config;
        config.hunt = search.hunt();
        config.format = dialect.format();
        config.policy = registration.policy.unwrap_or(policy);
        if let Some(id) = registration.identifier.filter(|id| *id != 0) {
            config.id = PeId(id);
        }
        if let Some(interval) = registration.rereginterval {
            config.renew_every(Duration::from_millis(interval));
        }
        if let Some(life) = registration.registration_life {
            config.life = if life == 0 { Life::INFINITE } else { Life::from_millis(life) };
        }
        config.deregistration_timeout = config.deregistration_timeout.min(LONGEST_LEAVE);
        set(&mut config.deregistration_timeout, registration.deregistration_timeout);
        set(&mut config.request_timeout, search.request_timeout());
        config.max_registration_attempts = search.registrarrequestmaxtrials;
        config.adopt_known_only = registration.adopt_known_only;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rserpool::pool_element::PoolElementConfig;
    use rserpool::wire::LifeUnit;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        element: ElementOptions,
    }

    fn options(arguments: &[&str]) -> Result<PoolElementOptions, Failure> {
        let all = ["program"].iter().chain(arguments);
        let cli = Cli::try_parse_from(all).expect("good options");
        cli.element.pool_element("Pool", Policy::default())
    }

    fn config(arguments: &[&str]) -> PoolElementConfig {
        options(arguments).expect("good options").config
    }

    #[test]
    fn every_setting_can_be_reached() {
        let config = config(&[
            "--registrarresponsetimeout=1",
            "--registrarrequestmaxtrials=2",
            "--deregistration-timeout=3",
            "--rereginterval=40",
            "--registration-life=500",
            "--adopt-known-only",
            "--life-in-seconds",
            "--long-pool-handles",
            "--identifier=0x11",
            "--policy=Random",
        ]);
        let timers = [config.request_timeout, config.deregistration_timeout, config.reregistration_interval];
        assert_eq!(timers.map(|timer| timer.as_millis()), [1, 3, 40]);
        assert_eq!((config.max_registration_attempts, config.adopt_known_only), (Some(2), true));
        assert_eq!((config.life, config.id), (Life::from_millis(500), PeId(0x11)));
        assert_eq!(config.policy, policy::parse("Random").expect("a policy"));
        assert!(config.format.life_unit == LifeUnit::Seconds && config.format.long_pool_handles);
    }

    #[test]
    fn a_registration_lives_three_times_its_interval_or_as_long_as_is_said() {
        assert_eq!(config(&["--rereginterval=10"]).life, Life::from_millis(30));
        assert_eq!(config(&["--registration-life=0"]).life, Life::INFINITE);
        assert_eq!(config(&["--profile=rfc"]).life, Life::from_millis(1_800_000));
    }

    #[test]
    fn nobody_waits_long_for_an_element_that_leaves() {
        assert_eq!(config(&["--profile=rfc"]).deregistration_timeout, LONGEST_LEAVE);
        assert!(config(&["--profile=fast"]).deregistration_timeout < LONGEST_LEAVE);
    }

    #[test]
    fn an_identifier_of_0_is_a_random_one() {
        let [one, other] = [config(&["--identifier=0"]).id, config(&["--identifier=0"]).id];
        assert!(one != PeId(0) && one != other);
    }

    #[test]
    fn elements_speak_sctp_with_registrars() {
        assert!(matches!(options(&["--registrar=tcp:192.0.2.1"]), Err(Failure::WrongUsage(_))));
    }
}
