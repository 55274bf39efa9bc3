//! Handle Tables, both ways, and the audits that make them necessary (RFC 5353, 3.2.3 and 3.6).

use super::EnrpTimer;
use crate::handlespace::ElementKey;
use crate::registrar::{Registrar, RegistrarEvent, Timer};
use crate::wire::{EnrpBody, PoolElement, PoolEntry};
use crate::{PoolHandle, RegistrarId, Time};

/// Parts of a table that are taken; a peer that sends more does not come to an end.
const MAX_PARTS: u32 = 1_000_000;
/// The pause between audits doubles up to so many heartbeats while they do not help: peers of ours that know elements which cannot be in
/// one handlespace never agree.
const MAX_PAUSE: u32 = 16;

/// What fits in a message behind its header and the identifiers of two registrars.
const LONGEST: usize = u16::MAX as usize - 12;

/// A table that is being fetched from a peer.
pub(super) struct Download {
    own_children_only: bool,
    /// The rest of an earlier one comes first, and is not looked at.
    is_drained: bool,
    parts: u32,
}

/// A table that a peer is fetching: how far it has come.
pub(super) struct Upload {
    own_children_only: bool,
    after: Option<ElementKey>,
}

impl Registrar {
    /// Compares what a peer says of its elements with what we know (RFC 5353, 3.6.1).
    pub(super) fn audit(&mut self, id: RegistrarId, checksum: u16, now: Time) {
        if !self.is_serving() {
            return;
        }
        let is_equal = self.handlespace.checksum(id).matches(checksum);
        let Some(peer) = self.enrp.peers.get_mut(&id) else { return };
        if is_equal {
            peer.vain_audits = 0;
        } else if peer.download.is_none() && peer.next_audit <= now {
            self.statistics.failed_audits += 1;
            let pause = (1 << peer.vain_audits.min(16)).min(MAX_PAUSE) - 1;
            peer.vain_audits += 1;
            peer.next_audit = now + self.config.enrp.heartbeat_cycle * pause;
            self.start_download(id, true, now);
        }
    }

    /// RFC 5353, 3.2.3 and 3.6.3.
    pub(super) fn start_download(&mut self, id: RegistrarId, own_children_only: bool, now: Time) {
        let Some(peer) = self.enrp.peers.get_mut(&id) else { return };
        peer.round = peer.round.wrapping_add(1);
        peer.download = Some(Download { own_children_only, is_drained: !peer.must_drain, parts: 0 });
        self.request_part(id, own_children_only, now);
    }

    fn request_part(&mut self, id: RegistrarId, own_children_only: bool, now: Time) {
        self.send_to(id, EnrpBody::HandleTableRequest { own_children_only });
        let due = now + self.config.enrp.max_time_no_response;
        self.timers.set(Timer::Enrp(EnrpTimer::Download(id)), due);
    }

    /// A part of a table. RSPLIB keeps one position for all downloads of a peer, also for one that was broken off: so its rest is
    /// fetched, and then all of it.
    pub(super) fn handle_table(
        &mut self,
        from: RegistrarId,
        more: bool,
        rejected: bool,
        pools: Vec<PoolEntry>,
        now: Time,
    ) {
        let Some(peer) = self.enrp.peers.get_mut(&from) else { return };
        let Some(download) = &mut peer.download else { return };
        download.parts += 1;
        if rejected || download.parts > MAX_PARTS {
            return self.fail_download(from, now);
        }
        let (own_children_only, is_drained) = (download.own_children_only, download.is_drained);
        download.is_drained |= !more;
        if !more {
            peer.must_drain = false;
        }
        if is_drained {
            self.take_in_table(from, own_children_only, pools, now);
        }
        if more || !is_drained {
            self.request_part(from, own_children_only, now);
        } else {
            self.finish_download(from, now);
        }
    }

    fn take_in_table(
        &mut self,
        from: RegistrarId,
        own_children_only: bool,
        pools: Vec<PoolEntry>,
        now: Time,
    ) {
        for PoolEntry { handle, elements } in pools {
            for mut element in elements {
                if own_children_only {
                    element.home = from;
                }
                self.add_distance(from, &mut element);
                self.take_in(&handle, element, now);
            }
        }
    }

    fn finish_download(&mut self, from: RegistrarId, now: Time) {
        self.timers.clear(Timer::Enrp(EnrpTimer::Download(from)));
        let Some(peer) = self.enrp.peers.get_mut(&from) else { return };
        let (round, download) = (peer.round, peer.download.take());
        if download.is_some_and(|download| download.own_children_only) {
            self.purge(from, round);
            self.emit(RegistrarEvent::Synchronized { peer: from });
        }
        self.finish_startup(from, now);
    }

