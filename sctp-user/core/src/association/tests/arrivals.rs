//! In which order messages and events came.

use super::harness::{Pair, Side, chunk};
use crate::arrival::Arrival;
use crate::association::to_raw;
use crate::event::{AssociationId, Event};
use crate::serial::Ssn;
use crate::wire::chunk::{ChunkType, DataChunk, DataFlags, RawChunk};
use bytes::Bytes;

/// The next message of A, whole, for Z to get.
fn data(pair: &mut Pair, z: AssociationId, ahead: u32) -> RawChunk {
    let next = pair.association(Side::Z, z).cumulative_tsn().unwrap().next();
    let flags = DataFlags { begin: true, end: true, ..DataFlags::default() };
    let ssn = Ssn(u16::try_from(ahead).unwrap());
    let payload = Bytes::from_static(b"data");
    to_raw(&DataChunk { tsn: next.plus(ahead), stream_id: 0, ssn, ppid: 0, flags, payload })
}

fn tag_of(pair: &mut Pair, z: AssociationId) -> u32 {
    pair.association(Side::Z, z).local_tag()
}

/// What waits at Z, without letting the harness take it.
fn events(pair: &mut Pair) -> Vec<(Arrival, Event)> {
    let endpoint = &mut pair.host(Side::Z).endpoint;
    std::iter::from_fn(|| endpoint.poll_arrived_event()).map(|(_, arrival, event)| (arrival, event)).collect()
}

fn read(pair: &mut Pair, z: AssociationId) -> Arrival {
    let now = pair.now;
    let endpoint = &mut pair.host(Side::Z).endpoint;
    let arrival = endpoint.next_arrival(z).expect("a message");
    assert!(endpoint.receive(now, z).is_some());
    arrival
}

#[test]
fn an_event_has_its_place_among_the_messages_of_its_packet() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = tag_of(&mut pair, z);
    let error = chunk(ChunkType::ERROR, 0, &[0, 99, 0, 4]);
    let chunks = [data(&mut pair, z, 0), error, data(&mut pair, z, 1)];
    pair.forge(Side::Z, tag, &chunks);
    let told = events(&mut pair);
    let at = told.iter().find(|(_, event)| matches!(event, Event::RemoteError { .. })).expect("the error").0;
    let (first, second) = (read(&mut pair, z), read(&mut pair, z));
    assert!(first < at && at < second, "{first:?} {at:?} {second:?}");
}

/// RFC 9260, 9.1: what was received before the ABORT can be read, and the reader hears of it.
#[test]
fn a_message_beside_the_abort_is_told_before_the_loss() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = tag_of(&mut pair, z);
    let chunks = [data(&mut pair, z, 0), chunk(ChunkType::ABORT, 0, &[])];
    pair.forge(Side::Z, tag, &chunks);
    let told = events(&mut pair);
    let [(_, Event::Readable), (lost, Event::CommunicationLost { .. })] = told[..] else {
        panic!("{told:?}")
    };
    assert!(read(&mut pair, z) < lost);
}
