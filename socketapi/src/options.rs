//! Socket options (RFC 6458, 8.1), under the names that they have there.

use std::net::IpAddr;
use std::time::Duration;

use sctp_core::association::Association;
use sctp_core::config::{AssociationConfig, FragmentInterleave, ReconfigPermissions, StreamScheduler};
use sctp_core::endpoint::ResetDirections;
use sctp_core::extensions::Extensions;
use sctp_core::multipath::Multipath;
use sctp_core::path::Thresholds;
use sctp_core::path::congestion::CongestionControl;
use sctp_core::path::mtu::MtuSearchConfig;
use sctp_core::reliability::{Abandoned, Policy, Reliability};
use sctp_user::stack::Error;

use crate::base::Base;
use crate::{AssociationId, SendInfo};

/// Retransmission time-out (`SCTP_RTOINFO`; RFC 6458, 8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtoInfo {
    /// Before the first measurement.
    pub initial: Duration,
    /// At least.
    pub min: Duration,
    /// At most.
    pub max: Duration,
}

/// Limits of an association (`SCTP_ASSOCINFO`; RFC 6458, 8.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssociationParameters {
    /// Errors in a row, over all paths, that end it.
    pub association_max_retrans: u32,
}

/// What INIT says and how often it is sent (`SCTP_INITMSG`; RFC 6458, 8.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitMessage {
    /// Streams to ask for.
    pub outbound_streams: u16,
    /// Streams to accept at most.
    pub max_inbound_streams: u16,
    /// INITs without an answer that end the set-up.
    pub max_attempts: u32,
}

/// Failure detection of paths (`SCTP_PEER_ADDR_PARAMS`; RFC 6458, 8.1.12). It holds for all paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathParameters {
    /// Idle time between heartbeats; `None`: no heartbeats.
    pub heartbeat_interval: Option<Duration>,
    /// Errors in a row that make a path inactive.
    pub path_max_retrans: u32,
}

/// Delayed acknowledgement (`SCTP_DELAYED_SACK`; RFC 6458, 8.1.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedSack {
    /// How long one may wait; at most 500 ms (RFC 9260, 6.2).
    pub delay: Duration,
    /// Packets that it may wait for.
    pub frequency: u32,
}

