//! System calls on a socket, read from registers and from the memory of who calls.

use core::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sctp_descriptors::{MAX_OPTION_LEN, MAX_PAYLOAD_LEN, OptionName, Ticket};

use crate::address;
use crate::target::Target;

/// As the kernel has it (`UIO_MAXIOV`).
const MAX_PARTS: u64 = 1_024;
/// Control messages of one `sendmsg` may take so many bytes; ENOBUFS beyond.
const MAX_CONTROL_LEN: u64 = 64 * 1024;
/// Of options that are read at most so much is looked at: no structure is longer.
const MAX_INPUT_LEN: usize = 512;
/// `SCTP_SOCKOPT_CONNECTX3`: its structure has the length of a list of addresses at 4, and where the list is at 8.
const CONNECTX3: OptionName = OptionName { level: libc::IPPROTO_SCTP, number: 111 };
const CONNECTX3_LEN: usize = 16;

/// `struct msghdr`, of 64-bit machines: its length, and where its fields are.
mod header {
    pub(super) const LEN: usize = 56;
    pub(super) const NAME_LEN: u64 = 8;
    pub(super) const PARTS: usize = 16;
    pub(super) const PART_COUNT: usize = 24;
    pub(super) const CONTROL: usize = 32;
    pub(super) const CONTROL_LEN: usize = 40;
    pub(super) const FLAGS: u64 = 48;
    /// Behind it, in `struct mmsghdr`: how much was sent or received.
    pub(super) const COUNT: u64 = 56;
    /// Length of that.
    pub(super) const STEP: u64 = 64;
}

/// A system call: its number, and its arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// `SYS_…`.
    pub(crate) number: i64,
    /// Registers.
    pub(crate) arguments: [u64; 6],
}

/// What is to be done with a socket.
#[derive(Debug)]
pub(crate) enum Operation {
    Bind(SocketAddr),
    Listen(i32),
    Connect(SocketAddr),
    Accept {
        from: Option<NameRoom>,
        flags: i32,
    },
    LocalAddress(NameRoom),
    PeerAddress(NameRoom),
    GetOption {
        option: OptionName,
        input: Vec<u8>,
        at: u64,
        room: u32,
        len_at: u64,
    },
    SetOption {
        option: OptionName,
        value: Vec<u8>,
    },
    Shutdown(i32),
    Queued {
        at: u64,
    },
    /// What pairs have and sockets of SCTP have not.
    NoTerminal,
    Copy {
        lowest: u32,
        close_on_exec: bool,
    },
    Send(Batch<Outgoing>),
    Receive(Batch<Incoming>),
    /// A set-up has begun; this is what the call returns when it is over well, or in any case if something was sent with it.
    AwaitSetUp {
        result: i64,
        sent: bool,
        ticket: Ticket,
    },
}

/// Where an address belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameRoom {
    at: u64,
    room: usize,
    len_at: u64,
}

/// A piece of memory.
#[derive(Clone, Copy, Debug)]
struct Part {
    at: u64,
    len: usize,
}

/// Messages of one call.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    all: Vec<T>,
    done: usize,
    result: i64,
    /// When `recvmmsg` begins no other one.
    deadline: Option<Instant>,
}

/// What is to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    parts: Vec<Part>,
    pub(crate) to: Option<SocketAddr>,
    pub(crate) control: Vec<u8>,
    pub(crate) flags: i32,
    /// Of `sendmmsg`: the call returns the number of messages, and here belongs the length.
    count_at: Option<u64>,
}

/// Where received bytes belong.
#[derive(Debug)]
pub(crate) struct Incoming {
    parts: Vec<Part>,
    pub(crate) name: Option<NameRoom>,
    pub(crate) flags: i32,
    /// The header of `recvmsg`.
    header: Option<Header>,
    count_at: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    at: u64,
    control_at: u64,
    control_room: u64,
}

