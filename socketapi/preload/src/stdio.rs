//! Streams of the C library (`FILE`) on sockets.
//!
//! Inside of itself the C library calls the kernel, which finds bare messages in a pair, but not how an association ends, and waits
//! forever behind that. So glibc is given functions of ours for these streams (`fopencookie`). musl keeps to itself where a stream has
//! its number: there, all is left to the kernel, and calls count as waiting as long as the program runs (see `waiting`).

use core::ffi::{c_char, c_int};

use libc::FILE;

use crate::detour::{Detour, keeping_errno};
use crate::{memory, table, waiting};

/// `fdopen()`.
///
/// # Safety
/// `mode` is null or a C string.
pub(crate) unsafe fn open(fd: c_int, mode: *const c_char) -> Detour<*mut FILE> {
    keeping_errno(|| {
        let Some(name) = table::lookup(fd).filter(|_| !memory::is_wrong(mode)) else { return Detour::Bypass };
        // SAFETY: not wrong, and the caller's promise.
        #[cfg(target_env = "gnu")]
        if let Some(made) = unsafe { glibc::open(fd, mode) } {
            return made.into();
        }
        waiting::enter(name.socket);
        Detour::Bypass
    })
}

/// `freopen()`.
///
/// # Safety
/// `path` is null or a C string, `mode` a C string, and `file` a stream.
pub(crate) unsafe fn reopen(path: *const c_char, mode: *const c_char, file: *mut FILE) -> Detour<*mut FILE> {
    #[cfg(target_env = "gnu")]
    if glibc::is_ours(file) {
        // SAFETY: the caller's promise.
        return keeping_errno(|| unsafe { glibc::reopen(path, mode, file) }.into());
    }
    let _ = (path, mode, file);
    Detour::Bypass
}

/// To be called when the shim is loaded: a program may have been given a socket as its standard input.
pub(crate) fn begin() {
    #[cfg(target_env = "gnu")]
    keeping_errno(glibc::begin);
}

#[cfg(target_env = "gnu")]
mod glibc {
    use core::cell::UnsafeCell;
    use core::ffi::{c_char, c_int, c_void};
    use core::ptr;
    use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

    use libc::{FILE, off_t, size_t, ssize_t};

    use crate::detour::errno;
    use crate::hooks::{close, dup2, read, write};
    use crate::table;

    /// Streams at a time; more are left to the C library.
    const STREAMS: usize = 64;

    /// What glibc gives a stream on a socket: the kernel's `st_blksize`. It is how programs' messages are cut.
    const BUFFER_LEN: usize = 4_096;

    /// Where glibc has the number in a stream, which programs read there by its macros: behind its flags and thirteen pointers.
    const NUMBER: usize = 14 * size_of::<*const c_void>();

    /// What glibc writes there where there is none.
    const NO_NUMBER: c_int = -2;

    /// A place that no stream has.
    const FREE: c_int = -1;

    #[repr(C)]
    struct Stream {
        fd: AtomicI32,
        file: AtomicPtr<FILE>,
        buffer: UnsafeCell<[u8; BUFFER_LEN]>,
    }

    // SAFETY: the buffer is the C library's, from when the place was taken until the stream is closed.
    unsafe impl Sync for Stream {}

    static ALL: [Stream; STREAMS] = [const {
        Stream {
            fd: AtomicI32::new(FREE),
            file: AtomicPtr::new(ptr::null_mut()),
            buffer: UnsafeCell::new([0; BUFFER_LEN]),
        }
    }; STREAMS];

    /// As `cookie_io_functions_t`.
    #[repr(C)]
    struct Functions {
        read: unsafe extern "C-unwind" fn(*const Stream, *mut c_void, size_t) -> ssize_t,
        write: unsafe extern "C-unwind" fn(*const Stream, *const c_void, size_t) -> ssize_t,
        seek: unsafe extern "C-unwind" fn(*const Stream, *mut off_t, c_int) -> c_int,
        close: unsafe extern "C-unwind" fn(*const Stream) -> c_int,
    }

    unsafe extern "C" {
        fn fopencookie(cookie: *const Stream, mode: *const c_char, functions: Functions) -> *mut FILE;
        fn __fpurge(file: *mut FILE);
    }

