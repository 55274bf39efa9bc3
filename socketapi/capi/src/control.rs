//! Control messages beside a message (RFC 6458, 5.3): building and finding them.

use core::ffi::c_int;
use core::mem::size_of;

use libc::{cmsghdr, msghdr};
use sctp_abi::constants::{SCTP_AUTHINFO, SCTP_PRINFO, SCTP_SNDINFO, SCTP_SNDRCV, SOL_SCTP};

use crate::structures::{
    sctp_authinfo, sctp_nxtinfo, sctp_prinfo, sctp_rcvinfo, sctp_sndinfo, sctp_sndrcvinfo,
};

const HEADER_LEN: usize = size_of::<cmsghdr>();
const ALIGNMENT: usize = size_of::<usize>();

/// Control messages that are to be sent.
#[derive(Default)]
pub(crate) struct Control(Vec<u8>);

impl Control {
    /// Adds one.
    pub(crate) fn push(&mut self, kind: c_int, value: &[u8]) {
        self.0.extend((HEADER_LEN + value.len()).to_ne_bytes());
        self.0.extend(SOL_SCTP.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
    }

    pub(crate) fn push_sndrcvinfo(&mut self, info: &sctp_sndrcvinfo) {
        let parts = [
            &info.sinfo_stream.to_ne_bytes()[..],
            &info.sinfo_ssn.to_ne_bytes(),
            &info.sinfo_flags.to_ne_bytes(),
            &[0; 2],
            &info.sinfo_ppid.to_ne_bytes(),
            &info.sinfo_context.to_ne_bytes(),
            &info.sinfo_timetolive.to_ne_bytes(),
            &info.sinfo_tsn.to_ne_bytes(),
            &info.sinfo_cumtsn.to_ne_bytes(),
            &info.sinfo_assoc_id.to_ne_bytes(),
        ];
        self.push(SCTP_SNDRCV, &parts.concat());
    }

    pub(crate) fn push_sndinfo(&mut self, info: &sctp_sndinfo) {
        let parts = [
            &info.snd_sid.to_ne_bytes()[..],
            &info.snd_flags.to_ne_bytes(),
            &info.snd_ppid.to_ne_bytes(),
            &info.snd_context.to_ne_bytes(),
            &info.snd_assoc_id.to_ne_bytes(),
        ];
        self.push(SCTP_SNDINFO, &parts.concat());
    }

    pub(crate) fn push_prinfo(&mut self, info: &sctp_prinfo) {
        let parts = [&info.pr_policy.to_ne_bytes()[..], &[0; 2], &info.pr_value.to_ne_bytes()];
        self.push(SCTP_PRINFO, &parts.concat());
    }

    pub(crate) fn push_authinfo(&mut self, info: &sctp_authinfo) {
        self.push(SCTP_AUTHINFO, &info.auth_keynumber.to_ne_bytes());
    }

    /// Puts them into a message. They must live as long as it is used.
    pub(crate) fn attach(&mut self, message: &mut msghdr) {
        if !self.0.is_empty() {
            message.msg_control = self.0.as_mut_ptr().cast();
            message.msg_controllen = self.0.len() as _;
        }
    }
}

/// What a control message holds.
pub(crate) trait Info: Sized {
    const KIND: c_int;

    /// The same, from the bytes of the structure.
    fn read(bytes: Bytes<'_>) -> Option<Self>;
}

/// The bytes of a structure, from the front.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_ne_bytes)
    }

    /// What the compiler leaves free behind three numbers of 16 bits.
    fn hole(&mut self) -> Option<[u8; 2]> {
        self.take()
    }
}

impl Info for sctp_sndrcvinfo {
    const KIND: c_int = SCTP_SNDRCV;

    fn read(mut bytes: Bytes<'_>) -> Option<Self> {
        Some(Self {
            sinfo_stream: bytes.u16()?,
            sinfo_ssn: bytes.u16()?,
            sinfo_flags: bytes.u16()?,
            sinfo_ppid: bytes.hole().and_then(|_| bytes.u32())?,
            sinfo_context: bytes.u32()?,
            sinfo_timetolive: bytes.u32()?,
            sinfo_tsn: bytes.u32()?,
            sinfo_cumtsn: bytes.u32()?,
            sinfo_assoc_id: bytes.i32()?,
        })
    }
}

