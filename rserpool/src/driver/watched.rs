//! A registrar's machine, watched: how long registrations take, and what it hears and says.

use std::time::Duration;

use socketapi::{Stack, Time};

use super::runner::Machine;
use super::tasks::Tasks;
use crate::registrar::Registrar;
use crate::transport::{Command, TransportEvent};

/// What a registrar hears, or says.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// Something that happened on the network, before the registrar knows of it.
    Event(&'a TransportEvent),
    /// Something that the registrar wants done.
    Command(&'a Command),
}

/// Who is told. It is called by the registrar's own thread, and must not wait.
pub type Observer = Box<dyn FnMut(Observation<'_>) + Send>;

/// How long something took, each time that it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Latencies {
    /// How often it took no longer than each of [`Latencies::BOUNDS`], but longer than the bound before.
    pub counts: [u64; Self::BOUNDS.len()],
    /// How often it took longer.
    pub longer: u64,
    /// All together.
    pub sum: Duration,
}

impl Latencies {
    /// Upper bounds, from 50 microseconds to 1 second.
    pub const BOUNDS: [Duration; 14] = [
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
    ];

    fn add(&mut self, took: Duration) {
        let bound = Self::BOUNDS.iter().position(|bound| took <= *bound);
        *bound.map_or(&mut self.longer, |bound| &mut self.counts[bound]) += 1;
        self.sum += took;
    }

    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.longer
    }
}

/// The machine, and what is seen of it.
pub(super) struct Watched {
    pub(super) machine: Registrar,
    /// From when the registrar's thread looked for messages to the answers of registrations, with all that was before them.
    pub(super) registrations: Latencies,
    observer: Option<Observer>,
    clock: Stack,
    /// When there was something to do, and how many registrations had been handled then.
    busy: Option<(Time, u64)>,
}

impl Watched {
    pub(super) fn new(machine: Registrar, clock: &Stack, observer: Option<Observer>) -> Self {
        Self { machine, registrations: Latencies::default(), observer, clock: clock.clone(), busy: None }
    }

    fn handled(&self) -> u64 {
        let statistics = self.machine.statistics();
        statistics.registrations + statistics.reregistrations + statistics.rejections.total()
    }

    /// All that followed from an event has been done.
    fn settle(&mut self) {
        let Some((since, before)) = self.busy.take() else { return };
        if self.handled() > before {
            self.registrations.add(self.clock.now().since(since));
        }
    }
}

impl Machine for Watched {
    type Topic = ();

    fn handle_own_events(&mut self, tasks: &mut Tasks<()>) {
        tasks.wake(&());
    }

    fn handle_event(&mut self, event: TransportEvent, now: Time) {
        if let Some(observer) = &mut self.observer {
            observer(Observation::Event(&event));
        }
        self.busy = Some((now, self.handled()));
        self.machine.handle_event(event, now);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }

    fn poll_command(&mut self) -> Option<Command> {
        let command = self.machine.poll_command();
        match (&command, &mut self.observer) {
            (None, _) => self.settle(),
            (Some(command), Some(observer)) => observer(Observation::Command(command)),
            _ => {}
        }
        command
    }

    fn has_news(&self) -> bool {
        self.machine.has_event()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_counted_once_at_the_first_bound_that_is_not_below() {
        let mut latencies = Latencies::default();
        for micros in [0, 50, 51, 1_000_000, 1_000_001] {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!((latencies.counts[0], latencies.counts[1], latencies.counts[13]), (2, 1, 1));
        assert_eq!((latencies.longer, latencies.count()), (1, 5));
        assert_eq!(latencies.sum, Duration::from_micros(2_000_102));
        assert!(Latencies::BOUNDS.is_sorted());
    }
}
