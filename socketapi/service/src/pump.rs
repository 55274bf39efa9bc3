//! Messages of one association that go through the pair, between that and the stack.

use std::task::{Context, Poll};

use bytes::Bytes;
use libc::MSG_EOR;
use sctp_abi::constants::SCTP_DATA_IO_EVENT;
use sctp_abi::{AssocIds, Style, errno};
use sctp_core::association::{Association, AssociationState};
use sctp_core::event::AssociationId;
use sctp_core::reliability::Reliability;
use sctp_descriptors::{MAX_RECORD_LEN, Marker, Slot};
use sctp_user::stack::Error;

use crate::inbox::Item;
use crate::pair::{Incoming, Outgoing};
use crate::socket::{Outcome, Phase, Served};
use crate::written::Written;

/// Records that one socket may pass in each direction before it is another's turn.
const SHARE: usize = 64;
/// The same where it is another user's.
const CONTENDED_SHARE: usize = 16;
/// As many records as the buffer of a pair holds, and more.
const MOST_WRITTEN: usize = 1_024;

pub(crate) enum Progress {
    Waits,
    /// The program has written nothing more.
    Dry,
    Again,
    /// The program is gone (outwards), or the association is (inwards), with this `errno`.
    Over(i32),
}

impl Served {
    /// Passes on what there is, both ways.
    pub(crate) fn pump(&mut self, buffer: &mut [u8], ids: &mut AssocIds) -> Outcome {
        let is_emptied = self.empty_pair(buffer);
        match self.pass_on(buffer, ids) {
            Outcome::Waits if !is_emptied => Outcome::Again,
            outcome => outcome,
        }
    }

    fn pass_on(&mut self, buffer: &mut [u8], ids: &mut AssocIds) -> Outcome {
        if self.leaves_unread {
            return self.over();
        }
        let awaits_last_sends = self.awaits_last_sends();
        if awaits_last_sends {
            self.pair.look_again();
        }
        // Also behind the end: what nobody sends any more must not keep a program waiting for room.
        let outwards = self.pump_out(buffer, ids);
        if matches!(outwards, Progress::Over(_)) {
            return self.over();
        }
        let inwards = match self.phase {
            _ if self.hung_up => self.drop_what_comes(),
            Phase::Ended { .. } => {
                let has_more = matches!(outwards, Progress::Again) && self.tells_failures();
                if self.look_ahead(ids) {
                    self.pair.offer();
                } else if self.seat.shown().max_bare_len == 0 && !has_more {
                    // Who sees the end sees on the board that nothing is to be written any more, and has heard of what was.
                    self.pair.tell_end();
                }
                Progress::Waits
            }
            _ => self.pump_in(ids),
        };
        if let Progress::Over(error) = inwards {
            self.conclude(error);
            return Outcome::Again;
        }
        if awaits_last_sends {
            return self.conclude_last_sends(&outwards);
        }
        match (outwards, inwards) {
            (Progress::Again, _) | (_, Progress::Again) => Outcome::Again,
            _ => Outcome::Waits,
        }
    }

    fn pump_out(&mut self, buffer: &mut [u8], ids: &mut AssocIds) -> Progress {
        if !self.has_room() {
            return Progress::Waits;
        }
        for _ in 0..self.share() {
            self.passed += 1;
            let written = match self.unsent.pop_front() {
                Some(written) => written,
                None => match self.pair.read(buffer) {
                    Incoming::Record(head, len) => Written::new(head, len, buffer),
                    Incoming::Stray => continue,
                    Incoming::Nothing => {
                        self.shut_down_if_asked();
                        return Progress::Dry;
                    }
                    Incoming::Closed => return Progress::Over(0),
                    Incoming::Shutdown => {
                        self.halves.nothing_follows = true;
                        self.halves.shuts_down = true;
                        self.halves.awaited = true;
                        self.shut_down_if_asked();
                        return Progress::Dry;
                    }
                },
            };
            if let Some(written) = self.send_written(written, ids) {
                self.unsent.push_front(written);
                return Progress::Waits;
            }
        }
        Progress::Again
    }

