//! The descriptor that a service of the program's own lives by (see `sctp-run`), or knows the program by. Programs that close whatever is open, as daemons do,
//! do not mean it: it is spared. So are the copies that waiting calls hold (see `hold`).

use core::ffi::{c_int, c_ulong};
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::os::fd::{AsRawFd, OwnedFd};

use sctp_descriptors::LEASE_VARIABLE;

use crate::detour::{checked, keeping_errno};
use crate::{hold, real, table};

/// Its number, or -1.
static NUMBER: AtomicI32 = AtomicI32::new(-1);
/// Its inode, which nothing else has.
static INODE: AtomicU64 = AtomicU64::new(0);

/// Looks what the environment says.
pub(crate) fn find() {
    let Ok(told) = std::env::var(LEASE_VARIABLE) else { return };
    if let Some((Ok(number), Ok(inode))) = told.split_once(':').map(|(fd, inode)| (fd.parse(), inode.parse()))
    {
        INODE.store(inode, Ordering::Relaxed);
        NUMBER.store(number, Ordering::Relaxed);
    }
}

/// From now on this is it: a pipe by which a service in this process knows the program's parts, also those that are another user's.
/// It moves out of the program's way.
pub fn hold_lease(pipe: OwnedFd) {
    let Ok(found) = fstat(pipe.as_raw_fd()) else { return };
    // SAFETY: plain numbers.
    let moved = unsafe { real::fcntl(pipe.as_raw_fd(), libc::F_DUPFD_CLOEXEC, hold::LOWEST as c_ulong) };
    INODE.store(found.st_ino, Ordering::Relaxed);
    NUMBER.store(moved, Ordering::Relaxed);
}

fn fstat(fd: c_int) -> Result<libc::stat, c_int> {
    // SAFETY: all zeros is a valid value of it.
    let mut found: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: `found` is valid.
    checked(unsafe { libc::fstat(fd, &raw mut found) } as isize).map(|_| found)
}

/// Whether `fd` is it.
pub(crate) fn is(fd: c_int) -> bool {
    if fd < 0 || NUMBER.load(Ordering::Relaxed) != fd {
        return false;
    }
    keeping_errno(|| fstat(fd)).is_ok_and(|found| found.st_ino == INODE.load(Ordering::Relaxed))
}

/// Its number now, if it is still there.
pub(crate) fn number() -> Option<c_int> {
    Some(NUMBER.load(Ordering::Relaxed)).filter(|number| is(*number))
}

/// The program wants the number for something else: the lease gets another one.
pub(crate) fn make_way(fd: c_int) {
    if !is(fd) {
        return;
    }
    // SAFETY: plain numbers.
    let moved = unsafe { real::fcntl(fd, libc::F_DUPFD, fd as c_ulong + 1) };
    // Between `vfork` and `exec` this memory is the parent's.
    if table::is_owner() {
        NUMBER.store(moved, Ordering::Relaxed);
    }
}

/// Does something with all numbers of a range but those that are to be spared, until it fails.
pub(crate) fn spared(
    range: RangeInclusive<u32>,
    mut operation: impl FnMut(RangeInclusive<u32>) -> c_int,
) -> c_int {
    let (mut first, last) = range.into_inner();
    loop {
        let kept = next_kept(first).filter(|kept| *kept <= last);
        if kept != Some(first) {
            let result = operation(first..=kept.map_or(last, |kept| kept - 1));
            if result != 0 {
                return result;
            }
        }
        match kept {
            Some(kept) if kept < last => first = kept + 1,
            _ => return 0,
        }
    }
}

/// The first number from there on that is to be spared.
fn next_kept(first: u32) -> Option<u32> {
    let mut all =
        number().map(|lease| lease as u32).into_iter().chain(hold::held().map(|(number, _)| number as u32));
    all.by_ref().filter(|number| *number >= first).min()
}
