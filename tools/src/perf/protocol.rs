//! What client and server of `sctp-perf` say to each other: the payload protocol identifier tells what a message is.
//!
//! | PPID | from | payload |
//! |---|---|---|
//! | `DATA` | client | any bytes, counted and checksummed |
//! | `END` | client | empty but for one byte: the server answers with `REPORT` |
//! | `REPORT` | server | bytes u64, messages u64, crc32c u32, nanoseconds from first to last message u64; big-endian |
//! | `REQUEST` | client | any bytes |
//! | `REPLY` | server | the same bytes |
//!
//! Messages with other identifiers are counted as `DATA`, so that foreign senders can be measured.

/// Bulk data.
pub const DATA: u32 = 0x5350_0001;
/// The client has sent all its data.
pub const END: u32 = 0x5350_0002;
/// What the server received.
pub const REPORT: u32 = 0x5350_0003;
/// To be sent back.
pub const REQUEST: u32 = 0x5350_0004;
/// Sent back.
pub const REPLY: u32 = 0x5350_0005;

/// What a receiver counted, message payloads in order of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Payload bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
    /// CRC32c over all payload bytes.
    pub crc32c: u32,
    /// Nanoseconds from the first message to the last one.
    pub nanoseconds: u64,
}

impl Tally {
    /// Counts one message.
    pub fn add(&mut self, payload: &[u8]) {
        self.add_bytes(payload);
        self.messages += 1;
    }

    /// Counts a piece of a message.
    pub fn add_bytes(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, piece);
    }

    /// As the payload of a `REPORT`.
    pub fn encode(&self) -> [u8; 28] {
        let mut out = [0; 28];
        out[..8].copy_from_slice(&self.bytes.to_be_bytes());
        out[8..16].copy_from_slice(&self.messages.to_be_bytes());
        out[16..20].copy_from_slice(&self.crc32c.to_be_bytes());
        out[20..].copy_from_slice(&self.nanoseconds.to_be_bytes());
        out
    }

    /// Reads the payload of a `REPORT`; `None` if it is not one.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (bytes, rest) = payload.split_first_chunk()?;
        let (messages, rest) = rest.split_first_chunk()?;
        let (crc32c, rest) = rest.split_first_chunk()?;
        Some(Self {
            bytes: u64::from_be_bytes(*bytes),
            messages: u64::from_be_bytes(*messages),
            crc32c: u32::from_be_bytes(*crc32c),
            nanoseconds: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }

    /// Megabits of payload a second, between the first and the last message.
    pub fn mbit_per_second(&self) -> f64 {
        if self.nanoseconds == 0 { 0.0 } else { self.bytes as f64 * 8e3 / self.nanoseconds as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_back_and_a_cut_one_is_refused() {
        let mut tally = Tally { nanoseconds: 5, ..Tally::default() };
        tally.add(b"123456789");
        assert_eq!(tally.crc32c, 0xe306_9283, "the check value of CRC32c");
        assert_eq!(Tally::decode(&tally.encode()), Some(tally));
        assert_eq!(Tally::decode(&tally.encode()[..27]), None);
    }
}
