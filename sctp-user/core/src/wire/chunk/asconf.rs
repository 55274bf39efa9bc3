//! ASCONF and ASCONF-ACK: they change the addresses of an association (RFC 5061, 4.1).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |type = c1 or 80|   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                        sequence number                        |
//! +---------------------------------------------------------------+
//! | ASCONF: an address parameter, then one for each request       |
//! | ASCONF-ACK: a response for each request that needs one        |
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::wire::builder::WriteChunk;
use crate::wire::param::Parameters;
use crate::wire::read::{Reader, tail};
use core::fmt;

/// Bytes of value in front of the parameters.
const FIXED_LEN: usize = 4;

/// Which of the two chunks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsconfKind {
    /// ASCONF, the requests.
    Asconf,
    /// ASCONF-ACK, the responses.
    AsconfAck,
}

/// An ASCONF or ASCONF-ACK chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsconfChunk {
    /// Which of the two.
    pub kind: AsconfKind,
    /// Number of the ASCONF, by which the ASCONF-ACK is matched.
    pub sequence_number: u32,
    /// The address parameter (ASCONF only) and the requests, or the responses.
    pub parameters: Parameters,
}

impl AsconfChunk {
    /// Reads the chunk; the parameters are left to be walked. The kind follows the type.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let kind = match raw.chunk_type {
            ChunkType::ASCONF_ACK => AsconfKind::AsconfAck,
            _ => AsconfKind::Asconf,
        };
        let sequence_number = Reader::new(&raw.value).u32().ok_or_else(|| raw.too_short(FIXED_LEN))?;
        Ok(Self { kind, sequence_number, parameters: Parameters(tail(&raw.value, FIXED_LEN)) })
    }
}

impl WriteChunk for AsconfChunk {
    fn chunk_type(&self) -> ChunkType {
        match self.kind {
            AsconfKind::Asconf => ChunkType::ASCONF,
            AsconfKind::AsconfAck => ChunkType::ASCONF_ACK,
        }
    }

    fn value_len(&self) -> usize {
        FIXED_LEN + self.parameters.0.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.parameters.0);
    }
}

impl fmt::Display for AsconfChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seq={}{}", self.chunk_type(), self.sequence_number, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;
    use crate::wire::param::{AddressRequest, Parameter};

    #[test]
    fn a_request_to_add_an_address_holds_it_as_a_parameter() {
        let request = AddressRequest { correlation_id: 5, address: [10, 0, 0, 2].into() };
        let parameters = [Parameter::address([10, 0, 0, 1].into()), Parameter::AddAddress(request)];
        let chunk = AsconfChunk {
            kind: AsconfKind::Asconf,
            sequence_number: 9,
            parameters: Parameters::from_iter(parameters),
        };
        let bytes = b"\xc1\0\0\x20\0\0\0\x09\0\x05\0\x08\x0a\0\0\x01\
            \xc0\x01\0\x10\0\0\0\x05\0\x05\0\x08\x0a\0\0\x02";
        let text = "ASCONF seq=9 IPV4_ADDRESS=10.0.0.1 ADD_IP_ADDRESS=10.0.0.2#5";
        assert_format(&Chunk::Asconf(chunk), bytes, text);
    }

    /// RFC 5061, 4.2.5: an answer without parameters means success.
    #[test]
    fn an_answer_may_have_no_parameters() {
        let parameters = Parameters::default();
        let chunk = AsconfChunk { kind: AsconfKind::AsconfAck, sequence_number: 9, parameters };
        assert_format(&Chunk::Asconf(chunk), b"\x80\0\0\x08\0\0\0\x09", "ASCONF_ACK seq=9");
        assert_too_short(ChunkType::ASCONF, b"\0\0\0", 4);
    }
}
