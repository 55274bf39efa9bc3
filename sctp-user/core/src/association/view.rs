//! What can be seen of an association from outside; nothing changes by it.

use super::state::{LastSends, State};
use super::{Association, AssociationState, AssociationStats, PeerCapabilities};
use crate::arrival::Arrival;
use crate::config::AssociationConfig;
use crate::endpoint::Bound;
use crate::extensions::Extensions;
use crate::path::PathSet;
use crate::reliability::{Abandoned, Policy};
use crate::rx::Receiver;
use crate::serial::Tsn;
use core::net::IpAddr;

impl Association {
    /// Where it is in its life.
    pub fn state(&self) -> AssociationState {
        self.state.name()
    }

    /// The peer has sent SHUTDOWN, and [the end of the user's last sends](crate::endpoint::Endpoint::finish_sending) is awaited
    /// ([`AssociationConfig::awaits_last_sends`]).
    pub fn awaits_last_sends(&self) -> bool {
        matches!(self.state, State::ShutdownReceived(LastSends::AwaitedUntil(_)))
    }

    /// Our port.
    pub fn local_port(&self) -> u16 {
        self.local_port
    }

    /// The peer's port.
    pub fn peer_port(&self) -> u16 {
        self.peer_port
    }

    /// The peer's addresses with all that is known of each.
    pub fn paths(&self) -> &PathSet {
        &self.paths
    }

    /// Our addresses that this association may use.
    pub fn local_addresses(&self) -> &[IpAddr] {
        &self.local_addresses
    }

    /// What its socket is bound to: packets to other addresses are not for it.
    pub(crate) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Whether the peer began, towards one of our listening ports.
    pub fn is_inbound(&self) -> bool {
        self.inbound
    }

    /// Our verification tag, which packets to us carry.
    pub fn local_tag(&self) -> u32 {
        self.tags.local
    }

    /// The tag, where packets of the peer's may name the association by nothing else: an ASCONF (RFC 5061, 4.1.1), or what
    /// comes from an address that we do not hold.
    pub(crate) fn lookup_tag(&self) -> Option<u32> {
        (self.asconf.is_some() || self.capabilities.more_addresses).then_some(self.tags.local)
    }

    /// The peer's verification tag, 0 while it is unknown.
    pub fn peer_tag(&self) -> u32 {
        self.tags.peer
    }

    /// What the peer said in its INIT or INIT ACK of its abilities.
    pub fn capabilities(&self) -> PeerCapabilities {
        self.capabilities
    }

    /// Extensions in use: those that both sides offered.
    pub fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Whether our INIT or INIT ACK said that packets may come without a checksum (RFC 9653, 5.1).
    pub(crate) fn accepts_zero_checksum(&self) -> bool {
        self.config.extensions.zero_checksum
    }

    /// Its parameters.
    pub fn config(&self) -> &AssociationConfig {
        &self.config
    }

    /// Streams that we may send on; what we asked for until the peer has answered.
    pub fn outbound_streams(&self) -> u16 {
        self.outbound_streams
    }

    /// Streams that the peer may send on; what we allow at most until it has said.
    pub fn inbound_streams(&self) -> u16 {
        self.inbound_streams
    }

    /// Largest payload of a DATA chunk now, bytes: messages that are larger are cut (RFC 6458, 8.2.1).
    pub fn fragmentation_point(&self) -> usize {
        self.sender.largest_payload(&self.paths)
    }

    /// Bytes free in the send buffer.
    pub fn send_space(&self) -> usize {
        self.sender.free()
    }

    /// Whether messages wait or are unacknowledged.
    pub fn has_unacknowledged(&self) -> bool {
        !self.sender.is_empty()
    }

    /// Memory that received data holds, bytes.
    pub fn held_bytes(&self) -> usize {
        self.receiver.as_ref().map_or(0, Receiver::held_bytes)
    }

    /// Messages given up so far by `policy`, or by any; of one stream, or of all (RFC 7496, 4.3 and 4.4).
    pub fn abandoned(&self, stream_id: Option<u16>, policy: Option<Policy>) -> Abandoned {
        self.sender.abandoned(stream_id, policy)
    }

    /// Counters.
    pub fn stats(&self) -> AssociationStats {
        let sent = self.sender.stats();
        AssociationStats {
            ordered_chunks_sent: sent.ordered_chunks,
            unordered_chunks_sent: sent.unordered_chunks,
            retransmitted_chunks: sent.retransmitted_chunks,
            messages_fragmented: sent.messages_fragmented,
            t3_expiries: sent.t3_expiries,
            t3_retransmits: sent.t3_retransmits,
            fast_retransmits: sent.fast_retransmits,
            ..self.stats
        }
    }

    /// Messages of which nothing was sent yet.
    pub fn queued_messages(&self) -> usize {
        self.sender.queued_messages()
    }

    /// DATA chunks that were sent and are not acknowledged.
    pub fn outstanding_chunks(&self) -> usize {
        self.sender.outstanding_chunks()
    }

    /// Bytes that the peer has room for beyond what is on its way.
    pub fn peer_rwnd(&self) -> usize {
        self.sender.peer_rwnd()
    }

    /// Bytes that we have room for; none until the peer has answered.
    pub fn a_rwnd(&self) -> Option<u32> {
        self.receiver.as_ref().map(Receiver::a_rwnd)
    }

    /// The last TSN of the peer's before the first that is missing; none until the peer has answered.
    pub fn cumulative_tsn(&self) -> Option<Tsn> {
        self.receiver.as_ref().map(Receiver::cumulative_tsn)
    }

    /// Whether a message can be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.next_arrival().is_some()
    }

    /// When the next message for the reader came.
    pub(crate) fn next_arrival(&self) -> Option<Arrival> {
        self.receiver.as_ref()?.next_arrival()
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }
}
