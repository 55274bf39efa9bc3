//! Reading and writing.

use core::ffi::{c_int, c_uint, c_void};

use libc::{iovec, mmsghdr, msghdr, off_t, size_t, sockaddr, socklen_t, ssize_t, timespec};

use crate::detour::with_socket;
use crate::{real, receive, send, table, transfer};

/// # Safety
/// As `read(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C-unwind" fn read(fd: c_int, buffer: *mut c_void, room: size_t) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { receive::read(fd, buffer, room).conclude(|| real::read(fd, buffer, room)) }
}

/// # Safety
/// As `readv(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { receive::vector(fd, parts, count).conclude(|| real::readv(fd, parts, count)) }
}

/// # Safety
/// As `recv(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn recv(
    fd: c_int,
    buffer: *mut c_void,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { receive::plain(fd, buffer, room, flags).conclude(|| real::recv(fd, buffer, room, flags)) }
}

/// # Safety
/// As `recvfrom(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    room: size_t,
    flags: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe {
        receive::from(fd, buffer, room, flags, peer, length)
            .conclude(|| real::recvfrom(fd, buffer, room, flags, peer, length))
    }
}

/// # Safety
/// As `recvmsg(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe {
        receive::message(fd, message, flags).conclude(|| {
            let got = real::recvmsg(fd, message, flags);
            if got >= 0 {
                table::forget_received(&*message);
            }
            got
        })
    }
}

/// # Safety
/// As `recvmmsg(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        receive::messages(fd, messages, count, flags, timeout).conclude(|| {
            let got = real::recvmmsg(fd, messages, count, flags, timeout);
            for at in 0..usize::try_from(got).unwrap_or(0) {
                table::forget_received(&(*messages.add(at)).msg_hdr);
            }
            got
        })
    }
}

/// # Safety
/// As `write(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C-unwind" fn write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { send::write(fd, bytes, length).conclude(|| real::write(fd, bytes, length)) }
}

/// # Safety
/// As `writev(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { send::vector(fd, parts, count).conclude(|| real::writev(fd, parts, count)) }
}

/// # Safety
/// As `send(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn send(
    fd: c_int,
    bytes: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { send::plain(fd, bytes, length, flags).conclude(|| real::send(fd, bytes, length, flags)) }
}

/// # Safety
/// As `sendto(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn sendto(
    fd: c_int,
    bytes: *const c_void,
    length: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_length: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe {
        send::to(fd, bytes, length, flags, to, to_length)
            .conclude(|| real::sendto(fd, bytes, length, flags, to, to_length))
    }
}

/// # Safety
/// As `sendmsg(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { send::message(fd, message, flags).conclude(|| real::sendmsg(fd, message, flags)) }
}

/// # Safety
/// As `sendmmsg(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn sendmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        send::messages(fd, messages, count, flags).conclude(|| real::sendmmsg(fd, messages, count, flags))
    }
}

/// # Safety
/// As `preadv2(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn preadv2(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
    flags: c_int,
) -> ssize_t {
    let detour = match transfer::at_position(offset, flags) {
        // SAFETY: the caller's own arguments.
        Ok(()) => unsafe { receive::vector(fd, parts, count) },
        Err(errno) => with_socket(fd, |_| Err(errno)),
    };
    // SAFETY: as above.
    detour.conclude(|| unsafe { real::preadv2(fd, parts, count, offset, flags) })
}

/// # Safety
/// As `pwritev2(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn pwritev2(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
    flags: c_int,
) -> ssize_t {
    let detour = match transfer::at_position(offset, flags) {
        // SAFETY: the caller's own arguments.
        Ok(()) => unsafe { send::vector(fd, parts, count) },
        Err(errno) => with_socket(fd, |_| Err(errno)),
    };
    // SAFETY: as above.
    detour.conclude(|| unsafe { real::pwritev2(fd, parts, count, offset, flags) })
}

/// # Safety
/// As `sendfile(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn sendfile(
    out: c_int,
    from: c_int,
    offset: *mut off_t,
    length: size_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe {
        transfer::sendfile(out, from, offset, length).conclude(|| real::sendfile(out, from, offset, length))
    }
}

/// # Safety
/// As `splice(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn splice(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe {
        transfer::splice(from, from_offset, to, to_offset, length, flags)
            .conclude(|| real::splice(from, from_offset, to, to_offset, length, flags))
    }
}

/// Names from when files were small: glibc has them, and musl had them before 1.2.4.
mod large {
    use super::*;

    /// # Safety
    /// As `sendfile(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn sendfile64(
        out: c_int,
        from: c_int,
        offset: *mut off_t,
        length: size_t,
    ) -> ssize_t {
        // SAFETY: as above.
        unsafe { sendfile(out, from, offset, length) }
    }
}

/// Names that only glibc has: aliases, and what calls become in programs that are compiled with `_FORTIFY_SOURCE`.
#[cfg(target_env = "gnu")]
mod glibc {
    use super::*;

    /// # Safety
    /// As `read(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __read(fd: c_int, buffer: *mut c_void, room: size_t) -> ssize_t {
        // SAFETY: the caller's own arguments.
        unsafe { read(fd, buffer, room) }
    }

    /// # Safety
    /// As `write(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
        // SAFETY: the caller's own arguments.
        unsafe { write(fd, bytes, length) }
    }

    /// # Safety
    /// As `send(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __send(
        fd: c_int,
        bytes: *const c_void,
        length: size_t,
        flags: c_int,
    ) -> ssize_t {
        // SAFETY: the caller's own arguments.
        unsafe { send(fd, bytes, length, flags) }
    }

    /// # Safety
    /// As `read(2)`; the buffer has `size` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __read_chk(
        fd: c_int,
        buffer: *mut c_void,
        room: size_t,
        size: size_t,
    ) -> ssize_t {
        // SAFETY: the caller's own arguments; at most the buffer's size.
        unsafe { read(fd, buffer, room.min(size)) }
    }

    /// # Safety
    /// As `recv(2)`; the buffer has `size` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __recv_chk(
        fd: c_int,
        buffer: *mut c_void,
        room: size_t,
        size: size_t,
        flags: c_int,
    ) -> ssize_t {
        // SAFETY: the caller's own arguments; at most the buffer's size.
        unsafe { recv(fd, buffer, room.min(size), flags) }
    }

    /// # Safety
    /// As `recvfrom(2)`; the buffer has `size` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __recvfrom_chk(
        fd: c_int,
        buffer: *mut c_void,
        room: size_t,
        size: size_t,
        flags: c_int,
        peer: *mut sockaddr,
        length: *mut socklen_t,
    ) -> ssize_t {
        // SAFETY: the caller's own arguments; at most the buffer's size.
        unsafe { recvfrom(fd, buffer, room.min(size), flags, peer, length) }
    }

    /// # Safety
    /// As `preadv2(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn preadv64v2(
        fd: c_int,
        parts: *const iovec,
        count: c_int,
        offset: off_t,
        flags: c_int,
    ) -> ssize_t {
        // SAFETY: the caller's own arguments; 64-bit machines have one kind of offset.
        unsafe { preadv2(fd, parts, count, offset, flags) }
    }

    /// # Safety
    /// As `pwritev2(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn pwritev64v2(
        fd: c_int,
        parts: *const iovec,
        count: c_int,
        offset: off_t,
        flags: c_int,
    ) -> ssize_t {
        // SAFETY: as above.
        unsafe { pwritev2(fd, parts, count, offset, flags) }
    }
}
