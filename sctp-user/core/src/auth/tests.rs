//! Keys, key vectors and codes (RFC 4895, 3 and 6), among them those of a capture of Linux's SCTP.

use super::code::Code;
use super::offer::numeric_order;
use super::*;
use crate::config::AssociationConfig;
use crate::extensions::Extensions;
use crate::rng::Random;
use crate::wire::cause::{Cause, CauseCode};
use crate::wire::chunk::{AuthChunk, Chunk, InitChunk};
use crate::wire::param::{Parameter, ParameterType, Parameters};
use crate::wire::{ChecksumPolicy, Packet};
use bytes::Bytes;
use core::cmp::Ordering;
use proptest::prelude::*;

#[path = "../../tests/captures/pcap.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod pcap;

fn config(chunks: &[ChunkType]) -> AssociationConfig {
    let extensions = Extensions { auth: true, ..Extensions::NONE };
    let auth = AuthConfig { chunks: chunks.iter().copied().collect(), ..AuthConfig::default() };
    AssociationConfig { extensions, auth, ..AssociationConfig::default() }
}

fn offer(chunks: &[ChunkType], seed: u8) -> AuthOffer {
    AuthOffer::of(&config(chunks), &mut Random::new([seed; 32])).unwrap()
}

fn read(parameters: &Parameters) -> Result<Option<AuthOffer>, CauseCode> {
    let mut taken = AuthParameters::default();
    parameters.iter().map_while(Result::ok).for_each(|parameter| _ = taken.take(&parameter));
    taken.read().map_err(|cause| cause.code())
}

/// The captured packets with their frames' numbers.
fn captured() -> Vec<(usize, Packet)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures/sctp-extensions-auth-asconf.pcap");
    let packets = pcap::sctp_packets(std::path::Path::new(path)).into_iter();
    packets
        .map(|(frame, bytes)| (frame, Packet::parse(bytes.into(), ChecksumPolicy::Crc32c).unwrap()))
        .collect()
}

/// RFC 4895, 6.1, 6.2 and 6.3: Linux computed these codes, with the null key.
#[test]
fn the_codes_in_a_capture_of_linux_are_right() {
    let (mut said, mut verified) = (Vec::new(), 0);
    for (frame, packet) in captured() {
        let mut chunks = packet.chunks();
        let first = chunks.next().unwrap().unwrap();
        match Chunk::parse(first.clone()).unwrap() {
            Chunk::Init(InitChunk { parameters, .. }) => said.extend(read(&parameters).unwrap()),
            Chunk::Auth(AuthChunk { hmac_id, shared_key_id: 0, .. }) => {
                let agreement = AuthAgreement { local: said[0].clone(), peer: said[1].clone() };
                let algorithm = HmacAlgorithm::of(hmac_id).unwrap();
                let code = Code::new(algorithm, &agreement.key(b"")).unwrap();
                assert!(code.verifies(&first, chunks.rest()), "frame {frame}");
                let wrong = Code::new(algorithm, &agreement.key(b"secret")).unwrap();
                assert!(!wrong.verifies(&first, chunks.rest()), "frame {frame}");
                verified += 1;
            }
            _ => {}
        }
    }
    assert_eq!((said.len(), verified), (2, 4));
}

/// RFC 4895, 6.1: the numerically smaller vector goes first; of equal numbers the shorter one.
#[test]
fn key_vectors_are_compared_as_numbers() {
    assert_eq!(numeric_order(&[1, 0], &[0, 2, 0]), Ordering::Less);
    assert_eq!(numeric_order(&[2], &[1, 0]), Ordering::Less);
    assert_eq!(numeric_order(&[0, 0, 7], &[7]), Ordering::Greater);
    assert_eq!(numeric_order(&[9, 1], &[9, 1]), Ordering::Equal);
}

/// RFC 4895, 6.1: type, length and value of each, without padding, what was not sent left out; key, small, large.
#[test]
fn the_association_key_is_the_shared_key_and_both_vectors() {
    let (ours, theirs) = (offer(&[ChunkType::DATA], 1), offer(&[], 2));
    let vector = |offer: &AuthOffer, chunks: &[u8]| {
        let random = offer.parameters().next().unwrap();
        let Parameter::Random(random) = random else { panic!("{random}") };
        [&[0x80, 2, 0, 36][..], &random, chunks, &[0x80, 4, 0, 8, 0, 3, 0, 1]].concat()
    };
    let (with_chunks, without) = (vector(&ours, &[0x80, 3, 0, 5, 0]), vector(&theirs, &[]));
    let one = AuthAgreement { local: ours.clone(), peer: theirs.clone() };
    let other = AuthAgreement { local: theirs, peer: ours };
    assert_eq!(one.key(b"key"), [&b"key"[..], &without, &with_chunks].concat(), "a longer number is larger");
    assert_eq!(one.key(b"key"), other.key(b"key"), "both sides come to the same key");
}

