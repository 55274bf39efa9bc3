//! Options: bytes to the service, and back.
//!
//! What they mean is known there. What only this process can do is done here: reading and writing the program's memory,
//! waiting, following the one pointer that an option has, and taking the descriptors that some make.

use core::ffi::{c_int, c_void};

use std::os::fd::OwnedFd;

use libc::socklen_t;
use sctp_descriptors::{Command, MAX_OPTION_LEN, OptionName, Owner, Peeled, Reply, SocketName, Value};

use crate::detour::{Detour, Stop, with_socket};
use crate::{control, memory, ops, real, record};

/// Of options that are read at most so much is looked at: no structure is longer.
const MAX_INPUT: usize = 512;

/// `SCTP_SOCKOPT_CONNECTX3`: its structure has the length of a list of addresses, and where the list is.
const CONNECTX3: OptionName = OptionName { level: libc::IPPROTO_SCTP, number: 111 };

/// `SCTP_SOCKOPT_PEELOFF` and `SCTP_SOCKOPT_PEELOFF_FLAGS`.
const PEEL_OFF: [c_int; 2] = [102, 122];

/// The structure of [`CONNECTX3`].
#[repr(C)]
#[derive(Clone, Copy)]
struct Getaddrs {
    association: i32,
    length: c_int,
    addresses: *const c_void,
}

/// `getsockopt()`.
///
/// # Safety
/// `length` is null or valid; `value` is null or valid for `*length` bytes; so is what it points to.
pub(crate) unsafe fn get(
    fd: c_int,
    option: OptionName,
    value: *mut c_void,
    length: *mut socklen_t,
) -> Detour<c_int> {
    match option.owner() {
        Owner::Kernel => Detour::Bypass,
        Owner::Nobody => with_socket(fd, |_| Err(libc::EOPNOTSUPP)),
        // SAFETY: the caller's promise.
        Owner::Service => with_socket(fd, |name| unsafe { get_served(fd, name, option, value, length) }),
    }
}

/// `setsockopt()`.
///
/// # Safety
/// `value` is null or valid for `length` bytes.
pub(crate) unsafe fn set(
    fd: c_int,
    option: OptionName,
    value: *const c_void,
    length: socklen_t,
) -> Detour<c_int> {
    match option.owner() {
        Owner::Kernel => Detour::Bypass,
        Owner::Nobody => with_socket(fd, |_| Err(libc::EOPNOTSUPP)),
        // SAFETY: the caller's promise.
        Owner::Service => with_socket(fd, |name| unsafe { set_served(fd, name, option, value, length) }),
    }
}

/// # Safety
/// As [`get`].
unsafe fn get_served(
    fd: c_int,
    name: SocketName,
    option: OptionName,
    value: *mut c_void,
    length: *mut socklen_t,
) -> Result<c_int, c_int> {
    memory::check(length)?;
    // SAFETY: not wrong, and the caller's promise.
    let room = unsafe { length.read_unaligned() };
    c_int::try_from(room).map_err(|_| libc::EINVAL)?;
    // SAFETY: the caller's promise.
    let input = unsafe { input(option, value, room as usize) }?;
    if option.level == libc::IPPROTO_SCTP && PEEL_OFF.contains(&option.number) {
        // A number must be left for the descriptor that comes: see `ops::accept`.
        ops::with_number_left(fd, || Ok(())).map_err(Stop::errno)?;
    }
    let command = Command::GetOption { option, room, input };
    let (mut answer, descriptor) = match ops::ask_filling(fd, name, command)? {
        (Reply::Value(answer), descriptor) => (answer, descriptor),
        _ => return Err(libc::EPROTO),
    };
    let made = answer.descriptor.map(|peeled| peel(&mut answer, peeled, descriptor)).transpose()?;
    record::discard(fd, name, answer.descriptor.and_then(|peeled| peeled.stale));
    let outcome = answer.begun.map_or(Ok(0), |set_up| ops::await_setup(fd, name, 0, set_up.ticket));
    if let Err(errno) = outcome
        && errno != libc::EINPROGRESS
    {
        return Err(errno);
    }
    // SAFETY: the caller's promise.
    if let Err(errno) = unsafe { write(&answer, value, room as usize) } {
        if let Some(made) = made {
            // SAFETY: just made, and not told to anybody.
            unsafe { real::close(made) };
        }
        return Err(errno);
    }
    // SAFETY: as above.
    unsafe { length.write_unaligned(answer.len) };
    outcome.map(|_| made.unwrap_or(0))
}

/// Makes the descriptor of a peeled-off socket the program's, and writes its number where it belongs.
fn peel(answer: &mut Value, peeled: Peeled, descriptor: Option<OwnedFd>) -> Result<c_int, c_int> {
    let number = ops::adopt(descriptor, peeled.flags)?;
    let start = peeled.offset as usize;
    if let Some(place) = answer.bytes.get_mut(start..start + size_of::<c_int>()) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    Ok(number)
}

/// # Safety
/// As [`get`].
unsafe fn input(option: OptionName, value: *const c_void, room: usize) -> Result<Vec<u8>, c_int> {
    // Only options of SCTP say in the value what is asked for.
    let room = if option.level == libc::IPPROTO_SCTP { room.min(MAX_INPUT) } else { 0 };
    // SAFETY: the caller's promise; no more than there is.
    let mut bytes = unsafe { read(value, room) }.unwrap_or_default();
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
/// As [`set`].
unsafe fn set_served(
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
    match ops::ask_filling(fd, name, Command::SetOption { option, value })?.0 {
        Reply::Begun { result, set_up } => ops::await_setup(fd, name, result, set_up.ticket),
        Reply::GiveBack => control::command(name, Command::GiveBack(record::take_bare(fd, name)?)).map(|_| 0),
        _ => Ok(0),
    }
}

/// # Safety
/// `value` is null or valid for `length` bytes.
unsafe fn read(value: *const c_void, length: usize) -> Result<Vec<u8>, c_int> {
    match (memory::is_wrong(value), length) {
        (_, 0) => Ok(Vec::new()),
        (true, _) => Err(libc::EFAULT),
        // SAFETY: not wrong, and the caller's promise.
        (false, _) => Ok(unsafe { core::slice::from_raw_parts(value.cast::<u8>(), length) }.to_vec()),
    }
}

/// # Safety
/// `value` is null or valid for `room` bytes.
unsafe fn write(answer: &Value, value: *mut c_void, room: usize) -> Result<(), c_int> {
    let length = answer.bytes.len().min(room);
    if length > 0 && memory::is_wrong(value) {
        return Err(libc::EFAULT);
    }
    if length > 0 {
        // SAFETY: not null, and at most the room that the caller gave; the two do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(answer.bytes.as_ptr(), value.cast::<u8>(), length) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_new_descriptor_is_written_into_the_value() {
        let descriptor = std::os::unix::net::UnixDatagram::unbound().unwrap().into();
        let peeled = Peeled { offset: 4, flags: libc::SOCK_NONBLOCK, stale: None };
        let mut answer = Value { bytes: vec![7; 12], len: 12, begun: None, descriptor: Some(peeled) };
        let number = peel(&mut answer, peeled, Some(descriptor)).unwrap();
        assert_eq!(answer.bytes, [&[7; 4][..], &number.to_ne_bytes(), &[7; 4]].concat());
        assert!(crate::wait::is_non_blocking(number));
        // SAFETY: just made.
        unsafe { real::close(number) };
    }
}
