//! Sockets that calls of this program wait at.
//!
//! When an association has ended by an own `shutdown`, Linux wakes calls up that wait to receive, and shows nothing to `poll`. The
//! service can wake calls up only by something that `poll` shows, too. So who shuts a socket down says whether anybody waits. The
//! counts are shared with children; they may be too high, when a thread is cancelled or two sockets have one count.
//!
//! Not shared are they with programs that have got a socket by `exec` or in a message (SCM_RIGHTS). These ask before they first wait at it, so
//! that the service knows, and take it that others wait, too.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use sctp_descriptors::SocketName;

use crate::table;

/// A page.
const COUNTS: usize = 1_024;

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

/// A call begins to wait.
pub(crate) fn enter(socket: u64) {
    count(socket).map(|count| count.fetch_add(1, Ordering::SeqCst));
}

/// It waits no more.
pub(crate) fn leave(socket: u64) {
    count(socket).map(|count| count.fetch_sub(1, Ordering::SeqCst));
}

/// Whether a call may be waiting at the socket that this descriptor is of.
pub(crate) fn may_wait(fd: c_int, name: SocketName) -> bool {
    !table::is_settled(fd, name) || counted(name.socket)
}

fn counted(socket: u64) -> bool {
    count(socket).is_none_or(|count| count.load(Ordering::SeqCst) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_waited_at_while_a_call_is_in_it() {
        begin();
        assert!(!counted(7));
        enter(7);
        enter(7);
        leave(7);
        assert!(counted(7) && counted(7 + COUNTS as u64) && !counted(8));
        leave(7);
        assert!(!counted(7));
    }
}
