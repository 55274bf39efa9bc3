//! Stacks, endpoints, associations and paths in numbers and words. Names that begin with `sctp` are those of the
//! MIB of RFC 3873.

use std::net::IpAddr;
use std::time::Duration;

use sctp_core::association::{Association, AssociationState, AssociationStats};
use sctp_core::endpoint::EndpointStats;
use sctp_core::path::{Path, PathState};
use sctp_core::time::Time;
use serde::{Deserialize, Serialize};

/// A stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackReport {
    /// Its process.
    pub pid: u32,
    /// What carries its packets: `raw`, `udp`, `tun` or `other`.
    pub transport: String,
    /// Its UDP encapsulation port, 0 if packets do not travel in UDP.
    pub udp_port: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Milliseconds since it was built. No counter was ever set back since then (sctpDiscontinuityTime is 0).
    pub uptime_ms: u64,
    /// Associations that it has, ended ones that were not read to their end included.
    pub associations: usize,
    /// The general statistics.
    pub statistics: GeneralStatistics,
}

/// The general statistics of RFC 3873, and a few counters more: see [`EndpointStats`] and [`AssociationStats`] for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "EndpointStats and AssociationStats explain them")]
pub struct GeneralStatistics {
    #[serde(rename = "sctpCurrEstab")]
    pub curr_estab: u64,
    #[serde(rename = "sctpActiveEstabs")]
    pub active_estabs: u64,
    #[serde(rename = "sctpPassiveEstabs")]
    pub passive_estabs: u64,
    #[serde(rename = "sctpAborteds")]
    pub aborteds: u64,
    #[serde(rename = "sctpShutdowns")]
    pub shutdowns: u64,
    #[serde(rename = "sctpOutOfBlues")]
    pub out_of_blues: u64,
    #[serde(rename = "sctpChecksumErrors")]
    pub checksum_errors: u64,
    #[serde(rename = "sctpOutCtrlChunks")]
    pub out_ctrl_chunks: u64,
    #[serde(rename = "sctpOutOrderChunks")]
    pub out_order_chunks: u64,
    #[serde(rename = "sctpOutUnorderChunks")]
    pub out_unorder_chunks: u64,
    #[serde(rename = "sctpInCtrlChunks")]
    pub in_ctrl_chunks: u64,
    #[serde(rename = "sctpInOrderChunks")]
    pub in_order_chunks: u64,
    #[serde(rename = "sctpInUnorderChunks")]
    pub in_unorder_chunks: u64,
    #[serde(rename = "sctpFragUsrMsgs")]
    pub frag_usr_msgs: u64,
    #[serde(rename = "sctpReasmUsrMsgs")]
    pub reasm_usr_msgs: u64,
    #[serde(rename = "sctpOutSCTPPacks")]
    pub out_sctp_packs: u64,
    #[serde(rename = "sctpInSCTPPacks")]
    pub in_sctp_packs: u64,
    pub t1_init_expiries: u64,
    pub t1_cookie_expiries: u64,
    pub t2_expiries: u64,
    pub t3_expiries: u64,
    pub t3_retransmits: u64,
    pub fast_retransmits: u64,
    pub t4_expiries: u64,
    pub t5_expiries: u64,
    pub sack_delay_expiries: u64,
    pub autoclose_expiries: u64,
    pub discarded_packets: u64,
    pub discarded_data_chunks: u64,
}

impl From<EndpointStats> for GeneralStatistics {
    fn from(stats: EndpointStats) -> Self {
        let all = stats.associations;
        Self {
            curr_estab: stats.curr_estab,
            active_estabs: stats.active_estabs,
            passive_estabs: stats.passive_estabs,
            aborteds: stats.aborteds,
            shutdowns: stats.shutdowns,
            out_of_blues: stats.out_of_blues,
            checksum_errors: stats.checksum_errors,
            out_ctrl_chunks: stats.out_ctrl_chunks,
            out_order_chunks: all.ordered_chunks_sent,
            out_unorder_chunks: all.unordered_chunks_sent,
            in_ctrl_chunks: stats.in_ctrl_chunks,
            in_order_chunks: all.ordered_chunks_received,
            in_unorder_chunks: all.unordered_chunks_received,
            frag_usr_msgs: all.messages_fragmented,
            reasm_usr_msgs: all.messages_reassembled,
            out_sctp_packs: stats.out_sctp_packs,
            in_sctp_packs: stats.in_sctp_packs,
            t1_init_expiries: all.t1_init_expiries,
            t1_cookie_expiries: all.t1_cookie_expiries,
            t2_expiries: all.t2_expiries,
            t3_expiries: all.t3_expiries,
            t3_retransmits: all.t3_retransmits,
            fast_retransmits: all.fast_retransmits,
            t4_expiries: all.t4_expiries,
            t5_expiries: all.t5_expiries,
            sack_delay_expiries: all.sack_delay_expiries,
            autoclose_expiries: all.autoclose_expiries,
            discarded_packets: stats.discarded_packets,
            discarded_data_chunks: all.discarded_chunks(),
        }
    }
}

