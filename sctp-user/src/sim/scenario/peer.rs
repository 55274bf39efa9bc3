//! The application of a scenario: connects or listens, sends its traffic when it is due, reads at its
//! own pace, keeps the books, and ends the association when it is told to.

use core::net::IpAddr;
use core::time::Duration;
use sctp_core::association::{Association, AssociationState};
use sctp_core::config::AssociationConfig;
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
use sctp_core::error::{CommandError, SendError};
use sctp_core::event::{AssociationId, Event, LossReason, PathChange, ReconfigOutcome};
use sctp_core::message::SendOptions;
use sctp_core::path::PathStats;
use sctp_core::reliability::Abandoned;
use sctp_core::time::Time;
use std::sync::Arc;

use super::keys::{KeyChange, KeyPlan};
use super::ledger::{Fault, Inbox, Outbox};
use super::reconfiguration::{Agenda, ReconfigStats, Reconfiguration};
use super::traffic::Traffic;
use crate::sim::endpoint_node::Application;

/// Between two looks at what the other side has given up.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// At which pace messages are read. `Default`: as soon as they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Nothing is read before this time of the run.
    pub from: Duration,
    /// Time between two messages.
    pub interval: Duration,
}

/// How a side ends the association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It leaves that to the other side; the run ends when all is delivered and acknowledged, if both do.
    #[default]
    Leave,
    /// SHUTDOWN when all of its messages are given to the endpoint and all of the other's have come.
    Shutdown,
    /// SHUTDOWN at this time of the run, whatever is still to come.
    ShutdownAt(Duration),
    /// ABORT at this time of the run.
    AbortAt(Duration),
}

/// What a side does in a scenario.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// When it begins to set up the association; `None`: it waits for the other side.
    pub connect_at: Option<Duration>,
    /// How it reads.
    pub reader: Reader,
    /// How it ends.
    pub ending: Ending,
    /// Re-configurations that it asks for: when, counted from the moment that it may send, and what.
    pub reconfigurations: Vec<(Duration, Reconfiguration)>,
    /// When it changes its addresses (RFC 5061), in order.
    pub moves: Vec<(Duration, Move)>,
    /// When it changes its shared keys (RFC 4895), in order.
    pub key_changes: Vec<(Duration, KeyChange)>,
    /// Its messages are sent with keys of their own, in turn, as far as there are some (RFC 6458, 5.3.8).
    pub keys_in_turn: bool,
}

/// A change of addresses. What cannot be (the last address goes, the association has no ASCONF) is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// This address of its own comes.
    Add(IpAddr),
    /// It goes.
    Remove(IpAddr),
    /// The other side is to prefer it.
    Prefer(IpAddr),
}

/// How an association ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order.
    Shutdown,
    /// Not so.
    Lost(LossReason),
}

/// The cause code of an ABORT on the user's word (RFC 9260, 3.3.10.12).
const USER_INITIATED_ABORT: u16 = 12;

impl End {
    /// The cause code, if one side says that the other one broke the protocol.
    pub fn accusation(&self) -> Option<u16> {
        match self {
            Self::Lost(LossReason::ProtocolError { cause }) => Some(*cause),
            Self::Lost(LossReason::PeerAborted { cause, .. }) => {
                cause.filter(|cause| *cause != USER_INITIATED_ABORT)
            }
            _ => None,
        }
    }
}

/// What happened to a side's association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// T3-rtx expiries.
    pub t3_expiries: u64,
    /// Fast retransmits.
    pub fast_retransmits: u64,
    /// DATA chunks sent again.
    pub retransmitted_chunks: u64,
    /// Paths that became potentially failed.
    pub path_doubts: u64,
    /// Paths that became unreachable.
    pub path_failures: u64,
    /// Paths that came back from either.
    pub path_returns: u64,
    /// Changes of addresses that were asked for.
    pub moves: u64,
    /// Changes of shared keys that were made.
    pub key_changes: u64,
    /// Messages that were handed over in pieces.
    pub in_pieces: u64,
    /// SHUTDOWNs of the peer that waited until the last messages were sent.
    pub last_sends: u64,
    /// Restarts of the peer.
    pub restarts: u64,
    /// Sends refused because the buffer was full.
    pub refused_sends: u64,
    /// DATA chunks dropped for want of receive buffer.
    pub dropped_chunks: u64,
    /// Messages given up before any part was sent.
    pub given_up_unsent: u64,
    /// Messages given up after a part was sent.
    pub given_up_sent: u64,
    /// FORWARD TSNs sent.
    pub forward_tsns: u64,
    /// Re-configurations.
    pub reconfigs: ReconfigStats,
    /// Longest time between two messages that were read.
    pub longest_gap: Duration,
}

