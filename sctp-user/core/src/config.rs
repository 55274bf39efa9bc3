//! Parameters of the protocol, under the names of RFC 9260, 16.

use crate::auth::AuthConfig;
use crate::extensions::Extensions;
use crate::multipath::Multipath;
use crate::net::IpDefaults;
use crate::path::congestion::CongestionControl;
use crate::path::mtu::MtuSearchConfig;
use crate::reliability::Reliability;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

/// What all associations of an [`Endpoint`](crate::endpoint::Endpoint) share.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Addresses of this host that associations may use; grouped by scope when one is set up.
    pub local_addresses: Vec<IpAddr>,
    /// Associations at the same time; further INITs get ABORT (Out of Resource). Ended ones count until they are
    /// released, for they hold what was not read.
    pub max_associations: usize,
    /// How long a state cookie is good for (Valid.Cookie.Life; RFC 9260, 16: 60 s).
    pub valid_cookie_life: Duration,
    /// How often the key that authenticates state cookies is replaced; the one before stays good.
    pub cookie_key_life: Duration,
    /// Answer packets that belong to no association (RFC 9260, 8.4). Off where a broker does it.
    pub answer_out_of_the_blue: bool,
    /// At most so many answers to out-of-the-blue packets a second.
    pub out_of_the_blue_rate: u32,
    /// Our UDP encapsulation port (RFC 6951), 0 for plain IP: what to use for a peer address that came
    /// without a port is `default_remote_udp_port`.
    pub default_remote_udp_port: u16,
    /// The layer below finds damaged packets at least as well as CRC32c does, and no middlebox sees into it (DTLS, memory):
    /// associations may agree to leave out the checksum (RFC 9653). Never on raw IP, UDP and TUN.
    pub alternate_error_detection: bool,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            local_addresses: Vec::new(),
            max_associations: 65_536,
            valid_cookie_life: Duration::from_secs(60),
            cookie_key_life: Duration::from_secs(600),
            answer_out_of_the_blue: true,
            out_of_the_blue_rate: 1_000,
            default_remote_udp_port: 0,
            alternate_error_detection: false,
        }
    }
}

/// Requests of a peer that are granted, where RE-CONFIG is in use (RFC 6525, 6.3.1). What we ask the peer for, it may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconfigPermissions {
    /// It resets its streams, or asks that we reset ours (`SCTP_ENABLE_RESET_STREAM_REQ`).
    pub reset_streams: bool,
    /// It resets the TSNs, and with them all streams (`SCTP_ENABLE_RESET_ASSOC_REQ`).
    pub reset_association: bool,
    /// It adds streams, or asks us to, up to `max_inbound_streams` either way (`SCTP_ENABLE_CHANGE_ASSOC_REQ`).
    pub add_streams: bool,
}

impl ReconfigPermissions {
    /// The default: all is denied.
    pub const NONE: Self = Self { reset_streams: false, reset_association: false, add_streams: false };
    /// All is granted.
    pub const ALL: Self = Self { reset_streams: true, reset_association: true, add_streams: true };
}

