//! Options: bytes to the service, and back.
//!
//! What they mean is known there. What only this process can do is done here: reading and writing the program's memory,
//! waiting, and following the one pointer that an option has.

use core::ffi::{c_int, c_void};

use libc::socklen_t;
use sctp_descriptors::{Command, MAX_OPTION_LEN, OptionName, Reply, SocketName, Value};

use crate::ops;

/// Of options that are read at most so much is looked at: no structure is longer.
const MAX_INPUT: usize = 512;

/// `SCTP_SOCKOPT_CONNECTX3`: its structure has the length of a list of addresses, and where the list is.
const CONNECTX3: OptionName = OptionName { level: libc::IPPROTO_SCTP, number: 111 };

/// The structure of [`CONNECTX3`].
#[repr(C)]
#[derive(Clone, Copy)]
struct Getaddrs {
    association: i32,
    length: c_int,
    addresses: *const c_void,
}

/// Options of all sockets that the pair cannot answer for. The others, such as time-outs, are the kernel's.
const NOT_OF_PAIR: [c_int; 9] = [
    libc::SO_ACCEPTCONN,
    libc::SO_DOMAIN,
    libc::SO_ERROR,
    libc::SO_LINGER,
    libc::SO_PROTOCOL,
    libc::SO_RCVBUF,
    libc::SO_REUSEADDR,
    libc::SO_SNDBUF,
    libc::SO_TYPE,
];

/// Whether the service is to be asked, if the descriptor is ours.
pub(crate) fn is_served(option: OptionName) -> bool {
    option.level != libc::SOL_SOCKET || NOT_OF_PAIR.contains(&option.number)
}

/// # Safety
/// `length` is null or valid; `value` is null or valid for `*length` bytes; so is what it points to.
pub(crate) unsafe fn get(
    fd: c_int,
    name: SocketName,
    option: OptionName,
    value: *mut c_void,
    length: *mut socklen_t,
) -> Result<c_int, c_int> {
    if length.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: not null, and the caller's promise.
    let room = unsafe { length.read_unaligned() };
    c_int::try_from(room).map_err(|_| libc::EINVAL)?;
    // SAFETY: the caller's promise.
    let input = unsafe { input(option, value, room as usize) }?;
    let answer = match ops::begin(fd, name, Command::GetOption { option, room, input })? {
        Reply::Value(answer) => answer,
        _ => return Err(libc::EPROTO),
    };
    let outcome = if answer.begun { ops::await_setup(fd, name) } else { Ok(()) };
    if let Err(errno) = outcome
        && errno != libc::EINPROGRESS
    {
        return Err(errno);
    }
    // SAFETY: the caller's promise.
    unsafe { write(&answer, value, room as usize) }?;
    // SAFETY: as above.
    unsafe { length.write_unaligned(answer.len) };
    outcome.map(|()| 0)
}

/// # Safety
/// As [`get`].
unsafe fn input(option: OptionName, value: *const c_void, room: usize) -> Result<Vec<u8>, c_int> {
    // SAFETY: the caller's promise; no more than there is.
    let mut bytes = unsafe { read(value, room.min(MAX_INPUT)) }.unwrap_or_default();
    if option != CONNECTX3 || bytes.len() < size_of::<Getaddrs>() {
        return Ok(bytes);
    }
    // SAFETY: the value is long enough for this type, of which every bit pattern is valid.
    let list = unsafe { value.cast::<Getaddrs>().read_unaligned() };
    bytes.truncate(size_of::<Getaddrs>());
    // A length that is none is the service's to refuse.
    if let Ok(length) = usize::try_from(list.length) {
        if bytes.len() + length > MAX_OPTION_LEN {
            return Err(libc::ENOMEM);
        }
        // SAFETY: the caller's promise.
        bytes.extend(unsafe { read(list.addresses, length) }?);
    }
    Ok(bytes)
}

/// # Safety
/// `value` is null or valid for `length` bytes.
pub(crate) unsafe fn set(
    fd: c_int,
    name: SocketName,
    option: OptionName,
    value: *const c_void,
    length: socklen_t,
) -> Result<c_int, c_int> {
    let length = c_int::try_from(length).map_err(|_| libc::EINVAL)? as usize;
    if length > MAX_OPTION_LEN {
        return Err(libc::ENOMEM);
    }
    // SAFETY: the caller's promise.
    let value = unsafe { read(value, length) }?;
    match ops::begin(fd, name, Command::SetOption { option, value })? {
        Reply::Begun(result) => ops::await_setup(fd, name).map(|()| result),
        _ => Ok(0),
    }
}

/// # Safety
/// `value` is null or valid for `length` bytes.
unsafe fn read(value: *const c_void, length: usize) -> Result<Vec<u8>, c_int> {
    match (value.is_null(), length) {
        (_, 0) => Ok(Vec::new()),
        (true, _) => Err(libc::EFAULT),
        // SAFETY: not null, and the caller's promise.
        (false, _) => Ok(unsafe { core::slice::from_raw_parts(value.cast::<u8>(), length) }.to_vec()),
    }
}

/// # Safety
/// `value` is null or valid for `room` bytes.
unsafe fn write(answer: &Value, value: *mut c_void, room: usize) -> Result<(), c_int> {
    let length = answer.bytes.len().min(room);
    if length > 0 && value.is_null() {
        return Err(libc::EFAULT);
    }
    if length > 0 {
        // SAFETY: not null, and at most the room that the caller gave; the two do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(answer.bytes.as_ptr(), value.cast::<u8>(), length) };
    }
    Ok(())
}
