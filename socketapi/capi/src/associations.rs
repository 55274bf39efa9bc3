//! Addresses, associations and options (RFC 6458, 9.1 to 9.7): options of Linux, tunnelled as libsctp does.

use core::ffi::{c_int, c_void};
use core::mem::size_of;
use core::ptr;

use libc::{sa_family_t, size_t, sockaddr, socklen_t};
use sctp_abi::constants::{
    SCTP_GET_LOCAL_ADDRS, SCTP_GET_PEER_ADDRS, SCTP_SOCKOPT_BINDX_ADD, SCTP_SOCKOPT_BINDX_REM,
    SCTP_SOCKOPT_CONNECTX3, SCTP_SOCKOPT_PEELOFF, SCTP_SOCKOPT_PEELOFF_FLAGS, SOL_SCTP,
};

use crate::calls;
use crate::outcome::{checked, finish};
use crate::packed::{Packed, length_of};
use crate::structures::{sctp_assoc_t, sctp_getaddrs_old, sctp_peeloff_flags_arg_t};

/// `flags` of [`sctp_bindx`].
const SCTP_BINDX_ADD_ADDR: c_int = 1;
const SCTP_BINDX_REM_ADDR: c_int = 2;

/// Begin of the value of SCTP_GET_PEER_ADDRS: association, number of addresses.
const ADDRESSES_AT: usize = 8;
/// Room for an answer: more addresses than an association may have.
const ADDRESSES_ROOM: usize = ADDRESSES_AT + 2_048 * 28;

/// Adds addresses to a socket, or takes them away (RFC 6458, 9.1). `addrs`: `addrcnt` packed addresses. `flags`:
/// SCTP_BINDX_ADD_ADDR or SCTP_BINDX_REM_ADDR. Returns 0, or -1 and sets errno.
///
/// # Safety
/// `addrs` is null, or valid for as many addresses.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_bindx(
    sd: c_int,
    addrs: *const sockaddr,
    addrcnt: c_int,
    flags: c_int,
) -> c_int {
    finish(|| {
        let option = match flags {
            SCTP_BINDX_ADD_ADDR => SCTP_SOCKOPT_BINDX_ADD,
            SCTP_BINDX_REM_ADDR => SCTP_SOCKOPT_BINDX_REM,
            _ => return Err(libc::EINVAL),
        };
        // SAFETY: the caller's promise.
        let list = unsafe { Packed::from_c(addrs, addrcnt) }?.as_bytes();
        // SAFETY: the list is valid for its length.
        checked(unsafe {
            calls::setsockopt(sd, SOL_SCTP, option, list.as_ptr().cast(), list.len() as socklen_t)
        })
    })
}

/// Connects to a peer with several addresses (RFC 6458, 9.9). `addrs`: `addrcnt` packed addresses. If `id` is not null, the
/// number of the association is written there, also where the set-up goes on (EINPROGRESS). Returns 0, or -1 and sets errno.
///
/// # Safety
/// `addrs` is null, or valid for as many addresses; `id` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_connectx(
    sd: c_int,
    addrs: *const sockaddr,
    addrcnt: c_int,
    id: *mut sctp_assoc_t,
) -> c_int {
    let write_id = |value| {
        if !id.is_null() {
            // SAFETY: not null, and the caller's promise.
            unsafe { id.write(value) };
        }
    };
    finish(|| {
        write_id(0);
        // SAFETY: the caller's promise.
        let list = unsafe { Packed::from_c(addrs, addrcnt) }?.as_bytes();
        let addr_num = c_int::try_from(list.len()).map_err(|_| libc::EINVAL)?;
        let mut value = sctp_getaddrs_old { assoc_id: 0, addr_num, addrs: list.as_ptr().cast() };
        // SAFETY: a structure of C, which says how long the list is.
        let outcome = unsafe { get(sd, SCTP_SOCKOPT_CONNECTX3, &mut value) };
        if matches!(outcome, Ok(_) | Err(libc::EINPROGRESS)) {
            write_id(value.assoc_id);
        }
        outcome.map(|_| 0)
    })
}

/// Makes a socket of its own of an association (RFC 6458, 9.2). Returns it, or -1 and sets errno.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sctp_peeloff(sd: c_int, assoc_id: sctp_assoc_t) -> c_int {
    finish(|| {
        let mut value = [assoc_id, -1];
        // SAFETY: the structure of this option has two numbers.
        unsafe { get(sd, SCTP_SOCKOPT_PEELOFF, &mut value) }?;
        Ok(value[1])
    })
}

/// As `sctp_peeloff`; `flags` are SOCK_NONBLOCK and SOCK_CLOEXEC.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sctp_peeloff_flags(sd: c_int, assoc_id: sctp_assoc_t, flags: c_int) -> c_int {
    finish(|| {
        let mut value = sctp_peeloff_flags_arg_t { associd: assoc_id, sd: -1, flags };
        // SAFETY: the structure of this option.
        unsafe { get(sd, SCTP_SOCKOPT_PEELOFF_FLAGS, &mut value) }?;
        Ok(value.sd)
    })
}

