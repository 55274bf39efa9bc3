//! Writes one packet at the end of a caller's buffer.

use super::chunk::{ChunkType, DataHeader, IDataHeader};
use super::packet::{CHECKSUM_AT, CHUNK_HEADER_LEN, COMMON_HEADER_LEN, CommonHeader, first_checksum};
use super::padding;
use crate::auth::Authenticator;
use std::sync::Arc;

/// The largest chunk that a 16-bit length field can describe, its header included.
const MAX_CHUNK_LEN: usize = u16::MAX as usize;

/// A chunk that [`PacketBuilder::push`] can write.
pub trait WriteChunk {
    /// The chunk's type.
    fn chunk_type(&self) -> ChunkType;
    /// The chunk's flags.
    fn flags(&self) -> u8 {
        0
    }
    /// Bytes that [`write_value`](Self::write_value) appends.
    fn value_len(&self) -> usize;
    /// Appends the value: what follows the chunk header, without the chunk's padding.
    fn write_value(&self, out: &mut Vec<u8>);
}

/// The chunk does not fit into what is left of the packet, or is longer than a chunk can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunk has {needed} bytes, the packet has room for {remaining}")]
pub struct NoRoom {
    /// Bytes of the chunk with its header.
    pub needed: usize,
    /// What [`PacketBuilder::remaining`] says.
    pub remaining: usize,
}

/// RFC 9653, 5.2, rules 1 a, 2 and 3: the receiver may not know the association yet, or not find it at once.
fn needs_checksum(chunk_type: ChunkType) -> bool {
    matches!(chunk_type, ChunkType::INIT | ChunkType::COOKIE_ECHO | ChunkType::ASCONF)
}

/// Builds one packet at the end of a buffer; packets before it in the buffer stay as they are.
///
/// Chunks are written and padded at once, so that [`finish`](Self::finish) has only the checksum
/// left to fill in. Dropped without `finish`, the builder takes its packet out of the buffer again.
#[derive(Debug)]
pub struct PacketBuilder<'a> {
    buffer: &'a mut Vec<u8>,
    /// Where the packet starts in `buffer`.
    start: usize,
    /// What `buffer` is cut back to on drop: `start` until the packet is finished.
    keep: usize,
    max_packet_size: usize,
    /// It holds a chunk that must not go without a checksum (RFC 9653, 5.2).
    needs_checksum: bool,
    /// Chunks without a payload of the user's.
    control_chunks: u64,
    auth: Option<Auth>,
}

/// How chunks of the packet are authenticated (RFC 4895, 6.2).
#[derive(Debug)]
struct Auth {
    with: Arc<Authenticator>,
    /// The shared key: one in each packet, as there is one AUTH chunk (5.1).
    key: u16,
    /// Where the AUTH chunk starts in the buffer, once a chunk has needed it.
    at: Option<usize>,
}

impl<'a> PacketBuilder<'a> {
    /// Starts a packet of at most `max_packet_size` bytes, common header and padding included.
    pub fn new(buffer: &'a mut Vec<u8>, header: CommonHeader, max_packet_size: usize) -> Self {
        let start = buffer.len();
        header.write(buffer);
        Self {
            buffer,
            start,
            keep: start,
            max_packet_size,
            needs_checksum: false,
            control_chunks: 0,
            auth: None,
        }
    }

    /// Lets the packet have up to `max_packet_size` bytes, for a chunk that cannot be cut to what the path carries.
    pub(crate) fn enlarge(&mut self, max_packet_size: usize) {
        self.max_packet_size = self.max_packet_size.max(max_packet_size);
    }

    /// From now on chunks of the types that `with` covers stand behind an AUTH chunk.
    pub fn authenticate(&mut self, with: Arc<Authenticator>) {
        self.auth = Some(Auth { key: with.key(None), with, at: None });
    }

    /// Whether a chunk of this type may come that is to be authenticated with this key (`None`: the active one), if at all. The
    /// first chunk that needs a key decides on that of the packet; until then the one that was asked for last does.
    /// RFC 6458, 5.3.8.
    #[inline]
    pub(crate) fn take_key(&mut self, chunk_type: ChunkType, key: Option<u16>) -> bool {
        let Some(auth) = self.auth.as_mut().filter(|auth| auth.with.covers(chunk_type)) else { return true };
        let key = auth.with.key(key);
        if auth.at.is_none() {
            auth.key = key;
        }
        auth.key == key
    }

    /// The longest chunk that fits, counted with its header but without its padding (for which
    /// there is then room as well).
    /// RFC 9260, 6.10.
    pub fn remaining(&self) -> usize {
        let reserved = self.missing_auth().filter(|auth| auth.reserves()).map_or(0, Authenticator::chunk_len);
        let free = self.max_packet_size.saturating_sub(self.len() + reserved);
        (free - free % 4).min(MAX_CHUNK_LEN)
    }

    /// Whether no chunk has been written yet.
    pub fn is_empty(&self) -> bool {
        self.len() <= COMMON_HEADER_LEN
    }

