//! The scripting protocol of RSPLIB (PPID 35): a user uploads a work package, and perhaps an environment that elements keep; the
//! element runs it, and the user downloads what came out.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rserpool::transport::UserMessage;

/// Payload protocol identifier.
pub const PPID: u32 = 35;
/// Bytes of a file in one message at most.
pub const MAX_DATA: usize = 16_384;
/// Bytes in which an element says who it is, at most.
pub const MAX_INFO: usize = 64;

const HEADER: usize = 4;
const UPLOAD_NEEDED: u8 = 1;

/// The SHA-1 of an environment.
pub type Hash = [u8; 20];

/// Why an element takes no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// All of its sessions are taken.
    FullyLoaded,
    /// It has no room, for example.
    OutOfResources,
    /// Another reason.
    Other(u32),
}

impl From<u32> for NotReady {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::FullyLoaded,
            2 => Self::OutOfResources,
            other => Self::Other(other),
        }
    }
}

impl From<NotReady> for u32 {
    fn from(reason: NotReady) -> Self {
        match reason {
            NotReady::FullyLoaded => 1,
            NotReady::OutOfResources => 2,
            NotReady::Other(number) => number,
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The element takes no work.
    NotReady(NotReady, Bytes),
    /// The element takes work; who it is.
    Ready(Bytes),
    /// A part of a file for the element; the empty one is its end.
    Upload(Bytes),
    /// A part of what came out; the empty one is its end.
    Download(Bytes),
    /// Are you there?
    KeepAlive,
    /// Yes.
    KeepAliveAck,
    /// The work begins (0), or has ended so.
    Status(u32),
    /// The user needs this environment.
    Environment {
        /// Which.
        hash: Hash,
        /// The element does not have it.
        upload_needed: bool,
    },
}

impl Message {
    /// The message, ready to be sent. What does not fit into it is left out.
    pub fn to_user_message(&self) -> UserMessage {
        let mut body = BytesMut::new();
        let mut flags = 0;
        let kind = match self {
            Self::NotReady(reason, info) => {
                body.put_u32((*reason).into());
                body.put_slice(&info[..info.len().min(MAX_INFO)]);
                0
            }
            Self::Ready(info) => {
                body.put_slice(&info[..info.len().min(MAX_INFO)]);
                1
            }
            Self::Upload(data) => put_data(&mut body, data, 2),
            Self::Download(data) => put_data(&mut body, data, 3),
            Self::KeepAlive => 4,
            Self::KeepAliveAck => {
                body.put_u32(0);
                5
            }
            Self::Status(status) => {
                body.put_u32(*status);
                6
            }
            Self::Environment { hash, upload_needed } => {
                flags = if *upload_needed { UPLOAD_NEEDED } else { 0 };
                body.put_slice(hash);
                7
            }
        };
        let mut bytes = BytesMut::with_capacity(HEADER + body.len());
        bytes.put_u8(kind);
        bytes.put_u8(flags);
        bytes.put_u16((HEADER + body.len()) as u16);
        bytes.put_slice(&body);
        UserMessage::new(PPID, bytes)
    }

    /// The message in this one, if it is one.
    pub fn decode(message: &UserMessage) -> Option<Self> {
        let mut body = message.data.clone();
        if message.ppid != PPID || body.len() < HEADER {
            return None;
        }
        let (kind, flags, length) = (body.get_u8(), body.get_u8(), usize::from(body.get_u16()));
        body.truncate(length.checked_sub(HEADER).filter(|length| *length <= body.len())?);
        Some(match kind {
            0 => Self::NotReady(body.try_get_u32().ok()?.into(), body.slice(..body.len().min(MAX_INFO))),
            1 => Self::Ready(body.slice(..body.len().min(MAX_INFO))),
            2 if body.len() <= MAX_DATA => Self::Upload(body),
            3 if body.len() <= MAX_DATA => Self::Download(body),
            4 => Self::KeepAlive,
            // RSPLIB's client tells no status.
            5 => Self::KeepAliveAck,
            6 => Self::Status(body.try_get_u32().ok()?),
            7 => Self::Environment {
                hash: body.get(..20)?.try_into().ok()?,
                upload_needed: flags & UPLOAD_NEEDED != 0,
            },
            _ => return None,
        })
    }
}

fn put_data(body: &mut BytesMut, data: &Bytes, kind: u8) -> u8 {
    body.put_slice(&data[..data.len().min(MAX_DATA)]);
    kind
}

/// What an element says of itself, as it may be shown.
pub fn printable(info: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    info.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_back_as_they_went() {
        let data = || Bytes::from_static(b"data");
        for message in [
            Message::NotReady(NotReady::OutOfResources, data()),
            Message::Ready(data()),
            Message::Upload(data()),
            Message::Download(Bytes::new()),
            Message::KeepAlive,
            Message::KeepAliveAck,
            Message::Status(7),
            Message::Environment { hash: [9; 20], upload_needed: true },
        ] {
            assert_eq!(Message::decode(&message.to_user_message()), Some(message));
        }
    }

    #[test]
    fn messages_look_as_rsplibs() {
        let environment = Message::Environment { hash: [9; 20], upload_needed: true }.to_user_message();
        assert_eq!(environment.data[..6], [7, 1, 0, 24, 9, 9]);
        assert_eq!(Message::Status(258).to_user_message().data[..], [6, 0, 0, 8, 0, 0, 1, 2]);
        // RSPLIB's client answers a Keep-Alive without a status.
        let short = UserMessage::new(PPID, vec![5, 0, 0, 4]);
        assert_eq!(Message::decode(&short), Some(Message::KeepAliveAck));
    }

    #[test]
    fn nothing_that_an_element_says_is_a_command_to_the_terminal() {
        assert_eq!(printable(b"host-1\x1b[2J\0"), "host-1.[2J.");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0u8..9) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            if let Some(Message::Upload(data)) = Message::decode(&UserMessage::new(PPID, bytes.clone())) {
                prop_assert!(data.len() + HEADER <= bytes.len());
            }
        }
    }
}
