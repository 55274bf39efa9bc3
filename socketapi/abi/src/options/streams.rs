//! Re-configuration of streams (RFC 6525, 6.3) and how streams share what may be sent (RFC 8260, 4.3.2 and 4.3.3).

use sctp_core::config::{AssociationConfig, ReconfigPermissions, StreamScheduler};
use sctp_core::endpoint::ResetDirections;

use super::scope::{association, config, for_each, look, named, one};
use super::{Answer, Asked, Outcome};
use crate::constants::*;
use crate::errno::Errno;
use crate::layout::{Field, Record, View};
use crate::structures::sctp_add_streams::{sas_assoc_id, sas_instrms, sas_outstrms};
use crate::structures::sctp_assoc_value::{self, assoc_id, assoc_value};
use crate::structures::sctp_reset_streams::{self, *};
use crate::structures::sctp_stream_value::{self, stream_id, stream_value};
use crate::target::{Command, Style, Target};

/// The size of a number of a stream.
const STREAM: usize = 2;

/// RFC 6525, 6.3.1.
pub(super) fn get_enable_reset(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(assoc_id))?;
    let value = permission_bits(config(target, whose)?.reconfig_permissions);
    Ok(Record::from_view(asked.view, sctp_assoc_value::SIZE).set(assoc_value, value).into())
}

fn permission_bits(permissions: ReconfigPermissions) -> u32 {
    let ReconfigPermissions { reset_streams, reset_association, add_streams } = permissions;
    let bit = |granted, bit| if granted { bit } else { 0 };
    bit(reset_streams, SCTP_ENABLE_RESET_STREAM_REQ)
        | bit(reset_association, SCTP_ENABLE_RESET_ASSOC_REQ)
        | bit(add_streams, SCTP_ENABLE_CHANGE_ASSOC_REQ)
}

pub(super) fn set_enable_reset(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    const ALL: u32 =
        SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_RESET_ASSOC_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ;
    let bits = view.get(assoc_value);
    if bits & !ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let permissions = ReconfigPermissions {
        reset_streams: bits & SCTP_ENABLE_RESET_STREAM_REQ != 0,
        reset_association: bits & SCTP_ENABLE_RESET_ASSOC_REQ != 0,
        add_streams: bits & SCTP_ENABLE_CHANGE_ASSOC_REQ != 0,
    };
    for_each(target, view.get(assoc_id), |target, whose| {
        target.configure(whose, &|config| config.reconfig_permissions = permissions)
    })
}

/// On Linux one asks for what one would grant only.
fn reconfigure(
    target: &mut dyn Target,
    number: i32,
    permission: fn(&ReconfigPermissions) -> bool,
    command: Command<'_>,
) -> Result<Outcome, Errno> {
    let id = association(target, number)?;
    let usable = look(target, id, |association| {
        association.extensions().reconfig && permission(&association.config().reconfig_permissions)
    })?;
    if !usable {
        return Err(Errno::ENOPROTOOPT);
    }
    target.command(id, command)?;
    Ok(Outcome::Done)
}

/// RFC 6525, 6.3.2. No streams in the list: all.
pub(super) fn set_reset_streams(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let list = view.after(sctp_reset_streams::SIZE);
    let list = list.get(..usize::from(view.get(srs_number_streams)) * STREAM).ok_or(Errno::EINVAL)?;
    let streams: Vec<u16> = list.chunks_exact(STREAM).map(|stream| View(stream).get(Field::new(0))).collect();
    let flags = view.get(srs_flags);
    let directions = ResetDirections {
        outgoing: flags & SCTP_STREAM_RESET_OUTGOING != 0,
        incoming: flags & SCTP_STREAM_RESET_INCOMING != 0,
    };
    let command = Command::ResetStreams(directions, &streams);
    reconfigure(target, view.get(srs_assoc_id), |granted| granted.reset_streams, command)
}

/// RFC 6525, 6.3.3. The structure is the number of the association alone.
pub(super) fn set_reset_assoc(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let number = view.get(Field::new(0));
    reconfigure(target, number, |granted| granted.reset_association, Command::ResetAssociation)
}

/// RFC 6525, 6.3.4.
pub(super) fn set_add_streams(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let command = Command::AddStreams { outbound: view.get(sas_outstrms), inbound: view.get(sas_instrms) };
    reconfigure(target, view.get(sas_assoc_id), |granted| granted.add_streams, command)
}

/// RFC 8260, 4.3.2. What Linux has no number for (a packet in turn) is shown as the next to it.
pub(super) fn get_scheduler(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(assoc_id))?;
    let value = match config(target, whose)?.scheduler {
        StreamScheduler::FirstComeFirstServed => SCTP_SS_FCFS,
        StreamScheduler::Priority => SCTP_SS_PRIO,
        StreamScheduler::RoundRobin | StreamScheduler::RoundRobinPerPacket => SCTP_SS_RR,
        StreamScheduler::FairCapacity => SCTP_SS_FC,
        StreamScheduler::WeightedFairQueueing => SCTP_SS_WFQ,
    };
    Ok(Record::from_view(asked.view, sctp_assoc_value::SIZE).set(assoc_value, value).into())
}

pub(super) fn set_scheduler(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let scheduler = match view.get(assoc_value) {
        SCTP_SS_FCFS => StreamScheduler::FirstComeFirstServed,
        SCTP_SS_PRIO => StreamScheduler::Priority,
        SCTP_SS_RR => StreamScheduler::RoundRobin,
        SCTP_SS_FC => StreamScheduler::FairCapacity,
        SCTP_SS_WFQ => StreamScheduler::WeightedFairQueueing,
        _ => return Err(Errno::EINVAL),
    };
    for_each(target, view.get(assoc_id), |target, whose| {
        target.configure(whose, &|config| config.scheduler = scheduler)
    })
}

/// RFC 8260, 4.3.3: a priority or a weight. Where streams have neither it is 0, whatever was set.
pub(super) fn get_scheduler_value(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(assoc_id))?;
    let stream = asked.view.get(stream_id);
    let value = look(target, id, |association| {
        (stream < association.outbound_streams()).then(|| value_of(association.config(), stream))
    })?;
    let value = value.ok_or(Errno::EINVAL)?;
    Ok(Record::from_view(asked.view, sctp_stream_value::SIZE).set(stream_value, value).into())
}

fn value_of(config: &AssociationConfig, stream: u16) -> u16 {
    let set = config.stream_values.get(&stream).copied();
    match config.scheduler {
        StreamScheduler::Priority => set.unwrap_or(0),
        StreamScheduler::WeightedFairQueueing => set.unwrap_or(1),
        _ => 0,
    }
}

/// Of an association, or of all that there are.
pub(super) fn set_scheduler_value(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let (number, stream, value) = (view.get(assoc_id), view.get(stream_id), view.get(stream_value));
    let names_none = named(target, number).is_none() && number != SCTP_CURRENT_ASSOC;
    if names_none && target.style() == Style::OneToMany {
        return Err(Errno::EINVAL);
    }
    for_each(target, number, |target, whose| {
        // Those to come have no streams yet.
        let Some(association) = whose else { return Ok(()) };
        if stream >= look(target, association, |association| association.outbound_streams())? {
            return Err(Errno::EINVAL);
        }
        target.configure(whose, &|config| _ = config.stream_values.insert(stream, value))
    })
}
