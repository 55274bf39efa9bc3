//! Asynchronous tasks that wait for a machine, each for its topic.

use std::hash::Hash;
use std::task::{Context, Waker};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Tasks that wait for one topic; with more, all look again, so that those that have gone are forgotten. Where so many do wait they keep
/// each other awake: it is more than a topic has.
const MAX_TASKS: usize = 1024;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Idler;

    impl Wake for Idler {
        fn wake(self: Arc<Self>) {}
    }

    /// Else each of them would wake the others, again and again.
    #[test]
    fn hundreds_may_wait_for_one_thing_and_those_that_have_gone_are_forgotten() {
        let mut tasks = Tasks::new();
        let idlers: Vec<_> = (0..=MAX_TASKS).map(|_| Arc::new(Idler)).collect();
        let add = |tasks: &mut Tasks<()>, idler: &Arc<Idler>| {
            tasks.add((), &Context::from_waker(&Waker::from(Arc::clone(idler))));
        };
        idlers[..500].iter().for_each(|idler| add(&mut tasks, idler));
        assert!(tasks.take_woken().is_empty());
        idlers.iter().for_each(|idler| add(&mut tasks, idler));
        assert_eq!(tasks.take_woken().len(), MAX_TASKS);
    }
}
