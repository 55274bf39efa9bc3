//! Packets that wait to leave.

use super::{Driver, Report, Transmit};

/// How far a [`Driver::send`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Transmits that are gone with all of their packets.
    pub transmits: usize,
    /// Packets of the transmit after them that are gone too.
    pub segments: usize,
}

/// Packets that wait to leave, in a buffer that is used again.
///
/// The core fills `transmits` and `bytes`; [`Outbox::flush`] empties it, as far as the driver takes it.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Runs of packets.
    pub transmits: Vec<Transmit>,
    /// Their bytes, one run behind the other.
    pub bytes: Vec<u8>,
}

impl Outbox {
    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty()
    }

    /// Sends what the driver takes and keeps the rest. True when nothing is left; else poll the
    /// driver's descriptors for room and flush again before adding more.
    pub fn flush(&mut self, driver: &mut dyn Driver, reports: &mut Vec<Report>) -> bool {
        if self.transmits.is_empty() {
            return true;
        }
        let sent = driver.send(&self.transmits, &self.bytes, reports);
        self.drop_sent(sent);
        self.transmits.is_empty()
    }

    /// Takes out what has left.
    pub(crate) fn drop_sent(&mut self, sent: Sent) {
        if sent.transmits >= self.transmits.len() {
            self.transmits.clear();
            self.bytes.clear();
            return;
        }
        let mut gone: usize = self.transmits.iter().take(sent.transmits).map(|transmit| transmit.len).sum();
        self.transmits.drain(..sent.transmits);
        if let Some(first) = self.transmits.first_mut() {
            let part = (sent.segments * first.segment_size).min(first.len);
            first.len -= part;
            gone += part;
        }
        self.bytes.drain(..gone);
    }
}

/// The runs of a batch with their bytes.
pub(crate) fn runs<'a>(
    batch: &'a [Transmit],
    bytes: &'a [u8],
) -> impl Iterator<Item = (&'a Transmit, &'a [u8])> {
    let mut rest = bytes;
    batch.iter().map(move |transmit| {
        let (run, after) = rest.split_at(transmit.len.min(rest.len()));
        rest = after;
        (transmit, run)
    })
}

#[cfg(test)]
mod tests {
    use std::{io, net::IpAddr, os::fd::BorrowedFd};

    use sctp_core::net::{Ecn, IpMarks, PathAddress};

    use super::*;
    use crate::driver::Inbox;

    /// Takes a fixed number of packets in each call.
    struct Narrow {
        room: usize,
        gone: Vec<Vec<u8>>,
    }

    impl Driver for Narrow {
        fn send(&mut self, batch: &[Transmit], bytes: &[u8], _reports: &mut Vec<Report>) -> Sent {
            let (mut sent, mut room) = (Sent::default(), self.room);
            for (transmit, run) in runs(batch, bytes) {
                for packet in run.chunks(transmit.segment_size) {
                    if room == 0 {
                        return sent;
                    }
                    room -= 1;
                    sent.segments += 1;
                    self.gone.push(packet.to_vec());
                }
                sent = Sent { transmits: sent.transmits + 1, segments: 0 };
            }
            sent
        }
        fn receive(&mut self, _inbox: &mut Inbox) -> io::Result<()> {
            Ok(())
        }
        fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
            Vec::new()
        }
        fn max_segments(&self) -> usize {
            1
        }
        fn mtu(&self, _path: &PathAddress) -> usize {
            1500
        }
        fn overhead(&self, _remote: IpAddr) -> usize {
            20
        }
        fn local_addresses(&self) -> Vec<IpAddr> {
            Vec::new()
        }
    }

    #[test]
    fn a_full_driver_gets_each_packet_once_and_in_order() {
        let path = PathAddress::to([127, 0, 0, 1].into());
        let run = |segment_size, len| Transmit {
            path,
            ecn: Ecn::NotCapable,
            marks: IpMarks::NONE,
            fragment_to: None,
            segment_size,
            len,
        };
        let mut outbox =
            Outbox { transmits: vec![run(4, 10), run(8, 8), run(2, 5)], bytes: (0..23).collect() };
        let mut driver = Narrow { room: 2, gone: Vec::new() };
        let mut calls = 1;
        while !outbox.flush(&mut driver, &mut Vec::new()) {
            calls += 1;
        }
        assert_eq!(calls, 4, "seven packets, two at a time");
        let lengths: Vec<usize> = driver.gone.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 4, 2, 8, 2, 2, 1]);
        assert_eq!(driver.gone.concat(), (0..23).collect::<Vec<u8>>());
        assert!(outbox.is_empty());
    }
}
