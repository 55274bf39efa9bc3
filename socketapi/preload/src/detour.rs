//! What becomes of a call.

use core::ffi::c_int;

use sctp_descriptors::SocketName;

use crate::table;

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

/// Runs `operation` with the socket's name, if `fd` is ours.
pub(crate) fn with_socket<T>(fd: c_int, operation: impl FnOnce(SocketName) -> Result<T, c_int>) -> Detour<T> {
    table::lookup(fd).map_or(Detour::Bypass, |name| guarded(|| operation(name)).into())
}

/// As [`with_socket`], for an operation that notices by itself if `fd` is not what is remembered of it.
pub(crate) fn with_remembered<T>(
    fd: c_int,
    mut operation: impl FnMut(SocketName) -> Result<T, Stop>,
) -> Detour<T> {
    let mut operation = |name| guarded(|| operation(name));
    let Some(name) = table::recall(fd) else { return Detour::Bypass };
    match operation(name) {
        Ok(value) => return Detour::Done(value),
        Err(Stop::Errno(errno)) => return Detour::Failed(errno),
        Err(Stop::Stranger) => table::forget(fd),
    }
    let Some(name) = table::lookup(fd) else { return Detour::Bypass };
    match operation(name) {
        Ok(value) => Detour::Done(value),
        Err(Stop::Errno(errno)) => Detour::Failed(errno),
        // It is being replaced right now: whose it is then is not for us to say.
        Err(Stop::Stranger) => Detour::Failed(libc::EBADF),
    }
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
