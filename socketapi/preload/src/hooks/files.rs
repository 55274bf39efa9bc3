//! Paths, some of which name files that Linux has where it has SCTP.

use core::ffi::{c_char, c_int, c_uint};
use core::ptr;

use libc::{FILE, mode_t};

use crate::detour::{Detour, set_errno};
use crate::{procfs, real, stdio};

/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::open(path, flags).conclude(|| real::open(path, flags, mode)) }
}

/// # Safety
/// As `openat(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::open(path, flags).conclude(|| real::openat(folder, path, flags, mode)) }
}

/// # Safety
/// As `fopen(3)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the caller's own arguments.
    unsafe { pointer(procfs::fopen(path, mode), || real::fopen(path, mode)) }
}

/// # Safety
/// As `fdopen(3)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn fdopen(fd: c_int, mode: *const c_char) -> *mut FILE {
    // SAFETY: the caller's own arguments.
    unsafe { pointer(stdio::open(fd, mode), || real::fdopen(fd, mode)) }
}

/// # Safety
/// As `freopen(3)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn freopen(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE {
    // SAFETY: the caller's own arguments.
    unsafe { pointer(stdio::reopen(path, mode, file), || real::freopen(path, mode, file)) }
}

/// As `Detour::conclude`, for functions that give a pointer.
fn pointer<T>(detour: Detour<*mut T>, bypass: impl FnOnce() -> *mut T) -> *mut T {
    match detour {
        Detour::Bypass => bypass(),
        Detour::Done(value) => value,
        Detour::Failed(errno) => {
            set_errno(errno);
            ptr::null_mut()
        }
    }
}

/// # Safety
/// As `realpath(3)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char {
    // SAFETY: the caller's own arguments.
    unsafe { pointer(procfs::realpath(path, resolved), || real::realpath(path, resolved)) }
}

/// # Safety
/// As `access(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn access(path: *const c_char, mode: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::access(path, mode).conclude(|| real::access(path, mode)) }
}

/// # Safety
/// As `faccessat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn faccessat(
    folder: c_int,
    path: *const c_char,
    mode: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::access(path, mode).conclude(|| real::faccessat(folder, path, mode, flags)) }
}

/// # Safety
/// As `stat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn stat(path: *const c_char, result: *mut libc::stat) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::stat(path, result).conclude(|| real::stat(path, result)) }
}

/// # Safety
/// As `lstat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn lstat(path: *const c_char, result: *mut libc::stat) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::stat(path, result).conclude(|| real::lstat(path, result)) }
}

/// # Safety
/// As `fstatat(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn fstatat(
    folder: c_int,
    path: *const c_char,
    result: *mut libc::stat,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::stat(path, result).conclude(|| real::fstatat(folder, path, result, flags)) }
}

/// # Safety
/// As `statx(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    result: *mut libc::statx,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { procfs::statx(path, mask, result).conclude(|| real::statx(folder, path, flags, mask, result)) }
}

/// Names from when files were small: glibc has them, and musl had them before 1.2.4. On 64-bit machines all structures and offsets
/// are the large ones.
mod large {
    use super::*;

    /// # Safety
    /// As `open(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { open(path, flags, mode) }
    }

    /// # Safety
    /// As `openat(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn openat64(
        folder: c_int,
        path: *const c_char,
        flags: c_int,
        mode: mode_t,
    ) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { openat(folder, path, flags, mode) }
    }

    /// # Safety
    /// As `fopen(3)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
        // SAFETY: the caller's own arguments.
        unsafe { fopen(path, mode) }
    }

    /// # Safety
    /// As `stat(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn stat64(path: *const c_char, result: *mut libc::stat) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { stat(path, result) }
    }

    /// # Safety
    /// As `lstat(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn lstat64(path: *const c_char, result: *mut libc::stat) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { lstat(path, result) }
    }

    /// # Safety
    /// As `fstatat(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn fstatat64(
        folder: c_int,
        path: *const c_char,
        result: *mut libc::stat,
        flags: c_int,
    ) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { fstatat(folder, path, result, flags) }
    }
}

/// Names that only glibc has.
#[cfg(target_env = "gnu")]
mod glibc {
    use super::*;

    /// # Safety
    /// As `open(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { open(path, flags, mode) }
    }

    /// # Safety
    /// As `open(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { open(path, flags, mode) }
    }

    /// # Safety
    /// As `open(2)`; creates no file.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { open(path, flags, 0) }
    }

    /// # Safety
    /// As `open(2)`; creates no file.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { open(path, flags, 0) }
    }

    /// # Safety
    /// As `openat(2)`; creates no file.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __openat_2(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { openat(folder, path, flags, 0) }
    }

    /// # Safety
    /// As `openat(2)`; creates no file.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __openat64_2(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { openat(folder, path, flags, 0) }
    }

    /// # Safety
    /// As `realpath(3)`; there is so much room.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __realpath_chk(
        path: *const c_char,
        resolved: *mut c_char,
        room: libc::size_t,
    ) -> *mut c_char {
        // SAFETY: the caller's own arguments.
        unsafe { pointer(procfs::realpath(path, resolved), || real::__realpath_chk(path, resolved, room)) }
    }

    /// # Safety
    /// As `euidaccess(3)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn euidaccess(path: *const c_char, mode: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { procfs::access(path, mode).conclude(|| real::euidaccess(path, mode)) }
    }

    /// # Safety
    /// As `euidaccess(3)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn eaccess(path: *const c_char, mode: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { euidaccess(path, mode) }
    }

    /// What `stat` was before glibc 2.33.
    ///
    /// # Safety
    /// As `stat(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __xstat(
        version: c_int,
        path: *const c_char,
        result: *mut libc::stat,
    ) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { procfs::stat(path, result).conclude(|| real::__xstat(version, path, result)) }
    }

    /// What `stat64` was before glibc 2.33.
    ///
    /// # Safety
    /// As `stat(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __xstat64(
        version: c_int,
        path: *const c_char,
        result: *mut libc::stat,
    ) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { __xstat(version, path, result) }
    }
}
