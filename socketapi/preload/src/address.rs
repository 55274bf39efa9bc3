//! C's socket addresses.

use core::ffi::c_int;
use core::mem::{offset_of, size_of};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{sockaddr, sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t};
use sctp_descriptors::SocketName;

use crate::memory;

/// Reads an IPv4 or IPv6 address just as a program gave it; it may be in a longer structure. The error is an `errno`.
///
/// # Safety
/// `address` is null or valid for `length` bytes.
pub(crate) unsafe fn read(address: *const sockaddr, length: socklen_t) -> Result<SocketAddr, c_int> {
    let longest = size_of::<libc::sockaddr_storage>();
    if !(size_of::<libc::sa_family_t>()..=longest).contains(&(length as usize)) {
        return Err(libc::EINVAL);
    }
    memory::check(address)?;
    // SAFETY: not wrong and long enough for its first field, which may be unaligned.
    let family = unsafe { core::ptr::read_unaligned(address.cast::<libc::sa_family_t>()) };
    match c_int::from(family) {
        libc::AF_INET if length as usize >= size_of::<sockaddr_in>() => {
            // SAFETY: long enough for this type, of which every bit pattern is valid.
            let v4 = unsafe { core::ptr::read_unaligned(address.cast::<sockaddr_in>()) };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 if length as usize >= size_of::<sockaddr_in6>() => {
            // SAFETY: as above.
            let v6 = unsafe { core::ptr::read_unaligned(address.cast::<sockaddr_in6>()) };
            let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
            Ok(SocketAddrV6::new(ip, port, u32::from_be(v6.sin6_flowinfo), v6.sin6_scope_id).into())
        }
        libc::AF_INET | libc::AF_INET6 => Err(libc::EINVAL),
        // Of datagram sockets it dissolves what `connect` made, which SCTP has not.
        libc::AF_UNSPEC => Err(libc::EOPNOTSUPP),
        _ => Err(libc::EAFNOSUPPORT),
    }
}

/// Writes `value` as the kernel does: cut to the room there is, with the whole length told. The error is an `errno`.
///
/// # Safety
/// Both pointers are [wrong](memory::is_wrong), or valid: `address` for `*length` bytes.
pub(crate) unsafe fn write(
    value: SocketAddr,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> Result<(), c_int> {
    memory::check(length)?;
    // SAFETY: the caller's promise.
    let room = unsafe { *length };
    c_int::try_from(room).map_err(|_| libc::EINVAL)?;
    if room > 0 {
        memory::check(address)?;
    }
    match value {
        SocketAddr::V4(value) => {
            let v4 = sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: value.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*value.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the caller's promise.
            unsafe { copy_out(&v4, address, length) };
        }
        SocketAddr::V6(value) => {
            let v6 = sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: value.port().to_be(),
                sin6_flowinfo: value.flowinfo().to_be(),
                sin6_addr: libc::in6_addr { s6_addr: value.ip().octets() },
                sin6_scope_id: value.scope_id(),
            };
            // SAFETY: the caller's promise.
            unsafe { copy_out(&v6, address, length) };
        }
    }
    Ok(())
}

/// # Safety
/// `address` is valid for `*length` bytes.
unsafe fn copy_out<T>(value: &T, address: *mut sockaddr, length: *mut socklen_t) {
    // SAFETY: `length` is valid.
    let room = unsafe { *length } as usize;
    let source = core::ptr::from_ref(value).cast::<u8>();
    // SAFETY: at most the room that the caller gave, and no more than there is; the two do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(source, address.cast::<u8>(), room.min(size_of::<T>())) };
    // SAFETY: `length` is valid.
    unsafe { *length = size_of::<T>() as socklen_t };
}

/// Nothing yet.
pub(crate) const NO_NAME: sockaddr_un = sockaddr_un { sun_family: 0, sun_path: [0; 108] };

/// The abstract name that `ask` (a `getpeername`) writes, if it is one of ours.
pub(crate) fn unix_name(ask: impl FnOnce(*mut sockaddr, *mut socklen_t) -> c_int) -> Option<SocketName> {
    let mut name = NO_NAME;
    let mut length = size_of::<sockaddr_un>() as socklen_t;
    let result = ask(core::ptr::from_mut(&mut name).cast(), &mut length);
    if result == 0 { socket_name(&name, length) } else { None }
}

/// What the address of a service's end says.
pub(crate) fn socket_name(name: &sockaddr_un, length: socklen_t) -> Option<SocketName> {
    if c_int::from(name.sun_family) != libc::AF_UNIX || name.sun_path[0] != 0 {
        return None;
    }
    let end = (length as usize).checked_sub(offset_of!(sockaddr_un, sun_path))?;
    let path: [u8; 108] = name.sun_path.map(|byte| byte as u8);
    SocketName::from_bytes(path.get(1..end)?)
}

/// An abstract name as a socket address, and its length.
pub(crate) fn abstract_name(name: &[u8]) -> Option<(sockaddr_un, socklen_t)> {
    let mut address = sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    let room = address.sun_path.get_mut(1..=name.len())?;
    room.iter_mut().zip(name).for_each(|(to, from)| *to = *from as libc::c_char);
    Some((address, (offset_of!(sockaddr_un, sun_path) + 1 + name.len()) as socklen_t))
}
