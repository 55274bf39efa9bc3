//! Whom a message goes to (RFC 6458, 3.1.4, 4.1.8 and 5.3.4).

use std::net::{IpAddr, SocketAddr};

use sctp_core::association::{Association, AssociationState};
use sctp_core::event::AssociationId;

use super::{Action, SendInfo};
use crate::errno::Errno;
use crate::options::scope::{look, named};
use crate::target::{Style, Target};

/// Whom a message goes to, or whose end it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An association.
    Association(AssociationId),
    /// An association, by the path to this address: that belongs into [`SendOptions::path`].
    ///
    /// [`SendOptions::path`]: sctp_core::message::SendOptions::path
    Path(AssociationId, IpAddr),
    /// All associations that are up.
    All(Vec<AssociationId>),
    /// A peer that there is no association with: it is to be set up, with what
    /// [`SendInfo::apply_init`] and [`SendInfo::addresses`] say.
    New(SocketAddr),
}

/// Finds the destination of a message that is sent with `info`, and with an address or without.
///
/// # Errors
/// As on Linux: EPIPE if no association is named, EINVAL if one that does not exist is to be ended or
/// the address is of another family, EADDRNOTAVAIL if a one-to-one socket has another peer.
pub fn destination(
    target: &dyn Target,
    info: &SendInfo,
    address: Option<SocketAddr>,
) -> Result<Destination, Errno> {
    let style = target.style();
    if info.to_all(style) {
        return Ok(Destination::All(all_up(target)));
    }
    // A socket that was peeled off has its peer.
    match address.filter(|_| style != Style::PeeledOff) {
        Some(address) => to_address(target, info, address),
        None => named(target, info.number).map(Destination::Association).ok_or(Errno::EPIPE),
    }
}

fn all_up(target: &dyn Target) -> Vec<AssociationId> {
    let state = |id: &AssociationId| look(target, *id, Association::state);
    let is_up = |id: &AssociationId| state(id) == Ok(AssociationState::Established);
    target.associations().into_iter().filter(is_up).collect()
}

fn to_address(target: &dyn Target, info: &SendInfo, address: SocketAddr) -> Result<Destination, Errno> {
    let one_to_one = target.style() == Style::OneToOne;
    if !target.settings().form.takes(address) {
        return Err(Errno::EINVAL);
    }
    match target.find_peer(address) {
        // On a one-to-one socket an address can mean nothing but a path.
        Some(id) if one_to_one || info.to_address() => Ok(Destination::Path(id, address.ip())),
        Some(id) => Ok(Destination::Association(id)),
        None if info.action() != Action::Send => Err(Errno::EINVAL),
        None if one_to_one && !target.associations().is_empty() => Err(Errno::EADDRNOTAVAIL),
        None => Ok(Destination::New(address)),
    }
}
