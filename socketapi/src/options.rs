//! Socket options (RFC 6458, 8.1), under the names that they have there.

use std::time::Duration;

use sctp_core::association::Association;
use sctp_core::config::{AssociationConfig, FragmentInterleave, StreamScheduler};
use sctp_core::extensions::Extensions;
use sctp_core::multipath::Multipath;
use sctp_core::path::congestion::CongestionControl;
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

    /// All parameters: of the association, else of those to come; of a stream, its own. What is set below one by one
    /// is read here.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::NoAssociation`].
    pub fn parameters(&self) -> Result<AssociationConfig, Error> {
        match self.association {
            Some(id) => self.base.socket.association(Some(id), |association| association.config().clone()),
            None => self.base.socket.config(),
        }
    }

    /// Bounds of the retransmission time-out.
    ///
    /// # Errors
    /// See [`Options::parameters`].
    pub fn rto_info(&self) -> Result<RtoInfo, Error> {
        let config = self.parameters()?;
        Ok(RtoInfo { initial: config.rto_initial, min: config.rto_min, max: config.rto_max })
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

    /// Limits of the association.
    ///
    /// # Errors
    /// See [`Options::parameters`].
    pub fn association_parameters(&self) -> Result<AssociationParameters, Error> {
        Ok(AssociationParameters { association_max_retrans: self.parameters()?.association_max_retrans })
    }

    /// Sets the limits of the association.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_association_parameters(&self, parameters: AssociationParameters) -> Result<(), Error> {
        self.change(|config| config.association_max_retrans = parameters.association_max_retrans)
    }

    /// What INIT says.
    ///
    /// # Errors
    /// See [`Options::parameters`].
    pub fn init_message(&self) -> Result<InitMessage, Error> {
        let config = self.parameters()?;
        Ok(InitMessage {
            outbound_streams: config.outbound_streams,
            max_inbound_streams: config.max_inbound_streams,
            max_attempts: config.max_init_retransmits,
        })
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

    /// Delayed acknowledgement. The frequency is 2 until it is set, as
    /// RFC 9260, 6.2 has it, although a bulk transfer that runs well may be acknowledged more rarely; a frequency
    /// that was set is kept to.
    ///
    /// # Errors
    /// See [`Options::parameters`].
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

    /// What sends without information of their own use; it is the socket's, whichever the association.
    pub fn default_send_info(&self) -> SendInfo {
        self.base.default_send_info()
    }

    /// A number that comes back with each message of the association, [`RecvInfo::context`](crate::RecvInfo::context), or of
    /// all that have none of their own (`SCTP_CONTEXT`; 8.1.25; 0).
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn set_context(&self, context: u32) -> Result<(), Error> {
        self.base.set_context(self.association, context)
    }

    /// The number that comes back with each message.
    pub fn context(&self) -> u32 {
        self.base.context_of(self.association)
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
}