/// What was received.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) payload: Vec<u8>,
    pub(crate) from: Option<SocketAddr>,
    pub(crate) control: Vec<u8>,
    pub(crate) flags: i32,
}

impl Call {
    /// An argument that is an `int`.
    pub(crate) fn int(self, at: usize) -> i32 {
        self.long(at) as i32
    }

    /// An argument that is a pointer, or a size.
    pub(crate) fn long(self, at: usize) -> u64 {
        self.arguments.get(at).copied().unwrap_or(0)
    }

    /// What it asks for; `None`: the kernel does that with the pair.
    pub(crate) fn operation(self, target: &Target) -> nix::Result<Option<Operation>> {
        let operation = match self.number {
            libc::SYS_bind => Operation::Bind(read_address(target, self.long(1), self.int(2))?),
            libc::SYS_connect => Operation::Connect(read_address(target, self.long(1), self.int(2))?),
            libc::SYS_listen => Operation::Listen(self.int(1)),
            libc::SYS_accept | libc::SYS_accept4 => self.accept(target)?,
            libc::SYS_getsockname => Operation::LocalAddress(self.name_room(target, 1)?),
            libc::SYS_getpeername => Operation::PeerAddress(self.name_room(target, 1)?),
            libc::SYS_getsockopt => self.get_option(target)?,
            libc::SYS_setsockopt => self.set_option(target)?,
            libc::SYS_shutdown => Operation::Shutdown(self.int(1)),
            libc::SYS_ioctl => self.queued(),
            libc::SYS_dup => Operation::Copy { lowest: 0, close_on_exec: false },
            libc::SYS_fcntl => {
                let close_on_exec = self.int(1) == libc::F_DUPFD_CLOEXEC;
                Operation::Copy { lowest: self.long(2) as u32, close_on_exec }
            }
            _ => return self.transfer(target),
        };
        Ok(Some(operation))
    }

    fn accept(self, target: &Target) -> nix::Result<Operation> {
        let from = if self.long(1) == 0 { None } else { Some(self.name_room(target, 1)?) };
        let flags = if self.number == libc::SYS_accept { 0 } else { self.int(3) };
        let known = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        if flags & !known == 0 { Ok(Operation::Accept { from, flags }) } else { Err(Errno::EINVAL) }
    }

    fn name_room(self, target: &Target, first: usize) -> nix::Result<NameRoom> {
        let (at, len_at) = (self.long(first), self.long(first + 1));
        let room = usize::try_from(read_int(target, len_at)?).map_err(|_| Errno::EINVAL)?;
        Ok(NameRoom { at, room, len_at })
    }

    fn option(self) -> OptionName {
        OptionName { level: self.int(1), number: self.int(2) }
    }

    fn get_option(self, target: &Target) -> nix::Result<Operation> {
        let (option, at, len_at) = (self.option(), self.long(3), self.long(4));
        let room = u32::try_from(read_int(target, len_at)?).map_err(|_| Errno::EINVAL)?;
        // What cannot be read is missed by options that need it.
        let mut input = target.read(at, MAX_INPUT_LEN.min(room as usize)).unwrap_or_default();
        if option == CONNECTX3 && input.len() >= CONNECTX3_LEN {
            input.truncate(CONNECTX3_LEN);
            // A length that is none is the service's to refuse.
            if let Ok(len) = usize::try_from(int_at(&input, 4)) {
                input.extend(read_value(target, long_at(&input, 8), len)?);
            }
        }
        Ok(Operation::GetOption { option, input, at, room, len_at })
    }

    fn set_option(self, target: &Target) -> nix::Result<Operation> {
        let len = usize::try_from(self.int(4)).map_err(|_| Errno::EINVAL)?;
        let value = read_value(target, self.long(3), len)?;
        Ok(Operation::SetOption { option: self.option(), value })
    }

    fn queued(self) -> Operation {
        if self.long(1) as u32 == libc::FIONREAD as u32 {
            Operation::Queued { at: self.long(2) }
        } else {
            Operation::NoTerminal
        }
    }

