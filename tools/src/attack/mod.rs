//! `attacker`: asks a registrar for more than is good for others, to see what its limits and rules are worth (RFC 5355, 2).

mod tally;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rserpool::transport::Peer;
use rserpool::wire::{
    ASAP_PPID, AsapMessage, EncodeError, Format, Life, Policy, PoolElement, Transport, TransportUse,
};
use rserpool::{PeId, PoolHandle, RegistrarId, SctpSettings};
use socketapi::{
    AssociationId, Error as SocketError, Notification, Notifications, Patience, Poller, Received, SctpSocket,
    SendInfo, SocketBuilder, Stack,
};

use crate::signals::Signals;
use crate::watched::Watched;
pub use tally::Tally;

/// Messages in a row before answers are looked at.
const BATCH: u64 = 64;
/// The longest wait.
const GLANCE: Duration = Duration::from_millis(100);
/// Between two looks at which elements there are to be reported.
const REFRESH: Duration = Duration::from_secs(1);
/// Where elements that are not there are usually said to be.
pub const NOWHERE: u16 = 9;

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Registers elements that are not there, and acknowledges keep-alives for them.
    Registration,
    /// Resolves the pool.
    #[value(name = "handleresolution")]
    HandleResolution,
    /// Reports the elements of the pool as unreachable.
    #[value(name = "report", alias = "unreachable")]
    Report,
    /// Opens associations, says something on each, and keeps them open.
    Association,
}

/// How to attack.
#[derive(Clone, Debug)]
pub struct Plan {
    /// With what.
    pub kind: Kind,
    /// Whom.
    pub registrar: Peer,
    /// The parameters of associations.
    pub sctp: SctpSettings,
    /// Messages, or associations, per second.
    pub rate: f64,
    /// How many associations to have at a time.
    pub associations: usize,
    /// Whether each association comes from one address only, the next one each time.
    pub spread: bool,
    /// The pool; of several, the beginning of their handles.
    pub pool_handle: String,
    /// How many pools.
    pub pools: u32,
    /// How many different elements to register; none for a new one each time.
    pub identities: Option<u32>,
    /// The identifier of the first of them.
    pub identifier: u32,
    /// Where they are said to be.
    pub port: u16,
    /// How many elements to ask for.
    pub items: u32,
    /// How likely an element that a resolution brings is reported as unreachable.
    pub reported: f64,
    /// The policy of false elements.
    pub policy: Policy,
    /// When to end.
    pub duration: Option<Duration>,
}

/// Why an attack could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttackError {
    /// A socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Signals.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Our own message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// One association.
struct Line {
    socket: SctpSocket,
    association: AssociationId,
    state: LineState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineState {
    Connecting,
    Up,
    Gone,
}

/// An attack under way.
pub struct Attack<'a> {
    plan: &'a Plan,
    stack: &'a Stack,
    poller: Poller,
    lines: Vec<Line>,
    /// The elements that are to be reported.
    targets: Vec<PeId>,
    refreshed: Option<Instant>,
    /// When monitors were told of the attack.
    told: Option<Instant>,
    opened: usize,
    /// Attempts so far.
    begun: u64,
    tally: Tally,
    format: Format,
    watched: &'a Watched,
}

impl<'a> Attack<'a> {
    /// One that begins with [`run`](Self::run); how far it is `watched` is told.
    pub fn new(stack: &'a Stack, plan: &'a Plan, watched: &'a Watched) -> Self {
        Self {
            plan,
            stack,
            poller: Poller::new(stack),
            lines: Vec::new(),
            targets: Vec::new(),
            refreshed: None,
            told: None,
            opened: 0,
            begun: 0,
            tally: Tally::new(plan.kind),
            format: Format { long_pool_handles: true, rare_transports: true, ..Format::default() },
            watched,
        }
    }