impl core::ops::AddAssign for PeerStats {
    fn add_assign(&mut self, other: Self) {
        self.t3_expiries += other.t3_expiries;
        self.fast_retransmits += other.fast_retransmits;
        self.retransmitted_chunks += other.retransmitted_chunks;
        self.path_doubts += other.path_doubts;
        self.path_failures += other.path_failures;
        self.path_returns += other.path_returns;
        self.moves += other.moves;
        self.key_changes += other.key_changes;
        self.in_pieces += other.in_pieces;
        self.last_sends += other.last_sends;
        self.restarts += other.restarts;
        self.refused_sends += other.refused_sends;
        self.dropped_chunks += other.dropped_chunks;
        self.given_up_unsent += other.given_up_unsent;
        self.given_up_sent += other.given_up_sent;
        self.forward_tsns += other.forward_tsns;
        self.reconfigs += other.reconfigs;
        self.longest_gap = self.longest_gap.max(other.longest_gap);
    }
}

/// One side of a scenario.
#[derive(Debug)]
pub struct Peer {
    behaviour: Behaviour,
    request: ConnectRequest,
    /// What it sends.
    pub outbox: Outbox,
    /// What it gets.
    pub inbox: Inbox,
    /// Its association, from `connect` or COMMUNICATION UP on, also past the end.
    pub association: Option<AssociationId>,
    connect_at: Option<Time>,
    /// Since when it may send.
    sending_since: Option<Time>,
    blocked: bool,
    next_read: Option<Time>,
    last_read: Option<Time>,
    agenda: Agenda,
    keys: KeyPlan,
    end_at: Option<Time>,
    /// When to see whether the other side has given up what is missing: nothing tells of that.
    look_at: Option<Time>,
    shutdown_called: bool,
    /// Moves that were made.
    moved: usize,
    /// How the association ended.
    pub end: Option<End>,
    released: bool,
    stats: PeerStats,
    fault: Option<Fault>,
}

impl Peer {
    /// A side that sends `sends` and expects `expects`, whose association is made by `request`.
    pub fn new(
        behaviour: Behaviour,
        request: ConnectRequest,
        sends: Arc<Traffic>,
        expects: Arc<Traffic>,
    ) -> Self {
        let end_at = match behaviour.ending {
            Ending::AbortAt(at) | Ending::ShutdownAt(at) => Some(Time::ZERO + at),
            Ending::Leave | Ending::Shutdown => None,
        };
        Self {
            connect_at: behaviour.connect_at.map(|at| Time::ZERO + at),
            agenda: Agenda::new(behaviour.reconfigurations.clone()),
            keys: KeyPlan::new(behaviour.key_changes.clone()),
            behaviour,
            request,
            outbox: Outbox::new(sends),
            inbox: Inbox::new(expects),
            association: None,
            sending_since: None,
            blocked: false,
            next_read: None,
            last_read: None,
            end_at,
            look_at: None,
            shutdown_called: false,
            moved: 0,
            end: None,
            released: false,
            stats: PeerStats::default(),
            fault: None,
        }
    }

    /// Makes the endpoint listen, as every side does: a peer may be called back after a restart.
    ///
    /// # Errors
    /// If the endpoint refuses.
    pub fn listen(&self, endpoint: &mut Endpoint) -> Result<(), Fault> {
        let config: AssociationConfig = self.request.config.clone();
        let options = ListenOptions { config, ..ListenOptions::default() };
        endpoint.listen(self.request.local_port, options).map(|_| ()).map_err(|_| Fault::Refused("listen"))
    }

    /// Whether nothing more will happen on this side. `ends`: the association is coming to its end, so
    /// that it is not enough to have nothing left to do.
    pub fn is_settled(&self, endpoint: &Endpoint, ends: bool) -> bool {
        match (&self.end, self.association) {
            (Some(_), _) => self.released,
            (None, None) => self.behaviour.connect_at.is_none(),
            (None, Some(id)) => {
                !ends
                    && self.behaviour.ending == Ending::Leave
                    && self.outbox.next().is_none()
                    && self.inbox.is_complete()
                    && endpoint.association(id).is_some_and(|association| !association.has_unacknowledged())
            }
        }
    }

    /// Whether messages may have been reported as failed: the association was lost, or restarted.
    pub fn may_have_failures(&self) -> bool {
        matches!(self.end, Some(End::Lost(_))) || self.stats.restarts > 0
    }

