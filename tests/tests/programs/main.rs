//! Debian's programs that know SCTP, unmodified, over our stack: `docs/programs.md` lists them.
//!
//! Each program that is started is under a `sctp-run` of its own, so that each end has a stack of its own.

mod csp;
mod diameter;
mod erlang;
mod java;
mod linux;
mod lksctp_tools;
mod measuring;
mod pipes;
mod python;
mod rserpool_linux;
mod rsplib;
mod rsplib_enrp;
mod rsplib_linux;
mod rsplib_model;
mod rsplib_services;
mod rsplib_statistics;
mod signalling;
mod sip;

use system_tests::{LIMIT, finish, hear, sctp_run, start, start_ready};
