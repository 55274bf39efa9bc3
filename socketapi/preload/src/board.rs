//! What the service lets us know of sockets without asking.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::fs::File;
use std::os::fd::AsRawFd;

use sctp_descriptors::{Command, Request, Slot, SocketName};

use crate::control;

/// A slot as it is mapped. The service writes it while we read; a mixture of two states is one more outdated hint.
type Words = [AtomicU64; Slot::LEN / 8];

/// A board that is mapped, for as long as the process lives.
struct Board {
    slots: &'static [Words],
}

static BOARD: AtomicPtr<Board> = AtomicPtr::new(ptr::null_mut());

/// What the board says of this socket: nothing, if there is none.
pub(crate) fn slot(name: SocketName) -> Slot {
    let found = mapped().and_then(|board| board.slots.get(name.slot as usize));
    let words = found.or_else(|| map()?.slots.get(name.slot as usize));
    words.and_then(|words| read(words, name)).unwrap_or_default()
}

/// Makes sure that there is a board to look at: the program has a socket.
pub(crate) fn prepare() {
    if mapped().is_none() {
        map();
    }
}

/// Whether a call may wait there without asking: the hint as it is now, if there is one.
pub(crate) fn still_may_wait(name: SocketName) -> bool {
    mapped().is_none() || slot(name).may_wait
}

/// Whether the last `close` of this socket has to wait.
pub(crate) fn lingers(name: SocketName) -> bool {
    is_known() && slot(name).lingers
}

/// What is known of this socket at once, also in a handler of a signal: nothing if the board was not asked for.
pub(crate) fn glance(name: SocketName) -> Slot {
    let words = mapped().and_then(|board| board.slots.get(name.slot as usize));
    words.and_then(|words| read(words, name)).unwrap_or_default()
}

/// Whether the board was asked for: for a socket that the program made, or used after another program had made it.
pub(crate) fn is_known() -> bool {
    mapped().is_some()
}

fn read(words: &Words, name: SocketName) -> Option<Slot> {
    let mut bytes = [0; Slot::LEN];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.load(Ordering::SeqCst).to_ne_bytes());
    }
    Slot::from_bytes(bytes, name.socket)
}

fn mapped() -> Option<&'static Board> {
    // SAFETY: null, or what `map` has leaked.
    unsafe { BOARD.load(Ordering::Acquire).as_ref() }
}

/// Asks for the board and maps it, for the first time or because it has grown. What was mapped before stays: others may be
/// reading it.
fn map() -> Option<&'static Board> {
    let (_, file) = control::ask(&Request { socket: 0, command: Command::Board }).ok()?;
    let file = File::from(file?);
    let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
    let (read, shared) = (libc::PROT_READ, libc::MAP_SHARED);
    // SAFETY: a new mapping where the kernel likes; the file is open.
    let base = unsafe { libc::mmap(ptr::null_mut(), length, read, shared, file.as_raw_fd(), 0) };
    if base == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: pages begin aligned; the mapping is so long, stays, and cannot be cut off: the service seals the file.
    let slots =
        unsafe { core::slice::from_raw_parts(base.cast::<c_void>().cast::<Words>(), length / Slot::LEN) };
    let board = Box::leak(Box::new(Board { slots }));
    BOARD.store(board, Ordering::Release);
    Some(board)
}
