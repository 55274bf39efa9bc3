//! What the tests of re-configuration (RFC 6525) have in common.

use super::harness::{Pair, Side};
use crate::association::to_raw;
use crate::config::{AssociationConfig, ReconfigPermissions};
use crate::endpoint::ResetDirections;
use crate::error::ReconfigError;
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::message::SendOptions;
use crate::serial::Tsn;
use crate::wire::chunk::{ChunkType, RawChunk, ReConfigChunk};
use crate::wire::param::{OutgoingReset, Parameter, Parameters, RawParameter, ReconfigResponse};
use bytes::Bytes;

pub(super) const OUT: ResetDirections = ResetDirections { outgoing: true, incoming: false };
pub(super) const IN: ResetDirections = ResetDirections { outgoing: false, incoming: true };
pub(super) const BOTH: ResetDirections = ResetDirections { outgoing: true, incoming: true };

pub(super) fn config(reconfig_permissions: ReconfigPermissions) -> AssociationConfig {
    let extensions = Extensions { reconfig: true, ..Extensions::NONE };
    // No heartbeat is to answer where a request does not (RFC 7829).
    let potentially_failed_max_retrans = None;
    AssociationConfig {
        extensions,
        reconfig_permissions,
        potentially_failed_max_retrans,
        ..AssociationConfig::default()
    }
}

pub(super) fn willing() -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config(ReconfigPermissions::ALL));
    pair.hops.clear();
    pair.events(Side::A);
    pair.events(Side::Z);
    (pair, a, z)
}

impl Pair {
    pub(super) fn reset(
        &mut self,
        side: Side,
        id: AssociationId,
        which: ResetDirections,
        streams: &[u16],
    ) -> Result<(), ReconfigError> {
        let now = self.now;
        self.host(side).endpoint.reset_streams(now, id, which, streams)
    }

    pub(super) fn reset_tsns(&mut self, side: Side, id: AssociationId) -> Result<(), ReconfigError> {
        let now = self.now;
        self.host(side).endpoint.reset_association(now, id)
    }

    pub(super) fn add(
        &mut self,
        side: Side,
        id: AssociationId,
        out: u16,
        inc: u16,
    ) -> Result<(), ReconfigError> {
        let now = self.now;
        self.host(side).endpoint.add_streams(now, id, out, inc)
    }

    pub(super) fn send_on(&mut self, side: Side, id: AssociationId, stream_id: u16, text: &str) {
        let (now, payload) = (self.now, Bytes::copy_from_slice(text.as_bytes()));
        let options = SendOptions { stream_id, ..SendOptions::default() };
        self.host(side).endpoint.send(now, id, &options, payload).unwrap();
    }

    /// What can be read, as `text/stream:SSN`.
    pub(super) fn read_numbered(&mut self, side: Side, id: AssociationId) -> Vec<String> {
        let now = self.now;
        let endpoint = &mut self.host(side).endpoint;
        core::iter::from_fn(|| endpoint.receive(now, id))
            .map(|message| {
                let (stream, ssn) = (message.stream_id, message.ssn);
                format!("{}/{stream}:{ssn}", String::from_utf8_lossy(&message.into_bytes()))
            })
            .collect()
    }

    /// RE-CONFIG chunks on the wire so far, with sequence numbers counted from the initial TSN of who asks; the next
    /// call begins behind them.
    pub(super) fn said(&mut self, a: AssociationId, z: AssociationId) -> Vec<String> {
        let first = [
            self.association(Side::A, a).local_initial_tsn.0,
            self.association(Side::Z, z).local_initial_tsn.0,
        ];
        let mut said = Vec::new();
        for hop in core::mem::take(&mut self.hops) {
            let (own, other) = (first[hop.from as usize], first[1 - hop.from as usize]);
            for raw in hop.chunks.iter().filter(|chunk| chunk.chunk_type == ChunkType::RE_CONFIG) {
                let parameters = ReConfigChunk::parse(raw).parameters;
                let texts = parameters.iter().map(|raw| describe(&raw.unwrap(), own, other));
                said.push(format!("{:?}: {}", hop.from, texts.collect::<Vec<_>>().join(" | ")));
            }
        }
        said
    }

    /// A RE-CONFIG chunk of the other side arrives at `side`.
    pub(super) fn forge_reconfig(&mut self, side: Side, id: AssociationId, parameters: Vec<Parameter>) {
        let tag = self.association(side, id).local_tag();
        self.forge(side, tag, &[re_config(parameters)]);
    }

    /// Number of the next request that `side` expects.
    pub(super) fn expected_request(&mut self, side: Side, id: AssociationId) -> u32 {
        self.association(side, id).reconfig.peer_sequence().wrapping_add(1)
    }

    /// The results that `side` has sent since the last call.
    pub(super) fn results(&mut self, side: Side) -> Vec<u32> {
        self.drain();
        let hops = core::mem::take(&mut self.hops);
        let chunks = hops.iter().filter(|hop| hop.from == side).flat_map(|hop| &hop.chunks);
        let parameters = chunks
            .filter(|chunk| chunk.chunk_type == ChunkType::RE_CONFIG)
            .flat_map(|chunk| ReConfigChunk::parse(chunk).parameters.iter())
            .map(|raw| Parameter::parse(&raw.unwrap()).unwrap());
        parameters
            .filter_map(|parameter| match parameter {
                Parameter::ReconfigResponse(response) => Some(response.result),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn re_config(parameters: Vec<Parameter>) -> RawChunk {
    to_raw(&ReConfigChunk { parameters: Parameters::from_iter(parameters) })
}

fn describe(raw: &RawParameter, own: u32, other: u32) -> String {
    let own = |number: u32| number.wrapping_sub(own).cast_signed();
    let other = |number: u32| number.wrapping_sub(other).cast_signed();
    match Parameter::parse(raw).unwrap() {
        Parameter::OutgoingReset(reset) => format!(
            "OUT{:?}#{} answers {} after {}",
            reset.streams.as_slice(),
            own(reset.request_sequence),
            other(reset.response_sequence),
            own(reset.last_assigned_tsn.0),
        ),
        Parameter::IncomingReset(reset) => {
            format!("IN{:?}#{}", reset.streams.as_slice(), own(reset.request_sequence))
        }
        Parameter::SsnTsnReset(sequence) => format!("TSN#{}", own(sequence)),
        Parameter::ReconfigResponse(ReconfigResponse { response_sequence, result, next_tsns }) => {
            format!(
                "RESP#{}={result}{}",
                other(response_sequence),
                if next_tsns.is_some() { " TSNs" } else { "" }
            )
        }
        Parameter::AddOutgoingStreams(add) => {
            format!("ADD_OUT {}#{}", add.new_streams, own(add.request_sequence))
        }
        Parameter::AddIncomingStreams(add) => {
            format!("ADD_IN {}#{}", add.new_streams, own(add.request_sequence))
        }
        other => panic!("{other}"),
    }
}

pub(super) fn reset_request(request_sequence: u32, last_assigned_tsn: Tsn, streams: &[u16]) -> RawChunk {
    re_config(vec![out_reset(request_sequence, last_assigned_tsn, streams)])
}

pub(super) fn out_reset(request_sequence: u32, last_assigned_tsn: Tsn, streams: &[u16]) -> Parameter {
    Parameter::OutgoingReset(OutgoingReset {
        request_sequence,
        response_sequence: 0,
        last_assigned_tsn,
        streams: streams.into(),
    })
}
