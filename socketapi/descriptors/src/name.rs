//! The name of the service's end of a data pair.

use serde::{Deserialize, Serialize};

/// Which service a descriptor belongs to, and which of its sockets it is.
///
/// Written as an abstract UNIX name `sctp-user/SERVICE/SOCKET/SLOT/STYLE`, the numbers hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketName {
    /// Picked by the service at random when it starts.
    pub service: u64,
    /// Picked by the service, not used twice.
    pub socket: u64,
    /// Place on the board of the socket's user ([`Slot`](crate::Slot)); used again after the socket's end.
    pub slot: u32,
    /// What kind of socket it is.
    pub style: Style,
}

/// The two styles of RFC 6458, as the numbers that `socket()` has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Style {
    /// SOCK_STREAM; also what was peeled off.
    OneToOne,
    /// SOCK_SEQPACKET.
    OneToMany,
}

/// Sixteen bytes that no bare record of a socket begins with.
pub type Marker = [u8; 16];

/// A record that tells a client that something waits which must be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token(pub u32);

impl Token {
    /// Length of the record, in bytes.
    pub const LEN: usize = size_of::<Marker>() + size_of::<u32>();

    /// The record, for a socket with this marker.
    pub fn to_bytes(self, marker: &Marker) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let parts = marker.iter().copied().chain(self.0.to_ne_bytes());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads a record; `None` if it is not a token of the socket with this marker.
    pub fn from_bytes(record: &[u8], marker: &Marker) -> Option<Self> {
        let number = record.strip_prefix(marker)?;
        Some(Self(u32::from_ne_bytes(number.try_into().ok()?)))
    }

    /// Whether it is this one or an earlier one. Numbers wrap around.
    pub fn is_up_to(self, last: Self) -> bool {
        last.0.wrapping_sub(self.0) < 1 << 31
    }
}

const PREFIX: &[u8] = b"sctp-user/";
/// Digits of service, socket and slot.
const DIGITS: [usize; 3] = [16, 16, 8];
const LEN: usize = PREFIX.len() + 16 + 1 + 16 + 1 + 8 + 1 + 1;

impl SocketName {
    /// The name's bytes, without the leading zero of abstract names.
    pub fn to_bytes(self) -> Vec<u8> {
        let style = match self.style {
            Style::OneToOne => '1',
            Style::OneToMany => 'm',
        };
        let Self { service, socket, slot, .. } = self;
        format!("sctp-user/{service:016x}/{socket:016x}/{slot:08x}/{style}").into_bytes()
    }

    /// Reads a name as `getpeername` gives it, without the leading zero; `None` if it is somebody else's.
    /// Allocates nothing: the preload shim calls it wherever the program calls.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(PREFIX).filter(|_| bytes.len() == LEN)?;
        let mut numbers = [0; 3];
        for (number, digits) in numbers.iter_mut().zip(DIGITS) {
            *number = hex(rest.get(..digits)?)?;
            rest = rest.get(digits..)?.strip_prefix(b"/")?;
        }
        let style = match rest {
            b"1" => Style::OneToOne,
            b"m" => Style::OneToMany,
            _ => return None,
        };
        let [service, socket, slot] = numbers;
        Some(Self { service, socket, slot: u32::try_from(slot).ok()?, style })
    }

    /// What tokens and fillers of this socket begin with.
    pub fn marker(self) -> Marker {
        let mut marker = Marker::default();
        let (service, socket) = marker.split_at_mut(8);
        service.copy_from_slice(&self.service.to_ne_bytes());
        socket.copy_from_slice(&self.socket.to_ne_bytes());
        marker
    }
}

/// The abstract name that a service listens at beside the one that its clients are told, without the leading zero: who holds a
/// descriptor of another service finds that by it.
pub fn service_name(service: u64) -> String {
    format!("sctp-user/{service:016x}")
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = (*digit as char).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_strange_ones_are_refused() {
        for style in [Style::OneToOne, Style::OneToMany] {
            let name = SocketName { service: 0xfeed_0000_0000_0001, socket: 42, slot: 0x00c0_ffee, style };
            assert_eq!(SocketName::from_bytes(&name.to_bytes()), Some(name));
            let mut strange = name.to_bytes();
            strange.pop();
            assert_eq!(SocketName::from_bytes(&strange), None);
            strange.push(b'x');
            assert_eq!(SocketName::from_bytes(&strange), None);
        }
        for strange in [&b""[..], b"sctp-user/", b"/tmp/x", &[b'z'; LEN]] {
            assert_eq!(SocketName::from_bytes(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn tokens_are_read_by_their_own_socket_and_told_from_later_ones() {
        let (marker, other) = ([7; 16], [8; 16]);
        let record = Token(u32::MAX).to_bytes(&marker);
        assert_eq!(Token::from_bytes(&record, &marker), Some(Token(u32::MAX)));
        assert_eq!((Token::from_bytes(&record, &other), Token::from_bytes(&marker, &marker)), (None, None));
        assert!(Token(u32::MAX).is_up_to(Token(u32::MAX)) && Token(u32::MAX).is_up_to(Token(0)));
        assert!(!Token(1).is_up_to(Token(0)));
    }

    #[test]
    fn markers_tell_sockets_of_all_services_apart() {
        let name = SocketName { service: 1, socket: 2, slot: 3, style: Style::OneToOne };
        assert_ne!(name.marker(), SocketName { service: 2, socket: 1, ..name }.marker());
        assert_eq!(name.marker(), SocketName { slot: 9, ..name }.marker());
    }
}
