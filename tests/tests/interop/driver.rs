//! Raw IP with something of its own: it claims to find damage, or holds up cookies.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use sctp_core::net::PathAddress;
use sctp_user::driver::raw::{RawConfig, RawDriver};
use sctp_user::driver::{Driver, ErrorDetection, Inbox, LeaseError, Report, Sent, Transmit};

/// Raw IP, changed.
pub(crate) struct Odd {
    raw: RawDriver,
    /// It says that it finds damaged packets by itself, as DTLS would: so that we offer a peer that knows of no such
    /// thing to leave the checksum out.
    pub(crate) detects_errors: bool,
    pub(crate) late_cookies: Option<Late>,
    /// The COOKIE ECHO that was seen last, and when for the first time.
    cookie: Option<(Vec<u8>, Instant)>,
}

/// The first state cookies, of either direction, are lost until they are so old.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub(crate) cookies: usize,
    pub(crate) hold: Duration,
}

const COMMON_HEADER: usize = 12;
const COOKIE_ECHO: u8 = 10;

impl Odd {
    pub(crate) fn open(addresses: Vec<IpAddr>) -> Self {
        let config = RawConfig { addresses, ..RawConfig::default() };
        let raw = RawDriver::open(&config).unwrap_or_else(|error| panic!("{error}"));
        Self { raw, detects_errors: false, late_cookies: None, cookie: None }
    }

    /// Whether a packet, or the first one of a run, holds a cookie that is still too young.
    fn is_held(&mut self, packet: &[u8]) -> bool {
        let Some(late) = &mut self.late_cookies else { return false };
        let Some(chunks) = packet.get(COMMON_HEADER..) else { return false };
        let [COOKIE_ECHO, _, high, low, ..] = *chunks else { return false };
        let echo = chunks.get(..u16::from_be_bytes([high, low]).into()).unwrap_or(chunks);
        match &self.cookie {
            Some((seen, since)) if seen == echo => since.elapsed() < late.hold,
            _ if late.cookies == 0 => false,
            _ => {
                late.cookies -= 1;
                self.cookie = Some((echo.to_vec(), Instant::now()));
                true
            }
        }
    }
}

impl Driver for Odd {
    fn error_detection(&self) -> ErrorDetection {
        if self.detects_errors { ErrorDetection::Driver } else { ErrorDetection::Crc32c }
    }

    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        // Beside a COOKIE ECHO there is nothing yet that could not be sent again.
        if self.is_held(bytes) {
            return Sent { transmits: batch.len(), segments: 0 };
        }
        self.raw.send(batch, bytes, reports)
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        self.raw.receive(inbox)?;
        inbox.packets.retain(|packet| !self.is_held(&packet.datagram));
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.raw.descriptors()
    }

    fn max_segments(&self) -> usize {
        self.raw.max_segments()
    }

    fn mtu(&self, path: &PathAddress) -> usize {
        self.raw.mtu(path)
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        self.raw.overhead(remote)
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.raw.local_addresses()
    }

    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.raw.source_for(remote)
    }

    fn lease_port(&mut self, port: u16, addresses: &[IpAddr]) -> Result<(), LeaseError> {
        self.raw.lease_port(port, addresses)
    }

    fn release_port(&mut self, port: u16, addresses: &[IpAddr]) {
        self.raw.release_port(port, addresses);
    }

    fn lease_ephemeral_ports(&mut self) -> Result<RangeInclusive<u16>, LeaseError> {
        self.raw.lease_ephemeral_ports()
    }
}