    /// Calls that send or receive.
    fn transfer(self, target: &Target) -> nix::Result<Option<Operation>> {
        let send = |outgoing| Ok(Some(Operation::Send(Batch::new(vec![outgoing]))));
        let receive = |incoming| Ok(Some(Operation::Receive(Batch::new(vec![incoming]))));
        match self.number {
            libc::SYS_write => send(Outgoing::bare(self.one_part()?)),
            libc::SYS_read => receive(Incoming::bare(self.one_part()?)),
            // With a position they are nothing for sockets, and those of SCTP have none of the flags on Linux.
            libc::SYS_pwritev2 | libc::SYS_preadv2 if !self.is_here() => Ok(None),
            libc::SYS_pwritev2 | libc::SYS_preadv2 if self.int(5) != 0 => Err(Errno::EOPNOTSUPP),
            libc::SYS_writev | libc::SYS_pwritev2 => match self.parts(target)? {
                parts if is_empty(&parts) => Ok(None),
                parts => send(Outgoing::bare(parts)),
            },
            libc::SYS_readv | libc::SYS_preadv2 => match self.parts(target)? {
                parts if is_empty(&parts) => Ok(None),
                parts => receive(Incoming::bare(parts)),
            },
            libc::SYS_sendto => {
                let to = match self.long(4) {
                    0 => None,
                    at => Some(read_address(target, at, self.int(5))?),
                };
                send(Outgoing { to, flags: self.int(3), ..Outgoing::bare(self.one_part()?) })
            }
            libc::SYS_recvfrom => {
                let name = if self.long(4) == 0 { None } else { Some(self.name_room(target, 4)?) };
                receive(Incoming { name, flags: self.int(3), ..Incoming::bare(self.one_part()?) })
            }
            libc::SYS_sendmsg => send(Outgoing::read(target, self.long(1), self.int(2))?),
            libc::SYS_recvmsg => receive(Incoming::read(target, self.long(1), self.int(2))?),
            libc::SYS_sendmmsg => self.send_several(target).map(Some),
            libc::SYS_recvmmsg => self.receive_several(target).map(Some),
            _ => Ok(None),
        }
    }

    fn send_several(self, target: &Target) -> nix::Result<Operation> {
        let one = |at: u64| {
            let count_at = Some(at.wrapping_add(header::COUNT));
            Ok(Outgoing { count_at, ..Outgoing::read(target, at, self.int(3))? })
        };
        Ok(Operation::Send(Batch::new(self.headers().map(one).collect::<nix::Result<_>>()?)))
    }

    fn receive_several(self, target: &Target) -> nix::Result<Operation> {
        let flags = self.int(3) & !libc::MSG_WAITFORONE;
        let later = if flags == self.int(3) { 0 } else { libc::MSG_DONTWAIT };
        let one = |(position, at): (usize, u64)| {
            let flags = if position == 0 { flags } else { flags | later };
            let count_at = Some(at.wrapping_add(header::COUNT));
            Ok(Incoming { count_at, ..Incoming::read(target, at, flags)? })
        };
        let mut batch = Batch::new(self.headers().enumerate().map(one).collect::<nix::Result<_>>()?);
        if self.long(4) != 0 {
            let time = target.read(self.long(4), 16)?;
            let seconds = Duration::from_secs(long_at(&time, 0));
            let patience = seconds.saturating_add(Duration::from_nanos(long_at(&time, 8)));
            batch.deadline = Instant::now().checked_add(patience);
        }
        Ok(Operation::Receive(batch))
    }

    /// Where the headers of several messages are.
    fn headers(self) -> impl Iterator<Item = u64> {
        let count = u64::from(self.long(2) as u32).min(MAX_PARTS);
        (0..count).map(move |position| self.long(1).wrapping_add(position * header::STEP))
    }

    /// At the current position.
    fn is_here(self) -> bool {
        self.long(3) == u64::MAX
    }