/// The addresses of the peer (RFC 6458, 9.3). `*addrs` becomes a list of packed addresses, which is to be freed by
/// `sctp_freepaddrs`. Returns how many there are; -1 and sets errno.
///
/// # Safety
/// `addrs` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_getpaddrs(
    sd: c_int,
    id: sctp_assoc_t,
    addrs: *mut *mut sockaddr,
) -> c_int {
    // SAFETY: the caller's promise.
    finish(|| unsafe { addresses(sd, SCTP_GET_PEER_ADDRS, id, addrs) })
}

/// Frees what `sctp_getpaddrs` gave (RFC 6458, 9.4). Returns 0.
///
/// # Safety
/// `addrs` is null or what was given, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_freepaddrs(addrs: *mut sockaddr) -> c_int {
    // SAFETY: the caller's promise; it came from `malloc`.
    unsafe { libc::free(addrs.cast()) };
    0
}

/// The local addresses (RFC 6458, 9.5), as `sctp_getpaddrs`; to be freed by `sctp_freeladdrs`. None of a socket that is not bound: 0,
/// and null.
///
/// # Safety
/// `addrs` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_getladdrs(
    sd: c_int,
    id: sctp_assoc_t,
    addrs: *mut *mut sockaddr,
) -> c_int {
    // SAFETY: the caller's promise.
    finish(|| unsafe { addresses(sd, SCTP_GET_LOCAL_ADDRS, id, addrs) })
}

/// Frees what `sctp_getladdrs` gave (RFC 6458, 9.6). Returns 0.
///
/// # Safety
/// `addrs` is null or what was given, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_freeladdrs(addrs: *mut sockaddr) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { sctp_freepaddrs(addrs) }
}

/// Length of an address of this family, in bytes; 0 if SCTP does not have it.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sctp_getaddrlen(family: sa_family_t) -> c_int {
    length_of(family).unwrap_or(0) as c_int
}

/// Reads an option of an association (RFC 6458, 9.7): `id` is written to the begin of `arg`, which has `*size` bytes. Returns 0,
/// or -1 and sets errno.
///
/// # Safety
/// `size` is null or valid; `arg` is null or valid for as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sctp_opt_info(
    sd: c_int,
    id: sctp_assoc_t,
    opt: c_int,
    arg: *mut c_void,
    size: *mut socklen_t,
) -> c_int {
    finish(|| {
        if arg.is_null() || size.is_null() {
            return Err(libc::EFAULT);
        }
        // SAFETY: not null, and the caller's promise.
        if unsafe { size.read() } as usize >= size_of::<sctp_assoc_t>() {
            // SAFETY: there is room for it.
            unsafe { arg.cast::<sctp_assoc_t>().write_unaligned(id) };
        }
        // SAFETY: the caller's own arguments.
        checked(unsafe { calls::getsockopt(sd, SOL_SCTP, opt, arg, size) }).map(|_| 0)
    })
}

/// `getsockopt` with a structure that is read and written.
///
/// # Safety
/// `T` is the structure of the option.
unsafe fn get<T>(sd: c_int, option: c_int, value: &mut T) -> Result<c_int, c_int> {
    let mut length = size_of::<T>() as socklen_t;
    let value = ptr::from_mut(value).cast();
    // SAFETY: the value is valid for its length.
    checked(unsafe { calls::getsockopt(sd, SOL_SCTP, option, value, &raw mut length) })
}

/// # Safety
/// `addrs` is null or valid.
unsafe fn addresses(
    sd: c_int,
    option: c_int,
    id: sctp_assoc_t,
    addrs: *mut *mut sockaddr,
) -> Result<c_int, c_int> {
    if addrs.is_null() {
        return Err(libc::EFAULT);
    }
    let mut value = vec![0u8; ADDRESSES_ROOM];
    value[..size_of::<sctp_assoc_t>()].copy_from_slice(&id.to_ne_bytes());
    let mut length = value.len() as socklen_t;
    // SAFETY: the value is valid for its length.
    checked(unsafe { calls::getsockopt(sd, SOL_SCTP, option, value.as_mut_ptr().cast(), &raw mut length) })?;
    let count = value.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |count| c_int::from_ne_bytes(*count));
    if count == 0 {
        // SAFETY: not null, and the caller's promise.
        unsafe { addrs.write(ptr::null_mut()) };
        return Ok(0);
    }
    // The length that is reported has the head in it for one of the options, and for the other one it has not.
    let list = value.get(ADDRESSES_AT..).unwrap_or_default();
    // SAFETY: the option says how many addresses it wrote, and they fit.
    let list = unsafe { Packed::from_c(list.as_ptr().cast(), count) }?.as_bytes();
    // SAFETY: not null, and the caller's promise.
    unsafe { addrs.write(allocated(list)?.cast()) };
    Ok(count)
}

/// A copy that `free` frees.
fn allocated(bytes: &[u8]) -> Result<*mut u8, c_int> {
    // SAFETY: any length will do; one that is not 0 gives a pointer that is not null, or there is no memory.
    let copy = unsafe { libc::malloc(bytes.len().max(1) as size_t) }.cast::<u8>();
    if copy.is_null() {
        return Err(libc::ENOMEM);
    }
    // SAFETY: just made, and as long.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len()) };
    Ok(copy)
}
