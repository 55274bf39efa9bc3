//! The ping-pong protocol of RSPLIB (PPID 33): a user sends numbered Pings, the element answers each with a Pong that
//! carries its own count of replies. The count is the session's state: it travels in the cookie, so that another element
//! goes on counting where the first one was.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rserpool::driver::{Error, ServerEvent, ServerSession, SessionService};
use rserpool::transport::UserMessage;

/// Payload protocol identifier.
pub const PPID: u32 = 33;

const PING: u8 = 1;
const PONG: u8 = 2;
const HEADER: usize = 4;
/// What a cookie of this protocol begins with.
const COOKIE_NAME: &[u8; 8] = b"<PP-TD1>";

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The user's request.
    Ping {
        /// Its number.
        message: u64,
        /// Anything.
        data: Bytes,
    },
    /// The element's reply.
    Pong {
        /// The number of the request.
        message: u64,
        /// The number of the reply within the session, from 1.
        reply: u64,
        /// The request's data.
        data: Bytes,
    },
}

impl Message {
    /// A request without data.
    pub fn ping(message: u64) -> Self {
        Self::Ping { message, data: Bytes::new() }
    }

    /// The message as bytes. Data past what the length field can say is cut off.
    pub fn encode(&self) -> Bytes {
        let (kind, numbers, data) = match self {
            Self::Ping { message, data } => (PING, [Some(*message), None], data),
            Self::Pong { message, reply, data } => (PONG, [Some(*message), Some(*reply)], data),
        };
        let head = HEADER + 8 * numbers.iter().flatten().count();
        let data = data.slice(..data.len().min(usize::from(u16::MAX) - head));
        let mut bytes = BytesMut::with_capacity(head + data.len());
        bytes.put_u8(kind);
        bytes.put_u8(0);
        bytes.put_u16((head + data.len()) as u16);
        numbers.into_iter().flatten().for_each(|number| bytes.put_u64(number));
        bytes.put_slice(&data);
        bytes.freeze()
    }

    /// The message in these bytes, if they are one.
    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        let whole = bytes.len();
        let kind = bytes.try_get_u8().ok()?;
        let _flags = bytes.try_get_u8().ok()?;
        let padding = whole.checked_sub(bytes.try_get_u16().ok()?.into())?;
        let message = bytes.try_get_u64().ok()?;
        let reply = if kind == PONG { bytes.try_get_u64().ok()? } else { 0 };
        bytes.truncate(bytes.len().checked_sub(padding)?);
        match kind {
            PING => Some(Self::Ping { message, data: bytes }),
            PONG => Some(Self::Pong { message, reply, data: bytes }),
            _ => None,
        }
    }

    /// The message, ready to be sent.
    pub fn to_user_message(&self) -> UserMessage {
        UserMessage::new(PPID, self.encode())
    }
}

fn encode_cookie(next_reply: u64) -> Bytes {
    let mut cookie = BytesMut::with_capacity(16);
    cookie.put_slice(COOKIE_NAME);
    cookie.put_u64(next_reply);
    cookie.freeze()
}

fn decode_cookie(cookie: &[u8]) -> Option<u64> {
    cookie.strip_prefix(COOKIE_NAME)?.try_get_u64().ok()
}

/// The element's side: a session has a thread of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct PingPong {
    /// Break a session off after so many replies, to show fail-overs; none for never.
    pub failure_after: Option<u64>,
}

impl SessionService for PingPong {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        let (mut next_reply, mut replies) = (1, 0);
        while self.failure_after.is_none_or(|limit| replies < limit) {
            match session.receive(None)? {
                ServerEvent::CookieEcho(cookie) => match decode_cookie(&cookie) {
                    Some(number) => {
                        tracing::info!(peer = ?session.peer(), number, "goes on from the cookie");
                        next_reply = number;
                    }
                    None => {
                        tracing::warn!("the cookie is not one of ours");
                        return session.abort();
                    }
                },
                ServerEvent::Data(message) => {
                    let decoded = Message::decode(message.data).filter(|_| message.ppid == PPID);
                    let Some(Message::Ping { message, data }) = decoded else {
                        tracing::debug!("not a Ping");
                        continue;
                    };
                    let pong = Message::Pong { message, reply: next_reply, data };
                    (next_reply, replies) = (next_reply.wrapping_add(1), replies + 1);
                    session.send(pong.to_user_message())?;
                    session.send_cookie(encode_cookie(next_reply))?;
                }
                _ => {}
            }
        }
        session.abort()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data() -> Bytes {
        Bytes::from_static(b"data")
    }

    #[test]
    fn messages_come_back_as_they_went() {
        let pong = Message::Pong { message: u64::MAX, reply: 9, data: data() };
        for message in [Message::ping(7), Message::Ping { message: 8, data: data() }, pong] {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
    }

    #[test]
    fn a_ping_looks_as_rsplibs() {
        let ping = Message::Ping { message: 0x0102, data: data() }.encode();
        assert_eq!(ping, [&[1, 0, 0, 16, 0, 0, 0, 0, 0, 0, 1, 2], &b"data"[..]].concat());
    }

    #[test]
    fn padding_behind_a_message_is_not_its_data() {
        let mut bytes = Message::ping(1).encode().to_vec();
        bytes.extend([0, 0]);
        assert_eq!(Message::decode(bytes.into()), Some(Message::ping(1)));
    }

    #[test]
    fn what_is_cut_or_unknown_is_no_message() {
        let pong = Message::Pong { message: 1, reply: 2, data: data() }.encode();
        for len in 0..pong.len() {
            assert_eq!(Message::decode(pong.slice(..len)), None);
        }
        assert_eq!(Message::decode(Bytes::from_static(&[3, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0])), None);
        assert_eq!(Message::decode(Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), None);
    }

    #[test]
    fn a_cookie_holds_the_count_and_has_a_length_that_rsplib_reads() {
        let cookie = encode_cookie(258);
        assert_eq!((decode_cookie(&cookie), cookie.len() % 4), (Some(258), 0));
        assert_eq!((decode_cookie(&cookie[..12]), decode_cookie(b"")), (None, None));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0u8..4) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            decode_cookie(&bytes);
            Message::decode(bytes.into());
        }
    }
}