/// What a user of a service that shares the stack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserReport {
    /// Its number.
    pub user: u32,
    /// Sockets.
    pub sockets: usize,
    /// Associations.
    pub associations: usize,
    /// Control connections.
    pub connections: usize,
    /// Bytes of send and receive buffers that its associations may fill.
    pub buffer_bytes: usize,
    /// How often it was refused something.
    pub refused: u64,
}

/// A socket that takes associations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Its port.
    pub port: u16,
    /// Its addresses; none: all of the stack's.
    pub addresses: Vec<IpAddr>,
    /// `one-to-one` or `one-to-many`.
    pub style: String,
    /// Associations that wait to be accepted.
    pub waiting: usize,
}

/// An association.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssociationReport {
    /// Its number in its stack.
    pub id: u64,
    /// Our port (sctpAssocLocalPort).
    pub local_port: u16,
    /// The peer's port (sctpAssocRemPort).
    pub remote_port: u16,
    /// Our addresses (sctpAssocLocalAddrTable).
    pub local_addresses: Vec<IpAddr>,
    /// The peer's primary address (sctpAssocRemPrimAddr).
    pub primary: Option<IpAddr>,
    /// Its state as RFC 9260 writes it (sctpAssocState).
    pub state: String,
    /// The peer began.
    pub inbound: bool,
    /// Milliseconds since it came up (after sctpAssocStartTime).
    pub age_ms: Option<u64>,
    /// Streams that the peer may send on (sctpAssocInStreams).
    pub in_streams: u16,
    /// Streams that we may send on (sctpAssocOutStreams).
    pub out_streams: u16,
    /// Errors in a row that end it (sctpAssocMaxRetr).
    pub max_retrans: u32,
    /// Messages of which nothing was sent yet.
    pub queued_messages: usize,
    /// DATA chunks that are not acknowledged.
    pub outstanding_chunks: usize,
    /// Bytes free in the send buffer.
    pub send_space: usize,
    /// Bytes that the peer has room for.
    pub peer_rwnd: usize,
    /// Bytes that we have room for.
    pub a_rwnd: Option<u32>,
    /// Memory that received data holds, bytes.
    pub held_bytes: usize,
    /// What happened so far.
    pub counters: Counters,
    /// Its paths.
    pub paths: Vec<PathReport>,
}

/// Counters of an association: see [`AssociationStats`] for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "AssociationStats explains them")]
pub struct Counters {
    pub packets_sent: u64,
    pub packets_received: u64,
    pub messages_sent: u64,
    pub messages_received: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub ordered_chunks_sent: u64,
    pub unordered_chunks_sent: u64,
    pub ordered_chunks_received: u64,
    pub unordered_chunks_received: u64,
    pub duplicate_chunks_received: u64,
    pub data_chunks_dropped: u64,
    pub control_chunks_sent: u64,
    pub control_chunks_received: u64,
    pub sacks_sent: u64,
    #[serde(rename = "sctpAssocRtxChunks")]
    pub retransmitted_chunks: u64,
    #[serde(rename = "sctpAssocT1expireds")]
    pub t1_expiries: u64,
    #[serde(rename = "sctpAssocT2expireds")]
    pub t2_expiries: u64,
    pub t3_expiries: u64,
}

impl From<AssociationStats> for Counters {
    fn from(stats: AssociationStats) -> Self {
        Self {
            packets_sent: stats.packets_sent,
            packets_received: stats.packets_received,
            messages_sent: stats.messages_sent,
            messages_received: stats.messages_received,
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            ordered_chunks_sent: stats.ordered_chunks_sent,
            unordered_chunks_sent: stats.unordered_chunks_sent,
            ordered_chunks_received: stats.ordered_chunks_received,
            unordered_chunks_received: stats.unordered_chunks_received,
            duplicate_chunks_received: stats.duplicate_chunks_received,
            data_chunks_dropped: stats.data_chunks_dropped,
            control_chunks_sent: stats.control_chunks_sent,
            control_chunks_received: stats.control_chunks_received,
            sacks_sent: stats.sacks_sent,
            retransmitted_chunks: stats.retransmitted_chunks,
            t1_expiries: stats.t1_init_expiries + stats.t1_cookie_expiries,
            t2_expiries: stats.t2_expiries,
            t3_expiries: stats.t3_expiries,
        }
    }
}

