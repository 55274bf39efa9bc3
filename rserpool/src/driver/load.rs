//! What an element's service tells the registration: its load, and that it is no more.

use std::sync::Weak;

use parking_lot::Mutex;

use super::Error;
use super::runner::Runner;
use crate::pool_element::PoolElement;
use crate::wire::{Policy, PolicyField};

/// A change of the load that is worth a registration: a hundredth.
const WORTH_TELLING: u64 = u32::MAX as u64 / 100;

/// The load of an element, the sum of its sessions' shares, and the policy that it is registered with.
pub(super) struct Load {
    state: Mutex<State>,
}

struct State {
    policy: Policy,
    sum: u64,
    told: u32,
    /// The service is no more.
    has_left: bool,
    registration: Weak<Runner<PoolElement>>,
}

/// A part of an element's load; gives it back when it is over.
#[derive(Clone, Copy, Default)]
pub(super) struct Share(u32);

impl Load {
    pub(super) fn new(policy: Policy) -> Self {
        let told = policy.field(PolicyField::Load);
        Self { state: Mutex::new(State { policy, sum: 0, told, has_left: false, registration: Weak::new() }) }
    }

    /// From now on a registration is there to be told.
    pub(super) fn attach(&self, registration: Weak<Runner<PoolElement>>) {
        let mut state = self.state.lock();
        state.registration = registration;
        state.tell();
    }

    /// The service has panicked: the element leaves the pool, and its application hears why.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.has_left = true;
        state.tell();
    }

    /// The policy has changed. Its load counts unless sessions have shares of it.
    pub(super) fn set_policy(&self, policy: Policy) {
        let mut state = self.state.lock();
        if state.sum == 0 {
            state.told = policy.field(PolicyField::Load);
        }
        state.policy = policy.with(PolicyField::Load, state.told);
        state.tell();
    }

    /// Changes a share of the load to `load`, from 0 to 1. All else is taken for the nearer of these.
    pub(super) fn change(&self, share: &mut Share, load: f64) {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut share.0, (load.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32);
        state.sum = state.sum - u64::from(before) + u64::from(share.0);
        let total = u32::try_from(state.sum).unwrap_or(u32::MAX);
        let is_at_an_end = total == 0 && state.told != 0;
        if is_at_an_end || u64::from(total.abs_diff(state.told)) >= WORTH_TELLING {
            state.told = total;
            state.policy = state.policy.with(PolicyField::Load, total);
            state.tell();
        }
    }
}

impl State {
    fn tell(&self) {
        let Some(runner) = self.registration.upgrade() else { return };
        if self.has_left {
            runner.with(|engine, now| {
                engine.machine.deregister(now);
                engine.fail(Error::ServicePanicked);
            });
        } else {
            runner.with(|engine, now| engine.machine.set_policy(self.policy, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(load: &Load) -> u32 {
        load.state.lock().policy.field(PolicyField::Load)
    }

    #[test]
    fn the_load_is_the_sum_of_its_shares_and_never_more_than_all() {
        let load = Load::new(Policy::least_used(0));
        let mut shares = [Share::default(); 2];
        load.change(&mut shares[0], 0.5);
        assert_eq!(told(&load), u32::MAX / 2);
        load.change(&mut shares[1], 0.75);
        assert_eq!(told(&load), u32::MAX);
        load.change(&mut shares[0], f64::NAN);
        load.change(&mut shares[1], -1.0);
        assert_eq!(told(&load), 0);
    }

    #[test]
    fn small_changes_are_not_told_until_they_add_up() {
        let load = Load::new(Policy::least_used(0));
        let mut share = Share::default();
        load.change(&mut share, 0.009);
        assert_eq!(told(&load), 0);
        load.change(&mut share, 0.011);
        assert_ne!(told(&load), 0);
    }

    #[test]
    fn a_policy_without_load_has_none() {
        let policy = Policy::default();
        let load = Load::new(policy);
        load.change(&mut Share::default(), 1.0);
        assert_eq!(load.state.lock().policy, policy);
    }
}
