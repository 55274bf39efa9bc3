//! Authenticated chunks between two endpoints (RFC 4895; RFC 6458, 8.3).

use super::harness::{Fate, Hop, PORT_Z, Pair, Side, chunk, header_to, packet};
use crate::association::AssociationState;
use crate::auth::{AuthConfig, HmacAlgorithm, SharedKeys};
use crate::config::AssociationConfig;
use crate::endpoint::ListenOptions;
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::net::PathAddress;
use crate::wire::chunk::{AuthChunk, ChunkType, InitChunk, RawChunk};
use crate::wire::param::{Parameter, ParameterType, Parameters};
use crate::wire::{COMMON_HEADER_LEN, Cause, CauseCode, Causes};
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::*;

/// Takes chunks of these types only authenticated.
pub(super) fn demanding(chunks: &[ChunkType]) -> AssociationConfig {
    let extensions = Extensions { auth: true, ..Extensions::NONE };
    let auth = AuthConfig { chunks: chunks.iter().copied().collect(), ..AuthConfig::default() };
    AssociationConfig { extensions, auth, ..AssociationConfig::default() }
}

fn with_key(mut config: AssociationConfig, id: u16, secret: &'static [u8]) -> AssociationConfig {
    config.auth.keys.set(id, Bytes::from_static(secret)).unwrap();
    config.auth.keys.activate(id).unwrap();
    config
}

fn types(hop: &Hop) -> Vec<ChunkType> {
    hop.chunks.iter().map(|chunk| chunk.chunk_type).collect()
}

/// Whether each chunk of these types stands behind an AUTH chunk.
fn all_authenticated(hops: &[Hop], covered: &[ChunkType]) -> bool {
    hops.iter().all(|hop| {
        let types = types(hop);
        let auth = types.iter().position(|&chunk_type| chunk_type == ChunkType::AUTH);
        let first = types.iter().position(|chunk_type| covered.contains(chunk_type));
        first.is_none_or(|first| auth.is_some_and(|auth| auth < first))
            && types.iter().filter(|&&chunk_type| chunk_type == ChunkType::AUTH).count() <= 1
    })
}

const COVERED: [ChunkType; 6] = [
    ChunkType::DATA,
    ChunkType::SACK,
    ChunkType::COOKIE_ECHO,
    ChunkType::COOKIE_ACK,
    ChunkType::HEARTBEAT,
    ChunkType::SHUTDOWN_ACK,
];

/// RFC 4895, 6.2: what the peer lists is sent behind an AUTH chunk, one in a packet (5.1), and what a packet holds is
/// cut to what is left.
#[test]
fn what_the_peer_lists_is_sent_authenticated() {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish_with(demanding(&COVERED));
    let long: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
    pair.send(Side::A, a, &long);
    pair.send(Side::Z, z, b"short");
    pair.run_secs(60);
    assert_eq!(pair.read(Side::Z, z), [Bytes::from(long)]);
    assert_eq!(pair.read(Side::A, a), ["short"]);
    pair.a.endpoint.shutdown(pair.now, a).unwrap();
    pair.run_secs(5);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    assert!(all_authenticated(&pair.hops, &COVERED), "{:#?}", pair.trace);
    let largest = pair.hops.iter().map(|hop| hop.bytes.len()).max().unwrap();
    assert!((1_400..=1_480).contains(&largest), "{largest}");
}

