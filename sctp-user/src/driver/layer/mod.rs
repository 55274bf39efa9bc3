//! What can be put around any driver: damage to packets, and a record of them.

use std::{
    io,
    net::IpAddr,
    ops::RangeInclusive,
    os::fd::{AsFd, BorrowedFd},
    time::{SystemTime, UNIX_EPOCH},
};

use sctp_core::net::PathAddress;

use super::{Driver, ErrorDetection, Inbox, LeaseError, Outbox, Report, Sent, Transmit, outbox::runs};

mod delay;
pub mod fault;
pub mod pcap;

use delay::DelayLine;
use fault::Fault;
use pcap::Capture;

/// A driver with layers. Each layer that is off costs one branch for each batch.
///
/// Faults happen in the network, so to speak: the capture shows what was put on the wire and what came
/// from it, without the packets that the faults took on the way out.
pub struct LayeredDriver {
    driver: Box<dyn Driver>,
    fault: Option<Fault>,
    /// Where the fault delays packets.
    delay: Option<DelayLine>,
    capture: Option<Capture>,
    /// Packets that have passed the faults and that the driver had no room for yet.
    passed: Outbox,
}

impl LayeredDriver {
    /// The driver as it is.
    pub fn new(driver: Box<dyn Driver>) -> Self {
        Self { driver, fault: None, delay: None, capture: None, passed: Outbox::default() }
    }

    /// Damages packets of both directions, or no longer. To be called before the descriptors are asked for: delays have
    /// one of their own.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn set_fault(&mut self, fault: Option<Fault>) -> io::Result<()> {
        let delays = fault.as_ref().is_some_and(Fault::delays);
        self.delay = delays.then(DelayLine::new).transpose()?;
        self.fault = fault;
        Ok(())
    }

    /// Records packets of both directions, or no longer.
    pub fn set_capture(&mut self, capture: Option<Capture>) {
        self.capture = capture;
    }

    /// Sends through the capture alone.
    fn send_recorded(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        let sent = self.driver.send(batch, bytes, reports);
        if let Some(capture) = &mut self.capture {
            capture.record_sent(since_epoch(), batch, bytes, sent);
        }
        sent
    }

    /// Sends them on their long way.
    fn delay_passed(&mut self, fresh: &Outbox) {
        let (Some(fault), Some(line)) = (&mut self.fault, &mut self.delay) else { return };
        for (transmit, run) in runs(&fresh.transmits, &fresh.bytes) {
            for packet in run.chunks(transmit.segment_size.max(1)) {
                let alone = Transmit { segment_size: packet.len(), len: packet.len(), ..*transmit };
                line.send(fault.next_delay(), alone, packet);
            }
        }
        line.arrive(&mut self.passed, None);
    }

    /// Lets what has come, from `before` on, arrive later, and what came earlier now.
    fn delay_received(&mut self, inbox: &mut Inbox, before: usize) {
        let (Some(fault), Some(line)) = (&mut self.fault, &mut self.delay) else { return };
        for packet in inbox.packets.drain(before..) {
            line.receive(fault.next_delay(), packet);
        }
        line.arrive(&mut self.passed, Some(inbox));
    }

    /// Whether nothing waits behind the faults any more.
    fn flush_passed(&mut self, reports: &mut Vec<Report>) -> bool {
        if self.passed.is_empty() {
            return true;
        }
        let mut passed = std::mem::take(&mut self.passed);
        let sent = self.send_recorded(&passed.transmits, &passed.bytes, reports);
        passed.drop_sent(sent);
        self.passed = passed;
        self.passed.is_empty()
    }
}

impl Driver for LayeredDriver {
    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        if self.fault.is_none() && self.passed.is_empty() {
            return self.send_recorded(batch, bytes, reports);
        }
        if !self.flush_passed(reports) {
            return Sent::default();
        }
        match &mut self.fault {
            Some(fault) if self.delay.is_some() => {
                let mut fresh = Outbox::default();
                fault.pass(batch, bytes, &mut fresh);
                self.delay_passed(&fresh);
            }
            Some(fault) => fault.pass(batch, bytes, &mut self.passed),
            None => return self.send_recorded(batch, bytes, reports),
        }
        // What the driver has no room for leaves with the next call of either kind.
        self.flush_passed(reports);
        Sent { transmits: batch.len(), segments: 0 }
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        let mut reports = std::mem::take(&mut inbox.reports);
        self.flush_passed(&mut reports);
        inbox.reports = reports;
        let before = inbox.packets.len();
        self.driver.receive(inbox)?;
        if let Some(capture) = &mut self.capture {
            capture.record_received(since_epoch(), &inbox.packets[before..]);
        }
        if let Some(fault) = &mut self.fault {
            fault.lose(&mut inbox.packets, before);
        }
        if self.delay.is_some() {
            self.delay_received(inbox, before);
            // They have waited long enough.
            let mut reports = std::mem::take(&mut inbox.reports);
            self.flush_passed(&mut reports);
            inbox.reports = reports;
        }
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut descriptors = self.driver.descriptors();
        descriptors.extend(self.delay.as_ref().map(AsFd::as_fd));
        descriptors
    }

    fn max_segments(&self) -> usize {
        self.driver.max_segments()
    }

    fn mtu(&self, path: &PathAddress) -> usize {
        self.driver.mtu(path)
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        self.driver.overhead(remote)
    }

    fn error_detection(&self) -> ErrorDetection {
        self.driver.error_detection()
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.driver.local_addresses()
    }

    fn is_ours(&self, address: IpAddr) -> bool {
        self.driver.is_ours(address)
    }

    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.driver.source_for(remote)
    }

    fn has_route(&self, ours: &[IpAddr], remote: IpAddr) -> bool {
        self.driver.has_route(ours, remote)
    }

    fn lease_port(&mut self, port: u16, addresses: &[IpAddr]) -> Result<(), LeaseError> {
        self.driver.lease_port(port, addresses)
    }

    fn release_port(&mut self, port: u16, addresses: &[IpAddr]) {
        self.driver.release_port(port, addresses);
    }

    fn lease_ephemeral_ports(&mut self) -> Result<RangeInclusive<u16>, LeaseError> {
        self.driver.lease_ephemeral_ports()
    }

    fn flush_records(&mut self) {
        if let Some(capture) = &mut self.capture {
            capture.flush();
        }
        self.driver.flush_records();
    }
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
