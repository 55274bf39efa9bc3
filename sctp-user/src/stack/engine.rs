//! The core and its driver, joined: input in batches, output in batches. No threads, no sleeping.

use std::io;
use std::net::IpAddr;

use sctp_core::endpoint::{Endpoint, UnreachableKind};
use sctp_core::net::PathAddress;
use sctp_core::time::Time;

use crate::driver::{Driver, Inbox, Outbox, Problem, Report};

/// Bytes that are handed to the driver at once, at least; one run of packets may come on top.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that one call sends at most, so that the lock is not held for long.
const BATCHES: usize = 8;

/// No IPv4 packet is larger, whatever the interface carries.
const LARGEST_IP_PACKET: usize = 65_535;

/// The core and its driver.
pub(super) struct Engine {
    pub(super) endpoint: Endpoint,
    pub(super) driver: Box<dyn Driver>,
    inbox: Inbox,
    outbox: Outbox,
    reports: Vec<Report>,
    max_segments: usize,
    /// The driver was full: poll for room.
    blocked: bool,
    /// The bound on batches ended the last call.
    unfinished: bool,
}

impl Engine {
    pub(super) fn new(endpoint: Endpoint, driver: Box<dyn Driver>) -> Self {
        Self {
            endpoint,
            max_segments: driver.max_segments(),
            driver,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            reports: Vec::new(),
            blocked: false,
            unfinished: false,
        }
    }

    /// Whether the driver has to be polled for room.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether [`transmit`](Self::transmit) could go on at once.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Reads one batch and acts on due deadlines. True if anything was done.
    pub(super) fn receive(&mut self, now: Time) -> io::Result<bool> {
        self.driver.receive(&mut self.inbox)?;
        let arrived = !self.inbox.is_empty();
        let had_packets = !self.inbox.packets.is_empty();
        for packet in self.inbox.packets.drain(..) {
            self.endpoint.handle_packet(now, packet.path, packet.ecn, packet.datagram);
        }
        for report in self.inbox.reports.drain(..) {
            handle_report(&mut self.endpoint, now, &report);
        }
        if had_packets {
            self.endpoint.handle_batch_end(now);
        }
        if let Some(addresses) = self.inbox.addresses.take() {
            tracing::info!(?addresses, "the addresses of this host have changed");
            self.endpoint.set_local_addresses(now, addresses);
        }
        Ok(self.handle_due(now) || arrived)
    }

    fn handle_due(&mut self, now: Time) -> bool {
        let due = self.endpoint.poll_timeout().is_some_and(|deadline| deadline <= now);
        if due {
            self.endpoint.handle_timeout(now);
        }
        due
    }

    /// Sends what the core has to send, as far as the driver takes it.
    pub(super) fn transmit(&mut self, now: Time) {
        self.unfinished = false;
        for _ in 0..BATCHES {
            self.blocked = !self.outbox.flush(self.driver.as_mut(), &mut self.reports);
            for report in self.reports.drain(..) {
                handle_report(&mut self.endpoint, now, &report);
            }
            if self.blocked || !self.fill(now) {
                return;
            }
        }
        self.unfinished = true;
    }

    fn fill(&mut self, now: Time) -> bool {
        while self.outbox.bytes.len() < BATCH_BYTES
            && let Some(transmit) =
                self.endpoint.poll_transmit(now, &mut self.outbox.bytes, self.max_segments)
        {
            self.outbox.transmits.push(transmit);
        }
        !self.outbox.is_empty()
    }

    /// The path to `remote`: from where the driver would send, if that is one of `ours`.
    pub(super) fn path_to(&self, remote: IpAddr, remote_udp_port: u16, ours: &[IpAddr]) -> PathAddress {
        let source = self.driver.source_for(remote);
        PathAddress { local: source.filter(|source| ours.contains(source)), remote, remote_udp_port }
    }

    /// The path MTU to start with of a path, in bytes of IP packet.
    pub(super) fn mtu(&self, path: &PathAddress) -> usize {
        self.driver.mtu(path).min(LARGEST_IP_PACKET)
    }
}

fn handle_report(endpoint: &mut Endpoint, now: Time, report: &Report) {
    let kind = match report.problem {
        Problem::ProtocolUnreachable => UnreachableKind::Protocol,
        Problem::PortUnreachable => UnreachableKind::Port,
        Problem::PacketTooBig { mtu } => {
            UnreachableKind::PacketTooBig { mtu: u32::try_from(mtu).unwrap_or(u32::MAX) }
        }
        Problem::NetUnreachable | Problem::HostUnreachable | Problem::Prohibited => {
            UnreachableKind::Destination
        }
        // Neither says anything about the peer: the retransmission timers deal with the loss.
        Problem::Other { .. } | Problem::SendFailed { .. } => {
            tracing::debug!(?report, "a packet was not sent or not delivered");
            return;
        }
    };
    endpoint.handle_unreachable(now, report.path, kind, &report.quoted);
}
