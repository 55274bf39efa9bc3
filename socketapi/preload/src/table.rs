//! Which descriptors are ours.
//!
//! The truth is the name of the peer's end, which any process can ask for, after `exec` and after descriptor
//! passing too. What is known *not* to be ours is remembered, so that other descriptors cost one memory access.

use core::ffi::c_int;
use std::sync::atomic::{AtomicU8, Ordering};

use sctp_descriptors::SocketName;

use crate::address;
use crate::real::real;

const UNKNOWN: u8 = 0;
const FOREIGN: u8 = 1;

/// Descriptors above this are looked up every time.
const REMEMBERED: usize = 4_096;

static KNOWN: [AtomicU8; REMEMBERED] = [const { AtomicU8::new(UNKNOWN) }; REMEMBERED];

/// The name of `fd` if it is one of ours.
pub(crate) fn lookup(fd: c_int) -> Option<SocketName> {
    let known = usize::try_from(fd).ok().and_then(|fd| KNOWN.get(fd));
    if known.is_some_and(|known| known.load(Ordering::Relaxed) == FOREIGN) {
        return None;
    }
    let name = peer_name(fd);
    if let (None, Some(known)) = (name, known) {
        known.store(FOREIGN, Ordering::Relaxed);
    }
    name
}

/// The number `fd` may mean something else from now on.
pub(crate) fn forget(fd: c_int) {
    if let Some(known) = usize::try_from(fd).ok().and_then(|fd| KNOWN.get(fd)) {
        known.store(UNKNOWN, Ordering::Relaxed);
    }
}

fn peer_name(fd: c_int) -> Option<SocketName> {
    address::unix_name(|storage, length| {
        // SAFETY: both pointers are valid for the call; the kernel writes at most `*length` bytes.
        unsafe { (real().getpeername)(fd, storage, length) }
    })
}
