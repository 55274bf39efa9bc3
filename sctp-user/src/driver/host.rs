//! Tells when the addresses of this host change: by rtnetlink, whose messages are taken only as a sign to look.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use super::route;

/// Messages read at once; what is cut off is of no interest.
const ROOM: usize = 8_192;

/// Watches the addresses of the network namespace of the thread that made it.
#[derive(Debug)]
pub(super) struct AddressWatch {
    socket: OwnedFd,
    known: Vec<IpAddr>,
    /// There was a sign, and the addresses could not be listed since.
    stale: bool,
}

impl AddressWatch {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        // Addresses come and go, and so do the links that bear them.
        let groups = libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR | libc::RTMGRP_LINK;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups as u32))?;
        Ok(Self { socket, known: route::local_addresses()?, stale: false })
    }

    /// The addresses as they are known.
    pub(super) fn known(&self) -> &[IpAddr] {
        &self.known
    }

    /// The addresses, if they have changed since this was last asked.
    pub(super) fn poll(&mut self) -> Option<Vec<IpAddr>> {
        self.stale |= self.has_news();
        if !self.stale {
            return None;
        }
        // Without a descriptor left to list them with, the next call tries again.
        let now = route::local_addresses().ok()?;
        self.stale = false;
        let changed = now != self.known;
        self.known.clone_from(&now);
        changed.then_some(now)
    }

    /// Takes all signs off the socket.
    fn has_news(&self) -> bool {
        let mut buffer = [0; ROOM];
        let mut any = false;
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).map_err(io::Error::from) {
                Ok(_) => any = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return any,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // ENOBUFS: more came than the socket holds. So there is something to look at.
                Err(_) => return true,
            }
        }
    }
}

impl AsFd for AddressWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
