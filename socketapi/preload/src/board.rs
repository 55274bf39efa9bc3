//! What a service lets us know of its sockets without asking.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::fs::File;
use std::os::fd::AsRawFd;

use sctp_descriptors::{Command, Slot, SocketName};

use crate::control;

/// A slot as it is mapped. The service writes it while we read; a mixture of two states is one more outdated hint.
type Words = [AtomicU64; Slot::LEN / 8];

/// A board that is mapped, for as long as the process lives.
struct Board {
    service: u64,
    /// As whom we asked for it: a service has one for the sockets of each user.
    user: u32,
    slots: &'static [Words],
}

/// A process has sockets of one service as a rule, and seldom becomes another user. Where there are more, sockets are used by commands.
const MOST: usize = 8;

static BOARDS: [AtomicPtr<Board>; MOST] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST];

/// What the board says of this socket: nothing, if there is none.
pub(crate) fn slot(name: SocketName) -> Slot {
    look(name).unwrap_or_else(|| {
        prepare(name);
        glance(name)
    })
}

/// Makes sure that there is a board to look at: the program has this socket.
pub(crate) fn prepare(name: SocketName) {
    // SAFETY: it cannot fail.
    let user = unsafe { libc::geteuid() };
    if !of(name.service).any(|board| board.user == user) {
        map(name, user);
    }
}

/// Whether a call may wait there without asking: the hint as it is now, if there is one.
pub(crate) fn still_may_wait(name: SocketName) -> bool {
    of(name.service).next().is_none() || glance(name).may_wait
}

/// Whether the last `close` of this socket has to wait.
pub(crate) fn lingers(name: SocketName) -> bool {
    glance(name).lingers
}

/// What is known of this socket at once, also in a handler of a signal: nothing if the board was not asked for.
pub(crate) fn glance(name: SocketName) -> Slot {
    look(name).unwrap_or_default()
}

/// Whether a board was asked for: for a socket that the program made, or used after another program had made it.
pub(crate) fn is_known() -> bool {
    mapped().next().is_some()
}

/// No two sockets of a service have the same number, so there is one board at most that says something of it.
fn look(name: SocketName) -> Option<Slot> {
    of(name.service).find_map(|board| read(board.slots.get(name.slot as usize)?, name))
}

fn read(words: &Words, name: SocketName) -> Option<Slot> {
    let mut bytes = [0; Slot::LEN];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.load(Ordering::SeqCst).to_ne_bytes());
    }
    Slot::from_bytes(bytes, name.socket)
}

fn of(service: u64) -> impl Iterator<Item = &'static Board> {
    mapped().filter(move |board| board.service == service)
}

fn mapped() -> impl Iterator<Item = &'static Board> {
    // SAFETY: null, or what `map` has leaked.
    BOARDS.iter().map_while(|board| unsafe { board.load(Ordering::Acquire).as_ref() })
}

/// Asks for the board of this user and maps it, if there is a place for it.
fn map(name: SocketName, user: u32) {
    if mapped().count() == MOST {
        return;
    }
    let Some(slots) = slots_of(name) else { return };
    let board = Box::into_raw(Box::new(Board { service: name.service, user, slots }));
    let takes = |place: &AtomicPtr<Board>| {
        place.compare_exchange(ptr::null_mut(), board, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    // If others were faster, it is forgotten: so few that it does not matter.
    let _ = BOARDS.iter().any(takes);
}

fn slots_of(name: SocketName) -> Option<&'static [Words]> {
    let (_, file) = control::ask(name, Command::Board).ok()?;
    let file = File::from(file?);
    let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
    let (read, shared) = (libc::PROT_READ, libc::MAP_SHARED);
    // SAFETY: a new mapping where the kernel likes; the file is open.
    let base = unsafe { libc::mmap(ptr::null_mut(), length, read, shared, file.as_raw_fd(), 0) };
    if base == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: pages begin aligned; the mapping is so long, stays, and cannot be cut off: the service seals the file.
    Some(unsafe { core::slice::from_raw_parts(base.cast::<c_void>().cast::<Words>(), length / Slot::LEN) })
}
