//! Requests that are longer than a record of the control connection.

use crate::message::{DecodeError, MAX_REQUEST_LEN};

/// No record of a control connection is longer, in bytes, towards the service.
pub const MAX_PIECE_LEN: usize = 64 * 1024;

/// What a record of the control connection begins with.
const LAST: u8 = 0;
const MORE: u8 = 1;

/// A record of the control connection that a descriptor comes with, of a data pair: see [`Reply::Show`](crate::Reply::Show).
pub const SHOWN: [u8; 1] = [2];

/// The records that a request travels in. Replies are one record.
pub fn pieces(request: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let chunks = request.chunks(MAX_PIECE_LEN - 1);
    let last = chunks.len().saturating_sub(1);
    chunks.enumerate().map(move |(at, chunk)| [&[if at == last { LAST } else { MORE }], chunk].concat())
}

/// Puts a request together again.
#[derive(Debug, Default)]
pub struct Joiner {
    request: Vec<u8>,
}

impl Joiner {
    /// Takes a record; the whole request with the last one.
    ///
    /// # Errors
    /// It is none, or the request is too long.
    pub fn push(&mut self, record: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let (kind, chunk) = record.split_first().ok_or(DecodeError)?;
        if chunk.is_empty() || self.request.len() + chunk.len() > MAX_REQUEST_LEN {
            return Err(DecodeError);
        }
        self.request.extend(chunk);
        match *kind {
            LAST => Ok(Some(std::mem::take(&mut self.request))),
            MORE => Ok(None),
            _ => Err(DecodeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_any_length_arrives_whole() {
        let mut joiner = Joiner::default();
        for len in [1, MAX_PIECE_LEN - 1, MAX_PIECE_LEN, 3 * MAX_PIECE_LEN] {
            let request: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut whole = None;
            for piece in pieces(&request) {
                assert!(piece.len() <= MAX_PIECE_LEN && whole.is_none());
                whole = joiner.push(&piece).unwrap();
            }
            assert_eq!(whole, Some(request));
        }
    }

    #[test]
    fn what_is_no_piece_or_too_much_is_refused() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.push(&[]), Err(DecodeError));
        assert!([&[7, 7][..], &[MORE], &[LAST]].iter().all(|piece| joiner.push(piece).is_err()));
        let piece = [&[MORE][..], &[0; MAX_PIECE_LEN - 1]].concat();
        let taken = (0..100).take_while(|_| joiner.push(&piece).is_ok()).count();
        assert_eq!(taken, MAX_REQUEST_LEN / (MAX_PIECE_LEN - 1));
    }
}
