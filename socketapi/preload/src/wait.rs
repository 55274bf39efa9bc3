//! Waiting: whether a call may, for what, and what becomes of the call then.
//!
//! An operation does not wait. It returns what is to be waited for, and is run again with the outcome: in [`turns`].

use core::ffi::c_int;
use core::mem::{size_of, zeroed};
use core::ptr;

use libc::{iovec, msghdr};
use sctp_descriptors::{SocketName, Ticket};

use crate::detour::{Stop, checked};
use crate::{board, real, waiting};

/// What is to be waited for, at the descriptor of the operation. With it goes what the operation has to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A record, or the end, of this socket. Whether the service was asked before, and so knows that somebody waits.
    Record(SocketName, bool),
    /// Room to write.
    Room,
    /// The end of a set-up, which polls writable: what the call returns then, and which set-up, if that is to be known.
    SetUp(c_int, Option<Ticket>),
    /// Room for a bare record, which is written: its pieces, their number, flags.
    Bare(*const iovec, usize, c_int),
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

/// A call that has been woken up so often, each time in vain, takes a rest before each further time: whatever the reason is, it is not
/// to use up a processor.
const MOST_IN_VAIN: u32 = 64;

/// Runs an operation as often as it has to wait.
pub(crate) fn turns<T>(fd: c_int, mut operation: impl FnMut(Turn) -> Result<T, Stop>) -> Result<T, Stop> {
    let (mut turn, mut in_vain) = (Turn::First, 0);
    loop {
        match operation(turn) {
            Err(Stop::Wait(wanted)) => turn = Turn::After(wanted, until(fd, wanted)),
            end => return end,
        }
        in_vain += 1;
        if in_vain > MOST_IN_VAIN {
            rest();
            in_vain = MOST_IN_VAIN;
        }
    }
}

/// A millisecond.
fn rest() {
    // SAFETY: no entries. A signal ends it, which is as good.
    unsafe { real::poll(ptr::null_mut(), 0, 1) };
}

/// Waits: a cancellation point, and nothing to drop.
fn until(fd: c_int, wanted: Wait) -> Result<usize, c_int> {
    match wanted {
        Wait::Record(name, asked) => {
            waiting::enter(name.socket);
            // Who shuts the socket down looks for us behind that; we look behind having entered. One of the two sees the other.
            if !asked && !board::still_may_wait(name) {
                waiting::leave(name.socket);
                return Ok(1);
            }
            // Of no bytes, so that no offset moves; what it returns is the length.
            let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
            // SAFETY: there is nothing to be written.
            let outcome = checked(unsafe { real::recv(fd, ptr::null_mut(), 0, flags) });
            waiting::leave(name.socket);
            outcome
        }
        Wait::Room | Wait::SetUp(..) => polls(fd, libc::POLLOUT, send_timeout(fd)),
        Wait::Bare(parts, count, flags) => write_bare(fd, parts, count, flags),
        Wait::Other(other, events) => polls(other, events, -1),
    }
}

/// Writes a record with what it says in it.
pub(crate) fn write_bare(fd: c_int, parts: *const iovec, count: usize, flags: c_int) -> Result<usize, c_int> {
    // SAFETY: all zeros is a valid message header.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = parts.cast_mut();
    header.msg_iovlen = count as _;
    // SAFETY: `header` and all that it points to live until the call returns.
    checked(unsafe { real::sendmsg(fd, &raw const header, flags) })
}

/// Waits for room where that is no cancellation point.
pub(crate) fn await_room(fd: c_int) -> Result<(), c_int> {
    until(fd, Wait::Room).map(drop)
}

/// Waits until the descriptor polls so. The kernel's own calls go on after a signal if its handler says so (SA_RESTART), unless
/// there is a time-out.
pub(crate) fn polls(fd: c_int, events: i16, timeout: c_int) -> Result<usize, c_int> {
    loop {
        let mut wanted = libc::pollfd { fd, events, revents: 0 };
        // SAFETY: one valid entry.
        match checked(unsafe { real::poll(&raw mut wanted, 1, timeout) } as isize) {
            Ok(0) => return Err(libc::EAGAIN),
            Err(libc::EINTR) if timeout < 0 && all_handlers_restart() => {}
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
    unsafe { real::fcntl(fd, libc::F_GETFL, 0) & libc::O_NONBLOCK != 0 }
}
