//! The thread that waits in a call: its memory, its descriptors, its signals.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use crate::sys;

/// A thread of a program.
#[derive(Debug)]
pub(crate) struct Target {
    thread: Pid,
    descriptor: OwnedFd,
}

impl Target {
    /// Whoever opens a target makes sure afterwards that the thread still waits: its number may have become another one's.
    pub(crate) fn open(thread: Pid) -> nix::Result<Self> {
        let descriptor = match sys::open_thread(thread) {
            // Before Linux 6.9: any thread of the process has the same descriptors.
            Err(Errno::EINVAL) => sys::open_leader(leader(thread)?),
            other => other,
        }?;
        Ok(Self { thread, descriptor })
    }

    /// A copy of one of its descriptors.
    pub(crate) fn copy(&self, number: RawFd) -> nix::Result<OwnedFd> {
        sys::copy_descriptor(self.descriptor.as_fd(), number)
    }

    /// Whether none of its descriptors has this number.
    pub(crate) fn is_free(&self, number: RawFd) -> bool {
        matches!(self.copy(number), Err(Errno::EBADF))
    }

    /// Its limit of descriptors (RLIMIT_NOFILE): numbers are below.
    pub(crate) fn descriptor_limit(&self) -> nix::Result<u64> {
        sys::descriptor_limit(self.thread)
    }

    /// Reads its memory: all of it, or EFAULT.
    pub(crate) fn read(&self, address: u64, len: usize) -> nix::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let wanted = RemoteIoVec { base: base(address)?, len };
        let whole =
            len == 0 || process_vm_readv(self.thread, &mut [IoSliceMut::new(&mut bytes)], &[wanted])? == len;
        if whole { Ok(bytes) } else { Err(Errno::EFAULT) }
    }

    /// Writes its memory: all of it, or EFAULT.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> nix::Result<()> {
        let wanted = RemoteIoVec { base: base(address)?, len: bytes.len() };
        let whole = bytes.is_empty()
            || process_vm_writev(self.thread, &[IoSlice::new(bytes)], &[wanted])? == bytes.len();
        if whole { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Whether a signal waits that this thread is certain to handle when its call ends. One that is for the whole process may be
    /// another thread's, unless this is the first, which the kernel prefers.
    pub(crate) fn is_signalled(&self) -> bool {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", self.thread)) else { return false };
        let mask = |name| u64::from_str_radix(field(&status, name).unwrap_or("0"), 16).unwrap_or(0);
        let is_first = field(&status, "Tgid:") == field(&status, "Pid:");
        let shared = if is_first { mask("ShdPnd:") } else { 0 };
        (mask("SigPnd:") | shared) & !mask("SigBlk:") != 0
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: i32) {
        sys::signal(self.thread, signal);
    }
}

fn base(address: u64) -> nix::Result<usize> {
    usize::try_from(address).map_err(|_| Errno::EFAULT)
}

/// The first thread of a thread's process.
fn leader(thread: Pid) -> nix::Result<Pid> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).map_err(|_| Errno::ESRCH)?;
    let number = field(&status, "Tgid:").and_then(|number| number.parse().ok()).ok_or(Errno::ESRCH)?;
    Ok(Pid::from_raw(number))
}

/// A line of `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
