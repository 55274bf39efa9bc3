//! Who may use a socket because they hold its descriptor: a daemon that gives up its privileges goes on with what it has.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{UnixAddr, getpeername};
use nix::sys::stat::fstat;
use sctp_descriptors::SocketName;

use crate::service::Service;

/// Users that are remembered of a socket; the oldest may have to show its descriptor again.
const MOST: usize = 8;

/// What tells an open socket or pipe of the kernel from all others: device and inode. Both ends of a pipe have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// Of the file that is open there.
    ///
    /// # Errors
    /// The system's answer.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        let found = fstat(fd)?;
        Ok(Self(found.st_dev, found.st_ino))
    }
}

/// Users who hold a descriptor of a socket that is not theirs.
#[derive(Clone, Debug)]
pub(crate) struct Guests {
    /// Of the end that programs hold.
    identity: Identity,
    users: Vec<u32>,
}

impl Guests {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, users: Vec::new() }
    }

    pub(crate) fn has(&self, user: u32) -> bool {
        self.users.contains(&user)
    }

    fn welcome(&mut self, user: u32) {
        self.users.retain(|known| *known != user);
        self.users.drain(..self.users.len().saturating_sub(MOST - 1));
        self.users.push(user);
    }
}

impl Service {
    /// A client shows a descriptor. If it is the program's end of a pair of ours, its user may use that socket. The name alone
    /// would not do: anybody can bind one that looks the same in another network namespace.
    pub(crate) fn welcome(&mut self, user: u32, shown: &OwnedFd) -> bool {
        let Ok(peer) = getpeername::<UnixAddr>(shown.as_raw_fd()) else { return false };
        let name = peer.as_abstract().and_then(SocketName::from_bytes).filter(|name| name.service == self.id);
        let Some(socket) = name.and_then(|name| self.sockets.get_mut(&name.socket)) else { return false };
        let is_it = Identity::of(shown).is_ok_and(|identity| identity == socket.guests.identity);
        if is_it {
            socket.guests.welcome(user);
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_guests_are_remembered() {
        let mut guests = Guests::new(Identity(1, 2));
        (1..=9).for_each(|user| guests.welcome(user));
        guests.welcome(2);
        assert_eq!([1, 2, 9].map(|user| guests.has(user)), [false, true, true]);
        assert_eq!(guests.users.len(), MOST);
    }

    #[test]
    fn the_ends_of_a_pair_are_told_apart_and_copies_are_not() {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let copy = one.try_clone().unwrap();
        assert_eq!(Identity::of(&one).unwrap(), Identity::of(&copy).unwrap());
        assert_ne!(Identity::of(&one).unwrap(), Identity::of(&other).unwrap());
    }
}