/// RFC 4895, 3.1, 3.2, 3.3, 6.1: each parameter once, RANDOM of 32 bytes; SHA-1 is always offered; types that must not be listed are not.
#[test]
fn an_offer_has_what_it_must_and_lacks_what_it_must_not() {
    let mut config =
        config(&[ChunkType::INIT, ChunkType::AUTH, ChunkType::SHUTDOWN_COMPLETE, ChunkType::ABORT]);
    config.auth.hmacs = smallvec![HmacAlgorithm::Sha256];
    let offer = AuthOffer::of(&config, &mut Random::new([1; 32])).unwrap();
    let parameters: Vec<_> = offer.parameters().map(|parameter| parameter.to_string()).collect();
    assert_eq!(parameters, ["RANDOM=32_bytes", "CHUNK_LIST=[ABORT]", "REQUESTED_HMAC_ALGORITHM=[3, 1]"]);
    config.extensions.auth = false;
    assert_eq!(AuthOffer::of(&config, &mut Random::new([1; 32])), None);
}

/// RFC 5061, 4.1.1 and 4.1.2: with ASCONF both of its chunks are listed.
#[test]
fn asconf_is_always_taken_authenticated_only() {
    let listed: Vec<_> = AuthConfig::default().listed(true).iter().collect();
    assert_eq!(listed, [ChunkType::ASCONF_ACK, ChunkType::ASCONF]);
}

/// RFC 4895, 3.2: types that must not be listed are ignored.
#[test]
fn a_peer_that_lists_init_is_not_taken_at_its_word() {
    let chunks = Parameter::ChunkList(smallvec![ChunkType::INIT, ChunkType::AUTH, ChunkType::DATA]);
    let all = [Parameter::Random(vec![1; 32].into()), chunks, Parameter::HmacAlgorithms(smallvec![1])];
    let offer = read(&Parameters::from_iter(all)).unwrap().unwrap();
    assert_eq!(offer.chunks().iter().collect::<Vec<_>>(), [ChunkType::DATA]);
}

/// RFC 4895, 6.1: RANDOM of 32 bytes, SHA-1 listed; 3.2: CHUNKS of at most 260 bytes.
#[test]
fn what_an_offer_must_not_be_is_a_protocol_violation() {
    let random = |len| Parameter::Random(vec![1; len].into());
    let hmacs = |ids: &[u16]| Parameter::HmacAlgorithms(ids.iter().copied().collect());
    let refused = |parameters: [Parameter; 2]| read(&Parameters::from_iter(parameters));
    assert_eq!(refused([random(31), hmacs(&[1])]), Err(CauseCode::PROTOCOL_VIOLATION));
    assert_eq!(refused([random(32), hmacs(&[3])]), Err(CauseCode::PROTOCOL_VIOLATION));
    assert_eq!(refused([random(32), hmacs(&[1; 1_000])]), Err(CauseCode::PROTOCOL_VIOLATION));
    let mut long = crate::wire::ParametersBuilder::new();
    long.push(&random(32)).push(&hmacs(&[1])).push_value(ParameterType::CHUNK_LIST, &[0; 257]);
    assert_eq!(read(&long.finish()), Err(CauseCode::PROTOCOL_VIOLATION));
    assert_eq!(read(&Parameters::from_iter([random(32)])), Ok(None), "no AUTH without HMAC-ALGO");
    assert!(read(&Parameters::from_iter([random(32), hmacs(&[7, 3, 1])])).unwrap().is_some());
}

/// RFC 4895, 6.1: the first that is known of the peer's list.
#[test]
fn the_algorithm_is_the_peers_first_choice() {
    let with = |ids: &[u16]| {
        let hmacs = Parameter::HmacAlgorithms(ids.iter().copied().collect());
        read(&Parameters::from_iter([Parameter::Random(vec![1; 32].into()), hmacs]))
            .unwrap()
            .unwrap()
            .algorithm()
    };
    assert_eq!(with(&[1, 3]), Some(HmacAlgorithm::Sha1));
    assert_eq!(with(&[9, 3, 1]), Some(HmacAlgorithm::Sha256));
}

/// RFC 6458, 8.3.3 to 8.3.5.
#[test]
fn keys_are_deactivated_before_they_are_deleted_and_the_active_one_stays() {
    let mut keys = SharedKeys::default();
    assert_eq!((keys.active(), keys.secret(0).map(Bytes::len)), (0, Some(0)), "RFC 4895, 6.2: a null key");
    keys.set(1, Bytes::from_static(b"one")).unwrap();
    assert_eq!(keys.delete(1), Err(KeyError::NotDeactivated(1)));
    keys.activate(1).unwrap();
    assert_eq!(keys.deactivate(1), Err(KeyError::Active(1)));
    assert_eq!(keys.delete(1), Err(KeyError::Active(1)));
    keys.deactivate(0).unwrap();
    assert_eq!(keys.activate(0), Err(KeyError::Deactivated(0)));
    assert_eq!(keys.secret(0).map(Bytes::len), Some(0), "still taken");
    keys.delete(0).unwrap();
    assert_eq!((keys.secret(0), keys.clone().activate(0)), (None, Err(KeyError::Unknown(0))));
    assert!(!format!("{keys:?}").contains("one"), "secrets are not printed");
}

