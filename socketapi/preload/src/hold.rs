//! Copies of descriptors that waiting calls hold.
//!
//! A call of the kernel goes on with the file that its number meant when it began, though another thread closes that number
//! meanwhile, or puts another file there (`dup2`). Ours are done in turns and wait between them. So when it first has to wait a call takes
//! a copy for itself. The socket is closed with the last copy, as in the kernel: when the call returns.
//!
//! - Programs of one thread need none. Where the numbers are getting few, a call goes on with the program's.
//! - Another thread's `fork` copies these, too: the child closes them. `exec` does so by itself.
//! - A thread that is cancelled while it waits, or leaves the call by `longjmp`, closes its copies when it ends.
//! - To programs that close all numbers, these are not open.

use core::cell::Cell;
use core::ffi::{c_int, c_ulong};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use sctp_descriptors::SocketName;

use crate::cancel::uncancelled;
use crate::detour::{Stop, keeping_errno};
use crate::{real, table, wait};

/// Copies have numbers from here on, so that the program gets the lowest ones as ever.
pub(crate) const LOWEST: usize = 500;
/// So many numbers may be copies.
const NUMBERS: usize = 3_500;

/// The thread that holds the copy of each number, from [`LOWEST`] on; 0: nobody.
static HOLDERS: [AtomicUsize; NUMBERS] = [const { AtomicUsize::new(0) }; NUMBERS];

/// How many threads make a copy or close one, or do the like, and, counted by [`FORK`], how many are in `fork`: the ones wait for
/// the others. A child that was made between would have a copy that it does not know of.
static BUSY: AtomicUsize = AtomicUsize::new(0);
const FORK: usize = 1 << 16;

/// So many milliseconds they wait. A handler of a signal may have left by `longjmp`: its thread is counted still.
const PATIENCE: u32 = 1_000;

/// What the C library knows of the number of threads: not 0 if there is but one. Null if it does not tell.
static IS_ALONE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Closes what its thread holds still.
struct LastWill;

thread_local! {
    static LAST_WILL: LastWill = const { LastWill };
    /// How often this thread is among [`BUSY`]: in handlers of signals more than once. Then it waits for nobody.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

impl Drop for LastWill {
    fn drop(&mut self) {
        held().filter(|(_, holder)| *holder == this_thread()).for_each(|(number, _)| give_back(number));
    }
}

/// To be called when the shim is loaded.
pub(crate) fn begin() {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
    IS_ALONE.store(found.cast(), Ordering::Relaxed);
}

/// Whether another thread may change what a number means.
pub(crate) fn is_needed() -> bool {
    let is_alone = IS_ALONE.load(Ordering::Relaxed);
    // SAFETY: not null, so it is the C library's `char`, which lives as long as the process.
    is_alone.is_null() || unsafe { is_alone.read_volatile() } == 0
}

/// A copy of the descriptor; itself if there can be none.
pub(crate) fn copy(fd: c_int) -> c_int {
    if LAST_WILL.try_with(|_| ()).is_err() {
        // The thread has ended all but for this.
        return fd;
    }
    without_fork(|| {
        // SAFETY: plain numbers.
        let copy = unsafe { real::fcntl(fd, libc::F_DUPFD_CLOEXEC, LOWEST as c_ulong) };
        match holder(copy) {
            Some(holder) if is_spare(copy) => {
                holder.store(this_thread(), Ordering::Relaxed);
                table::copied(fd, copy);
                copy
            }
            _ if copy < 0 => fd,
            _ => {
                close(copy);
                fd
            }
        }
    })
}

/// Runs an operation that may wait several times, with a descriptor that stays what it is. It is not to be cancelled.
pub(crate) fn during<T>(
    fd: c_int,
    name: SocketName,
    operation: impl FnOnce(c_int) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let held = if is_needed() { copy(fd) } else { fd };
    let result = table::confirm(fd, name).and_then(|()| operation(held));
    if held != fd {
        give_back(held);
    }
    result
}

/// Does something that a `fork` by another thread must find either done or not begun; it is not to wait for anything.
pub(crate) fn without_fork<T>(change: impl FnOnce() -> T) -> T {
    let enter = |busy| (busy < FORK).then_some(busy + 1);
    let has_entered = || BUSY.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter).is_ok();
    if !deepen() || !patiently(has_entered) {
        BUSY.fetch_add(1, Ordering::AcqRel);
    }
    let result = change();
    leave(|busy| busy.checked_sub(1).filter(|_| busy % FORK > 0));
    result
}

