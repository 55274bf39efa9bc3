//! Handle Updates, both ways (RFC 5353, 3.3), and what peers say of elements.

use crate::handlespace::ElementKey;
use crate::registrar::{Member, Registrar, Timer};
use crate::wire::{EnrpBody, PoolElement, UpdateAction};
use crate::{PoolHandle, RegistrarId, Time};

impl Registrar {
    /// Tells all peers what has become of an element that is ours, or was. It names none of them (RFC 5353, 3.3.1 and 3.3.2).
    pub(in crate::registrar) fn announce_element(
        &mut self,
        action: UpdateAction,
        pool_handle: &PoolHandle,
        element: &PoolElement,
    ) {
        let heir = self.better_home(action, element);
        let peers: Vec<RegistrarId> = self.enrp.peers.keys().copied().collect();
        for peer in peers {
            let body = EnrpBody::HandleUpdate {
                action,
                takeover_suggested: heir == Some(peer),
                pool_handle: pool_handle.clone(),
                element: element.clone(),
            };
            if let Some(association) = self.enrp.way_to(peer) {
                self.send_on(association, RegistrarId::NONE, body);
                self.statistics.updates += 1;
            }
        }
    }

    /// The registrar whose identifier is farthest from the element's, if that is not this one (enrp-takeover draft, 3).
    fn better_home(&self, action: UpdateAction, element: &PoolElement) -> Option<RegistrarId> {
        if !self.config.enrp.suggest_takeovers || action == UpdateAction::Delete {
            return None;
        }
        let distance = |id: RegistrarId| id.0 ^ element.id.0;
        let active = self.enrp.peers.iter().filter(|(_, peer)| peer.is_active());
        let best = active.map(|(id, _)| *id).max_by_key(|id| distance(*id))?;
        (distance(best) > distance(self.config.id)).then_some(best)
    }

    pub(super) fn handle_update(
        &mut self,
        from: RegistrarId,
        action: UpdateAction,
        takeover_suggested: bool,
        pool_handle: PoolHandle,
        mut element: PoolElement,
        now: Time,
    ) {
        self.statistics.peer_updates += 1;
        match action {
            UpdateAction::Add => {
                // Only a home tells of an element.
                element.home = from;
                self.add_distance(from, &mut element);
                let Some(key) = self.take_in(&pool_handle, element, now) else { return };
                if takeover_suggested && self.config.enrp.suggest_takeovers {
                    self.claim(key, now);
                } else {
                    // Its home suggests it to nobody, or to another one, now.
                    self.enrp.claims.withdraw(key);
                }
            }
            UpdateAction::Delete => self.handle_deletion(from, &pool_handle, &element),
        }
    }

    /// RFC 5353, 3.3.2. Only the home that we know of may say that an element is gone: RSPLIB also says so of elements that leave it for another home.
    fn handle_deletion(&mut self, from: RegistrarId, pool_handle: &PoolHandle, element: &PoolElement) {
        let Some(key) = self.handlespace.find(pool_handle, element.id) else { return };
        let Some(known) = self.handlespace.get(key).map(|known| known.info.clone()) else { return };
        if known.home == from {
            return self.forget_element(key);
        }
        self.statistics.refused_updates += 1;
        if known.home == self.config.id {
            let (pool_handle, takeover_suggested) = (pool_handle.clone(), false);
            let action = UpdateAction::Add;
            self.send_to(
                from,
                EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element: known },
            );
        }
    }

    /// Notes an element of a peer, as the peer, or a mentor, describes it.
    pub(super) fn take_in(
        &mut self,
        pool_handle: &PoolHandle,
        element: PoolElement,
        now: Time,
    ) -> Option<ElementKey> {
        let home = element.home;
        // Of a former life of ours: who still lives comes back.
        if home == self.config.id || !self.add_peer(home, None, now) {
            return None;
        }
        let known = self.handlespace.find(pool_handle, element.id);
        if known.is_some_and(|key| self.contest(key, home, now)) {
            return None;
        }
        let stays = known.and_then(|key| self.handlespace.get(key)).is_some_and(|it| it.info.home == home);
        let is_news = self.is_news(pool_handle, &element);
        let round = self.enrp.peers.get(&home).map_or(0, |peer| peer.round);
        let member = Member { round, ..Member::default() };
        match self.handlespace.register(pool_handle, element, || member) {
            Ok(registered) => {
                // Whose home is the same waits for its turn to be claimed as before: tables do not tell what was suggested.
                if !stays {
                    self.enrp.claims.withdraw(registered.key);
                }
                self.release(registered.key, member);
                if is_news {
                    self.note_change(pool_handle);
                }
                Some(registered.key)
            }
            Err(error) => {
                tracing::debug!(%error, %pool_handle, %home, "a peer's element has no place here");
                self.statistics.refused_updates += 1;
                None
            }
        }
    }

    /// A peer says that an element is its own that is ours. It belongs to the one whose keep-alive it answers: it is asked before we
    /// believe that.
    fn contest(&mut self, key: ElementKey, by: RegistrarId, now: Time) -> bool {
        let Some(element) = self.handlespace.get(key) else { return false };
        let is_ours = element.info.home == self.config.id;
        let is_confirmed = element.data.is_confirmed && element.data.association.is_some();
        if !is_ours || !is_confirmed {
            return false;
        }
        self.statistics.refused_updates += 1;
        if let Some(member) = self.handlespace.data_mut(key) {
            member.contested_by = by;
        }
        if !self.timers.is_running(Timer::KeepAliveAck(key)) {
            self.send_keep_alive(key, now);
        }
        true
    }

    /// It has answered: it is ours. But an element that answers everybody would be everybody's.
    pub(in crate::registrar) fn settle_contest(&mut self, key: ElementKey) {
        let Some(member) = self.handlespace.data_mut(key) else { return };
        let by = std::mem::take(&mut member.contested_by);
        if by == RegistrarId::NONE {
            return;
        }
        if by < self.config.id {
            self.announce_key(key);
        } else {
            self.leave_to(key, by);
        }
    }

    /// The element is another registrar's.
    pub(in crate::registrar) fn leave_to(&mut self, key: ElementKey, home: RegistrarId) {
        let round = self.enrp.peers.get(&home).map_or(0, |peer| peer.round);
        self.handlespace.set_home(key, home);
        self.detach(key, Member { round, ..Member::default() });
    }

    /// Tells all peers of an element of ours.
    pub(in crate::registrar) fn announce_key(&mut self, key: ElementKey) {
        let Some(handle) = self.handle_of(key) else { return };
        let Some(element) = self.handlespace.get(key).map(|element| element.info.clone()) else { return };
        self.announce_element(UpdateAction::Add, &handle, &element);
    }
}
