//! How a function of C ends.

use core::ffi::c_int;

use sctp_preload::{guarded, set_errno};

pub(crate) use sctp_preload::errno;

/// Runs what a function of C does. An error is an `errno`, which is set, and -1 is returned. A panic does not leave.
pub(crate) fn finish<T: From<i8>>(body: impl FnOnce() -> Result<T, c_int>) -> T {
    guarded(body).unwrap_or_else(|errno| {
        set_errno(errno);
        T::from(-1)
    })
}

/// What a call returned, or its `errno`.
pub(crate) fn checked<T: PartialOrd + From<i8>>(result: T) -> Result<T, c_int> {
    if result < T::from(0) { Err(errno()) } else { Ok(result) }
}