    /// Attacks until a signal comes, or the time is over.
    ///
    /// # Errors
    /// See [`AttackError`].
    pub fn run(mut self, signals: &Signals) -> Result<Tally, AttackError> {
        let start = Instant::now();
        let is_over = || self.plan.duration.is_some_and(|duration| start.elapsed() >= duration);
        self.open_first()?;
        // All of them may be refused, or take longer than what follows.
        while !signals.have_come()? && !is_over() && self.count(LineState::Up) == 0 {
            if self.count(LineState::Connecting) == 0 {
                break;
            }
            self.listen(Patience::Until(self.stack.now() + GLANCE))?;
        }
        let begin = Instant::now();
        while !signals.have_come()? && !is_over() {
            // The first one at once.
            let due = (begin.elapsed().as_secs_f64() * self.plan.rate) as u64 + 1;
            // What could not be kept up with for a second is left out.
            self.begun = self.begun.max(due.saturating_sub(self.plan.rate.ceil() as u64));
            for _ in 0..due.saturating_sub(self.begun).min(BATCH) {
                self.strike()?;
                self.begun += 1;
            }
            self.tally.duration = start.elapsed();
            self.tell_monitors();
            let is_behind = due > self.begun;
            let pause = Duration::from_secs_f64(1.0 / self.plan.rate).min(GLANCE);
            self.listen(if is_behind { Patience::None } else { Patience::Until(self.stack.now() + pause) })?;
        }
        Ok(self.tally)
    }

    fn tell_monitors(&mut self) {
        if self.told.is_none_or(|at| at.elapsed() >= GLANCE) {
            self.told = Some(Instant::now());
            self.watched.say(self.tally.in_short(), self.count(LineState::Up));
        }
    }

    fn count(&self, state: LineState) -> usize {
        self.lines.iter().filter(|line| line.state == state).count()
    }

    /// All associations, unless it is those that are the attack.
    fn open_first(&mut self) -> Result<(), AttackError> {
        match self.plan.kind {
            Kind::Association => Ok(()),
            _ => (0..self.plan.associations).try_for_each(|index| self.open(index)),
        }
    }

    fn strike(&mut self) -> Result<(), AttackError> {
        let index = (self.begun % self.plan.associations as u64) as usize;
        let state = self.lines.get(index).map_or(LineState::Gone, |line| line.state);
        match (self.plan.kind, state) {
            (Kind::Association, _) | (_, LineState::Gone) => self.open(index),
            (_, LineState::Connecting) => {
                self.tally.held_back += 1;
                Ok(())
            }
            (_, LineState::Up) => self.ask(index),
        }
    }

    /// Opens an association in the place of an older one.
    fn open(&mut self, index: usize) -> Result<(), AttackError> {
        let socket = self.socket()?;
        let registrar = &self.plan.registrar;
        let to: Vec<_> = registrar.addresses.iter().map(|ip| SocketAddr::new(*ip, registrar.port)).collect();
        let association = socket.connect(&to[..])?;
        self.poller.add(socket.socket(), index as u64, false)?;
        let line = Line { socket, association, state: LineState::Connecting };
        match self.lines.get_mut(index) {
            Some(place) => {
                let before = std::mem::replace(place, line);
                if before.state != LineState::Gone {
                    // If it has ended just now, that is as well.
                    let _ = before.socket.abort(before.association, b"");
                }
            }
            None => self.lines.push(line),
        }
        self.tally.opened += 1;
        Ok(())
    }

    fn socket(&mut self) -> Result<SctpSocket, SocketError> {
        let all = self.stack.local_addresses();
        let one = all.get(self.opened % all.len().max(1)).filter(|_| self.plan.spread);
        self.opened += 1;
        let chosen = one.map_or(&all[..], std::slice::from_ref);
        let bind: Vec<_> = chosen.iter().map(|ip: &IpAddr| SocketAddr::new(*ip, 0)).collect();
        let config = self.plan.sctp.association_config();
        let builder =
            SocketBuilder::new(self.stack).config(config).bind(&bind[..]).no_delay(true).nonblocking();
        builder.notifications(Notifications::ASSOCIATION).one_to_many_client()
    }

    /// The next message of the attack.
    fn ask(&mut self, index: usize) -> Result<(), AttackError> {
        let pool_handle = self.pool_handle();
        let message = match self.plan.kind {
            Kind::Registration => AsapMessage::Registration { pool_handle, element: self.false_element() },
            Kind::HandleResolution => self.resolution(),
            Kind::Report => {
                self.refresh(index)?;
                let count = self.targets.len().max(1) as u64;
                let target = self.targets.get((self.begun % count) as usize);
                let Some(&pe_id) = target else {
                    self.tally.held_back += 1;
                    return Ok(());
                };
                AsapMessage::EndpointUnreachable { pool_handle: self.plan.pool_handle.as_str().into(), pe_id }
            }
            Kind::Association => return Ok(()),
        };
        match self.say(index, &message)? {
            true => self.tally.sent += 1,
            false => self.tally.held_back += 1,
        }
        Ok(())
    }

