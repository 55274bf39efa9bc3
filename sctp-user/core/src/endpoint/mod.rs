//! The endpoint: many associations behind one interface (RFC 9260, 5, 8.4, 8.5).
//!
//! It finds the association that a packet belongs to, answers INITs without keeping state, answers
//! packets that belong to nobody, and takes turns among its associations when they want to send.
//! It reads no clock and opens no socket: a driver hands it packets and the time, and takes away
//! packets, events and the next deadline. [`Endpoint`] tells the methods apart:
//!
//! - *commands* of the layer above: [`connect`](Endpoint::connect), [`send`](Endpoint::send) …
//! - *input* from below: [`handle_packet`](Endpoint::handle_packet),
//!   [`handle_timeout`](Endpoint::handle_timeout) …
//! - *output*: [`poll_transmit`](Endpoint::poll_transmit), [`poll_event`](Endpoint::poll_event),
//!   [`poll_timeout`](Endpoint::poll_timeout).
//!
//! Any order of calls is right. After commands and input, drain the output.

use crate::association::Association;
use crate::config::{AssociationConfig, EndpointConfig};
use crate::error::{CommandError, ConnectError, ListenError, SendError};
use crate::event::{AssociationId, Event};
use crate::message::{Message, SendOptions};
use crate::net::{Ecn, PathAddress, Transmit};
use crate::rng::Random;
use crate::time::Time;
use bytes::Bytes;
use core::net::IpAddr;
use std::collections::VecDeque;

/// How a port is listened on.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Addresses that are bound; empty: all of the endpoint's.
    pub addresses: Vec<IpAddr>,
    /// `None` (one-to-many style): associations are up at once. `Some(n)` (one-to-one style): they
    /// wait for [`Endpoint::accept`]; a COOKIE ECHO that finds `n` of them waiting gets ABORT.
    pub backlog: Option<usize>,
    /// Parameters of the associations that come in.
    pub config: AssociationConfig,
}

/// What ASSOCIATE needs (RFC 9260, 11.1.2).
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Our port.
    pub local_port: u16,
    /// Our addresses; empty: all of the endpoint's.
    pub local_addresses: Vec<IpAddr>,
    /// Addresses of the peer, the one to begin with first.
    pub peers: Vec<PathAddress>,
    /// The peer's port.
    pub peer_port: u16,
    /// Parameters of the association.
    pub config: AssociationConfig,
}

/// What an ICMP message says about a packet of ours (RFC 9260, 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreachableKind {
    /// ICMPv4 "Protocol Unreachable", ICMPv6 "Unrecognized Next Header Type Encountered".
    Protocol,
    /// "Port Unreachable": of plain SCTP it is ignored (ICMP3); of SCTP in UDP it speaks of the
    /// UDP port (RFC 6951, 5.5).
    Port,
    /// Any other "Destination Unreachable".
    Destination,
    /// ICMPv4 "Fragmentation Needed", ICMPv6 "Packet Too Big".
    PacketTooBig {
        /// Largest IP packet that the next hop takes, bytes.
        mtu: u32,
    },
}

/// Many associations, one interface. See the [module](self).
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    #[expect(dead_code, reason = "the next step uses it")]
    random: Random,
    events: VecDeque<(AssociationId, Event)>,
}