    fn one_part(self) -> nix::Result<Vec<Part>> {
        Ok(vec![Part { at: self.long(1), len: size(self.long(2))? }])
    }

    fn parts(self, target: &Target) -> nix::Result<Vec<Part>> {
        read_parts(target, self.long(1), u64::from(self.long(2) as u32))
    }
}

/// The kernel, too, does nothing with vectors without bytes.
fn is_empty(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.len == 0)
}

impl Operation {
    /// What the call returns when it waits no longer, if something is done already: it must not be done again.
    pub(crate) fn so_far(&self) -> Option<i64> {
        match self {
            Self::AwaitSetUp { result, sent: true, .. } => Some(*result),
            Self::Send(batch) if batch.is_begun() => Some(batch.result()),
            Self::Receive(batch) if batch.is_begun() => Some(batch.result()),
            _ => None,
        }
    }
}

impl<T> Batch<T> {
    fn new(all: Vec<T>) -> Self {
        Self { all, done: 0, result: 0, deadline: None }
    }

    /// The message whose turn it is.
    pub(crate) fn next(&self) -> Option<&T> {
        let is_late = self.is_begun() && self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.all.get(self.done).filter(|_| !is_late)
    }

    /// It is dealt with.
    pub(crate) fn done(&mut self, value: i64) {
        self.done += 1;
        self.result += value;
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.done > 0
    }

    /// What the call returns: the length of one message, or how many there were.
    pub(crate) fn result(&self) -> i64 {
        self.result
    }
}

impl Outgoing {
    fn bare(parts: Vec<Part>) -> Self {
        Self { parts, to: None, control: Vec::new(), flags: 0, count_at: None }
    }

    fn read(target: &Target, at: u64, flags: i32) -> nix::Result<Self> {
        let bytes = target.read(at, header::LEN)?;
        let to = match long_at(&bytes, 0) {
            0 => None,
            _ if int_at(&bytes, 8) == 0 => None,
            name => Some(read_address(target, name, int_at(&bytes, 8))?),
        };
        let control_len = long_at(&bytes, header::CONTROL_LEN);
        if control_len > MAX_CONTROL_LEN {
            return Err(Errno::ENOBUFS);
        }
        let control = target.read(long_at(&bytes, header::CONTROL), size(control_len)?)?;
        let parts = read_header_parts(target, &bytes)?;
        Ok(Self { parts, to, control, flags, count_at: None })
    }

    /// How many bytes.
    pub(crate) fn len(&self) -> usize {
        len(&self.parts)
    }

    /// All of it.
    pub(crate) fn payload(&self, target: &Target) -> nix::Result<Vec<u8>> {
        if self.len() > MAX_PAYLOAD_LEN {
            return Err(Errno::EMSGSIZE);
        }
        let mut bytes = Vec::with_capacity(self.len());
        for part in &self.parts {
            bytes.extend(target.read(part.at, part.len)?);
        }
        Ok(bytes)
    }

    /// What the call returns when so many bytes are sent.
    pub(crate) fn result(&self, target: &Target, sent: usize) -> nix::Result<i64> {
        count(target, self.count_at, sent)
    }
}

impl Incoming {
    fn bare(parts: Vec<Part>) -> Self {
        Self { parts, name: None, flags: 0, header: None, count_at: None }
    }

    fn read(target: &Target, at: u64, flags: i32) -> nix::Result<Self> {
        let bytes = target.read(at, header::LEN)?;
        let name = match (long_at(&bytes, 0), int_at(&bytes, 8)) {
            (0, _) => None,
            (name, room) => {
                let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
                Some(NameRoom { at: name, room, len_at: at.wrapping_add(header::NAME_LEN) })
            }
        };
        let control_at = long_at(&bytes, header::CONTROL);
        let control_room = if control_at == 0 { 0 } else { long_at(&bytes, header::CONTROL_LEN) };
        let header = Some(Header { at, control_at, control_room });
        let parts = read_header_parts(target, &bytes)?;
        Ok(Self { parts, name, flags, header, count_at: None })
    }

