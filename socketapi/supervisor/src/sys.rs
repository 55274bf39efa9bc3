//! Calls of the kernel that have no safe wrapper: seccomp's listener, descriptors of other processes.
#![expect(unsafe_code, reason = "these calls have no safe wrapper")]

use core::ffi::{c_int, c_long, c_ulong, c_void};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp, sock_filter};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;

/// With it `pidfd_open` takes any thread (Linux 6.9): `PIDFD_THREAD`.
const ANY_THREAD: c_int = libc::O_EXCL;

/// Whether the kernel can tell a supervisor of system calls at all.
pub(crate) fn can_notify() -> bool {
    let action = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the kernel reads the action, which outlives the call.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

/// Puts this thread, and all that it starts from now on, under a filter; the listener hears of what that notifies.
pub(crate) fn install(filter: &[sock_filter], flags: c_ulong) -> nix::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        // The kernel only reads it.
        filter: filter.as_ptr().cast_mut(),
    };
    let flags = flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: `program` and the filter it points to outlive the call.
    let listener =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    owned(listener)
}

/// Lets `process` read this process's memory where only ancestors may (Yama). Elsewhere it does nothing.
pub(crate) fn allow_access(process: Pid) {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, c_ulong::from(process.as_raw().unsigned_abs())) };
}

/// The next notification.
pub(crate) fn next(listener: BorrowedFd<'_>) -> nix::Result<seccomp_notif> {
    // SAFETY: all zeros, which the kernel asks for, is a value of this type.
    let mut told: seccomp_notif = unsafe { core::mem::zeroed() };
    control(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut told)?;
    Ok(told)
}

/// Ends the call of a notification.
pub(crate) fn respond(listener: BorrowedFd<'_>, mut response: seccomp_notif_resp) -> nix::Result<()> {
    control(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut response).map(drop)
}

/// Whether the thread still waits in the call of this notification.
pub(crate) fn is_valid(listener: BorrowedFd<'_>, mut id: u64) -> bool {
    control(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut id).is_ok()
}

/// Puts a descriptor into the process that waits; depending on the flags that ends its call.
pub(crate) fn inject(listener: BorrowedFd<'_>, mut order: seccomp_notif_addfd) -> nix::Result<c_int> {
    control(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut order)
}

fn control<T>(listener: BorrowedFd<'_>, request: libc::Ioctl, value: &mut T) -> nix::Result<c_int> {
    // SAFETY: the callers above pass each request with the type that it is defined for; the value outlives the call.
    Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), request, core::ptr::from_mut(value)) })
}

/// A descriptor of a thread.
pub(crate) fn open_thread(thread: Pid) -> nix::Result<OwnedFd> {
    open_process(thread, ANY_THREAD)
}

/// A descriptor of a process: the number must be that of its first thread.
pub(crate) fn open_leader(process: Pid) -> nix::Result<OwnedFd> {
    open_process(process, 0)
}

fn open_process(process: Pid, flags: c_int) -> nix::Result<OwnedFd> {
    // SAFETY: plain numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), flags) })
}

/// A copy of another process's descriptor.
pub(crate) fn copy_descriptor(process: BorrowedFd<'_>, number: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: plain numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// Signals one thread.
pub(crate) fn signal(thread: Pid, signal: c_int) {
    // SAFETY: plain numbers. A thread that has gone needs no signal.
    unsafe { libc::syscall(libc::SYS_tkill, thread.as_raw(), signal) };
}

/// Most descriptors that a thread's process may have (the soft limit): no number is as high.
pub(crate) fn descriptor_limit(thread: Pid) -> nix::Result<u64> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let nothing = core::ptr::null();
    // SAFETY: `limit` outlives the call; a null pointer means that nothing is set.
    let result = unsafe { libc::prlimit64(thread.as_raw(), libc::RLIMIT_NOFILE, nothing, &raw mut limit) };
    Errno::result(result).map(|_| limit.rlim_cur)
}

/// Receives a message, and the descriptor that came with it.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut room = nix::cmsg_space!([RawFd; 1]);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    let number = got.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
        _ => None,
    });
    let descriptor = number.map(|number| owned(number.into())).transpose()?;
    Ok((got.bytes, descriptor))
}

/// An integer option of a socket that has no typed wrapper.
pub(crate) fn int_option(socket: BorrowedFd<'_>, option: c_int) -> nix::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = size_of::<c_int>() as libc::socklen_t;
    let (fd, at): (_, *mut c_void) = (socket.as_raw_fd(), (&raw mut value).cast());
    // SAFETY: `value` is an integer of `len` bytes; both outlive the call.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, at, &raw mut len) };
    Errno::result(result).map(|_| value)
}

/// Sets an integer option that has no typed wrapper.
pub(crate) fn set_int_option(socket: BorrowedFd<'_>, option: c_int, value: c_int) -> nix::Result<()> {
    let len = size_of::<c_int>() as libc::socklen_t;
    let (fd, at): (_, *const c_void) = (socket.as_raw_fd(), (&raw const value).cast());
    // SAFETY: `value` is an integer of `len` bytes, and outlives the call.
    let result = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, at, len) };
    Errno::result(result).map(drop)
}

/// Takes a descriptor that a call has just made, and nobody else owns.
fn owned(result: c_long) -> nix::Result<OwnedFd> {
    let fd = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the caller's promise; it is none of a failed call.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
