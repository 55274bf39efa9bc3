//! Halves that a program has shut down, and sockets whose association has ended while programs hold their descriptors still.
//!
//! Our own writing half of the pair is shut down where a read is to come to the end of file, and both where `poll` and its like are to
//! say POLLHUP ([`Pair::shut_down`](crate::pair::Pair::shut_down)). What else a reader has to learn it asks for: an empty record, which
//! is no message of SCTP's, wakes it up.

use std::os::fd::OwnedFd;
use std::task::Context;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use sctp_abi::constants::{SCTP_SEND_FAILED, SCTP_SEND_FAILED_EVENT};
use sctp_abi::{AssocIds, Errno, Style};
use sctp_core::association::{Association, AssociationState};
use sctp_descriptors::Reply;
use sctp_user::stack::Notification;

use crate::commands::io_errno;
use crate::inbox::Item;
use crate::pair::Incoming;
use crate::pump::Progress;
use crate::socket::{Outcome, Phase, Served};
use crate::written::Written;

/// Bytes that are taken out of the pair of a program that writes no more; there are no more than the kernel keeps in a pair, unless
/// other threads go on writing.
const MOST_TAKEN: usize = 512 * 1024;
/// So much the kernel counts for the smallest record.
const LEAST_COST: usize = 768;

/// Notifications that are kept for a program that reads no more.
const MOST_UNREAD: usize = 64;

/// What a program has shut down of a one-to-one socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Halves {
    /// SHUT_WR: the association is shut down behind what was written bare.
    pub(crate) shuts_down: bool,
    /// That has been done.
    pub(crate) shut_down: bool,
    /// The pair was emptied for it.
    has_emptied: bool,
    /// Somebody may be waiting for something to read.
    pub(crate) awaited: bool,
    /// SHUT_RD: what comes is thrown away.
    pub(crate) deaf: bool,
    /// No record follows in the pair: the kernel was told to shut it down.
    pub(crate) nothing_follows: bool,
}

impl Served {
    /// `shutdown()`. SCTP has no half-closed state: a peer that hears of the end sends what it has, and ends, too (RFC 9260, 9.2).
    ///
    /// # Errors
    /// ENOTCONN, EOPNOTSUPP, EINVAL, as on Linux.
    pub(crate) fn shut(&mut self, ids: &mut AssocIds, how: i32, awaited: bool) -> Result<Reply, Errno> {
        let reads = matches!(how, libc::SHUT_RD | libc::SHUT_RDWR);
        let writes = matches!(how, libc::SHUT_WR | libc::SHUT_RDWR);
        match self.phase {
            _ if !reads && !writes => return Err(Errno::EINVAL),
            _ if self.is_listening() && reads => return Err(Errno::EOPNOTSUPP),
            _ if self.is_listening() => {}
            Phase::Open | Phase::Ended { .. } => {
                if reads {
                    self.go_deaf(ids);
                }
                self.halves.awaited |= awaited;
                self.halves.shuts_down |= writes;
                // Other threads may have written since.
                self.pair.look_again();
                self.settings.shuts_down |= writes;
                if awaited && matches!(self.phase, Phase::Ended { is_eof: false }) {
                    self.pair.wake();
                }
            }
            _ => return Err(Errno::ENOTCONN),
        }
        Ok(Reply::Done)
    }

    /// Makes room in the pair of a program that has shut its writing half down, so that who waits for that does so no longer: the peer may
    /// never make any. They see on the board that nothing more is to be written. False if they do not yet.
    pub(crate) fn empty_pair(&mut self, buffer: &mut [u8]) -> bool {
        if !self.halves.shuts_down || self.halves.has_emptied {
            return true;
        }
        if self.seat.shown().max_bare_len != 0 {
            return false;
        }
        self.halves.has_emptied = true;
        // What was written before they saw that is to be found.
        self.pair.look_again();
        self.wanted.clear();
        let mut taken = 0;
        while taken < MOST_TAKEN {
            match self.pair.read(buffer) {
                Incoming::Record(head, len) => {
                    taken += len.max(LEAST_COST);
                    self.unsent.push_back(Written::new(head, len, buffer));
                }
                Incoming::Stray => taken += LEAST_COST,
                Incoming::Nothing | Incoming::Shutdown | Incoming::Closed => break,
            }
        }
        true
    }

    /// Whether the program is told of messages that fail. Who goes on writing does not get to know of more than a pair holds.
    pub(crate) fn tells_failures(&self) -> bool {
        let events = self.settings.all_events();
        let wants = events.contains(SCTP_SEND_FAILED) || events.contains(SCTP_SEND_FAILED_EVENT);
        wants && !self.hung_up && self.failed < MOST_TAKEN
    }

