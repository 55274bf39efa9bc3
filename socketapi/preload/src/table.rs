//! Which descriptors are ours.
//!
//! The truth is the name of the peer's end, which any process can ask for, after `exec` and after descriptor passing too, and who
//! made it: anybody may bind a name like ours and connect to a program.
//!
//! - What is known *not* to be ours is remembered, so that other descriptors cost one memory access. A number becomes ours only
//!   by calls that we see (ours, `dup` and its fellows, descriptors that arrive in messages), and each of them forgets it.
//! - What is ours is remembered too, but a number may become another one's without our seeing it: `fclose` closes inside of
//!   the C library. So that is a hint ([`recall`]), good for what goes through the kernel and shows by itself if it was wrong: a
//!   record that is read brings its sender's name, a bare write does to a stranger what the program wants. Before a command,
//!   the kernel is asked ([`lookup`]), at a fraction of the command's cost.
//!
//! A child between `vfork` and `exec` shares this memory, but not its descriptors. So only the process that the table belongs
//! to writes what it knows; after `fork`, which copies the table, that is the child.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use sctp_descriptors::{SocketName, Style};

use crate::detour::Stop;
use crate::exempt::is_exempt;
use crate::{address, control, real, service};

/// Descriptors above this are looked up every time.
const REMEMBERED: usize = 4_096;

/// What is known of a number: the low bits of [`Entry::state`].
const KIND: u32 = 3;
const UNKNOWN: u32 = 0;
const FOREIGN: u32 = 1;
const ONE_TO_ONE: u32 = 2;
const ONE_TO_MANY: u32 = 3;

/// What is remembered of a number.
struct Entry {
    /// Above the kind it counts how often the number was forgotten: what is found out meanwhile is outdated.
    state: AtomicU32,
    slot: AtomicU32,
    service: AtomicU64,
    socket: AtomicU64,
    /// The socket at which others hear of our waiting: see [`settle`].
    settled: AtomicU64,
}

static KNOWN: [Entry; REMEMBERED] = [const { Entry::new() }; REMEMBERED];

/// The process that may remember.
static OWNER: AtomicI32 = AtomicI32::new(0);

