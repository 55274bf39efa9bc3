//! From DATA chunks to messages (RFC 9260, 6.9).
//!
//! The fragments of a message have TSNs in a row, so what waits here are *runs*: stretches of one message
//! without a hole, that grow at both ends and merge. In order there is one run, and each fragment is
//! appended to it. Knows no SACK, and of streams only that a message belongs to one; I-DATA (RFC 8260),
//! whose fragments are numbered apart from the TSNs, gets a type of its own beside this one.
//!
//! Fragments that contradict each other end the association: see [`Violation`]. Payload protocol identifiers
//! may differ between fragments, no rule says otherwise: the first one's counts.

use bytes::Bytes;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::Violation;
use super::account::{CHUNK_OVERHEAD, Charge};
use crate::message::Message;
use crate::serial::Tsn;
use crate::wire::chunk::DataHeader;

/// A message in one piece, or a part of one, with what it costs to hold.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) charge: Charge,
}

/// A stretch of one message: fragments with TSNs in a row.
#[derive(Debug)]
struct Run {
    /// Header of the first fragment.
    first: DataHeader,
    /// TSN of the last fragment.
    last_tsn: Tsn,
    /// The last fragment has the E bit.
    end: bool,
    pieces: VecDeque<Bytes>,
    charge: Charge,
}

/// Twice the entry of a tree that may be half empty, the piece's place and two allocations: what a
/// fragment costs that never finds its neighbours must be charged.
const _: () =
    assert!(2 * (size_of::<u64>() + size_of::<Run>()) + size_of::<Bytes>() + 2 * 24 <= CHUNK_OVERHEAD);

impl Run {
    fn new(header: DataHeader, payload: Bytes, charge: Charge) -> Self {
        let pieces = VecDeque::from([payload]);
        Self { first: header, last_tsn: header.tsn, end: header.flags.end, pieces, charge }
    }

    fn is_complete(&self) -> bool {
        self.first.flags.begin && self.end
    }

    /// Appends the next fragment.
    fn push(&mut self, header: &DataHeader, payload: Bytes, charge: Charge) {
        self.charge.add(charge);
        self.last_tsn = header.tsn;
        self.end = header.flags.end;
        self.pieces.push_back(payload);
    }

    /// Appends the run behind this one. Moves the shorter of the two, so that no order of arrival is dear.
    fn append(&mut self, mut later: Self) {
        self.charge.add(later.charge);
        self.last_tsn = later.last_tsn;
        self.end = later.end;
        if self.pieces.len() >= later.pieces.len() {
            self.pieces.append(&mut later.pieces);
        } else {
            self.pieces.drain(..).rev().for_each(|piece| later.pieces.push_front(piece));
            self.pieces = later.pieces;
        }
    }

    fn into_held(self) -> Held {
        let payload = self.pieces.into_iter().collect();
        Held { message: message(&self.first, payload), charge: self.charge }
    }
}

/// 6.9: all fragments have the same stream, U flag and, if ordered, stream sequence number.
fn is_same_message(a: &DataHeader, b: &DataHeader) -> bool {
    a.stream_id == b.stream_id
        && a.flags.unordered == b.flags.unordered
        && (a.flags.unordered || a.ssn == b.ssn)
}

fn message(header: &DataHeader, payload: smallvec::SmallVec<[Bytes; 1]>) -> Message {
    let DataHeader { tsn, stream_id, ssn, ppid, flags } = *header;
    Message { stream_id, ssn, tsn, ppid, unordered: flags.unordered, payload }
}

/// Turns TSNs near each other into numbers that do not wrap, so that runs can be sorted.
#[derive(Debug)]
struct Unwrapper {
    last: (Tsn, u64),
}

impl Unwrapper {
    /// Begins at `tsn`, far enough from 0 that the numbers of earlier TSNs do not wrap.
    fn at(tsn: Tsn) -> Self {
        Self { last: (tsn, 1 << 40) }
    }

    /// The number of `tsn`, which lies within half of the number space of the one before.
    fn unwrap(&mut self, tsn: Tsn) -> u64 {
        let (last_tsn, last) = self.last;
        let step = tsn.distance_from(last_tsn).cast_signed();
        self.last = (tsn, last.wrapping_add_signed(step.into()));
        self.last.1
    }
}

