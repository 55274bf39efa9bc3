//! RE-CONFIG: resets and adds streams (RFC 6525, 3.1).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 130   |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |            one or two re-configuration parameters             |
//! ```

use super::{ChunkType, RawChunk};
use crate::wire::builder::WriteChunk;
use crate::wire::param::Parameters;
use core::fmt;

/// A RE-CONFIG chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReConfigChunk {
    /// Requests and responses; RFC 6525, 3.1 says which may stand together.
    pub parameters: Parameters,
}

impl ReConfigChunk {
    /// Reads the chunk; the parameters are left to be walked.
    pub fn parse(raw: &RawChunk) -> Self {
        Self { parameters: Parameters(raw.value.clone()) }
    }
}

impl WriteChunk for ReConfigChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::RE_CONFIG
    }

    fn value_len(&self) -> usize {
        self.parameters.0.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.parameters.0);
    }
}

impl fmt::Display for ReConfigChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RE_CONFIG{}", self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_format;
    use super::*;
    use crate::wire::chunk::Chunk;
    use crate::wire::param::{AddStreams, Parameter};

    #[test]
    /// RFC 6525, 4.5 and 4.6.
    fn a_request_stands_in_a_parameter() {
        let request = AddStreams { request_sequence: 1, new_streams: 2 };
        let parameters = Parameters::from_iter([Parameter::AddOutgoingStreams(request)]);
        let bytes = b"\x82\0\0\x10\0\x11\0\x0c\0\0\0\x01\0\x02\0\0";
        let text = "RE_CONFIG ADD_OUTGOING_STREAMS_REQUEST=2#1";
        assert_format(&Chunk::ReConfig(ReConfigChunk { parameters }), bytes, text);
    }
}
