//! A file with a line for each message that the registrar hears or says, in the form of RSPLIB's.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rserpool::driver::Observation;
use rserpool::registrar::RemovalReason;
use rserpool::transport::{Command, Side, TransportEvent};
use rserpool::wire::{
    ASAP_PPID, AsapMessage, ENRP_PPID, EnrpBody, EnrpMessage, ErrorCause, Format, PoolEntry, UpdateAction,
};
use rserpool::{PeId, PoolHandle, RegistrarId};

use super::line_queue::LineQueue;
use super::statistics_file::now;

const HEADER: &str = "AbsTime RelTime   Direction Protocol Action Reason   Flags Counter Time   PoolHandle PoolElementID   \
SenderID ReceiverID TargetID   ErrorCode";

/// Keep-alives whose answers are waited for; of more the times are not known.
const MAX_ASKED: usize = 1_000_000;

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
struct Action {
    direction: &'static str,
    protocol: &'static str,
    name: &'static str,
    reason: &'static str,
    flags: u8,
    counter: u64,
    time: Duration,
    pool: Option<PoolHandle>,
    element: u32,
    sender: RegistrarId,
    receiver: RegistrarId,
    target: RegistrarId,
    error: u16,
}

const HEARD: &str = "Recv";
const SAID: &str = "Send";

/// The file.
pub(super) struct ActionLog {
    begin: Instant,
    output: LineQueue,
    /// Also of lines that were dropped because the disk is too slow: where numbers are missing, lines are.
    number: u64,
    format: Format,
    own: RegistrarId,
    keep_alive_interval: Duration,
    /// When elements were asked whether they are there.
    asked: HashMap<(PoolHandle, PeId), Instant>,
}

impl ActionLog {
    /// Starts the file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn create(
        path: &Path,
        own: RegistrarId,
        format: Format,
        keep_alive_interval: Duration,
    ) -> io::Result<Self> {
        let output = LineQueue::to_file(path, HEADER)?;
        let (begin, asked) = (Instant::now(), HashMap::new());
        Ok(Self { begin, output, number: 0, format, own, keep_alive_interval, asked })
    }

    /// Nothing more is written down.
    ///
    /// # Errors
    /// When the file does not have all that was.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.output.finish()
    }

    /// What is said to be the time between Keep-Alives from now on.
    pub(super) fn set_keep_alive_interval(&mut self, interval: Duration) {
        self.keep_alive_interval = interval;
    }

    /// Writes down what the registrar hears or says.
    pub(super) fn observe(&mut self, observation: Observation<'_>) {
        let action = match observation {
            Observation::Event(TransportEvent::Message { message, .. }) => {
                self.message(HEARD, message.ppid, &message.data)
            }
            Observation::Command(Command::Send { message, .. }) => {
                self.message(SAID, message.ppid, &message.data)
            }
            Observation::Command(Command::Announce { side, .. }) => Some(self.announced(*side)),
            _ => None,
        };
        if let Some(action) = action {
            self.write(&action);
        }
    }

    /// Writes down that an element has been removed. If it asked for it, its message has been written down already.
    pub(super) fn removed(&mut self, pool: &PoolHandle, element: PeId, reason: RemovalReason) {
        self.asked.remove(&(pool.clone(), element));
        let reason = match reason {
            RemovalReason::Deregistered => return,
            RemovalReason::NoKeepAliveAck => "KeepAliveTimeoutTimer",
            RemovalReason::LifeExpired => "ExpiryTimer",
            RemovalReason::AssociationLost | RemovalReason::Unreachable => "Disconnect",
            RemovalReason::ReportedUnreachable => "EndpointUnreachable",
        };
        let pool = Some(pool.clone());
        self.write(&Action {
            reason,
            pool,
            element: element.0,
            sender: self.own,
            ..asap(SAID, "Deregistration")
        });
    }

    fn announced(&self, side: Side) -> Action {
        let (protocol, name) = match side {
            Side::Asap | Side::AsapTcp => ("MulticastASAP", "Announce"),
            Side::Enrp => ("MulticastENRP", "Presence"),
        };
        Action { direction: SAID, protocol, name, sender: self.own, ..Action::default() }
    }

    fn message(&mut self, direction: &'static str, ppid: u32, data: &[u8]) -> Option<Action> {
        let flags = *data.get(1)?;
        let action = match ppid {
            ASAP_PPID => self.asap_action(AsapMessage::parse(data, &self.format).ok()?.message)?,
            ENRP_PPID => enrp_action(direction, EnrpMessage::parse(data, &self.format).ok()?.message)?,
            _ => return None,
        };
        Some(Action { flags, ..action })
    }

    /// RSPLIB has some of the directions the wrong way round; so it is here, for who reads such files.
    fn asap_action(&mut self, message: AsapMessage) -> Option<Action> {
        let own = self.own;
        Some(match message {
            AsapMessage::Registration { pool_handle, element } => {
                of_element(pool_handle, element.id, own, asap(HEARD, "Registration"))
            }
            AsapMessage::RegistrationResponse { pool_handle, pe_id, errors, .. } => Action {
                error: first(&errors),
                ..of_element(pool_handle, pe_id, own, asap(HEARD, "RegistrationResponse"))
            },
            AsapMessage::Deregistration { pool_handle, pe_id } => {
                of_element(pool_handle, pe_id, own, asap(SAID, "Deregistration"))
            }
            AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors } => Action {
                error: first(&errors),
                ..of_element(pool_handle, pe_id, own, asap(SAID, "DeregistrationResponse"))
            },
            AsapMessage::HandleResolution { pool_handle, items, .. } => Action {
                counter: items.unwrap_or(0).into(),
                pool: Some(pool_handle),
                ..asap(HEARD, "HandleResolution")
            },
            AsapMessage::HandleResolutionResponse { pool_handle, elements, errors, .. } => Action {
                counter: elements.len() as u64,
                pool: Some(pool_handle),
                element: elements.first().map_or(0, |element| element.id.0),
                error: first(&errors),
                ..asap(SAID, "HandleResolutionResponse")
            },
            AsapMessage::EndpointKeepAlive { pool_handle, pe_id, .. } => {
                self.ask(pool_handle, pe_id.unwrap_or(PeId(0)))
            }
            AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id } => self.answered(pool_handle, pe_id),
            AsapMessage::EndpointUnreachable { pool_handle, pe_id } => {
                of_element(pool_handle, pe_id, RegistrarId::NONE, asap(HEARD, "EndpointUnreachable"))
            }
            _ => return None,
        })
    }

    fn ask(&mut self, pool: PoolHandle, element: PeId) -> Action {
        if self.asked.len() < MAX_ASKED {
            self.asked.insert((pool.clone(), element), Instant::now());
        }
        let time = self.keep_alive_interval;
        let action = of_element(pool, element, self.own, asap(SAID, "EndpointKeepAlive"));
        Action { reason: "KeepAliveTransmissionTimer", time, ..action }
    }

    fn answered(&mut self, pool: PoolHandle, element: PeId) -> Action {
        let asked = self.asked.remove(&(pool.clone(), element));
        let action = of_element(pool, element, RegistrarId::NONE, asap(HEARD, "EndpointKeepAliveAck"));
        match asked {
            Some(asked) => Action { reason: "InTime", time: asked.elapsed(), ..action },
            None => Action { reason: "TooLateAlreadyRemoved", ..action },
        }
    }

    fn write(&mut self, action: &Action) {
        self.number += 1;
        let relative = self.begin.elapsed().as_secs_f64();
        self.output.write(format!("{:06}   {:.6} {relative:.6}   {}", self.number, now(), action.columns()));
    }
}

