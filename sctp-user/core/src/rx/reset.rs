//! Streams and TSNs that the peer numbers anew, and streams that it adds (RFC 6525).

use super::Violation;
use super::receiver::{Fragments, Receiver};
use super::tsn_map::TsnMap;
use crate::serial::Tsn;
use crate::stream_set::StreamSet;

impl Receiver {
    /// A SACK is to go out now.
    pub fn request_sack(&mut self) {
        self.sack.request();
    }

    /// There are so many inbound streams from now on.
    pub fn set_streams(&mut self, streams: u16) {
        self.streams.set_count(streams);
    }

    /// Whether all up to `tsn` has come.
    pub fn has_all_up_to(&self, tsn: Tsn) -> bool {
        tsn.at_most(self.map.cumulative())
    }

    /// `streams` are to be [reset](Self::reset_streams) once all up to `last_assigned_tsn` has come; what was sent on
    /// them later is held until then (RFC 6525, 5.2.2 E2).
    pub fn defer_reset(&mut self, streams: StreamSet, last_assigned_tsn: Tsn) {
        self.streams.defer_reset(streams, last_assigned_tsn);
    }

    /// `streams` begin with 0 again, all up to `last_assigned_tsn` having come.
    ///
    /// # Errors
    /// If messages that were held contradict each other.
    /// RFC 6525, 5.2.2.
    pub fn reset_streams(&mut self, streams: &StreamSet, last_assigned_tsn: Tsn) -> Result<(), Violation> {
        self.streams.reset(streams, last_assigned_tsn)?;
        if let Fragments::ByFsn(interleaved) = &mut self.reassembly {
            interleaved.note_turns(streams);
        }
        self.relieve();
        Ok(())
    }

    /// The peer's next TSN is `next_tsn`, and all streams begin with 0 again. Parts of messages are dropped, whole ones
    /// delivered, as if all that is missing had been abandoned (RFC 6525, 5.2.4 G4 and G5).
    pub fn reset_tsns(&mut self, next_tsn: Tsn) {
        let dropped = self.reassembly.clear();
        self.abort_deliveries(dropped);
        self.streams.reset_all();
        self.map = TsnMap::new(next_tsn);
        self.suspended = false;
    }

    /// Takes no new DATA while its TSNs may be others than they seem: between our request to reset them and the
    /// peer's response.
    pub fn set_suspended(&mut self, suspended: bool) {
        self.suspended = suspended;
    }
}
