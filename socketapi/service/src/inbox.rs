//! What waits for a program: messages and notifications that were taken out of the stack, the one to read next first.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Buf, Bytes};
use libc::MSG_EOR;
use sctp_abi::control::{Arrived, Next};
use sctp_core::event::AssociationId;
use sctp_core::message::Message;

/// `msg_flags` of a notification (RFC 6458, 6.1).
const MSG_NOTIFICATION: i32 = 0x8000;

/// Something to read.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A message, or what short reads have left of it.
    Message {
        association: AssociationId,
        /// The number that the program knows the association by.
        number: i32,
        /// The primary address of the peer, and its port.
        peer: SocketAddr,
        message: Message,
    },
    /// A notification, or what short reads have left of it.
    Notification { association: AssociationId, number: i32, peer: SocketAddr, record: Bytes },
}

/// A queue that is filled only as far as the program looks ahead, so that what it does not read stays in the stack and
/// closes a_rwnd. Notifications may be more than one for each of the stack's.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    items: VecDeque<Item>,
    /// Nothing follows, and this is the `errno` of that.
    pub(crate) end: Option<i32>,
}

impl Item {
    pub(crate) fn association(&self) -> AssociationId {
        match self {
            Self::Message { association, .. } | Self::Notification { association, .. } => *association,
        }
    }

    /// Whom it is of; programs are told, also when the association is over by then.
    pub(crate) fn peer(&self) -> SocketAddr {
        match self {
            Self::Message { peer, .. } | Self::Notification { peer, .. } => *peer,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Message { message, .. } => message.len(),
            Self::Notification { record, .. } => record.len(),
        }
    }

    /// As `SCTP_NXTINFO` tells of it (RFC 6458, 5.3.6).
    pub(crate) fn as_next(&self) -> Next {
        let len = u32::try_from(self.len()).unwrap_or(u32::MAX);
        match self {
            Self::Message { number, message, .. } => Next {
                number: *number,
                notification: false,
                stream: message.stream_id,
                unordered: message.unordered,
                ppid: message.ppid,
                len,
            },
            Self::Notification { number, .. } => {
                Next { number: *number, notification: true, stream: 0, unordered: false, ppid: 0, len }
            }
        }
    }

    /// As `SCTP_RCVINFO` tells of it; notifications have none.
    pub(crate) fn as_arrived(&self, cumulative_tsn: u32) -> Option<Arrived<'_>> {
        match self {
            Self::Message { association, number, message, .. } => {
                Some(Arrived { association: *association, number: *number, message, cumulative_tsn })
            }
            Self::Notification { .. } => None,
        }
    }

    /// The first `len` bytes, which are copied only where they lie in several pieces.
    pub(crate) fn start(&self, len: usize) -> Cow<'_, [u8]> {
        let pieces = match self {
            Self::Message { message, .. } => message.payload.as_slice(),
            Self::Notification { record, .. } => std::slice::from_ref(record),
        };
        match pieces {
            [first_piece, rest @ ..] if rest.is_empty() || first_piece.len() >= len => {
                Cow::Borrowed(first(first_piece, len))
            }
            _ => {
                let mut start = Vec::with_capacity(len);
                for piece in pieces {
                    start.extend_from_slice(first(piece, len - start.len()));
                }
                Cow::Owned(start)
            }
        }
    }

    fn advance(&mut self, mut len: usize) {
        match self {
            Self::Message { message, .. } => {
                for piece in &mut message.payload {
                    let step = len.min(piece.len());
                    piece.advance(step);
                    len -= step;
                }
                message.payload.retain(|piece| !piece.is_empty());
            }
            Self::Notification { record, .. } => record.advance(len.min(record.len())),
        }
    }

    /// `msg_flags` of a read that ends at the end of what is here, or before.
    fn flags(&self, whole: bool) -> i32 {
        match self {
            Self::Message { message, .. } if whole && message.end_of_record => MSG_EOR,
            Self::Message { .. } => 0,
            Self::Notification { .. } if whole => MSG_NOTIFICATION | MSG_EOR,
            Self::Notification { .. } => MSG_NOTIFICATION,
        }
    }
}

fn first(bytes: &Bytes, len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

impl Inbox {
    pub(crate) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// What comes before all that is here.
    pub(crate) fn put_before(&mut self, items: Vec<Item>) {
        items.into_iter().rev().for_each(|item| self.items.push_front(item));
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn front(&self) -> Option<&Item> {
        self.items.front()
    }

    /// The one behind the first.
    pub(crate) fn second(&self) -> Option<&Item> {
        self.items.get(1)
    }

    /// Reads at most `room` bytes of the first item, which is then gone as far as it was read, unless this only peeks.
    /// With the bytes come `msg_flags`.
    pub(crate) fn read(&mut self, room: usize, peeks: bool) -> Option<(Vec<u8>, i32)> {
        let (bytes, flags) = self.peek(room)?;
        let bytes = bytes.into_owned();
        if !peeks {
            self.skip(bytes.len());
        }
        Some((bytes, flags))
    }

    /// What such a read brings.
    pub(crate) fn peek(&self, room: usize) -> Option<(Cow<'_, [u8]>, i32)> {
        let item = self.items.front()?;
        let len = room.min(item.len());
        Some((item.start(len), item.flags(len == item.len())))
    }

    /// Takes out so many bytes of the first item, which is gone when all are.
    pub(crate) fn skip(&mut self, len: usize) {
        match self.items.front_mut() {
            Some(item) if len < item.len() => item.advance(len),
            _ => drop(self.items.pop_front()),
        }
    }

    /// Messages that nobody will read (RFC 6458, 4.1.8): the associations that they came on.
    pub(crate) fn unread(&self) -> impl Iterator<Item = AssociationId> + '_ {
        self.items.iter().filter(|item| matches!(item, Item::Message { .. })).map(Item::association)
    }

    /// Takes out what is of one association, which goes to another socket.
    pub(crate) fn split_off(&mut self, association: AssociationId) -> Self {
        let (theirs, ours) = self.items.drain(..).partition(|item| item.association() == association);
        self.items = ours;
        Self { items: theirs, end: None }
    }
}
