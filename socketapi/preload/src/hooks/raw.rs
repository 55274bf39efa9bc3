//! `syscall`: what has a function of C goes where that goes, so that both are ours. Beneath the C library nobody hears of us.

use core::ffi::{c_int, c_long, c_uint, c_ulong};

use super::{data, descriptors, files, names};
use crate::exempt::is_exempt;
use crate::{lease, real, table};

/// A register as what it holds: integers are cut, pointers made of their address.
trait FromRegister {
    fn from_register(value: c_long) -> Self;
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl FromRegister for $type {
            fn from_register(value: c_long) -> Self {
                value as Self
            }
        })*
    };
}

integers! { c_int c_uint c_long c_ulong usize }

impl<T> FromRegister for *const T {
    fn from_register(value: c_long) -> Self {
        core::ptr::with_exposed_provenance(value as usize)
    }
}

impl<T> FromRegister for *mut T {
    fn from_register(value: c_long) -> Self {
        core::ptr::with_exposed_provenance_mut(value as usize)
    }
}

/// # Safety
/// As `syscall(2)`.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    macro_rules! route {
        ($($module:ident::$name:ident($($arg:ident),*): $($number:ident)|+;)*) => {
            match number {
                $($(libc::$number)|+ => {
                    // SAFETY: the caller's own arguments, of this call.
                    unsafe { $module::$name($(FromRegister::from_register($arg)),*) as c_long }
                })*
                // SAFETY: the caller's own arguments.
                _ => unsafe { real::syscall(number, a, b, c, d, e, f) },
            }
        };
    }
    // Another copy, which stands before us, calls the kernel by this function.
    if is_exempt() {
        // SAFETY: the caller's own arguments.
        return unsafe { real::syscall(number, a, b, c, d, e, f) };
    }
    #[cfg(target_arch = "x86_64")]
    match number {
        libc::SYS_open => {
            let path = FromRegister::from_register(a);
            // SAFETY: the caller's own arguments, of this call.
            return unsafe { files::open(path, b as c_int, c as libc::mode_t) }.into();
        }
        // SAFETY: as above.
        libc::SYS_dup2 => return unsafe { descriptors::dup2(a as c_int, b as c_int) }.into(),
        _ => {}
    }
    if number == libc::SYS_close_range {
        let (first, last) = (a as c_uint, b as c_uint);
        let closed = lease::spared(first..=last, |part| {
            // SAFETY: the caller's own arguments.
            unsafe {
                real::syscall(number, (*part.start()).into(), (*part.end()).into(), c, d, e, f) as c_int
            }
        });
        table::forget_range(first, last);
        return closed.into();
    }
    route! {
        names::socket(a, b, c): SYS_socket;
        names::bind(a, b, c): SYS_bind;
        names::listen(a, b): SYS_listen;
        names::accept(a, b, c): SYS_accept;
        names::accept4(a, b, c, d): SYS_accept4;
        names::connect(a, b, c): SYS_connect;
        names::getsockname(a, b, c): SYS_getsockname;
        names::getpeername(a, b, c): SYS_getpeername;
        names::getsockopt(a, b, c, d, e): SYS_getsockopt;
        names::setsockopt(a, b, c, d, e): SYS_setsockopt;
        names::shutdown(a, b): SYS_shutdown;
        names::ioctl(a, b, c): SYS_ioctl;
        data::read(a, b, c): SYS_read;
        data::readv(a, b, c): SYS_readv;
        data::recvfrom(a, b, c, d, e, f): SYS_recvfrom;
        data::recvmsg(a, b, c): SYS_recvmsg;
        data::recvmmsg(a, b, c, d, e): SYS_recvmmsg;
        data::write(a, b, c): SYS_write;
        data::writev(a, b, c): SYS_writev;
        data::sendto(a, b, c, d, e, f): SYS_sendto;
        data::sendmsg(a, b, c): SYS_sendmsg;
        data::sendmmsg(a, b, c, d): SYS_sendmmsg;
        data::sendfile(a, b, c, d): SYS_sendfile;
        data::splice(a, b, c, d, e, f): SYS_splice;
        descriptors::close(a): SYS_close;
        descriptors::dup(a): SYS_dup;
        descriptors::dup3(a, b, c): SYS_dup3;
        descriptors::fcntl(a, b, c): SYS_fcntl;
        files::openat(a, b, c, d): SYS_openat;
    }
}
