//! Which notifications a program subscribed to (RFC 6458, 6.2).

use sctp_user::stack::Notifications;

use crate::constants::*;

/// A set of types of notifications: one bit for each, in the order of their numbers, as in `sctp_event_subscribe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u16);

/// Types there are: the size of `sctp_event_subscribe`.
pub(crate) const TYPES: usize = 14;

impl Events {
    /// The place of a type in the set; none if Linux has no such type.
    fn bit(kind: u16) -> Option<u16> {
        let place = kind.checked_sub(SCTP_DATA_IO_EVENT)?;
        (usize::from(place) < TYPES).then(|| 1 << place)
    }

    /// Whether there is such a type.
    pub(crate) fn is_type(kind: u16) -> bool {
        Self::bit(kind).is_some()
    }

    /// Whether this type is in the set.
    pub fn contains(self, kind: u16) -> bool {
        Self::bit(kind).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Takes a type in, or out.
    pub(crate) fn set(&mut self, kind: u16, on: bool) {
        let bit = Self::bit(kind).unwrap_or(0);
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }

    /// The types of the first bytes of a `sctp_event_subscribe`; others stay as they are.
    pub(crate) fn overwrite(&mut self, bytes: &[u8]) {
        for (kind, byte) in (SCTP_DATA_IO_EVENT..).zip(bytes) {
            self.set(kind, *byte != 0);
        }
    }

    /// As `sctp_event_subscribe`.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        (SCTP_DATA_IO_EVENT..).take(TYPES).map(|kind| u8::from(self.contains(kind))).collect()
    }

    /// Whether there is one.
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// What is in one of the sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What the stack has to be subscribed to. It knows coarser kinds than C does: what
    /// [`notification`](crate::notification) makes of one is looked up here again.
    pub fn notifications(self) -> Notifications {
        let kinds = [
            (SCTP_ASSOC_CHANGE, Notifications::ASSOCIATION),
            (SCTP_PEER_ADDR_CHANGE, Notifications::PATHS),
            (SCTP_SEND_FAILED, Notifications::SEND_FAILED),
            (SCTP_SEND_FAILED_EVENT, Notifications::SEND_FAILED),
            (SCTP_REMOTE_ERROR, Notifications::REMOTE_ERROR),
            (SCTP_SHUTDOWN_EVENT, Notifications::SHUTDOWN),
            (SCTP_PARTIAL_DELIVERY_EVENT, Notifications::PARTIAL_DELIVERY),
            (SCTP_ADAPTATION_INDICATION, Notifications::ADAPTATION),
            (SCTP_AUTHENTICATION_EVENT, Notifications::AUTHENTICATION),
            (SCTP_SENDER_DRY_EVENT, Notifications::SENDER_DRY),
            (SCTP_STREAM_RESET_EVENT, Notifications::STREAM_RESET),
            (SCTP_ASSOC_RESET_EVENT, Notifications::ASSOCIATION_RESET),
            (SCTP_STREAM_CHANGE_EVENT, Notifications::STREAM_CHANGE),
        ];
        let wanted = kinds.into_iter().filter(|(kind, _)| self.contains(*kind));
        wanted.fold(Notifications::NONE, |all, (_, kind)| all | kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6458, 6.2.1: programs that know fewer types than we do pass a shorter structure.
    #[test]
    fn types_beyond_the_bytes_that_were_given_stay() {
        let mut events = Events::default();
        events.set(SCTP_SENDER_DRY_EVENT, true);
        events.overwrite(&[1, 0, 1]);
        assert!(events.contains(SCTP_DATA_IO_EVENT) && !events.contains(SCTP_ASSOC_CHANGE));
        assert!(events.contains(SCTP_PEER_ADDR_CHANGE) && events.contains(SCTP_SENDER_DRY_EVENT));
        assert_eq!(events.to_bytes(), [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn each_type_but_that_of_data_is_one_of_the_stacks_kinds() {
        let mut all = Events::default();
        all.overwrite(&[1; TYPES]);
        assert_eq!(all.notifications(), Notifications::ALL);
        let mut data = Events::default();
        data.set(SCTP_DATA_IO_EVENT, true);
        assert_eq!(data.notifications(), Notifications::NONE);
    }
}