    /// What a peer does not own any more (RFC 5353, 3.6.3, step 5).
    fn purge(&mut self, of: RegistrarId, round: u32) {
        let is_old =
            |key: &ElementKey| self.handlespace.get(*key).is_some_and(|element| element.data.round != round);
        let old: Vec<ElementKey> = self.handlespace.keys_of(of).filter(is_old).collect();
        old.into_iter().for_each(|key| self.forget_element(key));
    }

    /// The peer does not answer, refuses, or is gone.
    pub(super) fn fail_download(&mut self, id: RegistrarId, now: Time) {
        self.timers.clear(Timer::Enrp(EnrpTimer::Download(id)));
        if let Some(peer) = self.enrp.peers.get_mut(&id) {
            peer.must_drain |= peer.download.take().is_some_and(|download| download.parts > 0);
        }
        self.fail_mentor(id, now);
    }

    /// The association is gone, and with it what is on the way; a new one may be with a registrar that has started anew.
    pub(super) fn break_off_tables(&mut self, id: RegistrarId, now: Time) {
        self.forget_upload(id);
        self.fail_download(id, now);
    }

    pub(super) fn forget_upload(&mut self, id: RegistrarId) {
        self.timers.clear(Timer::Enrp(EnrpTimer::Upload(id)));
        if let Some(peer) = self.enrp.peers.get_mut(&id) {
            peer.upload = None;
        }
    }

    /// RFC 5353, 3.2.3: the next part.
    pub(super) fn answer_table_request(&mut self, from: RegistrarId, own_children_only: bool, now: Time) {
        self.statistics.table_requests += 1;
        if !self.is_serving() {
            let body = EnrpBody::HandleTableResponse { more: false, rejected: true, pools: Vec::new() };
            self.send_to(from, body);
            return;
        }
        let Some(peer) = self.enrp.peers.get_mut(&from) else { return };
        let before = peer.upload.take().filter(|upload| upload.own_children_only == own_children_only);
        let (pools, last) = self.part_of_table(own_children_only, before.and_then(|upload| upload.after));
        let home = own_children_only.then_some(self.config.id);
        let more = self.handlespace.next(home, last).is_some() && last.is_some();
        if let (true, Some(peer)) = (more, self.enrp.peers.get_mut(&from)) {
            peer.upload = Some(Upload { own_children_only, after: last });
            let due = now + self.config.enrp.max_time_no_response;
            self.timers.set(Timer::Enrp(EnrpTimer::Upload(from)), due);
        } else {
            self.forget_upload(from);
        }
        self.send_to(from, EnrpBody::HandleTableResponse { more, rejected: false, pools });
    }

    /// The elements behind `after`, as many as one message may have, and the last of them.
    fn part_of_table(
        &self,
        own_children_only: bool,
        after: Option<ElementKey>,
    ) -> (Vec<PoolEntry>, Option<ElementKey>) {
        let home = own_children_only.then_some(self.config.id);
        let (mut pools, mut last) = (Vec::<PoolEntry>::new(), after);
        let mut room = self.config.enrp.max_table_len;
        for _ in 0..self.config.enrp.max_table_entries {
            let Some(key) = self.handlespace.next(home, last) else { break };
            let Some(element) = self.handlespace.get(key) else { break };
            let Some(handle) = self.handlespace.pool_of(key).map(|pool| pool.handle()) else { break };
            let is_other = pools.last().is_none_or(|entry| entry.handle != *handle);
            let Some(len) = self.len_in_table(&element.info, is_other.then_some(handle)) else {
                last = Some(key);
                continue;
            };
            if len > room && !pools.is_empty() {
                break;
            }
            room = room.saturating_sub(len);
            if is_other {
                pools.push(PoolEntry { handle: handle.clone(), elements: Vec::new() });
            }
            if let Some(entry) = pools.last_mut() {
                entry.elements.push(element.info.clone());
            }
            last = Some(key);
        }
        (pools, last)
    }

    /// Bytes that an element takes, and the name of its pool if that has to be said; none if they cannot be told of: what one peer may say
    /// is not for all, see [`Format`](crate::wire::Format).
    fn len_in_table(&self, element: &PoolElement, handle: Option<&PoolHandle>) -> Option<usize> {
        let format = &self.config.format;
        let of_handle = handle.map_or(Ok(0), |handle| PoolEntry::handle_len(handle, format)).ok()?;
        let len = of_handle + element.wire_len(format).ok()?;
        (len <= LONGEST).then_some(len)
    }
}