/// RFC 4895, 3.3, 6.1, 6.2 and 6.3: SHA-1 too; each side uses what the other prefers, with the null key, as there is
/// no other.
#[test]
fn each_side_uses_the_algorithm_that_the_other_prefers() {
    let mut pair = Pair::new();
    let mut config = demanding(&[ChunkType::DATA]);
    config.auth.hmacs = [HmacAlgorithm::Sha1].into_iter().collect();
    pair.listen(config);
    let a = pair.connect(demanding(&[ChunkType::SACK]));
    pair.run_secs(1);
    pair.send(Side::A, a, b"hello");
    pair.run_secs(1);
    let z = pair.z.id();
    assert_eq!(pair.read(Side::Z, z), ["hello"]);
    let used = |side: Side| {
        let hops = pair.hops.iter().filter(move |hop| hop.from == side);
        let auths =
            hops.flat_map(|hop| hop.chunks.iter().filter(|chunk| chunk.chunk_type == ChunkType::AUTH));
        auths.map(|chunk| AuthChunk::parse(chunk).unwrap().hmac_id).collect::<Vec<_>>()
    };
    assert_eq!((used(Side::A), used(Side::Z)), (vec![1], vec![3]));
    let chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let auths = chunks.filter(|chunk| chunk.chunk_type == ChunkType::AUTH);
    assert!(auths.map(AuthChunk::parse).all(|auth| auth.unwrap().shared_key_id == 0));
}

/// RFC 4895, 3.1, 3.2, 3.3 and 6.1: INIT and INIT ACK hold each parameter once, CHUNKS only if something is listed.
#[test]
fn both_sides_say_what_they_do_when_they_set_up() {
    for (listed, chunk_lists) in [(&[][..], 0), (&[ChunkType::DATA, ChunkType::SACK][..], 1)] {
        let mut pair = Pair::new();
        pair.establish_with(demanding(listed));
        for hop in &pair.hops[..2] {
            let parameters = InitChunk::parse(&hop.chunks[0]).unwrap().parameters;
            let all: Vec<_> = parameters.iter().map(Result::unwrap).collect();
            let of = |wanted| all.iter().filter(|raw| raw.param_type == wanted).collect::<Vec<_>>();
            assert_eq!(of(ParameterType::RANDOM).len(), 1);
            assert_eq!(of(ParameterType::RANDOM)[0].value.len(), 32);
            assert_eq!(of(ParameterType::CHUNK_LIST).len(), chunk_lists);
            let hmacs = of(ParameterType::REQUESTED_HMAC_ALGORITHM);
            assert_eq!((hmacs.len(), &hmacs[0].value[..]), (1, &[0, 3, 0, 1][..]));
        }
    }
}

/// RFC 4895, 6.1: what was said of the algorithms holds as long as the association lives, and for one that restarts.
#[test]
fn the_list_of_algorithms_does_not_change() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(demanding(&[ChunkType::DATA]));
    let only_sha1 =
        |config: &mut AssociationConfig| config.auth.hmacs = [HmacAlgorithm::Sha1].into_iter().collect();
    pair.z.endpoint.update_config(z, only_sha1).unwrap();
    pair.send(Side::A, a, b"SHA-256");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z), ["SHA-256"]);
    pair.restart_a(&["10.0.1.1"]);
    pair.hops.clear();
    pair.connect(demanding(&[]));
    pair.run_secs(1);
    let mut chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let ack = chunks.rfind(|chunk| chunk.chunk_type == ChunkType::INIT_ACK).unwrap();
    let parameters = InitChunk::parse(ack).unwrap().parameters;
    assert_eq!(parameters.find(ParameterType::REQUESTED_HMAC_ALGORITHM).unwrap().value[..], [0, 3, 0, 1]);
}

/// RFC 4895, 6.3: a key that the receiver does not know, having none or others, discards what it authenticates.
#[test]
fn chunks_under_a_key_that_is_not_known_are_discarded_in_silence() {
    for others in [false, true] {
        let mut pair = Pair::new();
        let mut known = demanding(&[ChunkType::DATA]);
        if others {
            known.auth.keys.set(2, Bytes::from_static(b"another")).unwrap();
        }
        let (a, z) = pair.establish_with(known);
        let set = |id: u16, secret: &'static [u8]| {
            move |keys: &mut SharedKeys| {
                keys.set(id, Bytes::from_static(secret))?;
                keys.activate(id)
            }
        };
        pair.a.endpoint.change_keys(a, set(7, b"unknown")).unwrap();
        pair.hops.clear();
        pair.send(Side::A, a, b"hello");
        pair.run_for(Duration::from_millis(500));
        assert!(pair.read(Side::Z, z).is_empty());
        assert!(pair.hops.iter().all(|hop| hop.from == Side::A), "{:?}", pair.trace);
        // Of the keys that it has it takes the one that the identifier says.
        let Some(secret) = others.then_some(b"another") else { continue };
        pair.a.endpoint.change_keys(a, set(2, secret)).unwrap();
        pair.run_secs(5);
        assert_eq!(pair.read(Side::Z, z), ["hello"]);
    }
}

