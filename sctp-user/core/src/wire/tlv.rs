//! Walks what parameters and error causes have in common: a 16-bit code, a 16-bit length that
//! counts the four bytes of both but no padding, a value, and padding to four bytes.

use super::padding;
use super::read::{Reader, tail};
use bytes::Bytes;

/// Bytes of a parameter's or cause's code and length.
pub(super) const TLV_HEADER_LEN: usize = 4;

/// The largest value that a 16-bit length allows.
const MAX_VALUE_LEN: usize = u16::MAX as usize - TLV_HEADER_LEN;

/// A parameter or error cause whose length field cannot be right. The walk ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlvLengthError {
    /// Fewer than four bytes are left.
    #[error("{available} bytes left: too few for a type and a length")]
    TruncatedHeader {
        /// Bytes left.
        available: usize,
    },
    /// The length does not count its own header, or points behind the end.
    #[error("type {code:#06x} gives its length as {length}, with {available} bytes left")]
    BadLength {
        /// The type or cause code.
        code: u16,
        /// What the length field says.
        length: u16,
        /// Bytes left, the header among them.
        available: usize,
    },
}

/// One element as found.
pub(super) struct Tlv {
    pub(super) code: u16,
    pub(super) value: Bytes,
    /// Header and value, without padding.
    pub(super) whole: Bytes,
}

/// Iterator over the elements in `rest`; it ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct Tlvs {
    rest: Bytes,
}

impl Tlvs {
    pub(super) const fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    /// RFC 4895, 3.1, 3.3.
    fn take(&mut self) -> Result<Tlv, TlvLengthError> {
        let available = self.rest.len();
        let mut header = Reader::new(&self.rest);
        let (Some(code), Some(length)) = (header.u16(), header.u16()) else {
            return Err(TlvLengthError::TruncatedHeader { available });
        };
        let len = usize::from(length);
        if len < TLV_HEADER_LEN || len > available {
            return Err(TlvLengthError::BadLength { code, length, available });
        }
        let whole = self.rest.split_to(len);
        // RFC 9260, 3.2: the padding of the last one belongs to the chunk and is not counted.
        self.rest = tail(&self.rest, padding(len));
        Ok(Tlv { code, value: tail(&whole, TLV_HEADER_LEN), whole })
    }
}

impl Iterator for Tlvs {
    type Item = Result<Tlv, TlvLengthError>;

    /// RFC 9260, 3.2.1.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.take();
        if item.is_err() {
            self.rest = Bytes::new();
        }
        Some(item)
    }
}

/// Appends one element to `out`, with padding before it but not behind it: the last one's padding
/// is not counted in the length of the chunk around it (RFC 9260, 3.2).
///
/// `start` is where the row of elements starts in `out`; `value` writes the value. A value too
/// long for the length field is cut at the largest one that fits.
/// RFC 9260, 3.2.1.
/// RFC 4895, 3.1, 3.3.
pub(super) fn append(out: &mut Vec<u8>, start: usize, code: u16, value: impl FnOnce(&mut Vec<u8>)) {
    let written = out.len().saturating_sub(start);
    out.resize(out.len() + padding(written), 0);
    out.extend_from_slice(&code.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 2]);
    let value_at = out.len();
    value(out);
    out.truncate(value_at + MAX_VALUE_LEN);
    let length = u16::try_from(out.len() - value_at + TLV_HEADER_LEN).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(length_at..value_at) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
