//! `SCTP_PEER_ADDR_PARAMS` (RFC 6458, 8.1.12): heartbeats, path MTU and acknowledgements.
//!
//! Our stack keeps one interval of heartbeats, one kind of MTU discovery and one delay of SACKs for all paths of an
//! association: what is set for one path holds for all. Thresholds and demanded heartbeats are of one path.

use std::net::IpAddr;
use std::time::Duration;

use sctp_core::config::AssociationConfig;
use sctp_core::event::AssociationId;
use sctp_core::path::Path;

use super::numbers::{count, millis, milliseconds, short};
use super::protocol::{LEAST_MTU, LONGEST_SACK_DELAY};
use super::scope::{Place, config, look, look_at_path, place};
use super::status::mtu_of;
use super::{Answer, Asked, Outcome};
use crate::constants::*;
use crate::errno::Errno;
use crate::layout::{Record, View};
use crate::settings::Manner;
use crate::structures::sctp_paddrparams::{self, *};
use crate::target::{Command, Target};

/// The structure before it had a flow label and a DSCP.
pub(super) const SHORT: usize = 152;
pub(super) const LONG: usize = sctp_paddrparams::SIZE;

/// Bits of a flow label.
const FLOW_LABEL: u32 = 0xf_ffff;
/// Bits of a traffic class that are the DSCP.
const DSCP: u8 = 0xfc;

pub(super) fn get(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let place = place(target, &asked.view.get(spp_address), asked.view.get(spp_assoc_id), Errno::EINVAL)?;
    let whose = place.whose();
    let config = config(target, whose)?;
    let manner = *target.settings().of(whose);
    let (mtu, max_retrans) = of_place(target, &place, &config)?;
    let address = target.settings().form.normalized(asked.view.get(spp_address));
    let record = Record::from_view(asked.view, LONG)
        .set(spp_address, address)
        .set(spp_hbinterval, milliseconds(config.hb_interval.unwrap_or(manner.hb_interval)))
        .set(spp_pathmaxrxt, short(max_retrans))
        .set(spp_pathmtu, mtu)
        .set(spp_sackdelay, milliseconds(config.sack_delay))
        .set(spp_flags, flags(&config, &manner))
        .set(spp_ipv6_flowlabel, manner.flow_label.unwrap_or(0))
        .set(spp_dscp, manner.dscp.unwrap_or(0));
    let len = if asked.room < LONG { SHORT } else { LONG };
    Ok(record.truncate(len).into())
}

/// Path MTU and Path.Max.Retrans.
fn of_place(target: &dyn Target, place: &Place, config: &AssociationConfig) -> Result<(u32, u32), Errno> {
    match place {
        Place::Path(association, remote) => look_at_path(target, *association, *remote, |path| {
            (mtu_of(path), path.thresholds.path_max_retrans)
        }),
        Place::All(Some(association)) => look(target, *association, |association| {
            (association.paths().iter().map(mtu_of).min().unwrap_or(0), config.path_max_retrans)
        }),
        Place::All(None) => {
            let fixed = if config.mtu_search.is_none() { config.path_mtu } else { 0 };
            Ok((count(fixed), config.path_max_retrans))
        }
    }
}

fn flags(config: &AssociationConfig, manner: &Manner) -> u32 {
    let either = |on: bool, enabled, disabled| if on { enabled } else { disabled };
    let sack_delayed = config.sack_frequency.is_none_or(|frequency| frequency > 1);
    either(config.hb_interval.is_some(), SPP_HB_ENABLE, SPP_HB_DISABLE)
        | either(config.mtu_search.is_some(), SPP_PMTUD_ENABLE, SPP_PMTUD_DISABLE)
        | either(sack_delayed, SPP_SACKDELAY_ENABLE, SPP_SACKDELAY_DISABLE)
        | either(manner.flow_label.is_some(), SPP_IPV6_FLOWLABEL, 0)
        | either(manner.dscp.is_some(), SPP_DSCP, 0)
}

pub(super) fn set(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    check(view)?;
    let place = place(target, &view.get(spp_address), view.get(spp_assoc_id), Errno::EINVAL)?;
    if view.get(spp_flags) & SPP_HB_DEMAND != 0 {
        demand_heartbeats(target, &place)?;
    }
    let max_retrans = u32::from(view.get(spp_pathmaxrxt));
    if max_retrans > 0 {
        set_max_retrans(target, &place, max_retrans)?;
    }
    let mut manner = *target.settings().of(place.whose());
    manner.hb_interval = hb_interval(view).unwrap_or(manner.hb_interval);
    mark_packets(view, &mut manner);
    target.configure(place.whose(), &|config| apply(view, &manner, config))?;
    *target.settings_mut().of_mut(place.whose()) = manner;
    Ok(Outcome::Done)
}

