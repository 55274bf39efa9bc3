//! How many errors in a row change what a path is used for (RFC 9260, 8.2; RFC 7829, 3.2 and 5).

use crate::config::AssociationConfig;

/// The limits of one path (`SCTP_PEER_ADDR_THLDS_V2`; RFC 7829, 7.2). Each is passed by one error more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Errors that the path may have before it is inactive (Path.Max.Retrans, PMR).
    pub path_max_retrans: u32,
    /// Errors that it may have before it is potentially failed (PotentiallyFailed.Max.Retrans, PFMR). `None`: it
    /// never is, as in plain RFC 9260; the same if this is not below `path_max_retrans`.
    pub potentially_failed_max_retrans: Option<u32>,
    /// Errors that it may have as the primary path before another one takes its place for good
    /// (Primary.Switchover.Max.Retrans, PSMR). `None`: data returns to it when it works again.
    pub primary_switchover_max_retrans: Option<u32>,
}

/// The primary path would be switched although data may still take it (RFC 7829, 5, rule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the primary path cannot be switched after {switchover} errors: it carries data up to {least}")]
pub struct ThresholdError {
    /// The PSMR that was asked for.
    pub switchover: u32,
    /// The least that is allowed: the PFMR, or without one the PMR.
    pub least: u32,
}

impl Thresholds {
    /// Those that paths have unless the user gives one its own.
    pub fn of(config: &AssociationConfig) -> Self {
        Self {
            path_max_retrans: config.path_max_retrans,
            potentially_failed_max_retrans: config.potentially_failed_max_retrans,
            primary_switchover_max_retrans: config.primary_switchover_max_retrans,
        }
    }

    /// RFC 7829, 5, rule 1.
    ///
    /// # Errors
    /// The PSMR is below what it may be.
    pub fn check(&self) -> Result<(), ThresholdError> {
        let least = self.potentially_failed_max_retrans.unwrap_or(self.path_max_retrans);
        match self.primary_switchover_max_retrans {
            Some(switchover) if switchover < least => Err(ThresholdError { switchover, least }),
            _ => Ok(()),
        }
    }

    /// Where the error counter stops. With quick failover it tells failed paths apart, far beyond the PMR (RFC 7829,
    /// 4.1, rule 3); without, it does not grow when the path has failed (RFC 9260, 8.3).
    /// RFC 7829, 4.
    pub(crate) fn most_errors(&self) -> u32 {
        const FAR_BEYOND: u32 = 10;
        let failed = self.path_max_retrans.saturating_add(1);
        if self.potentially_failed_max_retrans.is_some() { failed.saturating_mul(FAR_BEYOND) } else { failed }
    }

    /// Whether a path with so many errors is potentially failed (RFC 7829, 3.2, rules 1 and 2).
    pub(crate) fn is_potentially_failed(&self, errors: u32) -> bool {
        self.potentially_failed_max_retrans.is_some_and(|most| errors > most)
    }

    /// Whether a path with so many errors is to be the primary one no longer (RFC 7829, 5, rule 2).
    pub(crate) fn loses_primary(&self, errors: u32) -> bool {
        self.primary_switchover_max_retrans.is_some_and(|most| errors > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(pmr: u32, pfmr: Option<u32>, psmr: Option<u32>) -> Thresholds {
        Thresholds {
            path_max_retrans: pmr,
            potentially_failed_max_retrans: pfmr,
            primary_switchover_max_retrans: psmr,
        }
    }

    #[test]
    fn by_default_the_first_error_makes_a_path_potentially_failed() {
        // RFC 7829, 3.2, rule 1, and 6; 5: the switch-back of RFC 9260 stays the default.
        let default = Thresholds::of(&AssociationConfig::default());
        assert_eq!(default, thresholds(5, Some(0), None));
        assert_eq!((default.is_potentially_failed(0), default.is_potentially_failed(1)), (false, true));
    }

    #[test]
    fn the_primary_path_is_not_switched_before_data_leaves_it() {
        // RFC 7829, 5, rules 1, 4, 5 and 6
        assert_eq!(thresholds(5, Some(2), Some(2)).check(), Ok(()));
        assert_eq!(thresholds(5, Some(2), Some(3)).check(), Ok(()));
        assert_eq!(thresholds(5, Some(2), None).check(), Ok(()));
        let refused = ThresholdError { switchover: 1, least: 2 };
        assert_eq!(thresholds(5, Some(2), Some(1)).check(), Err(refused));
        assert_eq!(thresholds(5, None, Some(5)).check(), Ok(()));
        assert_eq!(thresholds(5, None, Some(4)).check(), Err(ThresholdError { switchover: 4, least: 5 }));
    }

    #[test]
    fn with_quick_failover_the_error_counter_grows_far_beyond_the_limit() {
        // RFC 7829, 4.1, rule 3, and 4: not coupled to the value of the PFMR.
        for pfmr in [0, 3, 9] {
            assert_eq!(thresholds(5, Some(pfmr), None).most_errors(), 60);
        }
        // RFC 9260, 8.3
        assert_eq!(thresholds(5, None, None).most_errors(), 6);
    }
}
