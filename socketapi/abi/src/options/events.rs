//! Which notifications are delivered (RFC 6458, 6.2).

use super::scope::{Whose, for_each, one};
use super::{Answer, Asked, Outcome};
use crate::constants::SCTP_SENDER_DRY_EVENT;
use crate::errno::Errno;
use crate::events::{Events, TYPES};
use crate::layout::{Record, View};
use crate::structures::sctp_event::{self, *};
use crate::target::{Style, Target};

/// RFC 6458, 6.2.1: of the socket. Programs that know fewer types pass a shorter structure.
pub(super) fn get_events(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let bytes = target.settings().future.events.to_bytes();
    Ok(Record::from_view(View(&bytes), asked.room.min(TYPES)).into())
}

/// Associations that there are get what the socket has then.
pub(super) fn set_events(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    target.settings_mut().future.events.overwrite(view.0);
    let events = target.settings().future.events;
    let associations = target.associations();
    for association in &associations {
        target.settings_mut().of_mut(Some(*association)).events = events;
    }
    target.subscribe();
    if let ([only], true) = (&associations[..], target.style() != Style::OneToMany)
        && events.contains(SCTP_SENDER_DRY_EVENT)
    {
        target.tell_if_dry(*only);
    }
    Ok(Outcome::Done)
}

fn kind(view: View<'_>) -> Result<u16, Errno> {
    let kind = view.get(se_type);
    if Events::is_type(kind) { Ok(kind) } else { Err(Errno::EINVAL) }
}

/// RFC 6458, 6.2.2.
pub(super) fn get_event(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let kind = kind(asked.view)?;
    let whose = one(target, asked.view.get(se_assoc_id))?;
    let on = target.settings().of(whose).events.contains(kind);
    Ok(Record::from_view(asked.view, sctp_event::SIZE).set(se_on, u8::from(on)).into())
}

pub(super) fn set_event(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let kind = kind(view)?;
    let done = for_each(target, view.get(se_assoc_id), |target, whose| {
        set_one(target, whose, kind, view.get(se_on) != 0);
        Ok(())
    })?;
    target.subscribe();
    Ok(done)
}

fn set_one(target: &mut dyn Target, whose: Whose, kind: u16, on: bool) {
    target.settings_mut().of_mut(whose).events.set(kind, on);
    if let Some(association) = whose
        && on
        && kind == SCTP_SENDER_DRY_EVENT
    {
        target.tell_if_dry(association);
    }
}
