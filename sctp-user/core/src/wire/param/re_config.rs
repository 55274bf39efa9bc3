//! The parameters of RE-CONFIG (RFC 6525, 4). Each request has a sequence number; the response
//! names it.

use crate::serial::Tsn;
use crate::wire::read::Reader;
use smallvec::SmallVec;

/// Stream identifiers; none means all streams.
pub type StreamList = SmallVec<[u16; 4]>;

/// Outgoing SSN Reset Request (RFC 6525, 4.1): the sender starts streams anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingReset {
    /// This request's number.
    pub request_sequence: u32,
    /// The number of the incoming reset request that this one answers.
    pub response_sequence: u32,
    /// The sender's last TSN on the streams.
    pub last_assigned_tsn: Tsn,
    /// The streams; none means all.
    pub streams: StreamList,
}

impl OutgoingReset {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(value);
        Some(Self {
            request_sequence: fields.u32()?,
            response_sequence: fields.u32()?,
            last_assigned_tsn: Tsn(fields.u32()?),
            streams: read_streams(value, 12)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request_sequence.to_be_bytes());
        out.extend_from_slice(&self.response_sequence.to_be_bytes());
        out.extend_from_slice(&self.last_assigned_tsn.0.to_be_bytes());
        write_streams(&self.streams, out);
    }
}

/// Incoming SSN Reset Request (RFC 6525, 4.2): the sender asks the peer to start streams anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingReset {
    /// This request's number.
    pub request_sequence: u32,
    /// The streams; none means all.
    pub streams: StreamList,
}

impl IncomingReset {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let request_sequence = Reader::new(value).u32()?;
        Some(Self { request_sequence, streams: read_streams(value, 4)? })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request_sequence.to_be_bytes());
        write_streams(&self.streams, out);
    }
}

/// Re-configuration Response (RFC 6525, 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconfigResponse {
    /// The request's number.
    pub response_sequence: u32,
    /// The result, a code of RFC 6525, 4.4.
    pub result: u32,
    /// The sender's and the receiver's next TSN, in the answer to an SSN/TSN reset.
    pub next_tsns: Option<(Tsn, Tsn)>,
}

/// Results (RFC 6525, 4.4, Table 3).
impl ReconfigResponse {
    /// Success: nothing to do.
    pub const NOTHING_TO_DO: u32 = 0;
    /// Success: performed.
    pub const PERFORMED: u32 = 1;
    /// Denied.
    pub const DENIED: u32 = 2;
    /// Error: a stream does not exist.
    pub const WRONG_SSN: u32 = 3;
    /// Error: another request is already in progress.
    pub const REQUEST_IN_PROGRESS: u32 = 4;
    /// Error: not the next sequence number.
    pub const BAD_SEQUENCE_NUMBER: u32 = 5;
    /// It will be performed, but cannot be yet.
    pub const IN_PROGRESS: u32 = 6;
}

impl ReconfigResponse {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(value);
        let (response_sequence, result) = (fields.u32()?, fields.u32()?);
        // RFC 6525, 4.4: the length is 12 without the optional fields, and 20 with them.
        let next_tsns = match value.len() {
            8 => None,
            16 => Some((Tsn(fields.u32()?), Tsn(fields.u32()?))),
            _ => return None,
        };
        Some(Self { response_sequence, result, next_tsns })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.response_sequence.to_be_bytes());
        out.extend_from_slice(&self.result.to_be_bytes());
        if let Some((sender, receiver)) = self.next_tsns {
            out.extend_from_slice(&sender.0.to_be_bytes());
            out.extend_from_slice(&receiver.0.to_be_bytes());
        }
    }
}

/// Add Outgoing or Incoming Streams Request (RFC 6525, 4.5 and 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddStreams {
    /// This request's number.
    pub request_sequence: u32,
    /// How many streams to add.
    pub new_streams: u16,
}

impl AddStreams {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        // RFC 6525, 4.5 and 4.6: the length is 12.
        if value.len() != 8 {
            return None;
        }
        let mut fields = Reader::new(value);
        Some(Self { request_sequence: fields.u32()?, new_streams: fields.u16()? })
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request_sequence.to_be_bytes());
        out.extend_from_slice(&self.new_streams.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
    }
}

/// The stream identifiers from `offset` to the end; `None` if half of one is left over.
fn read_streams(value: &[u8], offset: usize) -> Option<StreamList> {
    let (streams, rest) = value.get(offset..)?.as_chunks();
    rest.is_empty().then(|| streams.iter().copied().map(u16::from_be_bytes).collect())
}

fn write_streams(streams: &[u16], out: &mut Vec<u8>) {
    streams.iter().for_each(|stream| out.extend_from_slice(&stream.to_be_bytes()));
}
