//! Writing IP packets: one header, or one for each fragment.

use std::{net::IpAddr, ops::Range};

use etherparse::{
    IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header,
};
use sctp_core::net::{Ecn, IpMarks};
use smallvec::SmallVec;

/// Hops of packets of which nothing else is said (RFC 1700 named 64).
const TTL: u8 = 64;
/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// Bytes of an IPv6 header without extensions.
const IPV6_HEADER: usize = 40;
/// Bytes of the fragment header of IPv6.
const FRAGMENT_HEADER: usize = 8;

/// The bytes of the headers in front of one piece of payload: 48 at most.
pub(crate) type HeaderBytes = SmallVec<[u8; 64]>;

/// What the header of a packet of ours says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: IpNumber,
    pub(crate) ecn: Ecn,
    pub(crate) marks: IpMarks,
    /// It may be cut where it is too long for a link, here or on the way; else it must be dropped there.
    pub(crate) may_fragment: bool,
}

impl Header {
    /// The packet, in one piece if it has no more than `mtu` bytes, else in fragments that share
    /// `identification`. Nothing comes of what no IP packet can hold, of what must not be cut and does not fit, or of
    /// addresses of two families.
    pub(crate) fn pieces(
        self,
        payload: usize,
        mtu: usize,
        identification: u32,
    ) -> impl Iterator<Item = (HeaderBytes, Range<usize>)> {
        let headers = if self.source.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
        let is_whole = headers + payload <= mtu;
        let (headers, longest) = match self.source {
            IpAddr::V4(_) => (headers, usize::from(u16::MAX) - headers),
            IpAddr::V6(_) if is_whole => (headers, usize::from(u16::MAX)),
            // The fragment's offset bounds the payload.
            IpAddr::V6(_) => (headers + FRAGMENT_HEADER, usize::from(u16::MAX)),
        };
        let step = if is_whole { payload } else { mtu.saturating_sub(headers) & !7 };
        let is_possible = payload <= longest && step > 0 && (is_whole || self.may_fragment);
        let starts = (0..if is_possible { payload } else { 0 }).step_by(step.max(1));
        starts.filter_map(move |start| {
            let range = start..payload.min(start + step);
            let fragment = (!is_whole).then_some((start, range.end < payload));
            Some((self.bytes(range.len(), identification, fragment)?, range))
        })
    }

    /// `fragment`: where it begins in the payload, and whether more follows.
    fn bytes(&self, len: usize, identification: u32, fragment: Option<(usize, bool)>) -> Option<HeaderBytes> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let len = u16::try_from(len).ok()?;
                let mut header = Ipv4Header::new(
                    len,
                    self.hop_limit(),
                    self.protocol,
                    source.octets(),
                    destination.octets(),
                )
                .ok()?;
                header.dscp = ip_dscp(self.marks.dscp);
                header.ecn = ip_ecn(self.ecn);
                header.dont_fragment = !self.may_fragment;
                // RFC 6864, 4.1: what cannot be cut needs no identification.
                if self.may_fragment {
                    header.identification = identification as u16;
                }
                if let Some((offset, more)) = fragment {
                    header.fragment_offset = fragment_offset(offset)?;
                    header.more_fragments = more;
                }
                header.header_checksum = header.calc_header_checksum();
                Some(HeaderBytes::from_slice(&header.to_bytes()))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let extension = if fragment.is_some() { FRAGMENT_HEADER } else { 0 };
                let next =
                    if fragment.is_some() { IpNumber::IPV6_FRAGMENTATION_HEADER } else { self.protocol };
                let header = Ipv6Header {
                    traffic_class: self.marks.dscp | ip_ecn(self.ecn).value(),
                    flow_label: ip_flow_label(self.marks.flow_label),
                    payload_length: u16::try_from(len + extension).ok()?,
                    next_header: next,
                    hop_limit: self.hop_limit(),
                    source: source.octets(),
                    destination: destination.octets(),
                };
                let mut bytes = HeaderBytes::from_slice(&header.to_bytes());
                if let Some((offset, more)) = fragment {
                    let offset = fragment_offset(offset)?;
                    let header = Ipv6FragmentHeader::new(self.protocol, offset, more, identification);
                    bytes.extend_from_slice(&header.to_bytes());
                }
                Some(bytes)
            }
            _ => None,
        }
    }

    fn hop_limit(&self) -> u8 {
        if self.marks.hop_limit == 0 { TTL } else { self.marks.hop_limit }
    }
}

/// The upper six bits.
pub(crate) fn ip_dscp(traffic_class: u8) -> IpDscp {
    IpDscp::try_new(traffic_class >> 2).unwrap_or_default()
}

pub(crate) fn ip_flow_label(label: u32) -> Ipv6FlowLabel {
    Ipv6FlowLabel::try_new(label).unwrap_or_default()
}

/// `offset` bytes, which are a multiple of 8.
fn fragment_offset(offset: usize) -> Option<IpFragOffset> {
    IpFragOffset::try_new(u16::try_from(offset / 8).ok()?).ok()
}

fn ip_ecn(ecn: Ecn) -> IpEcn {
    match ecn {
        Ecn::NotCapable => IpEcn::ZERO,
        Ecn::Ect1 => IpEcn::ONE,
        Ecn::Ect0 => IpEcn::TWO,
        Ecn::CongestionExperienced => IpEcn::THREE,
    }
}
