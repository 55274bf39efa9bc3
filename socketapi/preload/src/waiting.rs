//! Sockets that calls of this program wait at.
//!
//! When an association has ended by an own `shutdown`, Linux wakes calls up that wait to receive, and shows nothing to `poll`. The
//! service can wake calls up only by something that `poll` shows, too. So who shuts a socket down says whether anybody waits. The
//! counts are shared with children; they may be too high, when a thread is cancelled or two sockets have one count.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// A page.
const COUNTS: usize = 1_024;
/// The socket came to this program, or to its parent since that was started, and not from another one, of which nothing is known.
const KNOWN: u32 = 1 << 31;

static SHARED: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// To be called before the program can fork.
pub(crate) fn begin() {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping.
    let page = unsafe { libc::mmap(ptr::null_mut(), COUNTS * size_of::<AtomicU32>(), access, kind, -1, 0) };
    if page != libc::MAP_FAILED {
        SHARED.store(page.cast(), Ordering::Release);
    }
}

fn count(socket: u64) -> Option<&'static AtomicU32> {
    let counts = SHARED.load(Ordering::Acquire);
    // SAFETY: below COUNTS; the mapping is never undone, and zeros are counts.
    (!counts.is_null()).then(|| unsafe { &*counts.add(socket as usize % COUNTS) })
}

/// The program has got this socket from the service.
pub(crate) fn note(socket: u64) {
    count(socket).map(|count| count.fetch_or(KNOWN, Ordering::SeqCst));
}

/// A call begins to wait.
pub(crate) fn enter(socket: u64) {
    count(socket).map(|count| count.fetch_add(1, Ordering::SeqCst));
}

/// It waits no more.
pub(crate) fn leave(socket: u64) {
    count(socket).map(|count| count.fetch_sub(1, Ordering::SeqCst));
}

/// Whether a call may be waiting.
pub(crate) fn may_wait(socket: u64) -> bool {
    count(socket).is_none_or(|count| count.load(Ordering::SeqCst) != KNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_waited_at_while_a_call_is_in_it_or_if_it_is_a_stranger_s() {
        begin();
        assert!(may_wait(7));
        note(7);
        assert!(!may_wait(7));
        enter(7);
        enter(7);
        leave(7);
        assert!(may_wait(7) && may_wait(7 + COUNTS as u64) && may_wait(8));
        leave(7);
        assert!(!may_wait(7));
    }
}
