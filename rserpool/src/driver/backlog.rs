//! Messages that wait for room in the send buffers of their associations.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::transport::{AssociationId, UserMessage};

/// Messages of one association that may wait; with more, it is aborted.
const MAX_MESSAGES: usize = 10_000;
/// Their bytes: who asks for long answers, and does not read them, costs no more.
const MAX_BYTES: usize = 64 << 20;
/// Those of all associations. Who has many of them costs no more than this: the one with the most is aborted.
const MAX_TOTAL: usize = 256 << 20;

/// With so many bytes of an association it is better not to listen to it, until half of them are gone.
const MANY_BYTES: usize = 256 << 10;

/// What waits, of each association apart; of those without anything, nothing is kept.
#[derive(Default)]
pub(super) struct Backlogs {
    associations: FxHashMap<AssociationId, Backlog>,
    bytes: usize,
}

#[derive(Default)]
struct Backlog {
    messages: VecDeque<UserMessage>,
    bytes: usize,
}

/// What a message costs, however short it is.
fn weight(message: &UserMessage) -> usize {
    message.data.len() + size_of::<UserMessage>()
}

impl Backlogs {
    pub(super) fn contains(&self, association: AssociationId) -> bool {
        self.associations.contains_key(&association)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    /// Whether so much waits that its peer should say nothing that causes more.
    pub(super) fn is_long(&self, association: AssociationId) -> bool {
        self.bytes_of(association) > MANY_BYTES
    }

    /// Whether that is over.
    pub(super) fn is_short(&self, association: AssociationId) -> bool {
        self.bytes_of(association) <= MANY_BYTES / 2
    }

    fn bytes_of(&self, association: AssociationId) -> usize {
        self.associations.get(&association).map_or(0, |backlog| backlog.bytes)
    }

    /// Those of which messages wait.
    pub(super) fn associations(&self) -> Vec<AssociationId> {
        self.associations.keys().copied().collect()
    }

    pub(super) fn push(&mut self, association: AssociationId, message: UserMessage) {
        let backlog = self.associations.entry(association).or_default();
        backlog.bytes += weight(&message);
        self.bytes += weight(&message);
        backlog.messages.push_back(message);
    }

    pub(super) fn first(&self, association: AssociationId) -> Option<&UserMessage> {
        self.associations.get(&association)?.messages.front()
    }

    /// Forgets the first.
    pub(super) fn pop(&mut self, association: AssociationId) {
        let Some(backlog) = self.associations.get_mut(&association) else { return };
        let freed = backlog.messages.pop_front().as_ref().map_or(0, weight);
        backlog.bytes -= freed;
        self.bytes -= freed;
        if backlog.messages.is_empty() {
            self.associations.remove(&association);
        }
    }

    /// All of an association that is over.
    pub(super) fn take(&mut self, association: AssociationId) -> VecDeque<UserMessage> {
        let backlog = self.associations.remove(&association).unwrap_or_default();
        self.bytes -= backlog.bytes;
        backlog.messages
    }

    /// The association to be given up, after a message of `latest` has been pushed.
    pub(super) fn excessive(&self, latest: AssociationId) -> Option<AssociationId> {
        let is_excessive =
            |backlog: &Backlog| backlog.messages.len() > MAX_MESSAGES || backlog.bytes > MAX_BYTES;
        if self.associations.get(&latest).is_some_and(is_excessive) {
            return Some(latest);
        }
        if self.bytes <= MAX_TOTAL {
            return None;
        }
        let largest = self.associations.iter().max_by_key(|(_, backlog)| backlog.bytes);
        largest.map(|(association, _)| *association)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const A: AssociationId = AssociationId::Incoming(0);

    #[test]
    fn one_association_is_bounded_by_number_and_by_bytes() {
        let mut backlogs = Backlogs::default();
        (0..MAX_MESSAGES).for_each(|_| backlogs.push(A, UserMessage::new(0, Bytes::new())));
        assert_eq!(backlogs.excessive(A), None);
        backlogs.push(A, UserMessage::new(0, Bytes::new()));
        assert_eq!(backlogs.excessive(A), Some(A));
        assert_eq!(backlogs.take(A).len(), MAX_MESSAGES + 1);
        backlogs.push(A, UserMessage::new(0, vec![0; MAX_BYTES]));
        assert_eq!(backlogs.excessive(A), Some(A));
    }

    #[test]
    fn of_all_together_the_largest_goes_whoever_comes_last() {
        let mut backlogs = Backlogs::default();
        // Shared: the test does not need what it counts.
        let half = Bytes::from(vec![0; MAX_BYTES / 2]);
        let fill = |backlogs: &mut Backlogs, number| {
            backlogs.push(AssociationId::Incoming(number), UserMessage::new(0, half.clone()));
        };
        (0..7).for_each(|number| fill(&mut backlogs, number));
        backlogs.push(AssociationId::Incoming(3), UserMessage::new(0, half.slice(..1000)));
        assert_eq!(backlogs.excessive(AssociationId::Incoming(6)), None);
        fill(&mut backlogs, 7);
        assert_eq!(backlogs.excessive(AssociationId::Incoming(7)), Some(AssociationId::Incoming(3)));
        backlogs.take(AssociationId::Incoming(3));
        assert_eq!(backlogs.excessive(AssociationId::Incoming(7)), None);
    }

    #[test]
    fn what_is_sent_counts_no_longer() {
        let mut backlogs = Backlogs::default();
        let messages = [1, 2].map(|length| UserMessage::new(0, vec![0; length]));
        messages.iter().for_each(|message| backlogs.push(A, message.clone()));
        for message in &messages {
            assert_eq!(backlogs.first(A), Some(message));
            backlogs.pop(A);
        }
        assert!(!backlogs.contains(A) && backlogs.bytes == 0);
    }
}
