//! Commands of the control connection: one [`Request`], one [`Reply`], descriptors beside them.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::name::{Style, Token};

/// No value of an option is longer, in bytes: a shared key, which is the longest that one has, with its header.
pub const MAX_OPTION_LEN: usize = 8 + u16::MAX as usize;

/// No message that is sent by a command is longer, in bytes (EMSGSIZE beyond).
pub const MAX_PAYLOAD_LEN: usize = 1 << 20;

/// No request is longer, in bytes.
pub(crate) const MAX_REQUEST_LEN: usize = MAX_PAYLOAD_LEN + (1 << 16);

/// No reply is longer, in bytes: an option, or a message up to [`MAX_RECORD_LEN`](crate::MAX_RECORD_LEN) with what comes
/// beside it.
pub const MAX_REPLY_LEN: usize = 96 * 1024;

/// A message that does not say what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError;

/// An IP address and port, just as the program gave it, or is to get it: IPv4 in IPv6 is not IPv4.
pub type Address = SocketAddr;

/// A command about one socket (0 where there is none yet).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`SocketName::socket`](crate::SocketName::socket).
    pub socket: u64,
    /// What to do.
    pub command: Command,
}

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Make a socket; the reply carries its data descriptor.
    Socket {
        /// IPv6 (which takes IPv4 too), or IPv4 only.
        ipv6: bool,
        /// What kind.
        style: Style,
    },
    /// The board of this user; the reply carries its descriptor, to be mapped for reading.
    Board,
    /// Bind to an address.
    Bind(Address),
    /// Listen with this backlog.
    Listen(i32),
    /// Begin to connect: [`Reply::Begun`].
    Connect(Address),
    /// How a set-up went: [`Reply::Done`], the errno, or that it is not over.
    SetUp(Ticket),
    /// Hand over a waiting association: [`Reply::Accepted`].
    Accept {
        /// The token that was taken out of the pair for this.
        took: Option<Token>,
    },
    /// A token was taken out of the pair by mistake.
    GiveBackToken(Token),
    /// Send a message, or do what its control messages say.
    Send(Send),
    /// Receive what waits. Also how a client looks whether anything has come, where messages are bare.
    Receive(Receive),
    /// `shutdown()`, behind all that was written bare. The pair is not shut down by clients: an end that is shut down both ways
    /// cannot be told from one that is closed.
    Shutdown {
        /// `SHUT_RD` and its fellows.
        how: i32,
        /// Calls may be waiting for something to read, and are to be woken up when the association has ended.
        awaited: bool,
    },
    /// A descriptor was closed, and the close is to wait as SO_LINGER says. If it was the last one and the association has not ended:
    /// [`Reply::Number`], the seconds, and a descriptor that hangs up when it has. Else [`Reply::Done`], or an errno.
    Linger,
    /// How many bytes the next message has that can be read ([`Reply::Number`]; `FIONREAD`).
    Queued,
    /// The local address.
    LocalAddress,
    /// The peer's address, for `getpeername`.
    PeerAddress,
    /// Who bare messages came from: the peer there is, or was.
    Sender,
    /// The pending error, which is cleared.
    TakeError,
    /// Read an option (`getsockopt`).
    GetOption {
        /// Level and number.
        option: OptionName,
        /// The length of the program's buffer.
        room: u32,
        /// What is in the buffer, or the beginning of it.
        #[serde(with = "serde_bytes")]
        input: Vec<u8>,
    },
    /// Set an option (`setsockopt`).
    SetOption {
        /// Level and number.
        option: OptionName,
        /// Its value.
        #[serde(with = "serde_bytes")]
        value: Vec<u8>,
    },
    /// Bare records that were taken out of the pair because of [`Reply::GiveBack`], in their order.
    GiveBack(Vec<ByteBuf>),
    /// A file that Linux has below `/proc` where it has SCTP, by its name there: `sys/net/sctp/…` or `net/sctp/…`. The reply
    /// carries a descriptor to read its text by, from the beginning; ENOENT if there is none of this name.
    ProcFile(String),
}

