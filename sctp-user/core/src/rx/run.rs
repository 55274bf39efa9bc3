//! Fragments, and stretches of them: what DATA and I-DATA have in common once it is known how fragments are numbered.

use bytes::Bytes;
use std::collections::VecDeque;

use super::Violation;
use super::account::{CHUNK_OVERHEAD, Charge};
use crate::arrival::Arrival;
use crate::message::Message;
use crate::serial::{Fsn, Mid, Ssn, Tsn};
use crate::wire::chunk::{DataChunk, DataFlags, IDataChunk};

/// A message, or a fragment of one, as it came.
#[derive(Clone, Debug)]
pub struct Fragment {
    pub(super) head: Head,
    /// Its number in the message: I-DATA only.
    pub(super) fsn: Fsn,
    pub(super) flags: DataFlags,
    pub(super) payload: Bytes,
}

impl Fragment {
    /// Its TSN.
    pub fn tsn(&self) -> Tsn {
        self.head.tsn
    }

    /// Whether its message is delivered in no order.
    pub fn is_unordered(&self) -> bool {
        self.head.unordered
    }
}

/// What a fragment says of its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) tsn: Tsn,
    pub(super) stream_id: u16,
    pub(super) unordered: bool,
    /// The message's number in the stream; the SSN of DATA.
    pub(super) mid: Mid,
    pub(super) ppid: u32,
}

impl From<DataChunk> for Fragment {
    fn from(chunk: DataChunk) -> Self {
        let DataChunk { tsn, stream_id, ssn, ppid, flags, payload } = chunk;
        let head = Head { tsn, stream_id, unordered: flags.unordered, mid: Mid(ssn.0.into()), ppid };
        Self { head, fsn: Fsn(0), flags, payload }
    }
}

impl From<IDataChunk> for Fragment {
    fn from(chunk: IDataChunk) -> Self {
        let IDataChunk { header, payload } = chunk;
        let (tsn, stream_id, mid, flags) = (header.tsn, header.stream_id, header.mid, header.flags);
        let ppid = header.ppid().unwrap_or_default();
        let head = Head { tsn, stream_id, unordered: flags.unordered, mid, ppid };
        Self { head, fsn: header.fsn(), flags, payload }
    }
}

impl Head {
    /// RFC 9260, 6.9: all fragments have the same stream, U flag and, if ordered, stream sequence number.
    pub(super) fn is_same_message(&self, other: &Self) -> bool {
        self.stream_id == other.stream_id
            && self.unordered == other.unordered
            && (self.unordered || self.mid == other.mid)
    }

    #[inline]
    fn message(&self, payload: smallvec::SmallVec<[Bytes; 1]>) -> Message {
        let Self { tsn, stream_id, unordered, mid, ppid } = *self;
        Message { stream_id, ssn: Ssn::of_mid(mid), mid, tsn, ppid, unordered, end_of_record: true, payload }
    }
}

/// A message in one piece, or a part of one, with what it costs to hold.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) charge: Charge,
    /// Where it stands among all that came, once it is for the reader.
    pub(super) arrival: Arrival,
    /// It is handed over in pieces, and this is one of them.
    pub(super) is_piece: bool,
    /// TSN of the last fragment, if those of all fragments are in a row.
    pub(super) last_tsn: Option<Tsn>,
}

impl Held {
    /// A message that came in one chunk.
    #[inline]
    pub(super) fn whole(
        fragment: Fragment,
        charge: Charge,
        max_message_size: usize,
    ) -> Result<Self, Violation> {
        check_size(fragment.head.stream_id, charge.payload(), max_message_size)?;
        let last_tsn = Some(fragment.head.tsn);
        let message = fragment.head.message(smallvec::smallvec![fragment.payload]);
        Ok(Self { message, charge, arrival: Arrival::default(), is_piece: false, last_tsn })
    }

    /// Takes in the piece behind this one.
    pub(super) fn append(&mut self, later: Self) {
        self.charge.add(later.charge);
        self.message.payload.extend(later.message.payload);
        self.message.end_of_record = later.message.end_of_record;
    }
}

