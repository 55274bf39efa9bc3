//! What sends use that say nothing themselves, and what comes with received messages.

use std::time::Duration;

use sctp_core::reliability::Reliability;

use super::numbers::milliseconds;
use super::scope::{config, for_each, one};
use super::{Answer, Asked, Outcome};
use crate::constants::*;
use crate::errno::Errno;
use crate::layout::{Network, Record, View};
use crate::settings::DefaultSend;
use crate::structures::sctp_assoc_value::{self, assoc_id, assoc_value};
use crate::structures::sctp_default_prinfo::{self, *};
use crate::structures::sctp_sndinfo::{self, *};
use crate::structures::sctp_sndrcvinfo::{self, *};
use crate::target::Target;

/// The flags that a default may have.
const FLAGS: u16 = SCTP_UNORDERED | SCTP_ADDR_OVER | SCTP_ABORT | SCTP_EOF;

/// RFC 6458, 8.1.13.
pub(super) fn get_default_send_param(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(sinfo_assoc_id))?;
    let send = target.settings().of(whose).send;
    let (_, time_to_live) = policy_and_value(config(target, whose)?.reliability);
    let record = Record::from_view(asked.view, sctp_sndrcvinfo::SIZE)
        .set(sinfo_stream, send.stream)
        .set(sinfo_flags, send.flags)
        .set(sinfo_ppid, Network(send.ppid))
        .set(sinfo_context, send.context)
        .set(sinfo_timetolive, time_to_live);
    Ok(record.into())
}

pub(super) fn set_default_send_param(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    if view.get(sinfo_flags) & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let send = DefaultSend {
        stream: view.get(sinfo_stream),
        flags: view.get(sinfo_flags),
        ppid: view.get(sinfo_ppid).0,
        context: view.get(sinfo_context),
    };
    // The time to live is what SCTP_DEFAULT_PRINFO has with the policy for it.
    let reliability = reliability(SCTP_PR_SCTP_TTL, view.get(sinfo_timetolive));
    for_each(target, view.get(sinfo_assoc_id), |target, whose| {
        target.configure(whose, &|config| config.reliability = reliability)?;
        target.settings_mut().of_mut(whose).send = send;
        Ok(())
    })
}

/// RFC 6458, 8.1.31.
pub(super) fn get_default_sndinfo(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(snd_assoc_id))?;
    let send = target.settings().of(whose).send;
    let record = Record::from_view(asked.view, sctp_sndinfo::SIZE)
        .set(snd_sid, send.stream)
        .set(snd_flags, send.flags)
        .set(snd_ppid, Network(send.ppid))
        .set(snd_context, send.context);
    Ok(record.into())
}

pub(super) fn set_default_sndinfo(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    if view.get(snd_flags) & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let send = DefaultSend {
        stream: view.get(snd_sid),
        flags: view.get(snd_flags),
        ppid: view.get(snd_ppid).0,
        context: view.get(snd_context),
    };
    for_each(target, view.get(snd_assoc_id), |target, whose| {
        target.settings_mut().of_mut(whose).send = send;
        Ok(())
    })
}

/// The policy and value of C as our own (RFC 6458, 5.3.7; RFC 7496, 4.2). No time to live is no limit.
pub(crate) fn reliability(policy: u16, value: u32) -> Reliability {
    match policy & SCTP_PR_SCTP_MASK {
        SCTP_PR_SCTP_TTL if value > 0 => Reliability::Timed(Duration::from_millis(value.into())),
        SCTP_PR_SCTP_RTX => Reliability::Retransmissions(value),
        SCTP_PR_SCTP_PRIO => Reliability::Priority(value),
        _ => Reliability::Full,
    }
}

/// The other way round.
fn policy_and_value(reliability: Reliability) -> (u16, u32) {
    match reliability {
        Reliability::Full => (SCTP_PR_SCTP_NONE, 0),
        Reliability::Timed(lifetime) => (SCTP_PR_SCTP_TTL, milliseconds(lifetime)),
        Reliability::Retransmissions(most) => (SCTP_PR_SCTP_RTX, most),
        Reliability::Priority(priority) => (SCTP_PR_SCTP_PRIO, priority),
    }
}

/// RFC 6458, 8.1.32; RFC 7496, 4.5.
pub(super) fn get_default_prinfo(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(pr_assoc_id))?;
    let (policy, value) = policy_and_value(config(target, whose)?.reliability);
    let record =
        Record::from_view(asked.view, sctp_default_prinfo::SIZE).set(pr_value, value).set(pr_policy, policy);
    Ok(record.into())
}

pub(super) fn set_default_prinfo(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    if view.get(pr_policy) & !SCTP_PR_SCTP_MASK != 0 {
        return Err(Errno::EINVAL);
    }
    let reliability = reliability(view.get(pr_policy), view.get(pr_value));
    for_each(target, view.get(pr_assoc_id), |target, whose| {
        target.configure(whose, &|config| config.reliability = reliability)
    })
}

/// RFC 6458, 8.1.25.
pub(super) fn get_context(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(assoc_id))?;
    let context = target.settings().of(whose).receive_context;
    Ok(Record::from_view(asked.view, sctp_assoc_value::SIZE).set(assoc_value, context).into())
}

pub(super) fn set_context(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    for_each(target, view.get(assoc_id), |target, whose| {
        target.settings_mut().of_mut(whose).receive_context = view.get(assoc_value);
        Ok(())
    })
}
