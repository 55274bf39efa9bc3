//! What a RE-CONFIG chunk holds (RFC 6525, 3.1).

use super::Few;
use crate::wire::chunk::ReConfigChunk;
use crate::wire::param::{
    AddStreams, IncomingReset, OutgoingReset, Parameter, Parameters, ParametersBuilder, ReconfigResponse,
};

/// A request of the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    OutgoingReset(OutgoingReset),
    IncomingReset(IncomingReset),
    TsnReset(u32),
    AddOutgoing(AddStreams),
    AddIncoming(AddStreams),
}

impl Request {
    /// Its Re-configuration Request Sequence Number.
    pub(super) fn sequence(&self) -> u32 {
        match self {
            Self::OutgoingReset(reset) => reset.request_sequence,
            Self::IncomingReset(reset) => reset.request_sequence,
            Self::TsnReset(sequence) => *sequence,
            Self::AddOutgoing(add) | Self::AddIncoming(add) => add.request_sequence,
        }
    }
}

/// The content of a chunk.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) responses: Few<ReconfigResponse>,
    pub(super) requests: Few<Request>,
    /// A parameter to be reported.
    pub(super) unrecognized: Option<Parameters>,
}

/// A parameter is malformed, there are too many, or they may not stand together.
#[derive(Debug)]
pub(super) struct Unacceptable;

/// Reads the parameters. One that is not recognized is skipped, or ends the chunk (4; RFC 9260, 3.2.1).
/// RFC 6525, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6.
pub(super) fn read(chunk: &ReConfigChunk) -> Result<Content, Unacceptable> {
    let mut content = Content::default();
    let mut unknown = false;
    for raw in chunk.parameters.iter() {
        let raw = raw.map_err(|_| Unacceptable)?;
        let request = match Parameter::parse(&raw).map_err(|_| Unacceptable)? {
            Parameter::ReconfigResponse(response) => {
                content.responses.push(response);
                None
            }
            Parameter::OutgoingReset(reset) => Some(Request::OutgoingReset(reset)),
            Parameter::IncomingReset(reset) => Some(Request::IncomingReset(reset)),
            Parameter::SsnTsnReset(sequence) => Some(Request::TsnReset(sequence)),
            Parameter::AddOutgoingStreams(add) => Some(Request::AddOutgoing(add)),
            Parameter::AddIncomingStreams(add) => Some(Request::AddIncoming(add)),
            _ => {
                unknown = true;
                let action = raw.param_type.unrecognized_action();
                if action.reports() {
                    let mut report = ParametersBuilder::new();
                    content.unrecognized =
                        Some(report.push_value(raw.param_type, &raw.value).clone().finish());
                }
                if !action.goes_on() {
                    break;
                }
                None
            }
        };
        content.requests.extend(request);
        if content.responses.len() + content.requests.len() > 2 {
            return Err(Unacceptable);
        }
    }
    let allowed = may_stand_together(&content) || (unknown && content.is_empty());
    if allowed { Ok(content) } else { Err(Unacceptable) }
}

impl Content {
    fn is_empty(&self) -> bool {
        self.responses.is_empty() && self.requests.is_empty()
    }
}

/// The ten combinations of 3.1.
fn may_stand_together(content: &Content) -> bool {
    match (content.responses.len(), content.requests.as_slice()) {
        (0, [_]) | (1 | 2, []) => true,
        (1, [request]) => matches!(request, Request::OutgoingReset(_)),
        (0, [Request::OutgoingReset(_), other]) => matches!(other, Request::IncomingReset(_)),
        (0, [Request::IncomingReset(_), other]) => matches!(other, Request::OutgoingReset(_)),
        (0, [Request::AddOutgoing(_), other]) => matches!(other, Request::AddIncoming(_)),
        (0, [Request::AddIncoming(_), other]) => matches!(other, Request::AddOutgoing(_)),
        _ => false,
    }
}