impl Entry {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(UNKNOWN),
            slot: AtomicU32::new(0),
            service: AtomicU64::new(0),
            socket: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        }
    }

    fn of(fd: c_int) -> Option<&'static Self> {
        KNOWN.get(usize::try_from(fd).ok()?)
    }

    /// May be mixed of two names, when numbers are used anew at the same time. So it is a hint.
    fn name(&self, kind: u32) -> SocketName {
        SocketName {
            service: self.service.load(Ordering::Relaxed),
            socket: self.socket.load(Ordering::Relaxed),
            slot: self.slot.load(Ordering::Relaxed),
            style: if kind == ONE_TO_ONE { Style::OneToOne } else { Style::OneToMany },
        }
    }

    /// Remembers what was found out since the state was `before`.
    fn remember(&self, before: u32, name: Option<SocketName>) {
        let kind = match name.map(|name| name.style) {
            None => FOREIGN,
            Some(Style::OneToOne) => ONE_TO_ONE,
            Some(Style::OneToMany) => ONE_TO_MANY,
        };
        if !is_owner() {
            return;
        }
        if let Some(name) = name {
            self.service.store(name.service, Ordering::Relaxed);
            self.socket.store(name.socket, Ordering::Relaxed);
            self.slot.store(name.slot, Ordering::Relaxed);
        }
        let after = before & !KIND | kind;
        // Forgotten meanwhile: then it is for the next one to find out.
        let _ = self.state.compare_exchange(before, after, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// The name of `fd` if it is one of ours.
pub(crate) fn lookup(fd: c_int) -> Option<SocketName> {
    let entry = Entry::of(fd);
    let before = entry.map_or(UNKNOWN, |entry| entry.state.load(Ordering::Acquire));
    if before & KIND == FOREIGN || is_exempt() {
        return None;
    }
    let Some(entry) = entry else { return peer_name(fd) };
    let name = peer_name(fd);
    entry.remember(before, name);
    name
}

/// As [`lookup`], but may be wrong where it says that `fd` is ours.
pub(crate) fn recall(fd: c_int) -> Option<SocketName> {
    let entry = Entry::of(fd);
    match entry.map(|entry| (entry, entry.state.load(Ordering::Acquire) & KIND)) {
        Some((entry, kind @ (ONE_TO_ONE | ONE_TO_MANY))) if !is_exempt() => Some(entry.name(kind)),
        _ => lookup(fd),
    }
}

/// Whether `fd` is this socket's now.
pub(crate) fn is(fd: c_int, name: SocketName) -> bool {
    peer_name(fd) == Some(name)
}

/// Whether `fd` is what was recalled.
pub(crate) fn confirm(fd: c_int, name: SocketName) -> Result<(), Stop> {
    if is(fd, name) { Ok(()) } else { Err(Stop::Stranger) }
}

/// A descriptor of a socket, among those that are remembered.
pub(crate) fn find(name: SocketName) -> Option<c_int> {
    (0..REMEMBERED as c_int).find(|fd| is(*fd, name))
}

/// The number `fd` may mean something else from now on.
pub(crate) fn forget(fd: c_int) {
    if let Some(entry) = Entry::of(fd) {
        let _ = entry.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |state| {
            Some((state & !KIND).wrapping_add(KIND + 1))
        });
    }
}

/// So may all of these.
pub(crate) fn forget_range(first: u32, last: u32) {
    let last = last.min(REMEMBERED as u32 - 1);
    (first..=last).for_each(|fd| forget(fd as c_int));
}

/// Who shuts this socket down hears of it if a call waits at this number: the program had the socket first, and counts (see
/// `waiting`), or has told the service that it waits.
pub(crate) fn settle(fd: c_int, name: SocketName) {
    if let Some(entry) = Entry::of(fd).filter(|_| is_owner()) {
        entry.settled.store(name.socket, Ordering::Relaxed);
    }
}

/// Whether that is so.
pub(crate) fn is_settled(fd: c_int, name: SocketName) -> bool {
    Entry::of(fd).is_some_and(|entry| entry.settled.load(Ordering::Relaxed) == name.socket)
}

/// The number `to` is a copy of `from` now.
pub(crate) fn copied(from: c_int, to: c_int) {
    forget(to);
    if let (Some(from), Some(to)) = (Entry::of(from), Entry::of(to).filter(|_| is_owner())) {
        to.settled.store(from.settled.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Belongs to this process from now on.
pub(crate) unsafe extern "C" fn adopt_table() {
    // SAFETY: it cannot fail.
    OWNER.store(unsafe { libc::getpid() }, Ordering::Relaxed);
}

/// Whether this process's memory is its own.
pub(crate) fn is_owner() -> bool {
    // SAFETY: it cannot fail.
    OWNER.load(Ordering::Relaxed) == unsafe { libc::getpid() }
}

/// What the kernel says of it.
pub(crate) fn peer_name(fd: c_int) -> Option<SocketName> {
    let name = address::unix_name(|storage, length| {
        // SAFETY: both pointers are valid for the call; the kernel writes at most `*length` bytes.
        unsafe { real::getpeername(fd, storage, length) }
    })?;
    control::user_of_peer(fd).is_ok_and(service::is_maker).then_some(name)
}

/// Descriptors have come in this message (SCM_RIGHTS).
///
/// # Safety
/// The kernel has filled `message` in.
pub(crate) unsafe fn forget_received(message: &libc::msghdr) {
    if message.msg_control.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: not null means that the kernel wrote a header there.
    while let Some(header) = unsafe { next.as_ref() } {
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: the numbers lie behind the header, as many as its length says.
            unsafe {
                let numbers = libc::CMSG_DATA(header).cast::<c_int>();
                let whole: usize = header.cmsg_len as _;
                let length = whole.saturating_sub(libc::CMSG_LEN(0) as usize);
                (0..length / size_of::<c_int>()).for_each(|at| forget(numbers.add(at).read_unaligned()));
            }
        }
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
}