    /// What happened so far.
    pub fn stats(&self, endpoint: &Endpoint) -> PeerStats {
        let mut stats = self.stats;
        if let Some(association) = self.association.and_then(|id| endpoint.association(id)) {
            association.paths().iter().for_each(|path| stats.add_path(&path.stats));
            stats.add_association(association);
        }
        stats
    }

    /// Keeps the first fault; the run ends at the next check.
    fn note<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault.get_or_insert(fault)).ok()
    }

    fn connect(&mut self, now: Time, endpoint: &mut Endpoint) {
        self.connect_at = None;
        if self.association.is_some() {
            return;
        }
        let connected = endpoint.connect(now, self.request.clone()).map_err(|_| Fault::Refused("connect"));
        self.association = self.note(connected);
        self.sending_since = Some(now);
    }

    fn came_up(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId) {
        match self.association {
            None => {
                self.association = Some(id);
                self.sending_since = Some(now);
            }
            Some(known) if known == id => self.blocked = false,
            // An old COOKIE ECHO came late, or the other side has not noticed yet that this one gave up.
            Some(_) if self.end.is_some() => {
                let called = endpoint.abort(now, id, bytes::Bytes::from_static(b"too late"));
                self.note(called.map_err(|_| Fault::Refused("abort")));
            }
            Some(_) => self.fault = self.fault.or(Some(Fault::SecondAssociation)),
        }
    }

    fn read(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association.filter(|_| !self.released) else { return };
        while self.next_read.is_none_or(|at| at <= now) && now >= Time::ZERO + self.behaviour.reader.from {
            let Some(message) = endpoint.receive(now, id) else { break };
            if let Some(last) = self.last_read.replace(now) {
                self.stats.longest_gap = self.stats.longest_gap.max(now - last);
            }
            let entered = self.inbox.enter(message);
            self.note(entered);
            let interval = self.behaviour.reader.interval;
            self.next_read = (interval > Duration::ZERO).then(|| now + interval);
        }
        if endpoint.is_readable(id) {
            let from = Time::ZERO + self.behaviour.reader.from;
            self.next_read = Some(self.next_read.unwrap_or(from).max(from));
        } else if self.next_read.is_some_and(|at| at <= now) {
            self.next_read = None;
        }
    }

    fn send(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association.filter(|_| self.end.is_none()) else { return };
        while !self.blocked && self.next_send().is_some_and(|at| at <= now) {
            let Some(index) = self.outbox.next() else { return };
            let planned = self.outbox.traffic.messages()[index];
            let number = self.outbox.next_piece();
            let ends = planned.ends_with(number);
            let options = SendOptions {
                stream_id: planned.stream_id,
                ppid: self.outbox.traffic.ppid(index),
                unordered: planned.unordered,
                context: index as u32,
                reliability: Some(planned.reliability),
                more: !ends,
                auth_key: self.behaviour.keys_in_turn.then_some((index % 3) as u16),
                ..SendOptions::default()
            };
            let payload = self.outbox.traffic.payload(index).slice(planned.piece(number));
            let sent = match endpoint.send(now, id, &options, payload.clone()) {
                // It was given up since, or there is no AUTH.
                Err(SendError::Key(_) | SendError::NotAuthenticated) => {
                    endpoint.send(now, id, &SendOptions { auth_key: None, ..options }, payload)
                }
                sent => sent,
            };
            match sent {
                Ok(()) => {
                    self.stats.in_pieces += u64::from(ends && number > 0);
                    self.outbox.taken();
                }
                Err(SendError::WouldBlock { .. }) => {
                    self.stats.refused_sends += 1;
                    self.blocked = true;
                }
                // The other side ends the association: what was not sent stays so.
                Err(SendError::ShuttingDown | SendError::Closed) => self.blocked = true,
                Err(_) => {
                    self.note::<()>(Err(Fault::Refused("send")));
                    self.blocked = true;
                }
            }
        }
    }

    fn next_move(&self) -> Option<(Time, Move)> {
        let (at, next) = self.behaviour.moves.get(self.moved)?;
        Some((self.sending_since? + *at, *next))
    }

    fn make_moves(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association.filter(|_| self.end.is_none()) else { return };
        while let Some((_, next)) = self.next_move().filter(|(at, _)| *at <= now) {
            self.moved += 1;
            let made = match next {
                Move::Add(address) => endpoint.add_local_address(now, id, address),
                Move::Remove(address) => endpoint.remove_local_address(now, id, address),
                Move::Prefer(address) => endpoint.set_peer_primary(now, id, address),
            };
            self.stats.moves += u64::from(made.is_ok());
        }
    }

    fn next_send(&self) -> Option<Time> {
        let index = self.outbox.next()?;
        Some(self.sending_since? + self.outbox.traffic.messages()[index].at)
    }

    fn next_reconfiguration(&self) -> Option<Time> {
        self.agenda.next_at(self.sending_since)
    }

    fn reconfigure(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association.filter(|_| self.end.is_none()) else { return };
        while self.next_reconfiguration().is_some_and(|at| at <= now) {
            self.stats.reconfigs.asked += self.agenda.work(now, endpoint, id);
        }
    }

    fn change_keys(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association.filter(|_| self.end.is_none()) else { return };
        while self.keys.next_at(self.sending_since).is_some_and(|at| at <= now) {
            self.stats.key_changes += self.keys.work(endpoint, id);
        }
    }

    fn finish(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association else { return };
        let done = self.outbox.next().is_none() && self.inbox.is_complete();
        let waits = self.behaviour.ending == Ending::Shutdown && !done && self.inbox.expects_limited();
        self.look_at = waits.then(|| now + LOOK_INTERVAL);
        if self.end.is_none() && self.behaviour.ending == Ending::Shutdown && done && !self.shutdown_called {
            self.shutdown_called = true;
            self.note(unless_ended(endpoint.shutdown(now, id), "shutdown"));
        }
        if self.end.is_none() && self.end_at.is_some_and(|at| at <= now) {
            self.end_at = None;
            self.end_now(now, endpoint, id);
        }
        self.finish_sending(now, endpoint, id);
        if self.end.is_some() && !self.released && !endpoint.is_readable(id) {
            if self.end == Some(End::Shutdown) {
                let left = endpoint.association(id).map_or(0, Association::held_bytes);
                self.note(self.nothing_is_left(left));
            }
            self.stats = self.stats(endpoint);
            endpoint.release(id);
            self.released = true;
        }
    }

    fn end_now(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId) {
        if let Ending::ShutdownAt(_) = self.behaviour.ending {
            self.note(unless_ended(endpoint.shutdown(now, id), "shutdown"));
        } else {
            let called = endpoint.abort(now, id, bytes::Bytes::from_static(b"enough"));
            self.note(unless_ended(called, "abort"));
        }
    }

    /// The other side has sent SHUTDOWN, and waits for what this one still has.
    fn finish_sending(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId) {
        let is_awaited = endpoint.association(id).is_some_and(Association::awaits_last_sends);
        if is_awaited && self.outbox.next().is_none() {
            self.stats.last_sends += 1;
            self.note(unless_ended(endpoint.finish_sending(now, id), "the end of the last sends"));
        }
    }

    /// After an end in good order, when all was read: neither the endpoint nor the reader has parts of messages.
    fn nothing_is_left(&self, bytes: usize) -> Result<(), Fault> {
        match (bytes, self.inbox.unfinished()) {
            (0, 0) => Ok(()),
            (0, messages) => Err(Fault::Unfinished { messages }),
            (bytes, _) => Err(Fault::Left { bytes }),
        }
    }

    fn work(&mut self, now: Time, endpoint: &mut Endpoint) {
        if self.connect_at.is_some_and(|at| at <= now) {
            self.connect(now, endpoint);
        }
        self.make_moves(now, endpoint);
        self.change_keys(now, endpoint);
        self.read(now, endpoint);
        self.send(now, endpoint);
        self.reconfigure(now, endpoint);
        self.finish(now, endpoint);
    }
}

