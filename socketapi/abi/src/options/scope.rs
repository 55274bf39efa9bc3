//! Which associations and paths an option means (RFC 6458, 7.2 and 8).
//!
//! On sockets that have at most one association its number in structures is ignored, and it counts once its set-up is
//! over, as on Linux; while there is none, an option is about associations to come.

use std::net::IpAddr;

use sctp_core::association::{Association, AssociationState};
use sctp_core::config::AssociationConfig;
use sctp_core::event::AssociationId;
use sctp_core::path::Path;

use super::Outcome;
use crate::address::Named;
use crate::constants::{SCTP_ALL_ASSOC, SCTP_CURRENT_ASSOC, SCTP_FUTURE_ASSOC};
use crate::errno::Errno;
use crate::target::{Style, Target};

/// One association, or those to come.
pub(crate) type Whose = Option<AssociationId>;

/// Looks at an association.
pub(crate) fn look<T>(
    target: &dyn Target,
    association: AssociationId,
    look: impl FnOnce(&Association) -> T,
) -> Result<T, Errno> {
    let (mut look, mut seen) = (Some(look), None);
    target.look(association, &mut |association| seen = look.take().map(|look| look(association)))?;
    seen.ok_or(Errno::EINVAL)
}

/// The association that a number names.
pub(crate) fn named(target: &dyn Target, number: i32) -> Whose {
    match target.style() {
        Style::OneToMany if number > SCTP_ALL_ASSOC => target.find_number(number),
        Style::OneToMany => None,
        Style::OneToOne | Style::PeeledOff => {
            let only = target.associations().first().copied()?;
            look(target, only, is_up).unwrap_or(false).then_some(only)
        }
    }
}

fn is_up(association: &Association) -> bool {
    use AssociationState as State;
    !matches!(association.state(), State::Closed | State::CookieWait | State::CookieEchoed)
}

/// Options that only associations have.
pub(super) fn association(target: &dyn Target, number: i32) -> Result<AssociationId, Errno> {
    named(target, number).ok_or(Errno::EINVAL)
}

/// Options of an association or those to come.
pub(super) fn one(target: &dyn Target, number: i32) -> Result<Whose, Errno> {
    let association = named(target, number);
    let unknown = association.is_none() && number != SCTP_FUTURE_ASSOC && target.style() == Style::OneToMany;
    if unknown { Err(Errno::EINVAL) } else { Ok(association) }
}

/// Options that can be set for several associations at once. Negative numbers name none, and are no error.
fn several(target: &dyn Target, number: i32) -> Result<Vec<Whose>, Errno> {
    if let Some(association) = named(target, number) {
        return Ok(vec![Some(association)]);
    }
    let number = match target.style() {
        Style::OneToMany if number > SCTP_ALL_ASSOC => return Err(Errno::EINVAL),
        Style::OneToMany => number,
        Style::OneToOne | Style::PeeledOff => SCTP_FUTURE_ASSOC,
    };
    let future = matches!(number, SCTP_FUTURE_ASSOC | SCTP_ALL_ASSOC).then_some(None);
    let current = if matches!(number, SCTP_CURRENT_ASSOC | SCTP_ALL_ASSOC) {
        target.associations()
    } else {
        Vec::new()
    };
    Ok(future.into_iter().chain(current.into_iter().map(Some)).collect())
}

/// Does something for each of [`several`]. What fails for one association is done for the others all the same, and the
/// first error is told; if those to come refuse it, nothing else is tried. So it is on Linux.
pub(super) fn for_each(
    target: &mut dyn Target,
    number: i32,
    mut act: impl FnMut(&mut dyn Target, Whose) -> Result<(), Errno>,
) -> Result<Outcome, Errno> {
    let mut result = Ok(Outcome::Done);
    for whose in several(target, number)? {
        let done = act(target, whose);
        if whose.is_none() {
            done?;
        }
        result = result.and(done.map(|()| Outcome::Done));
    }
    result
}

/// What a structure with an address and a number is about.
pub(super) enum Place {
    /// One path.
    Path(AssociationId, IpAddr),
    /// An association or those to come: the address is the wildcard.
    All(Whose),
}

impl Place {
    /// Whose parameters are meant.
    pub(super) fn whose(&self) -> Whose {
        match self {
            Self::Path(association, _) => Some(*association),
            Self::All(whose) => *whose,
        }
    }
}

/// The path that an address names, `unknown` if there is none; without an address as [`one`].
pub(super) fn place(
    target: &dyn Target,
    address: &[u8; 128],
    number: i32,
    unknown: Errno,
) -> Result<Place, Errno> {
    match target.settings().form.named(address) {
        Named::Any => Ok(Place::All(one(target, number)?)),
        Named::Unusable => Err(unknown),
        Named::One(_) => path(target, address, number).map(|(id, ip)| Place::Path(id, ip)).ok_or(unknown),
    }
}

/// The path that an address names. A number that names another association is an error, one that names none is not.
pub(super) fn path(target: &dyn Target, address: &[u8; 128], number: i32) -> Option<(AssociationId, IpAddr)> {
    let Named::One(address) = target.settings().form.named(address) else { return None };
    let association = target.find_peer(address)?;
    let fits = named(target, number).is_none_or(|named| named == association);
    fits.then_some((association, address.ip()))
}

/// Looks at a path.
pub(super) fn look_at_path<T>(
    target: &dyn Target,
    association: AssociationId,
    remote: IpAddr,
    see: impl FnOnce(&Path) -> T,
) -> Result<T, Errno> {
    look(target, association, |association| association.paths().by_remote(remote).map(see))?
        .ok_or(Errno::EINVAL)
}

/// The parameters of an association, or of those to come.
pub(super) fn config(target: &dyn Target, whose: Whose) -> Result<AssociationConfig, Errno> {
    match whose {
        Some(association) => look(target, association, |association| association.config().clone()),
        None => target.config(),
    }
}

/// Changes parameters of all that there are and of those to come: options of the socket that hold at once.
pub(super) fn configure_all(
    target: &mut dyn Target,
    change: &dyn Fn(&mut AssociationConfig),
) -> Result<(), Errno> {
    target.configure(None, change)?;
    for association in target.associations() {
        // One that is ending has no parameters any more.
        let _ = target.configure(Some(association), change);
    }
    Ok(())
}
