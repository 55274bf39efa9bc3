//! What calls do to sockets of ours.

use std::os::fd::{OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use sctp_descriptors::{
    Command, MAX_RECORD_LEN, OptionName, Peeled, Receive, Received, Reply, Send, Style, Value,
};

use crate::control::{Answer, Control};
use crate::numbers::Numbers;
use crate::operation::{Call, Incoming, Message, NameRoom, Operation, Outgoing};
use crate::socket::{Front, Socket};
use crate::target::Target;

/// Somebody else may take a record out before we do; so often it is looked for again.
const MOST_LOOKS: usize = 16;

/// How a call goes on.
#[derive(Debug)]
pub(crate) enum Step {
    /// The kernel does it with the pair.
    Kernel,
    /// It is done, and returns this.
    Done(i64),
    /// It is done, and returns a new descriptor.
    Inject { fd: OwnedFd, number: RawFd, close_on_exec: bool },
    /// It waits for one of these events, or fails with this error when that takes too long.
    Wait { events: PollFlags, in_vain: Errno },
}

/// A call on a socket.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) target: Target,
    pub(crate) socket: Socket,
    pub(crate) operation: Operation,
}

/// Where calls are dealt with.
#[derive(Debug)]
pub(crate) struct Desk {
    service: String,
    /// `None`: lost, and looked for again with the next command.
    control: Option<Control>,
    pub(crate) numbers: Numbers,
}

impl Desk {
    pub(crate) fn new(service: &str, control: Control, numbers: Numbers) -> Self {
        Self { service: service.to_owned(), control: Some(control), numbers }
    }

