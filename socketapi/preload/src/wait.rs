//! Waiting: whether a call may, for what, and what becomes of the call then.
//!
//! An operation does not wait. It returns what is to be waited for, and is run again with the outcome: in [`turns`].

use core::ffi::c_int;
use core::mem::{size_of, zeroed};
use core::ptr;
use std::time::Instant;

use libc::{iovec, msghdr};
use sctp_descriptors::{SocketName, Ticket};

use crate::detour::{Stop, checked};
use crate::{address, board, hold, ops, real, table, waiting};

/// What is to be waited for, at the descriptor of the operation. With it goes what the operation has to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A record, or the end, of this socket. Whether the service was asked before, and so knows that somebody waits.
    Record(SocketName, bool),
    /// Room to write.
    Room,
    /// The end of a set-up, which polls writable: what the call returns then, and which set-up, if that is to be known.
    SetUp(c_int, Option<Ticket>),
    /// Room for a record, which is written: its pieces, their number, flags.
    Written(*const iovec, usize, c_int),
    /// That another descriptor polls so.
    Other(c_int, i16),
}

/// Which run of an operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing has been done.
    First,
    /// It has been waited for this, and that is how it went: EAGAIN is a time-out.
    After(Wait, Result<usize, c_int>),
}

/// Milliseconds. All who want room on any association of a socket wait at one descriptor: who is told of room may find it closed
/// again, for another who was refused, before it has seen that it was open.
const LOOK_AGAIN: c_int = 200;

/// A call that has been woken up so often, each time in vain, takes a rest before each further time: whatever the reason is, it is not
/// to use up a processor.
const MOST_IN_VAIN: u32 = 64;

/// Runs an operation as often as it has to wait, on the descriptor that it is given: `number`, or a copy of what that meant when the
/// call began.
pub(crate) fn turns<T>(
    number: c_int,
    name: SocketName,
    mut operation: impl FnMut(c_int, Turn) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let mut place = Place { number, name, copy: number, since: None };
    let (mut turn, mut has_strayed, mut in_vain) = (Turn::First, false, 0);
    let end = loop {
        let wanted = match operation(place.copy, turn) {
            Err(Stop::Wait(_)) if has_strayed => break Err(Stop::Stranger),
            Err(Stop::Wait(wanted)) => wanted,
            end => break end,
        };
        let outcome;
        (outcome, has_strayed) = match place.choose(turn == Turn::First) {
            Some(fd) => place.until(fd, wanted),
            // What has begun goes on without us.
            None if matches!(wanted, Wait::SetUp(..)) => (Err(libc::EBADF), false),
            None => break Err(Stop::Stranger),
        };
        turn = Turn::After(wanted, outcome);
        in_vain += 1;
        if in_vain > MOST_IN_VAIN {
            rest();
            in_vain = MOST_IN_VAIN;
        }
    };
    place.leave();
    end
}

/// A millisecond.
pub(crate) fn rest() {
    // SAFETY: no entries. A signal ends it, which is as good.
    unsafe { real::poll(ptr::null_mut(), 0, 1) };
}

/// Where a call waits.
struct Place {
    /// The program's, which other threads may close, or give another meaning.
    number: c_int,
    name: SocketName,
    /// As the number, until the call has to wait.
    copy: c_int,
    /// When the call began to wait for room.
    since: Option<Instant>,
}

impl Place {
    /// What to wait at: the number, as long as it is the socket's. So the kernel goes on after a signal (SA_RESTART) as it does with all
    /// files: with what the number means then. None if there is nothing to wait at.
    fn choose(&mut self, is_first: bool) -> Option<c_int> {
        if !hold::is_needed() {
            return Some(self.number);
        }
        if is_first {
            self.copy = hold::copy(self.number);
        }
        match self.is_number_ours() {
            true => Some(self.number),
            // The copy may be a stranger's, if it was made too late.
            false => Some(self.copy).filter(|copy| !is_first && *copy != self.number),
        }
    }

    /// The call ends. If another thread has closed the number meanwhile, this may be the last close, which waits.
    fn leave(&self) {
        if self.copy == self.number {
            return;
        }
        hold::give_back(self.copy);
        if board::lingers(self.name) && !self.is_number_ours() {
            ops::linger(self.name);
        }
    }

    fn is_number_ours(&self) -> bool {
        table::is(self.number, self.name)
    }

    /// Waits: a cancellation point, and nothing to drop. Also whether something else may have ended that, which the number means now.
    fn until(&mut self, fd: c_int, wanted: Wait) -> (Result<usize, c_int>, bool) {
        match wanted {
            Wait::Record(name, asked) => {
                waiting::enter(name.socket);
                // Who shuts the socket down looks for us behind that; we look behind having entered. One of the two sees the other.
                if !asked && !board::still_may_wait(name) {
                    waiting::leave(name.socket);
                    return (Ok(1), false);
                }
                let (outcome, is_own) = await_record(fd, name);
                waiting::leave(name.socket);
                let has_strayed = !is_own && fd == self.number && !self.is_number_ours();
                (if has_strayed { Ok(1) } else { outcome }, has_strayed)
            }
            Wait::Room => (self.await_room(fd), false),
            Wait::SetUp(..) => (polls(fd, libc::POLLOUT, send_timeout(fd), || self.is_number_ours()), false),
            Wait::Written(parts, count, flags) => (write_record(fd, parts, count, flags), false),
            Wait::Other(other, events) => (polls(other, events, -1, || true), false),
        }
    }

