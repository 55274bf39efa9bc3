//! Error counters of paths and of the association (RFC 9260, 8.1 and 8.2), and what they bring about: quick failover
//! and the switch of the primary path (RFC 7829).

use super::Association;
use crate::event::{Event, LossReason, PathChange};
use crate::path::{PathId, PathState};
use crate::time::Time;

impl Association {
    /// Something sent to `path` was not answered in time; `counts` if it counts for the association too.
    /// RFC 9260, 8.1.
    pub(super) fn note_error(&mut self, path: PathId, counts: bool) {
        if counts {
            self.error_count += 1;
        }
        self.note_path_error(path);
        if self.error_count > self.config.association_max_retrans {
            self.lose(LossReason::TimedOut);
        }
    }

    /// Increments a path's counter; past its limits the path is avoided, then inactive.
    /// RFC 7829, 3.2, 5.
    /// RFC 9260, 8.2, 8.3.
    pub(super) fn note_path_error(&mut self, id: PathId) {
        let Some(path) = self.paths.get_mut(id) else { return };
        let thresholds = path.thresholds;
        if path.error_count >= thresholds.most_errors() {
            return;
        }
        path.error_count += 1;
        let errors = path.error_count;
        match path.state {
            PathState::Active | PathState::PotentiallyFailed if errors > thresholds.path_max_retrans => {
                path.state = PathState::Inactive;
                self.give_up_path(id);
            }
            PathState::Active if thresholds.is_potentially_failed(errors) => self.avoid_path(id),
            // An address that never was confirmed stays so: it must not carry data, whatever fails (5.4).
            PathState::Unconfirmed if errors == thresholds.path_max_retrans.saturating_add(1) => {
                self.give_up_path(id);
            }
            _ => {}
        }
        if id == self.paths.primary() && thresholds.loses_primary(errors) {
            self.switch_primary(id);
        }
    }

    /// RFC 7829, 3.2.
    fn give_up_path(&mut self, id: PathId) {
        if let Some(path) = self.paths.get_mut(id) {
            path.stats.failures += 1;
            path.mtu.stop();
        }
        self.tell_path(id, PathChange::Unreachable);
        self.sender.handle_path_failed(id, &mut self.paths);
        self.note_silence();
    }

    /// An active path becomes potentially failed (RFC 7829, 3.2, rules 2, 3 and 6).
    fn avoid_path(&mut self, id: PathId) {
        let answered = self.state().sends_heartbeats();
        let Some(path) = self.paths.get_mut(id) else { return };
        let watched = answered && path.parameters.hb_interval.is_some();
        path.state = PathState::PotentiallyFailed;
        path.stats.potential_failures += 1;
        if watched && path.heartbeat.pending.is_none() {
            path.heartbeat.next_at = Some(Time::ZERO);
        }
        if self.config.expose_potentially_failed {
            self.tell_path(id, PathChange::PotentiallyFailed);
        }
        self.sender.handle_path_avoided(id, &self.paths);
        self.note_silence();
    }

    /// The path that data takes now becomes the primary one, for good (RFC 7829, 5, rules 2 and 3).
    fn switch_primary(&mut self, failed: PathId) {
        let next = self.data_path();
        if next != failed && self.paths.set_primary(next) {
            self.tell_path(next, PathChange::MadePrimary);
        }
    }

    /// Data or a HEARTBEAT sent to `path` was acknowledged.
    /// RFC 7829, 3.2.
    /// RFC 9260, 8.2, 8.3.
    pub(super) fn note_path_works(&mut self, id: PathId) {
        let exposed = self.config.expose_potentially_failed;
        let Some(path) = self.paths.get_mut(id) else { return };
        path.error_count = 0;
        let before = path.state;
        let told = match before {
            PathState::Inactive => true,
            PathState::PotentiallyFailed => exposed,
            PathState::Active | PathState::Unconfirmed => return,
        };
        path.state = PathState::Active;
        if before == PathState::Inactive {
            self.start_mtu_search(id);
        }
        if told {
            self.tell_path(id, PathChange::Available);
        }
    }

    /// NETWORK STATUS CHANGE (11.2.3).
    pub(super) fn tell_path(&mut self, id: PathId, change: PathChange) {
        if let Some(path) = self.paths.get(id) {
            tracing::debug!(tag = self.tags.local, remote = %path.address.remote, ?change, "path");
            self.events.push_back(Event::PathChanged { address: path.address, change });
        }
    }

    /// The path that data takes now.
    pub(super) fn data_path(&self) -> PathId {
        self.paths.for_new_data().unwrap_or(self.paths.primary())
    }

    /// Where a reply to a packet from `remote` goes (6.4).
    pub(super) fn reply_path(&self, remote: core::net::IpAddr) -> PathId {
        self.paths.by_remote(remote).map_or_else(|| self.data_path(), |path| self.confirmed(path.id))
    }

    /// `id`, or the path that data takes while `id` is not confirmed: an address that may be somebody else's
    /// gets no chunks but HEARTBEAT and HEARTBEAT ACK (5.4).
    pub(super) fn confirmed(&self, id: PathId) -> PathId {
        let confirmed = self.paths.get(id).is_some_and(|path| path.state != PathState::Unconfirmed);
        if confirmed { id } else { self.data_path() }
    }
}
