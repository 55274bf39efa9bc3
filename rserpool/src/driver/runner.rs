//! The thread that keeps a machine going while its application is elsewhere.

use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use socketapi::{Stack, Time};

use super::Error;
use super::network::{Flow, Network};
use super::sleep::Sleep;
use super::tasks::Tasks;
use crate::transport::{AssociationId, Command, TransportEvent, earliest};

/// What all machines of this crate can do.
pub(super) trait Machine: Send + 'static {
    /// What a task can wait for.
    type Topic: Clone + Eq + Hash + Send;
    fn handle_event(&mut self, event: TransportEvent, now: Time);
    fn handle_timeout(&mut self, _now: Time) {}
    fn poll_timeout(&self) -> Option<Time> {
        None
    }
    fn poll_command(&mut self) -> Option<Command>;
    /// Takes the machine's own events, and wakes whom they concern; called after everything that may cause some.
    fn handle_own_events(&mut self, tasks: &mut Tasks<Self::Topic>);
    /// Whether a call that waits may find something new since it looked last.
    fn has_news(&self) -> bool {
        true
    }
    /// An association whose messages it does not want for now, or wants again.
    fn poll_flow(&mut self) -> Option<Flow<AssociationId>> {
        None
    }
    /// Whether it can take more from the network. If not, all peers have to wait.
    fn has_room(&self) -> bool {
        true
    }
}

/// Events handled before the application gets a chance to have the lock.
const BATCH: usize = 64;

/// A machine and its network.
pub(super) struct Engine<M: Machine> {
    pub(super) machine: M,
    pub(super) network: Network,
    pub(super) tasks: Tasks<M::Topic>,
    /// Tasks that wait for room in a send buffer.
    senders: Tasks<M::Topic>,
    /// How often the thread has looked for something to do, and whether anybody waits for it to do so.
    rounds: u64,
    is_watched: bool,
    failure: Option<Error>,
    is_stopped: bool,
}

struct Shared<M: Machine> {
    engine: Mutex<Engine<M>>,
    /// Something happened.
    changed: Condvar,
    sleep: Sleep,
    stack: Stack,
}

