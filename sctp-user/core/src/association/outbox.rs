//! Chunks that wait for a packet, beside DATA and SACK, which are made when a packet has room.

use crate::path::PathId;
use crate::wire::chunk::{ChunkType, RawChunk};
use crate::wire::{CHUNK_HEADER_LEN, WriteChunk};
use std::collections::VecDeque;

/// Replies that may wait; further ones are dropped, as if the network had lost them. One packet of
/// an attacker holds hundreds of HEARTBEATs, each of which asks for an answer.
const MAX_REPLIES: usize = 32;

/// A control chunk and where it goes.
#[derive(Debug)]
struct Control {
    path: PathId,
    chunk: RawChunk,
}

/// Control chunks in the order in which they are to leave.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// COOKIE ACK is to be sent there; it stands first in its packet (RFC 9260, 5.1).
    pub(super) cookie_ack: Option<PathId>,
    /// HEARTBEATs, and ERRORs about the set-up.
    own: VecDeque<Control>,
    /// Replies.
    replies: VecDeque<Control>,
    /// The packet that is being taken in has a reply.
    answered: bool,
    /// Bytes left for further replies to it.
    room: usize,
}

impl Outbox {
    /// A packet has come in: replies to it are to fit into one packet, with `room` for them (12.4), so that nobody
    /// can provoke bursts. One that is larger by itself is let through alone.
    pub(super) fn begin_packet(&mut self, room: usize) {
        (self.answered, self.room) = (false, room);
    }

    /// Queues `chunk`; false if it was dropped, because too many wait or too many answer one packet.
    /// RFC 9260, 12.4.
    #[must_use]
    pub(super) fn push(&mut self, path: PathId, chunk: &impl WriteChunk) -> bool {
        let len = (CHUNK_HEADER_LEN + chunk.value_len()).next_multiple_of(4);
        let has_room = self.replies.len() < MAX_REPLIES && (!self.answered || len <= self.room);
        if has_room {
            self.answered = true;
            self.room = self.room.saturating_sub(len);
            self.replies.push_back(Control { path, chunk: to_raw(chunk) });
        }
        has_room
    }

    /// Queues a chunk of our own making, of which there are few: it does not compete with replies.
    pub(super) fn push_own(&mut self, path: PathId, chunk: &impl WriteChunk) {
        self.own.push_back(Control { path, chunk: to_raw(chunk) });
        self.own.truncate(MAX_REPLIES);
    }

    /// Whether a reply of this type waits.
    pub(super) fn has_reply(&self, chunk_type: ChunkType) -> bool {
        self.replies.iter().any(|control| control.chunk.chunk_type == chunk_type)
    }

    /// Where the next control chunk goes.
    pub(super) fn next_path(&self) -> Option<PathId> {
        self.cookie_ack.or_else(|| self.own.front().or(self.replies.front()).map(|control| control.path))
    }

    /// The next chunk for `path`. Chunks for other paths that wait before it do not hold it up: else replies that
    /// go two ways in turn would each take a packet of their own (RFC 9260, 12.4).
    pub(super) fn peek(&self, path: PathId) -> Option<&RawChunk> {
        let next = self.own.iter().chain(&self.replies).find(|control| control.path == path);
        next.map(|control| &control.chunk)
    }

    /// Takes out what [`peek`](Self::peek) showed.
    pub(super) fn pop(&mut self, path: PathId) {
        for queue in [&mut self.own, &mut self.replies] {
            if let Some(at) = queue.iter().position(|control| control.path == path) {
                queue.remove(at);
                return;
            }
        }
    }

    /// Drops what waits for `path`.
    pub(super) fn forget(&mut self, path: PathId) {
        self.own.retain(|control| control.path != path);
        self.replies.retain(|control| control.path != path);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A chunk as bytes, to be kept.
pub(crate) fn to_raw(chunk: &impl WriteChunk) -> RawChunk {
    let mut value = Vec::with_capacity(chunk.value_len());
    chunk.write_value(&mut value);
    RawChunk { chunk_type: chunk.chunk_type(), flags: chunk.flags(), value: value.into() }
}
