//! Structures of RFC 6458 that functions have as arguments, as `netinet/sctp.h` declares them. The layout is the one that
//! `sctp-abi` reads and writes.

#![allow(non_camel_case_types, reason = "C's own names")]

use core::ffi::c_int;

/// An association (RFC 6458, 5.1).
pub type sctp_assoc_t = i32;

/// RFC 6458, 5.3.2. Fields are sent and received by it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_sndrcvinfo {
    /// Stream.
    pub sinfo_stream: u16,
    /// Sequence number in the stream.
    pub sinfo_ssn: u16,
    /// `SCTP_UNORDERED` and its fellows.
    pub sinfo_flags: u16,
    /// Protocol identifier, as the peer sees it.
    pub sinfo_ppid: u32,
    /// Comes back with what failed.
    pub sinfo_context: u32,
    /// In milliseconds; 0: for ever.
    pub sinfo_timetolive: u32,
    /// Transmission sequence number.
    pub sinfo_tsn: u32,
    /// The cumulative one.
    pub sinfo_cumtsn: u32,
    /// Association.
    pub sinfo_assoc_id: sctp_assoc_t,
}

/// RFC 6458, 5.3.4.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_sndinfo {
    /// Stream.
    pub snd_sid: u16,
    /// `SCTP_UNORDERED` and its fellows.
    pub snd_flags: u16,
    /// Protocol identifier, as the peer sees it.
    pub snd_ppid: u32,
    /// Comes back with what failed.
    pub snd_context: u32,
    /// Association.
    pub snd_assoc_id: sctp_assoc_t,
}

/// RFC 6458, 5.3.5.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_rcvinfo {
    /// Stream.
    pub rcv_sid: u16,
    /// Sequence number in the stream.
    pub rcv_ssn: u16,
    /// `SCTP_UNORDERED`.
    pub rcv_flags: u16,
    /// Protocol identifier, as the peer gave it.
    pub rcv_ppid: u32,
    /// Transmission sequence number.
    pub rcv_tsn: u32,
    /// The cumulative one.
    pub rcv_cumtsn: u32,
    /// The association's context.
    pub rcv_context: u32,
    /// Association.
    pub rcv_assoc_id: sctp_assoc_t,
}

/// RFC 6458, 5.3.6.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_nxtinfo {
    /// Stream.
    pub nxt_sid: u16,
    /// `SCTP_UNORDERED`, `SCTP_COMPLETE`, `SCTP_NOTIFICATION`.
    pub nxt_flags: u16,
    /// Protocol identifier, as the peer gave it.
    pub nxt_ppid: u32,
    /// Bytes that wait.
    pub nxt_length: u32,
    /// Association.
    pub nxt_assoc_id: sctp_assoc_t,
}

/// RFC 6458, 5.3.7.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_prinfo {
    /// `SCTP_PR_SCTP_TTL` and its fellows.
    pub pr_policy: u16,
    /// What the policy needs.
    pub pr_value: u32,
}

/// RFC 6458, 5.3.8.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_authinfo {
    /// Number of a shared key.
    pub auth_keynumber: u16,
}

/// RFC 6458, 9.12.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_sendv_spa {
    /// `SCTP_SEND_SNDINFO_VALID` and its fellows: which of these count.
    pub sendv_flags: u32,
    /// See there.
    pub sendv_sndinfo: sctp_sndinfo,
    /// See there.
    pub sendv_prinfo: sctp_prinfo,
    /// See there.
    pub sendv_authinfo: sctp_authinfo,
}

/// RFC 6458, 9.13.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct sctp_recvv_rn {
    /// See there.
    pub recvv_rcvinfo: sctp_rcvinfo,
    /// See there.
    pub recvv_nxtinfo: sctp_nxtinfo,
}

/// Of SCTP_SOCKOPT_CONNECTX3.
#[repr(C)]
pub(crate) struct sctp_getaddrs_old {
    pub(crate) assoc_id: sctp_assoc_t,
    /// In bytes.
    pub(crate) addr_num: c_int,
    pub(crate) addrs: *const libc::sockaddr,
}

/// Of SCTP_SOCKOPT_PEELOFF_FLAGS; that of SCTP_SOCKOPT_PEELOFF has no `flags`.
#[repr(C)]
pub(crate) struct sctp_peeloff_flags_arg_t {
    pub(crate) associd: sctp_assoc_t,
    pub(crate) sd: c_int,
    pub(crate) flags: c_int,
}
