//! `getsockopt` and `setsockopt` at level SOL_SCTP (RFC 6458, 8): bytes in, bytes out.
//!
//! [`TABLE`] has a row for each option of Linux: number, name, scope, which lengths it takes, and the functions that
//! do it on a [`Target`]. Those are in one file for each family of options:
//!
//! | file | options |
//! |---|---|
//! | `flags` | numbers of the socket as a whole |
//! | `protocol` | time-outs, limits, INIT, delayed SACK |
//! | `sending` | what sends use that say nothing themselves; contexts |
//! | `events` | notifications |
//! | `authentication` | chunks, keys, algorithms |
//! | `paths`, `thresholds` | one address of the peer, or all |
//! | `status` | what can only be read |
//! | `features` | which extensions are offered, or in use |
//! | `streams` | re-configuration, schedulers |
//! | `addresses` | what libsctp's functions do through options |
//! | `ip` | what the headers of IP say: options at other levels |
//! | `scope` | which associations and paths an option means |
//!
//! # Lengths
//!
//! As on Linux, each option has its own rule ([`Size`]): most of those that are read take a buffer that is longer, and
//! report the structure's length; most of those that are written want exactly it. Wrong lengths are EINVAL. Where
//! Linux looks at something else first, so does the row (`first`).

mod addresses;
mod authentication;
mod events;
mod features;
mod flags;
mod ip;
mod numbers;
mod paths;
mod protocol;
pub(crate) mod scope;
mod sending;
mod status;
mod streams;
mod table;
#[cfg(test)]
mod tests;
mod thresholds;

pub use flags::MAX_AUTOCLOSE;
pub use ip::{get_ip, set_ip};
pub use table::TABLE;

pub(crate) use protocol::apply_init;
pub(crate) use sending::reliability;

use crate::errno::Errno;
use crate::layout::{Record, View};
use crate::target::Target;

/// What `getsockopt` gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What to write to the program's buffer; it fits.
    pub bytes: Vec<u8>,
    /// The length to report. For some options that is not the one of the bytes, as on Linux: what is beyond them in the
    /// buffer stays.
    pub len: usize,
    /// A set-up has begun: the call fails with EINPROGRESS on a socket that may not wait, but reports `bytes` all the
    /// same. Else it waits first.
    pub begun: bool,
    /// A new socket goes with the answer. Its descriptor belongs into the bytes, as an `int` at this offset, and is what
    /// `getsockopt` returns.
    pub descriptor_at: Option<usize>,
}

impl From<Record> for Answer {
    fn from(record: Record) -> Self {
        let bytes = record.into_bytes();
        Self { len: bytes.len(), bytes, begun: false, descriptor_at: None }
    }
}

/// What `setsockopt` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it: it returns 0.
    Done,
    /// A set-up has begun: it fails with EINPROGRESS on a socket that may not wait; else it waits, and returns this
    /// (`sctp_connectx`).
    Begun(i32),
}

/// What a program asks for by `getsockopt`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// What its buffer holds.
    pub(crate) view: View<'a>,
    /// The length of the buffer.
    pub(crate) room: usize,
}

type Get = fn(&mut dyn Target, Asked<'_>) -> Result<Answer, Errno>;
type Set = fn(&mut dyn Target, View<'_>) -> Result<Outcome, Errno>;
type Check = fn(&dyn Target) -> Result<(), Errno>;

/// Which lengths an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// One of these only.
    Exactly(&'static [usize]),
    /// This one and all that are longer.
    AtLeast(usize),
    /// The first one, or the second one and all that are longer.
    Either(usize, usize),
    /// All up to this one.
    AtMost(usize),
}

impl Size {
    /// Whether this is one of them.
    pub fn allows(self, len: usize) -> bool {
        match self {
            Self::Exactly(sizes) => sizes.contains(&len),
            Self::AtLeast(least) => len >= least,
            Self::Either(one, least) => len == one || len >= least,
            Self::AtMost(most) => len <= most,
        }
    }
}

/// What an option is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The socket.
    Endpoint,
    /// An association, or those to come (SCTP_FUTURE_ASSOC).
    AssociationOrFuture,
    /// The same, and when set also all that there are (SCTP_CURRENT_ASSOC), or all of these (SCTP_ALL_ASSOC).
    Several,
    /// An association.
    Association,
    /// A path, or all paths of an association, or those to come.
    Path,
}

/// An option.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its number.
    pub number: i32,
    /// Its name in C.
    pub name: &'static str,
    /// What it is of.
    pub scope: Scope,
    /// What is said to who reads an option that can be written only.
    unreadable: Errno,
    read: Option<Access<Get>>,
    write: Option<Access<Set>>,
}

#[derive(Clone, Copy)]
struct Access<F> {
    size: Size,
    first: Option<Check>,
    act: F,
}

impl<F> Access<F> {
    fn check(&self, target: &dyn Target, len: usize) -> Result<(), Errno> {
        self.first.map_or(Ok(()), |first| first(target))?;
        if self.size.allows(len) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl Row {
    const fn new(number: i32, name: &'static str, scope: Scope) -> Self {
        Self { number, name, scope, unreadable: Errno::ENOPROTOOPT, read: None, write: None }
    }

    const fn unreadable(mut self, errno: Errno) -> Self {
        self.unreadable = errno;
        self
    }

    const fn read(mut self, size: Size, act: Get) -> Self {
        self.read = Some(Access { size, first: None, act });
        self
    }

    const fn write(mut self, size: Size, act: Set) -> Self {
        self.write = Some(Access { size, first: None, act });
        self
    }

    const fn read_after(mut self, first: Check, size: Size, act: Get) -> Self {
        self.read = Some(Access { size, first: Some(first), act });
        self
    }

    const fn write_after(mut self, first: Check, size: Size, act: Set) -> Self {
        self.write = Some(Access { size, first: Some(first), act });
        self
    }

    /// The lengths that it can be read with; `None` if it cannot be read.
    pub fn read_size(&self) -> Option<Size> {
        self.read.map(|access| access.size)
    }

    /// The lengths that it can be written with; `None` if it cannot be written.
    pub fn write_size(&self) -> Option<Size> {
        self.write.map(|access| access.size)
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.number)
    }
}

/// The row of an option.
pub fn row(number: i32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.number == number)
}

/// Does a `getsockopt`. `input` is what the program's buffer holds, or enough of its beginning; `room` is the buffer's length.
/// For [`SCTP_SOCKOPT_CONNECTX3`](crate::constants::SCTP_SOCKOPT_CONNECTX3), which has a pointer to addresses in its
/// structure, these addresses follow the structure in `input`.
///
/// # Errors
/// ENOPROTOOPT for an option that does not exist or cannot be read, EINVAL for a wrong length, and what the option says.
pub fn get(target: &mut dyn Target, number: i32, input: &[u8], room: usize) -> Result<Answer, Errno> {
    let row = row(number).ok_or(Errno::ENOPROTOOPT)?;
    let access = row.read.ok_or(row.unreadable)?;
    access.check(target, room)?;
    (access.act)(target, Asked { view: View(input), room })
}

/// Does a `setsockopt`.
///
/// # Errors
/// As [`get`].
pub fn set(target: &mut dyn Target, number: i32, input: &[u8]) -> Result<Outcome, Errno> {
    let access = row(number).and_then(|row| row.write).ok_or(Errno::ENOPROTOOPT)?;
    access.check(target, input.len())?;
    (access.act)(target, View(input))
}
