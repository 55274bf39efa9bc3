//! Reading IP packets: addresses, what they carry, and where it lies (RFC 791, RFC 8200).

use std::net::IpAddr;
use std::ops::Range;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, checksum::Sum16BitWords};
use sctp_core::net::Ecn;

use crate::driver::sys::control::ecn_of;

/// Bytes of an IPv6 header.
pub(super) const IPV6_HEADER: usize = 40;
/// Where the IPv6 header names what follows it.
const NEXT_HEADER_AT: usize = 6;

/// An IP packet for one host, as far as a host has to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ecn: Ecn,
    /// What the payload is; of a fragment, what the whole would start with.
    pub(super) protocol: IpNumber,
    /// Where in the packet the payload lies: behind all headers of IP.
    pub(super) payload: Range<usize>,
    /// Set if this is a part of a packet only.
    pub(super) fragment: Option<Fragment>,
    /// Where the number of the payload's protocol stands.
    pub(super) protocol_at: usize,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) identification: u32,
    /// In bytes.
    pub(super) offset: usize,
    /// More of the packet comes behind it.
    pub(super) more: bool,
    /// Bytes of the headers that belong to the whole packet.
    pub(super) headers: usize,
}

/// Why a packet cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Damaged, cut off, or no IP at all: nobody is told.
    Damaged,
    /// A header of IPv6 is not as it should be: the sender is told (RFC 4443, 3.4).
    ParameterProblem { code: u8, pointer: u32 },
}

impl Packet {
    /// Reads one packet, which may have bytes behind its end.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        match bytes.first().map(|first| first >> 4) {
            Some(4) => read_ipv4(bytes),
            Some(6) => read_ipv6(bytes),
            _ => Err(Refusal::Damaged),
        }
    }
}

fn read_ipv4(bytes: &[u8]) -> Result<Packet, Refusal> {
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| Refusal::Damaged)?;
    let headers = header.slice().len();
    let end = usize::from(header.total_len());
    // RFC 1122, 3.2.1.2: a wrong checksum is silence.
    let intact = Sum16BitWords::new().add_slice(header.slice()).ones_complement() == 0;
    if !intact || end < headers || end > bytes.len() {
        return Err(Refusal::Damaged);
    }
    let fragment = header.is_fragmenting_payload().then(|| Fragment {
        identification: header.identification().into(),
        offset: usize::from(header.fragments_offset().byte_offset()),
        more: header.more_fragments(),
        headers,
    });
    Ok(Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ecn: ecn_of(bytes[1]),
        protocol: header.protocol(),
        payload: headers..end,
        fragment,
        protocol_at: 9,
    })
}

fn read_ipv6(bytes: &[u8]) -> Result<Packet, Refusal> {
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| Refusal::Damaged)?;
    let end = IPV6_HEADER + usize::from(header.payload_length());
    let bytes = bytes.get(..end).ok_or(Refusal::Damaged)?;
    let mut packet = Packet {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ecn: ecn_of(header.traffic_class()),
        protocol: header.next_header(),
        payload: IPV6_HEADER..end,
        fragment: None,
        protocol_at: NEXT_HEADER_AT,
    };
    while packet.fragment.is_none() && skip_extension(&mut packet, bytes)? {}
    Ok(packet)
}

/// Steps over one extension header (RFC 8200, 4); false if the payload is reached.
fn skip_extension(packet: &mut Packet, bytes: &[u8]) -> Result<bool, Refusal> {
    let at = packet.payload.start;
    let len = match packet.protocol {
        // RFC 8200, 4.3: the hop-by-hop options come first or not at all.
        IpNumber::IPV6_HEADER_HOP_BY_HOP if at == IPV6_HEADER => read_options(bytes, at)?,
        IpNumber::IPV6_HEADER_HOP_BY_HOP => return Err(problem(1, packet.protocol_at)),
        IpNumber::IPV6_DESTINATION_OPTIONS => read_options(bytes, at)?,
        IpNumber::IPV6_ROUTE_HEADER => read_routing(bytes, at)?,
        IpNumber::IPV6_FRAGMENTATION_HEADER => return read_fragment(packet, bytes).map(|()| true),
        _ => return Ok(false),
    };
    packet.protocol = IpNumber(bytes[at]);
    packet.protocol_at = at;
    packet.payload.start = at + len;
    Ok(true)
}

fn problem(code: u8, pointer: usize) -> Refusal {
    Refusal::ParameterProblem { code, pointer: u32::try_from(pointer).unwrap_or(u32::MAX) }
}

/// The length of the extension header at `at`, all of which is there.
fn extension_len(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let units = bytes.get(at + 1).ok_or(Refusal::Damaged)?;
    let len = (usize::from(*units) + 1) * 8;
    bytes.get(at..at + len).ok_or(Refusal::Damaged)?;
    Ok(len)
}

/// Hop-by-hop or destination options: those of no meaning here say themselves what to do (RFC 8200, 4.2).
fn read_options(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let len = extension_len(bytes, at)?;
    let mut option = at + 2;
    while option < at + len {
        match bytes[option] {
            0 => option += 1,
            kind => {
                let data = *bytes.get(option + 1).ok_or(Refusal::Damaged)?;
                match kind >> 6 {
                    _ if kind == 1 => {}
                    0b00 => {}
                    0b01 => return Err(Refusal::Damaged),
                    // 0b11 forbids the answer for groups only, and we are in none.
                    _ => return Err(problem(2, option)),
                }
                option += 2 + usize::from(data);
            }
        }
    }
    Ok(len)
}

