//! ERROR chunks in and out, and chunks that are not recognized (RFC 9260, 3.2, 3.3.10).

use super::{Association, AssociationState, Context, Flow};
use crate::event::Event;
use crate::path::PathId;
use crate::wire::cause::{Cause, RawCause};
use crate::wire::chunk::{ErrorChunk, RawChunk};
use crate::wire::{CHUNK_HEADER_LEN, WriteChunk};
use bytes::Bytes;
use core::time::Duration;

/// Errors that are told the user while others still wait to be fetched; the rest are dropped.
const MAX_REMOTE_ERRORS: usize = 16;

impl Association {
    /// Queues a reply; too many at once are dropped.
    pub(super) fn reply(&mut self, path: PathId, chunk: &impl WriteChunk) {
        if !self.outbox.push(path, chunk) {
            self.stats.replies_dropped += 1;
        }
    }

    /// ERROR.
    pub(super) fn handle_error(&mut self, cx: &mut Context<'_>, chunk: &RawChunk) -> Flow {
        for raw in ErrorChunk::parse(chunk).causes.iter().map_while(Result::ok) {
            match Cause::parse(&raw) {
                Ok(Cause::StaleCookie { staleness_us }) => {
                    // 5.2.6: discarded in any state but COOKIE-ECHOED.
                    if self.state() == AssociationState::CookieEchoed {
                        self.handle_stale_cookie(cx.now, Duration::from_micros(staleness_us.into()));
                        return Flow::Stop;
                    }
                }
                Ok(Cause::UnrecognizedChunkType(chunk)) => {
                    self.handle_unrecognized_by_peer(&chunk);
                    self.tell_remote_error(raw);
                }
                _ => self.tell_remote_error(raw),
            }
        }
        Flow::Continue
    }

    fn tell_remote_error(&mut self, raw: RawCause) {
        if self.events.len() < MAX_REMOTE_ERRORS {
            self.events.push_back(Event::RemoteError { cause: raw.code.0, value: raw.value });
        }
    }

    /// A chunk of a type that is not implemented: its upper two bits say what to do (3.2).
    /// RFC 5061, 4.1.1.
    pub(super) fn handle_unrecognized(&mut self, chunk: &RawChunk, source: PathId) -> Flow {
        let action = chunk.chunk_type.unrecognized_action();
        if action.reports() {
            let causes = Cause::UnrecognizedChunkType(whole(chunk)).into();
            self.reply(self.confirmed(source), &ErrorChunk { causes });
        }
        if action.goes_on() { Flow::Continue } else { Flow::Stop }
    }
}

/// A chunk with its header.
fn whole(chunk: &RawChunk) -> Bytes {
    let length = u16::try_from(chunk.value.len() + CHUNK_HEADER_LEN).unwrap_or(u16::MAX);
    let mut whole = Vec::with_capacity(usize::from(length));
    whole.extend_from_slice(&[chunk.chunk_type.0, chunk.flags]);
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(&chunk.value);
    whole.into()
}