    /// Chunks written so far that carry no payload of the user's.
    pub fn control_chunks(&self) -> u64 {
        self.control_chunks
    }

    /// Whether it holds a chunk that must not go without a checksum, whatever was agreed on.
    pub fn needs_checksum(&self) -> bool {
        self.needs_checksum
    }

    /// Bytes of the packet so far, common header and padding included.
    pub fn len(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// Appends `chunk`, or leaves the packet as it is when the chunk does not fit.
    /// RFC 9260, 6.10.
    pub fn push(&mut self, chunk: &impl WriteChunk) -> Result<(), NoRoom> {
        let len = self.start_chunk(chunk.chunk_type(), chunk.flags(), chunk.value_len())?;
        let value_at = self.buffer.len();
        chunk.write_value(self.buffer);
        debug_assert_eq!(self.buffer.len() - value_at, chunk.value_len(), "{}", chunk.chunk_type());
        self.pad(len);
        self.control_chunks += 1;
        self.needs_checksum |= needs_checksum(chunk.chunk_type());
        Ok(())
    }

    /// Appends a DATA chunk: the hot path, with the payload's only copy.
    pub fn push_data(&mut self, header: &DataHeader, payload: &[u8]) -> Result<(), NoRoom> {
        self.push_with_payload(ChunkType::DATA, header.flags.bits(), &header.to_bytes(), payload)
    }

    /// Appends an I-DATA chunk, with the payload's only copy.
    pub fn push_i_data(&mut self, header: &IDataHeader, payload: &[u8]) -> Result<(), NoRoom> {
        self.push_with_payload(ChunkType::I_DATA, header.flags.bits(), &header.to_bytes(), payload)
    }

    /// Appends a chunk of fixed fields and a payload.
    fn push_with_payload(
        &mut self,
        chunk_type: ChunkType,
        flags: u8,
        fields: &[u8],
        payload: &[u8],
    ) -> Result<(), NoRoom> {
        let len = self.start_chunk(chunk_type, flags, fields.len() + payload.len())?;
        self.buffer.extend_from_slice(fields);
        self.buffer.extend_from_slice(payload);
        self.pad(len);
        Ok(())
    }

    /// Writes a chunk's header if the chunk fits; the chunk's length.
    fn start_chunk(&mut self, chunk_type: ChunkType, flags: u8, value_len: usize) -> Result<usize, NoRoom> {
        let needed = value_len.saturating_add(CHUNK_HEADER_LEN);
        let auth = self.missing_auth().filter(|auth| auth.covers(chunk_type));
        let remaining = match auth {
            None => self.remaining(),
            Some(auth) => self.remaining_behind(auth),
        };
        let no_room = NoRoom { needed, remaining };
        if needed > remaining {
            return Err(no_room);
        }
        if auth.is_some() {
            self.start_authentication();
        }
        let [high, low] = u16::try_from(needed).map_err(|_| no_room)?.to_be_bytes();
        self.buffer.reserve(needed + padding(needed));
        self.buffer.extend_from_slice(&[chunk_type.0, flags, high, low]);
        Ok(needed)
    }

    /// What authenticates, while the AUTH chunk is not in the packet yet.
    fn missing_auth(&self) -> Option<&Authenticator> {
        self.auth.as_ref().filter(|auth| auth.at.is_none()).map(|auth| &*auth.with)
    }

    /// As [`remaining`](Self::remaining), once the AUTH chunk stands in the packet.
    fn remaining_behind(&self, auth: &Authenticator) -> usize {
        let free = self.max_packet_size.saturating_sub(self.len() + auth.chunk_len());
        (free - free % 4).min(MAX_CHUNK_LEN)
    }

    /// Writes the AUTH chunk, for whose code there is nothing to be computed over yet (RFC 4895, 6.2).
    fn start_authentication(&mut self) {
        let Some(auth) = &mut self.auth else { return };
        auth.at = Some(self.buffer.len());
        let blank = auth.with.blank(auth.key);
        // It cannot fail: the room was measured with it.
        let _ = self.push(&blank);
    }

    /// Fills in the code of the AUTH chunk, if there is one.
    fn fill_in_auth(&mut self) {
        let Some(Auth { with, key, at: Some(at) }) = &self.auth else { return };
        if let Some(chunks) = self.buffer.get_mut(*at..) {
            with.fill_in(*key, chunks);
        }
    }

    /// Pads a chunk of `len` bytes that was just written.
    /// RFC 9260, 3.2, 3.3.1.
    fn pad(&mut self, len: usize) {
        self.buffer.resize(self.buffer.len() + padding(len), 0);
    }

    /// Fills in the CRC32c and leaves the packet in the buffer; the packet's length.
    /// RFC 9260, 6.8.
    pub fn finish(mut self) -> usize {
        self.fill_in_auth();
        let packet = self.buffer.get_mut(self.start..).unwrap_or_default();
        let sum = first_checksum(packet);
        if let Some(field) = packet.get_mut(CHECKSUM_AT..COMMON_HEADER_LEN) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        self.keep_packet()
    }

    /// Leaves the packet in the buffer with a checksum field of zero, for a peer that has agreed
    /// to it (RFC 9653) or a lower layer that fills it in; the packet's length.
    pub fn finish_with_zero_checksum(mut self) -> usize {
        self.fill_in_auth();
        self.keep_packet()
    }

    fn keep_packet(mut self) -> usize {
        self.keep = self.buffer.len();
        self.len()
    }
}

impl Drop for PacketBuilder<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serial::{Ssn, Tsn};
    use crate::wire::chunk::{DataChunk, DataFlags, RawChunk};
    use crate::wire::packet::{ChecksumPolicy, Packet};
    use bytes::Bytes;