/// A `sendmsg`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// `MSG_…`, as the program gave them.
    pub flags: i32,
    /// `msg_name`.
    pub to: Option<Address>,
    /// `msg_control`.
    #[serde(with = "serde_bytes")]
    pub control: Vec<u8>,
    /// At most [`MAX_PAYLOAD_LEN`] bytes.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

/// A `recvmsg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receive {
    /// `MSG_…`, as the program gave them.
    pub flags: i32,
    /// Length of the program's buffer.
    pub room: u32,
    /// Length of its buffer for control messages.
    pub control_room: u32,
    /// The token that was taken out of the pair for this.
    pub took: Option<Token>,
    /// It waited for something to read, and an empty record ended that: others may wait, too.
    pub woken: bool,
}

/// Which option, as C programs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionName {
    /// `SOL_SCTP`, `SOL_SOCKET`.
    pub level: i32,
    /// Number at this level.
    pub number: i32,
}

/// The answer to a command: an `errno` value, or what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; a descriptor may come with it.
    Done,
    /// Done, and this is the answer.
    Address(Address),
    /// Done, and this is the answer.
    Number(i32),
    /// Not done, with this `errno`. For [`Command::TakeError`]: the error, 0 for none.
    Errno(i32),
    /// The value of an option. A descriptor may come with it.
    Value(Value),
    /// A set-up has begun.
    Begun {
        /// What the call returns when it is over well.
        result: i32,
        /// Which, and how to see its end.
        set_up: SetUp,
    },
    /// An association; its data descriptor comes with it.
    Accepted {
        /// Whose it is, unless that is not known any more.
        peer: Option<Address>,
        /// Tokens that promise too much, as in [`Reply::Empty`].
        stale: Option<Token>,
    },
    /// Not done, for want of room (EAGAIN), or since the set-up is not over (EINPROGRESS). The descriptor polls writable when it
    /// is worth asking again.
    Later(Filler),
    /// What was received. With 0 bytes and no flags: the end.
    Received(Received),
    /// Nothing waits (EAGAIN).
    Empty {
        /// Tokens up to this one promise what is not there; they are to be taken out.
        stale: Option<Token>,
    },
    /// A bare record waits in the pair.
    InPair,
    /// Done: the program wants to know more of messages than their bytes from now on. The bare records that wait in the pair are
    /// to be taken out and given back ([`Command::GiveBack`]), and can be asked for then.
    GiveBack,
    /// Not done: the socket is another user's. Who holds its descriptor has a right to it all the same: send it with a record
    /// [`SHOWN`](crate::SHOWN), which is not answered, and give the command again.
    Show,
}

/// What `getsockopt` gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Goes to the program's buffer.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// The length to report.
    pub len: u32,
    /// A set-up has begun: without waiting for it the call fails with EINPROGRESS, but the bytes hold all the same.
    pub begun: Option<SetUp>,
    /// The socket that came with the reply.
    pub descriptor: Option<Peeled>,
}

/// A descriptor that an option makes (`sctp_peeloff`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peeled {
    /// Its number belongs into the value, as an `int` at this offset, and is what `getsockopt` returns.
    pub offset: u32,
    /// `SOCK_NONBLOCK`, `SOCK_CLOEXEC`.
    pub flags: i32,
    /// Tokens of the socket that it was peeled off, as in [`Reply::Empty`].
    pub stale: Option<Token>,
}

/// A set-up of an association that somebody waits for. The descriptor polls writable when it is over; [`Command::SetUp`] tells the
/// outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// Names it.
    pub ticket: Ticket,
    /// Else the descriptor would poll writable before.
    pub filler: Filler,
}

/// Names a set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// A filler of so many bytes is to be written into the descriptor, once, so that it polls writable no more; 0: one is there. It may come
/// late, after what was to be waited for: the service takes it out whenever it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filler(pub u32);

