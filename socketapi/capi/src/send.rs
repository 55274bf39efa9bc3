//! Sending (RFC 6458, 9.7 to 9.12). Everything is one `sendmsg`.

use core::ffi::{c_int, c_uint, c_void};
use core::mem::size_of;

use libc::{iovec, size_t, sockaddr, socklen_t, ssize_t};
use sctp_abi::constants::{SCTP_DSTADDRV4, SCTP_DSTADDRV6};

use crate::calls;
use crate::control::Control;
use crate::outcome::{checked, finish};
use crate::packed::Packed;
use crate::parts::{message_of, one, pieces};
use crate::structures::{sctp_authinfo, sctp_prinfo, sctp_sendv_spa, sctp_sndinfo, sctp_sndrcvinfo};

/// What `infotype` of [`sctp_sendv`] says (RFC 6458, 9.12).
const SCTP_SENDV_NOINFO: c_uint = 0;
const SCTP_SENDV_SNDINFO: c_uint = 1;
const SCTP_SENDV_PRINFO: c_uint = 2;
const SCTP_SENDV_AUTHINFO: c_uint = 3;
const SCTP_SENDV_SPA: c_uint = 4;

/// Which parts of [`sctp_sendv_spa`] count.
const SCTP_SEND_SNDINFO_VALID: u32 = 1;
const SCTP_SEND_PRINFO_VALID: u32 = 2;
const SCTP_SEND_AUTHINFO_VALID: u32 = 4;

/// Sends a message (RFC 6458, 9.7; deprecated there in favour of `sctp_sendv`). `flags` are those of `sinfo_flags`,
/// `timetolive` is in milliseconds. Returns the number of bytes, or -1 and sets errno.
///
/// # Safety
/// `msg` is valid for `len` bytes; `to` is null or valid for `tolen` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_sendmsg(
    sd: c_int,
    msg: *const c_void,
    len: size_t,
    to: *const sockaddr,
    tolen: socklen_t,
    ppid: u32,
    flags: u32,
    stream_no: u16,
    timetolive: u32,
    context: u32,
) -> ssize_t {
    finish(|| {
        let info = sctp_sndrcvinfo {
            sinfo_stream: stream_no,
            // The structure has room for 16 bits, and no flag of SCTP is above them.
            sinfo_flags: flags as u16,
            sinfo_ppid: ppid,
            sinfo_context: context,
            sinfo_timetolive: timetolive,
            ..Default::default()
        };
        let mut control = Control::default();
        control.push_sndrcvinfo(&info);
        // SAFETY: the caller's promise.
        unsafe { transmit(sd, &[one(msg, len)], to, tolen, control, 0) }
    })
}

/// Sends a message on an association that `sinfo` names (RFC 6458, 9.9; deprecated there). `sinfo` may be null. Returns the number of
/// bytes, or -1 and sets errno.
///
/// # Safety
/// `msg` is valid for `len` bytes; `sinfo` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_send(
    sd: c_int,
    msg: *const c_void,
    len: size_t,
    sinfo: *const sctp_sndrcvinfo,
    flags: c_int,
) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let control = unsafe { beside(sinfo) };
        // SAFETY: as above.
        unsafe { transmit(sd, &[one(msg, len)], core::ptr::null(), 0, control, flags) }
    })
}

/// Sends a message to a peer with several addresses, connecting to it first where there is no association (RFC 6458, 9.10;
/// deprecated there). `addrs`: `addrcnt` packed addresses. Returns the number of bytes, or -1 and sets errno.
///
/// # Safety
/// `msg` is valid for `len` bytes; `addrs` is null or valid for as many addresses; `sinfo` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_sendx(
    sd: c_int,
    msg: *const c_void,
    len: size_t,
    addrs: *const sockaddr,
    addrcnt: c_int,
    sinfo: *const sctp_sndrcvinfo,
    flags: c_int,
) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let control = unsafe { beside(sinfo) };
        // SAFETY: as above.
        unsafe { transmit_to_all(sd, &[one(msg, len)], addrs, addrcnt, control, flags) }
    })
}

/// Sends a message (RFC 6458, 9.12). `addrs`: `addrcnt` packed addresses of one peer, or null and 0; an association is set up with
/// all of them. `info`: a structure of `infolen` bytes, which `infotype` names. Returns the number of bytes, or -1 and sets errno.
///
/// # Safety
/// `iov` is valid for `iovcnt` pieces, and these for their lengths; `addrs` is null or valid for as many addresses; `info` is null
/// or valid for `infolen` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_sendv(
    sd: c_int,
    iov: *const iovec,
    iovcnt: c_int,
    addrs: *mut sockaddr,
    addrcnt: c_int,
    info: *mut c_void,
    infolen: socklen_t,
    infotype: c_uint,
    flags: c_int,
) -> ssize_t {
    finish(|| {
        // SAFETY: the caller's promise.
        let parts = unsafe { pieces(iov, iovcnt) }?;
        // SAFETY: as above.
        let control = unsafe { described(info, infolen, infotype) }?;
        // SAFETY: as above.
        unsafe { transmit_to_all(sd, parts, addrs, addrcnt, control, flags) }
    })
}

