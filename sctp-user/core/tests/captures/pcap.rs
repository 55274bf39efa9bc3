//! Reads the SCTP packets of a capture: a little-endian pcap file of Ethernet frames.

use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = 0xa1b2_c3d4_u32.to_le_bytes();
const LINKTYPE_ETHERNET: [u8; 4] = 1_u32.to_le_bytes();
const IPPROTO_UDP: u8 = 17;
const IPPROTO_SCTP: u8 = 132;
/// SCTP in UDP (RFC 6951, 3).
const ENCAPSULATION_PORT: [u8; 2] = 9899_u16.to_be_bytes();

/// The captures `sctp-*.pcap` in `folder`, in the order of their names.
pub(crate) fn sctp_captures(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the captures' folder is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sctp-")));
    files.sort();
    files
}

/// The SCTP packets of a capture with their frames' numbers, from 1 as Wireshark counts.
pub(crate) fn sctp_packets(capture: &Path) -> Vec<(usize, Vec<u8>)> {
    let file = std::fs::read(capture).expect("the capture can be read");
    assert_eq!(file[0..4], MAGIC, "{capture:?} is a little-endian pcap file");
    assert_eq!(file[20..24], LINKTYPE_ETHERNET, "{capture:?} has Ethernet frames");
    let mut packets = Vec::new();
    let (mut rest, mut frame) = (&file[24..], 1);
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes")) as usize;
        let (data, next) = rest[16..].split_at(length);
        packets.extend(sctp_in_frame(data).map(|packet| (frame, packet.to_vec())));
        (rest, frame) = (next, frame + 1);
    }
    packets
}

/// The SCTP packet in an Ethernet frame; without what fills the frame up behind it.
fn sctp_in_frame(frame: &[u8]) -> Option<&[u8]> {
    let ip = &frame[14..];
    let (protocol, payload) = match frame[12..14] {
        [0x08, 0x00] => (ip[9], &ip[usize::from(ip[0] & 0xf) * 4..length(&ip[2..4])]),
        [0x86, 0xdd] => (ip[6], &ip[40..40 + length(&ip[4..6])]),
        _ => return None,
    };
    match protocol {
        IPPROTO_SCTP => Some(payload),
        IPPROTO_UDP if payload[2..4] == ENCAPSULATION_PORT => Some(&payload[8..]),
        _ => None,
    }
}

fn length(field: &[u8]) -> usize {
    usize::from(u16::from_be_bytes(field.try_into().expect("two bytes")))
}
