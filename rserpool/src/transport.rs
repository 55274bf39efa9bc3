//! The seam between the machines of this crate and whoever moves their messages: real SCTP sockets, or a simulated
//! network under virtual time.
//!
//! A machine is fed with [`TransportEvent`]s and with the time, and yields [`Command`]s. It never blocks, and it does
//! not know sockets. Associations have names that both sides can give without asking: see [`AssociationId`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sctp_core::event::LossReason;

use crate::Time;
use crate::wire::{
    ASAP_PPID, AsapMessage, ENRP_PPID, EnrpMessage, ErrorCause, Format, ParseError, Parsed, Protocol,
    Transport, TransportUse,
};

/// Names an association between a machine and its driver. A name is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssociationId {
    /// Opened by [`Command::Connect`]: the machine picks the number.
    Outgoing(u64),
    /// Reported by [`TransportEvent::Accepted`]: the driver picks the number.
    Incoming(u64),
}

/// Which of a machine's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Towards elements and users (RFC 5352).
    Asap,
    /// Between registrars and users over TCP (RFC 5352, 2.1): its connections count as associations, its messages as [`UserMessage`]s
    /// with the identifier of ASAP.
    AsapTcp,
    /// Towards other registrars (RFC 5353).
    Enrp,
}

/// The other end of an association.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
    /// Its SCTP port.
    pub port: u16,
}

impl Peer {
    /// Whether this is one of its addresses.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.to_canonical() == address.to_canonical())
    }

    /// Who is at an SCTP transport that can be connected to; none if it is no such one.
    pub(crate) fn of_sctp(transport: &Transport) -> Option<Self> {
        let is_one = matches!(transport.protocol, Protocol::Sctp(_)) && transport.port != 0;
        is_one.then(|| Self { addresses: transport.addresses.to_vec(), port: transport.port })
    }

    /// As other registrars are told of it.
    pub(crate) fn as_sctp(&self) -> Transport {
        Transport::sctp(self.port, self.addresses.iter().copied(), TransportUse::DataOnly)
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { addresses: vec![address.ip()], port: address.port() }
    }
}

/// A registrar that a DNS name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// As its SRV record has it: those with the smallest number are preferred (RFC 2782). 0 without one.
    pub priority: u16,
    /// As its SRV record has it: its share of the users, among those that are preferred as much. Who has 0 gets hardly any where others
    /// have more, and the same as all others where nobody has. 0 without a record.
    pub weight: u16,
    /// Where it is.
    pub peer: Peer,
}

impl Target {
    /// A registrar without an SRV record.
    pub fn at(peer: Peer) -> Self {
        Self { priority: 0, weight: 0, peer }
    }
}

/// One SCTP user message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMessage {
    /// Payload protocol identifier.
    pub ppid: u32,
    /// Stream number. ASAP uses stream 0.
    pub stream: u16,
    /// Deliver without regard to order.
    pub unordered: bool,
    /// The payload.
    pub data: Bytes,
}

impl UserMessage {
    /// Bytes of the longest message. The shortest has one (RFC 9260, 3.3.1).
    pub const MAX_LEN: usize = 1 << 20;
    /// Streams of an association, in either direction; where a foreign peer has fewer, a message on one that is not there is dropped.
    pub const STREAMS: u16 = 10;

    /// An ordered message on stream 0.
    pub fn new(ppid: u32, data: impl Into<Bytes>) -> Self {
        Self { ppid, stream: 0, unordered: false, data: data.into() }
    }
}

/// What a machine wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set up an association; answer with [`TransportEvent::Connected`] or [`TransportEvent::Lost`].
    Connect {
        /// Its name from now on.
        association: AssociationId,
        /// From which endpoint.
        side: Side,
        /// With whom.
        peer: Peer,
    },
    /// Send a message on an association that is up.
    Send {
        /// On which.
        association: AssociationId,
        /// What.
        message: UserMessage,
    },
    /// Close gracefully, after everything is delivered. The machine has forgotten the association.
    Shutdown {
        /// Which.
        association: AssociationId,
    },
    /// Abort. The machine has forgotten the association.
    Abort {
        /// Which.
        association: AssociationId,
    },
    /// Tell how long a message takes there and back, with [`TransportEvent::Measured`], if that is known.
    Measure {
        /// On which association.
        association: AssociationId,
    },
    /// Resolve the names of the registrars that this endpoint looks for, if that was not done just now; answer with
    /// [`TransportEvent::Resolved`]. Drivers also resolve them by themselves, when an answer has become old.
    Resolve {
        /// For which endpoint.
        side: Side,
    },
    /// Send a UDP datagram to the endpoint's multicast group, on every interface, from the endpoint's port.
    Announce {
        /// ASAP's group or ENRP's.
        side: Side,
        /// The datagram.
        data: Bytes,
    },
}

/// Why an association ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostReason {
    /// The peer shut it down gracefully.
    Shutdown,
    /// The peer sent ABORT, or nobody listens there.
    Aborted,
    /// The peer did not answer: retransmissions or the set-up gave up.
    TimedOut,
    /// The network said that the peer cannot be reached (ICMP).
    Unreachable,
    /// This side gave it up, or could not even try.
    Local,
}

impl LostReason {
    /// Whether nobody can be reached there (RFC 5352, 3.5): who says good-bye can be, and what this side does, or cannot do for want
    /// of an address of that family, says nothing of the other.
    pub(crate) fn is_of_peer(self) -> bool {
        !matches!(self, Self::Shutdown | Self::Local)
    }
}

