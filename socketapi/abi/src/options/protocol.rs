//! Time-outs and limits of associations. Zero in a structure leaves the value as it is.

use std::time::Duration;

use sctp_core::config::AssociationConfig;
use sctp_core::path::Path;

use super::numbers::{count, millis, milliseconds, short};
use super::scope::{Whose, config, for_each, look, one};
use super::{Answer, Asked, Outcome};
use crate::errno::Errno;
use crate::layout::{Field, Record, View};
use crate::structures::sctp_assoc_value::{self, assoc_id, assoc_value};
use crate::structures::sctp_assocparams::{self, *};
use crate::structures::sctp_initmsg::{self, *};
use crate::structures::sctp_rtoinfo::{self, *};
use crate::structures::sctp_sack_info::{self, *};
use crate::target::Target;

/// The longest delay of a SACK, milliseconds (RFC 9260, 6.2).
pub(super) const LONGEST_SACK_DELAY: u32 = 500;
/// The least path MTU that counts on Linux.
pub(super) const LEAST_MTU: u32 = 512;

/// Valid.Cookie.Life (RFC 9260, 16), where nobody has said otherwise.
const COOKIE_LIFE: Duration = Duration::from_secs(60);
/// What Linux tells of the longest time-out of an INIT before it was set: RTO.Max.
const MAX_INIT_TIMEOUT: Duration = Duration::from_secs(60);

/// RFC 6458, 8.1.1.
pub(super) fn get_rtoinfo(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let config = config(target, one(target, asked.view.get(srto_assoc_id))?)?;
    let record = Record::from_view(asked.view, sctp_rtoinfo::SIZE)
        .set(srto_initial, milliseconds(config.rto_initial))
        .set(srto_max, milliseconds(config.rto_max))
        .set(srto_min, milliseconds(config.rto_min));
    Ok(record.into())
}

pub(super) fn set_rtoinfo(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let whose = one(target, view.get(srto_assoc_id))?;
    let given = |field: Field<u32>| Some(view.get(field)).filter(|given| *given > 0).map(millis);
    let (initial, max, min) = (given(srto_initial), given(srto_max), given(srto_min));
    let present = config(target, whose)?;
    if min.unwrap_or(present.rto_min) > max.unwrap_or(present.rto_max) {
        return Err(Errno::EINVAL);
    }
    target.configure(whose, &|config| {
        config.rto_initial = initial.unwrap_or(config.rto_initial);
        config.rto_max = max.unwrap_or(config.rto_max);
        config.rto_min = min.unwrap_or(config.rto_min);
    })?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.2.
pub(super) fn get_associnfo(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(sasoc_assoc_id))?;
    let (paths, peer_rwnd, local_rwnd) = match whose {
        None => (0, 0, 0),
        Some(association) => look(target, association, |association| {
            let peer_rwnd = count(association.peer_rwnd());
            (association.paths().iter().count(), peer_rwnd, association.a_rwnd().unwrap_or(0))
        })?,
    };
    let config = config(target, whose)?;
    let cookie_life = config.cookie_life.unwrap_or(COOKIE_LIFE);
    let record = Record::from_view(asked.view, sctp_assocparams::SIZE)
        .set(sasoc_asocmaxrxt, short(config.association_max_retrans))
        .set(sasoc_number_peer_destinations, short(paths))
        .set(sasoc_peer_rwnd, peer_rwnd)
        .set(sasoc_local_rwnd, local_rwnd)
        .set(sasoc_cookie_life, milliseconds(cookie_life));
    Ok(record.into())
}

