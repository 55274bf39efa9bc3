//! What `poll` says of our descriptors: the kernel says it of the pair, and the board what a pair cannot show.
//!
//! `epoll` is left alone: its events carry no descriptor.

use core::ffi::c_int;

use libc::{POLLERR, POLLWRBAND, nfds_t, pollfd};
use sctp_descriptors::Slot;

use crate::detour::{errno, set_errno};
use crate::{board, table};

/// Corrects what was said of `count` entries, of which some have events.
///
/// # Safety
/// `entries` is valid for `count`: the kernel has written them.
pub(crate) unsafe fn correct(entries: *mut pollfd, count: nfds_t, outcome: c_int) -> c_int {
    if outcome <= 0 || !board::is_known() {
        return outcome;
    }
    let before = errno();
    // SAFETY: the caller's promise.
    let entries = unsafe { core::slice::from_raw_parts_mut(entries, count as usize) };
    for entry in entries.iter_mut().filter(|entry| entry.revents != 0) {
        if let Some(name) = table::recall(entry.fd) {
            entry.revents = corrected(entry.revents, board::glance(name));
        }
    }
    set_errno(before);
    outcome
}

/// As sockets of SCTP have it on Linux; POLLWRBAND they have not. (Who asks for nothing else is left with it.)
fn corrected(events: i16, slot: Slot) -> i16 {
    let others = events & !POLLWRBAND;
    let events = if others == 0 { events } else { others };
    let error = if slot.has_error { POLLERR } else { 0 };
    events | error
}

#[cfg(test)]
mod tests {
    use libc::POLLOUT;

    use super::*;

    #[test]
    fn errors_are_added_and_what_sctp_has_not_is_taken_out() {
        let none = Slot::default();
        let failed = Slot { has_error: true, ..none };
        assert_eq!(corrected(POLLOUT | POLLWRBAND, none), POLLOUT);
        assert_eq!(corrected(POLLWRBAND, none), POLLWRBAND);
        assert_eq!(corrected(POLLOUT, failed), POLLOUT | POLLERR);
    }

    #[test]
    fn other_descriptors_are_left_alone() {
        let mut ends = [0; 2];
        // SAFETY: room for two.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        let mut entry = pollfd { fd: ends[1], events: POLLOUT | POLLWRBAND, revents: POLLOUT | POLLWRBAND };
        set_errno(7);
        // SAFETY: one valid entry.
        assert_eq!(unsafe { correct(&raw mut entry, 1, 1) }, 1);
        assert_eq!((entry.revents, errno()), (POLLOUT | POLLWRBAND, 7));
        // SAFETY: just opened.
        assert_eq!(ends.map(|end| unsafe { libc::close(end) }), [0, 0]);
    }
}
