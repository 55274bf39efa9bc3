//! Counters of an association (after RFC 3873's MIB objects, which the comments name).

use core::ops::AddAssign;

use crate::time::Time;

/// Counters that can be added up, each named once.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What has happened in an association so far.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct AssociationStats {
            $($(#[$doc])* pub $name: u64,)*
            /// When it entered ESTABLISHED first (sctpAssocStartTime).
            pub established_at: Option<Time>,
        }

        /// Sums of many associations have no starting time.
        impl AddAssign<&Self> for AssociationStats {
            fn add_assign(&mut self, other: &Self) {
                self.established_at = None;
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// SCTP packets sent.
    packets_sent,
    /// SCTP packets received with the right verification tag.
    packets_received,
    /// DATA chunks received, copies included.
    data_chunks_received,
    /// New DATA chunks received in order of their stream (sctpInOrderChunks).
    ordered_chunks_received,
    /// New DATA chunks received with the U bit (sctpInUnorderChunks).
    unordered_chunks_received,
    /// New DATA chunks received although a TSN before them was missing.
    out_of_order_chunks_received,
    /// DATA chunks received once more.
    duplicate_chunks_received,
    /// DATA chunks sent in order of their stream, without those sent again (sctpOutOrderChunks).
    ordered_chunks_sent,
    /// DATA chunks sent with the U bit, without those sent again (sctpOutUnorderChunks).
    unordered_chunks_sent,
    /// DATA chunks sent again, for whatever reason (sctpAssocRtxChunks).
    retransmitted_chunks,
    /// Control chunks received (sctpInCtrlChunks).
    control_chunks_received,
    /// Control chunks sent (sctpOutCtrlChunks); T1 and T2 let some be sent again, which count too.
    control_chunks_sent,
    /// Packets with new DATA that a router had marked (RFC 3168).
    congestion_marks_received,
    /// SACKs sent.
    sacks_sent,
    /// SACKs received, and NR-SACKs.
    sacks_received,
    /// Gap blocks in them.
    gap_blocks_received,
    /// User messages that were taken for sending.
    messages_sent,
    /// Bytes of them.
    bytes_sent,
    /// User messages that were sent in more than one DATA chunk (sctpFragUsrMsgs).
    messages_fragmented,
    /// User messages that were read.
    messages_received,
    /// Bytes of them.
    bytes_received,
    /// Those of them that came in more than one DATA chunk (sctpReasmUsrMsgs).
    messages_reassembled,
    /// DATA chunks dropped for want of receive buffer.
    data_chunks_dropped,
    /// FORWARD TSN chunks sent.
    forward_tsns_sent,
    /// FORWARD TSN chunks received.
    forward_tsns_received,
    /// Replies (HEARTBEAT ACK, ERROR) dropped because too many waited.
    replies_dropped,
    /// Times that T1-init expired (with the next one sctpAssocT1expireds).
    t1_init_expiries,
    /// Times that T1-cookie expired.
    t1_cookie_expiries,
    /// Times that T2-shutdown expired (sctpAssocT2expireds).
    t2_expiries,
    /// Times that T3-rtx expired, on any path.
    t3_expiries,
    /// Those of them that let DATA be sent again.
    t3_retransmits,
    /// Times that DATA was sent again because others overtook it, on any path (RFC 9260, 7.2.4).
    fast_retransmits,
    /// Times that T4-RTO, of an ASCONF, expired (RFC 5061, 5.1).
    t4_expiries,
    /// Times that T5-shutdown-guard expired: once at most.
    t5_expiries,
    /// SACKs that nothing but the end of their delay let leave.
    sack_delay_expiries,
    /// Times that it was shut down because it carried no user data: once at most (RFC 6458, 8.1.8).
    autoclose_expiries,
}

impl AssociationStats {
    /// DATA chunks that were discarded: copies, and what there was no room or no stream for.
    pub fn discarded_chunks(&self) -> u64 {
        self.data_chunks_received - self.ordered_chunks_received - self.unordered_chunks_received
    }
}
