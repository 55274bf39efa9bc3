//! What each user's programs can know of their sockets without asking: see `sctp_descriptors::Slot`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use sctp_descriptors::Slot;

/// The board of one user: a file in memory. The descriptor that we hand out is for reading; processes that may open it anew for
/// writing, below `/proc`, are of the service's user, and fool only themselves: it is their own user's board, and we never read it.
#[derive(Debug)]
pub(crate) struct Board {
    file: File,
    /// Slots that were given back.
    free: Vec<u32>,
    used: u32,
    slots: u32,
}

impl Board {
    /// With so many slots.
    pub(crate) fn new(slots: usize) -> io::Result<Self> {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(c"sctp-board", flags)?);
        file.set_len(u64::from(slots) * Slot::LEN as u64)?;
        // Who maps it must not find it shortened.
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL))?;
        Ok(Self { file, free: Vec::new(), used: 0, slots })
    }

    /// A slot for a socket; `None` if there are no more.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let fresh = (self.used < self.slots).then_some(self.used)?;
            self.used += 1;
            Some(fresh)
        })
    }

    /// The socket is gone.
    pub(crate) fn give_back(&mut self, slot: u32) {
        self.write(slot, Slot::default());
        self.free.push(slot);
    }

    pub(crate) fn write(&self, slot: u32, value: Slot) {
        // A hint that stays as it was costs a program at most a command, or an EPIPE that comes later.
        let _ = self.file.write_all_at(&value.to_bytes(), u64::from(slot) * Slot::LEN as u64);
    }

    /// A descriptor to read it by.
    pub(crate) fn for_reading(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(OpenOptions::new().read(true).open(path)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_given_out_once_and_read_by_clients() {
        let mut board = Board::new(2).unwrap();
        assert_eq!([board.take(), board.take(), board.take()], [Some(0), Some(1), None]);
        let slot = Slot { socket: 9, max_bare_len: 1, may_wait: true };
        board.write(1, slot);
        let reader = File::from(board.for_reading().unwrap());
        let mut bytes = [0; Slot::LEN];
        reader.read_exact_at(&mut bytes, Slot::LEN as u64).unwrap();
        assert_eq!(Slot::from_bytes(bytes, 9), Some(slot));
        assert!(reader.write_all_at(&bytes, 0).is_err());
        board.give_back(1);
        reader.read_exact_at(&mut bytes, Slot::LEN as u64).unwrap();
        assert_eq!((Slot::from_bytes(bytes, 9), board.take()), (None, Some(1)));
    }
}