    /// A stream on a descriptor of ours; None if there are too many.
    ///
    /// # Safety
    /// `mode` is a C string.
    pub(super) unsafe fn open(fd: c_int, mode: *const c_char) -> Option<Result<*mut FILE, c_int>> {
        let place = ALL.iter().find(|stream| take(stream, fd))?;
        let functions = Functions { read: read_some, write: write_all, seek, close: end };
        // SAFETY: the caller's promise; the functions take what the cookie is.
        let file = unsafe { fopencookie(place, mode, functions) };
        if file.is_null() {
            let failed = errno();
            place.fd.store(FREE, Ordering::Relaxed);
            return Some(Err(failed));
        }
        // SAFETY: within the structure, which is the same in all versions of glibc.
        let number = unsafe { &mut *file.byte_add(NUMBER).cast::<c_int>() };
        if *number == NO_NUMBER {
            *number = fd;
        }
        place.file.store(file, Ordering::Relaxed);
        // SAFETY: the stream is new; nobody else has the buffer while it is open.
        unsafe { libc::setvbuf(file, place.buffer.get().cast(), libc::_IOFBF, BUFFER_LEN) };
        Some(Ok(file))
    }

    fn take(stream: &Stream, fd: c_int) -> bool {
        stream.fd.compare_exchange(FREE, fd, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn is_ours(file: *mut FILE) -> bool {
        !file.is_null() && ALL.iter().any(|stream| stream.file.load(Ordering::Relaxed) == file)
    }

    /// glibc cannot do that with streams that have functions. These work on what has the number, so that another file gets it.
    ///
    /// # Safety
    /// As `freopen`; the stream is ours.
    pub(super) unsafe fn reopen(
        path: *const c_char,
        mode: *const c_char,
        file: *mut FILE,
    ) -> Result<*mut FILE, c_int> {
        // SAFETY: the caller's promise. As with all streams, what cannot be written is lost.
        unsafe { libc::fflush(file) };
        // Without a path the mode is to be changed, which the kernel does with no socket.
        // SAFETY: the caller's promise.
        let other = if path.is_null() { ptr::null_mut() } else { unsafe { libc::fopen(path, mode) } };
        if other.is_null() {
            let failed = if path.is_null() { libc::ENXIO } else { errno() };
            // SAFETY: the caller's promise; as with all streams it is closed then.
            unsafe { libc::fclose(file) };
            return Err(failed);
        }
        // SAFETY: both are streams, and the second one is known to nobody else.
        unsafe {
            dup2(libc::fileno(other), libc::fileno(file));
            libc::fclose(other);
            __fpurge(file);
            libc::clearerr(file);
        }
        Ok(file)
    }

    pub(super) fn begin() {
        if table::lookup(0).is_none() {
            return;
        }
        // SAFETY: a C string.
        let Some(Ok(input)) = (unsafe { open(0, c"r".as_ptr()) }) else { return };
        // SAFETY: the name ends with a zero byte.
        let stdin = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"stdin".as_ptr()) }.cast::<*mut FILE>();
        // SAFETY: the C library's variable, which programs may set; there is no thread yet but this one.
        unsafe { stdin.as_mut() }.into_iter().for_each(|stdin| *stdin = input);
    }

    fn number(stream: *const Stream) -> c_int {
        // SAFETY: of `ALL`.
        unsafe { &*stream }.fd.load(Ordering::Relaxed)
    }

    unsafe extern "C-unwind" fn read_some(
        stream: *const Stream,
        buffer: *mut c_void,
        room: size_t,
    ) -> ssize_t {
        // SAFETY: the C library's own buffer.
        unsafe { read(number(stream), buffer, room) }
    }

    /// A message is written whole, or not at all: 0 then, as the C library wants it.
    unsafe extern "C-unwind" fn write_all(
        stream: *const Stream,
        bytes: *const c_void,
        length: size_t,
    ) -> ssize_t {
        // SAFETY: the C library's own buffer.
        unsafe { write(number(stream), bytes, length) }.max(0)
    }

    unsafe extern "C-unwind" fn seek(stream: *const Stream, offset: *mut off_t, whence: c_int) -> c_int {
        // SAFETY: the C library's own pointer. A socket has no place (ESPIPE).
        let place = unsafe { libc::lseek(number(stream), *offset, whence) };
        if place < 0 {
            return -1;
        }
        // SAFETY: as above.
        unsafe { *offset = place };
        0
    }

    unsafe extern "C-unwind" fn end(stream: *const Stream) -> c_int {
        // SAFETY: of `ALL`.
        let stream = unsafe { &*stream };
        stream.file.store(ptr::null_mut(), Ordering::Relaxed);
        let fd = stream.fd.swap(FREE, Ordering::Relaxed);
        // SAFETY: the stream's own number.
        unsafe { close(fd) }
    }
}
