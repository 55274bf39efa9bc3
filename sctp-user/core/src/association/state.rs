//! The states of an association, each with what exists only in it (RFC 9260, 4).

use crate::path::PathId;
use crate::time::Time;
use bytes::Bytes;

/// The states of RFC 9260, 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssociationState {
    /// Ended, or never set up.
    Closed,
    /// INIT sent.
    CookieWait,
    /// COOKIE ECHO sent.
    CookieEchoed,
    /// Up.
    Established,
    /// The user asked for the end; data is still unacknowledged.
    ShutdownPending,
    /// SHUTDOWN sent.
    ShutdownSent,
    /// SHUTDOWN received; data is still unacknowledged, or the user has still to hand some over.
    ShutdownReceived,
    /// SHUTDOWN ACK sent.
    ShutdownAckSent,
}

/// A state and its data.
#[derive(Debug)]
pub(super) enum State {
    CookieWait(Setup),
    CookieEchoed(Setup, Bytes),
    Established,
    ShutdownPending,
    ShutdownSent(Ending),
    ShutdownReceived(LastSends),
    ShutdownAckSent(Ending),
    Closed,
}

/// Whether the user may still hand over what it was given before the SHUTDOWN came.
#[derive(Clone, Copy, Debug)]
pub(super) enum LastSends {
    /// Until it says that this was all, or until then.
    AwaitedUntil(Time),
    Over,
}

/// T1-init or T1-cookie, and what is sent when it expires.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// When the timer expires.
    pub(super) t1: Time,
    /// When the INIT or COOKIE ECHO was sent last.
    pub(super) sent_at: Time,
    /// Expiries so far, of both timers (Max.Init.Retransmits).
    pub(super) attempts: u32,
    /// Where it is sent.
    pub(super) path: PathId,
    /// It is to be sent now.
    pub(super) due: bool,
    /// What a Cookie Preservative asks for, milliseconds (5.2.6).
    pub(super) life_span_increment: Option<u32>,
}

/// T2-shutdown and T5-shutdown-guard.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// When T2-shutdown expires.
    pub(super) t2: Time,
    /// When T5-shutdown-guard expires.
    pub(super) guard: Time,
    /// Expiries of T2 in a row.
    pub(super) attempts: u32,
    /// Where SHUTDOWN or SHUTDOWN ACK is sent.
    pub(super) path: PathId,
    /// It is to be sent now.
    pub(super) due: bool,
}

impl State {
    pub(super) fn name(&self) -> AssociationState {
        match self {
            Self::CookieWait(_) => AssociationState::CookieWait,
            Self::CookieEchoed(..) => AssociationState::CookieEchoed,
            Self::Established => AssociationState::Established,
            Self::ShutdownPending => AssociationState::ShutdownPending,
            Self::ShutdownSent(_) => AssociationState::ShutdownSent,
            Self::ShutdownReceived(_) => AssociationState::ShutdownReceived,
            Self::ShutdownAckSent(_) => AssociationState::ShutdownAckSent,
            Self::Closed => AssociationState::Closed,
        }
    }

    /// T1, in the states that have it.
    pub(super) fn setup_mut(&mut self) -> Option<&mut Setup> {
        match self {
            Self::CookieWait(setup) | Self::CookieEchoed(setup, _) => Some(setup),
            _ => None,
        }
    }

    /// T2 and T5, in the states that have them.
    pub(super) fn ending(&self) -> Option<&Ending> {
        match self {
            Self::ShutdownSent(ending) | Self::ShutdownAckSent(ending) => Some(ending),
            _ => None,
        }
    }

    /// As [`ending`](Self::ending), to be changed.
    pub(super) fn ending_mut(&mut self) -> Option<&mut Ending> {
        match self {
            Self::ShutdownSent(ending) | Self::ShutdownAckSent(ending) => Some(ending),
            _ => None,
        }
    }

    /// The earliest deadline of the state's own timers.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self {
            Self::CookieWait(setup) | Self::CookieEchoed(setup, _) => Some(setup.t1),
            Self::ShutdownSent(ending) | Self::ShutdownAckSent(ending) => Some(ending.t2.min(ending.guard)),
            Self::ShutdownReceived(LastSends::AwaitedUntil(until)) => Some(*until),
            _ => None,
        }
    }
}

impl AssociationState {
    /// DATA may be sent (RFC 9260, 6; DATA beside COOKIE ECHO is not asked here).
    pub(super) fn sends_data(self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownReceived)
    }

    /// DATA is taken (6).
    pub(super) fn takes_data(self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownSent)
    }

    /// ASCONF and ASCONF-ACK may be sent (RFC 5061, 5.1.1 C4).
    pub(super) fn changes_addresses(self) -> bool {
        self.sends_data() || self == Self::ShutdownSent
    }

    /// SACK is processed (6).
    pub(super) fn takes_sack(self) -> bool {
        self.sends_data() || self == Self::CookieEchoed
    }

    /// HEARTBEATs are answered (8.3); in SHUTDOWN-SENT, too, where that is free: the peer, which has data to send, may have
    /// to verify a new address of ours before SHUTDOWN ACK can go there.
    pub(super) fn answers_heartbeats(self) -> bool {
        self.sends_data() || matches!(self, Self::CookieEchoed | Self::ShutdownSent)
    }

    /// HEARTBEATs are sent (8.3): not after SHUTDOWN or SHUTDOWN ACK.
    pub(super) fn sends_heartbeats(self) -> bool {
        self.sends_data()
    }

    /// Set-up is not yet complete.
    pub(super) fn is_forming(self) -> bool {
        matches!(self, Self::CookieWait | Self::CookieEchoed)
    }
}