/// # Safety
/// `info` is null or valid for `length` bytes.
unsafe fn described(info: *const c_void, length: socklen_t, kind: c_uint) -> Result<Control, c_int> {
    let mut control = Control::default();
    if kind == SCTP_SENDV_NOINFO {
        let is_nothing = info.is_null() && length == 0;
        return if is_nothing { Ok(control) } else { Err(libc::EINVAL) };
    }
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            SCTP_SENDV_SNDINFO => control.push_sndinfo(&given::<sctp_sndinfo>(info, length)?),
            SCTP_SENDV_PRINFO => control.push_prinfo(&given::<sctp_prinfo>(info, length)?),
            SCTP_SENDV_AUTHINFO => control.push_authinfo(&given::<sctp_authinfo>(info, length)?),
            SCTP_SENDV_SPA => push_all(&mut control, &given::<sctp_sendv_spa>(info, length)?),
            _ => return Err(libc::EINVAL),
        }
    }
    Ok(control)
}

fn push_all(control: &mut Control, all: &sctp_sendv_spa) {
    let has = |flag| all.sendv_flags & flag != 0;
    if has(SCTP_SEND_SNDINFO_VALID) {
        control.push_sndinfo(&all.sendv_sndinfo);
    }
    if has(SCTP_SEND_PRINFO_VALID) {
        control.push_prinfo(&all.sendv_prinfo);
    }
    if has(SCTP_SEND_AUTHINFO_VALID) {
        control.push_authinfo(&all.sendv_authinfo);
    }
}

/// # Safety
/// `info` is null or valid for `length` bytes, of which any are a `T`.
unsafe fn given<T: Copy>(info: *const c_void, length: socklen_t) -> Result<T, c_int> {
    if info.is_null() || (length as usize) < size_of::<T>() {
        return Err(libc::EINVAL);
    }
    // SAFETY: not null, and long enough.
    Ok(unsafe { info.cast::<T>().read_unaligned() })
}

/// # Safety
/// `info` is null or valid.
unsafe fn beside(info: *const sctp_sndrcvinfo) -> Control {
    let mut control = Control::default();
    // SAFETY: the caller's promise.
    if let Some(info) = unsafe { info.as_ref() } {
        control.push_sndrcvinfo(info);
    }
    control
}

/// Sends to the first address; the others are said beside it (RFC 6458, 5.3.9).
///
/// # Safety
/// As [`sctp_sendv`].
unsafe fn transmit_to_all(
    sd: c_int,
    parts: &[iovec],
    addrs: *const sockaddr,
    addrcnt: c_int,
    mut control: Control,
    flags: c_int,
) -> Result<ssize_t, c_int> {
    if addrs.is_null() && addrcnt == 0 {
        // SAFETY: the caller's promise.
        return unsafe { transmit(sd, parts, addrs, 0, control, flags) };
    }
    // SAFETY: the caller's promise.
    let mut all = unsafe { Packed::from_c(addrs, addrcnt) }?;
    let (_, first) = all.next().ok_or(libc::EINVAL)?;
    for (family, address) in all {
        match c_int::from(family) {
            // The address alone, which is behind the port, or behind port and flow label.
            libc::AF_INET => control.push(SCTP_DSTADDRV4, address.get(4..8).unwrap_or_default()),
            _ => control.push(SCTP_DSTADDRV6, address.get(8..24).unwrap_or_default()),
        }
    }
    // SAFETY: the address is valid for its length; else the caller's promise.
    unsafe { transmit(sd, parts, first.as_ptr().cast(), first.len() as socklen_t, control, flags) }
}

/// # Safety
/// The pieces are valid, and `to` for `tolen` bytes.
unsafe fn transmit(
    sd: c_int,
    parts: &[iovec],
    to: *const sockaddr,
    tolen: socklen_t,
    mut control: Control,
    flags: c_int,
) -> Result<ssize_t, c_int> {
    let mut message = message_of(parts);
    message.msg_name = to.cast_mut().cast();
    message.msg_namelen = tolen;
    control.attach(&mut message);
    // SAFETY: the caller's promise; `control` lives still.
    checked(unsafe { calls::sendmsg(sd, &raw const message, flags) })
}
