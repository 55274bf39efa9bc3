//! How soon SCTP gives a silent peer up: options that registrars, pool elements and users have in common.

use clap::Args;
use rserpool::SctpSettings;

use crate::search::set;

/// Parameters of RFC 9260, 16. With those of one side only, the other still takes its time.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "SCTP timers (all by default as the profile says)")]
pub struct SctpTimers {
    /// RTO.Initial, milliseconds: how long to wait for an acknowledgement before a round trip was measured
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    rto_initial: Option<u64>,
    /// RTO.Min, milliseconds: more than --sack-delay of the peers
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    rto_min: Option<u64>,
    /// RTO.Max, milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    rto_max: Option<u64>,
    /// Association.Max.Retrans: time-outs in a row after which a peer is given up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=255))]
    association_max_retrans: Option<u16>,
    /// Path.Max.Retrans: time-outs in a row after which another address of the peer is tried
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=255))]
    path_max_retrans: Option<u16>,
    /// HB.interval, milliseconds: how often to ask a peer that is silent whether it is there
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    heartbeat_interval: Option<u64>,
    /// How long an acknowledgement may wait for another message, milliseconds (0-500); no longer than 4 ms of what elements and registrars
    /// tell each other
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=500))]
    sack_delay: Option<u64>,
}

impl SctpTimers {
    /// Changes what the options say.
    pub fn apply(&self, settings: &mut SctpSettings) {
        set(&mut settings.rto_initial, self.rto_initial);
        set(&mut settings.rto_min, self.rto_min);
        set(&mut settings.rto_max, self.rto_max);
        set(&mut settings.heartbeat_interval, self.heartbeat_interval);
        set(&mut settings.sack_delay, self.sack_delay);
        for (setting, said) in [
            (&mut settings.association_max_retrans, self.association_max_retrans),
            (&mut settings.path_max_retrans, self.path_max_retrans),
        ] {
            *setting = said.unwrap_or(*setting);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rserpool::Profile;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        timers: SctpTimers,
    }

    fn settings(arguments: &[&str]) -> SctpSettings {
        let cli = Cli::try_parse_from(["program"].iter().chain(arguments)).expect("good options");
        let mut settings = Profile::Rfc.sctp_settings();
        cli.timers.apply(&mut settings);
        settings
    }

    #[test]
    fn every_parameter_can_be_set_and_is_as_before_if_it_is_not() {
        assert_eq!(settings(&[]), Profile::Rfc.sctp_settings());
        let settings = settings(&[
            "--rto-initial=1",
            "--rto-min=2",
            "--rto-max=3",
            "--association-max-retrans=4",
            "--path-max-retrans=5",
            "--heartbeat-interval=6",
            "--sack-delay=7",
        ]);
        let SctpSettings { rto_initial, rto_min, rto_max, heartbeat_interval, sack_delay, .. } = settings;
        let times = [rto_initial, rto_min, rto_max, heartbeat_interval, sack_delay];
        assert_eq!(times.map(|time| time.as_millis()), [1, 2, 3, 6, 7]);
        assert_eq!((settings.association_max_retrans, settings.path_max_retrans), (4, 5));
    }
}
