//! What one side sends in a scenario: planned messages, each of which says who it is.

use bytes::Bytes;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use sctp_core::reliability::Reliability;

use crate::sim::rng::SimRng;

/// A message that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedMessage {
    /// When, counted from the moment that the sender may send.
    pub at: Duration,
    /// On which stream.
    pub stream_id: u16,
    /// In no order.
    pub unordered: bool,
    /// Bytes, at least 1.
    pub len: usize,
    /// When it may be given up.
    pub reliability: Reliability,
    /// It is handed over in so many pieces (explicit EOR; RFC 6458, 8.1.26), at least 1.
    pub pieces: usize,
}

impl PlannedMessage {
    /// The bytes of a piece.
    pub fn piece(&self, number: usize) -> Range<usize> {
        let (len, pieces) = (self.len, self.pieces.clamp(1, self.len));
        number * len / pieces..(number + 1) * len / pieces
    }

    /// Whether a piece is the last one.
    pub fn ends_with(&self, number: usize) -> bool {
        number + 1 >= self.pieces.min(self.len)
    }
}

/// All messages of one direction with their contents. The PPID of a message is its number, hidden by
/// a salt so that the two directions and neighbours differ in more than a bit; its payload is a
/// stretch of random bytes of its own.
#[derive(Debug)]
pub struct Traffic {
    messages: Vec<PlannedMessage>,
    salt: u32,
    noise: Bytes,
    /// Which messages their sender was told to have been given up: the receiver waits for them no longer.
    given_up: Vec<AtomicBool>,
}

/// Distance of two messages' stretches in the noise; prime, so that no packet size divides it.
const STRIDE: usize = 7_919;
const NOISE: usize = 64 * 1_024;

impl Traffic {
    /// The traffic `messages`, with contents that follow from `rng`.
    pub fn new(messages: Vec<PlannedMessage>, rng: &mut SimRng) -> Self {
        let longest = messages.iter().map(|message| message.len).max().unwrap_or(0);
        let noise: Vec<u8> =
            (0..(NOISE + longest).div_ceil(8)).flat_map(|_| rng.u64().to_le_bytes()).collect();
        let given_up = messages.iter().map(|_| AtomicBool::new(false)).collect();
        Self { messages, salt: rng.u64() as u32, noise: noise.into(), given_up }
    }

    /// The messages in the order in which they are to be sent.
    pub fn messages(&self) -> &[PlannedMessage] {
        &self.messages
    }

    /// Whether message `index` may be given up.
    pub fn is_limited(&self, index: usize) -> bool {
        self.messages[index].reliability != Reliability::Full
    }

    /// Message `index` was given up.
    pub fn give_up(&self, index: usize) {
        self.given_up[index].store(self.is_limited(index), Ordering::Relaxed);
    }

    /// Whether message `index` was given up, as it was allowed to be.
    pub fn is_given_up(&self, index: usize) -> bool {
        self.given_up[index].load(Ordering::Relaxed)
    }

    /// The PPID of message `index`.
    pub fn ppid(&self, index: usize) -> u32 {
        (index as u32).wrapping_mul(MULTIPLIER) ^ self.salt
    }

    /// The message that has this PPID.
    pub fn index(&self, ppid: u32) -> Option<usize> {
        let index = (ppid ^ self.salt).wrapping_mul(INVERSE) as usize;
        (index < self.messages.len()).then_some(index)
    }

    /// The bytes of message `index`.
    pub fn payload(&self, index: usize) -> Bytes {
        let start = index * STRIDE % NOISE;
        self.noise.slice(start..start + self.messages[index].len)
    }

    /// Whether `payload` is message `index`, or a piece of it that is handed over by itself.
    pub fn is_piece(&self, index: usize, payload: &Bytes) -> bool {
        let (planned, whole) = (self.messages[index], self.payload(index));
        (0..planned.pieces.max(1)).any(|number| whole.slice(planned.piece(number)) == *payload)
    }

    /// Whether message `index` consists of these pieces.
    pub fn is_payload(&self, index: usize, pieces: &[Bytes]) -> bool {
        let mut expected = self.payload(index);
        for piece in pieces {
            if piece.len() > expected.len() || expected.split_to(piece.len()) != piece {
                return false;
            }
        }
        expected.is_empty()
    }
}

/// Odd, hence a bijection of the 32-bit numbers; and its inverse.
const MULTIPLIER: u32 = 0x9E37_79B1;
const INVERSE: u32 = {
    // Newton's iteration doubles the number of right bits each time, from three on.
    let mut inverse = MULTIPLIER;
    let mut round = 0;
    while round < 4 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(MULTIPLIER.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::bulk;

    fn traffic() -> Traffic {
        let messages = [1, 5_000, 200_000].map(|len| bulk(1, len)).concat();
        Traffic::new(messages, &mut SimRng::new(1))
    }

    #[test]
    fn a_ppid_names_one_message() {
        let traffic = traffic();
        for index in 0..3 {
            assert_eq!(traffic.index(traffic.ppid(index)), Some(index));
        }
        assert_eq!(traffic.index(traffic.ppid(3)), None);
    }

    #[test]
    fn payloads_are_recognised_in_pieces_and_nothing_else_is() {
        let traffic = traffic();
        let whole = traffic.payload(1);
        assert!(traffic.is_payload(1, &[whole.slice(..17), whole.slice(17..)]));
        assert!(!traffic.is_payload(1, &[whole.slice(..4_999)]));
        assert!(!traffic.is_payload(1, &[whole.slice(17..), whole.slice(..17)]));
        assert!(!traffic.is_payload(0, &[whole]));
    }
}
