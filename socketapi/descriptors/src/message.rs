//! Commands of the control connection: one record each way, in the host's byte order, descriptors beside them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// No request or reply is longer, in bytes.
pub const MAX_MESSAGE_LEN: usize = 512;

/// A command that does not say what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError;

/// An IP address and port, as commands carry them.
pub type Address = SocketAddr;

/// A command about one socket (0 where there is none yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// [`SocketName::socket`](crate::SocketName::socket).
    pub socket: u64,
    /// What to do.
    pub command: Command,
}

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a one-to-one socket; the reply carries its data descriptor.
    Socket {
        /// IPv6 (which takes IPv4 too), or IPv4 only.
        ipv6: bool,
    },
    /// Bind to an address.
    Bind(Address),
    /// Listen with this backlog.
    Listen(u32),
    /// Begin to connect. The descriptor polls writable when the outcome is known; [`Command::TakeError`] tells it.
    Connect(Address),
    /// Hand over a waiting association; the reply carries its data descriptor.
    Accept,
    /// The local address.
    LocalAddress,
    /// The peer's address.
    PeerAddress,
    /// The pending error, which is cleared.
    TakeError,
}

/// The answer to a command: an `errno` value, or an address where one was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done; a descriptor may come with it.
    Done,
    /// Done, and this is the answer.
    Address(Address),
    /// Not done, with this `errno`. For [`Command::TakeError`]: the error, 0 for none.
    Errno(i32),
}

impl Request {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.socket.to_ne_bytes().to_vec();
        match &self.command {
            Command::Socket { ipv6 } => out.extend([0, u8::from(*ipv6)]),
            Command::Bind(address) => put_address(&mut out, 1, address),
            Command::Listen(backlog) => {
                out.push(2);
                out.extend(backlog.to_ne_bytes());
            }
            Command::Connect(address) => put_address(&mut out, 3, address),
            Command::Accept => out.push(4),
            Command::LocalAddress => out.push(5),
            Command::PeerAddress => out.push(6),
            Command::TakeError => out.push(7),
        }
        out
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (socket, rest) = bytes.split_first_chunk().ok_or(DecodeError)?;
        let (kind, body) = rest.split_first().ok_or(DecodeError)?;
        let command = match kind {
            0 => Command::Socket { ipv6: body == [1] },
            1 => Command::Bind(take_address(body)?),
            2 => Command::Listen(u32::from_ne_bytes(body.try_into().map_err(|_| DecodeError)?)),
            3 => Command::Connect(take_address(body)?),
            4 => Command::Accept,
            5 => Command::LocalAddress,
            6 => Command::PeerAddress,
            7 => Command::TakeError,
            _ => return Err(DecodeError),
        };
        Ok(Self { socket: u64::from_ne_bytes(*socket), command })
    }
}

impl Reply {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Done => out.push(0),
            Self::Address(address) => put_address(&mut out, 1, address),
            Self::Errno(errno) => {
                out.push(2);
                out.extend(errno.to_ne_bytes());
            }
        }
        out
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// If it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first().ok_or(DecodeError)? {
            (0, _) => Ok(Self::Done),
            (1, body) => Ok(Self::Address(take_address(body)?)),
            (2, body) => Ok(Self::Errno(i32::from_ne_bytes(body.try_into().map_err(|_| DecodeError)?))),
            _ => Err(DecodeError),
        }
    }
}

fn put_address(out: &mut Vec<u8>, kind: u8, address: &Address) {
    out.push(kind);
    out.extend(address.port().to_ne_bytes());
    match address.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
}

fn take_address(body: &[u8]) -> Result<Address, DecodeError> {
    let (port, ip) = body.split_first_chunk().ok_or(DecodeError)?;
    let ip = match ip.len() {
        4 => <[u8; 4]>::try_from(ip).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        _ => <[u8; 16]>::try_from(ip).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
    };
    Ok(Address::new(ip.map_err(|_| DecodeError)?, u16::from_ne_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_reply_is_read_back() {
        let v4: Address = "127.0.0.1:7".parse().expect("an address");
        let v6: Address = "[::1]:65535".parse().expect("an address");
        let commands = [
            Command::Socket { ipv6: true },
            Command::Socket { ipv6: false },
            Command::Bind(v4),
            Command::Listen(128),
            Command::Connect(v6),
            Command::Accept,
            Command::LocalAddress,
            Command::PeerAddress,
            Command::TakeError,
        ];
        for command in commands {
            let request = Request { socket: u64::MAX - 1, command };
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        for reply in [Reply::Done, Reply::Address(v6), Reply::Errno(-1)] {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn cut_messages_are_refused() {
        let whole =
            Request { socket: 1, command: Command::Connect("1.2.3.4:5".parse().expect("an address")) }
                .encode();
        for len in 0..whole.len() {
            assert_eq!(Request::decode(&whole[..len]), Err(DecodeError), "{len} bytes");
        }
        assert_eq!(Reply::decode(&[9]), Err(DecodeError));
    }
}