pub(super) fn set_associnfo(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let whose = one(target, view.get(sasoc_assoc_id))?;
    let max_retrans = u32::from(view.get(sasoc_asocmaxrxt));
    let cookie_life = view.get(sasoc_cookie_life);
    if max_retrans > most_retrans(target, whose)? {
        return Err(Errno::EINVAL);
    }
    if max_retrans > 0 {
        target.configure(whose, &|config| config.association_max_retrans = max_retrans)?;
    }
    if cookie_life > 0 {
        target.configure(whose, &|config| config.cookie_life = Some(millis(cookie_life)))?;
    }
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.2: at most the sum of the paths' limits, where there are several paths.
fn most_retrans(target: &dyn Target, whose: Whose) -> Result<u32, Errno> {
    let Some(association) = whose else { return Ok(u32::MAX) };
    look(target, association, |association| {
        let limits = association.paths().iter().map(|path: &Path| path.thresholds.path_max_retrans);
        let several = association.paths().iter().count() > 1;
        if several { limits.fold(0, u32::saturating_add) } else { u32::MAX }
    })
}

/// RFC 6458, 8.1.3.
pub(super) fn get_initmsg(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    let config = target.config()?;
    let record = Record::new(sctp_initmsg::SIZE)
        .set(sinit_num_ostreams, config.outbound_streams)
        .set(sinit_max_instreams, config.max_inbound_streams)
        .set(sinit_max_attempts, short(config.max_init_retransmits))
        .set(sinit_max_init_timeo, short(config.max_init_timeout.unwrap_or(MAX_INIT_TIMEOUT).as_millis()));
    Ok(record.into())
}

pub(super) fn set_initmsg(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    target.configure(None, &|config| apply_init(view, config))?;
    Ok(Outcome::Done)
}

fn given(view: View<'_>, field: Field<u16>) -> Option<u16> {
    Some(view.get(field)).filter(|given| *given > 0)
}

/// What an `sctp_initmsg` says, whether by option or by control message (RFC 6458, 5.3.1).
pub(crate) fn apply_init(view: View<'_>, config: &mut AssociationConfig) {
    config.outbound_streams = given(view, sinit_num_ostreams).unwrap_or(config.outbound_streams);
    config.max_inbound_streams = given(view, sinit_max_instreams).unwrap_or(config.max_inbound_streams);
    config.max_init_retransmits =
        given(view, sinit_max_attempts).map_or(config.max_init_retransmits, u32::from);
    let timeout = given(view, sinit_max_init_timeo).map(|timeout| millis(timeout.into()));
    config.max_init_timeout = timeout.or(config.max_init_timeout);
}

/// RFC 6458, 8.1.19. The old form has no frequency.
pub(super) fn get_delayed_sack(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let (delay, frequency) = delayed_sack(&config(target, one(target, asked.view.get(sack_assoc_id))?)?);
    let record =
        Record::from_view(asked.view, sctp_sack_info::SIZE).set(sack_delay, delay).set(sack_freq, frequency);
    let len = asked.room.min(sctp_sack_info::SIZE);
    Ok(record.truncate(len).into())
}

/// Delay and frequency: a SACK for each packet is told as no delay.
fn delayed_sack(config: &AssociationConfig) -> (u32, u32) {
    match config.sack_frequency.unwrap_or(AssociationConfig::SACK_FREQUENCY) {
        0 | 1 => (0, 1),
        frequency => (milliseconds(config.sack_delay), frequency),
    }
}

pub(super) fn set_delayed_sack(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let delay = view.get(sack_delay);
    let frequency = match view.0.len() {
        // In the old form no delay means a SACK for each packet.
        sctp_assoc_value::SIZE => u32::from(delay == 0),
        _ => view.get(sack_freq),
    };
    if (delay, frequency) == (0, 0) {
        return Ok(Outcome::Done);
    }
    if delay > LONGEST_SACK_DELAY {
        return Err(Errno::EINVAL);
    }
    let given = Some(frequency).filter(|frequency| *frequency > 1);
    for_each(target, view.get(sack_assoc_id), |target, whose| {
        let chosen = given.or(target.settings().of(whose).sack_frequency);
        target.configure(whose, &|config| apply_delayed_sack(config, delay, frequency, chosen))?;
        target.settings_mut().of_mut(whose).sack_frequency = chosen;
        Ok(())
    })
}

/// Zero leaves a value as it is. `chosen`: the frequency that rules unless each packet is acknowledged.
fn apply_delayed_sack(config: &mut AssociationConfig, delay: u32, frequency: u32, chosen: Option<u32>) {
    if delay > 0 {
        config.sack_delay = millis(delay);
    }
    match frequency {
        1 => config.sack_frequency = Some(1),
        _ => config.sack_frequency = chosen,
    }
}

/// RFC 6458, 8.1.24; an `int` is the old form.
pub(super) fn get_max_burst(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let number = if asked.room == OLD { 0 } else { asked.view.get(assoc_id) };
    let packets = config(target, one(target, number)?)?.max_burst;
    // Linux reports the length of the buffer.
    Ok(Answer { len: asked.room, ..value_answer(asked, packets) })
}

pub(super) fn set_max_burst(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let (number, packets) = number_and_value(view);
    for_each(target, number, |target, whose| target.configure(whose, &|config| config.max_burst = packets))
}

/// RFC 6458, 8.1.16; an `int` is the old form. Of an association it is the size that messages are cut to now.
pub(super) fn get_maxseg(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let number = if asked.room == OLD { 0 } else { asked.view.get(assoc_id) };
    let bytes = match one(target, number)? {
        Some(association) => look(target, association, super::status::fragmentation_point)?,
        None => count(target.config()?.fragmentation_point),
    };
    Ok(value_answer(asked, bytes))
}

pub(super) fn set_maxseg(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let (number, bytes) = number_and_value(view);
    let whose = one(target, number)?;
    let header = match whose {
        Some(association) => look(target, association, super::status::data_header)?,
        None => super::status::DATA_HEADER,
    };
    let ip_header = if target.settings().form.ipv6 { 40 } else { 20 };
    let least = LEAST_MTU - ip_header - super::status::COMMON_HEADER - header;
    if bytes != 0 && !(least..=super::status::LARGEST_CHUNK - header).contains(&bytes) {
        return Err(Errno::EINVAL);
    }
    target.configure(whose, &|config| config.fragmentation_point = bytes as usize)?;
    Ok(Outcome::Done)
}

/// The size of the old form of two options: an `int`.
const OLD: usize = 4;

fn number_and_value(view: View<'_>) -> (i32, u32) {
    match view.0.len() {
        OLD => (0, view.get(Field::new(0))),
        _ => (view.get(assoc_id), view.get(assoc_value)),
    }
}

fn value_answer(asked: Asked<'_>, value: u32) -> Answer {
    if asked.room == OLD {
        return Record::new(OLD).set(Field::new(0), value).into();
    }
    Record::from_view(asked.view, sctp_assoc_value::SIZE).set(assoc_value, value).into()
}
