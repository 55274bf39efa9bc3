//! The receiver as a whole, by topic. TSNs start right before the wrap.

mod acknowledging;
mod cost;
mod delivery;
mod forwarding;
mod hostile;
mod interleaved;
mod partial;
mod random;
mod reset;
mod window;

use bytes::Bytes;

use super::{DataOutcome, Fragment, Receiver};
use crate::config::AssociationConfig;
use crate::serial::{Ssn, Tsn};
use crate::time::Time;
use crate::wire::chunk::{DataChunk, DataFlags, SackChunk};

/// The peer's initial TSN: the third chunk is number 1.
const INITIAL: Tsn = Tsn(u32::MAX - 1);
const STREAMS: u16 = 10;

fn tsn(offset: u32) -> Tsn {
    INITIAL.plus(offset)
}

/// A DATA chunk; `flags` are the letters that a trace shows: "U", "B", "E", "I".
fn chunk(offset: u32, stream_id: u16, ssn: u16, flags: &str, payload: &[u8]) -> DataChunk {
    let has = |letter| flags.contains(letter);
    let flags = DataFlags { immediate: has('I'), unordered: has('U'), begin: has('B'), end: has('E') };
    let payload = Bytes::copy_from_slice(payload);
    DataChunk { tsn: tsn(offset), stream_id, ssn: Ssn(ssn), ppid: 7, flags, payload }
}

/// A receiver and a clock.
struct Harness {
    receiver: Receiver,
    now: Time,
}

impl Harness {
    fn new() -> Self {
        Self::with(&AssociationConfig::default())
    }

    fn with(config: &AssociationConfig) -> Self {
        Self { receiver: Receiver::new(config, INITIAL, STREAMS), now: Time::from_millis(1) }
    }

    /// One chunk of a packet that goes on.
    fn data(&mut self, chunk: impl Into<Fragment>) -> DataOutcome {
        self.receiver.handle_data(self.now, chunk)
    }

    /// A packet with this one chunk.
    fn packet(&mut self, chunk: impl Into<Fragment>) -> DataOutcome {
        let outcome = self.data(chunk);
        self.receiver.end_of_packet(self.now);
        let receiver = &self.receiver;
        let promised = receiver.sack_wanted() || receiver.sack_deadline().is_some();
        assert_eq!(receiver.sack_pending(), promised, "what is unacknowledged has a timer");
        assert!(receiver.held_bytes() <= receiver.max_held_bytes());
        outcome
    }

    /// A packet with one whole, ordered message on stream 0 whose SSN is its TSN's offset.
    fn message(&mut self, offset: u32) -> DataOutcome {
        self.packet(chunk(offset, 0, offset as u16, "BE", b"message"))
    }

    fn sack(&mut self) -> SackChunk {
        self.receiver.make_sack(self.now, 1_400)
    }

    /// Takes the SACK if one is wanted; whether it was.
    fn take_wanted(&mut self) -> bool {
        let wanted = self.receiver.sack_wanted();
        if wanted {
            self.sack();
        }
        wanted
    }

    /// Reads one message: its stream and text.
    fn read(&mut self) -> Option<(u16, String)> {
        let message = self.receiver.read(self.now)?;
        let stream_id = message.stream_id;
        Some((stream_id, String::from_utf8(message.into_bytes().to_vec()).unwrap()))
    }

    fn texts(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.read()).map(|(_, text)| text).collect()
    }
}
