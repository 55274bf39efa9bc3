//! Pieces of the program's memory that make up one message: `struct iovec`.

use core::ffi::c_int;
use core::ffi::c_void;

use libc::iovec;
use sctp_descriptors::{Marker, Token};

use crate::memory;

/// As the kernel has it (`UIO_MAXIOV`).
const MAX_PARTS: usize = 1_024;

/// Pieces of the program's memory, valid for as long as the call lasts.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a>(&'a [iovec]);

/// No call of the kernel does more at a time (`MAX_RW_COUNT`).
const MAX_LEN: usize = 0x7fff_f000;

/// One piece.
pub(crate) fn one(base: *const c_void, length: usize) -> [iovec; 1] {
    [iovec { iov_base: base.cast_mut(), iov_len: length.min(MAX_LEN) }]
}

impl<'a> Parts<'a> {
    /// # Safety
    /// Each piece is valid for its length, for what is done with it here; null pieces have none.
    pub(crate) unsafe fn new(parts: &'a [iovec]) -> Self {
        Self(parts)
    }

    /// As C gives them. The errors are the kernel's, and `too_many` is the one of more than there may be: calls differ in that.
    ///
    /// # Safety
    /// `first` is valid for `count` pieces, and these as [`new`](Self::new) has it.
    pub(crate) unsafe fn from_c(first: *const iovec, count: usize, too_many: c_int) -> Result<Self, c_int> {
        if count == 0 {
            return Ok(Self(&[]));
        }
        if count > MAX_PARTS {
            return Err(too_many);
        }
        memory::check(first)?;
        // SAFETY: the caller's promise.
        let parts = Self(unsafe { core::slice::from_raw_parts(first, count) });
        let mut length = 0usize;
        for part in parts.0 {
            isize::try_from(part.iov_len).map_err(|_| libc::EINVAL)?;
            memory::check_range(part.iov_base, part.iov_len)?;
            // Where it does not fail there is not so much memory.
            length = length.checked_add(part.iov_len).ok_or(libc::EFAULT)?;
        }
        Ok(parts)
    }

    /// EFAULT if a piece is where nothing can be.
    pub(crate) fn check(self) -> Result<(), c_int> {
        self.0.iter().try_for_each(|part| memory::check_range(part.iov_base, part.iov_len))
    }

    pub(crate) fn len(self) -> usize {
        self.0.iter().map(|part| part.iov_len).sum()
    }

    /// For the kernel.
    pub(crate) fn as_slice(self) -> &'a [iovec] {
        self.0
    }

    /// What is behind the first `skipped` bytes.
    pub(crate) fn behind(self, mut skipped: usize) -> Vec<iovec> {
        let mut rest = Vec::with_capacity(self.0.len());
        for part in self.0 {
            let step = skipped.min(part.iov_len);
            skipped -= step;
            let base = part.iov_base.cast::<u8>().wrapping_add(step);
            rest.push(iovec { iov_base: base.cast(), iov_len: part.iov_len - step });
        }
        rest
    }

    /// Whether the first `length` bytes are the marker's first.
    pub(crate) fn start_with(self, marker: &Marker, length: usize) -> bool {
        let mut wanted = marker.get(..length).unwrap_or(marker);
        for part in self.0 {
            let (here, rest) = wanted.split_at(part.iov_len.min(wanted.len()));
            // SAFETY: the promise of `new`; no more than the piece has.
            if unsafe { bytes(part, here.len()) } != here {
                return false;
            }
            wanted = rest;
        }
        wanted.is_empty()
    }

    /// Their first bytes, at most so many.
    pub(crate) fn copy_out(self, limit: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(limit.min(self.len()));
        for part in self.0 {
            let length = part.iov_len.min(limit - all.len());
            // SAFETY: the promise of `new`; no more than the piece has.
            all.extend_from_slice(unsafe { bytes(part, length) });
        }
        all
    }

    /// As many of their first bytes as a token has; zeros behind fewer.
    pub(crate) fn first_bytes(self) -> [u8; Token::LEN] {
        let mut first = [0; Token::LEN];
        let mut room = &mut first[..];
        for part in self.0 {
            let (here, rest) = room.split_at_mut(part.iov_len.min(room.len()));
            // SAFETY: the promise of `new`; no more than the piece has.
            here.copy_from_slice(unsafe { bytes(part, here.len()) });
            room = rest;
        }
        first
    }

    /// Copies as much as there is room for to them.
    pub(crate) fn copy_in(self, mut source: &[u8]) -> usize {
        let all = source.len();
        for part in self.0 {
            let (here, rest) = source.split_at(part.iov_len.min(source.len()));
            if !here.is_empty() {
                // SAFETY: the promise of `new`; no more than the piece has, and the program's memory is not ours.
                unsafe {
                    core::ptr::copy_nonoverlapping(here.as_ptr(), part.iov_base.cast::<u8>(), here.len())
                };
            }
            source = rest;
        }
        all - source.len()
    }
}

/// # Safety
/// The piece is valid for `length` bytes.
unsafe fn bytes(part: &iovec, length: usize) -> &[u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(part.iov_base.cast::<u8>(), length) }
}

#[cfg(test)]
mod tests;
