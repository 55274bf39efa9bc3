//! Files below `/proc` that Linux has where it has SCTP: `/proc/sys/net/sctp/…` and `/proc/net/sctp/…`.
//!
//! The service knows what is in them. They can be opened for reading, and programs that only look whether they are there find
//! them; their folders can be looked at, but not listed.

use core::ffi::{CStr, c_char, c_int, c_uint};
use std::os::fd::{AsRawFd, OwnedFd};

use libc::FILE;
use sctp_descriptors::Command;

use crate::cancel::uncancelled;
use crate::detour::{Detour, checked, errno};
use crate::exempt::is_exempt;
use crate::{control, ops, real};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A file of ours, by its name below `/proc`: folder, name.
    File(&'static str, &'a str),
    /// A folder of ours, and one that is there on all kernels, to look at in its place.
    Folder(&'static CStr),
}

/// How paths begin, how the service calls these folders, and what stands for them.
const FOLDERS: [(&str, &str, &CStr); 3] = [
    ("/proc/sys/net/sctp", "sys/net/sctp/", c"/proc/sys/net"),
    ("/proc/net/sctp", "net/sctp/", c"/proc/self/net"),
    ("/proc/self/net/sctp", "net/sctp/", c"/proc/self/net"),
];

/// What this path names, if it is ours.
///
/// # Safety
/// `path` is null, or ends with a zero byte.
pub(crate) unsafe fn entry<'a>(path: *const c_char) -> Option<Entry<'a>> {
    if path.is_null() || is_exempt() {
        return None;
    }
    // SAFETY: not null, and the caller's promise.
    parse(unsafe { CStr::from_ptr(path) }.to_bytes())
}

fn parse(path: &[u8]) -> Option<Entry<'_>> {
    let found = FOLDERS.iter().find_map(|(start, name, stand_in)| {
        path.strip_prefix(start.as_bytes()).map(|rest| (*name, *stand_in, rest))
    });
    match found? {
        (_, stand_in, b"" | b"/") => Some(Entry::Folder(stand_in)),
        (name, _, [b'/', file @ ..]) => Some(Entry::File(name, core::str::from_utf8(file).ok()?)),
        _ => None,
    }
}

/// `open()`.
///
/// # Safety
/// `path` is null, or ends with a zero byte.
pub(crate) unsafe fn open(path: *const c_char, flags: c_int) -> Detour<c_int> {
    // SAFETY: the caller's promise.
    let Some(Entry::File(folder, file)) = (unsafe { entry(path) }) else { return Detour::Bypass };
    if flags & libc::O_ACCMODE != libc::O_RDONLY {
        return Detour::Failed(libc::EACCES);
    }
    with_text(folder, file, |text| Ok(ops::release(text, flags & libc::O_CLOEXEC != 0)))
}

/// `fopen()`.
///
/// # Safety
/// Both strings are null, or end with a zero byte.
pub(crate) unsafe fn fopen(path: *const c_char, mode: *const c_char) -> Detour<*mut FILE> {
    // SAFETY: the caller's promise.
    let fd = match unsafe { open(path, flags_of(mode)) } {
        Detour::Bypass => return Detour::Bypass,
        Detour::Failed(errno) => return Detour::Failed(errno),
        Detour::Done(fd) => fd,
    };
    // SAFETY: an open descriptor, and the caller's mode.
    let file = unsafe { libc::fdopen(fd, mode) };
    if file.is_null() {
        let errno = errno();
        // SAFETY: just made, and nobody else's.
        unsafe { real::close(fd) };
        return Detour::Failed(errno);
    }
    Detour::Done(file)
}

/// Does something with its text, which is had by a descriptor of our own.
fn with_text<T>(folder: &str, file: &str, operation: impl FnOnce(OwnedFd) -> Result<T, c_int>) -> Detour<T> {
    uncancelled(|| {
        let command = Command::ProcFile([folder, file].concat());
        let (_, text) = control::ask_any(command)?;
        operation(text.ok_or(libc::ENOENT)?)
    })
    .into()
}

/// `access()`.
///
/// # Safety
/// `path` is null, or ends with a zero byte.
pub(crate) unsafe fn access(path: *const c_char, mode: c_int) -> Detour<c_int> {
    // SAFETY: the caller's promise.
    match unsafe { entry(path) } {
        None => Detour::Bypass,
        Some(Entry::Folder(_)) if mode & libc::W_OK == 0 => Detour::Done(0),
        Some(Entry::Folder(_)) => Detour::Failed(libc::EACCES),
        Some(Entry::File(folder, file)) => with_text(folder, file, |_| {
            if mode & (libc::W_OK | libc::X_OK) == 0 { Ok(0) } else { Err(libc::EACCES) }
        }),
    }
}

