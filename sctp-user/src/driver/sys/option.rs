//! Socket options that nix and socket2 lack.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
};

/// The path MTU of a connected IPv6 socket.
pub(crate) fn ipv6_mtu(socket: &impl AsFd) -> io::Result<usize> {
    let mut value: libc::c_int = 0;
    let mut len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` is a live integer of `len` bytes, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(value).unwrap_or_default())
}

/// Bytes of memory that the kernel holds for what was written to a UNIX socket, and what the other end has not read yet.
///
/// # Errors
/// The system's, for what is no socket.
pub fn unread_by_peer(socket: &impl AsFd) -> io::Result<u32> {
    /// `SK_MEMINFO_VARS` of linux/sock_diag.h, and the place of what was written among them.
    const VARS: usize = 9;
    const WMEM_ALLOC: usize = 2;
    let mut values = [0_u32; VARS];
    let mut len = mem::size_of_val(&values) as libc::socklen_t;
    // SAFETY: `values` has `len` bytes, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result == 0 { Ok(values[WMEM_ALLOC]) } else { Err(io::Error::last_os_error()) }
}

/// Bytes that can be read from a UNIX socket, of all records.
///
/// # Errors
/// The system's, for what is no socket.
pub fn readable_bytes(socket: &impl AsFd) -> io::Result<u32> {
    let mut count: libc::c_int = 0;
    // SAFETY: `count` is the integer that this request writes, and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result == 0 { Ok(u32::try_from(count).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
}

/// Sends with `send` what IP may fragment, here and on the way; all else goes with DF (RFC 8899, 3, item 2).
///
/// No packet says by itself whether it may be fragmented, so the socket is told, and told back. It is rare. A socket
/// that cannot be told sends as it always does. The kernel cuts what is larger than the interface's MTU, and nothing else.
pub(crate) fn with_fragmentation<T>(socket: &impl AsFd, v4: bool, send: impl FnOnce() -> T) -> T {
    allow_fragmentation(socket, v4, true);
    let result = send();
    allow_fragmentation(socket, v4, false);
    result
}

fn allow_fragmentation(socket: &impl AsFd, v4: bool, allow: bool) {
    if let Err(error) = set_fragmentation(socket, v4, allow) {
        tracing::warn!(%error, allow, "the socket cannot be told about fragmentation");
    }
}

fn set_fragmentation(socket: &impl AsFd, v4: bool, allow: bool) -> io::Result<()> {
    if v4 {
        let mode = if allow { libc::IP_PMTUDISC_DONT } else { libc::IP_PMTUDISC_PROBE };
        return set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode);
    }
    // Routers do not fragment IPv6: the fragments must be as small as each path takes (RFC 8200, 5).
    let (mode, fragment) =
        if allow { (libc::IPV6_PMTUDISC_DONT, 1_280) } else { (libc::IPV6_PMTUDISC_PROBE, 0) };
    set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, mode)?;
    set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, libc::c_int::from(!allow))?;
    set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU, fragment)
}

/// Sets an integer option of IP or IPv6 that has no typed wrapper.
pub(crate) fn set_int(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: `value` is a live integer whose size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
