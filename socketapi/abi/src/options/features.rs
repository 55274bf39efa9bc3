//! Which extensions are offered to the peers of associations to come, or in use on one (RFC 7496, 4.5; RFC 8260, 4.3.1).
//!
//! What is set is always the offer, even if an association is named; what is read of an association is what both sides
//! offered.

use sctp_core::config::FragmentInterleave;
use sctp_core::extensions::Extensions;

use super::scope::{look, one};
use super::{Answer, Asked, Outcome};
use crate::errno::Errno;
use crate::layout::{Record, View};
use crate::structures::sctp_assoc_value::{self, assoc_id, assoc_value};
use crate::target::Target;

fn get(target: &mut dyn Target, asked: Asked<'_>, feature: fn(&Extensions) -> bool) -> Result<Answer, Errno> {
    let extensions = match one(target, asked.view.get(assoc_id))? {
        Some(association) => look(target, association, |association| association.extensions())?,
        None => target.config()?.extensions,
    };
    let value = u32::from(feature(&extensions));
    Ok(Record::from_view(asked.view, sctp_assoc_value::SIZE).set(assoc_value, value).into())
}

fn set(
    target: &mut dyn Target,
    view: View<'_>,
    feature: fn(&mut Extensions) -> &mut bool,
) -> Result<Outcome, Errno> {
    one(target, view.get(assoc_id))?;
    let on = view.get(assoc_value) != 0;
    target.configure(None, &|config| *feature(&mut config.extensions) = on)?;
    Ok(Outcome::Done)
}

/// The two functions of a row.
macro_rules! features {
    ($($get:ident, $set:ident: $feature:ident,)*) => { $(
        pub(super) fn $get(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
            get(target, asked, |extensions| extensions.$feature)
        }

        pub(super) fn $set(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
            set(target, view, |extensions| &mut extensions.$feature)
        }
    )* };
}

features! {
    get_pr, set_pr: partial_reliability,
    get_reconfig, set_reconfig: reconfig,
    get_interleaving, set_interleaving: interleaving,
    get_asconf, set_asconf: asconf,
    get_auth, set_auth: auth,
    get_ecn, set_ecn: ecn,
}

/// RFC 8260, 4.3.1: not where nothing may come between the pieces of a message.
pub(super) fn set_interleaving_if_readable(
    target: &mut dyn Target,
    view: View<'_>,
) -> Result<Outcome, Errno> {
    one(target, view.get(assoc_id))?;
    if target.config()?.fragment_interleave == FragmentInterleave::Nothing {
        return Err(Errno::EPERM);
    }
    set_interleaving(target, view)
}
