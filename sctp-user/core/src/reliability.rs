//! How persistently a message is sent: the policies of partial reliability (RFC 3758, 4.1; RFC 7496, 3).

use core::time::Duration;
use std::collections::BTreeMap;

/// When the sender gives a message up.
///
/// Once some of a message was sent, it is given up only if both sides have
/// [partial reliability](crate::extensions::Extensions::partial_reliability).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Never (`SCTP_PR_SCTP_NONE`).
    #[default]
    Full,
    /// When it has waited for so long and then would have to be sent, for the first time or again (`SCTP_PR_SCTP_TTL`;
    /// RFC 3758, 4.1). Without partial reliability this is the `lifetime` of RFC 9260, 11.1.5.
    Timed(Duration),
    /// When one of its chunks would have to be sent again more often than this (`SCTP_PR_SCTP_RTX`; RFC 7496, 3.1).
    Retransmissions(u32),
    /// When the send buffer has no room for a message of higher priority (`SCTP_PR_SCTP_PRIO`; RFC 7496, 3.2). 0 is
    /// the highest; messages with any other policy stand above all that have this one.
    Priority(u32),
}

impl Reliability {
    /// The policy, unless there is none.
    pub const fn policy(self) -> Option<Policy> {
        match self {
            Self::Full => None,
            Self::Timed(_) => Some(Policy::Timed),
            Self::Retransmissions(_) => Some(Policy::Retransmissions),
            Self::Priority(_) => Some(Policy::Priority),
        }
    }
}

/// A policy by which messages are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// See [`Reliability::Timed`].
    Timed,
    /// See [`Reliability::Retransmissions`].
    Retransmissions,
    /// See [`Reliability::Priority`].
    Priority,
}

/// How many messages were given up (RFC 7496, 4.3). Each is counted in one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Before any part was sent.
    pub unsent: u64,
    /// After a part was sent.
    pub sent: u64,
}

impl core::ops::AddAssign for Abandoned {
    fn add_assign(&mut self, other: Self) {
        self.unsent += other.unsent;
        self.sent += other.sent;
    }
}

/// Counters of one stream, or of all: one for each policy.
#[derive(Clone, Copy, Debug, Default)]
struct ByPolicy([Abandoned; 3]);

impl ByPolicy {
    fn get(&self, policy: Option<Policy>) -> Abandoned {
        let mut sum = Abandoned::default();
        let chosen =
            (0..).zip(self.0).filter(|&(index, _)| policy.is_none_or(|policy| policy as usize == index));
        chosen.for_each(|(_, count)| sum += count);
        sum
    }

    fn count(&mut self, policy: Policy, sent: bool) {
        let Some(count) = self.0.get_mut(policy as usize) else { return };
        *count += Abandoned { unsent: u64::from(!sent), sent: u64::from(sent) };
    }
}

/// What was given up in an association so far. A stream takes memory once something of it was.
#[derive(Debug, Default)]
pub(crate) struct AbandonedCounts {
    all: ByPolicy,
    streams: BTreeMap<u16, ByPolicy>,
}

impl AbandonedCounts {
    pub(crate) fn count(&mut self, stream_id: u16, policy: Policy, sent: bool) {
        self.all.count(policy, sent);
        self.streams.entry(stream_id).or_default().count(policy, sent);
    }

    /// By this policy, or by any.
    pub(crate) fn of_all(&self, policy: Option<Policy>) -> Abandoned {
        self.all.get(policy)
    }

    /// Of a stream, by this policy, or by any.
    pub(crate) fn of_stream(&self, stream_id: u16, policy: Option<Policy>) -> Abandoned {
        self.streams.get(&stream_id).map_or_else(Abandoned::default, |counts| counts.get(policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7496, 4.3 and 4.4.
    #[test]
    fn each_message_is_counted_once_by_stream_and_policy() {
        let mut counts = AbandonedCounts::default();
        counts.count(1, Policy::Timed, false);
        counts.count(1, Policy::Priority, true);
        counts.count(2, Policy::Priority, true);
        assert_eq!(counts.of_all(None), Abandoned { unsent: 1, sent: 2 });
        assert_eq!(counts.of_all(Some(Policy::Priority)), Abandoned { unsent: 0, sent: 2 });
        assert_eq!(counts.of_all(Some(Policy::Retransmissions)), Abandoned::default());
        assert_eq!(counts.of_stream(1, None), Abandoned { unsent: 1, sent: 1 });
        assert_eq!(counts.of_stream(2, Some(Policy::Timed)), Abandoned::default());
        assert_eq!(counts.of_stream(3, None), Abandoned::default());
    }
}
