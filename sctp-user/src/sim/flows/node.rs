//! The two ends of a flow: one that sends without end, one that reads.

use bytes::Bytes;
use core::time::Duration;
use sctp_core::association::Association;
use sctp_core::endpoint::{ConnectRequest, Endpoint};
use sctp_core::event::{AssociationId, Event};
use sctp_core::message::SendOptions;
use sctp_core::time::Time;

use crate::sim::endpoint_node::Application;

/// An end of a flow.
#[derive(Debug)]
pub(super) enum FlowEnd {
    /// Connects when its time has come, and then keeps the send buffer full.
    Source {
        request: Option<Box<ConnectRequest>>,
        begins_at: Time,
        association: Option<AssociationId>,
        message: Bytes,
    },
    /// Reads at once what comes.
    Sink {
        /// Bytes of payload so far.
        received: u64,
    },
}

impl FlowEnd {
    pub(super) fn source(request: ConnectRequest, begins_at: Duration, message_len: usize) -> Self {
        Self::Source {
            request: Some(Box::new(request)),
            begins_at: Time::ZERO + begins_at,
            association: None,
            message: vec![0; message_len].into(),
        }
    }

    /// Bytes of payload that a sink has received.
    pub(super) fn received(&self) -> u64 {
        match self {
            Self::Source { .. } => 0,
            Self::Sink { received } => *received,
        }
    }

    /// The association of a source.
    pub(super) fn association<'a>(&self, endpoint: &'a Endpoint) -> Option<&'a Association> {
        match self {
            Self::Source { association, .. } => endpoint.association((*association)?),
            Self::Sink { .. } => None,
        }
    }
}

impl Application for FlowEnd {
    fn handle_event(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId, event: Event) {
        match (self, event) {
            (Self::Source { message, .. }, Event::CommunicationUp { .. } | Event::Writable) => {
                while endpoint.send(now, id, &SendOptions::default(), message.clone()).is_ok() {}
            }
            (Self::Sink { received }, Event::Readable) => {
                while let Some(message) = endpoint.receive(now, id) {
                    *received += message.len() as u64;
                }
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Time, endpoint: &mut Endpoint) {
        if let Self::Source { request, association, .. } = self
            && let Some(request) = request.take()
        {
            *association = endpoint.connect(now, *request).ok();
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Source { request: Some(_), begins_at, .. } => Some(*begins_at),
            _ => None,
        }
    }

    fn check(&self, _now: Time, _endpoint: &Endpoint) -> Result<(), String> {
        match self {
            Self::Source { request: None, association: None, .. } => {
                Err("the endpoint refused to connect".into())
            }
            _ => Ok(()),
        }
    }
}
