//! Programs that fail on purpose, again and again, so that others can be watched as they cope.

use std::time::Duration;

use clap::Args;

use crate::program::seconds;

/// How long a program is there, and how long it is gone.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Options of failure tests")]
pub struct OutageOptions {
    /// Go away after so many seconds on the average (negative exponential), and come back after --downtime, or at once; 0: stay
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub uptime: Option<Duration>,
    /// With --uptime: stay away for so many seconds on the average (negative exponential)
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub downtime: Option<Duration>,
}

impl OutageOptions {
    /// How long the program is there this time; none without end.
    pub fn next_uptime(&self) -> Option<Duration> {
        self.uptime.filter(|mean| !mean.is_zero()).map(|mean| negative_exponential(mean, rand::random()))
    }

    /// How long it stays away then.
    pub fn next_downtime(&self) -> Duration {
        self.downtime.map_or(Duration::ZERO, |mean| negative_exponential(mean, rand::random()))
    }
}

/// A time of the negative exponential distribution with this mean. `chance` is below one.
pub fn negative_exponential(mean: Duration, chance: f64) -> Duration {
    mean.mul_f64(-(1.0 - chance).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exponential_and_finite() {
        let mean = Duration::from_secs(10);
        assert_eq!(negative_exponential(mean, 0.0), Duration::ZERO);
        // The median is ln 2 of the mean.
        let median = negative_exponential(mean, 0.5);
        assert!((median.as_secs_f64() - 6.931).abs() < 0.001, "{median:?}");
        assert!(negative_exponential(mean, 1.0 - f64::EPSILON / 2.0) < mean * 40);
    }

    #[test]
    fn without_the_options_a_program_stays() {
        assert_eq!(OutageOptions::default().next_uptime(), None);
        let stays = OutageOptions { uptime: Some(Duration::ZERO), downtime: None };
        assert_eq!(stays.next_uptime(), None);
    }
}