/// A machine that is kept going. Dropping it ends the thread and closes the sockets, after what was sent has found room in their
/// buffers.
pub(super) struct Runner<M: Machine> {
    shared: Arc<Shared<M>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Machine> Engine<M> {
    /// Handles what has come. Whether there may be more.
    fn step(&mut self, now: Time) -> Result<bool, Error> {
        self.rounds += 1;
        self.network.handle_timeout(now);
        self.execute_commands();
        for _ in 0..BATCH {
            if !self.machine.has_room() {
                break;
            }
            let Some(event) = self.network.poll_event()? else {
                // What that has caused, such as a connection that cannot be had, is looked at next.
                return Ok(self.handle_timeout(now));
            };
            self.machine.handle_event(event, now);
            self.machine.handle_own_events(&mut self.tasks);
            self.execute_commands();
        }
        self.handle_timeout(now);
        Ok(self.machine.has_room())
    }

    /// Whether it was time for something.
    fn handle_timeout(&mut self, now: Time) -> bool {
        let is_due = self.machine.poll_timeout().is_some_and(|due| due <= now);
        if is_due {
            self.machine.handle_timeout(now);
            self.machine.handle_own_events(&mut self.tasks);
        }
        self.execute_commands();
        is_due
    }

    /// Whether calls that wait fail.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What stops a call that waits.
    fn failure<T>(&self) -> Option<Result<T, Error>> {
        self.failure.clone().map(Err)
    }

    /// Calls that wait fail from now on.
    pub(super) fn fail(&mut self, error: Error) {
        tracing::error!(%error, "calls fail");
        self.failure = Some(error);
        self.tasks.wake_all();
        self.senders.wake_all();
    }

    fn execute_commands(&mut self) {
        while let Some(command) = self.machine.poll_command() {
            self.network.execute(command);
        }
        while let Some(flow) = self.machine.poll_flow() {
            self.network.control(flow);
        }
    }
}

impl<M: Machine> Runner<M> {
    pub(super) fn start(name: &str, stack: &Stack, machine: M, network: Network) -> Result<Self, Error> {
        let sleep = Sleep::new(stack, network.descriptors()?)?;
        let (tasks, senders) = (Tasks::new(), Tasks::new());
        let engine = Engine {
            machine,
            network,
            tasks,
            senders,
            rounds: 0,
            is_watched: false,
            failure: None,
            is_stopped: false,
        };
        let shared = Arc::new(Shared {
            engine: Mutex::new(engine),
            changed: Condvar::new(),
            sleep,
            stack: stack.clone(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || of_thread.run_or_fail())
            .map_err(Error::system("start a thread"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The stack of its sockets.
    pub(super) fn stack(&self) -> &Stack {
        &self.shared.stack
    }

    /// Does something with the machine that does not wait.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Engine<M>, Time) -> T) -> T {
        let mut engine = self.shared.engine.lock();
        let result = act(&mut engine, self.shared.stack.now());
        let Engine { machine, tasks, .. } = &mut *engine;
        machine.handle_own_events(tasks);
        engine.execute_commands();
        release(engine);
        // Its deadlines may have changed, and it may have failed to connect.
        self.shared.sleep.ring();
        result
    }

    /// Whether the thread, once it is woken, looks for something to do within this time.
    pub(super) fn goes_round(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let Some(mut engine) = self.shared.engine.try_lock_until(end) else { return false };
        let before = engine.rounds;
        engine.is_watched = true;
        self.shared.sleep.ring();
        while engine.rounds == before && engine.failure.is_none() {
            if self.shared.changed.wait_until(&mut engine, end).timed_out() {
                break;
            }
        }
        engine.rounds != before && engine.failure.is_none()
    }

    /// Waits until `attempt` brings something; after `deadline`, [`Error::TimedOut`].
    pub(super) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Engine<M>) -> Option<T>,
    ) -> Result<T, Error> {
        let mut engine = self.shared.engine.lock();
        loop {
            if let Some(result) = self.shared.attempt(&mut engine, &mut attempt) {
                return result;
            }
            match deadline {
                None => self.shared.changed.wait(&mut engine),
                Some(deadline) if deadline <= Instant::now() => return Err(Error::TimedOut),
                Some(deadline) => {
                    self.shared.changed.wait_until(&mut engine, deadline);
                }
            }
        }
    }

    /// As [`Runner::wait`], for a task: it is woken when there may be something of the topic.
    pub(super) fn poll<T>(
        &self,
        context: &Context<'_>,
        topic: M::Topic,
        attempt: impl FnMut(&mut Engine<M>) -> Option<T>,
    ) -> Poll<Result<T, Error>> {
        self.poll_or(attempt, |engine| engine.tasks.add(topic, context))
    }

    /// As [`Runner::poll`], for what needs room in the topic's send buffer.
    pub(super) fn poll_room<T>(
        &self,
        context: &Context<'_>,
        topic: M::Topic,
        attempt: impl FnMut(&mut Engine<M>) -> Option<T>,
    ) -> Poll<Result<T, Error>> {
        self.poll_or(attempt, |engine| engine.senders.add(topic, context))
    }

    fn poll_or<T>(
        &self,
        mut attempt: impl FnMut(&mut Engine<M>) -> Option<T>,
        register: impl FnOnce(&mut Engine<M>),
    ) -> Poll<Result<T, Error>> {
        let mut engine = self.shared.engine.lock();
        let result = self.shared.attempt(&mut engine, &mut attempt);
        if result.is_none() {
            register(&mut engine);
        }
        release(engine);
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Unlocks the machine, then wakes tasks.
fn release<M: Machine>(mut engine: MutexGuard<'_, Engine<M>>) {
    let mut woken = engine.tasks.take_woken();
    woken.extend(engine.senders.take_woken());
    drop(engine);
    for waker in woken {
        waker.wake();
    }
}

impl<M: Machine> Shared<M> {
    /// One attempt of a call that may have to wait.
    fn attempt<T>(
        &self,
        engine: &mut Engine<M>,
        attempt: &mut impl FnMut(&mut Engine<M>) -> Option<T>,
    ) -> Option<Result<T, Error>> {
        let sleeps = |engine: &Engine<M>| (engine.machine.has_room(), engine.machine.poll_timeout());
        let before = sleeps(engine);
        let result = attempt(engine);
        engine.execute_commands();
        // The thread may not listen, or sleep too long.
        if sleeps(engine) != before {
            self.sleep.ring();
        }
        result.map(Ok).or_else(|| engine.failure())
    }

    /// Nobody waits for a thread that has panicked.
    fn run_or_fail(&self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run())) {
            let mut engine = self.engine.lock();
            engine.fail(Error::Panicked);
            self.changed.notify_all();
            release(engine);
            resume_unwind(panic);
        }
    }

    fn run(&self) {
        loop {
            let mut engine = self.engine.lock();
            if engine.is_stopped {
                break;
            }
            // Answers to what has come together leave together.
            let gathering = self.stack.gather();
            let outcome = engine.step(self.stack.now());
            drop(gathering);
            let is_watched = std::mem::take(&mut engine.is_watched);
            if is_watched || engine.machine.has_news() || outcome.is_err() {
                self.changed.notify_all();
            }
            engine.senders.wake_all();
            let may_have_more = match outcome {
                Ok(more) => more,
                Err(error) => {
                    engine.fail(error);
                    return release(engine);
                }
            };
            let deadline = earliest(engine.machine.poll_timeout(), engine.network.poll_timeout());
            let listens = engine.machine.has_room();
            release(engine);
            if may_have_more {
                std::thread::yield_now();
            } else {
                self.sleep.until(deadline, listens);
            }
        }
        self.see_off();
    }
}

impl<M: Machine> Shared<M> {
    /// What was sent and has found no room yet goes out as well, if that takes no longer than the stack's associations may take to end.
    fn see_off(&self) {
        let end = self.stack.now() + self.stack.linger();
        self.engine.lock().network.shut_all_down();
        loop {
            let mut engine = self.engine.lock();
            let has_failed = discard_events(&mut engine.network).is_err();
            if has_failed || !engine.network.has_backlogs() || end <= self.stack.now() {
                return;
            }
            drop(engine);
            self.sleep.until(Some(end), true);
        }
    }
}

/// Nobody is left to be told what comes, or to serve who came in the last moment.
fn discard_events(network: &mut Network) -> Result<(), Error> {
    while let Some(event) = network.poll_event()? {
        if let TransportEvent::Accepted { association, .. } = event {
            network.execute(Command::Abort { association });
        }
    }
    Ok(())
}

impl<M: Machine> Drop for Runner<M> {
    fn drop(&mut self) {
        self.shared.engine.lock().is_stopped = true;
        self.shared.sleep.ring();
        // A task that it woke may have had the last handle.
        let is_other = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(is_other) {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
