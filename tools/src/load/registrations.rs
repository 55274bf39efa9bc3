//! Registrations (RFC 5352, 3.1).

use std::time::{Duration, Instant};

use rserpool::wire::{AsapMessage, Life, Policy, PoolElement, Transport, TransportUse};
use rserpool::{PeId, PoolHandle, RegistrarId};

use super::pace::Pace;
use super::{LoadError, Place, Times, Work, resident_bytes};

/// Registrations of which the p99 is looked at together.
const WINDOW: u64 = 10_000;
/// An hour: longer than any test.
const LIFE: Life = Life::from_millis(3_600_000);

/// When to stop before all elements are registered.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// 99 of 100 registrations, of 10,000 in a row, take no longer than this.
    pub p99: Option<Duration>,
    /// These processes hold no more than so many bytes together.
    pub memory: Option<(u64, Vec<u32>)>,
    /// It takes no longer than this.
    pub time: Option<Instant>,
}

/// Registers many elements in turn in several pools.
pub struct Registrations {
    pools: Vec<PoolHandle>,
    policy: Policy,
    elements: u64,
    pace: Pace,
    stop: Stop,
    asked: u64,
    times: Times,
    window: Times,
    end: Option<String>,
    refusal: Option<String>,
    last_p99: Duration,
}

impl Registrations {
    /// So many elements altogether, without pauses.
    pub fn new(pools: Vec<PoolHandle>, policy: Policy, elements: u64, stop: Stop) -> Self {
        Self {
            pools,
            policy,
            elements,
            pace: Pace::new(Duration::ZERO),
            stop,
            asked: 0,
            times: Times::default(),
            window: Times::default(),
            end: None,
            refusal: None,
            last_p99: Duration::ZERO,
        }
    }

    /// With a pause between registrations.
    #[must_use]
    pub fn paced(self, pause: Duration) -> Self {
        Self { pace: Pace::new(pause), ..self }
    }

    /// How long the answers took.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// How long 99 of 100 of the last 10,000 took.
    pub fn last_p99(&self) -> Duration {
        self.last_p99
    }

    /// Why it ended before all were registered.
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// It ends here, because of this.
    pub fn end_by(&mut self, error: &LoadError) {
        self.end.get_or_insert_with(|| error.to_string());
    }

    /// Why an element was refused.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Elements are numbered, so that none has the identifier of another; their order is none that helps a registrar.
    fn element(&self, place: &Place) -> PoolElement {
        let id = (self.asked as u32).wrapping_add(1).wrapping_mul(0x9e37_79b1);
        let addresses = place.addresses.iter().copied();
        PoolElement {
            id: PeId(id),
            home: RegistrarId::NONE,
            life: LIFE,
            user_transport: Transport::sctp(place.port, addresses, TransportUse::DataOnly),
            policy: self.policy,
            asap_transport: None,
        }
    }

    /// Looks whether it is enough, with each full window.
    fn close_window(&mut self) {
        self.last_p99 = self.window.p99();
        self.window = Times::default();
        if self.stop.p99.is_some_and(|limit| self.last_p99 > limit) {
            self.end = Some(format!("the p99 of a registration is {:?}", self.last_p99));
        }
        if let Some((limit, processes)) = &self.stop.memory {
            let held = processes.iter().map(|process| resident_bytes(*process)).sum::<u64>();
            if held > *limit {
                self.end = Some(format!("the registrar holds {held} bytes"));
            }
        }
    }
}

impl Work for Registrations {
    fn next(&mut self, line: &Place) -> Option<AsapMessage> {
        if self.asked >= self.elements || self.end.is_some() || !self.pace.allows(Instant::now()) {
            return None;
        }
        let pool_handle = self.pools[self.asked as usize % self.pools.len()].clone();
        let element = self.element(line);
        self.asked += 1;
        Some(AsapMessage::Registration { pool_handle, element })
    }

    fn handle(&mut self, _line: &Place, answer: AsapMessage, after: Duration) {
        let AsapMessage::RegistrationResponse { rejected, errors, .. } = answer else { return };
        self.times.note(after, rejected);
        self.window.note(after, rejected);
        if rejected {
            self.refusal = Some(rserpool::wire::ErrorCause::list(&errors));
            self.end.get_or_insert_with(|| "an element was refused".into());
        }
        if self.window.len() >= WINDOW {
            self.close_window();
        }
    }

    fn is_answer(&self, message: &AsapMessage) -> bool {
        matches!(message, AsapMessage::RegistrationResponse { .. })
    }

    fn describe(&self) -> String {
        format!("{} registrations", self.times.len())
    }

    fn next_due(&self) -> Option<Instant> {
        let is_over = self.asked >= self.elements || self.end.is_some();
        self.pace.next_due().filter(|_| !is_over)
    }

    fn is_done(&mut self) -> bool {
        if self.asked < self.elements
            && self.end.is_none()
            && self.stop.time.is_some_and(|end| Instant::now() >= end)
        {
            self.end = Some("the time is over".into());
        }
        (self.asked >= self.elements || self.end.is_some()) && self.times.len() >= self.asked
    }
}

/// Nothing to do but to acknowledge Keep-Alives.
pub struct Rest {
    /// Until when; none for ever.
    pub until: Option<Instant>,
}

impl Work for Rest {
    fn next(&mut self, _line: &Place) -> Option<AsapMessage> {
        None
    }

    fn handle(&mut self, _line: &Place, _answer: AsapMessage, _after: Duration) {}

    fn is_answer(&self, _message: &AsapMessage) -> bool {
        false
    }

    fn describe(&self) -> String {
        "keeps what is registered".into()
    }

    fn is_done(&mut self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}