/// RFC 4895, 6.2 and 7: COOKIE ECHO; AUTH; DATA, under the key that was chosen. Nothing of the cookie is a shared key (6.3).
#[test]
fn data_beside_the_cookie_is_authenticated_although_there_is_no_association_yet() {
    let mut pair = Pair::new();
    let config = with_key(demanding(&[ChunkType::DATA]), 5, b"a secret of both");
    pair.listen(config.clone());
    let a = pair.connect(config);
    pair.send(Side::A, a, b"early");
    pair.run_secs(1);
    let z = pair.z.id();
    assert_eq!(pair.read(Side::Z, z), ["early"]);
    assert!(pair.trace.contains(&"A -> COOKIE_ECHO+AUTH+DATA -> Z".to_owned()), "{:?}", pair.trace);
    let secret = b"a secret of both";
    assert!(!pair.hops.iter().any(|hop| hop.bytes.windows(secret.len()).any(|window| window == secret)));
}

/// RFC 4895, 6.3: COOKIE ECHO that is listed is authenticated by the cookie's contents and the listener's keys.
#[test]
fn only_who_knows_the_listeners_key_gets_an_association() {
    let server = with_key(demanding(&[ChunkType::COOKIE_ECHO]), 1, b"right");
    for (secret, accepted) in [(&b"right"[..], true), (b"wrong", false)] {
        let mut pair = Pair::new();
        pair.listen(server.clone());
        let a = pair.connect(with_key(demanding(&[]), 1, secret));
        pair.send(Side::A, a, b"hello");
        pair.run_secs(5);
        let up = pair.state(Side::A, a) == AssociationState::Established;
        assert_eq!((up, pair.z.events.is_empty()), (accepted, !accepted));
        if accepted {
            let z = pair.z.id();
            assert!(pair.trace.contains(&"A -> AUTH+COOKIE_ECHO+DATA -> Z".to_owned()), "{:?}", pair.trace);
            assert_eq!(pair.read(Side::Z, z), ["hello"], "what stands behind the cookie");
        }
        assert!(pair.trace.iter().any(|line| line.starts_with("A -> AUTH+COOKIE_ECHO")), "{:?}", pair.trace);
    }
}

/// RFC 4895, 6.3: without AUTH in front a listed COOKIE ECHO is discarded in silence.
#[test]
fn a_listed_cookie_echo_without_auth_is_discarded() {
    let mut pair = Pair::new();
    pair.listen(demanding(&[ChunkType::COOKIE_ECHO]));
    pair.connect(demanding(&[]));
    pair.set_rule(|hop| if hop.has(ChunkType::COOKIE_ECHO) { Fate::Drop } else { Fate::Pass });
    pair.run_for(Duration::from_millis(100));
    let (echo, tag) = pair.last_cookie();
    pair.hops.clear();
    pair.forge(Side::Z, tag, &[echo]);
    pair.drain();
    assert!(pair.z.events.is_empty());
    assert!(pair.hops.iter().all(|hop| hop.from == Side::A));
}

fn z_demands(chunks: &[ChunkType]) -> (Pair, AssociationId, AssociationId, u32) {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(demanding(chunks));
    let tag = pair.association(Side::Z, z).local_tag();
    pair.events(Side::Z);
    pair.hops.clear();
    (pair, a, z, tag)
}

