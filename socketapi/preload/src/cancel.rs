//! Threads that are cancelled (`pthread_cancel`) in a hook.
//!
//! Where a thread is cancelled, in a call of the C library, all frames above are unwound by force. For Rust that is defined only
//! where they have nothing to drop, and Rust's own library takes the cancellation points that it calls (`close`) for functions
//! that never unwind: the process would end. So whatever is done for a descriptor of ours is [`uncancelled`]. When it
//! has to wait it says for what, and ends; the hook waits, with nothing in its hands, and does it once more (see `wait`).

use core::ffi::c_int;

use crate::detour::guarded;

unsafe extern "C-unwind" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    fn pthread_testcancel();
}

/// As `pthread.h` has it, of all of Linux's C libraries.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// Runs it [guarded]. If the thread is cancelled meanwhile, it is so at its next cancellation point.
pub(crate) fn uncancelled<T>(operation: impl FnOnce() -> T) -> T {
    let mut before = 0;
    // SAFETY: `before` is valid.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let result = guarded(operation);
    // SAFETY: where the old state goes is valid.
    unsafe { pthread_setcancelstate(before, &raw mut before) };
    result
}

/// A cancellation point; for callers that have nothing to drop.
pub(crate) fn point() {
    // SAFETY: it has no conditions.
    unsafe { pthread_testcancel() };
}
