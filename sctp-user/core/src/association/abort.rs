//! The end at once: ABORT (RFC 9260, 9.1).

use super::outbox::to_raw;
use super::{Association, Flow};
use crate::endpoint::StatelessPacket;
use crate::event::LossReason;
use crate::path::{Path, PathId};
use crate::wire::cause::Cause;
use crate::wire::chunk::{AbortChunk, RawChunk};
use crate::wire::{CommonHeader, WriteChunk};
use bytes::Bytes;

/// The user's reason is cut at so many bytes: ABORT must fit into a packet of any path.
const MAX_REASON: usize = 400;

impl Association {
    /// The ABORT primitive.
    /// RFC 9260, 9.1.
    pub(crate) fn abort(&mut self, reason: Bytes) {
        let reason = reason.slice(..reason.len().min(MAX_REASON));
        self.send_abort(self.data_path(), Cause::UserInitiatedAbort(reason));
        self.lose(LossReason::UserAborted);
    }

    /// Leaves an ABORT to be sent. To a peer that we know nothing of yet there is none to send.
    /// RFC 9260, 3.3.7, 8.5.1, 9.1.
    pub(super) fn send_abort(&mut self, path: PathId, cause: Cause) {
        if self.tags.peer != 0 {
            self.say_farewell(path, self.tags.peer, &AbortChunk { tbit: false, causes: cause.into() });
        }
    }

    /// The association's last packet: it has one chunk, and outlives the association.
    pub(super) fn say_farewell(&mut self, path: PathId, verification_tag: u32, chunk: &impl WriteChunk) {
        let header = CommonHeader { verification_tag, ..self.header() };
        let Some(Path { address, marks, .. }) = self.paths.get(path) else { return };
        let (address, marks) = (*address, *marks);
        let chunk = to_raw(chunk);
        let auth = self.authenticator().and_then(|auth| auth.for_lone(&chunk));
        self.farewell = Some(Box::new((address, StatelessPacket { marks, header, auth, chunk })));
    }

    /// ABORT came, with the right tag (8.5.1 B): never answered; discarded if it is malformed.
    /// RFC 9260, 3.3.7, 9.1.
    pub(super) fn handle_abort(&mut self, chunk: &RawChunk) -> Flow {
        let causes = AbortChunk::parse(chunk).causes;
        if causes.iter().any(|cause| cause.is_err()) {
            return Flow::Stop;
        }
        let first = causes.iter().find_map(Result::ok);
        let value = first.as_ref().map_or_else(Bytes::new, |cause| cause.value.clone());
        self.lose(LossReason::PeerAborted { cause: first.map(|cause| cause.code.0), value });
        Flow::Stop
    }
}