/// Flags that exclude each other, and values out of range.
fn check(view: View<'_>) -> Result<(), Errno> {
    let flags = view.get(spp_flags);
    let both = |one: u32, other: u32| flags & one != 0 && flags & other != 0;
    let mtu = view.get(spp_pathmtu);
    let wrong = both(SPP_HB_ENABLE, SPP_HB_DISABLE)
        || both(SPP_PMTUD_ENABLE, SPP_PMTUD_DISABLE)
        || both(SPP_SACKDELAY_ENABLE, SPP_SACKDELAY_DISABLE)
        || view.get(spp_sackdelay) > LONGEST_SACK_DELAY
        || (1..LEAST_MTU).contains(&mtu)
        || (view.0.len() == SHORT && flags & (SPP_DSCP | SPP_IPV6_FLOWLABEL) != 0);
    if wrong { Err(Errno::EINVAL) } else { Ok(()) }
}

/// Of one path, or of all that an association has.
fn demand_heartbeats(target: &mut dyn Target, place: &Place) -> Result<(), Errno> {
    let id = place.whose().ok_or(Errno::EINVAL)?;
    let remotes = match place {
        Place::Path(_, remote) => vec![*remote],
        Place::All(_) => all_remotes(target, id)?,
    };
    remotes.into_iter().try_for_each(|remote| target.command(id, Command::RequestHeartbeat(remote)))
}

fn all_remotes(target: &dyn Target, association: AssociationId) -> Result<Vec<IpAddr>, Errno> {
    let remote = |path: &Path| path.address.remote;
    look(target, association, |association| association.paths().iter().map(remote).collect())
}

/// The new interval. Zero leaves it, unless it is said to be meant.
fn hb_interval(view: View<'_>) -> Option<Duration> {
    let flags = view.get(spp_flags);
    let zero = flags & SPP_HB_TIME_IS_ZERO != 0;
    let interval = if zero { 0 } else { view.get(spp_hbinterval) };
    (flags & SPP_HB_ENABLE != 0 && (interval > 0 || zero)).then(|| millis(interval))
}

fn mark_packets(view: View<'_>, manner: &mut Manner) {
    let flags = view.get(spp_flags);
    if flags & SPP_IPV6_FLOWLABEL != 0 {
        manner.flow_label = Some(view.get(spp_ipv6_flowlabel) & FLOW_LABEL);
    }
    if flags & SPP_DSCP != 0 {
        manner.dscp = Some(view.get(spp_dscp) & DSCP);
    }
}

fn apply(view: View<'_>, manner: &Manner, config: &mut AssociationConfig) {
    let flags = view.get(spp_flags);
    let (mtu, sack_delay) = (view.get(spp_pathmtu), view.get(spp_sackdelay));
    if flags & SPP_HB_ENABLE != 0 {
        config.hb_interval = Some(manner.hb_interval);
    }
    if flags & SPP_HB_DISABLE != 0 {
        config.hb_interval = None;
    }
    if flags & SPP_PMTUD_ENABLE != 0 {
        config.mtu_search = Some(config.mtu_search.unwrap_or_default());
    }
    if flags & SPP_PMTUD_DISABLE != 0 {
        config.mtu_search = None;
        config.path_mtu = if mtu > 0 { mtu as usize } else { config.path_mtu };
    }
    if flags & SPP_SACKDELAY_ENABLE != 0 {
        config.sack_delay = if sack_delay > 0 { millis(sack_delay) } else { config.sack_delay };
        config.sack_frequency = manner.sack_frequency;
    }
    if flags & SPP_SACKDELAY_DISABLE != 0 {
        config.sack_frequency = Some(1);
    }
}

fn set_max_retrans(target: &mut dyn Target, place: &Place, max_retrans: u32) -> Result<(), Errno> {
    match *place {
        Place::Path(association, remote) => {
            let mut thresholds = look_at_path(target, association, remote, |path| path.thresholds)?;
            thresholds.path_max_retrans = max_retrans;
            target.set_thresholds(association, remote, thresholds)
        }
        Place::All(whose) => target.configure(whose, &|config| config.path_max_retrans = max_retrans),
    }
}
