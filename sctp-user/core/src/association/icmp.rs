//! ICMP (RFC 9260, 10; RFC 6951, 5.5 for SCTP in UDP).

use super::mtu::headers_len;
use super::{Association, AssociationState, MIN_PACKET_SIZE};
use crate::endpoint::UnreachableKind;
use crate::event::LossReason;
use crate::path::PathId;
use crate::path::mtu::MtuState;
use crate::time::Time;
use crate::wire::chunk::ChunkType;
use core::net::IpAddr;

/// What an ICMP message quotes of our packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    verification_tag: u32,
    /// The initiate tag, if the packet held an INIT and so much of it is quoted.
    init: Option<u32>,
}

impl Quoted {
    /// Reads the quoted bytes, from the SCTP common header on; at least 8 of them are needed.
    pub(crate) fn read(quoted: &[u8]) -> Option<Self> {
        let (&[s0, s1, d0, d1, t0, t1, t2, t3], rest) = quoted.split_first_chunk()?;
        let init = rest.split_first_chunk().and_then(|(_checksum, chunk): (&[u8; 4], _)| initiate_tag(chunk));
        Some(Self {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            verification_tag: u32::from_be_bytes([t0, t1, t2, t3]),
            init,
        })
    }
}

fn initiate_tag(chunk: &[u8]) -> Option<u32> {
    let (&[chunk_type, _, _, _, t0, t1, t2, t3], _) = chunk.split_first_chunk()?;
    (chunk_type == ChunkType::INIT.0).then(|| u32::from_be_bytes([t0, t1, t2, t3]))
}

impl Association {
    /// An ICMP message came about our packet to `remote`.
    /// RFC 9260, 10, 12.4; RFC 8899, 4.6.1.
    pub(crate) fn handle_unreachable(
        &mut self,
        now: Time,
        remote: IpAddr,
        kind: UnreachableKind,
        quoted: &Quoted,
    ) {
        let Some(path) = self.paths.by_remote(remote) else { return };
        let (id, in_udp) = (path.id, path.address.remote_udp_port != 0);
        if !self.is_about_us(quoted) {
            return;
        }
        match kind {
            UnreachableKind::Protocol => self.handle_protocol_unreachable(remote, quoted),
            // RFC 6951, 5.5: it is the UDP port that is not there, so nobody speaks SCTP there.
            UnreachableKind::Port if in_udp => self.handle_protocol_unreachable(remote, quoted),
            // ICMP3.
            UnreachableKind::Port => {}
            // ICMP9: the second alternative.
            UnreachableKind::Destination => self.note_path_error(id),
            UnreachableKind::PacketTooBig { mtu } => self.shrink_packets(now, id, mtu),
        }
    }

    /// ICMP6. The initiate tag of our INIT is our own tag.
    /// RFC 9260, 10; RFC 8899, 3, 4.6.1, 6.2.1.4, 6.2.2.4 and 8.
    fn is_about_us(&self, quoted: &Quoted) -> bool {
        match quoted.verification_tag {
            0 => quoted.init == Some(self.tags.local),
            tag => tag == self.tags.peer,
        }
    }

    /// ICMP8: as if an ABORT had come, without authentication (RFC 4895, 6.3).
    /// RFC 9260, 10.
    fn handle_protocol_unreachable(&mut self, address: IpAddr, quoted: &Quoted) {
        if self.requires_auth(ChunkType::ABORT) {
            return;
        }
        let holds_init = quoted.verification_tag == 0;
        if !holds_init || self.state() == AssociationState::CookieWait {
            self.lose(LossReason::Unreachable { address });
        }
    }

    /// ICMP7: a smaller path MTU, never a larger one, and none below what each path carries. Where the MTU is searched
    /// for, the message only guides the search (RFC 8899, 4.6.2).
    /// RFC 9260, 7.3, 10.
    fn shrink_packets(&mut self, now: Time, id: PathId, mtu: u32) {
        let Some(path) = self.paths.get_mut(id) else { return };
        let headers = headers_len(&path.address);
        let size = usize::try_from(mtu).unwrap_or(usize::MAX).saturating_sub(headers) & !3;
        if path.mtu.state() == MtuState::Disabled {
            path.max_packet_size = path.max_packet_size.min(size.max(MIN_PACKET_SIZE));
        } else {
            self.guide_mtu_search(now, id, size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8899, 8.
    #[test]
    fn what_is_quoted_is_read_as_far_as_it_goes() {
        let packet = [0, 1, 0, 2, 0, 0, 0, 0, 9, 9, 9, 9, 1, 0, 0, 20, 0, 0, 0, 7];
        let init = Quoted { source_port: 1, destination_port: 2, verification_tag: 0, init: Some(7) };
        assert_eq!(Quoted::read(&packet), Some(init));
        assert_eq!(Quoted::read(&packet[..19]), Some(Quoted { init: None, ..init }));
        assert_eq!(Quoted::read(&packet[..8]), Some(Quoted { init: None, ..init }));
        assert_eq!(Quoted::read(&packet[..7]), None);
    }
}
