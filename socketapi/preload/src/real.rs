//! The C library's own functions, beneath ours.
//!
//! They are looked up when the shim is loaded, since `dlsym` is not for signal handlers; before that, by whoever calls first.

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use libc::{
    FILE, iovec, mmsghdr, mode_t, msghdr, nfds_t, off_t, pollfd, sigset_t, size_t, sockaddr, socklen_t,
    ssize_t, timespec,
};

use crate::detour::set_errno;

macro_rules! real {
    ($($(#[$only:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[allow(non_upper_case_globals, reason = "they are named as the functions")]
        mod found {
            use super::{AtomicPtr, c_void, ptr};
            $($(#[$only])* pub(super) static $name: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());)*
        }

        $(
            /// # Safety
            /// As the C library's function of this name.
            $(#[$only])*
            pub(crate) unsafe fn $name($($arg: $type),*) -> $result {
                let mut found = found::$name.load(Ordering::Relaxed);
                if found.is_null() {
                    found = find(&found::$name, concat!(stringify!($name), "\0"));
                }
                if found.is_null() {
                    // An older C library lacks it, and the program found ours.
                    return <$result>::lacking();
                }
                // SAFETY: the symbol is the C library's function of that name, whose signature this is.
                let function = unsafe {
                    core::mem::transmute::<*mut c_void, unsafe extern "C-unwind" fn($($type),*) -> $result>(found)
                };
                // SAFETY: the caller's promise.
                unsafe { function($($arg),*) }
            }
        )*

        /// Looks all of them up.
        pub(crate) fn find_all() {
            $($(#[$only])* find(&found::$name, concat!(stringify!($name), "\0"));)*
        }
    };
}

real! {
    socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    socketpair(domain: c_int, kind: c_int, protocol: c_int, ends: *mut c_int) -> c_int;
    bind(fd: c_int, local: *const sockaddr, length: socklen_t) -> c_int;
    listen(fd: c_int, backlog: c_int) -> c_int;
    accept4(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int;
    connect(fd: c_int, peer: *const sockaddr, length: socklen_t) -> c_int;
    getsockname(fd: c_int, local: *mut sockaddr, length: *mut socklen_t) -> c_int;
    getpeername(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t) -> c_int;
    getsockopt(fd: c_int, level: c_int, option: c_int, value: *mut c_void, length: *mut socklen_t) -> c_int;
    setsockopt(fd: c_int, level: c_int, option: c_int, value: *const c_void, length: socklen_t) -> c_int;
    shutdown(fd: c_int, how: c_int) -> c_int;

    read(fd: c_int, buffer: *mut c_void, room: size_t) -> ssize_t;
    readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t;
    preadv2(fd: c_int, parts: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t;
    recv(fd: c_int, buffer: *mut c_void, room: size_t, flags: c_int) -> ssize_t;
    recvfrom(
        fd: c_int, buffer: *mut c_void, room: size_t, flags: c_int, peer: *mut sockaddr, length: *mut socklen_t
    ) -> ssize_t;
    recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    recvmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int, timeout: *mut timespec) -> c_int;
    write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t;
    writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t;
    pwritev2(fd: c_int, parts: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t;
    send(fd: c_int, bytes: *const c_void, length: size_t, flags: c_int) -> ssize_t;
    sendto(
        fd: c_int, bytes: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, to_length: socklen_t
    ) -> ssize_t;
    sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;
    sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int;
    sendfile(out: c_int, from: c_int, offset: *mut off_t, length: size_t) -> ssize_t;
    splice(
        from: c_int, from_offset: *mut off_t, to: c_int, to_offset: *mut off_t, length: size_t, flags: c_uint
    ) -> ssize_t;

    poll(wanted: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int;
    ppoll(wanted: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int;
    #[cfg(target_env = "gnu")]
    __poll_chk(wanted: *mut pollfd, count: nfds_t, timeout: c_int, room: size_t) -> c_int;
    #[cfg(target_env = "gnu")]
    __ppoll_chk(
        wanted: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t, room: size_t
    ) -> c_int;
    pread(fd: c_int, buffer: *mut c_void, room: size_t, offset: off_t) -> ssize_t;

    close(fd: c_int) -> c_int;
    #[cfg(target_env = "gnu")]
    close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int;
    #[cfg(target_env = "gnu")]
    closefrom(first: c_int) -> ();
    dup(fd: c_int) -> c_int;
    dup2(from: c_int, to: c_int) -> c_int;
    dup3(from: c_int, to: c_int, flags: c_int) -> c_int;
    fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int;
    ioctl(fd: c_int, request: c_ulong, argument: c_ulong) -> c_int;
    syscall(
        number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long
    ) -> c_long;

    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    fopen(path: *const c_char, mode: *const c_char) -> *mut FILE;
    fdopen(fd: c_int, mode: *const c_char) -> *mut FILE;
    freopen(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE;
    realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char;
    #[cfg(target_env = "gnu")]
    __realpath_chk(path: *const c_char, resolved: *mut c_char, room: size_t) -> *mut c_char;
    access(path: *const c_char, mode: c_int) -> c_int;
    faccessat(folder: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int;
    #[cfg(target_env = "gnu")]
    euidaccess(path: *const c_char, mode: c_int) -> c_int;
    stat(path: *const c_char, result: *mut libc::stat) -> c_int;
    #[cfg(target_env = "gnu")]
    __xstat(version: c_int, path: *const c_char, result: *mut libc::stat) -> c_int;
    lstat(path: *const c_char, result: *mut libc::stat) -> c_int;
    fstatat(folder: c_int, path: *const c_char, result: *mut libc::stat, flags: c_int) -> c_int;
    statx(
        folder: c_int, path: *const c_char, flags: c_int, mask: c_uint, result: *mut libc::statx
    ) -> c_int;
}

/// The result of a function that is not there.
trait Lacking {
    /// With `errno` ENOSYS.
    fn lacking() -> Self;
}

impl Lacking for () {
    fn lacking() {}
}

impl<T> Lacking for *mut T {
    fn lacking() -> Self {
        set_errno(libc::ENOSYS);
        ptr::null_mut()
    }
}

macro_rules! minus_one {
    ($($type:ty)*) => {
        $(impl Lacking for $type {
            fn lacking() -> Self {
                set_errno(libc::ENOSYS);
                -1
            }
        })*
    };
}

minus_one! { c_int c_long ssize_t }

fn find(place: &AtomicPtr<c_void>, name: &str) -> *mut c_void {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or(c"");
    // SAFETY: `name` ends with a zero byte; RTLD_NEXT asks for the next library's symbol.
    let symbol = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    place.store(symbol, Ordering::Relaxed);
    symbol
}
