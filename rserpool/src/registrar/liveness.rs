//! Timers: announces, keep-alives, the end of registrations and of idle associations.

use std::time::Duration;

use rand::RngExt;

use super::{Member, Registrar, RemovalReason, Timer};
use crate::handlespace::ElementKey;
use crate::transport::{AssociationId, Command, Side};
use crate::wire::AsapMessage;
use crate::{PeId, PoolHandle, Time};

/// Other registrars that make announces rarer. With more of them, users would forget each between two of its announces (T7
/// is five times T6); and anybody can send announces.
const MAX_ANNOUNCERS: usize = 3;

impl Registrar {
    pub(super) fn handle_timer(&mut self, timer: Timer, now: Time) {
        match timer {
            Timer::Announce => self.announce(now),
            Timer::KeepAlive(key) => self.send_keep_alive(key, now),
            Timer::KeepAliveAck(key) => self.give_up(key, now),
            Timer::Life(key) => self.expire(key),
            Timer::Idle(association) => self.close_idle(association, now),
            Timer::SetUp(association) => self.give_up_set_up(association, now),
            Timer::Update(topic) => self.send_updates(topic, now),
            Timer::Enrp(timer) => self.handle_enrp_timer(timer, now),
        }
    }

    /// Other registrars of this scope are counted by their announces (RFC 5352, 3.6).
    pub(super) fn hear_announce(&mut self, data: &[u8], now: Time) {
        let Some(interval) = self.config.announce_interval else { return };
        let Ok(parsed) = AsapMessage::parse(data, &self.config.format) else { return };
        let AsapMessage::ServerAnnounce { registrar, .. } = parsed.message else { return };
        let life = interval.saturating_mul(2 * (MAX_ANNOUNCERS as u32 + 1));
        self.announcers.retain(|_, heard| now - *heard < life);
        let is_known = self.announcers.contains_key(&registrar);
        if registrar != self.config.id && (is_known || self.announcers.len() < MAX_ANNOUNCERS) {
            self.announcers.insert(registrar, now);
        }
    }

    /// RFC 5352, 3.6: every (N+1)*T6.
    fn announce(&mut self, now: Time) {
        let Some(interval) = self.config.announce_interval else { return };
        let transports = self.config.announce_transports.clone();
        let message = AsapMessage::ServerAnnounce { registrar: self.config.id, transports };
        match message.encode(&self.config.format) {
            Ok(data) => {
                self.io.push(Command::Announce { side: Side::Asap, data });
                self.statistics.announces += 1;
            }
            Err(error) => tracing::warn!(%error, "announce not sent"),
        }
        let next = now + self.vary(interval * (self.announcers.len() as u32 + 1), 125);
        self.timers.set(Timer::Announce, next);
    }

    /// A duration give or take so many per mille.
    pub(super) fn vary(&mut self, duration: Duration, per_mille: u32) -> Duration {
        let per_mille = per_mille.min(1000);
        duration * self.io.rng.random_range(1000 - per_mille..=1000 + per_mille) / 1000
    }

    /// The element has just been heard: ask again after a while.
    pub(super) fn expect_keep_alive(&mut self, key: ElementKey, now: Time) {
        self.timers.clear(Timer::KeepAliveAck(key));
        let interval = self.vary(self.config.keep_alive_interval, self.config.keep_alive_jitter * 10);
        self.timers.set(Timer::KeepAlive(key), now + interval);
    }

    /// When the registration ends unless it is renewed. Its home sees to that.
    pub(super) fn expect_renewal(&mut self, key: ElementKey, now: Time) {
        let own = self.handlespace.get(key).filter(|element| element.info.home == self.config.id);
        match own.and_then(|element| element.info.life.duration()) {
            Some(life) => self.timers.set(Timer::Life(key), now + life),
            None => self.timers.clear(Timer::Life(key)),
        }
    }