/// The mode of `open` that `fopen` has for its own.
///
/// # Safety
/// `mode` is null, or ends with a zero byte.
unsafe fn flags_of(mode: *const c_char) -> c_int {
    if mode.is_null() {
        return libc::O_RDONLY;
    }
    // SAFETY: not null, and the caller's promise.
    let mode = unsafe { CStr::from_ptr(mode) }.to_bytes();
    let access =
        if mode.first() == Some(&b'r') && !mode.contains(&b'+') { libc::O_RDONLY } else { libc::O_RDWR };
    access | if mode.contains(&b'e') { libc::O_CLOEXEC } else { 0 }
}

/// `realpath()`: a file of ours has no other path.
///
/// # Safety
/// `path` is null, or ends with a zero byte; `resolved` is null or has PATH_MAX bytes.
pub(crate) unsafe fn realpath(path: *const c_char, resolved: *mut c_char) -> Detour<*mut c_char> {
    // SAFETY: the caller's promise.
    let Some(Entry::File(folder, file)) = (unsafe { entry(path) }) else { return Detour::Bypass };
    // SAFETY: the path is as it was given, and that of a file of ours is shorter than PATH_MAX.
    let copied =
        || unsafe { if resolved.is_null() { libc::strdup(path) } else { libc::strcpy(resolved, path) } };
    with_text(folder, file, |_| Ok(copied()))
}

/// `stat()`.
///
/// # Safety
/// `path` is null, or ends with a zero byte; `result` is valid.
pub(crate) unsafe fn stat(path: *const c_char, result: *mut libc::stat) -> Detour<c_int> {
    // SAFETY: the caller's promise.
    match unsafe { entry(path) } {
        None => Detour::Bypass,
        // SAFETY: as above.
        Some(Entry::Folder(stand_in)) => Detour::Done(unsafe { real::stat(stand_in.as_ptr(), result) }),
        Some(Entry::File(folder, file)) => with_text(folder, file, |text| {
            // SAFETY: as above; `text` is open.
            checked(unsafe { libc::fstat(text.as_raw_fd(), result) } as isize)?;
            // SAFETY: as above.
            unsafe { (*result).st_mode = libc::S_IFREG | 0o444 };
            Ok(0)
        }),
    }
}

/// `statx()`.
///
/// # Safety
/// `path` is null, or ends with a zero byte; `result` is valid.
pub(crate) unsafe fn statx(path: *const c_char, mask: c_uint, result: *mut libc::statx) -> Detour<c_int> {
    // SAFETY: the caller's promise.
    match unsafe { entry(path) } {
        None => Detour::Bypass,
        Some(Entry::Folder(stand_in)) => {
            // SAFETY: as above.
            Detour::Done(unsafe { real::statx(libc::AT_FDCWD, stand_in.as_ptr(), 0, mask, result) })
        }
        Some(Entry::File(folder, file)) => with_text(folder, file, |text| {
            let (fd, flags) = (text.as_raw_fd(), libc::AT_EMPTY_PATH);
            // SAFETY: as above; `text` is open.
            checked(unsafe { real::statx(fd, c"".as_ptr(), flags, mask, result) } as isize)?;
            // SAFETY: as above.
            unsafe { (*result).stx_mode = (libc::S_IFREG | 0o444) as u16 };
            Ok(0)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_sctp_are_ours_and_their_neighbours_are_not() {
        assert_eq!(parse(b"/proc/net/sctp/snmp"), Some(Entry::File("net/sctp/", "snmp")));
        assert_eq!(parse(b"/proc/self/net/sctp/eps"), Some(Entry::File("net/sctp/", "eps")));
        assert_eq!(parse(b"/proc/sys/net/sctp/rto_min"), Some(Entry::File("sys/net/sctp/", "rto_min")));
        assert_eq!(parse(b"/proc/sys/net/sctp/"), Some(Entry::Folder(c"/proc/sys/net")));
        for other in
            [&b""[..], b"/proc/net/sctpx", b"/proc/net/tcp", b"proc/net/sctp/snmp", b"/proc/net/sctp/\xff"]
        {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
