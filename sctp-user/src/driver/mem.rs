//! Two drivers joined in memory: for tests and for measuring the protocol without a kernel.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;
use sctp_core::net::PathAddress;

use super::{Driver, ErrorDetection, Inbox, Problem, Received, Report, Sent, Transmit, outbox::runs};

/// Packets that one direction holds; more are lost, as in any network.
const CAPACITY: usize = 16384;
/// Packets in one read.
const BATCH: usize = 256;

/// One end of a link in memory.
#[derive(Debug)]
pub struct MemDriver {
    addresses: Vec<IpAddr>,
    peer_addresses: Vec<IpAddr>,
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
    mtu: usize,
}

#[derive(Debug)]
struct Direction {
    queue: Mutex<VecDeque<Received>>,
    /// Readable while the queue holds packets.
    bell: EventFd,
    lost: AtomicU64,
}

impl Direction {
    fn new() -> io::Result<Self> {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { queue: Mutex::default(), bell, lost: AtomicU64::new(0) })
    }
}

impl MemDriver {
    /// Two drivers with these addresses that reach each other on every pair of one family. `mtu` is in
    /// bytes of IP packet, although there is no IP header.
    ///
    /// # Errors
    /// The system's, when it has no more descriptors.
    pub fn pair(
        ours: impl Into<Vec<IpAddr>>,
        theirs: impl Into<Vec<IpAddr>>,
        mtu: usize,
    ) -> io::Result<(Self, Self)> {
        let (ours, theirs) = (ours.into(), theirs.into());
        let (there, back) = (Arc::new(Direction::new()?), Arc::new(Direction::new()?));
        let end = |addresses: &Vec<IpAddr>, peers: &Vec<IpAddr>, incoming: &Arc<_>, outgoing: &Arc<_>| Self {
            addresses: addresses.clone(),
            peer_addresses: peers.clone(),
            incoming: Arc::clone(incoming),
            outgoing: Arc::clone(outgoing),
            mtu,
        };
        Ok((end(&ours, &theirs, &back, &there), end(&theirs, &ours, &there, &back)))
    }

    /// Packets that we sent and that the other end had no room for.
    pub fn lost(&self) -> u64 {
        self.outgoing.lost.load(Ordering::Relaxed)
    }

    /// The path as the other end sees it.
    fn mirror(&self, path: &PathAddress) -> Option<PathAddress> {
        let same_family = |address: &&IpAddr| address.is_ipv4() == path.remote.is_ipv4();
        let source = path.local.or_else(|| self.addresses.iter().find(same_family).copied())?;
        self.peer_addresses.contains(&path.remote).then_some(PathAddress {
            local: Some(path.remote),
            remote: source,
            remote_udp_port: path.remote_udp_port,
        })
    }
}

impl Driver for MemDriver {
    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        let mut queue = self.outgoing.queue.lock();
        let was_empty = queue.is_empty();
        for (transmit, run) in runs(batch, bytes) {
            let run = Bytes::copy_from_slice(run);
            let Some(path) = self.mirror(&transmit.path) else {
                reports.push(Report { path: transmit.path, problem: Problem::HostUnreachable, quoted: run });
                continue;
            };
            let segment = transmit.segment_size.max(1);
            for at in (0..run.len()).step_by(segment) {
                if queue.len() >= CAPACITY {
                    self.outgoing.lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let datagram = run.slice(at..run.len().min(at + segment));
                if transmit.fragment_to.is_none() && datagram.len() + self.overhead(path.remote) > self.mtu {
                    let problem = Problem::PacketTooBig { mtu: self.mtu };
                    reports.push(Report { path: transmit.path, problem, quoted: datagram });
                    continue;
                }
                queue.push_back(Received { path, ecn: transmit.ecn, datagram });
            }
        }
        if was_empty && !queue.is_empty() {
            // The counter cannot overflow: it is raised only when the queue was empty.
            let _ = self.outgoing.bell.write(1);
        }
        Sent { transmits: batch.len(), segments: 0 }
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        let mut queue = self.incoming.queue.lock();
        let count = queue.len().min(BATCH);
        inbox.packets.extend(queue.drain(..count));
        if count > 0 && queue.is_empty() {
            let _ = self.incoming.bell.read();
        }
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.incoming.bell.as_fd()]
    }

    fn max_segments(&self) -> usize {
        64
    }

    fn mtu(&self, _path: &PathAddress) -> usize {
        self.mtu
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        super::route::ip_header(remote)
    }

    fn error_detection(&self) -> ErrorDetection {
        ErrorDetection::Driver
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use sctp_core::net::{Ecn, IpMarks};

    use super::*;

    fn readable(driver: &MemDriver) -> bool {
        let descriptors = driver.descriptors();
        let mut polled = [PollFd::new(descriptors[0].as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn a_run_arrives_as_its_packets_with_the_path_mirrored() {
        let (ours, theirs) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (mut a, mut b) = MemDriver::pair([ours], [theirs], 1500).unwrap();
        let transmit = Transmit {
            path: PathAddress::to(theirs),
            ecn: Ecn::Ect0,
            marks: IpMarks::NONE,
            fragment_to: None,
            segment_size: 4,
            len: 10,
        };
        assert!(!readable(&b));
        a.send(&[transmit], b"abcdefghij", &mut Vec::new());
        assert!(readable(&b));
        let mut inbox = Inbox::default();
        b.receive(&mut inbox).unwrap();
        let packets: Vec<&[u8]> = inbox.packets.iter().map(|packet| &packet.datagram[..]).collect();
        assert_eq!(packets, [&b"abcd"[..], b"efgh", b"ij"]);
        assert_eq!(
            inbox.packets[0].path,
            PathAddress { local: Some(theirs), remote: ours, remote_udp_port: 0 }
        );
        assert_eq!(inbox.packets[0].ecn, Ecn::Ect0);
        assert!(!readable(&b));
    }

    #[test]
    fn an_unknown_address_is_reported() {
        let (mut a, _b) = MemDriver::pair([[10, 0, 0, 1].into()], [[10, 0, 0, 2].into()], 1500).unwrap();
        let path = PathAddress::to([10, 0, 0, 3].into());
        let mut reports = Vec::new();
        let transmit = Transmit {
            path,
            ecn: Ecn::NotCapable,
            marks: IpMarks::NONE,
            fragment_to: None,
            segment_size: 2,
            len: 2,
        };
        let sent = a.send(&[transmit], b"xy", &mut reports);
        assert_eq!(sent.transmits, 1);
        assert_eq!((reports[0].path, reports[0].problem), (path, Problem::HostUnreachable));
    }
}