impl Action {
    /// All but the times.
    fn columns(&self) -> String {
        let Self { direction, protocol, name, reason, flags, counter, error, .. } = self;
        let pool = self.pool.as_ref().map(|pool| pool.as_bytes().escape_ascii().to_string());
        format!(
            "\"{direction}\" \"{protocol}\" \"{name}\" \"{reason}\"   0x{flags:x} {counter} {:.6}   \"{}\" 0x{:x}   \
             0x{:x} 0x{:x} 0x{:x}   {error:x}",
            self.time.as_secs_f64(),
            pool.unwrap_or_default(),
            self.element,
            self.sender.0,
            self.receiver.0,
            self.target.0,
        )
    }
}

fn asap(direction: &'static str, name: &'static str) -> Action {
    Action { direction, protocol: "ASAP", name, reason: "Requested", ..Action::default() }
}

fn of_element(pool: PoolHandle, element: PeId, sender: RegistrarId, action: Action) -> Action {
    Action { pool: Some(pool), element: element.0, sender, ..action }
}

fn first(errors: &[ErrorCause]) -> u16 {
    errors.first().map_or(0, |cause| cause.code.0)
}

/// In RSPLIB's answers sender and receiver are those of the request; so it is here.
fn enrp_action(direction: &'static str, message: EnrpMessage) -> Option<Action> {
    let EnrpMessage { sender, receiver, body } = message;
    let action = Action { direction, protocol: "ENRP", sender, receiver, ..Action::default() };
    let answer = match direction {
        SAID => Action { sender: receiver, receiver: sender, ..action.clone() },
        _ => action.clone(),
    };
    let counted = |entries: &[PoolEntry]| entries.iter().map(|entry| entry.elements.len() as u64).sum();
    Some(match body {
        EnrpBody::Presence { .. } => Action { name: "Presence", ..action },
        EnrpBody::ListRequest => Action { name: "ListRequest", ..action },
        EnrpBody::ListResponse { servers, .. } => {
            Action { name: "ListResponse", counter: servers.len() as u64, ..answer }
        }
        EnrpBody::HandleTableRequest { .. } => Action { name: "HandleTableRequest", ..action },
        EnrpBody::HandleTableResponse { pools, .. } => {
            Action { name: "HandleTableResponse", counter: counted(&pools), ..answer }
        }
        EnrpBody::HandleUpdate { action: update, pool_handle, element, .. } => Action {
            name: "Update",
            reason: if update == UpdateAction::Delete { "DelPE" } else { "AddPE" },
            pool: Some(pool_handle),
            element: element.id.0,
            ..action
        },
        EnrpBody::InitTakeover { target } => Action { name: "InitTakeover", target, ..action },
        EnrpBody::InitTakeoverAck { target } => Action { name: "InitTakeoverAck", target, ..action },
        EnrpBody::TakeoverServer { target } => Action { name: "TakeoverServer", target, ..action },
        EnrpBody::Error(_) => return None,
    })
}

#[cfg(test)]
mod tests;
