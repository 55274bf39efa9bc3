//! Who is not served, though the hooks are called.

use core::cell::Cell;
use core::ffi::c_void;
use core::mem::zeroed;
use core::sync::atomic::{AtomicBool, Ordering};

/// This copy of the shim has nothing to do: another one stands before it. So it is with a program that is linked with
/// `libsctp_user` and runs under `sctp-run`.
static IS_SECOND: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_SERVICE: Cell<bool> = const { Cell::new(false) };
}

/// To the calling thread no descriptor is ours: it is the service itself, or its stack's, which holds both ends of each pair.
pub fn exempt_thread() {
    IS_SERVICE.set(true);
}

/// Whether the caller is left to the C library.
pub(crate) fn is_exempt() -> bool {
    IS_SECOND.load(Ordering::Relaxed) || IS_SERVICE.get()
}

/// What each copy exports. The program finds that of the first one.
#[unsafe(no_mangle)]
extern "C" fn sctp_user_shim() {}

/// Finds out whether this copy is the first.
pub(crate) fn look_for_another() {
    // SAFETY: the name ends with a zero byte.
    let first = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"sctp_user_shim".as_ptr()) };
    let own: fn() = look_for_another;
    let is_other = !first.is_null() && library_of(first) != library_of(own as *const c_void);
    IS_SECOND.store(is_other, Ordering::Relaxed);
}

/// Where the library lies that this is in.
fn library_of(address: *const c_void) -> *const c_void {
    // SAFETY: all zeros is a valid value of it.
    let mut found: libc::Dl_info = unsafe { zeroed() };
    // SAFETY: `found` is valid.
    unsafe { libc::dladdr(address, &raw mut found) };
    found.dli_fbase
}