/// Parameters of one association. `Default` is RFC 9260, 16 where it names a value.
#[derive(Clone, Debug)]
pub struct AssociationConfig {
    /// RTO before the first measurement (RTO.Initial; 1 s).
    pub rto_initial: Duration,
    /// Lower bound of the RTO (RTO.Min; 1 s).
    pub rto_min: Duration,
    /// Upper bound of the RTO (RTO.Max; 60 s).
    pub rto_max: Duration,
    /// Errors in a row, over all paths, that end the association (Association.Max.Retrans; 10).
    pub association_max_retrans: u32,
    /// Errors in a row that a path may have before it is inactive (Path.Max.Retrans; 5).
    pub path_max_retrans: u32,
    /// Errors in a row that a path may have before data leaves it for another one, and HEARTBEATs watch it each RTO
    /// (PotentiallyFailed.Max.Retrans; RFC 7829, 3: 0). `None`: plain RFC 9260, data stays until the path is inactive.
    pub potentially_failed_max_retrans: Option<u32>,
    /// Errors in a row that the primary path may have before another one becomes the primary path
    /// (Primary.Switchover.Max.Retrans; RFC 7829, 5): at least `potentially_failed_max_retrans`, without it at least
    /// `path_max_retrans`. `None` (the default): data returns to the primary path as soon as it answers.
    pub primary_switchover_max_retrans: Option<u32>,
    /// Tell the user of paths that are potentially failed (RFC 7829, 7.3; on). Off, they count as active.
    pub expose_potentially_failed: bool,
    /// Unanswered INITs or COOKIE ECHOs that end the set-up (Max.Init.Retransmits; 8).
    pub max_init_retransmits: u32,
    /// How long an INIT or COOKIE ECHO may wait for its answer at most, below `rto_max` (`sinit_max_init_timeo`; RFC 6458, 8.1.3).
    /// `None`: as long as any other chunk.
    pub max_init_timeout: Option<Duration>,
    /// How long the state cookies of a listener are good for (`sasoc_cookie_life`; RFC 6458, 8.1.2), not longer than
    /// [`EndpointConfig::cookie_key_life`]. `None`: [`EndpointConfig::valid_cookie_life`].
    pub cookie_life: Option<Duration>,
    /// Idle time between heartbeats of a path, RTO and jitter come on top (HB.interval; 30 s); `None`: no heartbeats.
    pub hb_interval: Option<Duration>,
    /// Heartbeats in a row to unconfirmed paths at the start (HB.Max.Burst; 1).
    pub hb_max_burst: u32,
    /// Whether the first of them leave as soon as the association is established, or after an RTO (RFC 9260, 5.4: "in each
    /// RTO, a probe may be sent").
    pub probes_at_once: bool,
    /// Packets that one event may send beyond what it newly acknowledged (Max.Burst; 4).
    pub max_burst: u32,
    /// The algorithm that decides how much may be in flight on each path (7.2).
    pub congestion_control: CongestionControl,
    /// How long a SACK may wait for a second packet (6.2: at most 500 ms; 200 ms).
    pub sack_delay: Duration,
    /// Packets that a SACK may wait for (`SCTP_DELAYED_SACK`). `None`: every second one, as RFC 9260, 6.2 has it,
    /// and [up to eight](Self::STRETCHED_SACK_FREQUENCY) in the middle of a bulk transfer, when packets have long
    /// come in batches longer than that. A number is kept to: two means every second one always; more than
    /// two is for bulk transfers only, in the same way.
    pub sack_frequency: Option<u32>,
    /// Streams that we ask for.
    pub outbound_streams: u16,
    /// Streams that we accept at most.
    pub max_inbound_streams: u16,
    /// Bytes of user messages that may wait or be in flight, their bookkeeping included.
    pub send_buffer: usize,
    /// Bytes of payload that may be held for the reader; `a_rwnd` starts from it. The memory they take, bookkeeping
    /// included, is bounded too: twice as much, a reserve to fill holes of once as much
    /// ([`Receiver`](crate::rx::Receiver)), and once as much in packets that are kept for the sake of a small part.
    pub receive_buffer: usize,
    /// Largest message that is sent or received; at most 4 GiB are of use. One that is larger than `send_buffer` is
    /// taken for sending once nothing else is in that buffer; one that is larger than `receive_buffer` is delivered in
    /// pieces.
    pub max_message_size: usize,
    /// Messages are delivered in pieces from so many bytes on (`SCTP_PARTIAL_DELIVERY_POINT`; RFC 6458, 8.1.21). `None`:
    /// only when the receive buffer would be full without anything to read.
    pub partial_delivery_point: Option<usize>,
    /// What may come between the pieces of a message.
    pub fragment_interleave: FragmentInterleave,
    /// Send small messages at once although data is in flight (Nagle's algorithm off).
    pub no_delay: bool,
    /// Largest payload of a DATA chunk, 0 for what the path MTU allows (`SCTP_MAXSEG`).
    pub fragmentation_point: usize,
    /// Refuse messages that do not fit into one DATA chunk as it would be now, instead of cutting them
    /// (`SCTP_DISABLE_FRAGMENTS`; RFC 6458, 8.1.11).
    pub disable_fragments: bool,
    /// INIT and INIT ACK list no addresses, so that a NAT on the way has nothing to translate in them: the association
    /// begins with the one address that its packets come from (RFC 6951, 5.7). Where `extensions.asconf` is in use, others are
    /// [added](crate::endpoint::Endpoint::add_local_address) without being named, and the peer is told when a NAT has changed
    /// the outer address.
    pub hide_addresses: bool,
    /// Path MTU, IP header included, of a path of which the driver does not say otherwise, where it is not searched
    /// for: only a verified ICMP message makes it smaller.
    pub path_mtu: usize,
    /// Search for the MTU of each path by probes (RFC 8899), from what nearly all paths carry (1,200 bytes of SCTP) up
    /// to what gets through. `None`: no search. Paths that never leave the host have `path_mtu` in any case.
    pub mtu_search: Option<MtuSearchConfig>,
    /// The DSCP of packets, in the upper six bits (`spp_dscp`; RFC 6458, 8.1.12). `None`: as `ipv4` and `ipv6` say.
    pub dscp: Option<u8>,
    /// The flow label of IPv6 packets, 20 bits (`spp_ipv6_flowlabel`). `None`: the host chooses.
    pub flow_label: Option<u32>,
    /// What the headers of IPv4 packets say where nothing else was set.
    pub ipv4: IpDefaults,
    /// What the headers of IPv6 packets say where nothing else was set.
    pub ipv6: IpDefaults,
    /// How many bytes the layers below put before the SCTP packet (20 IPv4, 40 IPv6, 8 UDP) are the driver's
    /// to say; this is an upper limit on the SCTP packet that rules over all paths, 0 for none.
    pub max_packet_size: usize,
    /// An association that carries no user data for so long is shut down; `None`: never.
    pub autoclose: Option<Duration>,
    /// The user has queues of its own in front of the association. So when a SHUTDOWN comes it may still send what it was given
    /// before, and the SHUTDOWN ACK waits until it [says that this was all](crate::endpoint::Endpoint::finish_sending), but no
    /// longer than the peer's T5-shutdown-guard runs (RFC 9260, 9.2).
    pub awaits_last_sends: bool,
    /// Which re-configurations the peer may ask for.
    pub reconfig_permissions: ReconfigPermissions,
    /// How the streams share what may be sent.
    pub scheduler: StreamScheduler,
    /// Priorities (the lower, the sooner) or weights of streams (`SCTP_STREAM_SCHEDULER_VALUE`; RFC 8260, 4.3.3), for
    /// the schedulers that know any. A stream that is not here has priority 0, or weight 1.
    pub stream_values: BTreeMap<u16, u16>,
    /// When messages are given up of which the sender does not say otherwise (`SCTP_DEFAULT_PRINFO`).
    pub reliability: Reliability,
    /// Which paths new data takes.
    pub multipath: Multipath,
    /// Extensions that are offered to the peer; each is used if the peer offers it too.
    pub extensions: Extensions,
    /// What the peer's upper layer is told at the set-up (RFC 5061, 4.2.6; `SCTP_ADAPTATION_LAYER`).
    pub adaptation_indication: Option<u32>,
    /// Where `extensions.asconf` is in use, tell the peer of addresses that the host gets and loses
    /// (`SCTP_AUTO_ASCONF`), on associations that are bound to all addresses. Off by default, as in Linux.
    pub auto_asconf: bool,
    /// Authentication, where `extensions.auth` is on.
    pub auth: AuthConfig,
}