    /// The association has ended before this message was sent. Who wants to know of such is told behind all that the stack has to tell, as
    /// on Linux (RFC 6458, 6.1.4 and 6.1.11).
    pub(crate) fn fail(&mut self, written: Written, ids: &mut AssocIds) {
        let Some(id) = self.memory.associations().next().filter(|_| self.tells_failures()) else { return };
        self.failed += written.payload.len().max(LEAST_COST);
        self.fill(ids, usize::MAX);
        let failure = written.into_failure(&self.settings.of(Some(id)).send);
        self.notify(ids, id, &Notification::SendFailed(Box::new(failure)));
    }

    /// RFC 6458, 4.1.7: nothing more is received. What has come before can still be read.
    fn go_deaf(&mut self, ids: &mut AssocIds) {
        self.fill(ids, usize::MAX);
        self.halves.deaf = true;
        self.pair.end();
    }

    /// Whether this is not for the program any more. On Linux notifications are, unless it has shut both halves down.
    pub(crate) fn is_unheard(&self, item: &Item) -> bool {
        let is_message = matches!(item, Item::Message { .. });
        self.halves.deaf && (self.halves.shuts_down || is_message || self.inbox.len() >= MOST_UNREAD)
    }

    /// Nothing more comes of the association: with an error, or since the peer has shut it down, or both ends have.
    pub(crate) fn conclude(&mut self, error: i32) {
        // As on Linux, where what has ended before it was accepted is just at its end.
        let error = if self.is_nameless { 0 } else { error };
        if error != 0 {
            self.error = error;
        }
        let is_eof = error == 0 && (!self.halves.shuts_down || self.is_shut_down_by_peer());
        self.phase = Phase::Ended { is_eof };
        // As there, who waits for edges hears of it also where it was told the end of reading before; not of both halves again.
        if self.pair.has_ended() && !self.halves.shuts_down {
            self.pair.end();
        }
        // Linux shows an error to who polls. Of an own shutdown it shows nothing, and programs that are told of one may take the
        // error of the read that follows (ENOTCONN) for a bad end.
        if is_eof || error != 0 || self.halves.awaited {
            self.pair.owe(is_eof);
        }
    }

    /// Both halves: on Linux a peer's SHUTDOWN shuts the reading half down.
    pub(crate) fn is_shut_down(&self) -> bool {
        let reads_no_more = self.halves.deaf || matches!(self.phase, Phase::Ended { is_eof: true });
        self.halves.shuts_down && reads_no_more
    }

    fn is_shut_down_by_peer(&self) -> bool {
        let states = [AssociationState::ShutdownReceived, AssociationState::ShutdownAckSent];
        let look = |association: &Association| states.contains(&association.state());
        self.socket.association(None, look).unwrap_or(false)
    }

    /// Why a program may not send: the pending error comes before EPIPE.
    ///
    /// # Errors
    /// That.
    pub(crate) fn check_writing(&mut self) -> Result<(), Errno> {
        let may_not = matches!(self.phase, Phase::Ended { .. } | Phase::Listening(_));
        if !may_not && !self.halves.shuts_down {
            return Ok(());
        }
        match std::mem::take(&mut self.error) {
            0 => Err(Errno::EPIPE),
            error => Err(Errno(error)),
        }
    }

    /// Whether its association has ended, so that a service that is about to stop is done with it.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// Whether the last `close` is to wait, as on Linux. One-to-many sockets do not wait there.
    pub(crate) fn lingers(&self) -> bool {
        self.style != Style::OneToMany && self.kept.linger.seconds() > 0
    }

    /// `close`, if it was the last one, and has to wait: a descriptor that hangs up when the association has ended. Which of
    /// several that ask was the last is not known: all wait.
    ///
    /// # Errors
    /// EMFILE.
    pub(crate) fn linger(&mut self) -> Result<(Reply, Option<OwnedFd>), Errno> {
        if !self.hung_up || !self.lingers() {
            return Ok((Reply::Done, None));
        }
        let ends = match self.awaits_end.take() {
            Some(ends) => ends,
            None => pipe2(OFlag::O_CLOEXEC).map_err(|errno| Errno(errno as i32))?,
        };
        let (bell, _) = self.awaits_end.insert(ends);
        let bell = bell.try_clone().map_err(io_errno)?;
        Ok((Reply::Number(self.kept.linger.seconds()), Some(bell)))
    }

    /// Whether the association of a socket that lingers is still to end, all that was written having been sent.
    fn is_lingering(&self) -> bool {
        let Some(id) = self.socket.only_association().filter(|_| self.lingers() && !self.leaves_unread)
        else {
            return false;
        };
        // It may be ending already.
        let _ = self.socket.shutdown(Some(id));
        self.socket.poll_ended(&mut Context::from_waker(&self.waker), id).is_pending()
    }

    /// The program has gone.
    pub(crate) fn over(&mut self) -> Outcome {
        // The stack's own close looks at what has come.
        let has_one = matches!(self.phase, Phase::Open | Phase::Ended { .. });
        if has_one && self.hung_up && !self.leaves_unread && matches!(self.drop_what_comes(), Progress::Again)
        {
            return Outcome::Again;
        }
        if self.is_lingering() {
            return Outcome::Waits;
        }
        self.close();
        Outcome::Over
    }
}
