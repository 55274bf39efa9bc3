//! ASAP messages in a stream of bytes: between pool users and registrars, TCP will do (RFC 5352, 2.1).
//!
//! One message follows the other, each as long as its header says. If that is no multiple of four, padding may follow (RFC 5354, 4): zeros,
//! with which no message begins.

use bytes::{Buf, Bytes, BytesMut};

use super::tlv::padded;

/// Type, flags, length.
const HEADER_LEN: usize = 4;

/// Cuts a stream into messages.
#[derive(Debug)]
pub struct MessageStream {
    buffer: BytesMut,
    max_len: usize,
    /// Zeros that the last message may be followed by.
    padding: usize,
}

/// The stream cannot be cut into messages any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes, and {min} to {max} are taken", min = HEADER_LEN)]
pub struct StreamError {
    /// What its header says.
    pub length: usize,
    /// The longest that is taken.
    pub max: usize,
}

impl MessageStream {
    /// A stream whose messages are no longer than this.
    pub fn new(max_len: usize) -> Self {
        Self { buffer: BytesMut::new(), max_len, padding: 0 }
    }

    /// Bytes have come. Fetch messages before the next ones: what waits is bounded by what is pushed at a time, and a message.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is there to its end.
    ///
    /// # Errors
    /// [`StreamError`] if where it ends cannot be believed: nothing that follows makes sense.
    pub fn pop(&mut self) -> Result<Option<Bytes>, StreamError> {
        while self.padding > 0 && self.buffer.first() == Some(&0) {
            self.buffer.advance(1);
            self.padding -= 1;
        }
        let Some(&[message_type, _, high, low]) = self.buffer.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // A zero that is more than padding begins nothing.
        if message_type == 0 || length < HEADER_LEN || length > self.max_len {
            return Err(StreamError { length, max: self.max_len });
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.padding = padded(length) - length;
        let message = self.buffer.split_to(length).freeze();
        if self.buffer.is_empty() {
            // An idle connection costs nothing.
            self.buffer = BytesMut::new();
        }
        Ok(Some(message))
    }

    /// Whether a message has begun that has not ended.
    pub fn is_within_message(&self) -> bool {
        self.buffer.len() > self.padding || self.buffer.iter().any(|byte| *byte != 0)
    }
}

/// A message as it goes into a stream: with its padding.
pub fn to_stream(message: &[u8]) -> impl Iterator<Item = u8> {
    let padding = padded(message.len()) - message.len();
    message.iter().copied().chain(std::iter::repeat_n(0, padding))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(length: u16) -> Vec<u8> {
        let header = [5, 0, length.to_be_bytes()[0], length.to_be_bytes()[1]];
        header.into_iter().chain((4..length).map(|byte| byte as u8)).collect()
    }

    /// All messages of a stream that comes in pieces of this size.
    fn cut(bytes: &[u8], piece: usize, max_len: usize) -> Result<Vec<Vec<u8>>, StreamError> {
        let mut stream = MessageStream::new(max_len);
        let mut messages = Vec::new();
        for piece in bytes.chunks(piece) {
            stream.push(piece);
            while let Some(message) = stream.pop()? {
                messages.push(message.to_vec());
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_the_stream_is_cut() {
        // RFC 5354, 4: with and without what pads them.
        let all: Vec<Vec<u8>> = [4, 5, 6, 7, 8, 1001].map(message).into();
        let padded: Vec<u8> = all.iter().flat_map(|message| to_stream(message)).collect();
        assert!(padded.len().is_multiple_of(4));
        let bare = all.concat();
        for piece in [1, 2, 3, 7, 4096] {
            assert_eq!(cut(&padded, piece, 1001).as_ref(), Ok(&all), "{piece}");
            assert_eq!(cut(&bare, piece, 1001).as_ref(), Ok(&all), "{piece}");
        }
    }

    #[test]
    fn what_cannot_be_a_message_ends_the_stream() {
        for (wrong, max) in
            [(&[5, 0, 0, 3][..], 100), (&[5, 0, 0, 101], 100), (&[0, 0, 0, 4], 100), (b"GET / HTTP", 100)]
        {
            assert!(cut(wrong, 1, max).is_err(), "{wrong:?}");
        }
        let with_more_than_padding = [message(5), vec![0; 4]].concat();
        assert_eq!(cut(&with_more_than_padding, 1, 100), Ok(vec![message(5)]));
        let with_another = [message(5), vec![0; 4], message(8)].concat();
        assert!(cut(&with_another, 1, 100).is_err());
    }

    #[test]
    fn padding_alone_is_no_message_that_has_begun() {
        let mut stream = MessageStream::new(100);
        stream.push(&message(6));
        stream.push(&[0]);
        assert!(stream.pop().expect("a message").is_some() && !stream.is_within_message());
        stream.push(&[0, 5]);
        assert!(stream.pop().expect("no error").is_none() && stream.is_within_message());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_a_message(bytes: Vec<u8>, piece in 1_usize..9) {
            let mut stream = MessageStream::new(16);
            for piece in bytes.chunks(piece) {
                stream.push(piece);
                while let Ok(Some(_)) = stream.pop() {}
                if stream.pop().is_err() {
                    break;
                }
                prop_assert!(stream.buffer.len() < 16);
            }
        }
    }
}