    /// The peer has sent SHUTDOWN, and the stack waits for what was written before. If not, we are called when one comes.
    pub(crate) fn awaits_last_sends(&self) -> bool {
        let mut context = Context::from_waker(&self.waker);
        matches!(self.socket.poll_last_sends(&mut context, None), Poll::Ready(Ok(())))
    }

    /// Once the board says that nothing is to be written bare, and all that was is sent, nothing more comes.
    /// RFC 9260, 9.2.
    fn conclude_last_sends(&self, outwards: &Progress) -> Outcome {
        match outwards {
            Progress::Dry if self.seat.shown().max_bare_len == 0 => {
                // It may have ended meanwhile.
                let _ = self.socket.finish_sending(None);
                Outcome::Again
            }
            // There is room again when the peer has acknowledged something: the stack calls.
            Progress::Waits => Outcome::Waits,
            _ => Outcome::Again,
        }
    }

    /// All that was written before the program shut its socket down has been sent.
    fn shut_down_if_asked(&mut self) {
        if self.halves.shuts_down && !std::mem::replace(&mut self.halves.shut_down, true) {
            // It may be ending already.
            let _ = self.socket.shutdown(None);
        }
    }

    /// Sends what was written into the pair, as far as there is room: it comes before what a command says. Who goes on writing meanwhile
    /// holds up nobody: a pair does not hold more.
    pub(crate) fn send_what_is_written(&mut self, buffer: &mut [u8], ids: &mut AssocIds) {
        let share = self.share();
        let mut goes_on =
            || matches!(self.phase, Phase::Open) && matches!(self.pump_out(buffer, ids), Progress::Again);
        let _ = (0..MOST_WRITTEN.div_ceil(share)).all(|_| goes_on());
    }

    fn share(&self) -> usize {
        if self.is_contended { CONTENDED_SHARE } else { SHARE }
    }

