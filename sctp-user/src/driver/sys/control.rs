//! Control messages of `sendmmsg` and `recvmmsg`: source and destination address, fields of the IP header.
//!
//! nix encodes one set for a whole batch and reads them one allocation at a time; here each packet has
//! its own. The layout is that of Linux: length, level, type, data, padded to the word.

use std::{mem::size_of, net::IpAddr};

use sctp_core::net::{Ecn, IpMarks};

use super::message::Outgoing;

const WORD: usize = size_of::<usize>();
const HEADER: usize = size_of::<libc::cmsghdr>();
const _: () = assert!(HEADER == WORD + 8, "the layout of Linux");
/// Room for packet information of either family, and for traffic class, hop limit, flow label and size of segments, all padded.
pub(crate) const SPACE: usize = HEADER + 24 + 4 * (HEADER + WORD);

/// Control data of one packet, aligned as the kernel wants it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; SPACE]);

impl Control {
    pub(crate) const EMPTY: Self = Self([0; SPACE]);

    /// Writes where a packet leaves from and how it is marked. Returns the bytes used.
    pub(crate) fn encode(&mut self, packet: &Outgoing<'_>) -> usize {
        let v4 = packet.destination.is_ipv4();
        let mut at = 0;
        match packet.source {
            Some(IpAddr::V4(address)) => {
                // struct in_pktinfo: interface, source address (ipi_spec_dst), destination
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&address.octets());
                at = self.push(at, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            Some(IpAddr::V6(address)) => {
                // struct in6_pktinfo: source address, interface
                let mut info = [0; 20];
                info[..16].copy_from_slice(&address.octets());
                at = self.push(at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
            None => {}
        }
        let bits = i32::from(packet.marks.dscp | ecn_bits(packet.ecn));
        if bits != 0 {
            let (level, kind) = match v4 {
                true => (libc::IPPROTO_IP, libc::IP_TOS),
                false => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            };
            at = self.push(at, level, kind, &bits.to_ne_bytes());
        }
        if packet.marks != IpMarks::NONE {
            at = self.push_marks(at, v4, packet.marks);
        }
        match packet.segment_size {
            Some(size) => self.push(at, libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes()),
            None => at,
        }
    }

    /// What is rarely asked for.
    fn push_marks(&mut self, mut at: usize, v4: bool, marks: IpMarks) -> usize {
        if marks.hop_limit != 0 {
            let (level, kind) = match v4 {
                true => (libc::IPPROTO_IP, libc::IP_TTL),
                false => (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
            };
            at = self.push(at, level, kind, &i32::from(marks.hop_limit).to_ne_bytes());
        }
        if !v4 && marks.flow_label != 0 {
            at = self.push(at, libc::IPPROTO_IPV6, libc::IPV6_FLOWINFO, &marks.flow_label.to_be_bytes());
        }
        at
    }

    fn push(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let message = &mut self.0[at..];
        message[..WORD].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
        message[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        message[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        message[HEADER..HEADER + data.len()].copy_from_slice(data);
        at + HEADER + data.len().next_multiple_of(WORD)
    }

    /// Reads the destination address and ECN field of an IPv6 packet out of the first `len` bytes.
    pub(crate) fn decode(&self, len: usize) -> (Option<IpAddr>, Ecn) {
        let (mut destination, mut ecn) = (None, Ecn::NotCapable);
        let mut rest = &self.0[..len.min(SPACE)];
        while rest.len() >= HEADER {
            let length = usize::from_ne_bytes(array(rest, 0));
            let level = i32::from_ne_bytes(array(rest, WORD));
            let kind = i32::from_ne_bytes(array(rest, WORD + 4));
            if length < HEADER || length > rest.len() {
                break;
            }
            let data = &rest[HEADER..length];
            match (level, kind) {
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= 16 => {
                    destination = Some(IpAddr::from(array::<16>(data, 0)));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) if data.len() >= 4 => {
                    ecn = ecn_of(i32::from_ne_bytes(array(data, 0)) as u8);
                }
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        }
        (destination, ecn)
    }
}

/// N bytes at an offset that the caller has checked.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// The two bits of the IP header (RFC 3168, 5).
pub(crate) fn ecn_bits(ecn: Ecn) -> u8 {
    match ecn {
        Ecn::NotCapable => 0b00,
        Ecn::Ect1 => 0b01,
        Ecn::Ect0 => 0b10,
        Ecn::CongestionExperienced => 0b11,
    }
}

/// The ECN field of a TOS byte or traffic class.
pub(crate) fn ecn_of(traffic_class: u8) -> Ecn {
    match traffic_class & 0b11 {
        0b00 => Ecn::NotCapable,
        0b01 => Ecn::Ect1,
        0b10 => Ecn::Ect0,
        _ => Ecn::CongestionExperienced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_ipv6_reads_back() {
        let address: IpAddr = "2001:db8::7".parse().unwrap();
        for ecn in [Ecn::NotCapable, Ecn::Ect0, Ecn::Ect1, Ecn::CongestionExperienced] {
            let mut control = Control::EMPTY;
            let len =
                control.encode(&Outgoing { source: Some(address), ecn, ..Outgoing::to(address, 0, &[]) });
            assert_eq!(control.decode(len), (Some(address), ecn));
        }
    }

    #[test]
    fn there_is_room_for_all_that_can_be_said() {
        let marks = IpMarks { dscp: 0xb8, hop_limit: 3, flow_label: 0xf_ffff };
        for (address, used) in [("2001:db8::7", SPACE), ("192.0.2.7", SPACE - HEADER - WORD - 8)] {
            let address = address.parse().unwrap();
            let packet =
                Outgoing { source: Some(address), ecn: Ecn::Ect0, marks, ..Outgoing::to(address, 9, &[]) };
            let mut control = Control::EMPTY;
            let len = control.encode(&Outgoing { segment_size: Some(1_000), ..packet });
            assert_eq!(len, used, "{address}");
        }
    }

    #[test]
    fn damaged_control_data_ends_the_reading() {
        let mut control = Control::EMPTY;
        control.0[0] = 200;
        assert_eq!(control.decode(SPACE), (None, Ecn::NotCapable));
        assert_eq!(Control::EMPTY.decode(SPACE), (None, Ecn::NotCapable));
    }
}
