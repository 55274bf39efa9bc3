//! Counters of an association (after RFC 3873's MIB objects, which the comments name).

use core::ops::AddAssign;

use crate::time::Time;

/// What has happened in an association so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssociationStats {
    /// SCTP packets sent.
    pub packets_sent: u64,
    /// SCTP packets received with the right verification tag.
    pub packets_received: u64,
    /// DATA chunks received, copies included.
    pub data_chunks_received: u64,
    /// New DATA chunks received in order of their stream (sctpInOrderChunks).
    pub ordered_chunks_received: u64,
    /// New DATA chunks received with the U bit (sctpInUnorderChunks).
    pub unordered_chunks_received: u64,
    /// New DATA chunks received although a TSN before them was missing.
    pub out_of_order_chunks_received: u64,
    /// DATA chunks received once more.
    pub duplicate_chunks_received: u64,
    /// DATA chunks sent in order of their stream, without those sent again (sctpOutOrderChunks).
    pub ordered_chunks_sent: u64,
    /// DATA chunks sent with the U bit, without those sent again (sctpOutUnorderChunks).
    pub unordered_chunks_sent: u64,
    /// DATA chunks sent again, for whatever reason (sctpAssocRtxChunks).
    pub retransmitted_chunks: u64,
    /// Control chunks received (sctpInCtrlChunks).
    pub control_chunks_received: u64,
    /// Control chunks sent (sctpOutCtrlChunks); T1 and T2 let some be sent again, which count too.
    pub control_chunks_sent: u64,
    /// Packets with new DATA that a router had marked (RFC 3168).
    pub congestion_marks_received: u64,
    /// SACKs sent.
    pub sacks_sent: u64,
    /// SACKs received, and NR-SACKs.
    pub sacks_received: u64,
    /// Gap blocks in them.
    pub gap_blocks_received: u64,
    /// User messages that were taken for sending.
    pub messages_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// User messages that were sent in more than one DATA chunk (sctpFragUsrMsgs).
    pub messages_fragmented: u64,
    /// User messages that were read.
    pub messages_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Those of them that came in more than one DATA chunk (sctpReasmUsrMsgs).
    pub messages_reassembled: u64,
    /// DATA chunks dropped for want of receive buffer.
    pub data_chunks_dropped: u64,
    /// FORWARD TSN chunks sent.
    pub forward_tsns_sent: u64,
    /// FORWARD TSN chunks received.
    pub forward_tsns_received: u64,
    /// Replies (HEARTBEAT ACK, ERROR) dropped because too many waited.
    pub replies_dropped: u64,
    /// Times that T1-init expired (with the next one sctpAssocT1expireds).
    pub t1_init_expiries: u64,
    /// Times that T1-cookie expired.
    pub t1_cookie_expiries: u64,
    /// Times that T2-shutdown expired (sctpAssocT2expireds).
    pub t2_expiries: u64,
    /// Times that T3-rtx expired, on any path.
    pub t3_expiries: u64,
    /// Those of them that let DATA be sent again.
    pub t3_retransmits: u64,
    /// Times that DATA was sent again because others overtook it, on any path (RFC 9260, 7.2.4).
    pub fast_retransmits: u64,
    /// Times that T4-RTO, of an ASCONF, expired (RFC 5061, 5.1).
    pub t4_expiries: u64,
    /// Times that T5-shutdown-guard expired: once at most.
    pub t5_expiries: u64,
    /// SACKs that nothing but the end of their delay let leave.
    pub sack_delay_expiries: u64,
    /// Times that it was shut down because it carried no user data: once at most (RFC 6458, 8.1.8).
    pub autoclose_expiries: u64,
    /// When it entered ESTABLISHED first (sctpAssocStartTime).
    pub established_at: Option<Time>,
}

/// Sums of many associations have no starting time.
impl AddAssign<&Self> for AssociationStats {
    fn add_assign(&mut self, other: &Self) {
        self.established_at = None;
        let mut other = *other;
        for (sum, count) in self.counters().into_iter().zip(other.counters()) {
            *sum += *count;
        }
    }
}

impl AssociationStats {
    fn counters(&mut self) -> [&mut u64; 36] {
        [
            &mut self.packets_sent,
            &mut self.packets_received,
            &mut self.data_chunks_received,
            &mut self.ordered_chunks_received,
            &mut self.unordered_chunks_received,
            &mut self.out_of_order_chunks_received,
            &mut self.duplicate_chunks_received,
            &mut self.ordered_chunks_sent,
            &mut self.unordered_chunks_sent,
            &mut self.retransmitted_chunks,
            &mut self.control_chunks_received,
            &mut self.control_chunks_sent,
            &mut self.congestion_marks_received,
            &mut self.sacks_sent,
            &mut self.sacks_received,
            &mut self.gap_blocks_received,
            &mut self.messages_sent,
            &mut self.bytes_sent,
            &mut self.messages_fragmented,
            &mut self.messages_received,
            &mut self.bytes_received,
            &mut self.messages_reassembled,
            &mut self.data_chunks_dropped,
            &mut self.forward_tsns_sent,
            &mut self.forward_tsns_received,
            &mut self.replies_dropped,
            &mut self.t1_init_expiries,
            &mut self.t1_cookie_expiries,
            &mut self.t2_expiries,
            &mut self.t3_expiries,
            &mut self.t3_retransmits,
            &mut self.fast_retransmits,
            &mut self.t4_expiries,
            &mut self.t5_expiries,
            &mut self.sack_delay_expiries,
            &mut self.autoclose_expiries,
        ]
    }
}