/// To be called before a `fork`.
pub(crate) fn begin_fork() {
    BUSY.fetch_add(FORK, Ordering::AcqRel);
    if deepen() && !patiently(|| BUSY.load(Ordering::Acquire).is_multiple_of(FORK)) {
        BUSY.fetch_and(!(FORK - 1), Ordering::AcqRel);
    }
}

/// To be called behind it, in the parent.
pub(crate) fn end_fork() {
    leave(|busy| busy.checked_sub(FORK));
}

/// To be called behind it, in the child: the threads that are not there hold nothing, and do nothing.
pub(crate) fn begin_child() {
    leave(|_| Some(0));
    for (number, _) in held().filter(|(_, holder)| *holder != this_thread()) {
        holder(number).into_iter().for_each(|holder| holder.store(0, Ordering::Relaxed));
        close(number);
    }
}

/// Whether this thread was not among those that are busy.
fn deepen() -> bool {
    DEPTH.replace(DEPTH.get() + 1) == 0
}

/// Is busy no more. What is counted may be less than there was: a handler of a signal may have made this process by a `fork` meanwhile.
fn leave(count: impl Fn(usize) -> Option<usize>) {
    let _ = BUSY.fetch_update(Ordering::AcqRel, Ordering::Relaxed, count);
    DEPTH.set(DEPTH.get().saturating_sub(1));
}

/// Waits until it is so, but not forever, and is no cancellation point.
fn patiently(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..PATIENCE {
        if is_so() {
            return true;
        }
        keeping_errno(|| uncancelled(wait::rest));
    }
    false
}

/// A quarter of the numbers that there may be is left to the program.
fn is_spare(copy: c_int) -> bool {
    let number = copy as libc::rlim_t;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    number < limit.rlim_cur / 4 * 3
}

