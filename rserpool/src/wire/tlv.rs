//! Reading and writing of fixed fields and of type-length-value items.

use bytes::Bytes;

use super::{EncodeError, Format, ParamType, ParseError};
use crate::PoolHandle;

const HEADER_LEN: usize = 4;

/// `len` rounded up to a multiple of four.
pub(super) const fn padded(len: usize) -> usize {
    len.div_ceil(4) * 4
}

/// A cursor over received bytes. It never panics, and it never reads past the end.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], ParseError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ParseError::Truncated { what })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ParseError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(ParseError::Truncated { what })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, ParseError> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, ParseError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// The next item, or none at the end. The padding after the last item may be missing: RFC 5354 does not count it
    /// in the length of the message, RSPLIB does.
    pub(super) fn tlv(&mut self, what: &'static str) -> Result<Option<Tlv<'a>>, ParseError> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut header = *self;
        let kind = header.u16(what)?;
        let length = usize::from(header.u16(what)?);
        if length < HEADER_LEN {
            return Err(ParseError::BadLength { what, length });
        }
        let whole = self.take(length, what)?;
        let padding = (padded(length) - length).min(self.rest.len());
        self.take(padding, what)?;
        let value = whole.get(HEADER_LEN..).unwrap_or_default();
        Ok(Some(Tlv { kind, value, whole }))
    }
}

/// One type-length-value item: a parameter or an error cause.
#[derive(Clone, Copy)]
pub(super) struct Tlv<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl Tlv<'_> {
    pub(super) fn param(&self) -> ParamType {
        ParamType(self.kind)
    }

    pub(super) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.whole)
    }

    pub(super) fn invalid_value(&self) -> ParseError {
        ParseError::InvalidValue { param: self.param(), tlv: self.to_bytes() }
    }
}

/// Type, flags and body of a message, after its length is checked.
pub(super) struct Header<'a> {
    pub(super) message_type: u8,
    pub(super) flags: u8,
    pub(super) body: Reader<'a>,
}

impl Header<'_> {
    pub(super) fn flag(&self, bit: u8) -> bool {
        self.flags & bit != 0
    }
}

/// Splits a message into header and body. The length may count the final padding or not, and the padding itself may
/// be missing (RFC 5354, 4: the receiver ignores it).
pub(super) fn split_message(message: &[u8]) -> Result<Header<'_>, ParseError> {
    let mut reader = Reader::new(message);
    let [message_type, flags] = reader.array("message header")?;
    let length = usize::from(reader.u16("message header")?);
    let wrong_length = ParseError::BadLength { what: "message", length };
    if length < HEADER_LEN || padded(length) != padded(message.len()) {
        return Err(wrong_length);
    }
    let end = length.min(message.len());
    let body = message.get(HEADER_LEN..end).ok_or(wrong_length)?;
    Ok(Header { message_type, flags, body: Reader::new(body) })
}

/// Builds one message; lengths are filled in as items end.
pub(super) struct Writer<'f> {
    buf: Vec<u8>,
    format: &'f Format,
    error: Option<EncodeError>,
}

impl<'f> Writer<'f> {
    pub(super) fn message(message_type: u8, flags: u8, format: &'f Format) -> Self {
        let mut buf = Vec::with_capacity(128);
        buf.extend([message_type, flags, 0, 0]);
        Self { buf, format, error: None }
    }

    /// A writer of bare items, for the contents of error causes.
    pub(super) fn items(format: &'f Format) -> Self {
        Self { buf: Vec::new(), format, error: None }
    }

    pub(super) fn format(&self) -> &'f Format {
        self.format
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.buf.extend_from_slice(bytes);
        self
    }

    /// Writes one item: header, what `value` writes, padding.
    pub(super) fn tlv(&mut self, kind: u16, value: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.buf.len();
        self.u16(kind).u16(0);
        value(self);
        let length = self.buf.len() - start;
        self.fill_in_length(start, length);
        self.buf.resize(start + padded(length), 0);
        self
    }

    pub(super) fn param(&mut self, kind: ParamType, value: impl FnOnce(&mut Self)) -> &mut Self {
        self.tlv(kind.0, value)
    }

    pub(super) fn pool_handle(&mut self, handle: &PoolHandle) -> &mut Self {
        let length = handle.as_bytes().len();
        if length > PoolHandle::MAX_INTEROPERABLE_LEN && !self.format.long_pool_handles {
            self.error.get_or_insert(EncodeError::PoolHandleTooLong { length });
        }
        self.param(ParamType::POOL_HANDLE, |w| {
            w.bytes(handle.as_bytes());
        })
    }

    /// A transport follows that the peer may not be able to parse.
    pub(super) fn rare_transport(&mut self, param: ParamType) {
        self.error.get_or_insert(EncodeError::RareTransport { param });
    }

    fn fill_in_length(&mut self, start: usize, length: usize) {
        match u16::try_from(length) {
            Ok(short) => self.buf[start + 2..start + 4].copy_from_slice(&short.to_be_bytes()),
            Err(_) => {
                self.error.get_or_insert(EncodeError::TooLong { length });
            }
        }
    }

    /// The message. Its length counts the padding of its last parameter, as RSPLIB has it.
    pub(super) fn finish_message(mut self) -> Result<Bytes, EncodeError> {
        self.fill_in_length(0, self.buf.len());
        self.finish_items()
    }

    pub(super) fn finish_items(self) -> Result<Bytes, EncodeError> {
        match self.error {
            None => Ok(self.buf.into()),
            Some(error) => Err(error),
        }
    }
}
