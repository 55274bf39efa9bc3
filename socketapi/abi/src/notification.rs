//! Notifications as bytes (RFC 6458, 6.1; RFC 6525, 6.1).

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use sctp_core::event::{
    AbortedDelivery, AuthenticationEvent, LossReason, PathChange, ReconfigOutcome, SendFailure, SignOfLife,
};
use sctp_user::stack::Notification;

use crate::address::Form;
use crate::constants::*;
use crate::events::Events;
use crate::layout::{Field, Network, Record};
use crate::structures::*;

/// What a notification does not say itself of its association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its number.
    pub number: i32,
    /// The peer's port.
    pub peer_port: u16,
    /// It was up: what is lost is an association, not a set-up.
    pub was_up: bool,
    /// Streams that we may send on, and that the peer may.
    pub streams: (u16, u16),
    /// How addresses look.
    pub form: Form,
}

/// The records that the program gets: those that it subscribed to. Mostly one; none for what C does not know; two for a
/// message that failed, where both forms are subscribed to.
pub fn encode(notification: &Notification, origin: &Origin, subscribed: Events) -> Vec<Vec<u8>> {
    let records = match notification {
        Notification::SendFailed(failure) => {
            vec![send_failed(failure, origin), send_failed_event(failure, origin)]
        }
        other => record(other, origin).into_iter().collect(),
    };
    let wanted = records.into_iter().filter(|(kind, _)| subscribed.contains(*kind));
    wanted.map(|(kind, record)| finish(kind, record)).collect()
}

/// A type, and a structure that lacks type and length still.
type Unfinished = (u16, Record);

/// All structures begin alike.
fn finish(kind: u16, record: Record) -> Vec<u8> {
    const TYPE: Field<u16> = Field::new(0);
    const LENGTH: Field<u32> = Field::new(4);
    let len = record.len();
    record.set(TYPE, kind).set(LENGTH, u32::try_from(len).unwrap_or(u32::MAX)).into_bytes()
}

fn record(notification: &Notification, origin: &Origin) -> Option<Unfinished> {
    Some(match notification {
        Notification::CommunicationUp { outbound_streams, inbound_streams, .. } => {
            assoc_change(SCTP_COMM_UP, 0, (*outbound_streams, *inbound_streams), &[], origin)
        }
        Notification::CommunicationLost(reason) => lost(reason, origin),
        Notification::Restarted => assoc_change(SCTP_RESTART, 0, origin.streams, &[], origin),
        Notification::ShutdownComplete => assoc_change(SCTP_SHUTDOWN_COMP, 0, (0, 0), &[], origin),
        Notification::ShutdownReceived => shutdown_event(origin),
        Notification::PathChanged { address, change } => paddr_change(*address, *change, origin),
        Notification::RemoteError { cause, value } => remote_error(*cause, value, origin),
        Notification::AdaptationIndication(indication) => adaptation_event(*indication, origin),
        Notification::Authentication(event) => authkey_event(*event, origin),
        Notification::StreamsReset { incoming, streams, outcome } => {
            stream_reset_event(*incoming, streams, *outcome, origin)
        }
        Notification::AssociationReset { local_tsn, remote_tsn, outcome } => {
            assoc_reset_event((*local_tsn, *remote_tsn), *outcome, origin)
        }
        Notification::StreamsChanged { outbound_streams, inbound_streams, outcome } => {
            stream_change_event((*outbound_streams, *inbound_streams), *outcome, origin)
        }
        Notification::PartialDeliveryAborted(aborted) => pdapi_event(*aborted, origin),
        Notification::SenderDry => sender_dry_event(origin),
        // C knows neither changes of our own addresses nor that notifications were dropped.
        _ => return None,
    })
}

/// RFC 6458, 6.1.1. `error` as Linux has it: a cause code in network byte order.
fn assoc_change(state: u16, error: u16, streams: (u16, u16), info: &[u8], origin: &Origin) -> Unfinished {
    use sctp_assoc_change::*;
    let record = Record::new(SIZE)
        .set(sac_state, state)
        .set(sac_error, error.to_be())
        .set(sac_outbound_streams, streams.0)
        .set(sac_inbound_streams, streams.1)
        .set(sac_assoc_id, origin.number)
        .with_tail(info);
    (SCTP_ASSOC_CHANGE, record)
}

