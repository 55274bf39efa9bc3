//! Which of our addresses packets leave from while they change (RFC 5061, 5.3 F1, F2, F4).

use super::super::Association;
use super::Change;
use crate::endpoint::scope::is_nearer;
use crate::endpoint::source_for;
use crate::path::{Path, PathId, PathState};
use crate::time::Time;
use core::net::IpAddr;

impl Association {
    /// Nothing may leave but ASCONF, and what is bundled with it.
    pub(in super::super) fn only_asconf_leaves(&self) -> bool {
        self.asconf.as_ref().is_some_and(|asconf| asconf.only_asconf || asconf.is_displaced())
    }

    /// Our addresses that a path may be used from (5.3 F4, F6); none where the host picks.
    pub(super) fn sources(&self) -> Vec<IpAddr> {
        let Some(asconf) = &self.asconf else { return Vec::new() };
        let mut sources = self.local_addresses.clone();
        sources.retain(|&address| !asconf.asked().any(|change| change == Change::Delete(address)));
        sources
    }

    /// Gives each path a source that it may have (5.3 F1). One that is in order stays, unless there is a nearer one.
    pub(super) fn choose_sources(&mut self) {
        // The user named none, and the endpoint knows of none.
        if self.asconf.is_none() || self.local_addresses.is_empty() {
            return;
        }
        if self.config.hide_addresses {
            return self.keep_hidden_sources();
        }
        let mut sources = self.sources();
        let reached = self.paths.iter().any(|path| source_for(&sources, path.address.remote).is_some());
        if let Some(asconf) = &mut self.asconf {
            asconf.only_asconf = !reached;
            if !reached {
                sources.extend(asconf.asked().filter_map(|change| match change {
                    Change::Add(address) => Some(address),
                    _ => None,
                }));
            }
        }
        let mut lost = Vec::new();
        for path in self.paths.iter_mut() {
            choose_source(path, &sources);
            if path.sourceless && path.state != PathState::Unconfirmed {
                lost.push(path.id);
            }
        }
        lost.into_iter().for_each(|id| self.suspend(id));
    }

    /// A path without a source carries nothing until it has one again and is verified anew.
    fn suspend(&mut self, id: PathId) {
        let Some(path) = self.paths.get_mut(id) else { return };
        path.state = PathState::Unconfirmed;
        path.error_count = 0;
        path.heartbeat = crate::path::Heartbeat::default();
        self.outbox.forget(id);
        self.sender.handle_path_failed(id, &mut self.paths);
        self.tell_path(id, crate::event::PathChange::Unreachable);
        self.leave_path(id);
    }

    /// What is done on path `id` is done on another one from now on.
    pub(super) fn leave_path(&mut self, id: PathId) {
        let Some(next) = self.other_path(id) else { return };
        if self.paths.primary() == id && self.paths.set_primary(next) {
            self.tell_path(next, crate::event::PathChange::MadePrimary);
        }
        let moved = |path: &mut PathId| {
            if *path == id {
                *path = next;
            }
        };
        moved(&mut self.data_source);
        self.outbox.cookie_ack.iter_mut().for_each(moved);
        self.state.ending_mut().into_iter().for_each(|ending| moved(&mut ending.path));
        if let Some(asconf) = &mut self.asconf {
            asconf.wanted_primary.take_if(|wanted| *wanted == id);
            asconf.outstanding.iter_mut().for_each(|outstanding| moved(&mut outstanding.path));
        }
    }

    /// The path to take in the place of `id`: one that works, if there is one.
    pub(super) fn other_path(&self, id: PathId) -> Option<PathId> {
        let others = || self.paths.iter().filter(|path| path.id != id);
        let rank = |path: &&Path| match path.state {
            PathState::Active => 0,
            PathState::PotentiallyFailed => 1,
            PathState::Inactive => 2,
            PathState::Unconfirmed if !path.sourceless => 3,
            PathState::Unconfirmed => 4,
        };
        let usual = self.paths.for_new_data().and_then(|usual| others().find(|path| path.id == usual));
        usual.or_else(|| others().min_by_key(rank)).map(|path| path.id)
    }
}

fn choose_source(path: &mut Path, sources: &[IpAddr]) {
    let remote = path.address.remote;
    let best = source_for(sources, remote);
    let present = path.address.local.filter(|local| sources.contains(local));
    path.address.local = match (present, best) {
        (Some(present), Some(best)) if is_nearer(best, present, remote) => Some(best),
        (Some(present), _) => Some(present),
        (None, best) => best,
    };
    let was_sourceless = core::mem::replace(&mut path.sourceless, path.address.local.is_none());
    if was_sourceless && !path.sourceless {
        path.heartbeat.next_at = Some(Time::ZERO);
    }
}
