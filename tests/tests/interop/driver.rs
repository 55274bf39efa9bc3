//! Raw IP that claims to be more.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;

use sctp_core::net::PathAddress;
use sctp_user::driver::raw::{RawConfig, RawDriver};
use sctp_user::driver::{Driver, ErrorDetection, Inbox, LeaseError, Report, Sent, Transmit};

/// Raw IP that says that it finds damaged packets by itself, as DTLS would: so that we offer a peer that knows of no such
/// thing to leave the checksum out.
pub(crate) struct DetectsErrors(RawDriver);

impl DetectsErrors {
    pub(crate) fn open(addresses: Vec<IpAddr>) -> Self {
        let config = RawConfig { addresses, ..RawConfig::default() };
        Self(RawDriver::open(&config).unwrap_or_else(|error| panic!("{error}")))
    }
}

impl Driver for DetectsErrors {
    fn error_detection(&self) -> ErrorDetection {
        ErrorDetection::Driver
    }

    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        self.0.send(batch, bytes, reports)
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        self.0.receive(inbox)
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.descriptors()
    }

    fn max_segments(&self) -> usize {
        self.0.max_segments()
    }

    fn mtu(&self, path: &PathAddress) -> usize {
        self.0.mtu(path)
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        self.0.overhead(remote)
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.0.local_addresses()
    }

    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.0.source_for(remote)
    }

    fn lease_port(&mut self, port: u16, addresses: &[IpAddr]) -> Result<(), LeaseError> {
        self.0.lease_port(port, addresses)
    }

    fn release_port(&mut self, port: u16, addresses: &[IpAddr]) {
        self.0.release_port(port, addresses);
    }

    fn lease_ephemeral_ports(&mut self) -> Result<RangeInclusive<u16>, LeaseError> {
        self.0.lease_ephemeral_ports()
    }
}
