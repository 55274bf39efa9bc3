//! Where SACKs go (RFC 9260, 6.4).

use super::Association;
use crate::path::{Path, PathId, PathState};
use crate::time::Time;

/// Whether SACKs avoid the address that DATA comes from.
#[derive(Debug, Default)]
pub(super) struct SackDetour {
    taken: bool,
    /// Not to be thought over before: the duplicates of one flight count once.
    settled_until: Time,
}

impl SackDetour {
    /// DATA comes from another address: SACKs go there, and duplicates mean nothing for a while. Where data is on several
    /// paths at once that is always so.
    pub(super) fn settled_until(until: Time) -> Self {
        Self { taken: false, settled_until: until }
    }
}

impl Association {
    /// DATA came that we have: perhaps our SACKs do not arrive where it comes from, so that they are to take another
    /// path. What works then stays.
    pub(super) fn note_duplicate(&mut self, now: Time) {
        let Some(path) = self.paths.get(self.data_source) else { return };
        if now >= self.sack_detour.settled_until {
            self.sack_detour = SackDetour { taken: !self.sack_detour.taken, settled_until: now + path.rto() };
        }
    }

    /// To the source of the DATA, unless that address does not answer, or what it sends again shows that it does not
    /// hear us (6.4). One that is not confirmed gets none (5.4).
    /// RFC 9260, 6.7.
    pub(super) fn sack_path(&self) -> PathId {
        let answers = |path: &Path| path.state == PathState::Active;
        if !self.paths.get(self.data_source).is_some_and(answers) {
            self.data_path()
        } else if self.sack_detour.taken {
            self.paths.for_retransmission(self.data_source).unwrap_or(self.data_source)
        } else {
            self.data_source
        }
    }
}
