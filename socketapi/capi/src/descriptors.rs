//! A table of descriptors that the stack's threads have for themselves.

use core::ffi::{c_int, c_uint};
use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;

use nix::sched::{CloneFlags, unshare};

/// Takes the calling thread, and those that it starts, out of the process's table. Nothing is in the new one but `/dev/null`, where
/// standard streams are, so that what is printed there by mistake goes into no socket.
///
/// # Errors
/// The system's answer; the thread is to end then.
pub(crate) fn have_own() -> io::Result<()> {
    if close_range_in_own_table().is_err() {
        // Before Linux 5.9. Where containers forbid `unshare` they may allow the other.
        unshare(CloneFlags::CLONE_FILES)?;
        close_all()?;
    }
    let null = || File::options().read(true).write(true).open("/dev/null").map(IntoRawFd::into_raw_fd);
    // Numbers are given from 0 on.
    (0..3).try_for_each(|_| null().map(drop))
}

fn close_range_in_own_table() -> io::Result<()> {
    let (first, last, flags): (c_uint, c_uint, c_uint) = (0, c_uint::MAX, libc::CLOSE_RANGE_UNSHARE);
    // SAFETY: nothing of this thread's is open, and the others keep their table.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn close_all() -> io::Result<()> {
    let entries = std::fs::read_dir("/proc/thread-self/fd")?;
    let numbers: Vec<c_int> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in numbers {
        // SAFETY: nothing of this thread's is open but the folder, which is closed already.
        unsafe { libc::close(number) };
    }
    Ok(())
}
