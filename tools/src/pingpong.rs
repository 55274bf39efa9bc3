//! The ping-pong protocol of RSPLIB (PPID 33): a user sends numbered Pings, the element answers each with a Pong that
//! carries its own count of replies. The count is the session's state: it travels in the cookie, so that another element
//! goes on counting where the first one was.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rserpool::driver::{Service, ServiceSession};
use rserpool::transport::{AssociationId, LostReason, UserMessage};

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

/// What an element knows of a session.
#[derive(Debug)]
struct State {
    /// The number of the next reply: this is what the cookie carries.
    next_reply: u64,
    /// Replies that this element gave.
    replies: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { next_reply: 1, replies: 0 }
    }
}

/// The element's side.
#[derive(Debug, Default)]
pub struct PingPong {
    sessions: HashMap<AssociationId, State>,
    /// Break a session off after so many replies, to show fail-overs.
    failure_after: Option<u64>,
}

impl PingPong {
    /// Answers for ever.
    pub fn new() -> Self {
        Self::default()
    }

    /// Breaks each session off after so many replies.
    pub fn failing_after(replies: u64) -> Self {
        Self { failure_after: Some(replies), ..Self::default() }
    }

    fn answer(&mut self, session: &mut ServiceSession<'_>, message: u64, data: Bytes) {
        let state = self.sessions.entry(session.id()).or_default();
        let pong = Message::Pong { message, reply: state.next_reply, data };
        state.next_reply = state.next_reply.wrapping_add(1);
        state.replies += 1;
        let cookie = encode_cookie(state.next_reply);
        let is_failing = self.failure_after.is_some_and(|limit| state.replies >= limit);
        let sent = session.send(pong.to_user_message()).and_then(|()| session.send_cookie(cookie));
        if let Err(error) = &sent {
            tracing::warn!(%error, "session given up");
        }
        if is_failing || sent.is_err() {
            session.abort();
        }
    }
}

impl Service for PingPong {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        let decoded = Message::decode(message.data).filter(|_| message.ppid == PPID);
        match decoded {
            Some(Message::Ping { message, data }) => self.answer(session, message, data),
            _ => tracing::debug!("not a Ping"),
        }
    }

    fn on_cookie_echo(&mut self, session: &mut ServiceSession<'_>, cookie: Bytes) {
        match decode_cookie(&cookie) {
            Some(next_reply) => {
                tracing::info!(session = ?session.id(), next_reply, "goes on from the cookie");
                self.sessions.entry(session.id()).or_default().next_reply = next_reply;
            }
            None => {
                tracing::warn!("the cookie is not one of ours");
                session.abort();
            }
        }
    }

    fn on_end(&mut self, session: AssociationId, reason: LostReason) {
        tracing::info!(?session, ?reason, "session over");
        self.sessions.remove(&session);
    }
}

#[cfg(test)]
mod tests {
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
}
