//! Counters of an endpoint: the general statistics of RFC 3873 (sctpStats), by their names there.

use super::Endpoint;
use crate::association::{AssociationState, AssociationStats};
use crate::event::Event;

/// What has happened at an endpoint since it was made. The names are those of RFC 3873, 4, without `sctp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointStats {
    /// Associations in ESTABLISHED, SHUTDOWN-RECEIVED or SHUTDOWN-PENDING now.
    pub curr_estab: u64,
    /// Associations that we began and that came up.
    pub active_estabs: u64,
    /// Associations that peers began and that came up.
    pub passive_estabs: u64,
    /// Associations that ended without a shutdown: aborted by either side, or given up, their set-up included.
    pub aborteds: u64,
    /// Associations that ended in good order.
    pub shutdowns: u64,
    /// Well-formed packets that belonged to no association (RFC 9260, 8.4).
    pub out_of_blues: u64,
    /// Packets with a wrong checksum.
    pub checksum_errors: u64,
    /// Control chunks sent.
    pub out_ctrl_chunks: u64,
    /// Ordered DATA chunks sent, without those sent again.
    pub out_order_chunks: u64,
    /// Unordered DATA chunks sent, without those sent again.
    pub out_unorder_chunks: u64,
    /// Control chunks received.
    pub in_ctrl_chunks: u64,
    /// Ordered DATA chunks received, without copies.
    pub in_order_chunks: u64,
    /// Unordered DATA chunks received, without copies.
    pub in_unorder_chunks: u64,
    /// User messages that took more than one DATA chunk.
    pub frag_usr_msgs: u64,
    /// User messages put together from more than one DATA chunk and read.
    pub reasm_usr_msgs: u64,
    /// SCTP packets sent.
    pub out_sctp_packs: u64,
    /// SCTP packets received.
    pub in_sctp_packs: u64,
    /// Expiries of T1-init; these and what follows are not in RFC 3873.
    pub t1_init_expiries: u64,
    /// Expiries of T1-cookie.
    pub t1_cookie_expiries: u64,
    /// Expiries of T2-shutdown.
    pub t2_expiries: u64,
    /// Expiries of T3-rtx.
    pub t3_expiries: u64,
    /// Those of them that let DATA be sent again.
    pub t3_retransmits: u64,
    /// Fast retransmits.
    pub fast_retransmits: u64,
    /// Expiries of T4-RTO (RFC 5061).
    pub t4_expiries: u64,
    /// Expiries of T5-shutdown-guard.
    pub t5_expiries: u64,
    /// SACKs that left because their delay was over.
    pub sack_delay_expiries: u64,
    /// Associations that were shut down because they carried no user data.
    pub autoclose_expiries: u64,
    /// SCTP packets that were discarded in silence: malformed, with a wrong verification tag or a false cookie. Those with a
    /// wrong checksum are counted apart.
    pub discarded_packets: u64,
    /// DATA chunks that were discarded: copies, and what there was no room or no stream for.
    pub discarded_data_chunks: u64,
}

/// What is counted as it happens; the rest is the sum of all associations.
#[derive(Debug, Default)]
pub(super) struct Counters {
    active_estabs: u64,
    passive_estabs: u64,
    aborteds: u64,
    shutdowns: u64,
    pub(super) out_of_blues: u64,
    pub(super) checksum_errors: u64,
    pub(super) packets_received: u64,
    pub(super) packets_discarded: u64,
    /// INIT and COOKIE ECHO, which the endpoint itself takes.
    pub(super) control_chunks_received: u64,
    /// Packets that belong to no association, or to one that has ended, and their chunks.
    pub(super) stateless_sent: u64,
    pub(super) control_chunks_sent: u64,
    /// Sums of the associations that are gone.
    gone: AssociationStats,
}

impl Counters {
    /// An association says that something happened.
    pub(super) fn note_event(&mut self, event: &Event) {
        match event {
            Event::CommunicationUp { inbound: false, .. } => self.active_estabs += 1,
            Event::CommunicationUp { inbound: true, .. } => self.passive_estabs += 1,
            Event::CommunicationLost { .. } => self.aborteds += 1,
            Event::ShutdownComplete => self.shutdowns += 1,
            _ => {}
        }
    }

    /// An association is forgotten, but not what it did.
    pub(super) fn note_gone(&mut self, stats: &AssociationStats) {
        self.gone += stats;
    }
}

impl Endpoint {
    /// Counters of the endpoint and all of its associations. Takes time in proportion to their number.
    pub fn stats(&self) -> EndpointStats {
        let counters = &self.counters;
        let (mut all, mut curr_estab) = (counters.gone, 0);
        for entry in self.slots.iter() {
            all += &entry.association.stats();
            curr_estab += u64::from(is_established(entry.association.state()));
        }
        EndpointStats {
            curr_estab,
            active_estabs: counters.active_estabs,
            passive_estabs: counters.passive_estabs,
            aborteds: counters.aborteds,
            shutdowns: counters.shutdowns,
            out_of_blues: counters.out_of_blues,
            checksum_errors: counters.checksum_errors,
            out_ctrl_chunks: all.control_chunks_sent + counters.control_chunks_sent,
            out_order_chunks: all.ordered_chunks_sent,
            out_unorder_chunks: all.unordered_chunks_sent,
            in_ctrl_chunks: all.control_chunks_received + counters.control_chunks_received,
            in_order_chunks: all.ordered_chunks_received,
            in_unorder_chunks: all.unordered_chunks_received,
            frag_usr_msgs: all.messages_fragmented,
            reasm_usr_msgs: all.messages_reassembled,
            out_sctp_packs: all.packets_sent + counters.stateless_sent,
            in_sctp_packs: counters.packets_received,
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
            discarded_packets: counters.packets_discarded,
            discarded_data_chunks: all.data_chunks_received
                - all.ordered_chunks_received
                - all.unordered_chunks_received,
        }
    }
}

/// As sctpCurrEstab counts.
fn is_established(state: AssociationState) -> bool {
    use AssociationState::{Established, ShutdownPending, ShutdownReceived};
    matches!(state, Established | ShutdownPending | ShutdownReceived)
}