impl Endpoint {
    /// An endpoint without associations. All of its randomness follows from `seed`.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        Self { config, random: Random::new(seed), events: VecDeque::new() }
    }

    /// Replaces the addresses of this host that new associations may use.
    pub fn set_local_addresses(&mut self, addresses: Vec<IpAddr>) {
        self.config.local_addresses = addresses;
    }

    /// Takes associations on `port` from now on.
    pub fn listen(&mut self, port: u16, _options: ListenOptions) -> Result<(), ListenError> {
        if port == 0 { Err(ListenError::InvalidPort) } else { Ok(()) }
    }

    /// Takes no more associations on `port`; those that nobody has accepted are aborted.
    pub fn close_listener(&mut self, _port: u16) {}

    /// The association that has waited longest on a port listened on with a backlog.
    pub fn accept(&mut self, _port: u16) -> Option<AssociationId> {
        None
    }

    /// Begins to set up an association (ASSOCIATE; RFC 9260, 11.1.2). `Event::CommunicationUp` or
    /// `Event::CommunicationLost` follows; messages may be sent at once, they wait.
    pub fn connect(&mut self, _now: Time, request: ConnectRequest) -> Result<AssociationId, ConnectError> {
        let _ = request.peers.first().ok_or(ConnectError::NoPeerAddress)?;
        Err(ConnectError::TooManyAssociations { max: 0 })
    }

    /// Queues a message (SEND; RFC 9260, 11.1.5).
    pub fn send(
        &mut self,
        _now: Time,
        _id: AssociationId,
        _options: &SendOptions,
        _payload: Bytes,
    ) -> Result<(), SendError> {
        Err(SendError::Closed)
    }

    /// Takes the next message (RECEIVE; RFC 9260, 11.1.7). Works past the association's end, until
    /// [`release`](Self::release).
    pub fn receive(&mut self, _now: Time, _id: AssociationId) -> Option<Message> {
        None
    }

    /// Whether [`receive`](Self::receive) has a message.
    pub fn is_readable(&self, _id: AssociationId) -> bool {
        false
    }

    /// Ends an association in good order: what is queued is delivered first (SHUTDOWN; RFC 9260, 9.2).
    pub fn shutdown(&mut self, _now: Time, _id: AssociationId) -> Result<(), CommandError> {
        Err(CommandError::Closed)
    }

    /// Ends an association at once and tells the peer `reason` (ABORT; RFC 9260, 9.1).
    pub fn abort(&mut self, _now: Time, _id: AssociationId, _reason: Bytes) -> Result<(), CommandError> {
        Err(CommandError::Closed)
    }

    /// Forgets an ended association with all that was not read; one that still lives is aborted.
    pub fn release(&mut self, _id: AssociationId) {}

    /// Makes `remote` the address that messages go to (SET PRIMARY; RFC 9260, 11.1.6).
    pub fn set_primary(&mut self, _id: AssociationId, _remote: IpAddr) -> Result<(), CommandError> {
        Err(CommandError::Closed)
    }

    /// Sends a HEARTBEAT to `remote` now (RFC 9260, 11.1.10).
    pub fn request_heartbeat(
        &mut self,
        _now: Time,
        _id: AssociationId,
        _remote: IpAddr,
    ) -> Result<(), CommandError> {
        Err(CommandError::Closed)
    }

    /// The association named `id`, until it is released.
    pub fn association(&self, _id: AssociationId) -> Option<&Association> {
        None
    }

    /// Changes parameters of a living association.
    pub fn update_config(
        &mut self,
        _id: AssociationId,
        _change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<(), CommandError> {
        Err(CommandError::Closed)
    }

    /// A datagram came in: an SCTP packet without IP and UDP headers.
    pub fn handle_packet(&mut self, _now: Time, _path: PathAddress, _ecn: Ecn, _datagram: Bytes) {}

    /// No more packets are waiting right now: acknowledgements that waited for more may leave.
    pub fn handle_batch_end(&mut self, _now: Time) {}

    /// An ICMP message came in about a packet of ours to `path`; `quoted` is what it quotes of it, from
    /// the SCTP common header on (RFC 9260, 10).
    pub fn handle_unreachable(
        &mut self,
        _now: Time,
        _path: PathAddress,
        _kind: UnreachableKind,
        _quoted: &[u8],
    ) {
    }

    /// Acts on all deadlines that are due.
    pub fn handle_timeout(&mut self, _now: Time) {}

    /// Appends packets to send now to `buffer`: one to `max_segments` of them, all to one path and all of
    /// one size, but the last may be shorter. `None`: nothing to send now.
    pub fn poll_transmit(
        &mut self,
        _now: Time,
        _buffer: &mut Vec<u8>,
        _max_segments: usize,
    ) -> Option<Transmit> {
        None
    }

    /// The next event for the layer above.
    pub fn poll_event(&mut self) -> Option<(AssociationId, Event)> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; a time that has passed is due
    /// now. `None`: no timer runs.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }
}
