//! What libsctp's functions do through options: `sctp_bindx`, `sctp_connectx`, `sctp_peeloff`, `sctp_getpaddrs`,
//! `sctp_getladdrs` (RFC 6458, 9), and `SCTP_SET_PEER_PRIMARY_ADDR` (8.3.1).

use std::net::{IpAddr, SocketAddr};

use sctp_core::association::{Association, AssociationState};
use sctp_core::path::{Path, PathSet};
use sctp_user::stack::Peer;

use super::numbers::count;
use super::scope::{association, look};
use super::{Answer, Asked, Outcome};
use crate::address::{Named, decode_list};
use crate::errno::Errno;
use crate::layout::{Field, Record, View};
use crate::structures::sctp_getaddrs::{self, *};
use crate::structures::sctp_getaddrs_old;
use crate::structures::sctp_peeloff_arg_t::{self, *};
use crate::structures::sctp_peeloff_flags_arg_t::{self, flags};
use crate::structures::sctp_setpeerprim::{sspp_addr, sspp_assoc_id};
use crate::target::{Command, Style, Target};

/// The addresses of a list, which the socket's family has to be able to use. At least one.
fn list(target: &dyn Target, bytes: &[u8]) -> Result<Vec<SocketAddr>, Errno> {
    let addresses = decode_list(bytes).filter(|addresses| !addresses.is_empty()).ok_or(Errno::EINVAL)?;
    let form = target.settings().form;
    if addresses.iter().all(|address| form.takes(*address)) { Ok(addresses) } else { Err(Errno::EINVAL) }
}

/// RFC 6458, 9.1: all of them or none. Of a socket that was not bound one address stays, as on Linux.
pub(super) fn bindx_add(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let addresses = list(target, view.0)?;
    all_or_none(target, &addresses, add, |target, added| target.remove_address(added))
}

/// Does something for all addresses. If it fails for one, it is undone for those before.
fn all_or_none(
    target: &mut dyn Target,
    addresses: &[SocketAddr],
    act: fn(&mut dyn Target, SocketAddr) -> Result<(), Errno>,
    undo: fn(&mut dyn Target, IpAddr) -> Result<(), Errno>,
) -> Result<Outcome, Errno> {
    for (place, address) in addresses.iter().enumerate() {
        if let Err(error) = act(target, *address) {
            // What was done can be undone, unless it is about the socket's last address.
            addresses.iter().take(place).for_each(|done| _ = undo(target, done.ip()));
            return Err(error);
        }
    }
    Ok(Outcome::Done)
}

fn add(target: &mut dyn Target, address: SocketAddr) -> Result<(), Errno> {
    let (ip, (bound, port)) = (address.ip(), target.local()?);
    if port == 0 {
        let one = [ip];
        return target.bind(if ip.is_unspecified() { &[] } else { &one }, address.port());
    }
    let is_bound = bound.contains(&ip) || (ip.is_unspecified() && target.is_bound_to_all());
    if is_bound || (address.port() != 0 && address.port() != port) {
        return Err(Errno::EINVAL);
    }
    target.add_address(ip)
}

/// RFC 6458, 9.1: all of them or none; a socket keeps at least one address.
pub(super) fn bindx_rem(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let addresses = list(target, view.0)?;
    let (mut bound, port) = target.local()?;
    if port == 0 || target.is_bound_to_all() {
        return Err(Errno::EBUSY);
    }
    // All is looked at before anything is done.
    for address in &addresses {
        if bound.len() <= 1 {
            return Err(Errno::EBUSY);
        }
        let other_port = address.port() != 0 && address.port() != port;
        if other_port || !bound.contains(&address.ip()) {
            return Err(Errno::EINVAL);
        }
        bound.retain(|bound| *bound != address.ip());
    }
    let remove = |target: &mut dyn Target, address: SocketAddr| target.remove_address(address.ip());
    all_or_none(target, &addresses, remove, |target, removed| target.add_address(removed))
}

/// RFC 6458, 9.9. Returns the number of the association.
fn connect(target: &mut dyn Target, bytes: &[u8]) -> Result<i32, Errno> {
    let addresses = list(target, bytes)?;
    let first = *addresses.first().ok_or(Errno::EINVAL)?;
    if addresses.len() > PathSet::MAX_PATHS {
        return Err(Errno::ENOMEM);
    }
    if let Some(known) = target.find_peer(first) {
        let state = look(target, known, Association::state)?;
        let begins = matches!(state, AssociationState::CookieWait | AssociationState::CookieEchoed);
        return Err(if begins { Errno::EALREADY } else { Errno::EISCONN });
    }
    if addresses.iter().any(|address| address.port() != first.port()) {
        return Err(Errno::EINVAL);
    }
    let peer = Peer { addresses: addresses.iter().map(SocketAddr::ip).collect(), port: first.port() };
    let association = target.connect(&peer)?;
    Ok(target.number(association))
}

