//! Messages with information that go through the pair, with a head in front of them, and what that takes: room that lasts as long as
//! the call, in which there is nothing to drop (see `cancel`).

use core::mem::size_of;
use core::ptr;

use libc::{CMSG_LEN, IPPROTO_SCTP, cmsghdr, iovec};
use sctp_descriptors::{Head, Marker};

use crate::parts::Parts;

/// Messages of more pieces go by command.
const MOST_PARTS: usize = 8;

/// Types of control messages.
const SCTP_SNDRCV: i32 = 1;
const SCTP_SNDINFO: i32 = 2;

/// Flags that are of the message only.
const SCTP_UNORDERED: u16 = 1;
const SCTP_SACK_IMMEDIATELY: u16 = 1 << 3;

/// A headed record, if there is one.
pub(crate) struct Headed {
    stream: u16,
    head: [u8; Head::LEN],
    parts: [iovec; 1 + MOST_PARTS],
    /// How many of them there are; 0: there is no such record.
    count: usize,
}

impl Headed {
    pub(crate) const NONE: Self = Self {
        stream: 0,
        head: [0; Head::LEN],
        parts: [iovec { iov_base: ptr::null_mut(), iov_len: 0 }; 1 + MOST_PARTS],
        count: 0,
    };

    /// Makes the record of a message with these control messages, if a head says what they say. The kernel gets it from here: it is not to
    /// move afterwards.
    pub(crate) fn make(&mut self, control: &[u8], parts: Parts<'_>, marker: &Marker) {
        self.count = 0;
        let payload = parts.as_slice();
        let Some(places) = self.parts.get_mut(1..=payload.len()) else { return };
        let Some(head) = read(control) else { return };
        places.copy_from_slice(payload);
        self.stream = head.stream;
        self.head = head.to_bytes(marker);
        self.parts[0] = iovec { iov_base: self.head.as_mut_ptr().cast(), iov_len: Head::LEN };
        self.count = 1 + payload.len();
    }

    /// Stream and record, if there is one.
    pub(crate) fn record(&self) -> Option<(u16, &[iovec])> {
        let parts = self.parts.get(..self.count)?;
        (!parts.is_empty()).then_some((self.stream, parts))
    }
}

/// What the control messages say, if it is no more than a head can: one message, whose flags are about nothing but the message (RFC 6458,
/// 5.3.2 and 5.3.4). Which association it names means nothing on one-to-one sockets.
fn read(control: &[u8]) -> Option<Head> {
    const SNDRCV_LEN: usize = 32;
    const SNDINFO_LEN: usize = 16;
    if control.len() < size_of::<cmsghdr>() {
        return None;
    }
    // SAFETY: so many bytes are there, and any are a header.
    let header = unsafe { control.as_ptr().cast::<cmsghdr>().read_unaligned() };
    // SAFETY: it has no conditions.
    let data = control.get(unsafe { CMSG_LEN(0) } as usize..)?;
    // Of another type with musl.
    let length: usize = header.cmsg_len as _;
    if header.cmsg_level != IPPROTO_SCTP || length != control.len() {
        return None;
    }
    match (header.cmsg_type, data.len()) {
        (SCTP_SNDINFO, SNDINFO_LEN) => head([number(data, 0)?, number(data, 2)?], data, 4),
        // No time to live.
        (SCTP_SNDRCV, SNDRCV_LEN) if long(data, 16)? == 0 => {
            head([number(data, 0)?, number(data, 4)?], data, 8)
        }
        _ => None,
    }
}

/// Of stream and flags, and of PPID and context, which are behind each other from `at` on.
fn head([stream, flags]: [u16; 2], data: &[u8], at: usize) -> Option<Head> {
    let is_simple = flags & !(SCTP_UNORDERED | SCTP_SACK_IMMEDIATELY) == 0;
    let head = Head {
        stream,
        unordered: flags & SCTP_UNORDERED != 0,
        sack_immediately: flags & SCTP_SACK_IMMEDIATELY != 0,
        ppid: u32::from_be(long(data, at)?),
        context: long(data, at + 4)?,
    };
    is_simple.then_some(head)
}

fn number(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

fn long(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests;
