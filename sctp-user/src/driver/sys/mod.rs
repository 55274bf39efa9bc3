//! The system calls that no safe package offers. All `unsafe` of this crate is here.
#![allow(unsafe_code, reason = "this module wraps system calls")]

pub(crate) mod buffer;
pub(crate) mod control;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod option;
pub(crate) mod tun;
pub(crate) mod unix;

/// Takes over a descriptor that nix returns as a bare number.
pub(crate) fn owned(descriptor: std::os::fd::RawFd) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: callers pass a descriptor that a system call just made and that nobody else owns.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(descriptor) }
}