    /// RFC 5352, 3.4. An element that has not confirmed that this is its home is told so.
    pub(super) fn send_keep_alive(&mut self, key: ElementKey, now: Time) {
        let Some(pool_handle) = self.handle_of(key) else { return };
        let Some(element) = self.handlespace.get(key) else { return };
        let Some(association) = element.data.association else { return };
        let (new_home, pe_id) = (!element.data.is_confirmed, Some(element.info.id));
        let registrar = self.config.id;
        let message = AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id };
        self.send(association, &message);
        self.statistics.keep_alives += 1;
        self.timers.clear(Timer::KeepAlive(key));
        self.timers.set(Timer::KeepAliveAck(key), now + self.config.keep_alive_timeout);
    }

    /// The element is to belong to this association, and to this registrar.
    pub(super) fn attach_claimed(&mut self, key: ElementKey, association: AssociationId, now: Time) {
        let Some(state) = self.associations.get(&association) else { return };
        let is_up = state.is_up;
        let Some(Member { round, claims, .. }) = self.handlespace.get(key).map(|element| element.data) else {
            return;
        };
        let claims = claims.saturating_add(1);
        self.attach(
            key,
            association,
            Member { association: Some(association), round, claims, ..Member::default() },
        );
        self.expect_renewal(key, now);
        if is_up {
            self.send_keep_alive(key, now);
        }
    }

    /// An association with elements that are to belong to this registrar is up.
    pub(super) fn handle_element_connected(&mut self, association: AssociationId, now: Time) {
        let Some(state) = self.associations.get_mut(&association) else { return };
        state.is_up = true;
        let keys: Vec<ElementKey> = state.elements.iter().copied().collect();
        self.enrp.claims.settle(association);
        for key in keys {
            self.send_keep_alive(key, now);
        }
        self.claim_more(now);
    }

    pub(super) fn handle_keep_alive_ack(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        pe_id: PeId,
        now: Time,
    ) {
        let Some(key) = self.handlespace.find(pool_handle, pe_id) else { return };
        let own = self.config.id;
        let Some(element) = self.handlespace.get(key) else { return };
        if element.data.association != Some(association) {
            return;
        }
        let was_another_s = element.info.home != own;
        self.statistics.keep_alive_acks += 1;
        if let Some(member) = self.handlespace.data_mut(key) {
            (member.is_confirmed, member.claims) = (true, 0);
        }
        if was_another_s {
            self.handlespace.set_home(key, own);
            self.expect_renewal(key, now);
            self.announce_key(key);
        }
        self.expect_keep_alive(key, now);
        self.measure_element(key, association);
        self.settle_contest(key);
    }

    /// No ack: the element's process is gone or stuck, and so is all that it registered. Who is to change its home is asked again.
    fn give_up(&mut self, key: ElementKey, now: Time) {
        if self.may_claim_again(key) {
            if let Some(member) = self.handlespace.data_mut(key) {
                member.claims += 1;
            }
            return self.send_keep_alive(key, now);
        }
        let Some(association) = self.handlespace.get(key).and_then(|element| element.data.association) else {
            return;
        };
        self.io.push(Command::Abort { association });
        self.drop_association(association, RemovalReason::NoKeepAliveAck);
        self.claim_more(now);
    }

    /// RFC 5352, 3.2: the element hears that its registration has run out.
    fn expire(&mut self, key: ElementKey) {
        let Some(pool_handle) = self.handle_of(key) else { return };
        let Some(element) = self.handlespace.get(key) else { return };
        let (association, pe_id) = (element.data.association, element.info.id);
        self.remove_element(key, RemovalReason::LifeExpired);
        let response = AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors: Vec::new() };
        if let Some(association) = association {
            self.send(association, &response);
        }
    }

    fn close_idle(&mut self, association: AssociationId, now: Time) {
        let Some(state) = self.associations.get(&association) else { return };
        if state.elements.is_empty() && state.topics.is_empty() {
            self.forget_association(association);
            self.io.push(Command::Shutdown { association });
        } else {
            self.restart_idle_timer(association, now);
        }
    }
}
