//! Thresholds of paths (RFC 7829, 7), their UDP encapsulation ports (RFC 6951, 6.1) and the search for their MTU (RFC 8899).
//! An address that is none of a peer's is ENOENT for the first, EINVAL for the others.

use sctp_core::path::Thresholds;
use sctp_core::path::mtu::MtuSearchConfig;

use super::numbers::{millis, milliseconds, short};
use super::scope::{Place, Whose, config, look, look_at_path, one, place};
use super::{Answer, Asked, Outcome};
use crate::errno::Errno;
use crate::layout::{Network, Record, View};
use crate::structures::sctp_assoc_value::{self, assoc_id, assoc_value};
use crate::structures::sctp_paddrthlds_v2::{self, *};
use crate::structures::sctp_probeinterval::{self, *};
use crate::structures::sctp_udpencaps::{self, *};
use crate::target::Target;

/// A threshold that is never reached (RFC 7829, 7.2).
const NEVER: u16 = u16::MAX;
/// The shortest interval of probes that Linux takes, milliseconds.
const SHORTEST_PROBE_INTERVAL: u32 = 5_000;

fn at(target: &dyn Target, view: View<'_>) -> Result<Place, Errno> {
    place(target, &view.get(spt_address), view.get(spt_assoc_id), Errno::ENOENT)
}

fn thresholds_of(target: &dyn Target, place: &Place) -> Result<Thresholds, Errno> {
    match *place {
        Place::Path(association, remote) => look_at_path(target, association, remote, |path| path.thresholds),
        Place::All(whose) => Ok(Thresholds::of(&config(target, whose)?)),
    }
}

/// RFC 7829, 7.2. The first form of the structure does not know when the primary path is switched, but is as long: Linux
/// writes it all the same.
pub(super) fn get_thresholds(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let thresholds = thresholds_of(target, &at(target, asked.view)?)?;
    let never_or = |threshold: Option<u32>| threshold.map_or(NEVER, short);
    let record = Record::from_view(asked.view, sctp_paddrthlds_v2::SIZE)
        .set(spt_address, target.settings().form.normalized(asked.view.get(spt_address)))
        .set(spt_pathmaxrxt, short(thresholds.path_max_retrans))
        .set(spt_pathpfthld, never_or(thresholds.potentially_failed_max_retrans))
        .set(spt_pathcpthld, never_or(thresholds.primary_switchover_max_retrans));
    Ok(record.into())
}

pub(super) fn set_thresholds(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let place = at(target, view)?;
    let thresholds = read(view, thresholds_of(target, &place)?);
    apply(target, &place, thresholds)
}

pub(super) fn set_thresholds_v2(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    if view.get(spt_pathpfthld) > view.get(spt_pathcpthld) {
        return Err(Errno::EINVAL);
    }
    let place = at(target, view)?;
    let mut thresholds = read(view, thresholds_of(target, &place)?);
    thresholds.primary_switchover_max_retrans = threshold(view.get(spt_pathcpthld));
    apply(target, &place, thresholds)
}

fn threshold(value: u16) -> Option<u32> {
    (value != NEVER).then_some(value.into())
}

/// Path.Max.Retrans stays if it is zero; the other threshold may be zero.
fn read(view: View<'_>, mut thresholds: Thresholds) -> Thresholds {
    match view.get(spt_pathmaxrxt) {
        0 => {}
        max_retrans => thresholds.path_max_retrans = max_retrans.into(),
    }
    thresholds.potentially_failed_max_retrans = threshold(view.get(spt_pathpfthld));
    thresholds
}

fn apply(target: &mut dyn Target, place: &Place, thresholds: Thresholds) -> Result<Outcome, Errno> {
    thresholds.check().map_err(|_| Errno::EINVAL)?;
    match *place {
        Place::Path(association, remote) => target.set_thresholds(association, remote, thresholds)?,
        Place::All(whose) => target.configure(whose, &|config| {
            config.path_max_retrans = thresholds.path_max_retrans;
            config.potentially_failed_max_retrans = thresholds.potentially_failed_max_retrans;
            config.primary_switchover_max_retrans = thresholds.primary_switchover_max_retrans;
        })?,
    }
    Ok(Outcome::Done)
}

/// RFC 7829, 7.3. Linux has three values: 0 (in the status only), 1 (nowhere), 2 (in the status and in notifications).
pub(super) fn get_expose(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(assoc_id))?;
    let value = target.settings().of(whose).expose_potentially_failed;
    Ok(Record::from_view(asked.view, sctp_assoc_value::SIZE).set(assoc_value, value).into())
}

pub(super) fn set_expose(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    const BOTH: u32 = 2;
    let value = view.get(assoc_value);
    if value > BOTH {
        return Err(Errno::EINVAL);
    }
    let whose = one(target, view.get(assoc_id))?;
    target.configure(whose, &|config| config.expose_potentially_failed = value == BOTH)?;
    target.settings_mut().of_mut(whose).expose_potentially_failed = value;
    Ok(Outcome::Done)
}

/// RFC 6951, 6.1. Of an association it is the port of its first path.
pub(super) fn get_udp_port(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let place = place(target, &asked.view.get(sue_address), asked.view.get(sue_assoc_id), Errno::EINVAL)?;
    let port = match place {
        Place::Path(association, remote) => {
            look_at_path(target, association, remote, |path| path.address.remote_udp_port)?
        }
        Place::All(Some(association)) => look(target, association, |association| {
            association.paths().iter().next().map_or(0, |path| path.address.remote_udp_port)
        })?,
        Place::All(None) => target.remote_udp_port(),
    };
    let address = target.settings().form.normalized(asked.view.get(sue_address));
    let record = Record::from_view(asked.view, sctp_udpencaps::SIZE).set(sue_address, address);
    Ok(record.set(sue_port, Network(port)).into())
}

pub(super) fn set_udp_port(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let place = place(target, &view.get(sue_address), view.get(sue_assoc_id), Errno::EINVAL)?;
    let Network(port) = view.get(sue_port);
    match place {
        Place::Path(association, remote) => {
            target.set_remote_udp_port(Some(association), Some(remote), port)?;
        }
        Place::All(whose) => target.set_remote_udp_port(whose, None, port)?,
    }
    Ok(Outcome::Done)
}

/// How long a probe of the path MTU may take, milliseconds; 0: there is no search. It holds for all paths of an
/// association.
pub(super) fn get_probe_interval(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = probed(target, asked.view)?;
    let search = config(target, whose)?.mtu_search;
    let interval = search.map_or(0, |search| milliseconds(search.probe_timer));
    let address = target.settings().form.normalized(asked.view.get(spi_address));
    let record = Record::from_view(asked.view, sctp_probeinterval::SIZE).set(spi_address, address);
    Ok(record.set(spi_interval, interval).into())
}

pub(super) fn set_probe_interval(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let interval = view.get(spi_interval);
    if (1..SHORTEST_PROBE_INTERVAL).contains(&interval) {
        return Err(Errno::EINVAL);
    }
    let whose = probed(target, view)?;
    target.configure(whose, &|config| {
        let search = config.mtu_search.unwrap_or_default();
        let search = MtuSearchConfig { probe_timer: millis(interval), ..search };
        config.mtu_search = (interval > 0).then_some(search);
    })?;
    Ok(Outcome::Done)
}

fn probed(target: &dyn Target, view: View<'_>) -> Result<Whose, Errno> {
    let place = place(target, &view.get(spi_address), view.get(spi_assoc_id), Errno::EINVAL)?;
    Ok(place.whose())
}
