//! Messages that were written bare before the program said that it wants to know more of them.
//!
//! A server accepts, and subscribes then; by that time its client may have sent something. Linux tells of it what a read asks for
//! when it reads, so the client gives back what is bare, and gets it by command.

use bytes::Bytes;
use sctp_abi::Errno;
use sctp_core::message::Message;
use sctp_descriptors::ByteBuf;

use crate::inbox::Item;
use crate::socket::Served;

/// Programs subscribe early: after so many records nothing is kept any more.
const MOST_RECORDS: usize = 64;

/// What is known of each record, but its bytes.
#[derive(Debug, Default)]
pub(crate) struct Early {
    records: Vec<Item>,
    is_over: bool,
}

impl Early {
    /// A record of this message was written, which ends it or not.
    pub(crate) fn note(&mut self, item: Option<&Item>, ends: bool) {
        let Some(Item::Message { association, number, peer, message }) = item.filter(|_| !self.is_over)
        else {
            return;
        };
        let message = Message { payload: Default::default(), end_of_record: ends, ..*message };
        let (association, number, peer) = (*association, *number, *peer);
        self.records.push(Item::Message { association, number, peer, message });
        if self.records.len() > MOST_RECORDS {
            *self = Self { records: Vec::new(), is_over: true };
        }
    }

    /// Whether there are records, all of them known.
    pub(crate) fn can_come_back(&self) -> bool {
        !self.records.is_empty()
    }
}

impl Served {
    /// Takes back what was left in the pair: the latest records. Of the first of them a part may have been read.
    ///
    /// # Errors
    /// EINVAL: there were fewer.
    pub(crate) fn take_back(&mut self, records: &[ByteBuf]) -> Result<(), Errno> {
        let Early { records: mut known, .. } =
            std::mem::replace(&mut self.early, Early { records: Vec::new(), is_over: true });
        let first = known.len().checked_sub(records.len()).ok_or(Errno::EINVAL)?;
        let mut back = known.split_off(first);
        for (item, bytes) in back.iter_mut().zip(records) {
            if let Item::Message { message, .. } = item {
                message.payload.push(Bytes::copy_from_slice(bytes));
            }
        }
        self.inbox.put_before(back);
        self.wrote_bare = false;
        Ok(())
    }
}
