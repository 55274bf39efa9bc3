//! How patient a registrar is with elements and users: options of `rspregistrar`.

use std::time::Duration;

use clap::Args;
use rserpool::registrar::RegistrarConfig;

/// Times of the ASAP side. Those of the ENRP side are among the options of other registrars.
#[derive(Args, Clone, Debug)]
#[command(
    next_help_heading = "Options of timers (what is not set is as --profile says; those of other registrars are below)"
)]
pub(super) struct TimerOptions {
    /// Time between announces, milliseconds (100-60000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=60_000))]
    serverannouncecycle: Option<u64>,
    /// Time between keep-alives, milliseconds (300-300000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(300..=300_000))]
    endpointkeepalivetransmissioninterval: Option<u64>,
    /// How many percent of that time a keep-alive may come sooner or later, so that not all are due at once (0-100)
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    keep_alive_jitter: u32,
    /// How long an element may take to answer a keep-alive, milliseconds (100-60000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=60_000))]
    endpointkeepalivetimeoutinterval: Option<u64>,
    /// How long the set-up of an association may take, to a registrar or to an element that is taken over, milliseconds (100-3600000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    connect_timeout: Option<u64>,
    /// Time from a change of a pool to the updates of those who are subscribed to it, give or take half of it, milliseconds (1-60000).
    /// Changes in this time are told together
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    update_delay: Option<u64>,
    /// Close associations without registrations and messages after so many seconds (at least 5)
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..=31_536_000))]
    autoclosetimeout: u64,
}

impl TimerOptions {
    /// Changes what the options say.
    pub(super) fn apply(&self, config: &mut RegistrarConfig) {
        config.keep_alive_jitter = self.keep_alive_jitter;
        config.autoclose = Duration::from_secs(self.autoclosetimeout);
        if let Some(cycle) = self.serverannouncecycle {
            config.announce_interval = Some(Duration::from_millis(cycle));
        }
        for (setting, millis) in [
            (&mut config.keep_alive_interval, self.endpointkeepalivetransmissioninterval),
            (&mut config.keep_alive_timeout, self.endpointkeepalivetimeoutinterval),
            (&mut config.connect_timeout, self.connect_timeout),
            (&mut config.update_delay, self.update_delay),
        ] {
            if let Some(millis) = millis {
                *setting = Duration::from_millis(millis);
            }
        }
    }
}