/// Closes a copy.
pub(crate) fn give_back(copy: c_int) {
    let freed = |holder: &AtomicUsize| {
        holder.compare_exchange(this_thread(), 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    without_fork(|| {
        if holder(copy).is_some_and(freed) {
            close(copy);
        }
    });
}

fn close(copy: c_int) {
    // SAFETY: nobody else knows the number.
    uncancelled(|| unsafe { real::close(copy) });
}

/// Whether the number is a copy, and so nothing that the program knows.
pub(crate) fn is(fd: c_int) -> bool {
    holder(fd).is_some_and(|holder| holder.load(Ordering::Relaxed) != 0)
}

/// The program wants the number `to` for something else, and gets it if `replace` succeeds. The call that has it starts anew.
pub(crate) fn making_way(from: c_int, to: c_int, replace: impl FnOnce() -> c_int) -> c_int {
    // Between `vfork` and `exec` this memory is the parent's.
    let Some(holder) = holder(to).filter(|_| from != to && is(to) && table::is_owner()) else {
        return replace();
    };
    without_fork(|| {
        // Who has the copy must not close what replaces it.
        let before = holder.swap(0, Ordering::Relaxed);
        let replaced = replace();
        if replaced < 0 {
            let _ = holder.compare_exchange(0, before, Ordering::Relaxed, Ordering::Relaxed);
        }
        replaced
    })
}

/// The numbers of all copies, in their order, and who holds each.
pub(crate) fn held() -> impl Iterator<Item = (c_int, usize)> {
    let holders = HOLDERS.iter().map(|holder| holder.load(Ordering::Relaxed));
    holders
        .enumerate()
        .filter(|(_, holder)| *holder != 0)
        .map(|(at, holder)| ((LOWEST + at) as c_int, holder))
}

fn holder(fd: c_int) -> Option<&'static AtomicUsize> {
    HOLDERS.get(usize::try_from(fd).ok()?.checked_sub(LOWEST)?)
}

/// The same in a child of `fork`.
fn this_thread() -> usize {
    // SAFETY: it has no conditions.
    unsafe { libc::pthread_self() as usize }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::lease;

    /// Numbers are the process's, in which tests run side by side.
    static NUMBERS_ARE_MINE: Mutex<()> = Mutex::new(());

    fn is_open(fd: c_int) -> bool {
        // SAFETY: plain numbers.
        unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
    }

    #[test]
    fn a_copy_is_out_of_the_way_and_spared_until_it_is_given_back() {
        let _mine = NUMBERS_ARE_MINE.lock();
        let socket = UnixDatagram::unbound().unwrap();
        let held = copy(socket.as_raw_fd());
        assert!(held >= LOWEST as c_int && is(held) && is_open(held) && !is(socket.as_raw_fd()));
        let number = held as u32;
        let mut parts = Vec::new();
        let all = lease::spared(number - 1..=number + 1, |part| {
            parts.push(part);
            0
        });
        assert_eq!((all, parts), (0, vec![number - 1..=number - 1, number + 1..=number + 1]));
        give_back(held);
        assert!(!is(held) && !is_open(held));
    }

    #[test]
    fn what_a_thread_holds_is_closed_when_it_ends() {
        let _mine = NUMBERS_ARE_MINE.lock();
        let socket = UnixDatagram::unbound().unwrap();
        let fd = socket.as_raw_fd();
        let left = std::thread::spawn(move || copy(fd)).join().unwrap();
        assert!(left >= LOWEST as c_int && !held().any(|(number, _)| number == left));
    }

    #[test]
    fn a_number_that_the_program_does_not_get_is_held_on() {
        let _mine = NUMBERS_ARE_MINE.lock();
        let socket = UnixDatagram::unbound().unwrap();
        // SAFETY: it cannot fail, and does nothing else.
        unsafe { table::adopt_table() };
        let held = copy(socket.as_raw_fd());
        // SAFETY: plain numbers.
        assert_eq!(making_way(-1, held, || unsafe { libc::dup2(-1, held) }), -1);
        // SAFETY: as above.
        assert_eq!(making_way(held, held, || unsafe { libc::dup2(held, held) }), held);
        assert!(is(held) && is_open(held));
        give_back(held);
        assert!(!is(held) && !is_open(held));
    }

    #[test]
    fn what_other_threads_hold_is_not_open_in_a_child() {
        let _mine = NUMBERS_ARE_MINE.lock();
        let socket = UnixDatagram::unbound().unwrap();
        let (fd, is_over) = (socket.as_raw_fd(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    give_back(copy(fd));
                }
            });
            let left_open = |_| {
                // SAFETY: the child calls nothing but the kernel.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    let left = (LOWEST..LOWEST + 10).filter(|number| is_open(*number as c_int)).count();
                    // SAFETY: it has no conditions.
                    unsafe { libc::_exit(left as c_int) };
                }
                let mut status = -1;
                // SAFETY: `status` is valid.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                status
            };
            let all: Vec<_> = (0..100).map(left_open).collect();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(all, [0; 100], "copies are open in children");
        });
    }

    #[test]
    fn a_number_that_the_program_takes_is_not_closed() {
        let _mine = NUMBERS_ARE_MINE.lock();
        let socket = UnixDatagram::unbound().unwrap();
        // SAFETY: it cannot fail, and does nothing else.
        unsafe { table::adopt_table() };
        let held = copy(socket.as_raw_fd());
        making_way(-1, held, || held);
        give_back(held);
        assert!(is_open(held));
        // SAFETY: made here.
        unsafe { libc::close(held) };
    }
}
