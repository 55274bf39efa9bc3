//! The system calls that no safe package offers. All `unsafe` of this crate is here.
#![allow(unsafe_code, reason = "this module wraps system calls")]

pub(crate) mod buffer;
pub(crate) mod control;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod option;
