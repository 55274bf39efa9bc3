//! What becomes of a call.

use core::ffi::c_int;

use sctp_descriptors::SocketName;

use crate::cancel::{self, uncancelled};
use crate::table;
use crate::wait::{Turn, Wait, turns};

/// What became of a call.
pub(crate) enum Detour<T> {
    /// Not ours: the C library's turn.
    Bypass,
    /// Done.
    Done(T),
    /// Failed, with this `errno`.
    Failed(c_int),
}

/// Why an operation on a socket ends early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It failed, with this `errno`.
    Errno(c_int),
    /// The descriptor is not what was remembered of it, and nothing has been done.
    Stranger,
    /// EPIPE, and its signal to this thread.
    Broken,
    /// It cannot go on before this. Nothing is held.
    Wait(Wait),
}

impl From<c_int> for Stop {
    fn from(errno: c_int) -> Self {
        Self::Errno(errno)
    }
}

impl<T> From<Result<T, c_int>> for Detour<T> {
    fn from(result: Result<T, c_int>) -> Self {
        result.map_or_else(Self::Failed, Self::Done)
    }
}

impl<T> From<Result<T, Stop>> for Detour<T> {
    fn from(result: Result<T, Stop>) -> Self {
        match result {
            Ok(value) => Self::Done(value),
            Err(stop) => Self::Failed(stop.errno()),
        }
    }
}

impl Stop {
    /// What the program is told in the end, with the signal that belongs to it.
    pub(crate) fn errno(self) -> c_int {
        match self {
            Self::Errno(errno) => errno,
            // It is being replaced right now: whose it is then is not for us to say.
            Self::Stranger => libc::EBADF,
            Self::Broken => {
                // SAFETY: a plain number.
                unsafe { libc::raise(libc::SIGPIPE) };
                libc::EPIPE
            }
            Self::Wait(_) => libc::EAGAIN,
        }
    }
}

impl<T> Detour<T> {
    /// Ends a hook: our result, our `errno`, or the C library's own answer.
    pub(crate) fn conclude(self, bypass: impl FnOnce() -> T) -> T
    where
        T: From<i8>,
    {
        match self {
            Self::Bypass => bypass(),
            Self::Done(value) => value,
            Self::Failed(errno) => {
                set_errno(errno);
                T::from(-1)
            }
        }
    }
}

/// Runs `operation` with the socket's name, if `fd` is ours. If it waits the thread is not cancelled.
pub(crate) fn with_socket<T>(fd: c_int, operation: impl FnOnce(SocketName) -> Result<T, c_int>) -> Detour<T> {
    keeping_errno(|| table::lookup(fd).map_or(Detour::Bypass, |name| uncancelled(|| operation(name)).into()))
}

/// What we do on the way is not to be seen: as the kernel's, a call that does not fail leaves `errno` as it was.
pub(crate) fn keeping_errno<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: the location is the calling thread's own.
    let before = unsafe { *libc::__errno_location() };
    let outcome = act();
    set_errno(before);
    outcome
}

/// As [`with_socket`], for a call that may wait, and is a cancellation point. The operation is given a descriptor that stays what it is.
pub(crate) fn with_waiting_socket<T>(
    fd: c_int,
    mut operation: impl FnMut(c_int, SocketName, Turn) -> Result<T, Stop>,
) -> Detour<T> {
    keeping_errno(|| {
        loop {
            let Some(name) = table::lookup(fd) else { return Detour::Bypass };
            match in_turns(fd, name, &mut operation) {
                // Another thread has put another file there.
                Err(Stop::Stranger) => table::forget(fd),
                end => return end.into(),
            }
        }
    })
}

/// As [`with_waiting_socket`], for an operation that notices by itself if `fd` is not what is remembered of it.
pub(crate) fn with_remembered<T>(
    fd: c_int,
    mut operation: impl FnMut(c_int, SocketName, Turn) -> Result<T, Stop>,
) -> Detour<T> {
    keeping_errno(|| {
        let Some(name) = table::recall(fd) else { return Detour::Bypass };
        match in_turns(fd, name, &mut operation) {
            Err(Stop::Stranger) => table::forget(fd),
            end => return end.into(),
        }
        with_waiting_socket(fd, operation)
    })
}

/// Whatever happens here the thread may be cancelled: so that there is nothing to drop.
fn in_turns<T>(
    fd: c_int,
    name: SocketName,
    operation: &mut impl FnMut(c_int, SocketName, Turn) -> Result<T, Stop>,
) -> Result<T, Stop> {
    cancel::point();
    turns(fd, name, |fd, turn| uncancelled(|| operation(fd, name, turn)))
}

/// Runs it. If it panics, the process ends here: a panic must not unwind into C. A thread that is cancelled unwinds through.
pub fn guarded<T>(operation: impl FnOnce() -> T) -> T {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            if std::thread::panicking() {
                std::process::abort();
            }
        }
    }
    let _guard = Guard;
    operation()
}

/// The calling thread's `errno`.
pub fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Sets it.
pub fn set_errno(errno: c_int) {
    // SAFETY: the location is the calling thread's own.
    unsafe { *libc::__errno_location() = errno };
}

/// What a call of the kernel returned, or its `errno`.
pub(crate) fn checked(result: isize) -> Result<usize, c_int> {
    usize::try_from(result).map_err(|_| errno())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_panic_ends_the_process_and_does_not_unwind_into_c() {
        const IS_CHILD: &str = "SCTP_TEST_PANICS";
        if std::env::var_os(IS_CHILD).is_some() {
            // Whoever catches it, as a program written in Rust might.
            let _ = std::panic::catch_unwind(|| guarded(|| panic!("a defect of ours")));
            return;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        let name = "detour::tests::a_panic_ends_the_process_and_does_not_unwind_into_c";
        let status = child.args(["--exact", name]).env(IS_CHILD, "1").output().unwrap().status;
        assert_eq!(status.signal(), Some(libc::SIGABRT));
        assert_eq!(guarded(|| 7), 7);
    }
}
