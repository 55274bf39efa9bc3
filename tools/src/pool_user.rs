//! What programs that use pools have in common.

use clap::Args;
use rserpool::PoolHandle;
use rserpool::driver::PoolUserOptions;
use rserpool::pool_user::PoolUserConfig;

use crate::dialect::DialectOptions;
use crate::location;
use crate::program::Failure;
use crate::search::{SearchOptions, set};

/// How a program uses pools.
#[derive(Args, Clone, Debug)]
pub struct UserOptions {
    /// How it finds a registrar.
    #[command(flatten)]
    pub search: SearchOptions,
    /// Take the TCP transports of announces as well
    #[arg(long, help_heading = "Registrar options")]
    announced_tcp: bool,
    #[command(flatten)]
    timers: UserTimers,
    #[command(flatten)]
    dialect: DialectOptions,
}

/// Timers of pool users that RSPLIB has no options for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Timers (all by default as the profile says)")]
struct UserTimers {
    /// How long a resolution of the pool may take, with finding registrars and all, milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    resolution_timeout: Option<u64>,
    /// How long what a registrar has told of the pool serves again, milliseconds (stale.cache.value); 0: each resolution asks
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=86_400_000))]
    stale_cache: Option<u64>,
    /// How long connecting to an element may take, milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    element_connect_timeout: Option<u64>,
    /// Pause when no element is to be had, milliseconds; twice as long each time
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    element_retry_delay: Option<u64>,
    /// What --element-retry-delay grows to, milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    max_element_retry_delay: Option<u64>,
    /// An element that was reported to the registrar as unreachable is not reported again for so many milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    report_interval: Option<u64>,
}

impl UserTimers {
    fn apply(&self, config: &mut PoolUserConfig) {
        set(&mut config.resolution_timeout, self.resolution_timeout);
        set(&mut config.stale_cache, self.stale_cache);
        set(&mut config.connect_timeout, self.element_connect_timeout);
        set(&mut config.retry_delay, self.element_retry_delay);
        set(&mut config.max_retry_delay, self.max_element_retry_delay);
        set(&mut config.report_interval, self.report_interval);
    }
}

impl UserOptions {
    /// A pool user with these options.
    pub fn pool_user(&self) -> PoolUserOptions {
        let search = &self.search;
        let mut options = PoolUserOptions::new(Vec::new(), search.profile());
        options.names = search.names();
        options.sctp = search.sctp();
        options.announce = search.asapannounce.0;
        let config = &mut options.config;
        config.hunt = search.hunt();
        config.over_tcp = location::over_tcp(&search.registrar);
        config.over_tcp.use_announces = self.announced_tcp;
        config.format = self.dialect.format();
        set(&mut config.request_timeout, search.request_timeout());
        if let Some(trials) = search.registrarrequestmaxtrials {
            config.max_request_retransmits = Some(trials - 1);
        }
        self.timers.apply(config);
        options
    }

    /// A pool's handle, in the dialect that is spoken.
    ///
    /// # Errors
    /// [`Failure::WrongUsage`] if it is longer than the dialect allows.
    pub fn pool_handle(&self, text: &str) -> Result<PoolHandle, Failure> {
        self.dialect.pool_handle(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        user: UserOptions,
    }

    fn config(arguments: &[&str]) -> PoolUserConfig {
        let all = ["program"].iter().chain(arguments);
        Cli::try_parse_from(all).expect("good options").user.pool_user().config
    }

    #[test]
    fn every_timer_can_be_set() {
        let config = config(&[
            "--registrarresponsetimeout=1",
            "--registrarrequestmaxtrials=3",
            "--resolution-timeout=2",
            "--stale-cache=3",
            "--element-connect-timeout=4",
            "--element-retry-delay=5",
            "--max-element-retry-delay=6",
            "--report-interval=7",
        ]);
        let timers = [
            config.request_timeout,
            config.resolution_timeout,
            config.stale_cache,
            config.connect_timeout,
            config.retry_delay,
            config.max_retry_delay,
            config.report_interval,
        ];
        assert_eq!(timers.map(|timer| timer.as_millis()), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(config.max_request_retransmits, Some(2));
    }

    #[test]
    fn what_is_not_said_is_as_the_profile_says() {
        let usual = PoolUserOptions::new(Vec::new(), rserpool::Profile::Rfc).config;
        assert_eq!(config(&["--profile=rfc"]), usual);
    }

    #[test]
    fn the_time_for_answers_counts_before_that_for_requests() {
        let timeout = |arguments: &[&str]| config(arguments).request_timeout;
        assert_eq!(timeout(&["--registrarrequesttimeout=1"]), Duration::from_millis(1));
        let both = ["--registrarresponsetimeout=2", "--registrarrequesttimeout=1"];
        assert_eq!(timeout(&both), Duration::from_millis(2));
    }

    #[test]
    fn the_dialect_is_spoken() {
        let format = config(&["--life-in-seconds", "--long-pool-handles"]).format;
        assert!(format.long_pool_handles && format.life_unit == rserpool::wire::LifeUnit::Seconds);
    }
}