/// Who shares a stack with others must not fill its memory with keys.
#[test]
fn there_is_a_limit_of_keys_and_one_that_is_there_can_be_set_anew() {
    let mut keys = SharedKeys::default();
    let secret = || Bytes::from_static(b"secret");
    for id in 1..SharedKeys::MOST as u16 {
        keys.set(id, secret()).unwrap();
    }
    assert_eq!(keys.set(u16::MAX, secret()), Err(KeyError::TooMany(SharedKeys::MOST)));
    keys.set(0, secret()).unwrap();
    keys.deactivate(1).unwrap();
    keys.delete(1).unwrap();
    keys.set(u16::MAX, secret()).unwrap();
}

/// RFC 4895, 5.1: sent as 0; the code covers flags that came otherwise, and nothing else depends on them.
#[test]
fn the_flags_of_auth_are_ignored() {
    let code = Code::new(HmacAlgorithm::Sha256, b"key").unwrap();
    let fixed = [0, 0, 0, 3];
    let mac = code.over(&[&[15, 0xa5, 0, 40], &fixed, &[0; 32], b"rest"]);
    let value = [&fixed[..], &mac].concat().into();
    let auth = crate::wire::chunk::RawChunk { chunk_type: ChunkType::AUTH, flags: 0xa5, value };
    assert!(code.verifies(&auth, b"rest"));
    assert_eq!(AuthChunk::parse(&auth).unwrap().hmac[..], mac[..]);
    assert_eq!(crate::wire::WriteChunk::flags(&AuthChunk::parse(&auth).unwrap()), 0);
}

/// RFC 2104 as RFC 2202 and RFC 4231 (test case 2) show it.
#[test]
fn the_codes_are_those_of_the_published_examples() {
    let code = |algorithm| Code::new(algorithm, b"Jefe").unwrap();
    let text: &[u8] = b"what do ya want for nothing?";
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&code(HmacAlgorithm::Sha1).over(&[text])), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    assert_eq!(
        hex(&code(HmacAlgorithm::Sha256).over(&[text])),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

proptest! {
    #[test]
    fn parameters_of_any_bytes_are_read_without_panic(
        values in prop::collection::vec((0x8002_u16..0x8005, prop::collection::vec(any::<u8>(), 0..300)), 0..5),
    ) {
        let mut builder = crate::wire::ParametersBuilder::new();
        for (param_type, value) in &values {
            builder.push_value(ParameterType(*param_type), value);
        }
        let _ = read(&builder.finish());
    }

    /// RFC 4895, 6.3: it comes back in the cookie as it was said.
    #[test]
    fn an_agreement_survives_the_cookie(
        chunks in prop::option::of(prop::collection::vec(any::<u8>(), 0..257)),
        hmacs in prop::collection::vec(any::<u16>(), 0..32),
    ) {
        let mut builder = crate::wire::ParametersBuilder::new();
        builder.push(&Parameter::Random(vec![7; 32].into()));
        let hmacs = hmacs.into_iter().chain([1]);
        builder.push(&Parameter::HmacAlgorithms(hmacs.collect()));
        if let Some(chunks) = chunks.filter(|chunks| chunks.len() <= 256) {
            builder.push_value(ParameterType::CHUNK_LIST, &chunks);
        }
        prop_assume!(matches!(read(&builder.clone().finish()), Ok(Some(_))));
        let peer = read(&builder.finish()).unwrap().unwrap();
        let agreement = AuthAgreement { local: offer(&[ChunkType::ABORT], 1), peer };
        let mut bytes = Vec::new();
        agreement.write(&mut bytes);
        let mut rest = &bytes[..];
        prop_assert_eq!(AuthAgreement::read(&mut rest), Some(agreement));
        prop_assert!(rest.is_empty());
        prop_assert_eq!(AuthAgreement::read(&mut &bytes[..bytes.len() - 1]), None);
    }
}

#[test]
fn a_cause_for_an_unknown_algorithm_has_six_bytes() {
    // RFC 4895, 4.1: two more of padding, zero, which are not looked at.
    let cause = Cause::UnsupportedHmacIdentifier { hmac_id: 2 };
    let causes = crate::wire::Causes::from(cause.clone());
    assert_eq!(causes.0[..], [1, 5, 0, 6, 0, 2]);
    let mut written = Vec::new();
    let header = crate::wire::CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };
    let mut packet = crate::wire::PacketBuilder::new(&mut written, header, 100);
    packet.push(&crate::wire::chunk::ErrorChunk { causes }).unwrap();
    packet.finish();
    assert_eq!(written[12..], [9, 0, 0, 10, 1, 5, 0, 6, 0, 2, 0, 0]);
    let row = crate::wire::Causes(Bytes::from_static(&[1, 5, 0, 6, 0, 2, 9, 9, 1, 5, 0, 6, 0, 2, 9, 9]));
    let read: Vec<_> = row.iter().map(|raw| Cause::parse(&raw.unwrap()).unwrap()).collect();
    assert_eq!(read, [cause.clone(), cause]);
}
