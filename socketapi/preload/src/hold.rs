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

use core::ffi::{c_int, c_ulong};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use sctp_descriptors::SocketName;

use crate::cancel::uncancelled;
use crate::detour::Stop;
use crate::{real, table};

/// Copies have numbers from here on, so that the program gets the lowest ones as ever.
const LOWEST: usize = 500;
/// So many numbers may be copies.
const NUMBERS: usize = 3_500;

/// The thread that holds the copy of each number, from [`LOWEST`] on; 0: nobody.
static HOLDERS: [AtomicUsize; NUMBERS] = [const { AtomicUsize::new(0) }; NUMBERS];

/// The numbers below may be copies: as it was when one last was not.
static SPARE: AtomicU64 = AtomicU64::new(0);

/// What the C library knows of the number of threads: not 0 if there is but one. Null if it does not tell.
static IS_ALONE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Closes what its thread holds still.
struct LastWill;

thread_local! {
    static LAST_WILL: LastWill = const { LastWill };
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
    // SAFETY: plain numbers.
    let copy = unsafe { real::fcntl(fd, libc::F_DUPFD_CLOEXEC, LOWEST as c_ulong) };
    match holder(copy) {
        Some(holder) if is_spare(copy) => {
            holder.store(this_thread(), Ordering::Relaxed);
            table::copied(fd, copy);
        }
        _ if copy < 0 => return fd,
        _ => {
            close(copy);
            return fd;
        }
    }
    copy
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

/// A quarter of the numbers that there may be is left to the program.
fn is_spare(copy: c_int) -> bool {
    let number = copy as libc::rlim_t;
    if number < SPARE.load(Ordering::Relaxed) {
        return true;
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    SPARE.store(limit.rlim_cur / 4 * 3, Ordering::Relaxed);
    number < limit.rlim_cur / 4 * 3
}

/// Closes a copy.
pub(crate) fn give_back(copy: c_int) {
    let freed = |holder: &AtomicUsize| {
        holder.compare_exchange(this_thread(), 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    if holder(copy).is_some_and(freed) {
        close(copy);
    }
}

fn close(copy: c_int) {
    // SAFETY: nobody else knows the number.
    uncancelled(|| unsafe { real::close(copy) });
}

/// Whether the number is a copy, and so nothing that the program knows.
pub(crate) fn is(fd: c_int) -> bool {
    holder(fd).is_some_and(|holder| holder.load(Ordering::Relaxed) != 0)
}

/// The program wants the number for something else, and gets it. The call that has it starts anew.
pub(crate) fn make_way(fd: c_int) {
    // Between `vfork` and `exec` this memory is the parent's.
    if is(fd) && table::is_owner() {
        holder(fd).into_iter().for_each(|holder| holder.store(0, Ordering::Relaxed));
    }
}

/// The numbers of all copies, in their order, and who holds each.
pub(crate) fn held() -> impl Iterator<Item = (c_int, usize)> {
    let holders = HOLDERS.iter().map(|holder| holder.load(Ordering::Relaxed));
    holders
        .enumerate()
        .filter(|(_, holder)| *holder != 0)
        .map(|(at, holder)| ((LOWEST + at) as c_int, holder))
}

/// To be called in a child: the threads that are not there hold nothing.
pub(crate) fn close_those_of_others() {
    for (number, _) in held().filter(|(_, holder)| *holder != this_thread()) {
        holder(number).into_iter().for_each(|holder| holder.store(0, Ordering::Relaxed));
        close(number);
    }
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
    fn a_number_that_the_program_takes_is_not_closed() {
        let _mine = NUMBERS_ARE_MINE.lock();
        let socket = UnixDatagram::unbound().unwrap();
        // SAFETY: it cannot fail, and does nothing else.
        unsafe { table::adopt_table() };
        let held = copy(socket.as_raw_fd());
        make_way(held);
        give_back(held);
        assert!(is_open(held));
        // SAFETY: made here.
        unsafe { libc::close(held) };
    }
}
