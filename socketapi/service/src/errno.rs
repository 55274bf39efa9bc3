//! What errors of the stack are to C programs.

use std::io::ErrorKind;

use sctp_core::event::LossReason;
use sctp_user::stack::Error;

/// The `errno` of a failed command, or of an association that was lost.
pub(crate) fn of(error: &Error) -> i32 {
    match error.kind() {
        ErrorKind::WouldBlock => libc::EAGAIN,
        ErrorKind::TimedOut => libc::ETIMEDOUT,
        ErrorKind::AddrInUse => libc::EADDRINUSE,
        ErrorKind::AddrNotAvailable => libc::EADDRNOTAVAIL,
        ErrorKind::NotConnected => libc::ENOTCONN,
        ErrorKind::BrokenPipe => libc::EPIPE,
        ErrorKind::ConnectionReset | ErrorKind::Other => libc::ECONNRESET,
        ErrorKind::ConnectionAborted => libc::ECONNABORTED,
        ErrorKind::HostUnreachable => libc::EHOSTUNREACH,
        ErrorKind::PermissionDenied => libc::EACCES,
        ErrorKind::ResourceBusy => libc::EALREADY,
        ErrorKind::Unsupported => libc::EOPNOTSUPP,
        _ => libc::EINVAL,
    }
}

/// The `errno` of a set-up that failed: as the kernel's SCTP, ECONNREFUSED when the peer, or its host, said no.
pub(crate) fn of_setup(error: &Error) -> i32 {
    match error {
        Error::Lost(LossReason::PeerAborted { .. } | LossReason::Unreachable { .. }) => libc::ECONNREFUSED,
        other => of(other),
    }
}
