//! The CalcApp protocol of RSPLIB (PPID 34).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rserpool::transport::UserMessage;

/// Payload protocol identifier.
pub const PPID: u32 = 34;

const LENGTH: usize = 24;
const COOKIE_LENGTH: usize = 20;

/// What a message says of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user wants it done.
    Request = 1,
    /// The element does it.
    Accept = 2,
    /// The element has too much to do.
    Reject = 3,
    /// Nobody wants it any more.
    Abort = 4,
    /// It is done.
    Complete = 5,
    /// Are you there? Either side asks.
    KeepAlive = 6,
    /// The answer.
    KeepAliveAck = 7,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        use Kind::{Abort, Accept, Complete, KeepAlive, KeepAliveAck, Reject, Request};
        let all = [Request, Accept, Reject, Abort, Complete, KeepAlive, KeepAliveAck];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// How far a job is. This is what the cookie carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The user's name for the job.
    pub job: u32,
    /// Calculations, all of them.
    pub size: u64,
    /// Calculations that are done.
    pub completed: u64,
}

impl Progress {
    /// The cookie, whose length is one that RSPLIB reads.
    pub fn to_cookie(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(COOKIE_LENGTH);
        self.write(&mut bytes);
        bytes.freeze()
    }

    /// What the cookie says, if it is one of this protocol.
    pub fn from_cookie(cookie: &[u8]) -> Option<Self> {
        Self::read(&mut &cookie[..]).filter(|progress| progress.completed <= progress.size)
    }

    fn write(self, bytes: &mut BytesMut) {
        bytes.put_u32(self.job);
        bytes.put_u64(self.size);
        bytes.put_u64(self.completed);
    }

    fn read(bytes: &mut impl Buf) -> Option<Self> {
        let job = bytes.try_get_u32().ok()?;
        let (size, completed) = (bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?);
        Some(Self { job, size, completed })
    }
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// Of which job. Only Request and Complete tell its size.
    pub progress: Progress,
}

impl Message {
    /// A message that tells no size.
    pub fn new(kind: Kind, job: u32) -> Self {
        Self { kind, progress: Progress { job, ..Progress::default() } }
    }

    /// The message, ready to be sent.
    pub fn to_user_message(self) -> UserMessage {
        let mut bytes = BytesMut::with_capacity(LENGTH);
        bytes.put_u8(self.kind as u8);
        bytes.put_u8(0);
        bytes.put_u16(LENGTH as u16);
        self.progress.write(&mut bytes);
        UserMessage::new(PPID, bytes)
    }

    /// The message in this one, if it is one.
    pub fn decode(message: &UserMessage) -> Option<Self> {
        let mut bytes = message.data.clone();
        if message.ppid != PPID || bytes.len() < LENGTH {
            return None;
        }
        let kind = Kind::from_number(bytes.get_u8())?;
        bytes.advance(3);
        Some(Self { kind, progress: Progress::read(&mut bytes)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROGRESS: Progress = Progress { job: 1, size: 0x0102, completed: 2 };

    #[test]
    fn messages_look_as_rsplibs() {
        let message = Message { kind: Kind::Complete, progress: PROGRESS };
        let sent = message.to_user_message();
        assert_eq!(sent.data[..], [5, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(Message::decode(&sent), Some(message));
    }

    #[test]
    fn a_cookie_holds_the_progress_and_has_a_length_that_rsplib_reads() {
        let cookie = PROGRESS.to_cookie();
        assert_eq!((cookie.len() % 4, Progress::from_cookie(&cookie)), (0, Some(PROGRESS)));
        assert_eq!(Progress::from_cookie(&cookie[1..]), None);
        let impossible = Progress { completed: 1, ..Progress::default() };
        assert_eq!(Progress::from_cookie(&impossible.to_cookie()), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), ppid in 33u32..36) {
            Progress::from_cookie(&bytes);
            let message = UserMessage::new(ppid, bytes.clone());
            if let Some(decoded) = Message::decode(&message) {
                prop_assert_eq!(&decoded.to_user_message().data[4..], &bytes[4..24]);
            }
        }
    }
}
