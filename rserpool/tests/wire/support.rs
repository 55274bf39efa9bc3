//! What the integration tests share: pcap files and the SCTP user messages in them.

use std::path::PathBuf;

/// A file of the workspace's `tests` folder.
pub(crate) fn test_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name)
}

/// A message that a capture holds: an unfragmented SCTP user message, or a UDP datagram.
pub(crate) struct Captured {
    /// Number of the frame, from 1, as Wireshark counts.
    pub(crate) frame: usize,
    /// SCTP payload protocol identifier; none for UDP.
    pub(crate) ppid: Option<u32>,
    /// UDP destination port; 0 for SCTP.
    pub(crate) udp_port: u16,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

const LINKTYPE_ETHERNET: u32 = 1;

/// Every whole message in a little-endian pcap file of Ethernet frames.
pub(crate) fn messages(capture: &str) -> Vec<Captured> {
    let file = std::fs::read(test_file(capture)).expect("capture is there");
    assert_eq!(u32_le(&file, 0), 0xa1b2_c3d4, "{capture}: little-endian pcap");
    assert_eq!(u32_le(&file, 20), LINKTYPE_ETHERNET);
    let mut found = Vec::new();
    let (mut offset, mut frame) = (24, 1);
    while offset < file.len() {
        let length = u32_le(&file, offset + 8) as usize;
        let data = &file[offset + 16..offset + 16 + length];
        from_ethernet(data, frame, &mut found);
        offset += 16 + length;
        frame += 1;
    }
    found
}

fn from_ethernet(data: &[u8], frame: usize, found: &mut Vec<Captured>) {
    let (protocol, payload) = match u16_be(data, 12) {
        0x0800 => {
            let header = usize::from(data[14] & 0xf) * 4;
            let end = 14 + usize::from(u16_be(data, 16));
            (data[23], &data[14 + header..end])
        }
        0x86dd => (data[20], &data[54..54 + usize::from(u16_be(data, 18))]),
        _ => return,
    };
    match protocol {
        132 => from_sctp(payload, frame, found),
        17 => found.push(Captured {
            frame,
            ppid: None,
            udp_port: u16_be(payload, 2),
            bytes: payload[8..].to_vec(),
        }),
        _ => {}
    }
}

/// DATA chunks that are a whole message: B and E are set (RFC 9260, 3.3.1).
fn from_sctp(packet: &[u8], frame: usize, found: &mut Vec<Captured>) {
    let mut offset = 12;
    while offset + 4 <= packet.len() {
        let (kind, flags) = (packet[offset], packet[offset + 1]);
        let length = usize::from(u16_be(packet, offset + 2));
        if kind == 0 && flags & 3 == 3 {
            let ppid = u32::from_be_bytes(packet[offset + 12..offset + 16].try_into().expect("four bytes"));
            let bytes = packet[offset + 16..offset + length].to_vec();
            found.push(Captured { frame, ppid: Some(ppid), udp_port: 0, bytes });
        }
        offset += length.max(4).div_ceil(4) * 4;
    }
}

fn u16_be(data: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([data[at], data[at + 1]])
}

fn u32_le(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes"))
}
