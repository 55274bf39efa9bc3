//! What errors of the stack are to C programs.

use std::io::ErrorKind;

use sctp_core::auth::KeyError;
use sctp_core::error::{CommandError, ConnectError, ReconfigError, SendError};
use sctp_core::event::LossReason;
use sctp_user::stack::Error;

/// An error number of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! numbers {
    ($($name:ident),* $(,)?) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub const $name: Self = Self(libc::$name);
            )*
        }
    };
}

numbers!(
    EACCES,
    EADDRINUSE,
    EADDRNOTAVAIL,
    EAGAIN,
    EALREADY,
    EBUSY,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    EEXIST,
    EFAULT,
    EHOSTUNREACH,
    EINPROGRESS,
    EINVAL,
    EIO,
    EISCONN,
    EMSGSIZE,
    ENETUNREACH,
    ENOBUFS,
    ENOENT,
    ENOMEM,
    ENOPROTOOPT,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    ETIMEDOUT,
);

/// The `errno` of a failed call, or of an association that was lost.
pub fn of(error: &Error) -> Errno {
    match error {
        Error::WouldBlock => Errno::EAGAIN,
        Error::TimedOut => Errno::ETIMEDOUT,
        Error::PortInUse(_) | Error::Lease(_) => Errno::EADDRINUSE,
        Error::OtherAddresses(_) => Errno::EEXIST,
        Error::NotLocal(_) | Error::NoCommonFamily(_) => Errno::EADDRNOTAVAIL,
        Error::NoRoute(_) => Errno::ENETUNREACH,
        Error::Closed | Error::StackClosed | Error::NotConnected | Error::NoAssociation => Errno::ENOTCONN,
        Error::ShuttingDown => Errno::EPIPE,
        Error::Listening | Error::Associated => Errno::EISCONN,
        // As where a kernel has no memory for it.
        Error::Refused | Error::TooManyListeners(_) => Errno::ENOMEM,
        Error::Lost(reason) => of_loss(reason),
        Error::Send(error) => of_send(error),
        Error::Connect(error) => of_connect(error),
        Error::Command(error) => of_command(error),
        Error::Reconfig(error) => of_reconfig(error),
        Error::System { source, .. } | Error::Driver(source) => {
            source.raw_os_error().map_or(Errno::EIO, Errno)
        }
        Error::Open(_) => of_open(error.kind()),
        _ => Errno::EINVAL,
    }
}

fn of_open(kind: ErrorKind) -> Errno {
    match kind {
        ErrorKind::PermissionDenied => Errno::EACCES,
        ErrorKind::AddrInUse => Errno::EADDRINUSE,
        ErrorKind::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        _ => Errno::EIO,
    }
}

/// The `errno` of a set-up that failed: as the kernel's SCTP, ECONNREFUSED when the peer, or its host, said no.
pub fn of_setup(error: &Error) -> Errno {
    match error {
        Error::Lost(LossReason::PeerAborted { .. } | LossReason::Unreachable { .. }) => Errno::ECONNREFUSED,
        other => of(other),
    }
}

fn of_loss(reason: &LossReason) -> Errno {
    match reason {
        LossReason::UserAborted | LossReason::ProtocolError { .. } => Errno::ECONNABORTED,
        LossReason::TimedOut | LossReason::SetupTimedOut => Errno::ETIMEDOUT,
        LossReason::Unreachable { .. } => Errno::EHOSTUNREACH,
        _ => Errno::ECONNRESET,
    }
}

fn of_send(error: &SendError) -> Errno {
    match error {
        SendError::Closed | SendError::ShuttingDown => Errno::EPIPE,
        SendError::WouldBlock { .. } => Errno::EAGAIN,
        SendError::TooLarge { .. } => Errno::EMSGSIZE,
        _ => Errno::EINVAL,
    }
}

fn of_connect(error: &ConnectError) -> Errno {
    match error {
        // Of another socket, as far as sockets know their own.
        ConnectError::AlreadyConnected { .. } => Errno::EADDRNOTAVAIL,
        ConnectError::TooManyAssociations { .. } => Errno::ENOBUFS,
        _ => Errno::EINVAL,
    }
}

fn of_command(error: &CommandError) -> Errno {
    match error {
        CommandError::Closed => Errno::ENOTCONN,
        CommandError::NotInUse => Errno::EPERM,
        CommandError::UnknownLocalAddress(_) | CommandError::NotUnicast(_) => Errno::EADDRNOTAVAIL,
        CommandError::LastAddress(_) => Errno::EBUSY,
        CommandError::TooManyChanges(_) | CommandError::Key(KeyError::TooMany(_)) => Errno::ENOBUFS,
        _ => Errno::EINVAL,
    }
}

/// As Linux has it: RFC 6525, 6.3 names EALREADY for a request while another one is under way.
fn of_reconfig(error: &ReconfigError) -> Errno {
    match error {
        ReconfigError::Closed | ReconfigError::NotEstablished => Errno::ENOTCONN,
        ReconfigError::NotSupported => Errno::ENOPROTOOPT,
        ReconfigError::InProgress => Errno::EINPROGRESS,
        ReconfigError::TooSoon { .. } => Errno::EAGAIN,
        _ => Errno::EINVAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_set_up_is_told_from_a_reset_association() {
        let aborted = Error::Lost(LossReason::PeerAborted { cause: None, value: bytes::Bytes::new() });
        assert_eq!((of(&aborted), of_setup(&aborted)), (Errno::ECONNRESET, Errno::ECONNREFUSED));
        let silent = Error::Lost(LossReason::SetupTimedOut);
        assert_eq!(of_setup(&silent), Errno::ETIMEDOUT);
    }

    #[test]
    fn messages_that_cannot_be_sent_say_why() {
        let too_large = SendError::TooLarge { len: 2, max: 1 };
        assert_eq!(of(&too_large.into()), Errno::EMSGSIZE);
        assert_eq!(of(&SendError::InvalidStream { stream_id: 9, streams: 1 }.into()), Errno::EINVAL);
        assert_eq!(of(&SendError::ShuttingDown.into()), Errno::EPIPE);
    }
}