/// An association, or a set-up, that failed. What the peer's ABORT said is there as it came.
fn lost(reason: &LossReason, origin: &Origin) -> Unfinished {
    /// User-Initiated Abort (RFC 9260, 3.3.10.12).
    const USER_INITIATED_ABORT: u16 = 12;
    let (error, info) = match reason {
        LossReason::PeerAborted { cause: Some(cause), value } => (*cause, error_cause(*cause, value)),
        LossReason::ProtocolError { cause } => (*cause, Vec::new()),
        LossReason::UserAborted => (USER_INITIATED_ABORT, Vec::new()),
        _ => (0, Vec::new()),
    };
    let (state, info) =
        if origin.was_up { (SCTP_COMM_LOST, info) } else { (SCTP_CANT_STR_ASSOC, Vec::new()) };
    assoc_change(state, error, (0, 0), &info, origin)
}

/// An error cause as it is in chunks.
fn error_cause(cause: u16, value: &[u8]) -> Vec<u8> {
    const HEADER: usize = 4;
    let len = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
    let header = Record::new(HEADER).set(Field::new(0), Network(cause)).set(Field::new(2), Network(len));
    header.with_tail(value).into_bytes()
}

/// RFC 6458, 6.1.2; RFC 7829, 7.1.
fn paddr_change(address: IpAddr, change: PathChange, origin: &Origin) -> Unfinished {
    use sctp_paddr_change::*;
    let (state, error) = match change {
        PathChange::Available(SignOfLife::Heartbeat) => (SCTP_ADDR_AVAILABLE, SCTP_HEARTBEAT_SUCCESS),
        PathChange::Available(SignOfLife::Acknowledgement) => (SCTP_ADDR_AVAILABLE, SCTP_RECEIVED_SACK),
        PathChange::Unreachable => (SCTP_ADDR_UNREACHABLE, SCTP_FAILED_THRESHOLD),
        PathChange::Removed => (SCTP_ADDR_REMOVED, 0),
        PathChange::Added => (SCTP_ADDR_ADDED, 0),
        PathChange::MadePrimary => (SCTP_ADDR_MADE_PRIM, 0),
        PathChange::Confirmed => (SCTP_ADDR_CONFIRMED, SCTP_HEARTBEAT_SUCCESS),
        PathChange::PotentiallyFailed => (SCTP_ADDR_POTENTIALLY_FAILED, SCTP_FAILED_THRESHOLD),
    };
    let record = Record::new(SIZE)
        .set(spc_aaddr, origin.form.storage(SocketAddr::new(address, origin.peer_port)))
        .set(spc_state, state)
        .set(spc_error, error)
        .set(spc_assoc_id, origin.number);
    (SCTP_PEER_ADDR_CHANGE, record)
}

/// RFC 6458, 6.1.3. The value has its padding.
fn remote_error(cause: u16, value: &[u8], origin: &Origin) -> Unfinished {
    use sctp_remote_error::*;
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    let record = Record::new(SIZE).set(sre_error, Network(cause)).set(sre_assoc_id, origin.number);
    (SCTP_REMOTE_ERROR, record.with_tail(&padded))
}

fn sent_flag(failure: &SendFailure) -> u16 {
    if failure.sent { SCTP_DATA_SENT } else { SCTP_DATA_UNSENT }
}

/// The flags of a DATA chunk with the whole message, which is what Linux shows as flags of the message.
fn chunk_flags(failure: &SendFailure) -> u16 {
    const BEGINNING_AND_END: u16 = 0x3;
    const UNORDERED: u16 = 0x4;
    BEGINNING_AND_END | if failure.unordered { UNORDERED } else { 0 }
}

/// RFC 6458, 6.1.4 (deprecated).
fn send_failed(failure: &SendFailure, origin: &Origin) -> Unfinished {
    use sctp_send_failed::*;
    use sctp_sndrcvinfo::*;
    let info = Record::new(sctp_sndrcvinfo::SIZE)
        .set(sinfo_stream, failure.stream_id)
        .set(sinfo_flags, chunk_flags(failure))
        .set(sinfo_ppid, Network(failure.ppid))
        .set(sinfo_context, failure.context)
        .set(sinfo_assoc_id, origin.number);
    let record = Record::new(sctp_send_failed::SIZE)
        .set(ssf_flags, sent_flag(failure))
        .set(ssf_info, info.into_array())
        .set(ssf_assoc_id, origin.number);
    (SCTP_SEND_FAILED, record.with_tail(&failure.payload))
}

/// RFC 6458, 6.1.11.
fn send_failed_event(failure: &SendFailure, origin: &Origin) -> Unfinished {
    use sctp_send_failed_event::*;
    use sctp_sndinfo::*;
    let info = Record::new(sctp_sndinfo::SIZE)
        .set(snd_sid, failure.stream_id)
        .set(snd_flags, chunk_flags(failure))
        .set(snd_ppid, Network(failure.ppid))
        .set(snd_context, failure.context)
        .set(snd_assoc_id, origin.number);
    let record = Record::new(sctp_send_failed_event::SIZE)
        .set(ssf_flags, sent_flag(failure))
        .set(ssfe_info, info.into_array())
        .set(ssf_assoc_id, origin.number);
    (SCTP_SEND_FAILED_EVENT, record.with_tail(&failure.payload))
}

