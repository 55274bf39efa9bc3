//! Set-ups of associations: who waits for them, and how they end.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use sctp_abi::{AssocIds, Errno, errno};
use sctp_core::event::AssociationId;
use sctp_descriptors::{Reply, SetUp, Ticket};
use sctp_user::stack::{Error, Peer, SocketKind};

use crate::pair::Incoming;
use crate::socket::{Outcome, Phase, Served, checked};

/// Records that mean nothing, passed over in one turn.
const MOST_STRAY: usize = 64;

/// Set-ups whose failure is kept for who waits for them.
const MOST_FAILED: usize = 64;

/// A one-to-many socket.
#[derive(Debug, Default)]
pub(crate) struct Many {
    pub(crate) listening: bool,
    /// Set-ups that somebody waits for.
    connecting: Vec<AssociationId>,
    /// Set-ups that may be under way, and what their messages cost.
    starting: Vec<(AssociationId, usize)>,
    /// Those that failed, and nobody has heard of it, with the `errno`; the latest last.
    failed: Vec<(Ticket, i32)>,
}

impl Served {
    pub(crate) fn connect(&mut self, peer: SocketAddr) -> Result<Reply, Errno> {
        let peer = self.canonical(peer)?;
        match self.phase {
            Phase::Idle => {}
            Phase::Connecting(_) => return Err(Errno::EALREADY),
            // A socket has one association in its life, as on Linux.
            Phase::Listening(_) | Phase::Open | Phase::Ended { .. } => return Err(Errno::EISCONN),
            Phase::Many(_) => self.check_unknown(peer)?,
        }
        let peer = Peer { addresses: vec![peer.ip()], port: peer.port() };
        let association = checked(self.socket.connect(&peer))?;
        self.begin(association, true);
        Ok(Reply::Begun { result: 0, set_up: self.awaited(association) })
    }

    /// A set-up that has begun, for who is to wait for its end.
    pub(crate) fn awaited(&mut self, association: AssociationId) -> SetUp {
        SetUp { ticket: ticket(association), filler: self.pair.close() }
    }

    /// How a set-up went.
    pub(crate) fn set_up(&mut self, asked: Ticket) -> Result<Reply, Errno> {
        match &mut self.phase {
            // It was up.
            Phase::Open | Phase::Ended { .. } => Ok(Reply::Done),
            Phase::Many(many) if !many.connecting.iter().any(|id| ticket(*id) == asked) => {
                let failed = many.failed.iter().position(|(failed, _)| *failed == asked);
                failed.map_or(Ok(Reply::Done), |at| Err(Errno(many.failed.remove(at).1)))
            }
            Phase::Connecting(_) | Phase::Many(_) => Ok(Reply::Later(self.pair.close())),
            // It stays the pending one, as on Linux.
            Phase::Idle | Phase::Listening(_) => match self.error {
                0 => Err(Errno::ECONNREFUSED),
                error => Err(Errno(error)),
            },
        }
    }

    /// A one-to-many socket has one association with a peer.
    fn check_unknown(&self, peer: SocketAddr) -> Result<(), Errno> {
        let peer = Peer { addresses: vec![peer.ip()], port: peer.port() };
        let Some(known) = self.socket.find(&peer) else { return Ok(()) };
        let mut context = Context::from_waker(&self.waker);
        let is_up = self.socket.poll_connected(&mut context, known).is_ready();
        Err(if is_up { Errno::EISCONN } else { Errno::EALREADY })
    }

    /// A set-up has begun; perhaps somebody waits for its end, by the descriptor that polls writable then.
    pub(crate) fn begin(&mut self, association: AssociationId, is_awaited: bool) {
        self.settings.begin(association);
        self.memory.begin(&self.socket, association);
        match &mut self.phase {
            Phase::Many(many) if is_awaited => many.connecting.push(association),
            Phase::Many(_) => {}
            phase => *phase = Phase::Connecting(association),
        }
    }

    /// A set-up with a message has begun.
    pub(crate) fn note_start(&mut self, association: AssociationId, len: usize) {
        if let Phase::Many(many) = &mut self.phase {
            many.starting.push((association, Many::cost(len)));
        }
    }

    /// Whether a message has room beside those that wait for their peers' first answer. If not, the end of any of these set-ups
    /// opens the descriptor.
    pub(crate) fn may_start(&mut self, len: usize) -> bool {
        let most = self.socket.look_at_config(|config| config.send_buffer).unwrap_or(0);
        let Phase::Many(many) = &mut self.phase else { return true };
        if many.has_room(len, most) {
            return true;
        }
        let mut context = Context::from_waker(&self.waker);
        let socket = &self.socket;
        many.starting.retain(|(id, _)| socket.poll_connected(&mut context, *id).is_pending());
        if many.has_room(len, most) {
            return true;
        }
        for (id, _) in many.starting.iter().take(MOST_FAILED) {
            if !many.connecting.contains(id) {
                many.connecting.push(*id);
            }
        }
        false
    }