    /// Waits until it polls writable, or it is time to ask again. SO_SNDTIMEO is the whole call's.
    fn await_room(&mut self, fd: c_int) -> Result<usize, c_int> {
        let limit = send_timeout(fd);
        let waited = self.since.get_or_insert_with(Instant::now).elapsed().as_millis();
        let left = match limit {
            ..0 => c_int::MAX,
            _ => limit.saturating_sub(c_int::try_from(waited).unwrap_or(c_int::MAX)).max(0),
        };
        match polls(fd, libc::POLLOUT, left.min(LOOK_AGAIN), || true) {
            Err(libc::EAGAIN) if left > LOOK_AGAIN => Ok(0),
            Err(libc::EINTR) if limit < 0 && all_handlers_restart() && self.is_number_ours() => Ok(0),
            outcome => outcome,
        }
    }
}

/// Waits for what comes next, or the end. Whether it is certainly this socket's that ended that.
fn await_record(fd: c_int, name: SocketName) -> (Result<usize, c_int>, bool) {
    let mut sender = address::NO_NAME;
    // SAFETY: all zeros is a valid message header: of no bytes, so that no offset moves.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_name = (&raw mut sender).cast();
    header.msg_namelen = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: `header` and what it points to live until the call returns. With MSG_TRUNC this is the length.
    let outcome = checked(unsafe { real::recvmsg(fd, &raw mut header, libc::MSG_PEEK | libc::MSG_TRUNC) });
    let is_own = match outcome {
        Ok(_) => address::socket_name(&sender, header.msg_namelen) == Some(name),
        Err(errno) => matches!(errno, libc::EAGAIN | libc::EINTR),
    };
    (outcome, is_own)
}

/// Writes a record with what it says in it.
pub(crate) fn write_record(
    fd: c_int,
    parts: *const iovec,
    count: usize,
    flags: c_int,
) -> Result<usize, c_int> {
    // SAFETY: all zeros is a valid message header.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = parts.cast_mut();
    header.msg_iovlen = count as _;
    // SAFETY: `header` and all that it points to live until the call returns.
    checked(unsafe { real::sendmsg(fd, &raw const header, flags) })
}

/// Waits for room, also behind a signal: what is to be written must not be lost.
pub(crate) fn insist_on_room(fd: c_int) -> Result<(), c_int> {
    loop {
        match polls(fd, libc::POLLOUT, -1, || true) {
            Err(libc::EINTR) => {}
            outcome => return outcome.map(drop),
        }
    }
}

/// Waits until the descriptor polls so. The kernel's own calls go on after a signal if its handler says so (SA_RESTART), unless
/// there is a time-out; they begin anew then, so that what they waited at must still be there.
pub(crate) fn polls(
    fd: c_int,
    events: i16,
    timeout: c_int,
    is_there: impl Fn() -> bool,
) -> Result<usize, c_int> {
    loop {
        let mut wanted = libc::pollfd { fd, events, revents: 0 };
        // SAFETY: one valid entry.
        match checked(unsafe { real::poll(&raw mut wanted, 1, timeout) } as isize) {
            Ok(0) => return Err(libc::EAGAIN),
            Err(libc::EINTR) if timeout < 0 && all_handlers_restart() && is_there() => {}
            outcome => return outcome,
        }
    }
}

/// Whether the handlers of all signals want calls to go on. `poll` does not tell which signal came.
fn all_handlers_restart() -> bool {
    (1..=libc::SIGRTMAX()).all(|signal| {
        // SAFETY: all zeros is a valid value of it.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: nothing is changed, and `action` is valid. The C library keeps some signals for itself: they count as default.
        unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
        let handled = action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN;
        !handled || action.sa_flags & libc::SA_RESTART != 0
    })
}

/// SO_SNDTIMEO in milliseconds, as `poll` has it: -1 for none.
fn send_timeout(fd: c_int) -> c_int {
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut length = size_of::<libc::timeval>() as libc::socklen_t;
    let value = (&raw mut time).cast();
    // SAFETY: both pointers are valid, and `length` is the value's. A failure leaves it as it is.
    unsafe { real::getsockopt(fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, value, &raw mut length) };
    let milliseconds = time.tv_sec.saturating_mul(1_000).saturating_add((time.tv_usec + 999) / 1_000);
    if milliseconds == 0 { -1 } else { c_int::try_from(milliseconds).unwrap_or(c_int::MAX) }
}

/// Whether a call with these flags may wait on this descriptor.
pub(crate) fn is_patient(fd: c_int, flags: c_int) -> bool {
    flags & libc::MSG_DONTWAIT == 0 && !is_non_blocking(fd)
}

/// The flags as the service is to have them, which does not know the descriptor's.
pub(crate) fn told(flags: c_int, patient: bool) -> c_int {
    if patient { flags & !libc::MSG_DONTWAIT } else { flags | libc::MSG_DONTWAIT }
}

pub(crate) fn is_non_blocking(fd: c_int) -> bool {
    // SAFETY: plain numbers.
    let flags = unsafe { real::fcntl(fd, libc::F_GETFL, 0) };
    // A number that is closed meanwhile has none.
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}
