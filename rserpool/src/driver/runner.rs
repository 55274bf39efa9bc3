//! The thread that keeps a machine going while its application is elsewhere.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use parking_lot::{Condvar, Mutex};
use socketapi::{Stack, Time};

use super::Error;
use super::network::Network;
use crate::transport::{Command, TransportEvent};

/// What all machines of this crate can do.
pub(super) trait Machine: Send + 'static {
    fn handle_event(&mut self, event: TransportEvent, now: Time);
    fn handle_timeout(&mut self, _now: Time) {}
    fn poll_timeout(&self) -> Option<Time> {
        None
    }
    fn poll_command(&mut self) -> Option<Command>;
    /// Takes the machine's own events; called after everything that may cause some.
    fn handle_own_events(&mut self) {}
    /// Whether it can take more from the network. If not, peers have to wait.
    fn has_room(&self) -> bool {
        true
    }
}

/// Events handled before the application gets a chance to have the lock.
const BATCH: usize = 64;
/// No sleep is longer, so that no clock overflows.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// A machine and its network.
pub(super) struct Engine<M> {
    pub(super) machine: M,
    pub(super) network: Network,
    failure: Option<Error>,
    is_stopped: bool,
}

struct Shared<M> {
    engine: Mutex<Engine<M>>,
    /// Something happened.
    changed: Condvar,
    /// Wakes the thread.
    bell: EventFd,
    stack: Stack,
}

/// A machine that is kept going. Dropping it ends the thread and closes the sockets.
pub(super) struct Runner<M: Machine> {
    shared: Arc<Shared<M>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Machine> Engine<M> {
    /// Handles what has come. Whether there may be more.
    fn step(&mut self, now: Time) -> Result<bool, Error> {
        self.execute_commands();
        for _ in 0..BATCH {
            if !self.machine.has_room() {
                break;
            }
            let Some(event) = self.network.poll_event()? else {
                self.handle_timeout(now);
                return Ok(false);
            };
            self.machine.handle_event(event, now);
            self.machine.handle_own_events();
            self.execute_commands();
        }
        self.handle_timeout(now);
        Ok(self.machine.has_room())
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.machine.poll_timeout().is_some_and(|due| due <= now) {
            self.machine.handle_timeout(now);
            self.machine.handle_own_events();
        }
        self.execute_commands();
    }

    fn execute_commands(&mut self) {
        while let Some(command) = self.machine.poll_command() {
            self.network.execute(command);
        }
    }
}

impl<M: Machine> Runner<M> {
    pub(super) fn start(name: &str, stack: &Stack, machine: M, network: Network) -> Result<Self, Error> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(std::io::Error::from)
            .map_err(Error::system("make an event descriptor"))?;
        let descriptors = network.descriptors()?;
        let engine = Engine { machine, network, failure: None, is_stopped: false };
        let shared = Arc::new(Shared {
            engine: Mutex::new(engine),
            changed: Condvar::new(),
            bell,
            stack: stack.clone(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || of_thread.run(&descriptors))
            .map_err(Error::system("start a thread"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Does something with the machine that does not wait.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Engine<M>, Time) -> T) -> T {
        let mut engine = self.shared.engine.lock();
        let result = act(&mut engine, self.shared.stack.now());
        engine.machine.handle_own_events();
        engine.execute_commands();
        drop(engine);
        // Its deadlines may have changed, and it may have failed to connect.
        self.shared.ring();
        result
    }

    /// Waits until `attempt` brings something; after `deadline`, [`Error::TimedOut`].
    pub(super) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Engine<M>) -> Option<T>,
    ) -> Result<T, Error> {
        let mut engine = self.shared.engine.lock();
        loop {
            let had_room = engine.machine.has_room();
            let result = attempt(&mut engine);
            engine.execute_commands();
            if !had_room && engine.machine.has_room() {
                self.shared.ring();
            }
            if let Some(result) = result {
                return Ok(result);
            }
            if let Some(failure) = &engine.failure {
                return Err(failure.clone());
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
}

impl<M: Machine> Shared<M> {
    fn ring(&self) {
        // The only failure is that the counter is full: then it rings already.
        let _ = self.bell.write(1);
    }

    fn run(&self, descriptors: &[OwnedFd]) {
        loop {
            let mut engine = self.engine.lock();
            if engine.is_stopped {
                return;
            }
            let outcome = engine.step(self.stack.now());
            self.changed.notify_all();
            let may_have_more = match outcome {
                Ok(more) => more,
                Err(error) => {
                    tracing::error!(%error, "the network failed");
                    engine.failure = Some(error);
                    return;
                }
            };
            let deadline = engine.machine.poll_timeout();
            let listens = engine.machine.has_room();
            drop(engine);
            if may_have_more {
                std::thread::yield_now();
            } else {
                self.sleep(if listens { descriptors } else { &[] }, deadline);
            }
        }
    }

    fn sleep(&self, descriptors: &[OwnedFd], deadline: Option<Time>) {
        let left = deadline.map_or(LONGEST_SLEEP, |due| due.since(self.stack.now()));
        let bell = std::iter::once(self.bell.as_fd());
        let mut polled: Vec<_> = bell
            .chain(descriptors.iter().map(AsFd::as_fd))
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        // A signal only makes the loop look around once more.
        let _ = ppoll(&mut polled, Some(TimeSpec::from_duration(left.min(LONGEST_SLEEP))), None);
        let _ = self.bell.read();
    }
}

impl<M: Machine> Drop for Runner<M> {
    fn drop(&mut self) {
        self.shared.engine.lock().is_stopped = true;
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}