/// What `recvmsg` gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// `msg_flags`.
    pub flags: i32,
    /// `msg_name`.
    pub from: Option<Address>,
    /// `msg_control`; it fits.
    #[serde(with = "serde_bytes")]
    pub control: Vec<u8>,
    /// The message, or a piece of it.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// More than [`MAX_RECORD_LEN`](crate::MAX_RECORD_LEN) bytes are not here, but in a file whose descriptor comes with the
    /// reply: so many.
    pub in_file: u32,
    /// As [`Reply::Empty`] has it.
    pub stale: Option<Token>,
}

impl Request {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

impl Reply {
    /// What is to be written into the descriptor when this has come.
    pub fn filler(&self) -> Filler {
        match self {
            Self::Later(filler)
            | Self::Begun { set_up: SetUp { filler, .. }, .. }
            | Self::Value(Value { begun: Some(SetUp { filler, .. }), .. }) => *filler,
            _ => Filler::default(),
        }
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// If it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

/// Nothing here can fail: lengths are known, and the memory grows.
fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).unwrap_or_default()
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(DecodeError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTION: OptionName = OptionName { level: 132, number: -1 };

    #[test]
    fn every_command_and_reply_is_read_back() {
        let v4: Address = "127.0.0.1:7".parse().expect("an address");
        let mapped: Address = "[::ffff:127.0.0.1]:65535".parse().expect("an address");
        let commands = [
            Command::Socket { ipv6: true, style: Style::OneToMany },
            Command::Bind(v4),
            Command::Listen(-1),
            Command::Connect(mapped),
            Command::Send(Send { flags: 0x4000, to: Some(v4), control: vec![1; 40], payload: vec![2; 9] }),
            Command::Receive(Receive {
                flags: 2,
                room: u32::MAX,
                control_room: 256,
                took: Some(Token(9)),
                woken: true,
            }),
            Command::GetOption { option: OPTION, room: 400, input: vec![1, 2, 3] },
            Command::SetOption { option: OPTION, value: Vec::new() },
            Command::GiveBack(vec![ByteBuf::from([1, 2]), ByteBuf::new()]),
            Command::ProcFile("net/sctp/snmp".into()),
        ];
        for command in commands {
            let request = Request { socket: u64::MAX - 1, command };
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        let descriptor = Some(Peeled { offset: 4, flags: 0x800, stale: Some(Token(1)) });
        let begun = Some(SetUp { ticket: Ticket(3), filler: Filler(9) });
        let value = Value { bytes: vec![7; 9], len: 4_000_000_000, begun, descriptor };
        let received = Received {
            flags: 0x80,
            from: Some(mapped),
            control: vec![1],
            payload: vec![2],
            in_file: 0,
            stale: Some(Token(1)),
        };
        let replies =
            [Reply::Value(value), Reply::Received(received), Reply::Address(mapped), Reply::Errno(-1)];
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn the_longest_values_and_messages_fit() {
        let bytes = vec![0; MAX_OPTION_LEN];
        let got = Reply::Value(Value { bytes, len: 0, begun: None, descriptor: None });
        let payload = vec![0; crate::MAX_RECORD_LEN];
        let control = vec![0; 256];
        let received = Reply::Received(Received {
            flags: 0,
            from: None,
            control: control.clone(),
            payload,
            in_file: 0,
            stale: None,
        });
        assert!(got.encode().len() <= MAX_REPLY_LEN && received.encode().len() <= MAX_REPLY_LEN);
        let payload = vec![0; MAX_PAYLOAD_LEN];
        let send = Command::Send(Send { flags: 0, to: None, control, payload });
        assert!(Request { socket: u64::MAX, command: send }.encode().len() <= MAX_REQUEST_LEN);
    }

    #[test]
    fn cut_messages_and_those_with_more_behind_are_refused() {
        let command = Command::Connect("1.2.3.4:5".parse().expect("an address"));
        let mut whole = Request { socket: 1, command }.encode();
        for len in 0..whole.len() {
            assert_eq!(Request::decode(&whole[..len]), Err(DecodeError), "{len} bytes");
        }
        whole.push(0);
        assert_eq!(Request::decode(&whole), Err(DecodeError));
        assert_eq!(Reply::decode(&[99]), Err(DecodeError));
    }
}
