//! Sets of timers that fit together.

use std::time::Duration;

use sctp_core::config::AssociationConfig;

use crate::transport::UserMessage;

/// Which timers to use. The `new` of each machine's configuration takes one, and every value can be changed after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Profile {
    /// What RFC 5352, 7.1 recommends: slow and sparing.
    Rfc,
    /// What RSPLIB does. The programs use it unless told otherwise.
    #[default]
    Rsplib,
    /// Fail-over within half a second, for one site and for demonstrations.
    Fast,
}

impl Profile {
    /// One of three values in milliseconds, for `Rfc`, `Rsplib` and `Fast`.
    pub(crate) fn millis(self, rfc: u64, rsplib: u64, fast: u64) -> Duration {
        Duration::from_millis(match self {
            Self::Rfc => rfc,
            Self::Rsplib => rsplib,
            Self::Fast => fast,
        })
    }

    /// What the driver should ask of SCTP for associations of sessions and to registrars.
    pub fn sctp_settings(self) -> SctpSettings {
        let (association_max_retrans, path_max_retrans) = match self {
            Self::Rfc => (10, 5),
            Self::Rsplib => (8, 3),
            Self::Fast => (3, 3),
        };
        SctpSettings {
            rto_initial: self.millis(1000, 2000, 50),
            rto_min: self.millis(1000, 1000, 50),
            rto_max: self.millis(60_000, 5000, 50),
            association_max_retrans,
            path_max_retrans,
            heartbeat_interval: self.millis(30_000, 15_000, 250),
            sack_delay: self.millis(200, 200, 10),
            mobile: false,
        }
    }
}

/// Parameters of SCTP (RFC 9260, 16) that decide how soon a silent peer is given up.
///
/// In the `Fast` profile a silent peer with data outstanding is given up after 4 × 50 = 200 ms: four time-outs in a row, which 1 %
/// random loss brings about once in 10^8 messages. The peer's SACKs must not be delayed by as much as `rto_min`, so both sides need
/// the same profile; and no round trip may take as long, or a program stand still for 200 ms.
///
/// A peer that freezes when it has acknowledged all requests, but answered none, is noticed only by heartbeats: after
/// about 0.5 s. An application that cannot wait so long watches over its replies, and calls
/// [`force_failover`](crate::pool_user::PoolUser::force_failover).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctpSettings {
    /// RTO.Initial.
    pub rto_initial: Duration,
    /// RTO.Min.
    pub rto_min: Duration,
    /// RTO.Max.
    pub rto_max: Duration,
    /// Association.Max.Retrans.
    pub association_max_retrans: u16,
    /// Path.Max.Retrans.
    pub path_max_retrans: u16,
    /// HB.interval.
    pub heartbeat_interval: Duration,
    /// Delay of SACKs.
    pub sack_delay: Duration,
    /// Whether associations follow the addresses that the host gets and loses, where all of them are used, and peers may change theirs
    /// (RFC 5061): both sides have to want it. The stack has to watch the addresses:
    /// [`watch_addresses`](socketapi::StackBuilder::watch_addresses). Off in all profiles: whoever saw an association being set up
    /// can take it elsewhere.
    pub mobile: bool,
}

/// Little beside the step in which distances are told, 50 ms.
const SOON: Duration = Duration::from_millis(4);

impl SctpSettings {
    /// The parameters for associations of a driver: these, and no delay of small messages.
    pub fn association_config(&self) -> AssociationConfig {
        let mut config = AssociationConfig {
            auto_asconf: self.mobile,
            rto_initial: self.rto_initial,
            rto_min: self.rto_min,
            rto_max: self.rto_max,
            association_max_retrans: self.association_max_retrans.into(),
            path_max_retrans: self.path_max_retrans.into(),
            hb_interval: Some(self.heartbeat_interval),
            sack_delay: self.sack_delay,
            outbound_streams: UserMessage::STREAMS,
            max_message_size: UserMessage::MAX_LEN,
            // Requests and replies are small, and somebody waits for each.
            no_delay: true,
            ..AssociationConfig::default()
        };
        config.extensions.auth |= self.mobile;
        config.extensions.asconf |= self.mobile;
        config
    }

    /// The parameters for ASAP and ENRP: SACKs soon, so that round-trip times tell distances (delay draft, 2.1), but with an answer
    /// if there is one.
    pub fn control_config(&self) -> AssociationConfig {
        AssociationConfig { sack_delay: self.sack_delay.min(SOON), ..self.association_config() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_acknowledged_soon_and_sooner_if_it_is_wanted() {
        let delay = |sack_delay| {
            SctpSettings { sack_delay, ..Profile::Rfc.sctp_settings() }.control_config().sack_delay
        };
        assert_eq!(delay(Duration::from_millis(200)), SOON);
        assert_eq!(delay(Duration::ZERO), Duration::ZERO);
    }
}