    const HEADER: CommonHeader =
        CommonHeader { source_port: 1, destination_port: 2, verification_tag: 0xdead_beef };

    fn raw(len: usize) -> RawChunk {
        RawChunk { chunk_type: ChunkType::PAD, flags: 0, value: Bytes::from(vec![7; len]) }
    }

    fn data_header() -> DataHeader {
        let flags = DataFlags::WHOLE_MESSAGE;
        DataHeader { tsn: Tsn(u32::MAX), stream_id: 1, ssn: Ssn(2), ppid: 3, flags }
    }

    #[test]
    fn packets_stand_one_behind_the_other_in_the_buffer() {
        let mut buffer = Vec::new();
        let mut lengths = Vec::new();
        for len in [1, 2] {
            let mut builder = PacketBuilder::new(&mut buffer, HEADER, 1500);
            builder.push(&raw(len)).unwrap();
            builder.push_data(&data_header(), b"hello").unwrap();
            lengths.push(builder.finish());
        }
        assert_eq!(lengths, [12 + 8 + 24, 12 + 8 + 24]);
        let mut rest = Bytes::from(buffer);
        for (len, value) in lengths.into_iter().zip([1, 2]) {
            let packet = Packet::parse(rest.split_to(len), ChecksumPolicy::Crc32c).unwrap();
            let chunks: Vec<_> = packet.chunks().map(Result::unwrap).collect();
            assert_eq!(packet.header, HEADER);
            assert_eq!(chunks[0], raw(value));
            let data = DataChunk::parse(&chunks[1]).unwrap();
            assert_eq!((data.header(), data.payload.as_ref()), (data_header(), b"hello".as_ref()));
        }
    }

    /// RFC 9260, 3.2, 3.3.1.
    #[test]
    fn padding_is_zero_short_and_not_counted() {
        for len in 0..9 {
            let mut buffer = Vec::new();
            let mut builder = PacketBuilder::new(&mut buffer, HEADER, 1500);
            builder.push(&raw(len)).unwrap();
            builder.finish();
            let (length, value) = (CHUNK_HEADER_LEN + len, &buffer[12 + CHUNK_HEADER_LEN..]);
            assert_eq!(buffer[14..16], u16::try_from(length).unwrap().to_be_bytes());
            let padding = &value[len..];
            assert!(padding.len() < 4 && buffer.len() % 4 == 0 && padding.iter().all(|&byte| byte == 0));
        }
    }

    /// RFC 9260, 6.10.
    #[test]
    fn remaining_is_exactly_what_fits() {
        for max_packet_size in 12..40 {
            let mut buffer = Vec::new();
            let mut builder = PacketBuilder::new(&mut buffer, HEADER, max_packet_size);
            let remaining = builder.remaining();
            let too_long = (remaining + 1).saturating_sub(CHUNK_HEADER_LEN);
            let needed = too_long + CHUNK_HEADER_LEN;
            assert_eq!(builder.push(&raw(too_long)), Err(NoRoom { needed, remaining }));
            assert!(builder.is_empty());
            if let Some(fits) = remaining.checked_sub(CHUNK_HEADER_LEN) {
                builder.push(&raw(fits)).unwrap();
                assert!(builder.len() <= max_packet_size);
            }
        }
    }

    #[test]
    fn a_chunk_longer_than_its_length_field_is_refused() {
        let mut buffer = Vec::new();
        let mut builder = PacketBuilder::new(&mut buffer, HEADER, 1 << 20);
        assert!(builder.push(&raw(65_532)).is_err());
        builder.push(&raw(65_531)).unwrap();
        assert_eq!(builder.len(), 12 + 65_536);
    }

    #[test]
    fn a_builder_dropped_unfinished_leaves_no_trace() {
        let mut buffer = vec![1, 2, 3];
        let mut builder = PacketBuilder::new(&mut buffer, HEADER, 1500);
        builder.push(&raw(5)).unwrap();
        drop(builder);
        assert_eq!(buffer, [1, 2, 3]);
    }

    #[test]
    fn a_zero_checksum_passes_only_where_the_lower_layer_vouches() {
        let mut buffer = Vec::new();
        PacketBuilder::new(&mut buffer, HEADER, 1500).finish_with_zero_checksum();
        let packet = Bytes::from(buffer);
        assert!(Packet::parse(packet.clone(), ChecksumPolicy::Crc32c).is_err());
        assert!(Packet::parse(packet, ChecksumPolicy::Verified).is_ok());
    }
}
