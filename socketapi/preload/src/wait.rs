//! Whether a call may wait, and waiting for what the kernel shows.

use core::ffi::c_int;
use core::mem::size_of;

use crate::detour::errno;
use crate::real;

/// Whether a call with these flags may wait on this descriptor.
pub(crate) fn is_patient(fd: c_int, flags: c_int) -> bool {
    flags & libc::MSG_DONTWAIT == 0 && !is_non_blocking(fd)
}

/// The flags as the service is to have them, which does not know the descriptor's.
pub(crate) fn told(flags: c_int, patient: bool) -> c_int {
    if patient { flags & !libc::MSG_DONTWAIT } else { flags | libc::MSG_DONTWAIT }
}

pub(crate) fn is_non_blocking(fd: c_int) -> bool {
    // SAFETY: plain numbers.
    unsafe { real::fcntl(fd, libc::F_GETFL, 0) & libc::O_NONBLOCK != 0 }
}

/// Waits until the descriptor polls writable; false if SO_SNDTIMEO comes before. The kernel's own calls go on after a signal if
/// its handler says so (SA_RESTART), unless there is a time-out.
pub(crate) fn await_writable(fd: c_int) -> Result<bool, c_int> {
    let timeout = send_timeout(fd);
    loop {
        let mut wanted = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one valid entry.
        match unsafe { real::poll(&raw mut wanted, 1, timeout) } {
            -1 if errno() == libc::EINTR && timeout < 0 && all_handlers_restart() => {}
            -1 => return Err(errno()),
            ready => return Ok(ready > 0),
        }
    }
}

/// Whether the handlers of all signals want calls to go on. `poll` does not tell which signal came.
fn all_handlers_restart() -> bool {
    (1..=libc::SIGRTMAX()).all(|signal| {
        // SAFETY: all zeros is a valid value of it.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: nothing is changed, and `action` is valid. The C library keeps some signals for itself: they count as default.
        unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
        let handled = action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN;
        !handled || action.sa_flags & libc::SA_RESTART != 0
    })
}

/// SO_SNDTIMEO in milliseconds, as `poll` has it: -1 for none.
fn send_timeout(fd: c_int) -> c_int {
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut length = size_of::<libc::timeval>() as libc::socklen_t;
    let value = (&raw mut time).cast();
    // SAFETY: both pointers are valid, and `length` is the value's. A failure leaves it as it is.
    unsafe { real::getsockopt(fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, value, &raw mut length) };
    let milliseconds = time.tv_sec.saturating_mul(1_000).saturating_add((time.tv_usec + 999) / 1_000);
    if milliseconds == 0 { -1 } else { c_int::try_from(milliseconds).unwrap_or(c_int::MAX) }
}
