//! A message as the pieces that it lies in.

use core::ffi::{c_int, c_void};
use core::mem::zeroed;

use libc::{iovec, msghdr, size_t};

/// One piece.
pub(crate) fn one(base: *const c_void, length: size_t) -> iovec {
    iovec { iov_base: base.cast_mut(), iov_len: length }
}

/// As C gives them.
///
/// # Safety
/// `first` is null or valid for `count` pieces, which stay as long as the result is used.
pub(crate) unsafe fn pieces<'a>(first: *const iovec, count: c_int) -> Result<&'a [iovec], c_int> {
    match (usize::try_from(count), first.is_null()) {
        (Err(_), _) => Err(libc::EINVAL),
        (Ok(0), _) => Ok(&[]),
        (Ok(_), true) => Err(libc::EFAULT),
        // SAFETY: not null, and the caller's promise.
        (Ok(count), false) => Ok(unsafe { core::slice::from_raw_parts(first, count) }),
    }
}

/// For `sendmsg` and `recvmsg`; nothing else is in it yet.
pub(crate) fn message_of(parts: &[iovec]) -> msghdr {
    // SAFETY: all zeros is a valid message header.
    let mut message: msghdr = unsafe { zeroed() };
    message.msg_iov = parts.as_ptr().cast_mut();
    message.msg_iovlen = parts.len() as _;
    message
}
