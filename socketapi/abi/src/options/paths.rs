//! `SCTP_PEER_ADDR_PARAMS` (RFC 6458, 8.1.12): heartbeats, path MTU, acknowledgements and marks of packets: of one path, of
//! an association with all of its paths, or of associations to come.
//!
//! The interval of heartbeats that are off, and the frequency of SACKs that are not delayed, are kept for an association, not for
//! each path.

use std::net::IpAddr;
use std::time::Duration;

use sctp_core::config::AssociationConfig;
use sctp_core::event::AssociationId;
use sctp_core::path::{Path, PathParameters};

use super::numbers::{millis, milliseconds, short};
use super::protocol::{LEAST_MTU, LONGEST_SACK_DELAY};
use super::scope::{Place, look, look_at_path, one, place};
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
    let place = named_place(target, asked.view)?;
    let manner = *target.settings().of(place.whose());
    let Seen { parameters, mtu, max_retrans } = see(target, &place)?;
    let address = target.settings().form.normalized(asked.view.get(spp_address));
    let record = Record::from_view(asked.view, LONG)
        .set(spp_address, address)
        .set(spp_hbinterval, milliseconds(parameters.hb_interval.unwrap_or(manner.hb_interval)))
        .set(spp_pathmaxrxt, short(max_retrans))
        .set(spp_pathmtu, mtu)
        .set(spp_sackdelay, milliseconds(parameters.sack_delay))
        .set(spp_flags, flags(&parameters))
        .set(spp_ipv6_flowlabel, parameters.flow_label.unwrap_or(0))
        .set(spp_dscp, parameters.dscp.unwrap_or(0));
    let len = if asked.room < LONG { SHORT } else { LONG };
    Ok(record.truncate(len).into())
}

/// What there is to be told of a place.
struct Seen {
    parameters: PathParameters,
    mtu: u32,
    max_retrans: u32,
}

fn see(target: &dyn Target, place: &Place) -> Result<Seen, Errno> {
    let of_all = |config: &AssociationConfig, mtu| Seen {
        parameters: PathParameters::of(config),
        mtu,
        max_retrans: config.path_max_retrans,
    };
    match *place {
        Place::Path(association, remote) => look_at_path(target, association, remote, |path| Seen {
            parameters: path.parameters,
            mtu: mtu_of(path),
            max_retrans: path.thresholds.path_max_retrans,
        }),
        Place::All(Some(association)) => look(target, association, |association| {
            let mtu = association.paths().iter().map(mtu_of).min().unwrap_or(0);
            of_all(association.config(), mtu)
        }),
        Place::All(None) => {
            let fixed = target.settings().future.fixed_path_mtu;
            Ok(of_all(&target.config()?, fixed))
        }
    }
}

fn flags(parameters: &PathParameters) -> u32 {
    let either = |on: bool, enabled, disabled| if on { enabled } else { disabled };
    let sack_delayed = parameters.sack_frequency.is_none_or(|frequency| frequency > 1);
    either(parameters.hb_interval.is_some(), SPP_HB_ENABLE, SPP_HB_DISABLE)
        | either(parameters.mtu_search.is_some(), SPP_PMTUD_ENABLE, SPP_PMTUD_DISABLE)
        | either(sack_delayed, SPP_SACKDELAY_ENABLE, SPP_SACKDELAY_DISABLE)
        | either(parameters.flow_label.is_some(), SPP_IPV6_FLOWLABEL, 0)
        | either(parameters.dscp.is_some(), SPP_DSCP, 0)
}

/// Here a number has to name an association also where the address says all. As Linux has it, in this option alone.
fn named_place(target: &dyn Target, view: View<'_>) -> Result<Place, Errno> {
    let number = view.get(spp_assoc_id);
    one(target, number)?;
    place(target, &view.get(spp_address), number, Errno::EINVAL)
}