/// A stretch of one message: fragments with numbers in a row, whatever numbers those are.
#[derive(Debug)]
pub(super) struct Run {
    /// What the first fragment said.
    pub(super) head: Head,
    /// The first fragment has the B bit.
    pub(super) begin: bool,
    /// The last fragment has the E bit.
    pub(super) end: bool,
    /// Number of the last fragment.
    pub(super) last: u64,
    /// Bytes that were handed over before all has come: what is left of the run is a place for what follows.
    handed_over: usize,
    pieces: VecDeque<Bytes>,
    charge: Charge,
}

/// Twice the entry of a tree that may be half empty, the piece's place and two allocations: what a
/// fragment costs that never finds its neighbours must be charged.
const _: () =
    assert!(2 * (2 * size_of::<u64>() + size_of::<Run>()) + size_of::<Bytes>() + 2 * 24 <= CHUNK_OVERHEAD);

impl Run {
    pub(super) fn new(number: u64, fragment: Fragment, charge: Charge) -> Self {
        let Fragment { head, flags, payload, .. } = fragment;
        let pieces = VecDeque::from([payload]);
        Self { head, begin: flags.begin, end: flags.end, last: number, handed_over: 0, pieces, charge }
    }

    /// TSN of the last fragment, if all have TSNs in a row; `first` is the number of the first one.
    pub(super) fn last_tsn(&self, first: u64) -> Tsn {
        self.head.tsn.plus(self.last.wrapping_sub(first) as u32)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.begin && self.end
    }

    /// Appends the next fragment.
    pub(super) fn push(&mut self, number: u64, fragment: Fragment, charge: Charge) {
        self.charge.add(charge);
        self.last = number;
        self.end = fragment.flags.end;
        self.pieces.push_back(fragment.payload);
    }

    /// Appends the run behind this one. Moves the shorter of the two, so that no order of arrival is dear.
    pub(super) fn append(&mut self, mut later: Self) {
        self.charge.add(later.charge);
        self.last = later.last;
        self.end = later.end;
        if self.pieces.len() >= later.pieces.len() {
            self.pieces.append(&mut later.pieces);
        } else {
            self.pieces.drain(..).rev().for_each(|piece| later.pieces.push_front(piece));
            self.pieces = later.pieces;
        }
    }

    pub(super) fn check_size(&self, max_message_size: usize) -> Result<(), Violation> {
        check_size(self.head.stream_id, self.len(), max_message_size)
    }

    /// Bytes of the message that it holds or held.
    pub(super) fn len(&self) -> usize {
        self.handed_over + self.charge.payload()
    }

    /// Whether it is handed over as it comes.
    pub(super) fn is_open(&self) -> bool {
        self.handed_over > 0
    }

    /// Takes out what it holds, to be handed over. The run stays, and is charged for as the place of one chunk.
    pub(super) fn take_piece(&mut self) -> Option<Held> {
        if self.pieces.is_empty() {
            return None;
        }
        self.handed_over = self.len();
        let charge = core::mem::replace(&mut self.charge, Charge::PLACE).without_place();
        let pieces = core::mem::take(&mut self.pieces);
        let message = Message { end_of_record: false, ..self.head.message(pieces.into_iter().collect()) };
        Some(Held { message, charge, arrival: Arrival::default(), is_piece: true, last_tsn: None })
    }

    pub(super) fn into_held(self) -> Held {
        let (charge, is_piece) = (self.charge, self.is_open());
        let message = self.head.message(self.pieces.into_iter().collect());
        Held { message, charge, arrival: Arrival::default(), is_piece, last_tsn: None }
    }
}

/// What was thrown away.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) charge: Charge,
    /// Messages of which something was handed over, and how much.
    pub(super) open: Vec<(Head, usize)>,
}

impl Dropped {
    pub(super) fn add(&mut self, run: &Run) {
        self.charge.add(run.charge);
        if run.is_open() {
            self.open.push((run.head, run.handed_over));
        }
    }

    pub(super) fn of(runs: impl Iterator<Item = Run>) -> Self {
        let mut dropped = Self::default();
        runs.for_each(|run| dropped.add(&run));
        dropped
    }
}

fn check_size(stream_id: u16, len: usize, max: usize) -> Result<(), Violation> {
    if len > max { Err(Violation::MessageTooLarge { stream_id, len, max }) } else { Ok(()) }
}
