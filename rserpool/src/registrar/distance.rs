//! How far elements are, for the policies that want to know (delay draft, 2).
//!
//! The distance of an element is half the round-trip time of its association with its home, rounded to the nearest step; its home tells it
//! to other registrars, and each of them adds the distance of its own association with the home. Registrars do not know how
//! far their users are: users should choose a registrar that is near.

use std::time::Duration;

use super::Registrar;
use crate::RegistrarId;
use crate::handlespace::ElementKey;
use crate::transport::{AssociationId, Command};
use crate::wire::{Policy, PoolElement};

/// Half the round-trip time in milliseconds, rounded to the nearest multiple of `step` (delay draft, 2.1).
fn distance(round_trip: Duration, step: Duration) -> u32 {
    let step = step.as_millis().max(1);
    let steps = (round_trip.as_micros() / 2 + step * 500) / (step * 1000);
    u32::try_from(steps * step).unwrap_or(u32::MAX)
}

impl Registrar {
    /// Which of the policy's numbers is the distance.
    fn distance_number(&self, policy: &Policy) -> Option<usize> {
        self.config.policies.get(policy.policy_type)?.distance()
    }

    /// An element is as far as its association with us, as far as is known; and that is measured again.
    pub(super) fn set_distance(&mut self, association: AssociationId, element: &mut PoolElement) {
        let Some(number) = self.distance_number(&element.policy) else { return };
        let distance = self.associations.get(&association).map_or(0, |state| state.distance);
        element.policy = element.policy.with_number(number, distance);
        self.io.push(Command::Measure { association });
    }

    /// An element has been heard: how far is it now?
    pub(super) fn measure_element(&mut self, key: ElementKey, association: AssociationId) {
        let policy = self.handlespace.get(key).map(|element| element.info.policy);
        if policy.is_some_and(|policy| self.distance_number(&policy).is_some()) {
            self.io.push(Command::Measure { association });
        }
    }

    /// A peer's element is as far from us as from the peer, and as the peer is from us.
    pub(super) fn add_distance(&self, from: RegistrarId, element: &mut PoolElement) {
        let Some(number) = self.distance_number(&element.policy) else { return };
        let sum = element.policy.number(number).saturating_add(self.enrp.distance_of(from));
        element.policy = element.policy.with_number(number, sum);
    }

    pub(super) fn handle_measured(&mut self, association: AssociationId, round_trip: Duration) {
        let distance = distance(round_trip, self.config.distance_step);
        if self.enrp.set_distance(association, distance) {
            return;
        }
        let Some(state) = self.associations.get_mut(&association) else { return };
        if std::mem::replace(&mut state.distance, distance) == distance {
            return;
        }
        let keys: Vec<ElementKey> = state.elements.iter().copied().collect();
        keys.into_iter().for_each(|key| self.move_element(key, distance));
    }

    /// An element of ours is this far now.
    fn move_element(&mut self, key: ElementKey, distance: u32) {
        let Some(element) = self.handlespace.get(key) else { return };
        let Some(number) = self.distance_number(&element.info.policy) else { return };
        let policy = element.info.policy.with_number(number, distance);
        if policy == element.info.policy || element.info.home != self.config.id {
            return;
        }
        let info = PoolElement { policy, ..element.info.clone() };
        self.change_element(key, info);
    }

    /// An element of ours has changed without having said so. Its peers, and who asked for updates, are told.
    pub(super) fn change_element(&mut self, key: ElementKey, info: PoolElement) {
        let Some(member) = self.handlespace.get(key).map(|element| element.data) else { return };
        let Some(handle) = self.handle_of(key) else { return };
        if let Err(error) = self.handlespace.register(&handle, info, || member) {
            return tracing::warn!(%error, "an element that is known does not fit");
        }
        self.note_change(&handle);
        self.announce_key(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_round_trip_time_is_rounded_to_the_nearest_step() {
        // Delay draft, 2.1.
        let millis =
            |round_trip, step| distance(Duration::from_millis(round_trip), Duration::from_millis(step));
        assert_eq!([49, 50, 149, 150, 400].map(|round_trip| millis(round_trip, 50)), [0, 50, 50, 100, 200]);
        assert_eq!((millis(7, 1), millis(6, 0), millis(u64::MAX, 50)), (4, 3, u32::MAX));
    }
}
