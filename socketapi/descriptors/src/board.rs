//! What a client can know of a socket without asking.
//!
//! Each user of a service has a *board*, a file in memory that only the service writes ([`Command::Board`] brings it) and
//! clients map. Each socket has a slot in it. It is a hint: what it says may be outdated, but a bare write that it allowed is
//! then refused by the kernel, since the pair is closed, and a read that waits is woken.
//!
//! [`Command::Board`]: crate::Command::Board

/// What the board says of a socket; all zeros where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// [`SocketName::socket`](crate::SocketName::socket): the slot may have become another one's.
    pub socket: u64,
    /// Messages up to this length may be written bare; 0: none may.
    pub max_bare_len: u32,
    /// Messages with information may be headed, on streams below this, if with their heads they are no longer than that.
    pub streams: u16,
    /// A read may wait in the kernel at once. Else it asks first: it may be due to fail.
    pub may_wait: bool,
    /// The last `close` of it may have to wait (SO_LINGER): who closes asks behind that ([`Command::Linger`](crate::Command::Linger)).
    pub lingers: bool,
    /// An error is pending (SO_ERROR): `poll` says POLLERR.
    pub has_error: bool,
}

impl Slot {
    /// Length on the board, in bytes; a slot's number times this is its offset.
    pub const LEN: usize = 16;

    /// As bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let flags = [self.may_wait, self.lingers, self.has_error];
        let flags = flags.into_iter().rev().fold(0_u16, |bits, flag| bits << 1 | u16::from(flag));
        let (socket, max_bare_len) = (self.socket.to_ne_bytes(), self.max_bare_len.to_ne_bytes());
        let parts = [&socket[..], &max_bare_len, &self.streams.to_ne_bytes(), &flags.to_ne_bytes()];
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads it; `None` if it says nothing of `socket`.
    pub fn from_bytes(bytes: [u8; Self::LEN], socket: u64) -> Option<Self> {
        let (owner, rest) = bytes.split_first_chunk()?;
        let (max_bare_len, rest) = rest.split_first_chunk()?;
        let (streams, rest) = rest.split_first_chunk()?;
        let (flags, _) = rest.split_first_chunk()?;
        let flag = |at: u32| u16::from_ne_bytes(*flags) >> at & 1 == 1;
        let slot = Self {
            socket: u64::from_ne_bytes(*owner),
            max_bare_len: u32::from_ne_bytes(*max_bare_len),
            streams: u16::from_ne_bytes(*streams),
            may_wait: flag(0),
            lingers: flag(1),
            has_error: flag(2),
        };
        (slot.socket == socket).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_back_by_its_own_socket_only() {
        let none = Slot { socket: 7, max_bare_len: 65_536, ..Slot::default() };
        for slot in [
            none,
            Slot { streams: u16::MAX - 1, ..none },
            Slot { may_wait: true, ..none },
            Slot { lingers: true, ..none },
            Slot { has_error: true, ..none },
        ] {
            assert_eq!(Slot::from_bytes(slot.to_bytes(), 7), Some(slot));
            assert_eq!(Slot::from_bytes(slot.to_bytes(), 8), None);
        }
        assert_eq!(Slot::from_bytes([0; Slot::LEN], 8), None);
    }
}
