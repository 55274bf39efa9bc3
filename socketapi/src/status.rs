//! How an association stands.

use std::net::IpAddr;
use std::time::Duration;

use sctp_core::association::{Association, AssociationState, AssociationStats};
use sctp_core::path::mtu::MtuState;
use sctp_core::path::{Path, PathParameters, PathState, Thresholds};
use sctp_user::stack::{Error, Socket};

use crate::AssociationId;

/// An association's state (`SCTP_STATUS`; RFC 6458, 8.2.1).
#[derive(Clone, Debug)]
pub struct Status {
    /// Where it is in its life.
    pub state: AssociationState,
    /// Streams that we may send on.
    pub outbound_streams: u16,
    /// Streams that the peer may send on.
    pub inbound_streams: u16,
    /// Bytes free in the send buffer.
    pub send_space: usize,
    /// Whether messages wait or are unacknowledged.
    pub has_unacknowledged: bool,
    /// DATA chunks that were sent and are not acknowledged.
    pub unacknowledged_chunks: usize,
    /// Messages of which nothing was sent yet.
    pub queued_messages: usize,
    /// Bytes that the peer has room for beyond what is on its way.
    pub peer_window: usize,
    /// Bytes that we have room for; none until the peer has answered.
    pub local_window: Option<u32>,
    /// The peer's last TSN before the first that is missing; none until the peer has answered.
    pub cumulative_tsn: Option<u32>,
    /// Largest payload of a DATA chunk now, bytes: messages that are larger are cut.
    pub fragmentation_point: usize,
    /// Our addresses that the peer knows.
    pub local_addresses: Vec<IpAddr>,
    /// The peer's primary address.
    pub primary: Option<IpAddr>,
    /// All its paths.
    pub paths: Vec<PathStatus>,
    /// Counters.
    pub stats: AssociationStats,
}

/// A path (`SCTP_GET_PEER_ADDR_INFO`; RFC 6458, 8.2.2).
#[derive(Clone, Copy, Debug)]
pub struct PathStatus {
    /// The peer's address.
    pub address: IpAddr,
    /// Its UDP encapsulation port, 0 for plain IP.
    pub udp_port: u16,
    /// Whether it may carry data.
    pub state: PathState,
    /// Retransmission time-out.
    pub rto: Duration,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Congestion window, bytes.
    pub cwnd: usize,
    /// Bytes in flight.
    pub flight_size: usize,
    /// Largest SCTP packet, bytes.
    pub max_packet_size: usize,
    /// Where the search for that stands (RFC 8899, 5.2).
    pub mtu_search: MtuState,
    /// Errors in a row.
    pub error_count: u32,
    /// How many of them change its state.
    pub thresholds: Thresholds,
    /// What was set for it.
    pub parameters: PathParameters,
}

impl Status {
    pub(crate) fn of(socket: &Socket, association: Option<AssociationId>) -> Result<Self, Error> {
        socket.association(association, Self::new)
    }

    fn new(association: &Association) -> Self {
        let paths = association.paths();
        let exposed = association.config().expose_potentially_failed;
        Self {
            state: association.state(),
            outbound_streams: association.outbound_streams(),
            inbound_streams: association.inbound_streams(),
            send_space: association.send_space(),
            has_unacknowledged: association.has_unacknowledged(),
            unacknowledged_chunks: association.outstanding_chunks(),
            queued_messages: association.queued_messages(),
            peer_window: association.peer_rwnd(),
            local_window: association.a_rwnd(),
            cumulative_tsn: association.cumulative_tsn().map(|tsn| tsn.0),
            fragmentation_point: association.fragmentation_point(),
            local_addresses: association.local_addresses().to_vec(),
            primary: paths.get(paths.primary()).map(|path| path.address.remote),
            paths: paths.iter().map(|path| PathStatus::new(path, exposed)).collect(),
            stats: association.stats(),
        }
    }
}

impl PathStatus {
    /// Unless it is `exposed`, a potentially failed path counts as active (RFC 7829, 7.3).
    fn new(path: &Path, exposed: bool) -> Self {
        let hidden = path.state == PathState::PotentiallyFailed && !exposed;
        Self {
            address: path.address.remote,
            udp_port: path.address.remote_udp_port,
            state: if hidden { PathState::Active } else { path.state },
            rto: path.rto(),
            srtt: path.rtt.srtt(),
            cwnd: path.congestion.cwnd(),
            flight_size: path.flight_size,
            max_packet_size: path.max_packet_size,
            mtu_search: path.mtu.state(),
            error_count: path.error_count,
            thresholds: path.thresholds,
            parameters: path.parameters,
        }
    }
}
