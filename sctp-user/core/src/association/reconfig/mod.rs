//! Re-configuration: streams and TSNs numbered anew, streams added (RFC 6525).
//!
//! | file | what |
//! |---|---|
//! | `parameters` | which parameters may stand in a RE-CONFIG chunk (3.1) |
//! | `request` | our requests, one at a time, from the command to its event (5.1, 5.2.7) |
//! | `answer` | the peer's requests and our responses (5.2) |
//!
//! Only the sender of a stream can reset it. So a request that the *other* side reset or add streams is answered by a
//! request of that side, which stands for a response too; or by a response that says why not.

mod answer;
mod parameters;
mod request;

pub(super) use answer::PeerRequests;
pub(super) use request::OwnRequest;

use super::{Association, AssociationState, Context, Flow};
use crate::event::{Event, ReconfigOutcome};
use crate::path::PathId;
use crate::serial::Tsn;
use crate::stream_set::StreamSet;
use crate::time::Time;
#[cfg(any(test, debug_assertions))]
use crate::tx::Sender;
use crate::wire::cause::Cause;
use crate::wire::chunk::{ErrorChunk, RawChunk, ReConfigChunk};
use bytes::Bytes;
use parameters::{Unacceptable, read};
use smallvec::SmallVec;

/// Streams that one request may list: two lists of so many fit into a chunk, and the chunk into an IP packet.
const MAX_LISTED: usize = 16_000;

/// What an association knows of re-configurations.
#[derive(Debug)]
pub(super) struct Reconfig {
    /// Number of our next request (5.1.2 A2); the first is the initial TSN.
    next_request: u32,
    own: Option<OwnRequest>,
    peer: PeerRequests,
    /// What we asked the peer to do, and it has agreed to but not done yet.
    expected: Expected,
    /// When TSNs were last asked to be reset (5.1.4).
    tsns_reset_at: Option<Time>,
    /// TSNs were reset before now.
    renumbered: bool,
}

/// Requests that the peer may make without permission, for we asked for them.
#[derive(Debug, Default)]
struct Expected {
    reset: Option<StreamSet>,
    streams: Option<u16>,
}

impl Reconfig {
    /// Nothing asked yet, neither by us, whose initial TSN is `local`, nor by the peer.
    pub(super) fn new(local: Tsn, peer: Tsn) -> Self {
        Self {
            next_request: local.0,
            own: None,
            peer: PeerRequests::new(peer.0),
            expected: Expected::default(),
            tsns_reset_at: None,
            renumbered: false,
        }
    }

    /// Messages are held back only while a request is unfinished, one that was sent has a timer.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self, sender: &Sender) {
        assert!(!sender.is_paused() || self.is_busy(), "streams are paused for no request");
    }

    /// Number of the peer's last request.
    #[cfg(test)]
    pub(super) fn peer_sequence(&self) -> u32 {
        self.peer.last_sequence()
    }

    /// Whether acknowledgements may come that were sent under other TSNs.
    pub(super) fn has_renumbered(&self) -> bool {
        self.renumbered
    }

    /// When the Re-configuration timer expires.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.own.as_ref()?.timer()
    }
}

impl Association {
    /// A RE-CONFIG chunk (5.2.1).
    pub(super) fn handle_re_config(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &RawChunk,
        source: PathId,
    ) -> Flow {
        if self.state().is_forming() || self.state() == AssociationState::ShutdownAckSent {
            return Flow::Continue;
        }
        let source = self.confirmed(source);
        let content = match read(&ReConfigChunk::parse(chunk)) {
            Ok(content) => content,
            Err(Unacceptable) => {
                // 3.1.
                let text = Bytes::from_static(b"parameters of RE-CONFIG that may not stand together");
                self.reply(source, &ErrorChunk { causes: Cause::ProtocolViolation(text).into() });
                return Flow::Continue;
            }
        };
        if let Some(unrecognized) = content.unrecognized {
            self.reply(source, &ErrorChunk { causes: Cause::UnrecognizedParameters(unrecognized).into() });
        }
        for response in &content.responses {
            self.handle_response(cx.now, response);
        }
        if content.requests.is_empty() {
            Flow::Continue
        } else {
            self.answer(cx.now, content.requests, source)
        }
    }

    /// What has become possible: a request of ours that waited for acknowledgements, one of the peer's that waited for
    /// data or for us.
    pub(super) fn advance_reconfig(&mut self, now: Time) {
        if self.reconfig.own.is_some() || self.reconfig.peer.has_deferred() {
            self.answer_deferred(now);
            self.advance_own(now);
        }
    }

    /// The peer is another one, or begins again: what was asked of it before has failed.
    pub(super) fn restart_reconfig(&mut self, peer_initial_tsn: Tsn) {
        self.fail_reconfig();
        self.reconfig = Reconfig::new(self.local_initial_tsn, peer_initial_tsn);
    }

    /// The answer to a request of ours will not come.
    pub(super) fn fail_reconfig(&mut self) {
        if let Some(own) = self.reconfig.own.take() {
            self.tell_failed(&own);
        }
    }

    /// Our next TSN is `ours`, the peer's `theirs`, and all streams begin with 0 again.
    fn renumber_tsns(&mut self, now: Time, ours: Tsn, theirs: Tsn) {
        if let Some(receiver) = &mut self.receiver {
            receiver.reset_tsns(theirs);
        }
        self.forget_ecn_echo();
        self.sender.reset_tsns(now, ours);
        self.reconfig.renumbered = true;
    }

    fn tell_streams_reset(&mut self, incoming: bool, streams: &[u16], outcome: ReconfigOutcome) {
        self.events.push_back(Event::StreamsReset { incoming, streams: streams.to_vec(), outcome });
    }

    fn tell_association_reset(&mut self, outcome: ReconfigOutcome) {
        let remote_tsn = self.receiver.as_ref().map_or(Tsn(0), |receiver| receiver.cumulative_tsn().next());
        self.events.push_back(Event::AssociationReset {
            local_tsn: self.sender.next_tsn(),
            remote_tsn,
            outcome,
        });
    }

    fn tell_streams_changed(&mut self, outcome: ReconfigOutcome) {
        self.events.push_back(Event::StreamsChanged {
            outbound_streams: self.outbound_streams,
            inbound_streams: self.inbound_streams,
            outcome,
        });
    }

    /// Whether a reset or an addition of ours can be finished.
    fn can_ask(&self) -> bool {
        matches!(self.state(), AssociationState::Established | AssociationState::ShutdownPending)
    }
}

/// Parameters of a chunk, of which there are at most two.
type Few<T> = SmallVec<[T; 2]>;