pub(super) fn set(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    check(view)?;
    let place = named_place(target, view)?;
    let paths = paths(target, &place)?;
    if view.get(spp_flags) & SPP_HB_DEMAND != 0 {
        let association = place.whose().ok_or(Errno::EINVAL)?;
        paths.iter().try_for_each(|path| target.command(association, Command::RequestHeartbeat(*path)))?;
    }
    let max_retrans = Some(u32::from(view.get(spp_pathmaxrxt))).filter(|most| *most > 0);
    let mut manner = *target.settings().of(place.whose());
    if let Place::All(whose) = place {
        manner.hb_interval = hb_interval(view).unwrap_or(manner.hb_interval);
        manner.fixed_path_mtu = fixed_path_mtu(view).unwrap_or(manner.fixed_path_mtu);
        let ipv6 = target.settings().form.ipv6;
        target.configure(whose, &|config| {
            let mut parameters = PathParameters::of(config);
            apply(view, &manner, ipv6, &mut parameters);
            parameters.apply_to(config);
            config.path_max_retrans = max_retrans.unwrap_or(config.path_max_retrans);
        })?;
        *target.settings_mut().of_mut(whose) = manner;
    }
    for path in paths {
        let association = place.whose().ok_or(Errno::EINVAL)?;
        let change = |parameters: &mut PathParameters| apply(view, &manner, path.is_ipv6(), parameters);
        target.configure_path(association, path, &change)?;
        if let Some(most) = max_retrans {
            set_max_retrans(target, association, path, most)?;
        }
    }
    Ok(Outcome::Done)
}

/// The paths that there are, of which each is set also where all are meant.
fn paths(target: &dyn Target, place: &Place) -> Result<Vec<IpAddr>, Errno> {
    let remote = |path: &Path| path.address.remote;
    match *place {
        Place::Path(_, remote) => Ok(vec![remote]),
        Place::All(Some(association)) => {
            look(target, association, |association| association.paths().iter().map(remote).collect())
        }
        Place::All(None) => Ok(Vec::new()),
    }
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

/// The new interval. Zero leaves it, unless it is said to be meant.
fn hb_interval(view: View<'_>) -> Option<Duration> {
    let flags = view.get(spp_flags);
    let zero = flags & SPP_HB_TIME_IS_ZERO != 0;
    let interval = if zero { 0 } else { view.get(spp_hbinterval) };
    (flags & SPP_HB_ENABLE != 0 && (interval > 0 || zero)).then(|| millis(interval))
}

/// The new path MTU, which counts where it is not searched for. Zero leaves it.
fn fixed_path_mtu(view: View<'_>) -> Option<u32> {
    let mtu = view.get(spp_pathmtu);
    (view.get(spp_flags) & SPP_PMTUD_DISABLE != 0 && mtu > 0).then_some(mtu)
}

/// What the structure says, of a path or of those to come; `ipv6`: there are flow labels.
fn apply(view: View<'_>, manner: &Manner, ipv6: bool, parameters: &mut PathParameters) {
    let flags = view.get(spp_flags);
    let sack_delay = view.get(spp_sackdelay);
    if flags & SPP_HB_ENABLE != 0 {
        let present = parameters.hb_interval.unwrap_or(manner.hb_interval);
        parameters.hb_interval = Some(hb_interval(view).unwrap_or(present));
    }
    if flags & SPP_HB_DISABLE != 0 {
        parameters.hb_interval = None;
    }
    if flags & SPP_PMTUD_ENABLE != 0 {
        parameters.mtu_search = Some(parameters.mtu_search.unwrap_or_default());
    }
    if flags & SPP_PMTUD_DISABLE != 0 {
        parameters.mtu_search = None;
        parameters.path_mtu = fixed_path_mtu(view).map_or(parameters.path_mtu, |mtu| mtu as usize);
    }
    if flags & SPP_SACKDELAY_ENABLE != 0 {
        parameters.sack_delay = if sack_delay > 0 { millis(sack_delay) } else { parameters.sack_delay };
        parameters.sack_frequency = manner.sack_frequency;
    }
    if flags & SPP_SACKDELAY_DISABLE != 0 {
        parameters.sack_frequency = Some(1);
    }
    if flags & SPP_IPV6_FLOWLABEL != 0 && ipv6 {
        parameters.flow_label = Some(view.get(spp_ipv6_flowlabel) & FLOW_LABEL);
    }
    if flags & SPP_DSCP != 0 {
        parameters.dscp = Some(view.get(spp_dscp) & DSCP);
    }
}

fn set_max_retrans(
    target: &mut dyn Target,
    association: AssociationId,
    remote: IpAddr,
    max_retrans: u32,
) -> Result<(), Errno> {
    let mut thresholds = look_at_path(target, association, remote, |path| path.thresholds)?;
    thresholds.path_max_retrans = max_retrans;
    target.set_thresholds(association, remote, thresholds)
}
