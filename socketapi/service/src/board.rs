//! What each user's programs can know of their sockets without asking: see `sctp_descriptors::Slot`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use parking_lot::Mutex;
use sctp_descriptors::Slot;

/// The board of one user: a file in memory. The descriptor that we hand out is for reading; processes that may open it anew for
/// writing, below `/proc`, are of the service's user, and fool only themselves: it is their own user's board, and we never read it.
#[derive(Debug)]
pub(crate) struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    slots: u32,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// Slots that were given back.
    free: Vec<u32>,
    used: u32,
}

/// The place of a socket on a board; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    number: u32,
    /// What is written there.
    shown: Slot,
}

impl Board {
    /// With so many slots.
    pub(crate) fn new(slots: usize) -> io::Result<Self> {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(c"sctp-board", flags)?);
        file.set_len(u64::from(slots) * Slot::LEN as u64)?;
        // Who maps it must not find it shortened; who opens it for writing must not keep memory there that outlives him.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self { shared: Arc::new(Shared { file, slots, places: Mutex::default() }) })
    }

    /// A place for a socket; `None` if there are no more.
    pub(crate) fn take(&self) -> Option<Seat> {
        let mut places = self.shared.places.lock();
        let number = places.free.pop().or_else(|| {
            let fresh = (places.used < self.shared.slots).then_some(places.used)?;
            places.used += 1;
            Some(fresh)
        })?;
        Some(Seat { shared: Arc::clone(&self.shared), number, shown: Slot::default() })
    }

    /// A descriptor to read it by.
    pub(crate) fn for_reading(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.shared.file.as_raw_fd());
        Ok(OpenOptions::new().read(true).open(path)?.into())
    }
}

impl Seat {
    /// The number of the slot.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// What it shows.
    pub(crate) fn shown(&self) -> Slot {
        self.shown
    }

    pub(crate) fn show(&mut self, value: Slot) {
        if std::mem::replace(&mut self.shown, value) != value {
            let offset = u64::from(self.number) * Slot::LEN as u64;
            // A hint that stays as it was costs a program at most a command, or an EPIPE that comes later.
            let _ = self.shared.file.write_all_at(&value.to_bytes(), offset);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.show(Slot::default());
        self.shared.places.lock().free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_given_out_once_and_read_by_clients() {
        let board = Board::new(2).unwrap();
        let (first, second) = (board.take().unwrap(), board.take());
        let mut second = second.unwrap();
        assert_eq!((first.number(), second.number(), board.take().is_some()), (0, 1, false));
        let slot = Slot { socket: 9, max_bare_len: 1, may_wait: true, ..Slot::default() };
        second.show(slot);
        assert_eq!(second.shown(), slot);
        let reader = File::from(board.for_reading().unwrap());
        let mut bytes = [0; Slot::LEN];
        reader.read_exact_at(&mut bytes, Slot::LEN as u64).unwrap();
        assert_eq!(Slot::from_bytes(bytes, 9), Some(slot));
        assert!(reader.write_all_at(&bytes, 0).is_err());
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let writer = OpenOptions::new().write(true).open(path).unwrap();
        assert!(writer.set_len(1 << 30).is_err() && writer.write_all_at(&bytes, 1 << 20).is_err());
        drop(second);
        reader.read_exact_at(&mut bytes, Slot::LEN as u64).unwrap();
        assert_eq!((Slot::from_bytes(bytes, 9), board.take().map(|seat| seat.number())), (None, Some(1)));
    }
}
