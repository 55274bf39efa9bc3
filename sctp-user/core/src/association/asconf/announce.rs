//! Tells the peer where our packets come from when a NAT on the way has given us another outer address (RFC 6951, 5.7).
//!
//! We do not know that address, and may put none into packets: "add the source of this packet" and "delete all others"
//! are the two requests (RFC 5061, 4.2.1 and 4.2.2). That it is time for them is seen by
//!
//! - an ABORT that reflects our tag: the peer knows no association under the new address. Until it does, nothing but the
//!   ASCONF leaves; if that meets with nothing but ABORTs too, the association is over.
//! - a path that stops to answer, in case that such ABORTs do not get through.
//! - the user, who may know more.

use super::super::Association;
use super::further::wildcard_like;
use super::{Asconf, Change};
use crate::error::CommandError;
use crate::path::PathId;
use crate::time::Time;
use core::net::{IpAddr, Ipv4Addr};

/// So often T4 may expire after the peer has said that it knows nothing. The first time it may have said so to what left
/// before the ASCONF.
const MAX_REFUSALS: u8 = 2;

/// What is known of our outer address.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    /// The peer does not know it.
    unknown: bool,
    /// The peer has said so since the ASCONF was last sent.
    refused: bool,
    /// Times that T4 expired after that.
    refusals: u8,
    /// A path has stopped to answer.
    silence: bool,
}

impl Whereabouts {
    /// The peer has thrown away what came from the new address.
    pub(super) fn was_unknown(&self) -> bool {
        self.unknown
    }
}

impl Asconf {
    /// Nothing but the announcement may leave.
    pub(super) fn is_displaced(&self) -> bool {
        self.whereabouts.unknown && self.outstanding.is_some()
    }

    fn is_announcing(&self) -> bool {
        self.asked().any(|change| matches!(change, Change::AddSource(_)))
    }
}

impl Association {
    /// Makes the address that our packets come from the only one of ours that the peer knows.
    pub(crate) fn announce_source(&mut self, now: Time) -> Result<(), CommandError> {
        let wildcard = self.wildcard_for(self.data_path());
        let hidden = self.config.hide_addresses;
        let asconf = self.asconf.as_mut().filter(|asconf| hidden && !asconf.no_addresses);
        let asconf = asconf.ok_or(CommandError::NotInUse)?;
        if !asconf.is_announcing() {
            // 5.3 F5: the addition goes first.
            asconf.queue(Change::AddSource(wildcard))?;
            asconf.queue(Change::DeleteOthers(wildcard))?;
            self.ask_next(now);
        }
        Ok(())
    }

    /// ABORT with the T bit and the peer's tag: true if it may only mean that the peer does not know our address.
    pub(in super::super) fn outlives_reflected_abort(&mut self, now: Time) -> bool {
        if !self.state().changes_addresses() || self.announce_source(now).is_err() {
            return false;
        }
        if let Some(asconf) = &mut self.asconf {
            let whereabouts = &mut asconf.whereabouts;
            whereabouts.refused = whereabouts.unknown;
            whereabouts.unknown = true;
        }
        true
    }

    /// A path has stopped to answer.
    pub(in super::super) fn note_silence(&mut self) {
        if let Some(asconf) = &mut self.asconf {
            asconf.whereabouts.silence = true;
        }
    }

    /// After all timers.
    pub(in super::super) fn announce_after_silence(&mut self, now: Time) {
        let silence = |asconf: &mut Box<Asconf>| core::mem::take(&mut asconf.whereabouts.silence);
        if self.asconf.as_mut().is_some_and(silence) {
            // Where it cannot be asked for, nothing is to be done.
            let _ = self.announce_source(now);
        }
    }

    /// T4 expired: whether that is one more error of the association (5.1 B1). Beside data it is not when all is as it
    /// was: T3-rtx says the same.
    pub(super) fn counts_unanswered_asconf(&self) -> bool {
        let announcing = self.asconf.as_ref().is_some_and(|asconf| asconf.is_announcing());
        !announcing || self.only_asconf_leaves() || !self.has_unacknowledged()
    }

    /// T4 expired: whether the peer keeps saying that it knows no association.
    pub(super) fn is_disowned(&mut self) -> bool {
        let Some(asconf) = &mut self.asconf else { return false };
        let whereabouts = &mut asconf.whereabouts;
        whereabouts.refusals += u8::from(core::mem::take(&mut whereabouts.refused));
        whereabouts.refusals >= MAX_REFUSALS
    }

    /// "The source of this packet", in the family of a path.
    pub(super) fn wildcard_for(&self, path: PathId) -> IpAddr {
        let remote = self.paths.get(path).map(|path| path.address.remote);
        wildcard_like(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}