impl PeerStats {
    fn add_path(&mut self, path: &PathStats) {
        self.t3_expiries += path.t3_expiries;
        self.fast_retransmits += path.fast_retransmits;
        self.retransmitted_chunks += path.retransmitted_chunks;
    }

    fn add_association(&mut self, association: &Association) {
        self.dropped_chunks += association.stats().data_chunks_dropped;
        self.forward_tsns += association.stats().forward_tsns_sent;
        let Abandoned { unsent, sent } = association.abandoned(None, None);
        self.given_up_unsent += unsent;
        self.given_up_sent += sent;
    }
}

impl Application for Peer {
    fn handle_event(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId, event: Event) {
        if let Event::CommunicationUp { .. } = event {
            self.came_up(now, endpoint, id);
        }
        if self.association != Some(id) {
            if matches!(event, Event::CommunicationLost { .. } | Event::ShutdownComplete) {
                endpoint.release(id);
            }
            return;
        }
        self.stats.reconfigs.note(&event);
        match event {
            Event::StreamsReset { incoming: true, streams, outcome: ReconfigOutcome::Done } => {
                self.inbox.reset(&streams);
            }
            Event::AssociationReset { outcome: ReconfigOutcome::Done, .. } => self.inbox.reset(&[]),
            Event::SendFailed(failure) => {
                let entered = self.outbox.failed(&failure);
                self.note(entered);
            }
            Event::CommunicationLost { reason } => self.end = Some(End::Lost(reason)),
            Event::ShutdownComplete => self.end = Some(End::Shutdown),
            Event::Restart => {
                self.stats.restarts += 1;
                self.inbox.restart();
            }
            Event::PartialDeliveryAborted(aborted) => self.inbox.abort(&aborted),
            Event::PathChanged { change: PathChange::PotentiallyFailed, .. } => self.stats.path_doubts += 1,
            Event::PathChanged { change: PathChange::Unreachable, .. } => self.stats.path_failures += 1,
            Event::PathChanged { change: PathChange::Available(_), .. } => self.stats.path_returns += 1,
            Event::Writable => self.blocked = false,
            _ => {}
        }
        self.work(now, endpoint);
    }