fn auth_chunk(hmac_id: u16, len: usize) -> RawChunk {
    let fixed = [0, 0, hmac_id.to_be_bytes()[0], hmac_id.to_be_bytes()[1]];
    chunk(ChunkType::AUTH, 0, &[&fixed[..], &vec![0; len]].concat())
}

/// RFC 4895, 6.3: listed chunks that do not stand behind AUTH, or behind one with a wrong code, are discarded.
#[test]
fn forged_chunks_of_listed_types_do_nothing() {
    let abort = chunk(ChunkType::ABORT, 0, &[]);
    let reflected = chunk(ChunkType::ABORT, 1, &[]);
    for before in [vec![], vec![auth_chunk(3, 32)], vec![auth_chunk(1, 20)], vec![auth_chunk(3, 5)]] {
        let (mut pair, _, z, tag) = z_demands(&[ChunkType::ABORT]);
        let peer_tag = pair.association(Side::Z, z).peer_tag();
        pair.forge(Side::Z, tag, &[before.clone(), vec![abort.clone()]].concat());
        pair.forge(Side::Z, peer_tag, &[before.clone(), vec![reflected.clone()]].concat());
        pair.drain();
        assert_eq!(pair.state(Side::Z, z), AssociationState::Established, "{before:?}");
        assert!(pair.hops.is_empty(), "in silence");
    }
}

/// RFC 4895, 6.3: chunks that are not listed are taken as ever, but not behind a wrong code.
#[test]
fn chunks_that_are_not_listed_need_no_auth_but_a_wrong_code_spoils_them() {
    let (mut pair, _, _, tag) = z_demands(&[ChunkType::ABORT]);
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
    pair.forge(Side::Z, tag, &[auth_chunk(3, 32), heartbeat.clone()]);
    pair.drain();
    assert!(pair.hops.is_empty());
    pair.forge(Side::Z, tag, &[heartbeat]);
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
}

/// RFC 4895, 6.3 and 4.1: an algorithm that we did not list.
#[test]
fn an_unknown_algorithm_gets_an_error() {
    let (mut pair, _, z, tag) = z_demands(&[ChunkType::ABORT]);
    pair.forge(Side::Z, tag, &[auth_chunk(2, 16), chunk(ChunkType::ABORT, 0, &[])]);
    pair.drain();
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    let error = &pair.hops[0].chunks[0];
    let cause = Causes(error.value.clone()).iter().next().unwrap().unwrap();
    assert_eq!(error.chunk_type, ChunkType::ERROR);
    assert_eq!(Cause::parse(&cause), Ok(Cause::UnsupportedHmacIdentifier { hmac_id: 2 }));
    assert_eq!(
        pair.events(Side::A),
        ["up", ""].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>()
    );
}