impl From<&LossReason> for LostReason {
    fn from(reason: &LossReason) -> Self {
        match reason {
            LossReason::PeerAborted { .. } => Self::Aborted,
            LossReason::TimedOut | LossReason::SetupTimedOut => Self::TimedOut,
            LossReason::Unreachable { .. } => Self::Unreachable,
            _ => Self::Local,
        }
    }
}

/// What happened on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// A peer set up an association with us.
    Accepted {
        /// Its name from now on.
        association: AssociationId,
        /// With which endpoint.
        side: Side,
        /// The peer, with all its addresses. The first is the one that it was set up with, where the peer really is; that it is at
        /// the others also, it only says (RFC 9260, 5.4).
        peer: Peer,
    },
    /// The association that we asked for is up.
    Connected {
        /// Its name.
        association: AssociationId,
        /// The peer, with all its addresses.
        peer: Peer,
    },
    /// A whole message arrived.
    Message {
        /// On which association.
        association: AssociationId,
        /// The message.
        message: UserMessage,
    },
    /// An association that is about to be lost has not delivered a message, or perhaps not. Comes before its
    /// [`Lost`](Self::Lost), one for each message; a driver that cannot tell leaves them out.
    Undelivered {
        /// On which association.
        association: AssociationId,
        /// The message, as it was sent.
        message: UserMessage,
    },
    /// How long a message takes there and back: the smoothed round-trip time of the primary path.
    Measured {
        /// On which association.
        association: AssociationId,
        /// How long.
        round_trip: Duration,
    },
    /// The peer has other addresses now (RFC 5061), or some of those that it said it had do not answer as its own, or do again (RFC 9260, 5.4).
    PeerMoved {
        /// On which association.
        association: AssociationId,
        /// All its addresses, the primary one first.
        peer: Peer,
    },
    /// We have other addresses now, which the peers of our associations know.
    Moved {
        /// Of which endpoint.
        side: Side,
        /// All of them.
        addresses: Vec<IpAddr>,
    },
    /// The names of registrars stand for these now, in place of those that were told before. Associations with who is not
    /// among them any more go on.
    Resolved {
        /// For which endpoint.
        side: Side,
        /// All registrars that are known by name; none if the names stand for nobody.
        targets: Vec<Target>,
    },
    /// An association ended or could not be set up.
    Lost {
        /// Which.
        association: AssociationId,
        /// Why.
        reason: LostReason,
    },
    /// A UDP datagram arrived on a multicast group.
    Announce {
        /// On the group of which endpoint.
        side: Side,
        /// Who sent it.
        source: SocketAddr,
        /// The datagram.
        data: Bytes,
    },
}

/// A machine's means: commands that wait for the driver, names for associations, randomness.
pub(crate) struct Io {
    commands: VecDeque<Command>,
    next_association: u64,
    pub(crate) rng: StdRng,
}

impl Io {
    /// With this many commands waiting, a machine takes no more messages and lets its timers wait.
    pub(crate) const MAX_COMMANDS: usize = 4096;

    pub(crate) fn new(seed: u64) -> Self {
        Self { commands: VecDeque::new(), next_association: 0, rng: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.commands.len() >= Self::MAX_COMMANDS
    }

    pub(crate) fn push(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    pub(crate) fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Sets up an association from our ASAP endpoint.
    pub(crate) fn connect(&mut self, peer: Peer) -> AssociationId {
        self.connect_from(Side::Asap, peer)
    }

    pub(crate) fn connect_from(&mut self, side: Side, peer: Peer) -> AssociationId {
        let association = AssociationId::Outgoing(self.next_association);
        self.next_association += 1;
        self.push(Command::Connect { association, side, peer });
        association
    }

    /// Sends an ASAP message that is already bytes.
    pub(crate) fn send_data(&mut self, association: AssociationId, data: Bytes) {
        self.push(Command::Send { association, message: UserMessage::new(ASAP_PPID, data) });
    }

    /// Sends an ENRP message. One that cannot be encoded is logged and dropped.
    pub(crate) fn send_enrp(&mut self, association: AssociationId, message: &EnrpMessage, format: &Format) {
        match message.encode(format) {
            Ok(data) => {
                self.push(Command::Send { association, message: UserMessage::new(ENRP_PPID, data) });
            }
            Err(error) => tracing::warn!(%error, ?message, "ENRP message not sent"),
        }
    }

    /// Reads an ASAP message. Tells the sender what we did not understand, where RFC 5352, 2.2.14 and RFC 5354, 3 demand
    /// that.
    pub(crate) fn read_asap(
        &mut self,
        association: AssociationId,
        data: &[u8],
        format: &Format,
    ) -> Result<AsapMessage, ParseError> {
        let (message, causes): (_, Vec<_>) = match AsapMessage::parse(data, format) {
            Ok(Parsed { message, unrecognized }) => {
                (Ok(message), unrecognized.into_iter().map(ErrorCause::unrecognized_parameter).collect())
            }
            Err(error) => {
                tracing::debug!(%error, ?association, "bad ASAP message");
                let causes = error.report();
                (Err(error), causes)
            }
        };
        if !causes.is_empty() {
            self.send_asap(association, &AsapMessage::Error(causes), format);
        }
        message
    }

    /// Sends an ASAP message. One that cannot be encoded is logged and dropped: what comes from peers was checked
    /// when it came in, what comes from the application when it was configured.
    pub(crate) fn send_asap(&mut self, association: AssociationId, message: &AsapMessage, format: &Format) {
        match message.encode(format) {
            Ok(data) => self.send_data(association, data),
            Err(error) => tracing::warn!(%error, ?message, "ASAP message not sent"),
        }
    }
}

/// The earlier of two deadlines, each of which may be none.
pub(crate) fn earliest(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    a.into_iter().chain(b).min()
}
