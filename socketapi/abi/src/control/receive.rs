//! What a receiver is told of a message (RFC 6458, 5.3.2, 5.3.5 and 5.3.6).

use sctp_core::event::AssociationId;
use sctp_core::message::Message;

use super::{ALIGNMENT, header};
use crate::constants::*;
use crate::layout::{Network, Record};
use crate::settings::Settings;
use crate::structures::cmsghdr;
use crate::structures::sctp_nxtinfo::{self, *};
use crate::structures::sctp_rcvinfo::{self, *};
use crate::structures::sctp_sndrcvinfo::{self, *};

/// What is read next, if it is there already (5.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Number of its association.
    pub number: i32,
    /// It is a notification.
    pub notification: bool,
    /// Stream.
    pub stream: u16,
    /// It was sent unordered.
    pub unordered: bool,
    /// Payload protocol identifier, as a number.
    pub ppid: u32,
    /// Bytes of it that are there.
    pub len: u32,
}

/// A message that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Its association.
    pub association: AssociationId,
    /// The number of that.
    pub number: i32,
    /// The message, or a piece of it.
    pub message: &'a Message,
    /// Up to which TSN everything has come ([`Association::cumulative_tsn`]); shown with unordered messages only.
    ///
    /// [`Association::cumulative_tsn`]: sctp_core::association::Association::cumulative_tsn
    pub cumulative_tsn: u32,
}

/// A buffer of control messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What to write to the program's buffer; it fits.
    pub bytes: Vec<u8>,
    /// Not everything had room (MSG_CTRUNC).
    pub truncated: bool,
    room: usize,
}

/// What comes with a message: as the socket asked for (`SCTP_RECVNXTINFO`, `SCTP_RECVRCVINFO`, SCTP_DATA_IO_EVENT), in Linux's
/// order. With a notification, for which `arrived` is `None`, comes what is known of the next item only. `room` is the
/// length of the program's buffer.
pub fn received(
    settings: &Settings,
    arrived: Option<&Arrived<'_>>,
    next: Option<&Next>,
    room: usize,
) -> Control {
    let mut control = Control { bytes: Vec::new(), truncated: false, room };
    if let Some(next) = next.filter(|_| settings.nxtinfo) {
        control.put(SCTP_NXTINFO, nxtinfo(next));
    }
    let Some(arrived) = arrived else { return control };
    let context = settings.of(Some(arrived.association)).receive_context;
    if settings.rcvinfo {
        control.put(SCTP_RCVINFO, rcvinfo(arrived, context));
    }
    if settings.future.events.contains(SCTP_DATA_IO_EVENT) {
        control.put(SCTP_SNDRCV, sndrcvinfo(arrived, context));
    }
    control
}

fn flags(unordered: bool) -> u16 {
    if unordered { SCTP_UNORDERED } else { 0 }
}

/// Ordered messages have a number in their stream; that of unordered ones means nothing.
fn ssn(message: &Message) -> u16 {
    if message.unordered { 0 } else { message.ssn.0 }
}

fn nxtinfo(next: &Next) -> Record {
    let notification = if next.notification { SCTP_NOTIFICATION } else { 0 };
    Record::new(sctp_nxtinfo::SIZE)
        .set(nxt_sid, next.stream)
        .set(nxt_flags, flags(next.unordered) | notification)
        .set(nxt_ppid, Network(next.ppid))
        .set(nxt_length, next.len)
        .set(nxt_assoc_id, next.number)
}

/// Valid with unordered messages only (5.3.5).
fn cumulative_tsn(arrived: &Arrived<'_>) -> u32 {
    if arrived.message.unordered { arrived.cumulative_tsn } else { 0 }
}

fn rcvinfo(arrived: &Arrived<'_>, context: u32) -> Record {
    let message = arrived.message;
    Record::new(sctp_rcvinfo::SIZE)
        .set(rcv_sid, message.stream_id)
        .set(rcv_ssn, ssn(message))
        .set(rcv_flags, flags(message.unordered))
        .set(rcv_ppid, Network(message.ppid))
        .set(rcv_tsn, message.tsn.0)
        .set(rcv_cumtsn, cumulative_tsn(arrived))
        .set(rcv_context, context)
        .set(rcv_assoc_id, arrived.number)
}

fn sndrcvinfo(arrived: &Arrived<'_>, context: u32) -> Record {
    let message = arrived.message;
    Record::new(sctp_sndrcvinfo::SIZE)
        .set(sinfo_stream, message.stream_id)
        .set(sinfo_ssn, ssn(message))
        .set(sinfo_flags, flags(message.unordered))
        .set(sinfo_ppid, Network(message.ppid))
        .set(sinfo_context, context)
        .set(sinfo_tsn, message.tsn.0)
        .set(sinfo_cumtsn, cumulative_tsn(arrived))
        .set(sinfo_assoc_id, arrived.number)
}

impl Control {
    /// Adds a message, or what there is room for, as the kernel does: its length is then the shorter one.
    fn put(&mut self, kind: i32, data: Record) {
        let data = data.into_bytes();
        let left = self.room - self.bytes.len();
        self.truncated |= left < cmsghdr::SIZE + data.len();
        let Some(space) = left.checked_sub(cmsghdr::SIZE) else { return };
        let data = data.get(..space).unwrap_or(&data);
        self.bytes.extend(header(kind, data.len()).with_tail(data).into_bytes());
        let padded = self.bytes.len().next_multiple_of(ALIGNMENT).min(self.room);
        self.bytes.resize(padded, 0);
    }
}