/// RFC 8200, 4.4: we know no routing type (RFC 5095 took type 0 away), so none may have segments left.
fn read_routing(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let len = extension_len(bytes, at)?;
    if bytes[at + 3] != 0 {
        return Err(problem(0, at + 2));
    }
    Ok(len)
}

/// RFC 8200, 4.5.
fn read_fragment(packet: &mut Packet, bytes: &[u8]) -> Result<(), Refusal> {
    let at = packet.payload.start;
    let &[next, _, high, low, i0, i1, i2, i3] =
        bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Refusal::Damaged)?;
    let field = u16::from_be_bytes([high, low]);
    let (offset, more) = (usize::from(field & !7), field & 1 != 0);
    packet.protocol = IpNumber(next);
    packet.payload.start = at + 8;
    if more && !packet.payload.len().is_multiple_of(8) {
        // The pointer is to the payload length.
        return Err(problem(0, 4));
    }
    if offset + packet.payload.len() > usize::from(u16::MAX) {
        return Err(problem(0, at + 2));
    }
    // RFC 6946: a fragment that is a whole packet.
    if offset == 0 && !more {
        packet.protocol_at = at;
        return Ok(());
    }
    let identification = u32::from_be_bytes([i0, i1, i2, i3]);
    packet.fragment = Some(Fragment { identification, offset, more, headers: at });
    Ok(())
}

#[cfg(test)]
mod tests {
    use etherparse::{Ipv4Header, Ipv6Header};
    use proptest::prelude::*;

    use super::*;

    fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
        let header = Ipv6Header {
            payload_length: payload.len() as u16,
            next_header: IpNumber(next),
            hop_limit: 64,
            source: [1; 16],
            destination: [2; 16],
            ..Ipv6Header::default()
        };
        [&header.to_bytes()[..], payload].concat()
    }

    #[test]
    fn a_damaged_ipv4_header_is_no_packet() {
        // RFC 1122, 3.2.1.2.
        let mut header = Ipv4Header::new(4, 64, IpNumber::SCTP, [1, 2, 3, 4], [5, 6, 7, 8]).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let good = [&header.to_bytes()[..], b"abcd", b"behind its end"].concat();
        assert_eq!(Packet::read(&good).unwrap().payload, 20..24);
        for at in 0..20 {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(Packet::read(&bad), Err(Refusal::Damaged), "byte {at}");
        }
        assert_eq!(Packet::read(&good[..23]), Err(Refusal::Damaged), "cut off");
    }

    #[test]
    fn extension_headers_are_stepped_over() {
        // RFC 8200, 4: hop-by-hop with a router alert, destination options with padding, routing with
        // nothing left.
        let extensions = [60, 0, 5, 2, 0, 0, 1, 0, 43, 0, 1, 4, 0, 0, 0, 0, 132, 0, 77, 0, 0, 0, 0, 0];
        let packet = Packet::read(&ipv6(0, &[&extensions[..], b"sctp"].concat())).unwrap();
        assert_eq!((packet.protocol, packet.payload), (IpNumber::SCTP, 64..68));
    }

    #[test]
    fn what_must_be_told_to_the_sender_is_told_with_the_place() {
        let refusal = |next, payload: &[u8]| Packet::read(&ipv6(next, payload)).unwrap_err();
        let told = |code, pointer| Refusal::ParameterProblem { code, pointer };
        // RFC 8200, 4.2: an option whose number starts with 10; with 01 it is dropped in silence.
        assert_eq!(refusal(60, &[132, 0, 0x80, 4, 0, 0, 0, 0]), told(2, 42));
        assert_eq!(refusal(60, &[132, 0, 0x40, 4, 0, 0, 0, 0]), Refusal::Damaged);
        // RFC 8200, 4.4, RFC 5095: a routing header with segments left.
        assert_eq!(refusal(43, &[132, 0, 0, 1, 0, 0, 0, 0]), told(0, 42));
        // RFC 8200, 4.3: hop-by-hop options behind another header.
        assert_eq!(refusal(60, &[0, 0, 1, 4, 0, 0, 0, 0]), told(1, 40));
        // RFC 8200, 4.5: a fragment that is not the last and not a multiple of 8 bytes long.
        assert_eq!(refusal(44, &[132, 0, 0, 1, 0, 0, 0, 0, 1]), told(0, 4));
        // RFC 8200, 4.5: a fragment that ends behind the longest packet.
        assert_eq!(refusal(44, &[132, 0, 0xff, 0xf8, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]), told(0, 42));
    }

    #[test]
    fn a_fragment_that_is_the_whole_is_a_packet() {
        // RFC 6946, 4.
        let packet = Packet::read(&ipv6(44, &[132, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4])).unwrap();
        assert_eq!((packet.fragment, packet.protocol, packet.payload), (None, IpNumber::SCTP, 48..52));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_fail(first in 0x40u8..0x70, bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let bytes = [&[first][..], &bytes].concat();
            if let Ok(packet) = Packet::read(&bytes) {
                prop_assert!(packet.payload.end <= bytes.len() && packet.payload.start <= packet.payload.end);
            }
        }

        #[test]
        fn no_chain_of_extension_headers_makes_the_parser_fail(
            next in prop::sample::select(vec![0u8, 43, 44, 60]),
            bytes in prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 43, 44, 60, 132]), 0..80),
        ) {
            let bytes = ipv6(next, &bytes);
            if let Ok(packet) = Packet::read(&bytes) {
                prop_assert!(packet.payload.end <= bytes.len() && packet.payload.start <= packet.payload.end);
            }
        }
    }
}