/// RFC 6458, 6.1.5.
fn shutdown_event(origin: &Origin) -> Unfinished {
    use sctp_shutdown_event::*;
    (SCTP_SHUTDOWN_EVENT, Record::new(SIZE).set(sse_assoc_id, origin.number))
}

/// RFC 6458, 6.1.6.
fn adaptation_event(indication: u32, origin: &Origin) -> Unfinished {
    use sctp_adaptation_event::*;
    let record = Record::new(SIZE).set(sai_adaptation_ind, indication).set(sai_assoc_id, origin.number);
    (SCTP_ADAPTATION_INDICATION, record)
}

/// RFC 6458, 6.1.7.
fn pdapi_event(aborted: AbortedDelivery, origin: &Origin) -> Unfinished {
    use sctp_pdapi_event::*;
    let record = Record::new(SIZE)
        .set(pdapi_flags, if aborted.unordered { SCTP_UNORDERED } else { 0 })
        .set(pdapi_indication, SCTP_PARTIAL_DELIVERY_ABORTED)
        .set(pdapi_assoc_id, origin.number)
        .set(pdapi_stream, u32::from(aborted.stream_id))
        .set(pdapi_seq, aborted.mid.0);
    (SCTP_PARTIAL_DELIVERY_EVENT, record)
}

/// RFC 6458, 6.1.8.
fn authkey_event(event: AuthenticationEvent, origin: &Origin) -> Unfinished {
    use sctp_authkey_event::*;
    let (key, indication) = match event {
        AuthenticationEvent::NewKey(key) => (key, SCTP_AUTH_NEW_KEY),
        AuthenticationEvent::FreeKey(key) => (key, SCTP_AUTH_FREE_KEY),
        AuthenticationEvent::NotSupported => (0, SCTP_AUTH_NO_AUTH),
    };
    let record = Record::new(SIZE)
        .set(auth_keynumber, key)
        .set(auth_indication, indication)
        .set(auth_assoc_id, origin.number);
    (SCTP_AUTHENTICATION_EVENT, record)
}

/// RFC 6458, 6.1.9.
fn sender_dry_event(origin: &Origin) -> Unfinished {
    use sctp_sender_dry_event::*;
    (SCTP_SENDER_DRY_EVENT, Record::new(SIZE).set(sender_dry_assoc_id, origin.number))
}

fn outcome_flags(outcome: ReconfigOutcome) -> u16 {
    match outcome {
        ReconfigOutcome::Done => 0,
        ReconfigOutcome::Denied => SCTP_STREAM_RESET_DENIED,
        ReconfigOutcome::Failed { .. } => SCTP_STREAM_RESET_FAILED,
    }
}

/// RFC 6525, 6.1.1.
fn stream_reset_event(
    incoming: bool,
    streams: &[u16],
    outcome: ReconfigOutcome,
    origin: &Origin,
) -> Unfinished {
    use sctp_stream_reset_event::*;
    let direction = if incoming { SCTP_STREAM_RESET_INCOMING_SSN } else { SCTP_STREAM_RESET_OUTGOING_SSN };
    let list: Vec<u8> = streams.iter().flat_map(|stream| stream.to_ne_bytes()).collect();
    let record = Record::new(SIZE)
        .set(strreset_flags, direction | outcome_flags(outcome))
        .set(strreset_assoc_id, origin.number);
    (SCTP_STREAM_RESET_EVENT, record.with_tail(&list))
}

/// RFC 6525, 6.1.2.
fn assoc_reset_event(tsns: (u32, u32), outcome: ReconfigOutcome, origin: &Origin) -> Unfinished {
    use sctp_assoc_reset_event::*;
    let record = Record::new(SIZE)
        .set(assocreset_flags, outcome_flags(outcome))
        .set(assocreset_assoc_id, origin.number)
        .set(assocreset_local_tsn, tsns.0)
        .set(assocreset_remote_tsn, tsns.1);
    (SCTP_ASSOC_RESET_EVENT, record)
}

/// RFC 6525, 6.1.3.
fn stream_change_event(streams: (u16, u16), outcome: ReconfigOutcome, origin: &Origin) -> Unfinished {
    use sctp_stream_change_event::*;
    let record = Record::new(SIZE)
        .set(strchange_flags, outcome_flags(outcome))
        .set(strchange_assoc_id, origin.number)
        .set(strchange_outstrms, streams.0)
        .set(strchange_instrms, streams.1);
    (SCTP_STREAM_CHANGE_EVENT, record)
}