/// A path: the peer's address with all that belongs to it (sctpAssocRemAddrTable).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathReport {
    /// Our address, where it is known (else the host picks).
    pub local: Option<IpAddr>,
    /// The peer's address.
    pub remote: IpAddr,
    /// Its UDP encapsulation port, 0 for plain IP.
    pub udp_port: u16,
    /// It is the primary path.
    pub primary: bool,
    /// `active`, `potentially failed`, `inactive` or `unconfirmed` (sctpAssocRemAddrActive knows two).
    pub state: String,
    /// Whether heartbeats are sent (sctpAssocRemAddrHBActive).
    pub heartbeats: bool,
    /// Round trips and retransmission time-out (sctpAssocRemAddrRTO).
    #[serde(flatten)]
    pub timing: Timing,
    /// Errors in a row that make it inactive (sctpAssocRemAddrMaxPathRtx).
    pub max_path_rtx: u32,
    /// Errors in a row now.
    pub errors: u32,
    /// DATA chunks sent again (sctpAssocRemAddrRtx).
    pub rtx_chunks: u64,
    /// Times that T3-rtx expired.
    pub t3_expiries: u64,
    /// Fast retransmits.
    pub fast_retransmits: u64,
    /// Congestion window, bytes.
    pub cwnd: usize,
    /// Slow start threshold, bytes.
    pub ssthresh: usize,
    /// Bytes in flight.
    pub flight_size: usize,
    /// Largest SCTP packet, bytes.
    pub max_packet_size: usize,
    /// SCTP packets sent.
    pub packets_sent: u64,
    /// SCTP packets received.
    pub packets_received: u64,
}

/// Round trips of a path, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Smoothed round-trip time, once measured.
    pub srtt_us: Option<u64>,
    /// Its variation.
    pub rttvar_us: u64,
    /// Retransmission time-out.
    pub rto_us: u64,
}

impl AssociationReport {
    /// How `association` stands at `now`.
    pub(crate) fn new(id: u64, now: Time, association: &Association) -> Self {
        let (stats, paths) = (association.stats(), association.paths());
        let primary = paths.primary();
        Self {
            id,
            local_port: association.local_port(),
            remote_port: association.peer_port(),
            local_addresses: association.local_addresses().to_vec(),
            primary: paths.get(primary).map(|path| path.address.remote),
            state: state_name(association.state()).into(),
            inbound: association.is_inbound(),
            age_ms: stats.established_at.map(|at| millis(now.since(at))),
            in_streams: association.inbound_streams(),
            out_streams: association.outbound_streams(),
            max_retrans: association.config().association_max_retrans,
            queued_messages: association.queued_messages(),
            outstanding_chunks: association.outstanding_chunks(),
            send_space: association.send_space(),
            peer_rwnd: association.peer_rwnd(),
            a_rwnd: association.a_rwnd(),
            held_bytes: association.held_bytes(),
            counters: stats.into(),
            paths: paths.iter().map(|path| PathReport::new(path, path.id == primary)).collect(),
        }
    }
}

impl PathReport {
    fn new(path: &Path, primary: bool) -> Self {
        Self {
            local: path.address.local,
            remote: path.address.remote,
            udp_port: path.address.remote_udp_port,
            primary,
            state: path_state_name(path.state).into(),
            heartbeats: path.heartbeat.next_at.is_some(),
            timing: Timing {
                srtt_us: path.rtt.srtt().map(micros),
                rttvar_us: micros(path.rtt.rttvar()),
                rto_us: micros(path.rto()),
            },
            max_path_rtx: path.thresholds.path_max_retrans,
            errors: path.error_count,
            rtx_chunks: path.stats.retransmitted_chunks,
            t3_expiries: path.stats.t3_expiries,
            fast_retransmits: path.stats.fast_retransmits,
            cwnd: path.congestion.cwnd(),
            ssthresh: path.congestion.ssthresh(),
            flight_size: path.flight_size,
            max_packet_size: path.max_packet_size,
            packets_sent: path.stats.packets_sent,
            packets_received: path.stats.packets_received,
        }
    }
}

/// RFC 9260, 4.
fn state_name(state: AssociationState) -> &'static str {
    match state {
        AssociationState::Closed => "CLOSED",
        AssociationState::CookieWait => "COOKIE-WAIT",
        AssociationState::CookieEchoed => "COOKIE-ECHOED",
        AssociationState::Established => "ESTABLISHED",
        AssociationState::ShutdownPending => "SHUTDOWN-PENDING",
        AssociationState::ShutdownSent => "SHUTDOWN-SENT",
        AssociationState::ShutdownReceived => "SHUTDOWN-RECEIVED",
        AssociationState::ShutdownAckSent => "SHUTDOWN-ACK-SENT",
    }
}

fn path_state_name(state: PathState) -> &'static str {
    match state {
        PathState::Unconfirmed => "unconfirmed",
        PathState::Active => "active",
        PathState::PotentiallyFailed => "potentially failed",
        PathState::Inactive => "inactive",
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
