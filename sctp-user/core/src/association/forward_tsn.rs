//! FORWARD TSN and I-FORWARD-TSN: the peer has given up on some messages (RFC 3758, 3.6; RFC 8260, 2.3.1).

use super::{Association, Flow};
use crate::path::PathId;
use crate::rx::Receiver;
use crate::wire::chunk::{ChunkError, ChunkType, ForwardTsnChunk, IForwardTsnChunk, RawChunk};

impl Association {
    /// One of the two chunks: the one that belongs to the data in use (RFC 8260, 2.3.1).
    /// RFC 3758, 3.3.2.
    pub(super) fn handle_forward_tsn(&mut self, chunk: &RawChunk, source: PathId) -> Flow {
        // RFC 3758, 3.3.1: who has not offered it does not know it.
        if !self.extensions.partial_reliability {
            return self.handle_unrecognized(chunk, source);
        }
        if (chunk.chunk_type == ChunkType::I_FORWARD_TSN) != self.extensions.interleaving {
            return self.abort_for_wrong_data(source, chunk.chunk_type);
        }
        let (true, Some(receiver)) = (self.state().takes_data(), self.receiver.as_mut()) else {
            return Flow::Continue;
        };
        match take(receiver, chunk) {
            Ok(()) => self.stats.forward_tsns_received += 1,
            Err(_) => return Flow::Stop,
        }
        Flow::Continue
    }
}

fn take(receiver: &mut Receiver, chunk: &RawChunk) -> Result<(), ChunkError> {
    match chunk.chunk_type {
        ChunkType::I_FORWARD_TSN => receiver.handle_i_forward_tsn(&IForwardTsnChunk::parse(chunk)?),
        _ => receiver.handle_forward_tsn(&ForwardTsnChunk::parse(chunk)?),
    }
    Ok(())
}