impl AssociationConfig {
    /// A SACK for so many packets by default (RFC 9260, 6.2): what programs are told.
    pub const SACK_FREQUENCY: u32 = 2;

    /// A SACK for so many packets while a bulk transfer runs well, unless the user has chosen a number. Eight saves
    /// a tenth of the work for a packet, and more where SACKs are system calls.
    pub const STRETCHED_SACK_FREQUENCY: u32 = 8;

    /// Parameters with which the failure of a path under load costs less than a second, where round trips take up
    /// to about 200 ms: see `docs/failover.md`. Idle paths are watched each second.
    pub fn fast_failover() -> Self {
        Self {
            rto_initial: Duration::from_millis(500),
            // More than a peer may delay a SACK by default.
            rto_min: Duration::from_millis(250),
            rto_max: Duration::from_secs(2),
            hb_interval: Some(Duration::from_secs(1)),
            sack_delay: Duration::from_millis(100),
            ..Self::default()
        }
    }
}

impl Default for AssociationConfig {
    fn default() -> Self {
        Self {
            rto_initial: Duration::from_secs(1),
            rto_min: Duration::from_secs(1),
            rto_max: Duration::from_secs(60),
            association_max_retrans: 10,
            path_max_retrans: 5,
            potentially_failed_max_retrans: Some(0),
            primary_switchover_max_retrans: None,
            expose_potentially_failed: true,
            max_init_retransmits: 8,
            max_init_timeout: None,
            cookie_life: None,
            hb_interval: Some(Duration::from_secs(30)),
            hb_max_burst: 1,
            probes_at_once: true,
            max_burst: 4,
            congestion_control: CongestionControl::default(),
            sack_delay: Duration::from_millis(200),
            sack_frequency: None,
            outbound_streams: 10,
            max_inbound_streams: 2_048,
            send_buffer: 1 << 20,
            receive_buffer: 1 << 20,
            max_message_size: 1 << 20,
            partial_delivery_point: None,
            fragment_interleave: FragmentInterleave::default(),
            no_delay: false,
            fragmentation_point: 0,
            disable_fragments: false,
            hide_addresses: false,
            path_mtu: 1_500,
            mtu_search: Some(MtuSearchConfig::default()),
            dscp: None,
            flow_label: None,
            ipv4: IpDefaults::default(),
            ipv6: IpDefaults::default(),
            max_packet_size: 0,
            autoclose: None,
            awaits_last_sends: false,
            reconfig_permissions: ReconfigPermissions::NONE,
            scheduler: StreamScheduler::default(),
            stream_values: BTreeMap::new(),
            reliability: Reliability::Full,
            multipath: Multipath::Off,
            extensions: Extensions::default(),
            adaptation_indication: None,
            auto_asconf: false,
            auth: AuthConfig::default(),
        }
    }
}

