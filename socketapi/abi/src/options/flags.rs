//! Options that are one number, and of the socket as a whole.

use std::time::Duration;

use sctp_core::config::FragmentInterleave;

use super::numbers::count;
use super::scope::configure_all;
use super::{Answer, Asked, Outcome};
use crate::errno::Errno;
use crate::layout::{Field, Record, View};
use crate::structures::sctp_setadaptation::{self, ssb_adaptation_ind};
use crate::target::{Style, Target};

/// The longest SCTP_AUTOCLOSE, which is Linux's; what is longer is cut to it.
pub const MAX_AUTOCLOSE: Duration = Duration::from_secs(21_474_836);

const NUMBER: Field<i32> = Field::new(0);
const UNSIGNED: Field<u32> = Field::new(0);
/// The size of an `int`.
pub(super) const INT: usize = 4;

fn int(value: i32) -> Answer {
    Record::new(INT).set(NUMBER, value).into()
}

fn flag(value: bool) -> Answer {
    int(i32::from(value))
}

fn is_on(value: View<'_>) -> bool {
    value.get(NUMBER) != 0
}

/// RFC 6458, 8.1.5.
pub(super) fn get_nodelay(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.config()?.no_delay))
}

pub(super) fn set_nodelay(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    configure_all(target, &|config| config.no_delay = is_on(value))?;
    Ok(Outcome::Done)
}

/// Sockets with one association do not close by themselves.
pub(super) fn not_one_to_one(target: &dyn Target) -> Result<(), Errno> {
    if target.style() == Style::OneToOne { Err(Errno::EOPNOTSUPP) } else { Ok(()) }
}

/// RFC 6458, 8.1.8: seconds, 0 for never.
pub(super) fn get_autoclose(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    let seconds = target.config()?.autoclose.map_or(0, |idle| idle.as_secs());
    Ok(int(i32::try_from(seconds).unwrap_or(i32::MAX)))
}

pub(super) fn set_autoclose(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    let idle = Some(value.get(UNSIGNED)).filter(|seconds| *seconds > 0);
    let idle = idle.map(|seconds| Duration::from_secs(seconds.into()).min(MAX_AUTOCLOSE));
    target.configure(None, &|config| config.autoclose = idle)?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.10.
pub(super) fn get_adaptation_layer(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    let indication = target.config()?.adaptation_indication.unwrap_or(0);
    Ok(Record::new(sctp_setadaptation::SIZE).set(ssb_adaptation_ind, indication).into())
}

pub(super) fn set_adaptation_layer(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    let indication = Some(value.get(ssb_adaptation_ind));
    target.configure(None, &|config| config.adaptation_indication = indication)?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.11.
pub(super) fn get_disable_fragments(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.config()?.disable_fragments))
}

pub(super) fn set_disable_fragments(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    configure_all(target, &|config| config.disable_fragments = is_on(value))?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.15.
pub(super) fn get_mapped_v4(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.settings().form.mapped))
}

pub(super) fn set_mapped_v4(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    target.settings_mut().form.mapped = is_on(value);
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.20. Linux tells level 0 from all others only; we know level 2, and report what was set.
pub(super) fn get_fragment_interleave(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(int(target.config()?.fragment_interleave as i32))
}

pub(super) fn set_fragment_interleave(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    let level = match value.get(NUMBER) {
        0 => FragmentInterleave::Nothing,
        2 => FragmentInterleave::Streams,
        _ => FragmentInterleave::Associations,
    };
    configure_all(target, &|config| config.fragment_interleave = level)?;
    if level == FragmentInterleave::Nothing {
        // RFC 8260, 4.3.1: interleaved messages cannot be read like this.
        target.configure(None, &|config| config.extensions.interleaving = false)?;
    }
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.21: bytes, 0 for no such point.
pub(super) fn get_partial_delivery_point(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    let point = target.config()?.partial_delivery_point.unwrap_or(0);
    Ok(Record::new(INT).set(UNSIGNED, count(point)).into())
}

pub(super) fn set_partial_delivery_point(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    let point = value.get(UNSIGNED) as usize;
    if point > target.config()?.receive_buffer {
        return Err(Errno::EINVAL);
    }
    let point = Some(point).filter(|point| *point > 0);
    configure_all(target, &|config| config.partial_delivery_point = point)?;
    Ok(Outcome::Done)
}

/// Whether the peers are told of addresses that come and go. Only a socket that is bound to all of them can.
pub(super) fn get_auto_asconf(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.config()?.auto_asconf && target.is_bound_to_all()))
}

pub(super) fn set_auto_asconf(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    if is_on(value) && !target.is_bound_to_all() {
        return Err(Errno::EINVAL);
    }
    configure_all(target, &|config| config.auto_asconf = is_on(value))?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.29.
pub(super) fn get_recvrcvinfo(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.settings().rcvinfo))
}

pub(super) fn set_recvrcvinfo(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    target.settings_mut().rcvinfo = is_on(value);
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.30.
pub(super) fn get_recvnxtinfo(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.settings().nxtinfo))
}

pub(super) fn set_recvnxtinfo(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    target.settings_mut().nxtinfo = is_on(value);
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.27: before the socket is bound, and on one-to-one sockets only.
pub(super) fn may_reuse_port(target: &dyn Target) -> Result<(), Errno> {
    match target.style() {
        Style::OneToOne if target.local()?.1 != 0 => Err(Errno::EFAULT),
        Style::OneToOne => Ok(()),
        Style::OneToMany | Style::PeeledOff => Err(Errno::EOPNOTSUPP),
    }
}

pub(super) fn get_reuse_port(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    Ok(flag(target.settings().reuse_port))
}

pub(super) fn set_reuse_port(target: &mut dyn Target, value: View<'_>) -> Result<Outcome, Errno> {
    target.settings_mut().reuse_port = is_on(value);
    target.share_port()?;
    Ok(Outcome::Done)
}
