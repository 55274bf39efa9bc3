//! What the user may set for one path alone.

use crate::config::AssociationConfig;
use crate::net::{IpDefaults, IpMarks};
use crate::path::mtu::MtuSearchConfig;
use core::time::Duration;

/// Parameters of one path (`SCTP_PEER_ADDR_PARAMS`; RFC 6458, 8.1.12): at first those of its association, which say more
/// about each. How many errors it may have is in its [`Thresholds`](super::Thresholds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathParameters {
    /// [`AssociationConfig::hb_interval`].
    pub hb_interval: Option<Duration>,
    /// [`AssociationConfig::path_mtu`].
    pub path_mtu: usize,
    /// [`AssociationConfig::mtu_search`].
    pub mtu_search: Option<MtuSearchConfig>,
    /// [`AssociationConfig::sack_delay`], while data comes from here.
    pub sack_delay: Duration,
    /// [`AssociationConfig::sack_frequency`], likewise.
    pub sack_frequency: Option<u32>,
    /// [`AssociationConfig::dscp`].
    pub dscp: Option<u8>,
    /// [`AssociationConfig::flow_label`].
    pub flow_label: Option<u32>,
}

impl PathParameters {
    /// Those that paths have unless the user gives one its own.
    pub fn of(config: &AssociationConfig) -> Self {
        Self {
            hb_interval: config.hb_interval,
            path_mtu: config.path_mtu,
            mtu_search: config.mtu_search,
            sack_delay: config.sack_delay,
            sack_frequency: config.sack_frequency,
            dscp: config.dscp,
            flow_label: config.flow_label,
        }
    }

    /// Makes them those of all paths that have none of their own.
    pub fn apply_to(&self, config: &mut AssociationConfig) {
        let Self { hb_interval, path_mtu, mtu_search, sack_delay, sack_frequency, dscp, flow_label } = *self;
        (config.hb_interval, config.path_mtu, config.mtu_search) = (hb_interval, path_mtu, mtu_search);
        (config.sack_delay, config.sack_frequency) = (sack_delay, sack_frequency);
        (config.dscp, config.flow_label) = (dscp, flow_label);
    }

    /// Takes over what is different in `after`, and keeps the rest.
    pub(crate) fn take_over(&mut self, before: &Self, after: &Self) {
        fn follow<T: PartialEq + Copy>(own: &mut T, before: T, after: T) {
            if before != after {
                *own = after;
            }
        }
        follow(&mut self.hb_interval, before.hb_interval, after.hb_interval);
        follow(&mut self.path_mtu, before.path_mtu, after.path_mtu);
        follow(&mut self.mtu_search, before.mtu_search, after.mtu_search);
        follow(&mut self.sack_delay, before.sack_delay, after.sack_delay);
        follow(&mut self.sack_frequency, before.sack_frequency, after.sack_frequency);
        follow(&mut self.dscp, before.dscp, after.dscp);
        follow(&mut self.flow_label, before.flow_label, after.flow_label);
    }

    /// What decides how large packets are.
    pub(crate) fn sizes(&self) -> (usize, Option<MtuSearchConfig>) {
        (self.path_mtu, self.mtu_search)
    }

    /// How IP headers are marked, where `defaults` hold for what this path has no value of its own for.
    pub(crate) fn marks(&self, defaults: IpDefaults) -> IpMarks {
        /// The other two bits are the ECN field (RFC 3168, 5).
        const DSCP: u8 = 0xfc;
        const FLOW_LABEL: u32 = 0xf_ffff;
        IpMarks {
            dscp: self.dscp.unwrap_or(defaults.traffic_class) & DSCP,
            hop_limit: defaults.hop_limit,
            flow_label: self.flow_label.unwrap_or(0) & FLOW_LABEL,
        }
    }
}
