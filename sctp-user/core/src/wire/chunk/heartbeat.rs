//! HEARTBEAT and HEARTBEAT ACK: they probe a path (RFC 9260, 3.3.5 and 3.3.6).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! | type = 4 or 5 |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |        Heartbeat Info parameter: the sender's own affair      |
//! ```

use super::{ChunkType, RawChunk};
use crate::wire::builder::WriteChunk;
use crate::wire::param::{Parameter, ParameterType, Parameters};
use bytes::Bytes;
use core::fmt;

/// Which of the two chunks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// HEARTBEAT, the probe.
    Heartbeat,
    /// HEARTBEAT ACK, the answer.
    HeartbeatAck,
}

/// A HEARTBEAT or HEARTBEAT ACK chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatChunk {
    /// Which of the two.
    pub kind: HeartbeatKind,
    /// Heartbeat Info, and whatever stands beside it: the answer returns all of it unchanged.
    pub parameters: Parameters,
}

impl HeartbeatChunk {
    /// A HEARTBEAT that carries `info`.
    pub fn request(info: Bytes) -> Self {
        let parameters = Parameters::from_iter([Parameter::HeartbeatInfo(info)]);
        Self { kind: HeartbeatKind::Heartbeat, parameters }
    }

    /// The answer to this HEARTBEAT (RFC 9260, 8.3).
    /// RFC 9260, 3.3.6.
    #[must_use]
    pub fn into_ack(self) -> Self {
        Self { kind: HeartbeatKind::HeartbeatAck, ..self }
    }

    /// What the sender of the HEARTBEAT put in; `None` without a Heartbeat Info parameter.
    pub fn info(&self) -> Option<Bytes> {
        self.parameters.find(ParameterType::HEARTBEAT_INFO).map(|parameter| parameter.value)
    }

    /// Reads the chunk; the kind follows the type.
    pub fn parse(raw: &RawChunk) -> Self {
        let kind = match raw.chunk_type {
            ChunkType::HEARTBEAT_ACK => HeartbeatKind::HeartbeatAck,
            _ => HeartbeatKind::Heartbeat,
        };
        Self { kind, parameters: Parameters(raw.value.clone()) }
    }
}

impl WriteChunk for HeartbeatChunk {
    fn chunk_type(&self) -> ChunkType {
        match self.kind {
            HeartbeatKind::Heartbeat => ChunkType::HEARTBEAT,
            HeartbeatKind::HeartbeatAck => ChunkType::HEARTBEAT_ACK,
        }
    }

    fn value_len(&self) -> usize {
        self.parameters.0.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.parameters.0);
    }
}

impl fmt::Display for HeartbeatChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.chunk_type(), self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_format;
    use super::*;
    use crate::wire::chunk::Chunk;

    #[test]
    fn a_heartbeat_and_its_answer_carry_the_info_as_a_parameter() {
        let request = HeartbeatChunk::request(Bytes::from_static(b"abc"));
        let answer = request.clone().into_ack();
        let text = "HEARTBEAT HEARTBEAT_INFO=3_bytes";
        assert_format(&Chunk::Heartbeat(request), b"\x04\0\0\x0b\0\x01\0\x07abc", text);
        let text = "HEARTBEAT_ACK HEARTBEAT_INFO=3_bytes";
        assert_format(&Chunk::Heartbeat(answer.clone()), b"\x05\0\0\x0b\0\x01\0\x07abc", text);
        assert_eq!(answer.info().as_deref(), Some(b"abc".as_slice()));
    }

    #[test]
    fn a_heartbeat_without_info_still_has_an_answer() {
        let raw = RawChunk { chunk_type: ChunkType::HEARTBEAT, flags: 0, value: Bytes::from_static(b"xy") };
        let request = HeartbeatChunk::parse(&raw);
        assert_eq!(request.info(), None);
        assert_eq!(request.into_ack().parameters.0, raw.value);
    }
}
