//! What comes beside a record of a UNIX socket. Safe packages lose the descriptors where more come than there is room for, or take it
//! that the sender's process is always one that we see.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    ptr,
};

use super::owned;

/// A record that was read.
#[derive(Debug, Default)]
pub struct Heard {
    /// Its length; what there was no room for is lost.
    pub len: usize,
    /// The first descriptor that came with it. Others are closed.
    pub shown: Option<OwnedFd>,
    /// Whose it is, where the socket has SO_PASSCRED: the real user of the process when it was sent, or the one of its users that it
    /// has named, which the kernel has checked.
    pub user: Option<u32>,
}

/// Room for credentials and a descriptor, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Beside([u8; 64]);

/// Reads a record, and what came beside it.
///
/// # Errors
/// The system's.
pub fn hear(socket: &impl AsFd, record: &mut [u8]) -> io::Result<Heard> {
    let mut part = libc::iovec { iov_base: record.as_mut_ptr().cast(), iov_len: record.len() };
    let mut beside = Beside([0; 64]);
    // SAFETY: all-zero is a valid msghdr: null pointers and zero lengths.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = beside.0.as_mut_ptr().cast();
    header.msg_controllen = beside.0.len() as _;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: `header` and all that it points to outlive the call.
    let len = unsafe { libc::recvmsg(socket, &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let mut heard =
        Heard { len: usize::try_from(len).map_err(|_| io::Error::last_os_error())?, ..Heard::default() };
    // SAFETY: the kernel has filled `header` in.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    // SAFETY: what is not null is a message that the kernel wrote into `beside`.
    while let Some(found) = unsafe { next.as_ref() } {
        // SAFETY: as above.
        unsafe { take(found, &mut heard) };
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(&raw const header, next) };
    }
    Ok(heard)
}

/// # Safety
/// The kernel has just written `message`, and what lies behind it.
unsafe fn take(message: &libc::cmsghdr, heard: &mut Heard) {
    let whole: usize = message.cmsg_len as _;
    // SAFETY: a plain number.
    let len = whole.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
    // SAFETY: the caller's promise.
    let data = unsafe { libc::CMSG_DATA(ptr::from_ref(message)) };
    match (message.cmsg_level, message.cmsg_type) {
        (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
            let numbers = data.cast::<RawFd>();
            for at in 0..len / size_of::<RawFd>() {
                // SAFETY: so many numbers are there.
                let number = unsafe { numbers.add(at) };
                // SAFETY: as above. Each is of a descriptor that the kernel has made for us.
                let descriptor = owned(unsafe { number.read_unaligned() });
                heard.shown.get_or_insert(descriptor);
            }
        }
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if len >= size_of::<libc::ucred>() => {
            // SAFETY: they are there.
            heard.user = Some(unsafe { data.cast::<libc::ucred>().read_unaligned() }.uid);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn pair() -> (Socket, Socket) {
        Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap()
    }

    fn show(socket: &Socket, shown: &[RawFd]) {
        let beside = [ControlMessage::ScmRights(shown)];
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"here")], &beside, MsgFlags::empty(), None)
            .unwrap();
    }

    #[test]
    fn the_sender_is_known_where_that_was_asked_for() {
        let (ours, theirs) = pair();
        theirs.send(b"one").unwrap();
        let mut record = [0; 8];
        assert_eq!(hear(&ours, &mut record).unwrap().user, None);
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        theirs.send(b"two").unwrap();
        let heard = hear(&ours, &mut record).unwrap();
        assert_eq!((heard.len, heard.user), (3, Some(nix::unistd::getuid().as_raw())));
        assert!(heard.shown.is_none());
    }

    /// A hostile sender must not use up our descriptors.
    #[test]
    fn of_many_descriptors_the_first_stays_open() {
        let ((ours, theirs), (shown, end)) = (pair(), pair());
        setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        show(&theirs, &[]);
        let mut record = [0; 8];
        assert!(hear(&ours, &mut record).unwrap().shown.is_none());
        for count in [1, 2, 3, 7] {
            show(&theirs, &vec![end.as_raw_fd(); count]);
            let heard = hear(&ours, &mut record).unwrap();
            assert!(heard.shown.is_some() && heard.user.is_some(), "{count}");
        }
        // No copy is left.
        drop(end);
        assert!(shown.send(b"x").is_err());
    }
}