    /// How many bytes there is room for.
    pub(crate) fn room(&self) -> usize {
        len(&self.parts)
    }

    /// How many bytes there is room for beside the message.
    pub(crate) fn control_room(&self) -> u32 {
        self.header.map_or(0, |header| u32::try_from(header.control_room).unwrap_or(u32::MAX))
    }

    /// Hands a message over; what the call returns comes back.
    pub(crate) fn deliver(&self, target: &Target, message: &Message) -> nix::Result<i64> {
        let mut rest = &message.payload[..];
        for part in &self.parts {
            let (now, later) = rest.split_at(part.len.min(rest.len()));
            target.write(part.at, now)?;
            rest = later;
        }
        match (self.name, message.from) {
            (Some(room), Some(from)) => room.write(target, from)?,
            (Some(room), None) => target.write(room.len_at, &0u32.to_ne_bytes())?,
            (None, _) => {}
        }
        if let Some(header) = self.header {
            target.write(header.control_at, &message.control)?;
            let control_len = (message.control.len() as u64).to_ne_bytes();
            let tail = [&control_len[..], &message.flags.to_ne_bytes()].concat();
            target.write(header.at.wrapping_add(header::CONTROL_LEN as u64), &tail)?;
        }
        count(target, self.count_at, message.payload.len())
    }
}

// The two are written at once.
const _: () = assert!(header::CONTROL_LEN as u64 + 8 == header::FLAGS);

impl NameRoom {
    /// Writes an address as the kernel does: cut to the room there is, with the whole length told.
    pub(crate) fn write(self, target: &Target, address: SocketAddr) -> nix::Result<()> {
        let bytes = address::encode(address);
        target.write(self.at, bytes.get(..self.room).unwrap_or(&bytes))?;
        target.write(self.len_at, &(bytes.len() as u32).to_ne_bytes())
    }
}

/// Calls for several messages return how many they dealt with.
fn count(target: &Target, count_at: Option<u64>, len: usize) -> nix::Result<i64> {
    let Some(at) = count_at else { return Ok(len as i64) };
    target.write(at, &(len as u32).to_ne_bytes())?;
    Ok(1)
}

fn read_address(target: &Target, at: u64, len: i32) -> nix::Result<SocketAddr> {
    let len = usize::try_from(len).ok().filter(|len| *len <= address::MAX_LEN).ok_or(Errno::EINVAL)?;
    address::decode(&target.read(at, len)?)
}

fn read_value(target: &Target, at: u64, len: usize) -> nix::Result<Vec<u8>> {
    if len > MAX_OPTION_LEN { Err(Errno::ENOMEM) } else { target.read(at, len) }
}

fn read_int(target: &Target, at: u64) -> nix::Result<i32> {
    Ok(int_at(&target.read(at, size_of::<i32>())?, 0))
}

fn read_header_parts(target: &Target, header: &[u8]) -> nix::Result<Vec<Part>> {
    read_parts(target, long_at(header, header::PARTS), long_at(header, header::PART_COUNT))
}

fn read_parts(target: &Target, at: u64, count: u64) -> nix::Result<Vec<Part>> {
    if count > MAX_PARTS {
        return Err(Errno::EMSGSIZE);
    }
    let bytes = target.read(at, size(count)? * 16)?;
    let parts = bytes.chunks(16).map(|part| Ok(Part { at: long_at(part, 0), len: size(long_at(part, 8))? }));
    parts.collect()
}

/// As the kernel takes sizes: cut at what one call moves at most (`MAX_RW_COUNT`); negative ones are none.
fn size(size: u64) -> nix::Result<usize> {
    i64::try_from(size).map(|size| size.min(0x7fff_f000) as usize).map_err(|_| Errno::EINVAL)
}

fn len(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.len).sum()
}

fn int_at(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |int| i32::from_ne_bytes(*int))
}

fn long_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |long| u64::from_ne_bytes(*long))
}
