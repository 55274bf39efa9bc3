//! The codec against packets of Linux's SCTP, captured on real links.

mod pcap;

use bytes::Bytes;
use sctp_core::wire::{
    Cause, Causes, ChecksumPolicy, Chunk, Packet, PacketBuilder, Parameter, Parameters, checksum,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn captures() -> Vec<PathBuf> {
    pcap::sctp_captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures"))
}

/// Every packet of every capture, with where it comes from.
fn packets() -> Vec<(String, Bytes)> {
    let packets = captures().into_iter().flat_map(|capture| {
        let name = capture.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let packets = pcap::sctp_packets(&capture).into_iter();
        packets.map(move |(frame, packet)| (format!("{name} frame {frame}"), Bytes::from(packet)))
    });
    packets.collect()
}

fn parse(packet: &Bytes, place: &str) -> Packet {
    Packet::parse(packet.clone(), ChecksumPolicy::Crc32c).unwrap_or_else(|error| panic!("{place}: {error}"))
}

fn chunks(packet: &Packet, place: &str) -> Vec<Chunk> {
    let raw = packet.chunks().map(|raw| raw.unwrap_or_else(|error| panic!("{place}: {error}")));
    raw.map(|raw| Chunk::parse(raw).unwrap_or_else(|error| panic!("{place}: {error}"))).collect()
}

/// RFC 9260, 3, 6.8.
#[test]
fn every_captured_packet_has_a_right_checksum_and_is_written_again_byte_by_byte() {
    let packets = packets();
    assert!(packets.len() > 300, "only {} packets found", packets.len());
    for (place, datagram) in packets {
        let packet = parse(&datagram, &place);
        let mut written = Vec::new();
        let mut builder = PacketBuilder::new(&mut written, packet.header, datagram.len());
        for chunk in chunks(&packet, &place) {
            assert!(!matches!(chunk, Chunk::Unrecognized(_)), "{place}: {chunk}");
            builder.push(&chunk).unwrap_or_else(|error| panic!("{place}: {chunk}: {error}"));
        }
        builder.finish();
        assert_eq!(Bytes::from(written), datagram, "{place}");
    }
}

#[test]
fn every_captured_parameter_and_cause_is_written_again_byte_by_byte() {
    let mut seen = BTreeSet::new();
    for (place, datagram) in packets() {
        for chunk in chunks(&parse(&datagram, &place), &place) {
            match &chunk {
                Chunk::Init(init) => seen.extend(check_parameters(&init.parameters, &place)),
                Chunk::Asconf(asconf) => seen.extend(check_parameters(&asconf.parameters, &place)),
                Chunk::Heartbeat(heartbeat) => seen.extend(check_parameters(&heartbeat.parameters, &place)),
                Chunk::Abort(abort) => seen.extend(check_causes(&abort.causes, &place)),
                Chunk::Error(error) => seen.extend(check_causes(&error.causes, &place)),
                _ => {}
            }
        }
    }
    for expected in ["STATE_COOKIE", "CHUNK_LIST", "ADD_IP_ADDRESS", "HEARTBEAT_INFO", "USER_INITIATED_ABORT"]
    {
        assert!(seen.contains(expected), "no {expected} among {seen:?}");
    }
}

fn check_parameters(parameters: &Parameters, place: &str) -> Vec<String> {
    let read = |raw| Parameter::parse(&raw).unwrap_or_else(|error| panic!("{place}: {error}"));
    let typed: Vec<_> = parameters.iter().map(|raw| read(raw.expect("lengths are right"))).collect();
    assert!(
        !typed.iter().any(|parameter| matches!(parameter, Parameter::Unknown { .. })),
        "{place}: {typed:?}"
    );
    let names = typed.iter().map(|parameter| parameter.param_type().to_string()).collect();
    assert_eq!(&Parameters::from_iter(typed), parameters, "{place}");
    names
}

fn check_causes(causes: &Causes, place: &str) -> Vec<String> {
    let read = |raw| Cause::parse(&raw).unwrap_or_else(|error| panic!("{place}: {error}"));
    let typed: Vec<_> = causes.iter().map(|raw| read(raw.expect("lengths are right"))).collect();
    let names = typed.iter().map(|cause| cause.code().to_string()).collect();
    assert_eq!(&Causes::from_iter(typed), causes, "{place}");
    names
}

#[test]
fn a_changed_byte_anywhere_is_found_by_the_checksum() {
    for (place, datagram) in packets().into_iter().take(20) {
        let right = checksum(&datagram);
        for at in (0..datagram.len()).filter(|at| !(8..12).contains(at)) {
            let mut changed = datagram.to_vec();
            changed[at] ^= 0x20;
            assert_ne!(checksum(&changed), right, "{place}, byte {at}");
        }
    }
}

/// The values are those that `tshark -V` shows for the same frames.
#[test]
fn the_text_of_an_aborted_association_tells_what_is_in_the_packets() {
    let all = captures();
    let capture = all.iter().find(|path| path.ends_with("sctp-abort.pcap")).expect("the capture is there");
    let packets = pcap::sctp_packets(capture).into_iter();
    let text = packets.map(|(frame, packet)| parse(&packet.into(), &format!("frame {frame}")).to_string());
    let init = |tag, tsn| {
        format!(
            "INIT tag={tag} a_rwnd=106496 os=10 mis=65535 tsn={tsn} \
             SUPPORTED_ADDRESS_TYPES=[IPV4_ADDRESS] ECN_CAPABLE FORWARD_TSN_SUPPORTED"
        )
    };
    let expected = [
        format!("7001 > 7009 tag=0x00000000 | {}", init("0x3a395e41", "1812704642")),
        "7009 > 7001 tag=0x3a395e41 | ABORT".into(),
        format!("7001 > 7000 tag=0x00000000 | {}", init("0xb73958fc", "3329867572")),
        "7000 > 7001 tag=0xb73958fc | INIT_ACK tag=0x3f279241 a_rwnd=106496 os=10 mis=10 tsn=1785587905 \
         STATE_COOKIE=228_bytes ECN_CAPABLE FORWARD_TSN_SUPPORTED"
            .into(),
        "7001 > 7000 tag=0x3f279241 | COOKIE_ECHO len=228 | \
         DATA tsn=3329867572 sid=0 ssn=0 ppid=0 flags=BE len=20"
            .into(),
        "7000 > 7001 tag=0xb73958fc | COOKIE_ACK | SACK cum_ack=3329867572 a_rwnd=106476".into(),
        "7001 > 7000 tag=0x3f279241 | ABORT USER_INITIATED_ABORT=\"\"".into(),
    ];
    assert_eq!(text.collect::<Vec<_>>(), expected);
}