    fn handle_timeout(&mut self, now: Time, endpoint: &mut Endpoint) {
        self.work(now, endpoint);
    }

    fn poll_timeout(&self) -> Option<Time> {
        let send = self.next_send().filter(|_| !self.blocked && self.association.is_some());
        let lives = self.end.is_none();
        let next_move = self.next_move().map(|(at, _)| at).filter(|_| self.association.is_some());
        let next_key = self.keys.next_at(self.sending_since).filter(|_| self.association.is_some());
        let timers = [
            self.connect_at,
            send,
            self.next_reconfiguration(),
            next_move,
            next_key,
            self.end_at,
            self.look_at,
        ];
        let while_alive = timers.into_iter().flatten().filter(|_| lives);
        while_alive.chain(self.next_read.filter(|_| !self.released)).min()
    }

    fn check(&self, now: Time, endpoint: &Endpoint) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.to_string());
        }
        #[cfg(debug_assertions)]
        endpoint.check_invariants();
        let Some(association) = self.association.and_then(|id| endpoint.association(id)) else {
            return Ok(());
        };
        check_association(now, association, &self.request.config, endpoint.poll_timeout())
    }
}

/// What must hold after each step, whatever happened before.
fn check_association(
    now: Time,
    association: &Association,
    config: &AssociationConfig,
    deadline: Option<Time>,
) -> Result<(), String> {
    if let Some(path) = association.paths().iter().find(|path| path.flight_size > 0 && path.t3_rtx.is_none())
    {
        return Err(format!("{} bytes in flight to {} and no T3-rtx", path.flight_size, path.address.remote));
    }
    let carries_data = matches!(
        association.state(),
        AssociationState::Established
            | AssociationState::ShutdownPending
            | AssociationState::ShutdownReceived
    );
    // Whoever has data in flight waits for T3-rtx, and whoever has some but must not send it waits for
    // the time to probe the closed window (RFC 9260, 6.1 A): never for nothing.
    let timer = association.paths().iter().filter_map(|path| path.t3_rtx).chain(deadline).min();
    if carries_data && association.has_unacknowledged() && timer.is_none_or(|at| at > now + config.rto_max) {
        return Err(format!("data is waiting, and nothing else happens before {timer:?}"));
    }
    if association.held_bytes() > max_held_bytes(config) {
        return Err(format!(
            "{} bytes held, receive buffer {}",
            association.held_bytes(),
            config.receive_buffer
        ));
    }
    if association.send_space() > config.send_buffer {
        return Err(format!(
            "{} bytes free in a send buffer of {}",
            association.send_space(),
            config.send_buffer
        ));
    }
    Ok(())
}

/// The receiver's own bound: twice the buffer with bookkeeping, and a reserve to fill holes.
fn max_held_bytes(config: &AssociationConfig) -> usize {
    2 * config.receive_buffer + config.receive_buffer.max(1 << 17)
}

/// A command to an association that lives must not be refused. One that has ended refuses all; that it has is told by an
/// event, which may still wait behind others.
fn unless_ended(called: Result<(), CommandError>, command: &'static str) -> Result<(), Fault> {
    match called {
        Ok(()) | Err(CommandError::Closed) => Ok(()),
        Err(_) => Err(Fault::Refused(command)),
    }
}