    /// Sends a message that was written into the pair. It comes back if there is no room for it.
    fn send_written(&mut self, written: Written, ids: &mut AssocIds) -> Option<Written> {
        let association = self.socket.only_association();
        let options = written.options(&self.settings.of(association).send);
        let mut context = Context::from_waker(&self.waker);
        match self.socket.poll_send(&mut context, None, &options, &written.payload) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Error::Send(error))) => {
                tracing::debug!(%error, "a message was refused");
                self.error = errno::of(&Error::Send(error)).0;
            }
            // The association has ended; the other direction tells how.
            Poll::Ready(Err(_)) => self.fail(written, ids),
            Poll::Pending => return Some(written),
        }
        None
    }

    fn pump_in(&mut self, ids: &mut AssocIds) -> Progress {
        for _ in 0..self.share() {
            if !self.look_ahead(ids) {
                return self.inbox.end.map_or(Progress::Waits, Progress::Over);
            }
            if self.halves.deaf {
                return self.inbox.end.map_or(Progress::Waits, Progress::Over);
            }
            if !self.inbox.front().is_some_and(|front| self.is_bare(front)) {
                self.pair.offer();
                return Progress::Waits;
            }
            if !self.write_bare() {
                return Progress::Waits;
            }
            self.passed += 1;
        }
        Progress::Again
    }

    /// Whether the pair can carry this one. A message whose pieces would all be whole records has no end there; and where the
    /// program holds a token, what comes first is asked for.
    pub(crate) fn is_bare(&self, item: &Item) -> bool {
        let Item::Message { message, .. } = item else { return false };
        let starts_marked = || self.pair.is_marked(&item.start(size_of::<Marker>()));
        self.is_plain()
            && !self.halves.deaf
            && !self.pair.has_token()
            && message.end_of_record
            && message.len() % MAX_RECORD_LEN != 0
            && !starts_marked()
    }

    /// Whether messages mean nothing to the program but their bytes.
    pub(crate) fn is_plain(&self) -> bool {
        let settings = &self.settings;
        let informed =
            settings.rcvinfo || settings.nxtinfo || settings.future.events.contains(SCTP_DATA_IO_EVENT);
        self.style != Style::OneToMany && !informed && !settings.all_events().any()
    }

    /// Writes the next record of the first message. False if the pair has no room for it.
    fn write_bare(&mut self) -> bool {
        let Some((record, flags)) = self.inbox.peek(MAX_RECORD_LEN) else { return true };
        let len = record.len();
        match self.pair.write(&record) {
            Outgoing::NoRoom => return false,
            Outgoing::Written => {
                self.wrote_bare = true;
                self.early.note(self.inbox.front(), flags & MSG_EOR != 0);
            }
            Outgoing::Lost => self.pair.lose(),
        }
        self.inbox.skip(len);
        true
    }

    /// The program has closed its last descriptor.
    pub(crate) fn hang_up(&mut self, ids: &mut AssocIds) {
        self.hung_up = true;
        self.pair.hang_up();
        if !self.halves.deaf && !matches!(self.phase, Phase::Many(_)) {
            self.look_for_unread(ids);
        }
        // A token that is left says nothing: it may stand for a notification.
        let is_reset = self.pair.is_reset() && !self.pair.has_token();
        self.leaves_unread = is_reset || self.inbox.unread().next().is_some();
    }

    /// Takes out of the stack what has come, up to the first message: notifications may be in front of it.
    fn look_for_unread(&mut self, ids: &mut AssocIds) {
        for want in 1.. {
            self.fill(ids, want);
            if self.inbox.len() < want || self.inbox.unread().next().is_some() {
                return;
            }
        }
    }

    /// What comes behind the last close nobody reads, and nobody misses, as on Linux. It must neither close a_rwnd nor pass for
    /// something that the program has left.
    pub(crate) fn drop_what_comes(&mut self) -> Progress {
        let mut context = Context::from_waker(&self.waker);
        let mut comes =
            || matches!(self.socket.poll_receive(&mut context, usize::MAX), Poll::Ready(Ok(Some(_))));
        if (0..self.share()).all(|_| comes()) { Progress::Again } else { Progress::Waits }
    }

    /// What a program has not read when it closes is lost, and the peers must learn of it at once (ABORT, as on Linux); else the
    /// stack's socket ends its associations in good order.
    pub(crate) fn close(&mut self) {
        let mut unread: Vec<AssociationId> = self.inbox.unread().collect();
        if self.leaves_unread {
            unread.extend(self.socket.only_association());
        }
        for association in unread {
            // It may have ended already.
            let _ = self.socket.abort(Some(association), Bytes::new());
        }
    }

    /// What the program may do without asking.
    pub(crate) fn slot(&self) -> Slot {
        let may_wait = match &self.phase {
            // Who reads of a socket that is shut down asks first, and so is known to wait.
            Phase::Open => !self.halves.deaf && !self.halves.shuts_down,
            Phase::Many(many) => many.listening || !self.memory.is_empty(),
            _ => false,
        };
        let (max_bare_len, streams) = self.room();
        Slot {
            socket: self.name.socket,
            max_bare_len: u32::try_from(max_bare_len).unwrap_or(u32::MAX),
            streams,
            may_wait,
            lingers: self.lingers(),
            has_error: self.error != 0,
        }
    }

    /// How long messages may be that are written into the pair, and on how many streams with information.
    fn room(&self) -> (usize, u16) {
        // Behind who waits for room nobody else writes.
        if !matches!(self.phase, Phase::Open) || self.halves.shuts_down || !self.wanted.is_empty() {
            return (0, 0);
        }
        let look = |association: &Association| {
            let config = association.config();
            // Who is shutting down takes no more messages (RFC 9260, 9.2).
            if association.state() != AssociationState::Established || config.disable_fragments {
                return (0, 0);
            }
            let most = config.send_buffer.min(config.max_message_size);
            // What is said of time counts from the call on, and not from when there is room.
            let may_be_headed = config.reliability == Reliability::Full;
            (most, if may_be_headed { association.outbound_streams() } else { 0 })
        };
        self.socket.association(None, look).unwrap_or_default()
    }
}
