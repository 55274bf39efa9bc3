//! The bare records that a program got first. A program that accepts an association, and only then says what it wants to know
//! of messages, may have got some by then. On Linux they have it all the same.

use sctp_abi::{AssocIds, Errno};
use sctp_descriptors::Reply;

use crate::inbox::Item;
use crate::socket::Served;

/// Bytes of messages that are kept: what comes at the beginning, before a program has set its options.
const MAX_LEN: usize = 64 * 1024;
/// What a message takes besides.
const OVERHEAD: usize = 256;

/// All bare records that were ever written, or none of them, once there were too many.
#[derive(Debug)]
pub(crate) struct Early<T = Item> {
    records: Vec<T>,
    len: usize,
}

impl<T> Default for Early<T> {
    fn default() -> Self {
        Self { records: Vec::new(), len: 0 }
    }
}

impl<T> Early<T> {
    /// A record of so many bytes was written.
    pub(crate) fn push(&mut self, len: usize, record: impl FnOnce() -> T) {
        self.len = self.len.saturating_add(len + OVERHEAD);
        if self.len > MAX_LEN {
            self.records = Vec::new();
        } else {
            self.records.push(record());
        }
    }

    /// The last ones. All of them are asked for if the program has read none.
    fn take_last(&mut self, count: usize) -> Vec<T> {
        let first = self.records.len().saturating_sub(count);
        self.records.split_off(first)
    }
}

impl Served {
    /// An option was set. If what the program got so far lacks what it wants to know since then, it is to be brought back.
    pub(crate) fn after_option(&self, was_plain: bool, reply: Reply) -> Reply {
        let lacks = was_plain && !self.is_plain() && !self.early.records.is_empty();
        if lacks && reply == Reply::Done { Reply::TakeBack } else { reply }
    }

    /// The program has brought back what it had not read.
    pub(crate) fn take_back(
        &mut self,
        ids: &mut AssocIds,
        records: u32,
        skipped: u32,
        tokens: u32,
    ) -> Result<Reply, Errno> {
        (0..tokens).for_each(|_| self.pair.took());
        let mut records = self.early.take_last(records as usize);
        if let Some(first) = records.first_mut() {
            first.advance(skipped as usize);
        }
        self.inbox.push_front(records);
        self.settle(ids);
        Ok(Reply::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_read_is_the_last_of_what_was_written() {
        let mut early = Early::default();
        (1..=3).for_each(|number| early.push(1, || number));
        assert_eq!(early.take_last(2), [2, 3]);
        assert_eq!(early.take_last(9), [1]);
    }

    #[test]
    fn of_too_much_nothing_is_kept_and_nothing_ever_after() {
        let mut early = Early::default();
        early.push(MAX_LEN - OVERHEAD, || 1);
        assert_eq!(early.records, [1]);
        early.push(1, || 2);
        early.push(1, || 3);
        assert!(early.records.is_empty());
    }
}
