//! Ports that nobody chose, from a driver that leases them in small blocks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;

use sctp_core::net::PathAddress;
use sctp_user::driver::{Driver, Inbox, LeaseError, Report, Sent, Transmit};
use socketapi::{Error, SctpStream, SocketBuilder, Stack};

/// A network without anybody; the host's other stacks leave these blocks.
struct Alone(Vec<RangeInclusive<u16>>);

impl Driver for Alone {
    fn send(&mut self, batch: &[Transmit], _bytes: &[u8], _reports: &mut Vec<Report>) -> Sent {
        Sent { transmits: batch.len(), segments: 0 }
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
        1_500
    }
    fn overhead(&self, _remote: IpAddr) -> usize {
        20
    }
    fn local_addresses(&self) -> Vec<IpAddr> {
        vec![[10, 0, 0, 1].into()]
    }
    fn lease_ephemeral_ports(&mut self) -> Result<RangeInclusive<u16>, LeaseError> {
        self.0.pop().ok_or(LeaseError::Exhausted)
    }
}

#[test]
fn ports_of_all_leased_blocks_are_used_again() {
    let driver = Alone(vec![40_000..=40_003, 50_000..=50_003]);
    let stack = Stack::builder().driver(driver).build().unwrap();
    let open = || SocketBuilder::new(&stack).bind("0.0.0.0:0").one_to_many_client();
    for _ in 0..5 {
        let sockets: Vec<_> = (0..8).map(|_| open().unwrap()).collect();
        assert!(matches!(open(), Err(Error::Lease(_))), "all 8 ports are in use");
        drop(sockets);
    }
}

#[test]
fn a_link_local_peer_is_refused_at_once() {
    let stack = Stack::builder().driver(Alone(vec![40_000..=40_003])).build().unwrap();
    let peers: [SocketAddr; 2] = ["10.0.0.2:5000".parse().unwrap(), "[fe80::1%7]:5000".parse().unwrap()];
    let error = SctpStream::connect(&stack, &peers[..]).unwrap_err();
    assert!(matches!(error, Error::LinkLocal(_)), "{error}");
}