/// Whether the neighbours of a TSN have arrived: a fragment next to them must fit to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours {
    pub(super) before: bool,
    pub(super) after: bool,
}

/// Fragments that wait for others.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// By the unwrapped TSN of the first fragment.
    runs: BTreeMap<u64, Run>,
    unwrapper: Unwrapper,
    max_message_size: usize,
}

impl Reassembly {
    pub(super) fn new(peer_initial_tsn: Tsn, max_message_size: usize) -> Self {
        Self { runs: BTreeMap::new(), unwrapper: Unwrapper::at(peer_initial_tsn), max_message_size }
    }

    /// Takes a chunk whose TSN is new; gives the message that it completes.
    pub(super) fn insert(
        &mut self,
        header: DataHeader,
        payload: Bytes,
        charge: Charge,
        neighbours: Neighbours,
    ) -> Result<Option<Held>, Violation> {
        if self.runs.is_empty() {
            if header.flags.begin && header.flags.end {
                let payload = smallvec::smallvec![payload];
                return self.checked(Held { message: message(&header, payload), charge }).map(Some);
            }
            // Whole messages pass by without a number: the last one can be far behind.
            self.unwrapper = Unwrapper::at(header.tsn);
        }
        let key = self.unwrapper.unwrap(header.tsn);
        let before = self.run_before(key, header.tsn);
        let after = self.runs.get(&key.wrapping_add(1)).map(|run| run.first);
        self.check_before(&header, before, neighbours.before)?;
        check_after(&header, after, neighbours.after)?;
        let later = match after {
            Some(after) if !after.flags.begin => self.runs.remove(&key.wrapping_add(1)),
            _ => None,
        };
        let key = before.filter(|_| !header.flags.begin).unwrap_or(key);
        let run = match self.runs.entry(key) {
            Entry::Occupied(earlier) => {
                let run = earlier.into_mut();
                run.push(&header, payload, charge);
                run
            }
            Entry::Vacant(place) => place.insert(Run::new(header, payload, charge)),
        };
        if let Some(later) = later {
            run.append(later);
        }
        if run.is_complete() {
            let whole = self.runs.remove(&key).map(Run::into_held);
            return whole.map(|held| self.checked(held)).transpose();
        }
        check_size(run.first.stream_id, &run.charge, self.max_message_size).map(|()| None)
    }

    /// Drops all fragments that wait; what they cost.
    pub(super) fn clear(&mut self) -> Charge {
        let mut charge = Charge::default();
        core::mem::take(&mut self.runs).values().for_each(|run| charge.add(run.charge));
        charge
    }

    /// Key of the run that ends right before `tsn`.
    fn run_before(&self, key: u64, tsn: Tsn) -> Option<u64> {
        let (&key, run) = self.runs.range(..key).next_back()?;
        (run.last_tsn.next() == tsn).then_some(key)
    }

    fn check_before(&self, header: &DataHeader, before: Option<u64>, arrived: bool) -> Result<(), Violation> {
        let before = before.and_then(|key| self.runs.get(&key));
        let fits = match before {
            // What came before is unfinished: this must go on with it.
            Some(run) if !run.end => !header.flags.begin && is_same_message(&run.first, header),
            // It is finished, or was never a fragment: this must begin.
            Some(_) => header.flags.begin,
            None => header.flags.begin || !arrived,
        };
        if fits { Ok(()) } else { Err(Violation::BadFragment { tsn: header.tsn }) }
    }

    fn checked(&self, held: Held) -> Result<Held, Violation> {
        check_size(held.message.stream_id, &held.charge, self.max_message_size).map(|()| held)
    }
}

fn check_size(stream_id: u16, charge: &Charge, max: usize) -> Result<(), Violation> {
    let len = charge.payload();
    if len > max { Err(Violation::MessageTooLarge { stream_id, len, max }) } else { Ok(()) }
}

fn check_after(header: &DataHeader, after: Option<DataHeader>, arrived: bool) -> Result<(), Violation> {
    let fits = match after {
        Some(after) if header.flags.end => after.flags.begin,
        Some(after) => !after.flags.begin && is_same_message(header, &after),
        None => header.flags.end || !arrived,
    };
    if fits { Ok(()) } else { Err(Violation::BadFragment { tsn: header.tsn }) }
}
