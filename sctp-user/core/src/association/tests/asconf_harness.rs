//! What the tests of changing addresses (RFC 5061) have in common.

use super::auth::demanding;
use super::harness::{Hop, Pair, Side, header_to, ip};
use crate::association::to_raw;
use crate::config::AssociationConfig;
use crate::event::AssociationId;
use crate::wire::PacketBuilder;
use crate::wire::cause::{Cause, CauseCode};
use crate::wire::chunk::{AsconfChunk, AsconfKind, ChunkType, RawChunk};
use crate::wire::param::{AddressRequest, CauseIndication, Parameter, Parameters};
use bytes::Bytes;
use core::net::IpAddr;
use std::sync::Arc;

/// Both extensions on.
pub(super) fn dynamic() -> AssociationConfig {
    let mut config = demanding(&[]);
    config.extensions.asconf = true;
    config
}

/// Both up, with one address each, and events and packets so far forgotten. A has got 10.0.2.1 as well, though the
/// association does not know it yet.
pub(super) fn up() -> (Pair, AssociationId, AssociationId) {
    forget(Pair::new())
}

pub(super) fn up_multihomed() -> (Pair, AssociationId, AssociationId) {
    forget(Pair::multihomed())
}

fn forget(mut pair: Pair) -> (Pair, AssociationId, AssociationId) {
    let (a, z) = pair.establish_with(dynamic());
    pair.events(Side::A);
    pair.events(Side::Z);
    pair.hops.clear();
    pair.take_trace();
    (pair, a, z)
}

pub(super) fn remotes(pair: &mut Pair, side: Side, id: AssociationId) -> Vec<String> {
    pair.association(side, id).paths().iter().map(|path| path.address.remote.to_string()).collect()
}

pub(super) fn locals(pair: &mut Pair, side: Side, id: AssociationId) -> Vec<String> {
    pair.association(side, id).local_addresses().iter().map(ToString::to_string).collect()
}

/// A packet of A's to Z with these chunks, authenticated.
pub(super) fn signed(pair: &mut Pair, a: AssociationId, chunks: &[RawChunk]) -> Bytes {
    signed_by(pair, Side::A, a, chunks)
}

fn signed_by(pair: &mut Pair, side: Side, id: AssociationId, chunks: &[RawChunk]) -> Bytes {
    let association = pair.association(side, id);
    let header = header_to(side.other(), association.peer_tag());
    let authenticator = Arc::clone(association.authenticator().unwrap());
    let mut buffer = Vec::new();
    let mut builder = PacketBuilder::new(&mut buffer, header, 65_535);
    builder.authenticate(authenticator);
    chunks.iter().for_each(|chunk| builder.push(chunk).unwrap());
    builder.finish();
    buffer.into()
}

pub(super) fn asconf(sequence_number: u32, requests: impl IntoIterator<Item = Parameter>) -> RawChunk {
    asconf_with(sequence_number, "10.0.1.1", requests)
}

pub(super) fn asconf_with(
    sequence_number: u32,
    lookup: &str,
    requests: impl IntoIterator<Item = Parameter>,
) -> RawChunk {
    let parameters = core::iter::once(Parameter::address(ip(lookup))).chain(requests);
    let parameters = Parameters::from_iter(parameters);
    to_raw(&AsconfChunk { kind: AsconfKind::Asconf, sequence_number, parameters })
}

pub(super) fn add(correlation_id: u32, address: &str) -> Parameter {
    Parameter::AddAddress(AddressRequest { correlation_id, address: ip(address) })
}

pub(super) fn delete(correlation_id: u32, address: &str) -> Parameter {
    Parameter::DeleteAddress(AddressRequest { correlation_id, address: ip(address) })
}

pub(super) fn primary(correlation_id: u32, address: &str) -> Parameter {
    Parameter::SetPrimaryAddress(AddressRequest { correlation_id, address: ip(address) })
}

/// The number of A's next ASCONF: its initial TSN, while it has sent none (RFC 5061, 5.1 A2).
pub(super) fn first_sequence(pair: &mut Pair, a: AssociationId) -> u32 {
    pair.association(Side::A, a).local_initial_tsn.0
}

/// Sends Z an ASCONF of A's making from `source`; the responses in the ASCONF-ACK, and where it went.
pub(super) fn ask(
    pair: &mut Pair,
    a: AssociationId,
    chunk: &RawChunk,
    source: &str,
) -> Option<(Vec<Parameter>, IpAddr)> {
    pair.hops.clear();
    let bytes = signed(pair, a, core::slice::from_ref(chunk));
    pair.inject(Side::Z, ip(source), ip("10.0.1.2"), bytes);
    pair.drain();
    let acks = |hop: &Hop| hop.chunks.iter().find(|chunk| chunk.chunk_type == ChunkType::ASCONF_ACK).cloned();
    let (hop, ack) = pair.hops.iter().find_map(|hop| acks(hop).map(|ack| (hop, ack)))?;
    assert_eq!(hop.chunks[0].chunk_type, ChunkType::AUTH, "RFC 5061, 4.1.2");
    let ack = AsconfChunk::parse(&ack).unwrap();
    assert_eq!(Some(ack.sequence_number), AsconfChunk::parse(chunk).map(|it| it.sequence_number).ok());
    let responses = ack.parameters.iter().map(|raw| Parameter::parse(&raw.unwrap()).unwrap());
    Some((responses.collect(), hop.destination))
}

/// Correlation ids and causes of refusals; `None` where success is indicated.
pub(super) fn refusals(responses: &[Parameter]) -> Vec<(u32, Option<CauseCode>)> {
    let refusal = |response: &Parameter| match response {
        Parameter::CauseIndication(CauseIndication { correlation_id, causes }) => {
            (*correlation_id, Some(causes.iter().next().unwrap().unwrap().code))
        }
        Parameter::SuccessIndication(correlation_id) => (*correlation_id, None),
        other => panic!("{other}"),
    };
    responses.iter().map(refusal).collect()
}

pub(super) fn refusal(correlation_id: u32, cause: Cause) -> Parameter {
    Parameter::CauseIndication(CauseIndication { correlation_id, causes: cause.into() })
}

pub(super) fn of_type(hops: &[Hop], chunk_type: ChunkType) -> Vec<AsconfChunk> {
    let chunks = hops.iter().flat_map(|hop| &hop.chunks).filter(|chunk| chunk.chunk_type == chunk_type);
    chunks.map(|chunk| AsconfChunk::parse(chunk).unwrap()).collect()
}

/// Z answers A's ASCONF with this number, authenticated.
pub(super) fn answer(
    pair: &mut Pair,
    z: AssociationId,
    sequence_number: u32,
    responses: impl IntoIterator<Item = Parameter>,
) {
    let parameters = Parameters::from_iter(responses);
    let ack = to_raw(&AsconfChunk { kind: AsconfKind::AsconfAck, sequence_number, parameters });
    let bytes = signed_by(pair, Side::Z, z, &[ack]);
    pair.inject(Side::A, ip("10.0.1.2"), ip("10.0.1.1"), bytes);
    pair.drain();
}
