//! Receiving (RFC 6458, 9.8 and 9.13). Everything is one `recvmsg`.

use core::ffi::{c_int, c_uint, c_void};
use core::mem::size_of;

use libc::{iovec, size_t, sockaddr, socklen_t, ssize_t};

use crate::calls;
use crate::control::find;
use crate::outcome::{checked, finish};
use crate::parts::{message_of, one, pieces};
use crate::structures::{sctp_nxtinfo, sctp_rcvinfo, sctp_recvv_rn, sctp_sndrcvinfo};

/// What `infotype` of [`sctp_recvv`] says (RFC 6458, 9.13).
const SCTP_RECVV_NOINFO: c_uint = 0;
const SCTP_RECVV_RCVINFO: c_uint = 1;
const SCTP_RECVV_NXTINFO: c_uint = 2;
const SCTP_RECVV_RN: c_uint = 3;

/// Room for all control messages that a message comes with.
const CONTROL_ROOM: usize = 256;

/// Receives a message (RFC 6458, 9.8; deprecated there in favour of `sctp_recvv`). All pointers but `msg` may be null. `sinfo` is
/// written if the socket is subscribed to `sctp_data_io_event`. `*msg_flags` is read (MSG_PEEK and its fellows) and written
/// (MSG_EOR, MSG_NOTIFICATION). Returns the number of bytes, or -1 and sets errno.
///
/// # Safety
/// `msg` is valid for `len` bytes; `from` is null or valid for `*fromlen` bytes; the others are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_recvmsg(
    sd: c_int,
    msg: *mut c_void,
    len: size_t,
    from: *mut sockaddr,
    fromlen: *mut socklen_t,
    sinfo: *mut sctp_sndrcvinfo,
    msg_flags: *mut c_int,
) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let got = unsafe { receive(sd, &[one(msg, len)], from, fromlen, msg_flags) }?;
        if let (false, Some(found)) = (sinfo.is_null(), find(&got.control)) {
            // SAFETY: not null, and the caller's promise.
            unsafe { sinfo.write(found) };
        }
        Ok(got.length)
    })
}

/// Receives a message (RFC 6458, 9.13). `info` has room for `*infolen` bytes; what is written there, `*infotype` says. Which
/// information there is, SCTP_RECVRCVINFO and SCTP_RECVNXTINFO say. `*flags` as in `sctp_recvmsg`. Returns the number of bytes,
/// or -1 and sets errno.
///
/// # Safety
/// `iov` is valid for `iovlen` pieces, and these for their lengths; `from` is null or valid for `*fromlen` bytes; `info` is null or
/// valid for `*infolen` bytes; the others are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_recvv(
    sd: c_int,
    iov: *const iovec,
    iovlen: c_int,
    from: *mut sockaddr,
    fromlen: *mut socklen_t,
    info: *mut c_void,
    infolen: *mut socklen_t,
    infotype: *mut c_uint,
    flags: *mut c_int,
) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let parts = unsafe { pieces(iov, iovlen) }?;
        // SAFETY: as above.
        let got = unsafe { receive(sd, parts, from, fromlen, flags) }?;
        // SAFETY: as above.
        unsafe { describe(&got.control, info, infolen, infotype) };
        Ok(got.length)
    })
}

/// Writes as much of what came beside a message as there is room for.
///
/// # Safety
/// As [`sctp_recvv`].
unsafe fn describe(control: &[u8], info: *mut c_void, infolen: *mut socklen_t, infotype: *mut c_uint) {
    if infotype.is_null() {
        return;
    }
    // SAFETY: not null, and the caller's promise.
    let room = if info.is_null() || infolen.is_null() { 0 } else { unsafe { infolen.read() } };
    let room = room as usize;
    let received = find::<sctp_rcvinfo>(control).filter(|_| room >= size_of::<sctp_rcvinfo>());
    let next = find::<sctp_nxtinfo>(control).filter(|_| room >= size_of::<sctp_nxtinfo>());
    // SAFETY: there is room for each that is written; else the caller's promise.
    let (kind, length) = unsafe {
        match (received, next) {
            (Some(recvv_rcvinfo), Some(recvv_nxtinfo)) if room >= size_of::<sctp_recvv_rn>() => {
                (SCTP_RECVV_RN, put(info, sctp_recvv_rn { recvv_rcvinfo, recvv_nxtinfo }))
            }
            (Some(received), _) => (SCTP_RECVV_RCVINFO, put(info, received)),
            (None, Some(next)) => (SCTP_RECVV_NXTINFO, put(info, next)),
            (None, None) => (SCTP_RECVV_NOINFO, 0),
        }
    };
    // SAFETY: not null, and the caller's promise.
    unsafe { infotype.write(kind) };
    if !infolen.is_null() {
        // SAFETY: as above.
        unsafe { infolen.write(length) };
    }
}

/// # Safety
/// `info` has room for it.
unsafe fn put<T>(info: *mut c_void, value: T) -> socklen_t {
    // SAFETY: the caller's promise.
    unsafe { info.cast::<T>().write_unaligned(value) };
    size_of::<T>() as socklen_t
}

/// What was received.
struct Received {
    length: ssize_t,
    control: Vec<u8>,
}

/// # Safety
/// The pieces are valid; `from` is null or valid for `*fromlen` bytes; the others are null or valid.
unsafe fn receive(
    sd: c_int,
    parts: &[iovec],
    from: *mut sockaddr,
    fromlen: *mut socklen_t,
    flags: *mut c_int,
) -> Result<Received, c_int> {
    let mut control = vec![0u8; CONTROL_ROOM];
    let mut message = message_of(parts);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control.len() as _;
    if !from.is_null() && !fromlen.is_null() {
        message.msg_name = from.cast();
        // SAFETY: not null, and the caller's promise.
        message.msg_namelen = unsafe { fromlen.read() };
    }
    // SAFETY: the caller's promise.
    let asked = if flags.is_null() { 0 } else { unsafe { flags.read() } };
    // SAFETY: the caller's promise; `control` lives still.
    let length = checked(unsafe { calls::recvmsg(sd, &raw mut message, asked) })?;
    control.truncate(message.msg_controllen as _);
    if !fromlen.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { fromlen.write(message.msg_namelen) };
    }
    if !flags.is_null() {
        // SAFETY: as above.
        unsafe { flags.write(message.msg_flags) };
    }
    Ok(Received { length, control })
}
