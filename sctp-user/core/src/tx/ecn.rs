//! Echoes of congestion marks (RFC 4960, Appendix A; RFC 3168, 6.1.2).

use super::sender::Sender;
use crate::path::{PathId, PathSet};
use crate::serial::Tsn;
use crate::time::Time;

impl Sender {
    /// The peer got a packet with a congestion mark, the lowest TSN of which was this one. The path that it took slows
    /// down as if the packet were lost, but once for all that was sent before it did so. If the chunk is acknowledged
    /// already, `fallback` is the path. False if there is no such TSN.
    pub fn handle_ecn_echo(
        &mut self,
        now: Time,
        lowest_tsn: Tsn,
        fallback: PathId,
        paths: &mut PathSet,
    ) -> bool {
        let end = self.outstanding.end();
        let behind = self.outstanding.tsn(end).distance_from(lowest_tsn);
        let sent = behind > 0 && behind <= 1 << 31;
        let Some(position) = end.checked_sub(behind.into()).filter(|_| sent) else { return false };
        let id = self.outstanding.get(position).map_or(fallback, |chunk| chunk.path);
        if let Some(path) = paths.get_mut(id)
            && position >= path.slowed_down_at
        {
            path.slowed_down_at = end;
            path.stats.ecn_reductions += 1;
            let pmdcs = path.pmdcs();
            path.congestion.on_ecn_echo(now, pmdcs);
        }
        true
    }
}