    /// `socket()`.
    pub(crate) fn make(&mut self, target: &Target, call: Call) -> nix::Result<Step> {
        let (domain, kind) = (call.int(0), call.int(1));
        let style = match kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) {
            libc::SOCK_STREAM => Style::OneToOne,
            libc::SOCK_SEQPACKET => Style::OneToMany,
            _ => return Ok(Step::Kernel),
        };
        if domain != libc::AF_INET && domain != libc::AF_INET6 {
            return Ok(Step::Kernel);
        }
        let number = self.numbers.find(target, 0)?;
        let (_, fd) = self.ask(0, Command::Socket { ipv6: domain == libc::AF_INET6, style })?;
        adopt(fd, number, kind)
    }

    /// Does what can be done of a call now.
    pub(crate) fn attempt(&mut self, job: &mut Job) -> nix::Result<Step> {
        let Job { target, socket, operation } = job;
        let number = socket.name.socket;
        match operation {
            Operation::Bind(address) => self.order(number, Command::Bind(*address)),
            Operation::Listen(backlog) => self.order(number, Command::Listen(*backlog)),
            Operation::Connect(address) => {
                let command = Command::Connect(*address);
                match self.ask_filling(socket, command)? {
                    Reply::Begun(result) => self.begin_set_up(job, result.into()),
                    _ => self.begin_set_up(job, 0),
                }
            }
            Operation::AwaitSetUp { result } => {
                let result = *result;
                self.await_set_up(socket, result)
            }
            Operation::Accept { from, flags } => self.accept(target, socket, *from, *flags),
            Operation::LocalAddress(room) => self.tell_address(target, number, Command::LocalAddress, *room),
            Operation::PeerAddress(room) => self.tell_address(target, number, Command::PeerAddress, *room),
            Operation::GetOption { .. } => self.get_option(job),
            Operation::SetOption { option, value } => {
                if !is_served(*option) {
                    return Ok(Step::Kernel);
                }
                let command = Command::SetOption { option: *option, value: value.clone() };
                match self.ask_filling(socket, command)? {
                    Reply::Begun(result) => self.begin_set_up(job, result.into()),
                    _ => Ok(Step::Done(0)),
                }
            }
            Operation::Shutdown(how) => Ok(match self.ask(number, Command::Shutdown(*how))? {
                // The kernel's turn: it comes behind all that was written bare.
                (Reply::Done, _) => Step::Kernel,
                _ => Step::Done(0),
            }),
            Operation::Queued { queue, at } => match self.ask(number, Command::Queued(*queue))? {
                (Reply::Number(count), _) => {
                    target.write(*at, &count.to_ne_bytes())?;
                    Ok(Step::Done(0))
                }
                _ => Err(Errno::EPROTO),
            },
            Operation::Copy { lowest, close_on_exec } => {
                let number = self.numbers.find(target, *lowest)?;
                let fd = socket.fd.try_clone().map_err(|_| Errno::EMFILE)?;
                Ok(Step::Inject { fd, number, close_on_exec: *close_on_exec })
            }
            Operation::Send(_) => self.send(job),
            Operation::Receive(incoming) => self.receive(target, socket, incoming),
        }
    }

    fn ask(&mut self, socket: u64, command: Command) -> Answer {
        let control = match &mut self.control {
            Some(control) => control,
            lost => lost.insert(Control::connect(&self.service).map_err(|_| Errno::ENETDOWN)?),
        };
        let answer = control.ask(socket, command);
        if matches!(answer, Err(Errno::ENETDOWN)) {
            self.control = None;
        }
        answer
    }

    /// A command that may ask for a filler first.
    fn ask_filling(&mut self, socket: &Socket, command: Command) -> nix::Result<Reply> {
        let number = socket.name.socket;
        let (reply, _) = self.ask(number, command.clone())?;
        let Reply::Fill(len) = reply else { return Ok(reply) };
        socket.fill(len as usize)?;
        self.ask(number, command).map(|(reply, _)| reply)
    }

    /// A command that only changes something.
    fn order(&mut self, socket: u64, command: Command) -> nix::Result<Step> {
        self.ask(socket, command).map(|_| Step::Done(0))
    }

    fn take_error(&mut self, socket: u64) -> nix::Result<()> {
        self.ask(socket, Command::TakeError).map(drop)
    }

    fn tell_address(
        &mut self,
        target: &Target,
        socket: u64,
        command: Command,
        room: NameRoom,
    ) -> nix::Result<Step> {
        let (Reply::Address(address), _) = self.ask(socket, command)? else { return Err(Errno::EPROTO) };
        room.write(target, address)?;
        Ok(Step::Done(0))
    }

    fn begin_set_up(&mut self, job: &mut Job, result: i64) -> nix::Result<Step> {
        job.operation = Operation::AwaitSetUp { result };
        self.await_set_up(&job.socket, result)
    }

    /// The end of a set-up: the service makes the descriptor writable then.
    fn await_set_up(&mut self, socket: &Socket, result: i64) -> nix::Result<Step> {
        let events = PollFlags::POLLOUT;
        if !socket.polls(events) {
            return wait(socket, 0, events, Errno::EINPROGRESS);
        }
        self.take_error(socket.name.socket)?;
        Ok(Step::Done(result))
    }

    /// A number is looked for before: an association that came without one would be lost.
    fn accept(
        &mut self,
        target: &Target,
        socket: &Socket,
        from: Option<NameRoom>,
        flags: i32,
    ) -> nix::Result<Step> {
        let number = self.numbers.find(target, 0)?;
        let took = socket.take_token()?;
        let (reply, fd) = self.ask(socket.name.socket, Command::Accept { took })?;
        if let Reply::Empty { stale } = reply {
            socket.drop_stale(stale)?;
            return wait(socket, 0, PollFlags::POLLIN, Errno::EAGAIN);
        }
        let accepted = fd.and_then(Socket::new).ok_or(Errno::EPROTO)?;
        if let Some(room) = from {
            let peer = self.ask(accepted.name.socket, Command::PeerAddress);
            // An association that has ended in the meantime has no peer.
            if let Ok((Reply::Address(address), _)) = peer {
                room.write(target, address)?;
            }
        }
        adopt(Some(accepted.fd), number, flags)
    }

    fn get_option(&mut self, job: &mut Job) -> nix::Result<Step> {
        let Operation::GetOption { option, input, at, room, len_at } = &job.operation else {
            return Err(Errno::EINVAL);
        };
        if !is_served(*option) {
            return Ok(Step::Kernel);
        }
        let command = Command::GetOption { option: *option, room: *room, input: input.clone() };
        let (Reply::Value(value), fd) = self.ask(job.socket.name.socket, command)? else {
            return Err(Errno::EPROTO);
        };
        let Value { mut bytes, len, begun, descriptor } = value;
        let step = match descriptor {
            None => Step::Done(0),
            Some(peeled) => self.peel(&job.target, fd, peeled, &mut bytes)?,
        };
        job.target.write(*at, bytes.get(..*room as usize).unwrap_or(&bytes))?;
        job.target.write(*len_at, &len.to_ne_bytes())?;
        if begun { self.begin_set_up(job, 0) } else { Ok(step) }
    }

    /// A descriptor that an option made; its number belongs into the value.
    fn peel(
        &mut self,
        target: &Target,
        fd: Option<OwnedFd>,
        peeled: Peeled,
        value: &mut [u8],
    ) -> nix::Result<Step> {
        let number = self.numbers.find(target, 0)?;
        let from = peeled.offset as usize;
        if let Some(place) = value.get_mut(from..).and_then(|rest| rest.first_chunk_mut()) {
            *place = number.to_ne_bytes();
        }
        adopt(fd, number, peeled.flags)
    }

    fn send(&mut self, job: &mut Job) -> nix::Result<Step> {
        let Operation::Send(outgoing) = &job.operation else { return Err(Errno::EINVAL) };
        let (target, socket) = (&job.target, &job.socket);
        if self.may_be_bare(target, socket, outgoing)? {
            return Ok(Step::Kernel);
        }
        let payload = outgoing.payload(target)?;
        let len = payload.len();
        let (flags, to, control) = (socket.flags(outgoing.flags), outgoing.to, outgoing.control.clone());
        let command = Command::Send(Send { flags, to, control, payload });
        match self.ask_filling(socket, command) {
            Ok(Reply::Begun(_)) => {
                let result = outgoing.result(target, len)?;
                self.begin_set_up(job, result)
            }
            Ok(Reply::Number(sent)) => {
                outgoing.result(target, usize::try_from(sent).unwrap_or(0)).map(Step::Done)
            }
            Ok(_) => outgoing.result(target, len).map(Step::Done),
            Err(Errno::EAGAIN) => wait(socket, flags, PollFlags::POLLOUT, Errno::EAGAIN),
            Err(Errno::EPIPE) if flags & libc::MSG_NOSIGNAL == 0 => {
                target.signal(libc::SIGPIPE);
                Err(Errno::EPIPE)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Whether the kernel's own call does, which writes into the pair.
    fn may_be_bare(&self, target: &Target, socket: &Socket, outgoing: &Outgoing) -> nix::Result<bool> {
        let plain_flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let is_plain =
            outgoing.to.is_none() && outgoing.control.is_empty() && outgoing.flags & !plain_flags == 0;
        let len = outgoing.len();
        let most = self.control.as_ref().map_or(0, |control| control.slot(socket.name).max_bare_len);
        if !is_plain || len == 0 || len > most as usize {
            return Ok(false);
        }
        let marker = socket.name.marker();
        Ok(outgoing.start(target, marker.len())? != marker)
    }

    fn receive(
        &mut self,
        target: &Target,
        socket: &Socket,
        incoming: &Incoming,
    ) -> nix::Result<Step> {
        let flags = socket.flags(incoming.flags);
        let peeks = flags & libc::MSG_PEEK != 0;
        let mut message = Message::default();
        for _ in 0..MOST_LOOKS {
            let room = incoming.room() - message.payload.len();
            let took = match socket.front(room.min(MAX_RECORD_LEN))? {
                Front::Bare { bytes, left, before } if message.payload.is_empty() => {
                    return self.take_bare(target, socket, incoming, (bytes, left, before));
                }
                Front::Bare { .. } => break,
                Front::Token if !peeks => {
                    socket.discard();
                    true
                }
                Front::Token | Front::Nothing | Front::End => false,
            };
            let room = u32::try_from(room).unwrap_or(u32::MAX);
            let receive = Receive { flags, room, control_room: incoming.control_room(), took };
            match self.ask(socket.name.socket, Command::Receive(receive))?.0 {
                Reply::Received(got) => {
                    socket.drop_stale(got.stale)?;
                    if add(&mut message, got) || peeks || message.payload.len() >= incoming.room() {
                        break;
                    }
                }
                Reply::Empty { stale } => {
                    socket.drop_stale(stale)?;
                    if message.payload.is_empty() {
                        return wait(socket, flags, PollFlags::POLLIN, Errno::EAGAIN);
                    }
                    break;
                }
                Reply::InPair if message.payload.is_empty() => {}
                _ => break,
            }
        }
        incoming.deliver(target, &message).map(Step::Done)
    }

    /// Hands over a bare record, or as much of it as there is room for.
    fn take_bare(
        &mut self,
        target: &Target,
        socket: &Socket,
        incoming: &Incoming,
        (payload, left, before): (Vec<u8>, usize, usize),
    ) -> nix::Result<Step> {
        let is_whole = payload.len() == left;
        let ends = is_whole && before + left < MAX_RECORD_LEN;
        let read = payload.len();
        let from = match incoming.name {
            Some(_) => match self.ask(socket.name.socket, Command::PeerAddress) {
                Ok((Reply::Address(address), _)) => Some(address),
                _ => None,
            },
            None => None,
        };
        let flags = if ends { libc::MSG_EOR } else { 0 };
        let result = incoming.deliver(target, &Message { payload, from, control: Vec::new(), flags })?;
        match (incoming.flags & libc::MSG_PEEK != 0, is_whole) {
            (true, _) => {}
            (false, true) => socket.discard(),
            (false, false) => socket.set_offset(before + read)?,
        }
        Ok(Step::Done(result))
    }
}

/// Adds a piece to a message; true if it is the last one.
fn add(message: &mut Message, got: Received) -> bool {
    let is_last = got.payload.is_empty() || got.flags & libc::MSG_EOR != 0;
    message.payload.extend(got.payload);
    message.flags = got.flags;
    message.from = got.from;
    message.control = got.control;
    is_last
}

/// Waits, if the call may.
fn wait(socket: &Socket, flags: i32, events: PollFlags, in_vain: Errno) -> nix::Result<Step> {
    if socket.flags(flags) & libc::MSG_DONTWAIT != 0 {
        return Err(in_vain);
    }
    Ok(Step::Wait { events, in_vain })
}

fn adopt(fd: Option<OwnedFd>, number: RawFd, flags: i32) -> nix::Result<Step> {
    let fd = fd.ok_or(Errno::EPROTO)?;
    Socket::prepare(&fd, flags)?;
    Ok(Step::Inject { fd, number, close_on_exec: flags & libc::SOCK_CLOEXEC != 0 })
}

/// Options of all sockets that the pair cannot answer for. The others, such as time-outs, are the kernel's.
const NOT_OF_PAIR: [i32; 9] = [
    libc::SO_ACCEPTCONN,
    libc::SO_DOMAIN,
    libc::SO_ERROR,
    libc::SO_LINGER,
    libc::SO_PROTOCOL,
    libc::SO_RCVBUF,
    libc::SO_REUSEADDR,
    libc::SO_SNDBUF,
    libc::SO_TYPE,
];

fn is_served(option: OptionName) -> bool {
    option.level != libc::SOL_SOCKET || NOT_OF_PAIR.contains(&option.number)
}