/// Which stream's message, or fragment of one where messages are interleaved, is sent next (RFC 8260, 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StreamScheduler {
    /// In the order of the sends, whatever the stream (`SCTP_SS_FCFS`, 3.1).
    #[default]
    FirstComeFirstServed,
    /// The streams in turn: a message each, or a fragment (`SCTP_SS_RR`, 3.2).
    RoundRobin,
    /// The streams in turn, a packet each (`SCTP_SS_RR_PKT`, 3.3).
    RoundRobinPerPacket,
    /// The streams of the highest priority first, in turn (`SCTP_SS_PRIO`, 3.4).
    Priority,
    /// The same number of bytes for each stream (`SCTP_SS_FC`, 3.5).
    FairCapacity,
    /// Bytes in proportion to the streams' weights (`SCTP_SS_WFQ`, 3.6).
    WeightedFairQueueing,
}

impl StreamScheduler {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::FirstComeFirstServed,
        Self::RoundRobin,
        Self::RoundRobinPerPacket,
        Self::Priority,
        Self::FairCapacity,
        Self::WeightedFairQueueing,
    ];
}

/// What may be read between the pieces of a message that is delivered before all of it has come
/// (`SCTP_FRAGMENT_INTERLEAVE`; RFC 6458, 8.1.20). Where I-DATA is in use it is always [`Streams`](Self::Streams):
/// else the reader would wait for a fragment that there is no room for (RFC 8260, 4.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FragmentInterleave {
    /// Level 0: nothing.
    Nothing,
    /// Level 1: messages of other associations.
    #[default]
    Associations,
    /// Level 2: messages of other associations and of other streams.
    Streams,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9260, 16. RTO.Alpha and RTO.Beta: see the estimator of the RTT.
    #[test]
    fn the_parameters_are_those_recommended() {
        let config = AssociationConfig::default();
        let rto = [config.rto_initial, config.rto_min, config.rto_max].map(|rto| rto.as_secs());
        assert_eq!(rto, [1, 1, 60]);
        assert_eq!(EndpointConfig::default().valid_cookie_life, Duration::from_secs(60));
        assert_eq!((config.max_burst, config.hb_max_burst), (4, 1));
        assert_eq!((config.association_max_retrans, config.path_max_retrans), (10, 5));
        assert_eq!(config.max_init_retransmits, 8);
        assert_eq!(config.hb_interval, Some(Duration::from_secs(30)));
        assert_eq!(config.sack_delay, Duration::from_millis(200));
    }
}