    fn pool_handle(&self) -> PoolHandle {
        match self.plan.pools {
            1 => self.plan.pool_handle.as_str().into(),
            pools => format!("{}{}", self.plan.pool_handle, self.begun % u64::from(pools)).as_str().into(),
        }
    }

    fn resolution(&self) -> AsapMessage {
        let (subscribe, items) = (false, Some(self.plan.items));
        AsapMessage::HandleResolution { subscribe, pool_handle: self.pool_handle(), items }
    }

    fn false_element(&self) -> PoolElement {
        let number = self.plan.identities.map_or(self.begun as u32, |count| self.begun as u32 % count);
        PoolElement {
            id: PeId(self.plan.identifier.wrapping_add(number)),
            home: RegistrarId::NONE,
            life: Life::from(Duration::from_secs(3600)),
            user_transport: Transport::sctp(
                self.plan.port,
                self.stack.local_addresses(),
                TransportUse::DataAndControl,
            ),
            policy: self.plan.policy,
            asap_transport: None,
        }
    }

    /// Asks from time to time which elements there are.
    fn refresh(&mut self, index: usize) -> Result<(), AttackError> {
        if self.refreshed.is_none_or(|at| at.elapsed() >= REFRESH) {
            self.refreshed = Some(Instant::now());
            let (subscribe, pool_handle) = (false, self.plan.pool_handle.as_str().into());
            self.say(
                index,
                &AsapMessage::HandleResolution { subscribe, pool_handle, items: Some(u32::MAX) },
            )?;
        }
        Ok(())
    }

    /// Whether there was room for it.
    fn say(&self, index: usize, message: &AsapMessage) -> Result<bool, AttackError> {
        let data = message.encode(&self.format)?;
        let line = &self.lines[index];
        // If the association has ended, a notification says so.
        Ok(line.socket.send_bytes(line.association, data, &SendInfo::new().ppid(ASAP_PPID)).is_ok())
    }

    fn listen(&mut self, patience: Patience) -> Result<(), AttackError> {
        let mut ready = Vec::new();
        match self.poller.wait(&mut ready, patience) {
            Err(error) if error.is_temporary() => {}
            result => result?,
        }
        for readiness in ready.iter().filter(|readiness| readiness.readable) {
            let index = readiness.token as usize;
            for _ in 0..BATCH {
                let received = self.lines.get(index).map(|line| line.socket.try_receive());
                match received {
                    Some(Ok(Some(received))) => self.hear(index, received)?,
                    _ => break,
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, index: usize, received: Received) -> Result<(), AttackError> {
        match received {
            Received::Message(message) => {
                let data = message.into_bytes();
                if let Ok(parsed) = AsapMessage::parse(&data, &self.format) {
                    self.hear_message(index, parsed.message)?;
                }
            }
            Received::Notification(_, Notification::CommunicationUp { .. }) => {
                self.lines[index].state = LineState::Up;
                self.tally.up += 1;
                if self.plan.kind == Kind::Association {
                    // Who says nothing would be closed.
                    self.tally.sent += u64::from(self.say(index, &self.resolution())?);
                }
            }
            Received::Notification(
                _,
                Notification::CommunicationLost(_) | Notification::ShutdownComplete,
            ) => {
                let line = &mut self.lines[index];
                let was_up = line.state == LineState::Up;
                line.state = LineState::Gone;
                line.socket.close();
                *(if was_up { &mut self.tally.lost } else { &mut self.tally.refused }) += 1;
            }
            Received::Notification(..) => {}
        }
        Ok(())
    }

    fn hear_message(&mut self, index: usize, message: AsapMessage) -> Result<(), AttackError> {
        match message {
            AsapMessage::EndpointKeepAlive { pool_handle, pe_id: Some(pe_id), .. } => {
                self.say(index, &AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id })?;
            }
            AsapMessage::RegistrationResponse { rejected, errors, .. } => {
                self.tally.note_answer(!rejected, &errors);
            }
            AsapMessage::HandleResolutionResponse { elements, .. } if self.plan.kind == Kind::Report => {
                self.targets = elements.iter().map(|element| element.id).collect();
            }
            AsapMessage::HandleResolutionResponse { pool_handle, elements, errors, .. } => {
                self.tally.note_answer(!elements.is_empty(), &errors);
                for element in elements.iter().filter(|_| rand::random_bool(self.plan.reported)) {
                    let (pool_handle, pe_id) = (pool_handle.clone(), element.id);
                    let is_said =
                        self.say(index, &AsapMessage::EndpointUnreachable { pool_handle, pe_id })?;
                    self.tally.reported += u64::from(is_said);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