/// RFC 4895, 6.3: an association that is to end only on authenticated words does not end for a malformed chunk.
#[test]
fn a_forged_violation_does_not_end_what_only_authenticated_words_may_end() {
    let no_data = chunk(ChunkType::DATA, 3, &[0xff; 12]);
    let (mut pair, _, z, tag) = z_demands(&[ChunkType::ABORT]);
    pair.forge(Side::Z, tag, core::slice::from_ref(&no_data));
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    let (mut pair, _, z, tag) = z_demands(&[ChunkType::SHUTDOWN]);
    pair.forge(Side::Z, tag, &[no_data]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 4895, 6.2 and 6.3: the ABORT of who must authenticate it is taken, and the last packet has its AUTH.
#[test]
fn an_authenticated_abort_ends_the_association() {
    let (mut pair, a, z, _) = z_demands(&[ChunkType::ABORT]);
    pair.a.endpoint.abort(pair.now, a, Bytes::new()).unwrap();
    pair.run_secs(1);
    assert_eq!(types(&pair.hops[0]), [ChunkType::AUTH, ChunkType::ABORT]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 4895, 6.3: a key that is not known discards; RFC 6458, 6.1.8 and 8.3: new keys are told, and free ones.
#[test]
fn keys_change_on_a_living_association() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(demanding(&[ChunkType::DATA]));
    pair.events(Side::Z);
    let add = |keys: &mut SharedKeys| keys.set(7, Bytes::from_static(b"new"));
    pair.a.endpoint.change_keys(a, add).unwrap();
    pair.a.endpoint.change_keys(a, |keys| keys.activate(7)).unwrap();
    pair.send(Side::A, a, b"one");
    pair.run_for(Duration::from_millis(500));
    assert!(pair.read(Side::Z, z).is_empty(), "Z does not know the key");
    pair.z.endpoint.change_keys(z, add).unwrap();
    pair.run_secs(3);
    assert_eq!(pair.read(Side::Z, z), ["one"]);
    assert_eq!(pair.events(Side::Z), ["Authentication(NewKey(7))"]);
    pair.events(Side::A);
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(0)).unwrap();
    pair.drain();
    assert_eq!(pair.events(Side::A), ["Authentication(FreeKey(0))"]);
    assert!(pair.a.endpoint.change_keys(a, |keys| keys.deactivate(7)).is_err());
}

/// RFC 6458, 6.1.8: SCTP_AUTH_NO_AUTH. Nothing of AUTH is then used.
#[test]
fn a_peer_without_auth_is_told_of_and_talked_to_all_the_same() {
    for listener_has_it in [true, false] {
        let mut pair = Pair::new();
        let (with, without) = (demanding(&COVERED), AssociationConfig::default());
        let (z_config, a_config) = if listener_has_it { (with, without) } else { (without, with) };
        pair.listen(z_config);
        let a = pair.connect(a_config);
        pair.send(Side::A, a, b"hello");
        pair.run_secs(1);
        let z = pair.z.id();
        assert_eq!(pair.read(Side::Z, z), ["hello"]);
        let told = if listener_has_it { pair.events(Side::Z) } else { pair.events(Side::A) };
        assert_eq!(told, ["up", "Authentication(NotSupported)"]);
        assert!(!pair.hops.iter().any(|hop| hop.has(ChunkType::AUTH)));
    }
}

/// RFC 4895, 6.1: a RANDOM of another length ends the set-up, with Protocol Violation; RFC 5061, 6: ASCONF without AUTH
/// does too. Who does not do AUTH ignores its parameters.
#[test]
fn an_init_that_breaks_the_rules_of_auth_gets_abort() {
    let short = Parameters::from_iter([
        Parameter::Random(Bytes::from_static(&[1; 16])),
        Parameter::HmacAlgorithms([1].into_iter().collect()),
    ]);
    let asconf = Parameters::from_iter([Parameter::SupportedExtensions(
        [ChunkType::ASCONF, ChunkType::ASCONF_ACK].into_iter().collect(),
    )]);
    let mut both = demanding(&[]);
    both.extensions.asconf = true;
    for (parameters, config, aborted) in [
        (&short, demanding(&[]), true),
        (&short, AssociationConfig::default(), false),
        (&asconf, both, true),
        (&asconf, demanding(&[]), false),
    ] {
        let mut pair = Pair::new();
        pair.listen(config);
        let mut init = InitChunk::parse(&super::harness::init(77, &[])).unwrap();
        init.parameters = parameters.clone();
        pair.forge(Side::Z, 0, &[crate::association::to_raw(&init)]);
        pair.drain();
        let answer = &pair.hops[0].chunks[0];
        assert_eq!(answer.chunk_type == ChunkType::ABORT, aborted, "{parameters}");
        if aborted {
            let cause = Causes(answer.value.clone()).iter().next().unwrap().unwrap();
            assert_eq!(
                (cause.code, pair.hops[0].header.verification_tag),
                (CauseCode::PROTOCOL_VIOLATION, 77)
            );
        }
    }
}

/// RFC 5061, 6: an INIT ACK that offers ASCONF without AUTH ends the set-up.
#[test]
fn an_init_ack_with_asconf_but_without_auth_is_refused() {
    let mut pair = Pair::new();
    let mut config = demanding(&[]);
    config.extensions.asconf = true;
    let a = pair.connect(config);
    pair.drain();
    pair.drop_in_flight();
    let mut ack = InitChunk::parse(&super::harness::init(99, &[])).unwrap();
    ack.kind = crate::wire::chunk::InitKind::InitAck;
    ack.parameters = Parameters::from_iter([
        Parameter::SupportedExtensions([ChunkType::ASCONF].into_iter().collect()),
        Parameter::StateCookie(Bytes::from_static(b"cookie")),
    ]);
    let tag = pair.association(Side::A, a).local_tag();
    pair.forge(Side::A, tag, &[crate::association::to_raw(&ack)]);
    pair.drain();
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.events(Side::A), ["lost: ProtocolError { cause: 13 }"]);
    assert!(!pair.hops.iter().any(|hop| hop.has(ChunkType::COOKIE_ECHO)));
}

/// RFC 4895, 6.1: in a collision RANDOM stays, as the tag does.
#[test]
fn colliding_inits_lead_to_one_key() {
    let mut pair = Pair::new();
    let config = demanding(&[ChunkType::DATA, ChunkType::COOKIE_ECHO, ChunkType::COOKIE_ACK]);
    let to_z = vec![PathAddress::to(pair.address(Side::Z))];
    let to_a = vec![PathAddress::to(pair.address(Side::A))];
    let a = pair.connect_to(Side::A, to_z, config.clone());
    let z = pair.connect_to(Side::Z, to_a, config);
    pair.send(Side::A, a, b"up");
    pair.send(Side::Z, z, b"down");
    pair.run_secs(10);
    assert_eq!((pair.read(Side::Z, z), pair.read(Side::A, a)), (vec!["up".into()], vec!["down".into()]));
    let randoms = |side: Side| {
        let inits = pair.hops.iter().filter(move |hop| hop.from == side).flat_map(|hop| &hop.chunks);
        let inits = inits.filter_map(|chunk| {
            InitChunk::parse(chunk).ok().filter(|_| chunk.chunk_type.0 < 3 && chunk.chunk_type.0 > 0)
        });
        inits.map(|init| init.parameters.find(ParameterType::RANDOM).unwrap().value).collect::<Vec<_>>()
    };
    for side in [Side::A, Side::Z] {
        let randoms = randoms(side);
        assert!(randoms.len() >= 2 && randoms.iter().all(|random| *random == randoms[0]), "{side:?}");
    }
}

/// RFC 4895, 6.1 and 6.3: a peer that has restarted has a new RANDOM, and so has our INIT ACK to it; where COOKIE ECHO
/// is listed, only who knows the old key can restart.
#[test]
fn a_restart_makes_new_keys_and_is_refused_where_cookies_must_be_authenticated() {
    for (chunks, restarts) in [(&[ChunkType::DATA][..], true), (&[ChunkType::COOKIE_ECHO], false)] {
        let mut pair = Pair::new();
        let (_, z) = pair.establish_with(demanding(chunks));
        pair.events(Side::Z);
        pair.restart_a(&["10.0.1.1"]);
        let a = pair.connect(demanding(chunks));
        pair.send(Side::A, a, b"again");
        pair.run_secs(10);
        assert_eq!(pair.events(Side::Z).contains(&"Restart".to_owned()), restarts);
        let expected: &[&str] = if restarts { &["again"] } else { &[] };
        assert_eq!(pair.read(Side::Z, z), expected);
    }
}

/// RFC 4895, 6.3: packets out of the blue are answered as if there were no AUTH in them.
#[test]
fn packets_out_of_the_blue_are_answered_as_without_auth() {
    let answer = |chunks: &[RawChunk]| {
        let mut pair = Pair::new();
        pair.forge(Side::Z, 5, chunks);
        pair.drain();
        pair.hops.first().map(|hop| types(hop)[0])
    };
    let auth = auth_chunk(3, 32);
    for (chunk_type, expected) in [
        (ChunkType::DATA, Some(ChunkType::ABORT)),
        (ChunkType::SHUTDOWN_ACK, Some(ChunkType::SHUTDOWN_COMPLETE)),
        (ChunkType::ABORT, None),
        (ChunkType::COOKIE_ECHO, None),
        (ChunkType::COOKIE_ACK, None),
    ] {
        let other = chunk(chunk_type, 0, &[0; 16]);
        assert_eq!(answer(core::slice::from_ref(&other)), expected, "{chunk_type}");
        assert_eq!(answer(&[auth.clone(), other]), expected, "AUTH+{chunk_type}");
    }
}

/// RFC 4895, 5.1: AUTH at most once in a packet; nothing behind a second one counts.
#[test]
fn nothing_behind_a_second_auth_counts() {
    let (mut pair, a, z, _) = z_demands(&[ChunkType::DATA]);
    pair.send(Side::A, a, b"good");
    pair.drain();
    let genuine = pair.hops[0].clone();
    assert_eq!(types(&genuine), [ChunkType::AUTH, ChunkType::DATA]);
    pair.drop_in_flight();
    pair.hops.clear();
    let twice = [vec![genuine.chunks[0].clone()], genuine.chunks.clone()].concat();
    let bytes = packet(header_to(Side::Z, genuine.header.verification_tag), &twice);
    pair.inject(Side::Z, genuine.source, genuine.destination, bytes);
    assert!(pair.read(Side::Z, z).is_empty());
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z), ["good"]);
}