/// The options of a socket, or of one association of a one-to-many socket.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    base: &'a Base,
    association: Option<AssociationId>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(base: &'a Base, association: Option<AssociationId>) -> Self {
        Self { base, association }
    }

    pub(crate) fn socket(&self) -> &'a sctp_user::stack::Socket {
        &self.base.socket
    }

    pub(crate) fn association(&self) -> Option<AssociationId> {
        self.association
    }

    /// Changes any parameters at once: of the association, else of the socket's only one and those to come.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::Closed`]; so for all options.
    pub fn change(&self, change: impl Fn(&mut AssociationConfig)) -> Result<(), Error> {
        self.base.socket.configure(self.association, change)
    }

    /// The parameters of associations to come; of a stream, its own.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn parameters(&self) -> Result<AssociationConfig, Error> {
        self.base.socket.config()
    }

    /// Sets the bounds of the retransmission time-out.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_rto_info(&self, info: RtoInfo) -> Result<(), Error> {
        self.change(|config| {
            config.rto_initial = info.initial;
            config.rto_min = info.min;
            config.rto_max = info.max;
        })
    }

    /// Sets the limits of the association.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_association_parameters(&self, parameters: AssociationParameters) -> Result<(), Error> {
        self.change(|config| config.association_max_retrans = parameters.association_max_retrans)
    }

    /// Sets what INIT says; for associations to come.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_init_message(&self, init: InitMessage) -> Result<(), Error> {
        self.change(|config| {
            config.outbound_streams = init.outbound_streams;
            config.max_inbound_streams = init.max_inbound_streams;
            config.max_init_retransmits = init.max_attempts;
        })
    }

    /// Sends small messages at once although data is in flight (`SCTP_NODELAY`; 8.1.5).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_no_delay(&self, no_delay: bool) -> Result<(), Error> {
        self.change(|config| config.no_delay = no_delay)
    }

    /// Sets heartbeats and failure detection of paths.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_path_parameters(&self, parameters: PathParameters) -> Result<(), Error> {
        self.change(|config| {
            config.hb_interval = parameters.heartbeat_interval;
            config.path_max_retrans = parameters.path_max_retrans;
        })
    }

    /// How the MTUs of paths are found (`SPP_PMTUD_ENABLE`, `SPP_PMTUD_DISABLE`; RFC 6458, 8.1.12; RFC 8899): by
    /// search, or with `None` not at all; then packets have what fits into `path_mtu` bytes of IP, as long as no ICMP
    /// message says less.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_mtu_search(&self, search: Option<MtuSearchConfig>, path_mtu: usize) -> Result<(), Error> {
        self.change(|config| {
            config.mtu_search = search;
            config.path_mtu = path_mtu;
        })
    }

    /// The UDP encapsulation port of the peer's address `remote`, or with `None` of all addresses of the association
    /// (`SCTP_REMOTE_UDP_ENCAPS_PORT`; RFC 6951, 6.1). The status tells the present one of each.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::Command`] if the peer has no such address.
    pub fn set_association_udp_port(&self, remote: Option<IpAddr>, port: u16) -> Result<(), Error> {
        self.base.socket.set_association_udp_port(self.association, remote, port)
    }

    /// Sets how many errors in a row make a path potentially failed or inactive, or take the primary path's place from
    /// it (`SCTP_PEER_ADDR_THLDS_V2`; RFC 7829, 7.2): of one address of the peer, or with `None` of all addresses,
    /// also of associations to come.
    ///
    /// # Errors
    /// See [`Options::change`]; [`Error::Command`] if the primary path would be switched before data leaves it, or
    /// if the peer has no such address.
    pub fn set_thresholds(&self, remote: Option<IpAddr>, thresholds: Thresholds) -> Result<(), Error> {
        match remote {
            Some(remote) => self.base.socket.set_thresholds(self.association, remote, thresholds),
            None => self.change(|config| {
                config.path_max_retrans = thresholds.path_max_retrans;
                config.potentially_failed_max_retrans = thresholds.potentially_failed_max_retrans;
                config.primary_switchover_max_retrans = thresholds.primary_switchover_max_retrans;
            }),
        }
    }

    /// Whether paths that are potentially failed are shown as such, in notifications and in the status; else they
    /// count as active (`SCTP_EXPOSE_POTENTIALLY_FAILED_STATE`; RFC 7829, 7.3; on).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_expose_potentially_failed(&self, expose: bool) -> Result<(), Error> {
        self.change(|config| config.expose_potentially_failed = expose)
    }

    /// Sends a HEARTBEAT to an address of the peer now (`SPP_HB_DEMAND`).
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::Command`] if the peer has no such address.
    pub fn request_heartbeat(&self, remote: IpAddr) -> Result<(), Error> {
        self.base.socket.request_heartbeat(self.association, remote)
    }

    /// Sets delayed acknowledgement.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_delayed_sack(&self, sack: DelayedSack) -> Result<(), Error> {
        self.change(|config| {
            config.sack_delay = sack.delay;
            config.sack_frequency = Some(sack.frequency);
        })
    }

    /// Delayed acknowledgement of associations to come; of a stream, its own. The frequency is 2 until it is set, as
    /// RFC 9260, 6.2 has it, although a bulk transfer that runs well may be acknowledged more rarely; a frequency
    /// that was set is kept to.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn delayed_sack(&self) -> Result<DelayedSack, Error> {
        let config = self.parameters()?;
        let frequency = config.sack_frequency.unwrap_or(AssociationConfig::SACK_FREQUENCY);
        Ok(DelayedSack { delay: config.sack_delay, frequency })
    }

    /// Largest payload of a DATA chunk; 0: what the path MTU allows (`SCTP_MAXSEG`; 8.1.16).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_max_segment(&self, bytes: usize) -> Result<(), Error> {
        self.change(|config| config.fragmentation_point = bytes)
    }

    /// Refuses messages that do not fit into one DATA chunk ([`Error::Send`], `EMSGSIZE` in C), instead of cutting them
    /// (`SCTP_DISABLE_FRAGMENTS`; 8.1.11; off). What fits depends on the path MTU at the time of the send.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_disable_fragments(&self, disable: bool) -> Result<(), Error> {
        self.change(|config| config.disable_fragments = disable)
    }

    /// Packets that one event may send beyond what it newly acknowledged (`SCTP_MAX_BURST`; 8.1.24).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_max_burst(&self, packets: u32) -> Result<(), Error> {
        self.change(|config| config.max_burst = packets)
    }

    /// The algorithm of congestion control of each path (RFC 9260, 7.2); may be changed while data flows.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_congestion_control(&self, control: CongestionControl) -> Result<(), Error> {
        self.change(|config| config.congestion_control = control.clone())
    }

    /// Which paths new data takes; may be changed while data flows. Where several carry data at once, associations begun
    /// from then on also offer NR-SACK, which suits them (draft-tuexen-tsvwg-sctp-multipath).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_multipath(&self, multipath: Multipath) -> Result<(), Error> {
        self.change(|config| {
            config.multipath = multipath;
            config.extensions.nr_sack |= multipath.is_on();
        })
    }

    /// Shuts associations without traffic down after so long (`SCTP_AUTOCLOSE`; 8.1.8).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_autoclose(&self, idle: Option<Duration>) -> Result<(), Error> {
        self.change(|config| config.autoclose = idle)
    }

    /// Bytes of the send buffer of each association (`SO_SNDBUF`).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_send_buffer(&self, bytes: usize) -> Result<(), Error> {
        self.change(|config| config.send_buffer = bytes)
    }

    /// Bytes of the receive buffer of each association (`SO_RCVBUF`). That of one which is up may grow, but does not
    /// shrink (RFC 9260, 3.3.2).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<(), Error> {
        self.change(|config| config.receive_buffer = bytes)
    }

    /// Largest message that is sent or received, bytes; it may be larger than the buffers.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_max_message_size(&self, bytes: usize) -> Result<(), Error> {
        self.change(|config| config.max_message_size = bytes)
    }

    /// Offers to interleave messages of different streams, for associations to come (`SCTP_INTERLEAVING_SUPPORTED`;
    /// RFC 8260, 4.3.1; off). Where the peer offers it too the fragment interleave level is 2, whatever is set.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_interleaving(&self, offer: bool) -> Result<(), Error> {
        self.change(|config| config.extensions.interleaving = offer)
    }

    /// What may be read between the pieces of a message (`SCTP_FRAGMENT_INTERLEAVE`; 8.1.20; level 1).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_fragment_interleave(&self, level: FragmentInterleave) -> Result<(), Error> {
        self.change(|config| config.fragment_interleave = level)
    }

    /// Delivers messages in pieces from so many bytes on (`SCTP_PARTIAL_DELIVERY_POINT`; 8.1.21). `None`, the default:
    /// only those that the receive buffer cannot hold.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_partial_delivery_point(&self, bytes: Option<usize>) -> Result<(), Error> {
        self.change(|config| config.partial_delivery_point = bytes)
    }

    /// How streams share what may be sent (`SCTP_STREAM_SCHEDULER`; RFC 8260, 4.3.2), at once.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_stream_scheduler(&self, scheduler: StreamScheduler) -> Result<(), Error> {
        self.change(|config| config.scheduler = scheduler)
    }

    /// Priority (the lower, the sooner) or weight of a stream (`SCTP_STREAM_SCHEDULER_VALUE`; RFC 8260, 4.3.3), for
    /// schedulers that know any.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_stream_value(&self, stream: u16, value: u16) -> Result<(), Error> {
        self.change(|config| _ = config.stream_values.insert(stream, value))
    }

    /// A message ends only with the send that says so, [`SendInfo::end_of_record`] (`SCTP_EXPLICIT_EOR`; 8.1.26; off).
    /// Those before it on the same stream are pieces of it. Threads must not share a stream then.
    pub fn set_explicit_eor(&self, explicit: bool) {
        self.base.set_explicit_eor(explicit);
    }

    /// What sends without information of their own use (`SCTP_DEFAULT_SNDINFO`; 8.1.31).
    pub fn set_default_send_info(&self, info: SendInfo) {
        self.base.set_default_send_info(info);
    }

    /// When messages are given up whose sender does not say otherwise (`SCTP_DEFAULT_PRINFO`; 8.1.32).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_default_reliability(&self, reliability: Reliability) -> Result<(), Error> {
        self.change(|config| config.reliability = reliability)
    }

    /// Offers these extensions to the peers of associations to come, and no others: `SCTP_ECN_SUPPORTED`,
    /// `SCTP_RECONFIG_SUPPORTED`, `SCTP_AUTH_SUPPORTED` and the like of other systems, in one.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_extensions(&self, offered: Extensions) -> Result<(), Error> {
        self.change(|config| config.extensions = offered)
    }

    /// The extensions that the association uses: those that both sides offered.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn extensions(&self) -> Result<Extensions, Error> {
        self.base.socket.association(self.association, |association| association.extensions())
    }

    /// Whether partial reliability is offered to the peers of associations to come (`SCTP_PR_SUPPORTED`; RFC 7496,
    /// 4.5; on).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_partial_reliability(&self, offered: bool) -> Result<(), Error> {
        self.change(|config| config.extensions.partial_reliability = offered)
    }

    /// Whether both sides of the association offered it.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn partial_reliability(&self) -> Result<bool, Error> {
        let look = |association: &Association| association.extensions().partial_reliability;
        self.base.socket.association(self.association, look)
    }

    /// Messages of the association given up so far by `policy`, or by any (`SCTP_PR_ASSOC_STATUS`; RFC 7496, 4.4).
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn abandoned(&self, policy: Option<Policy>) -> Result<Abandoned, Error> {
        self.base.socket.association(self.association, |association| association.abandoned(None, policy))
    }

    /// The same of one stream (`SCTP_PR_STREAM_STATUS`; RFC 7496, 4.3).
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotConnected`].
    pub fn abandoned_on(&self, stream: u16, policy: Option<Policy>) -> Result<Abandoned, Error> {
        self.base
            .socket
            .association(self.association, |association| association.abandoned(Some(stream), policy))
    }

    /// What closing does (`SO_LINGER`; 8.1.4): `None`, associations end in good order meanwhile; zero, they
    /// are aborted; else closing waits so long for their end.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_linger(&self, linger: Option<Duration>) -> Result<(), Error> {
        self.base.socket.set_linger(linger)
    }

    /// The peers' UDP encapsulation port, for associations to come (RFC 6951, 6.1); `None`: the stack's
    /// default.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_remote_udp_port(&self, port: Option<u16>) -> Result<(), Error> {
        self.base.socket.set_remote_udp_port(port)
    }

    /// Which re-configurations the peer may ask for (`SCTP_ENABLE_STREAM_RESET`; RFC 6525, 6.3.1): none by default.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_reconfig_permissions(&self, permissions: ReconfigPermissions) -> Result<(), Error> {
        self.change(|config| config.reconfig_permissions = permissions)
    }

    /// Which re-configurations the peer of an association to come may ask for; of a stream, its own.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn reconfig_permissions(&self) -> Result<ReconfigPermissions, Error> {
        Ok(self.parameters()?.reconfig_permissions)
    }

    /// Numbers the messages of streams from 0 on again; an empty list means all (`SCTP_RESET_STREAMS`; RFC 6525,
    /// 6.3.2). [`Notification::StreamsReset`](crate::Notification::StreamsReset) tells how it went.
    ///
    /// # Errors
    /// [`Error::Reconfig`] tells why it cannot be asked for now; [`Error::NotConnected`], [`Error::NoAssociation`].
    pub fn reset_streams(&self, directions: ResetDirections, streams: &[u16]) -> Result<(), Error> {
        self.base.socket.reset_streams(self.association, directions, streams)
    }

    /// Numbers TSNs and all streams anew, once in 30 s (`SCTP_RESET_ASSOC`; RFC 6525, 6.3.3).
    /// [`Notification::AssociationReset`](crate::Notification::AssociationReset) tells how it went.
    ///
    /// # Errors
    /// As [`Options::reset_streams`].
    pub fn reset_association(&self) -> Result<(), Error> {
        self.base.socket.reset_association(self.association)
    }

    /// Adds streams that we send on, and streams of the peer's (`SCTP_ADD_STREAMS`; RFC 6525, 6.3.4).
    /// [`Notification::StreamsChanged`](crate::Notification::StreamsChanged) tells how it went.
    ///
    /// # Errors
    /// As [`Options::reset_streams`].
    pub fn add_streams(&self, outbound: u16, inbound: u16) -> Result<(), Error> {
        self.base.socket.add_streams(self.association, outbound, inbound)
    }
}