    pub(crate) fn await_setup(&mut self, id: AssociationId, ids: &mut AssocIds) -> Outcome {
        let mut context = Context::from_waker(&self.waker);
        let Poll::Ready(result) = self.socket.poll_connected(&mut context, id) else { return Outcome::Waits };
        self.phase = match result {
            Ok(()) => {
                self.memory.set_up(&self.socket, id);
                self.await_last_sends(id);
                self.pair.open();
                Phase::Open
            }
            Err(error) => {
                self.conclude_failure(&error, id, ids);
                // It opens in the next turn: who sees that sees on the board that there is an error.
                self.pair.keep_filler(false);
                Phase::Idle
            }
        };
        Outcome::Again
    }

    /// The program may write bare from now on: what it has written before a SHUTDOWN comes is still to be sent.
    /// RFC 9260, 9.2.
    pub(crate) fn await_last_sends(&self, id: AssociationId) {
        // It may have ended already.
        let _ = self.socket.configure(Some(id), |config| config.awaits_last_sends = true);
    }

    /// The program may read why, and use the socket again.
    fn conclude_failure(&mut self, error: &Error, id: AssociationId, ids: &mut AssocIds) {
        self.error = errno::of_setup(error).0;
        self.fill(ids, usize::MAX);
        self.inbox.end = None;
        if self.inbox.front().is_some() {
            self.pair.offer();
        }
        self.forget(ids, id);
        if let Err(error) = self.renew(SocketKind::OneToOne) {
            tracing::warn!(%error, "a socket whose set-up failed cannot be used again");
        }
    }

    /// Fillers stay while somebody waits for a set-up or for room, until one of these has come: all look then.
    pub(crate) fn advance_many(&mut self, buffer: &mut [u8], ids: &mut AssocIds) -> Outcome {
        self.conclude_setups_of_many();
        let Phase::Many(many) = &self.phase else { return Outcome::Again };
        if !self.wanted.is_empty() || many.connecting.is_empty() {
            let has_room = self.has_room();
            self.pair.keep_filler(!has_room);
        }
        let outcome = self.pass_over(buffer);
        if self.look_ahead(ids) {
            self.pair.offer();
        }
        outcome
    }

    /// Nothing is written bare on this socket: takes out what is there, fillers that come late among it, unless a filler is to stay.
    pub(crate) fn pass_over(&mut self, buffer: &mut [u8]) -> Outcome {
        if self.pair.is_filled() {
            return Outcome::Waits;
        }
        for _ in 0..MOST_STRAY {
            match self.pair.read(buffer) {
                Incoming::Record(..) | Incoming::Stray => {}
                Incoming::Shutdown => {
                    self.halves.nothing_follows = true;
                    return Outcome::Waits;
                }
                Incoming::Nothing | Incoming::Closed => return Outcome::Waits,
            }
        }
        Outcome::Again
    }

    /// A set-up has failed, perhaps one that somebody waits for. Linux has no pending error of it.
    pub(crate) fn lose_setup(&mut self, id: AssociationId, error: &Error) {
        let Phase::Many(many) = &mut self.phase else { return };
        if let Some(at) = many.connecting.iter().position(|connecting| *connecting == id) {
            many.connecting.remove(at);
            many.failed.drain(..many.failed.len().saturating_sub(MOST_FAILED - 1));
            many.failed.push((ticket(id), errno::of_setup(error).0));
            self.pair.keep_filler(false);
        }
    }

    /// Who waits for the end of a set-up is told by the descriptor, even if a full send buffer keeps others waiting: these will
    /// find that it is full still.
    fn conclude_setups_of_many(&mut self) {
        let Phase::Many(many) = &mut self.phase else { return };
        let before = many.connecting.len();
        let mut failed = Vec::new();
        many.connecting.retain(|id| {
            let mut context = Context::from_waker(&self.waker);
            match self.socket.poll_connected(&mut context, *id) {
                Poll::Ready(Err(error)) => failed.push((*id, error)),
                Poll::Ready(Ok(())) => return false,
                Poll::Pending => {}
            }
            true
        });
        if many.connecting.len() < before {
            self.pair.keep_filler(false);
        }
        failed.iter().for_each(|(id, error)| self.lose_setup(*id, error));
    }
}

impl Many {
    /// Bytes that a message costs, with the association that it begins.
    fn cost(len: usize) -> usize {
        len.max(256)
    }

    /// Whether one more message fits in a send buffer.
    fn has_room(&self, len: usize, most: usize) -> bool {
        let waiting: usize = self.starting.iter().map(|(_, cost)| cost).sum();
        self.starting.is_empty() || waiting.saturating_add(Self::cost(len)) <= most
    }
}

/// How clients name the set-up of an association.
pub(crate) fn ticket(association: AssociationId) -> Ticket {
    Ticket(association.to_bits())
}