proptest! {
    /// RFC 4895, 6.3: any change behind the AUTH chunk, or in it, is noticed. Its first byte can turn AUTH into a chunk
    /// that needs no authentication, and that may end the association; DATA is then without AUTH, and does not count.
    #[test]
    fn a_changed_byte_discards_what_it_authenticates(at in COMMON_HEADER_LEN..60, change in 1_u8..) {
        let (mut pair, a, z, _) = z_demands(&[ChunkType::DATA]);
        pair.send(Side::A, a, b"a message of 32 bytes, no more..");
        pair.drain();
        let genuine = pair.hops[0].clone();
        pair.drop_in_flight();
        let mut bytes = genuine.bytes.to_vec();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= change;
        let sum = crate::wire::checksum(&bytes);
        bytes[8..12].copy_from_slice(&sum.to_be_bytes());
        pair.inject(Side::Z, genuine.source, genuine.destination, bytes.into());
        prop_assert!(pair.read(Side::Z, z).is_empty());
        if at != COMMON_HEADER_LEN {
            prop_assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
        }
    }
}

/// RFC 4895, 6.2: the padding is authenticated, too.
#[test]
fn a_changed_byte_of_padding_discards_the_chunk() {
    for change in [0, 1] {
        let (mut pair, a, z, _) = z_demands(&[ChunkType::DATA]);
        pair.send(Side::A, a, b"odd");
        pair.drain();
        let genuine = pair.hops[0].clone();
        pair.drop_in_flight();
        let mut bytes = genuine.bytes.to_vec();
        *bytes.last_mut().unwrap() ^= change;
        bytes[8..12].fill(0);
        let sum = crate::wire::checksum(&bytes);
        bytes[8..12].copy_from_slice(&sum.to_be_bytes());
        pair.inject(Side::Z, genuine.source, genuine.destination, bytes.into());
        assert_eq!(pair.read(Side::Z, z).is_empty(), change != 0);
    }
}

/// What is listened on does not depend on a port's first listener: keys are each listener's own.
#[test]
fn listeners_have_keys_of_their_own() {
    let mut pair = Pair::new();
    let options = |secret| ListenOptions {
        config: with_key(demanding(&[ChunkType::COOKIE_ECHO]), 1, secret),
        ..ListenOptions::default()
    };
    pair.z.endpoint.listen(PORT_Z, options(b"nine")).unwrap();
    pair.z.endpoint.listen(PORT_Z + 1, options(b"ten")).unwrap();
    let a = pair.connect(with_key(demanding(&[]), 1, b"nine"));
    pair.run_secs(1);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}
