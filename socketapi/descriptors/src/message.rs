//! Commands of the control connection: one record each way, in the host's byte order, descriptors beside them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// No value of an option is longer, in bytes: a shared key, which is the longest that one has, with its header.
pub const MAX_OPTION_LEN: usize = 8 + u16::MAX as usize;

/// No request or reply is longer, in bytes.
pub const MAX_MESSAGE_LEN: usize = MAX_OPTION_LEN + 32;

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
    /// Read an option (`getsockopt`).
    GetOption {
        /// Level and number.
        option: OptionName,
        /// The length of the program's buffer.
        room: u32,
        /// What is in the buffer, or the beginning of it.
        input: Vec<u8>,
    },
    /// Set an option (`setsockopt`).
    SetOption {
        /// Level and number.
        option: OptionName,
        /// Its value.
        value: Vec<u8>,
    },
}

/// Which option, as C programs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName {
    /// `SOL_SCTP`, `SOL_SOCKET`.
    pub level: i32,
    /// Number at this level.
    pub number: i32,
}

/// The answer to a command: an `errno` value, or what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done; a descriptor may come with it.
    Done,
    /// Done, and this is the answer.
    Address(Address),
    /// Not done, with this `errno`. For [`Command::TakeError`]: the error, 0 for none.
    Errno(i32),
    /// The value of an option.
    Value(Value),
    /// A set-up has begun, as [`Command::Connect`] begins one. When it is over well, this is what the call returns.
    Begun(i32),
    /// Not done: the descriptor polls writable, and would not tell the outcome. A filler record of so many bytes is to be
    /// written into it, and the command to be given again.
    Fill(u32),
}

/// What `getsockopt` gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Goes to the program's buffer.
    pub bytes: Vec<u8>,
    /// The length to report.
    pub len: u32,
    /// A set-up has begun: without waiting for it the call fails with EINPROGRESS, but the bytes hold all the same.
    pub begun: bool,
}

impl Request {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.socket.to_ne_bytes().to_vec();
        match &self.command {
            Command::Socket { ipv6 } => out.extend([0, u8::from(*ipv6)]),
            Command::Bind(address) => put_address(&mut out, 1, address),
            Command::Listen(backlog) => put_number(&mut out, 2, backlog.to_ne_bytes()),
            Command::Connect(address) => put_address(&mut out, 3, address),
            Command::Accept => out.push(4),
            Command::LocalAddress => out.push(5),
            Command::PeerAddress => out.push(6),
            Command::TakeError => out.push(7),
            Command::GetOption { option, room, input } => {
                put_option(&mut out, 8, *option);
                out.extend(room.to_ne_bytes());
                out.extend(input);
            }
            Command::SetOption { option, value } => {
                put_option(&mut out, 9, *option);
                out.extend(value);
            }
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
            2 => Command::Listen(u32::from_ne_bytes(number(body)?)),
            3 => Command::Connect(take_address(body)?),
            4 => Command::Accept,
            5 => Command::LocalAddress,
            6 => Command::PeerAddress,
            7 => Command::TakeError,
            8 => {
                let (option, body) = take_option(body)?;
                let (room, input) = body.split_first_chunk().ok_or(DecodeError)?;
                Command::GetOption { option, room: u32::from_ne_bytes(*room), input: input.to_vec() }
            }
            9 => {
                let (option, value) = take_option(body)?;
                Command::SetOption { option, value: value.to_vec() }
            }
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
            Self::Errno(errno) => put_number(&mut out, 2, errno.to_ne_bytes()),
            Self::Value(value) => {
                put_number(&mut out, 3, value.len.to_ne_bytes());
                out.push(u8::from(value.begun));
                out.extend(&value.bytes);
            }
            Self::Begun(result) => put_number(&mut out, 4, result.to_ne_bytes()),
            Self::Fill(len) => put_number(&mut out, 5, len.to_ne_bytes()),
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
            (2, body) => Ok(Self::Errno(i32::from_ne_bytes(number(body)?))),
            (3, body) => {
                let (len, body) = body.split_first_chunk().ok_or(DecodeError)?;
                let (begun, bytes) = body.split_first().ok_or(DecodeError)?;
                let len = u32::from_ne_bytes(*len);
                Ok(Self::Value(Value { bytes: bytes.to_vec(), len, begun: *begun != 0 }))
            }
            (4, body) => Ok(Self::Begun(i32::from_ne_bytes(number(body)?))),
            (5, body) => Ok(Self::Fill(u32::from_ne_bytes(number(body)?))),
            _ => Err(DecodeError),
        }
    }
}

fn put_number(out: &mut Vec<u8>, kind: u8, number: [u8; 4]) {
    out.push(kind);
    out.extend(number);
}

/// A number that is all there is.
fn number(body: &[u8]) -> Result<[u8; 4], DecodeError> {
    body.try_into().map_err(|_| DecodeError)
}

fn put_option(out: &mut Vec<u8>, kind: u8, option: OptionName) {
    put_number(out, kind, option.level.to_ne_bytes());
    out.extend(option.number.to_ne_bytes());
}

fn take_option(body: &[u8]) -> Result<(OptionName, &[u8]), DecodeError> {
    let (level, body) = body.split_first_chunk().ok_or(DecodeError)?;
    let (number, body) = body.split_first_chunk().ok_or(DecodeError)?;
    let option = OptionName { level: i32::from_ne_bytes(*level), number: i32::from_ne_bytes(*number) };
    Ok((option, body))
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
        let option = OptionName { level: 132, number: -1 };
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
            Command::GetOption { option, room: 400, input: vec![1, 2, 3] },
            Command::SetOption { option, value: Vec::new() },
        ];
        for command in commands {
            let request = Request { socket: u64::MAX - 1, command };
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        let value = Value { bytes: vec![7; 9], len: 4_000_000_000, begun: true };
        let values = [Reply::Value(value), Reply::Begun(3), Reply::Fill(53_248)];
        for reply in [Reply::Done, Reply::Address(v6), Reply::Errno(-1)].into_iter().chain(values) {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn the_longest_value_of_an_option_fits_into_a_message() {
        let option = OptionName { level: 132, number: 23 };
        let bytes = vec![0; MAX_OPTION_LEN];
        let set = Request { socket: 1, command: Command::SetOption { option, value: bytes.clone() } };
        let got = Reply::Value(Value { bytes, len: 0, begun: false });
        assert!(set.encode().len() <= MAX_MESSAGE_LEN && got.encode().len() <= MAX_MESSAGE_LEN);
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
