//! Counters of an endpoint: the general statistics of RFC 3873 (sctpStats), by their names there.

use super::Endpoint;
use crate::association::{AssociationState, AssociationStats};
use crate::event::Event;

/// What has happened at an endpoint since it was made. The names are those of RFC 3873, 4, without `sctp`; what else it has there is
/// in the sums of the associations.
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
    /// Control chunks sent, those that belong to no association included.
    pub out_ctrl_chunks: u64,
    /// Control chunks received, likewise.
    pub in_ctrl_chunks: u64,
    /// SCTP packets sent, likewise.
    pub out_sctp_packs: u64,
    /// SCTP packets received, whoever they were for.
    pub in_sctp_packs: u64,
    /// SCTP packets that were discarded in silence: malformed, with a wrong verification tag or a false cookie. Those with a
    /// wrong checksum are counted apart. This and what follows is not in RFC 3873.
    pub discarded_packets: u64,
    /// The sums of all associations, also of those that are gone.
    pub associations: AssociationStats,
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
            in_ctrl_chunks: all.control_chunks_received + counters.control_chunks_received,
            out_sctp_packs: all.packets_sent + counters.stateless_sent,
            in_sctp_packs: counters.packets_received,
            discarded_packets: counters.packets_discarded,
            associations: all,
        }
    }
}

/// As sctpCurrEstab counts.
fn is_established(state: AssociationState) -> bool {
    use AssociationState::{Established, ShutdownPending, ShutdownReceived};
    matches!(state, Established | ShutdownPending | ShutdownReceived)
}
