//! Timers: announces, keep-alives, the end of registrations and of idle associations.

use std::time::Duration;

use rand::RngExt;

use super::{Registrar, RemovalReason, Timer};
use crate::handlespace::ElementKey;
use crate::transport::{AssociationId, Command};
use crate::wire::AsapMessage;
use crate::{PeId, PoolHandle, Time};

impl Registrar {
    pub(super) fn handle_timer(&mut self, timer: Timer, now: Time) {
        match timer {
            Timer::Announce => self.announce(now),
            Timer::KeepAlive(key) => self.send_keep_alive(key, now),
            Timer::KeepAliveAck(key) => self.give_up(key),
            Timer::Life(key) => self.expire(key),
            Timer::Idle(association) => self.close_idle(association, now),
        }
    }

    /// RFC 5352, 3.6.
    fn announce(&mut self, now: Time) {
        let Some(interval) = self.config.announce_interval else { return };
        let transports = self.config.announce_transports.clone();
        let message = AsapMessage::ServerAnnounce { registrar: self.config.id, transports };
        match message.encode(&self.config.format) {
            Ok(data) => {
                self.io.push(Command::Announce { data });
                self.statistics.announces += 1;
            }
            Err(error) => tracing::warn!(%error, "announce not sent"),
        }
        let next = now + self.vary(interval, 125);
        self.timers.set(Timer::Announce, next);
    }

    /// A duration give or take so many per mille.
    fn vary(&mut self, duration: Duration, per_mille: u32) -> Duration {
        let per_mille = per_mille.min(1000);
        duration * self.io.rng.random_range(1000 - per_mille..=1000 + per_mille) / 1000
    }

    /// The element has just been heard: ask again after a while.
    pub(super) fn expect_keep_alive(&mut self, key: ElementKey, now: Time) {
        self.timers.clear(Timer::KeepAliveAck(key));
        let interval = self.vary(self.config.keep_alive_interval, self.config.keep_alive_jitter * 10);
        self.timers.set(Timer::KeepAlive(key), now + interval);
    }

    /// RFC 5352, 3.4.
    pub(super) fn send_keep_alive(&mut self, key: ElementKey, now: Time) {
        let Some(pool_handle) = self.handlespace.pool_of(key).map(|pool| pool.handle().clone()) else {
            return;
        };
        let Some(element) = self.handlespace.get(key) else { return };
        let (association, pe_id) = (element.data.association, Some(element.info.id));
        let registrar = self.config.id;
        let message = AsapMessage::EndpointKeepAlive { new_home: false, registrar, pool_handle, pe_id };
        self.send(association, &message);
        self.statistics.keep_alives += 1;
        self.timers.clear(Timer::KeepAlive(key));
        self.timers.set(Timer::KeepAliveAck(key), now + self.config.keep_alive_timeout);
    }

    pub(super) fn handle_keep_alive_ack(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        pe_id: PeId,
        now: Time,
    ) {
        let Some(key) = self.handlespace.find(pool_handle, pe_id) else { return };
        let is_own = self.handlespace.get(key).is_some_and(|element| element.data.association == association);
        if is_own {
            self.statistics.keep_alive_acks += 1;
            self.expect_keep_alive(key, now);
        }
    }

    /// No ack: the element's process is gone or stuck, and so is all that it registered.
    fn give_up(&mut self, key: ElementKey) {
        let Some(association) = self.handlespace.get(key).map(|element| element.data.association) else {
            return;
        };
        self.io.push(Command::Abort { association });
        self.drop_association(association, RemovalReason::NoKeepAliveAck);
    }

    /// RFC 5352, 3.2: the element hears that its registration has run out.
    fn expire(&mut self, key: ElementKey) {
        let Some(pool_handle) = self.handlespace.pool_of(key).map(|pool| pool.handle().clone()) else {
            return;
        };
        let Some(element) = self.handlespace.get(key) else { return };
        let (association, pe_id) = (element.data.association, element.info.id);
        self.remove_element(key, RemovalReason::LifeExpired);
        let response = AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors: Vec::new() };
        self.send(association, &response);
    }

    fn close_idle(&mut self, association: AssociationId, now: Time) {
        let Some(state) = self.associations.get(&association) else { return };
        if state.elements.is_empty() {
            self.associations.remove(&association);
            self.io.push(Command::Shutdown { association });
        } else {
            self.restart_idle_timer(association, now);
        }
    }
}
