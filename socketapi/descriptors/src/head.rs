//! What is said of a message that goes through the pair with it.

use crate::name::Marker;

/// The head of a headed record: what `struct sctp_sndinfo` says (RFC 6458, 5.3.4), as far as it is about the message only.
///
/// In the record it is the [marker](crate::SocketName::marker), the kind where a filler has zeros, stream, flags, PPID and context; the
/// payload, which is not empty, lies behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Stream.
    pub stream: u16,
    /// `SCTP_UNORDERED`.
    pub unordered: bool,
    /// `SCTP_SACK_IMMEDIATELY`.
    pub sack_immediately: bool,
    /// Payload protocol identifier, as a number.
    pub ppid: u32,
    /// Comes back when the message fails.
    pub context: u32,
}

/// Nobody else's records have this behind a marker: neither fillers, nor tokens, which are shorter than a head.
const KIND: [u8; 4] = *b"head";

/// Bits of the flags; there are no others.
const UNORDERED: u16 = 1;
const SACK_IMMEDIATELY: u16 = 1 << 1;

impl Head {
    /// Its length, in bytes.
    pub const LEN: usize = size_of::<Marker>() + KIND.len() + 12;

    /// What a record of the socket with this marker begins with.
    pub fn to_bytes(self, marker: &Marker) -> [u8; Self::LEN] {
        let mut flags = 0;
        flags |= if self.unordered { UNORDERED } else { 0 };
        flags |= if self.sack_immediately { SACK_IMMEDIATELY } else { 0 };
        let parts = [
            &marker[..],
            &KIND,
            &self.stream.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &self.ppid.to_ne_bytes(),
            &self.context.to_ne_bytes(),
        ];
        let mut bytes = [0; Self::LEN];
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads the head of a record, behind which its payload lies; `None` if the socket with this marker has no such record.
    pub fn from_bytes(record: &[u8], marker: &Marker) -> Option<Self> {
        let rest = record.strip_prefix(marker)?.strip_prefix(&KIND)?;
        let (stream, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (ppid, rest) = rest.split_first_chunk()?;
        let (context, payload) = rest.split_first_chunk()?;
        let flags = u16::from_ne_bytes(*flags);
        let head = Self {
            stream: u16::from_ne_bytes(*stream),
            unordered: flags & UNORDERED != 0,
            sack_immediately: flags & SACK_IMMEDIATELY != 0,
            ppid: u32::from_ne_bytes(*ppid),
            context: u32::from_ne_bytes(*context),
        };
        let is_one = flags & !(UNORDERED | SACK_IMMEDIATELY) == 0 && !payload.is_empty();
        is_one.then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Token;

    const MARKER: Marker = *b"0123456789abcdef";

    fn heads() -> impl Iterator<Item = Head> {
        let numbers = [0, 1, 0xdead_beef, u32::MAX];
        (0..4 * 4 * 4).map(move |case| Head {
            stream: [0, 1, 0x1234, u16::MAX][case % 4],
            unordered: case & 1 != 0,
            sack_immediately: case & 2 != 0,
            ppid: numbers[case / 4 % 4],
            context: numbers[case / 16],
        })
    }

    fn with(head: Head, payload: &[u8]) -> Vec<u8> {
        [&head.to_bytes(&MARKER)[..], payload].concat()
    }

    #[test]
    fn a_head_is_read_back_by_its_own_socket_only() {
        for head in heads() {
            let record = with(head, b"payload");
            assert_eq!(Head::from_bytes(&record, &MARKER), Some(head));
            assert_eq!(&record[Head::LEN..], b"payload");
            assert_eq!(Head::from_bytes(&record, b"another_socket's"), None);
        }
    }

    #[test]
    fn neither_a_token_nor_a_filler_is_headed_and_no_head_is_a_token() {
        for len in MARKER.len()..100 {
            let mut filler = MARKER.to_vec();
            filler.resize(len, 0);
            assert_eq!(Head::from_bytes(&filler, &MARKER), None, "{len} bytes");
        }
        let number = u32::from_ne_bytes(KIND);
        assert_eq!(Head::from_bytes(&Token(number).to_bytes(&MARKER), &MARKER), None);
        assert!(heads().all(|head| Token::from_bytes(&with(head, b"x"), &MARKER).is_none()));
    }

    /// SCTP has no empty messages (RFC 9260, 3.3.1).
    #[test]
    fn what_is_cut_or_empty_or_has_other_flags_is_none() {
        let whole = with(Head::default(), b"x");
        for len in 0..whole.len() {
            assert_eq!(Head::from_bytes(&whole[..len], &MARKER), None, "{len} bytes");
        }
        for bit in 2..16 {
            let mut strange = whole.clone();
            let at = MARKER.len() + KIND.len() + 2;
            strange[at..at + 2].copy_from_slice(&(1_u16 << bit).to_ne_bytes());
            assert_eq!(Head::from_bytes(&strange, &MARKER), None, "bit {bit}");
        }
    }

    /// Whatever a record says: either it is what some head says, or it is none.
    #[test]
    fn what_any_bytes_are_read_as_is_written_as_the_same_bytes() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut headed = 0;
        for _ in 0..20_000 {
            // Mostly like one, with bytes that are not.
            let mut record = [&MARKER[..], &KIND, &[0; 40]].concat();
            record.truncate((random() % 61) as usize);
            for _ in 0..random() % 6 {
                if let Some(byte) = record.get_mut((random() % 60) as usize) {
                    *byte = random() as u8 & random() as u8;
                }
            }
            if let Some(head) = Head::from_bytes(&record, &MARKER) {
                assert_eq!(head.to_bytes(&MARKER), record[..Head::LEN]);
                headed += 1;
            }
        }
        assert!(headed > 100, "{headed}");
    }
}
