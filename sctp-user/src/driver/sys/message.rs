//! `sendmmsg` and `recvmmsg` for raw sockets: many packets in one call.
//!
//! nix has both, but its headers are tied to one thread, share one set of control messages per batch,
//! and keep the lengths that the kernel shortened when they are used again.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd},
};

use sctp_core::net::{Ecn, IpMarks};
use smallvec::SmallVec;

use super::{control::Control, name::Name};

/// Packets in one call.
pub(crate) const BATCH: usize = 64;

/// A packet to send.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: IpAddr,
    /// Of UDP; 0 on raw sockets.
    pub(crate) port: u16,
    pub(crate) ecn: Ecn,
    pub(crate) marks: IpMarks,
    /// The kernel is to cut `bytes` into UDP datagrams of this size.
    pub(crate) segment_size: Option<u16>,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// A packet of which nothing more is said.
    pub(crate) fn to(destination: IpAddr, port: u16, bytes: &'a [u8]) -> Self {
        let (ecn, marks) = (Ecn::NotCapable, IpMarks::NONE);
        Self { source: None, destination, port, ecn, marks, segment_size: None, bytes }
    }
}

/// What came with a received packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) len: usize,
    pub(crate) source: Option<IpAddr>,
    control: Control,
    control_len: usize,
}

impl Incoming {
    pub(crate) const NONE: Self = Self { len: 0, source: None, control: Control::EMPTY, control_len: 0 };

    /// Destination address and ECN field (IPv6 only: IPv4 raw sockets deliver the header itself).
    pub(crate) fn destination(&self) -> (Option<IpAddr>, Ecn) {
        self.control.decode(self.control_len)
    }
}

/// Sends up to [`BATCH`] packets; returns how many the kernel took, at least one.
pub(crate) fn send(socket: &impl AsFd, packets: &[Outgoing<'_>]) -> io::Result<usize> {
    let count = packets.len().min(BATCH);
    let mut controls: SmallVec<[Control; BATCH]> = packets[..count].iter().map(|_| Control::EMPTY).collect();
    let mut names = [Name::EMPTY; BATCH];
    let mut slices = [IoSlice::new(&[]); BATCH];
    // SAFETY: all-zero is a valid mmsghdr: null pointers and zero lengths.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
    for (index, packet) in packets[..count].iter().enumerate() {
        slices[index] = IoSlice::new(packet.bytes);
        names[index] = Name::new(packet.destination, packet.port);
        let control_len = controls[index].encode(packet);
        let header = &mut headers[index].msg_hdr;
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_namelen = names[index].len() as _;
        header.msg_iov = (&raw mut slices[index]).cast();
        header.msg_iovlen = 1;
        if control_len > 0 {
            header.msg_control = controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = control_len as _;
        }
    }
    // SAFETY: each of the `count` headers points to an address, a slice (IoSlice has the layout of
    // iovec) and control data that live in `names`, `slices` and `controls` until the call returns.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives up to [`BATCH`] packets, one into each pair of buffers (the second takes what the first
/// has no room for). Returns how many came.
pub(crate) fn receive(
    socket: &impl AsFd,
    buffers: &mut [[IoSliceMut<'_>; 2]],
    incoming: &mut [Incoming],
) -> io::Result<usize> {
    let count = buffers.len().min(incoming.len()).min(BATCH);
    // SAFETY: all-zero is a valid mmsghdr: null pointers and zero lengths.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
    let mut names = [Name::EMPTY; BATCH];
    for index in 0..count {
        let header = &mut headers[index].msg_hdr;
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_namelen = Name::SPACE as _;
        header.msg_iov = buffers[index].as_mut_ptr().cast();
        header.msg_iovlen = 2;
        header.msg_control = incoming[index].control.0.as_mut_ptr().cast();
        header.msg_controllen = incoming[index].control.0.len() as _;
    }
    // SAFETY: each of the `count` headers points to an address, two slices (IoSliceMut has the layout
    // of iovec) and control data that live in `names`, `buffers` and `incoming` until the call returns.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for ((header, name), incoming) in headers.iter().zip(names).zip(&mut incoming[..received]) {
        incoming.source = name.address();
        incoming.len = header.msg_len as usize;
        incoming.control_len = header.msg_hdr.msg_controllen;
    }
    Ok(received)
}
