//! Asynchronous tasks that wait for a machine, each for its topic.

use std::hash::Hash;
use std::task::{Context, Waker};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Tasks that wait for one topic; with more, all look again, so that those that have gone are forgotten.
const MAX_TASKS: usize = 32;

/// Who waits for what.
pub(super) struct Tasks<T> {
    waiting: FxHashMap<T, SmallVec<[Waker; 1]>>,
    /// To be woken once the machine is no longer locked: a waker may run, or drop, anything.
    woken: Vec<Waker>,
}

impl<T: Eq + Hash> Tasks<T> {
    pub(super) fn new() -> Self {
        Self { waiting: FxHashMap::default(), woken: Vec::new() }
    }

    pub(super) fn add(&mut self, topic: T, context: &Context<'_>) {
        let waiting = self.waiting.entry(topic).or_default();
        if waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            return;
        }
        if waiting.len() >= MAX_TASKS {
            self.woken.extend(waiting.drain(..));
        }
        waiting.push(context.waker().clone());
    }

    /// There may be something of this topic.
    pub(super) fn wake(&mut self, topic: &T) {
        self.woken.extend(self.waiting.remove(topic).into_iter().flatten());
    }

    pub(super) fn wake_all(&mut self) {
        self.woken.extend(self.waiting.drain().flat_map(|(_, waiting)| waiting));
    }

    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }
}