/// The first form: the number of the association is not told.
pub(super) fn connectx_old(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    connect(target, view.0)?;
    Ok(Outcome::Begun(0))
}

/// The second form: the number is what `setsockopt` returns.
pub(super) fn connectx(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    Ok(Outcome::Begun(connect(target, view.0)?))
}

/// The third form: a `getsockopt` with a pointer to the addresses, which follow the structure here.
pub(super) fn connectx3(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let len = usize::try_from(asked.view.get(sctp_getaddrs_old::addr_num)).unwrap_or(0);
    let addresses = asked.view.after(sctp_getaddrs_old::SIZE).get(..len).ok_or(Errno::EINVAL)?;
    let number = connect(target, addresses)?;
    let answer = Answer::from(Record::new(size_of::<i32>()).set(Field::new(0), number));
    Ok(Answer { begun: true, ..answer })
}

/// RFC 6458, 9.2.
pub(super) fn peeloff(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    peel_off(target, asked, sctp_peeloff_arg_t::SIZE, 0)
}

/// Linux's own, with SOCK_NONBLOCK and SOCK_CLOEXEC; other flags mean nothing.
pub(super) fn peeloff_flags(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let bits = asked.view.get(flags) & (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
    peel_off(target, asked, sctp_peeloff_flags_arg_t::SIZE, bits)
}

fn peel_off(target: &mut dyn Target, asked: Asked<'_>, size: usize, bits: i32) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(associd))?;
    if target.style() != Style::OneToMany {
        return Err(Errno::EINVAL);
    }
    target.peel_off(id, bits)?;
    let answer = Answer::from(Record::from_view(asked.view, size).set(sd, -1));
    Ok(Answer { descriptor_at: Some(sd.at()), ..answer })
}

/// RFC 6458, 9.3.
pub(super) fn get_peer_addrs(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(assoc_id))?;
    let addresses = look(target, id, |association| {
        let remote = |path: &Path| SocketAddr::new(path.address.remote, association.peer_port());
        association.paths().iter().map(remote).collect::<Vec<_>>()
    })?;
    let (list, count) = written(target, asked, &addresses)?;
    Ok(Record::from_view(asked.view, sctp_getaddrs::SIZE).set(addr_num, count).with_tail(&list).into())
}

/// RFC 6458, 9.5: of an association, or with 0 of the socket. Linux reports the length without the structure itself.
pub(super) fn get_local_addrs(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let (addresses, port) = match asked.view.get(assoc_id) {
        0 => target
            .local()
            .map(|(addresses, port)| if port == 0 { (Vec::new(), 0) } else { (addresses, port) })?,
        number => {
            let id = association(target, number)?;
            look(target, id, |association| {
                (association.local_addresses().to_vec(), association.local_port())
            })?
        }
    };
    let addresses: Vec<_> = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    let addresses: Vec<_> =
        addresses.into_iter().filter(|address| target.settings().form.takes(*address)).collect();
    let (list, count) = written(target, asked, &addresses)?;
    let record = Record::from_view(asked.view, sctp_getaddrs::SIZE).set(addr_num, count);
    Ok(Answer { len: list.len(), ..record.with_tail(&list).into() })
}

/// Addresses one behind the other, and how many.
fn written(target: &dyn Target, asked: Asked<'_>, addresses: &[SocketAddr]) -> Result<(Vec<u8>, u32), Errno> {
    let form = target.settings().form;
    let list: Vec<u8> = addresses.iter().flat_map(|address| form.encode(*address)).collect();
    let fits = sctp_getaddrs::SIZE + list.len() <= asked.room;
    let count = count(addresses.len());
    if fits { Ok((list, count)) } else { Err(Errno::ENOMEM) }
}

/// Addresses can be changed on associations to come.
pub(super) fn may_change_addresses(target: &dyn Target) -> Result<(), Errno> {
    if target.config()?.extensions.asconf { Ok(()) } else { Err(Errno::EPERM) }
}

/// RFC 6458, 8.3.1.
pub(super) fn set_peer_primary(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let id = association(target, view.get(sspp_assoc_id))?;
    let (in_use, state) = look(target, id, |it| (it.extensions().asconf, it.state()))?;
    if !in_use {
        return Err(Errno::EPERM);
    }
    if state != AssociationState::Established {
        return Err(Errno::ENOTCONN);
    }
    match target.settings().form.named(&view.get(sspp_addr)) {
        Named::One(address) => target.command(id, Command::SetPeerPrimary(address.ip()))?,
        Named::Any => return Err(Errno::EADDRNOTAVAIL),
        Named::Unusable => return Err(Errno::EINVAL),
    }
    Ok(Outcome::Done)
}
