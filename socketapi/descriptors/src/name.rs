//! The name of the service's end of a data pair.

/// Which service a descriptor belongs to, and which of its sockets it is.
///
/// Written as an abstract UNIX name `sctp-user/SERVICE/SOCKET`, both hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketName {
    /// Picked by the service at random when it starts.
    pub service: u64,
    /// Picked by the service, not used twice.
    pub socket: u64,
}

const PREFIX: &[u8] = b"sctp-user/";
const LEN: usize = PREFIX.len() + 16 + 1 + 16;

impl SocketName {
    /// The name's bytes, without the leading zero of abstract names.
    pub fn to_bytes(self) -> Vec<u8> {
        format!("sctp-user/{:016x}/{:016x}", self.service, self.socket).into_bytes()
    }

    /// Reads a name as `getpeername` gives it, without the leading zero; `None` if it is somebody else's.
    /// Allocates nothing: the preload shim calls it wherever the program calls.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != LEN || bytes.get(PREFIX.len() + 16) != Some(&b'/') {
            return None;
        }
        let numbers = bytes.strip_prefix(PREFIX)?;
        Some(Self { service: hex(numbers.get(..16)?)?, socket: hex(numbers.get(17..)?)? })
    }
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
        let name = SocketName { service: 0xfeed_0000_0000_0001, socket: 42 };
        assert_eq!(SocketName::from_bytes(&name.to_bytes()), Some(name));
        for strange in [&b""[..], b"sctp-user/", b"/tmp/x", b"sctp-user/zzzzzzzzzzzzzzzz/000000000000002a"] {
            assert_eq!(SocketName::from_bytes(strange), None, "{strange:?}");
        }
    }
}