impl Info for sctp_rcvinfo {
    const KIND: c_int = sctp_abi::constants::SCTP_RCVINFO;

    fn read(mut bytes: Bytes<'_>) -> Option<Self> {
        Some(Self {
            rcv_sid: bytes.u16()?,
            rcv_ssn: bytes.u16()?,
            rcv_flags: bytes.u16()?,
            rcv_ppid: bytes.hole().and_then(|_| bytes.u32())?,
            rcv_tsn: bytes.u32()?,
            rcv_cumtsn: bytes.u32()?,
            rcv_context: bytes.u32()?,
            rcv_assoc_id: bytes.i32()?,
        })
    }
}

impl Info for sctp_nxtinfo {
    const KIND: c_int = sctp_abi::constants::SCTP_NXTINFO;

    fn read(mut bytes: Bytes<'_>) -> Option<Self> {
        Some(Self {
            nxt_sid: bytes.u16()?,
            nxt_flags: bytes.u16()?,
            nxt_ppid: bytes.u32()?,
            nxt_length: bytes.u32()?,
            nxt_assoc_id: bytes.i32()?,
        })
    }
}

/// The control message of this kind, among those that were received.
pub(crate) fn find<T: Info>(mut control: &[u8]) -> Option<T> {
    loop {
        let (len, rest) = control.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let len = usize::from_ne_bytes(*len);
        if (c_int::from_ne_bytes(*level), c_int::from_ne_bytes(*kind)) == (SOL_SCTP, T::KIND) {
            return T::read(Bytes(rest.get(..len.checked_sub(HEADER_LEN)?)?));
        }
        control = control.get(len.max(HEADER_LEN).checked_next_multiple_of(ALIGNMENT)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_found_wherever_it_stands() {
        let sent =
            sctp_sndrcvinfo { sinfo_stream: 7, sinfo_ppid: 9, sinfo_assoc_id: -3, ..Default::default() };
        let mut control = Control::default();
        control.push_authinfo(&sctp_authinfo { auth_keynumber: 1 });
        control.push_sndrcvinfo(&sent);
        let found: sctp_sndrcvinfo = find(&control.0).unwrap();
        assert_eq!((found.sinfo_stream, found.sinfo_ppid, found.sinfo_assoc_id), (7, 9, -3));
        assert!(find::<sctp_rcvinfo>(&control.0).is_none());
    }

    #[test]
    fn lengths_that_lie_end_the_search() {
        for len in [0usize, 15, 17, usize::MAX] {
            let mut bytes = len.to_ne_bytes().to_vec();
            bytes.extend([0; 8]);
            assert!(find::<sctp_nxtinfo>(&bytes).is_none(), "{len}");
            bytes[8..12].copy_from_slice(&SOL_SCTP.to_ne_bytes());
            bytes[12..].copy_from_slice(&sctp_nxtinfo::KIND.to_ne_bytes());
            assert!(find::<sctp_nxtinfo>(&bytes).is_none(), "{len}");
        }
    }

    #[test]
    fn structures_are_as_long_as_those_of_c() {
        // RFC 6458's structures as Linux lays them out; `netinet/sctp.h` is compared with the same tables.
        let mut control = Control::default();
        control.push_sndrcvinfo(&sctp_sndrcvinfo::default());
        assert_eq!(control.0.len(), HEADER_LEN + size_of::<sctp_sndrcvinfo>());
        assert_eq!((size_of::<sctp_sndrcvinfo>(), size_of::<sctp_rcvinfo>()), (32, 28));
        assert_eq!((size_of::<sctp_sndinfo>(), size_of::<sctp_nxtinfo>()), (16, 16));
        assert_eq!((size_of::<sctp_prinfo>(), size_of::<sctp_authinfo>()), (8, 2));
    }
}
