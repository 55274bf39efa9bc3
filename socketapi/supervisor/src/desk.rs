//! What calls do to sockets of ours.

use std::fs::File;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::poll::PollFlags;
use sctp_descriptors::{
    Command, MAX_RECORD_LEN, OptionName, Owner, Receive, Received, Reply, Send, Style, Ticket, Token, Value,
};

use crate::control::{Answer, Control};
use crate::numbers::Numbers;
use crate::operation::{Batch, Call, Incoming, Message, NameRoom, Operation, Outgoing};
use crate::socket::{Front, Record, Socket};
use crate::target::Target;

/// Somebody else may take a record out before we do; so often it is looked for again.
const MOST_LOOKS: usize = 16;

/// What the kernel says of a record that is longer than the pair's buffer: the message goes by command.
const NOT_BARE: Errno = Errno::EMSGSIZE;

/// How a call goes on.
#[derive(Debug)]
pub(crate) enum Step {
    /// The kernel does it with the pair.
    Kernel,
    /// It is done, and returns this.
    Done(i64),
    /// It is done, and returns a new descriptor.
    Inject { fd: OwnedFd, number: RawFd, close_on_exec: bool },
    /// A set-up has begun; when it is over well the call returns this. What was sent with it is taken in any case.
    SetUp { result: i64, sent: bool, ticket: Ticket },
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
    /// Whose it is: anybody may take its name when it has gone.
    user: u32,
    /// Who makes its sockets.
    maker: u32,
    /// `None`: lost, and looked for again with the next command.
    control: Option<Control>,
    pub(crate) numbers: Numbers,
}

impl Desk {
    pub(crate) fn new(service: &str, control: Control, numbers: Numbers) -> Self {
        let (user, maker) = (control.user, control.maker);
        Self { service: service.to_owned(), user, maker, control: Some(control), numbers }
    }

    /// A descriptor as a socket of ours, if it is one.
    pub(crate) fn socket(&self, fd: OwnedFd) -> Option<Socket> {
        Socket::new(fd, |user| user == 0 || user == self.user || user == self.maker)
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
        let (_, fd) = self.ask(0, Command::Socket { ipv6: domain == libc::AF_INET6, style })?;
        self.adopt(target, fd, kind)
    }

    /// Does what can be done of a call now.
    pub(crate) fn attempt(&mut self, job: &mut Job) -> nix::Result<Step> {
        match self.go_on(job)? {
            Step::SetUp { result, sent, ticket } => {
                job.operation = Operation::AwaitSetUp { result, sent, ticket };
                // Who does not wait is not told that it was quick.
                wait(&job.socket, 0, PollFlags::POLLOUT, Errno::EINPROGRESS)
            }
            step => Ok(step),
        }
    }

    fn go_on(&mut self, job: &mut Job) -> nix::Result<Step> {
        let Job { target, socket, operation } = job;
        let number = socket.name.socket;
        match operation {
            Operation::Bind(address) => self.order(number, Command::Bind(*address)),
            Operation::Listen(backlog) => {
                let step = self.order(number, Command::Listen(*backlog))?;
                match backlog {
                    // It listens no more.
                    0 => socket.set_offset(0)?,
                    _ => socket.peek_at_the_first()?,
                }
                Ok(step)
            }
            Operation::Connect(address) => {
                let command = Command::Connect(*address);
                match self.ask_filling(socket, command)? {
                    (Reply::Begun { result, set_up }, _) => {
                        Ok(Step::SetUp { result: result.into(), sent: false, ticket: set_up.ticket })
                    }
                    _ => Err(Errno::EPROTO),
                }
            }
            Operation::AwaitSetUp { result, sent, ticket } => {
                let (result, sent, ticket) = (*result, *sent, *ticket);
                match self.await_set_up(socket, result, ticket) {
                    // A notification tells what became of the message.
                    Err(_) if sent => Ok(Step::Done(result)),
                    step => step,
                }
            }
            Operation::Accept { from, flags } => self.accept(target, socket, *from, *flags),
            Operation::LocalAddress(room) => self.tell_address(target, number, Command::LocalAddress, *room),
            Operation::PeerAddress(room) => self.tell_address(target, number, Command::PeerAddress, *room),
            Operation::GetOption { .. } => self.get_option(job),
            Operation::SetOption { option, value } => {
                if !is_served(*option)? {
                    return Ok(Step::Kernel);
                }
                let command = Command::SetOption { option: *option, value: value.clone() };
                match self.ask_filling(socket, command)?.0 {
                    Reply::Begun { result, set_up } => {
                        Ok(Step::SetUp { result: result.into(), sent: false, ticket: set_up.ticket })
                    }
                    Reply::GiveBack => self.order(number, Command::GiveBack(socket.take_bare()?)),
                    _ => Ok(Step::Done(0)),
                }
            }
            Operation::Shutdown(how) => {
                // Each call asks before it waits.
                self.order(number, Command::Shutdown { how: *how, awaited: false })
            }
            Operation::Queued { at } => {
                let count = self.queued(socket)?;
                target.write(*at, &count.to_ne_bytes())?;
                Ok(Step::Done(0))
            }
            Operation::NoTerminal => Err(Errno::ENOTTY),
            Operation::Copy { lowest, close_on_exec } => {
                let number = self.numbers.find(target, *lowest)?;
                let fd = socket.fd.try_clone().map_err(|_| Errno::EMFILE)?;
                Ok(Step::Inject { fd, number, close_on_exec: *close_on_exec })
            }
            Operation::Send(batch) => in_turn(batch, |outgoing| self.send(target, socket, outgoing)),
            Operation::Receive(batch) => in_turn(batch, |incoming| self.receive(target, socket, incoming)),
        }
    }

    fn ask(&mut self, socket: u64, command: Command) -> Answer {
        let control = match &mut self.control {
            Some(control) => control,
            lost => {
                let found = Control::connect(&self.service).map_err(|_| Errno::ENETDOWN)?;
                if found.user != 0 && found.user != self.user {
                    return Err(Errno::ENETDOWN);
                }
                lost.insert(found)
            }
        };
        let answer = control.ask(socket, command);
        if matches!(answer, Err(Errno::ENETDOWN)) {
            self.control = None;
        }
        answer
    }

    /// A command whose end the descriptor may have to tell.
    fn ask_filling(&mut self, socket: &Socket, command: Command) -> Answer {
        let answer = self.ask(socket.name.socket, command)?;
        socket.fill(answer.0.filler())?;
        Ok(answer)
    }

    /// Takes out tokens that promise too much.
    fn drop_stale(&mut self, socket: &Socket, stale: Option<Token>) -> nix::Result<()> {
        match socket.drop_stale(stale)? {
            // Another process was faster, and this one is good.
            Some(later) => self.ask(socket.name.socket, Command::GiveBackToken(later)).map(drop),
            None => Ok(()),
        }
    }

    /// A command that only changes something.
    fn order(&mut self, socket: u64, command: Command) -> nix::Result<Step> {
        self.ask(socket, command).map(|_| Step::Done(0))
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

    /// The end of a set-up: the service makes the descriptor writable then.
    fn await_set_up(&mut self, socket: &Socket, result: i64, ticket: Ticket) -> nix::Result<Step> {
        let events = PollFlags::POLLOUT;
        if socket.polls(events) {
            match self.ask_filling(socket, Command::SetUp(ticket))?.0 {
                Reply::Done => return Ok(Step::Done(result)),
                // Another one was over.
                Reply::Later(_) => {}
                _ => return Err(Errno::EPROTO),
            }
        }
        wait(socket, 0, events, Errno::EINPROGRESS)
    }

    /// A number is looked for before: an association that came where there is none would be lost.
    fn accept(
        &mut self,
        target: &Target,
        socket: &Socket,
        from: Option<NameRoom>,
        flags: i32,
    ) -> nix::Result<Step> {
        self.numbers.find(target, 0)?;
        let took = socket.take_token()?;
        let (reply, fd) = self.ask(socket.name.socket, Command::Accept { took })?;
        let peer;
        match reply {
            Reply::Accepted { peer: whose, stale } => {
                peer = whose;
                self.drop_stale(socket, stale)?;
            }
            Reply::Empty { stale } => {
                self.drop_stale(socket, stale)?;
                return wait(socket, 0, PollFlags::POLLIN, Errno::EAGAIN);
            }
            _ => return Err(Errno::EPROTO),
        }
        let accepted = fd.and_then(|fd| self.socket(fd)).ok_or(Errno::EPROTO)?;
        if let (Some(room), Some(peer)) = (from, peer) {
            room.write(target, peer)?;
        }
        self.adopt(target, Some(accepted.fd), flags)
    }

    fn get_option(&mut self, job: &Job) -> nix::Result<Step> {
        let Operation::GetOption { option, input, at, room, len_at } = &job.operation else {
            return Err(Errno::EINVAL);
        };
        if !is_served(*option)? {
            return Ok(Step::Kernel);
        }
        let command = Command::GetOption { option: *option, room: *room, input: input.clone() };
        let (Reply::Value(value), fd) = self.ask_filling(&job.socket, command)? else {
            return Err(Errno::EPROTO);
        };
        let Value { mut bytes, len, begun, descriptor } = value;
        self.drop_stale(&job.socket, descriptor.and_then(|peeled| peeled.stale))?;
        let made = match descriptor {
            None => Step::Done(0),
            Some(peeled) => self.adopt(&job.target, fd, peeled.flags)?,
        };
        if let (Some(peeled), Step::Inject { number, .. }) = (descriptor, &made)
            && let Some(place) = bytes.get_mut(peeled.offset as usize..)
        {
            place.iter_mut().zip(number.to_ne_bytes()).for_each(|(to, from)| *to = from);
        }
        job.target.write(*at, bytes.get(..*room as usize).unwrap_or(&bytes))?;
        job.target.write(*len_at, &len.to_ne_bytes())?;
        Ok(begun.map_or(made, |set_up| Step::SetUp { result: 0, sent: false, ticket: set_up.ticket }))
    }

    /// A descriptor for the program.
    fn adopt(&self, target: &Target, fd: Option<OwnedFd>, flags: i32) -> nix::Result<Step> {
        let fd = fd.ok_or(Errno::EPROTO)?;
        Socket::prepare(&fd, flags)?;
        let number = self.numbers.find(target, 0)?;
        Ok(Step::Inject { fd, number, close_on_exec: flags & libc::SOCK_CLOEXEC != 0 })
    }

    /// How much waits: of a bare record, if one comes next.
    fn queued(&mut self, socket: &Socket) -> nix::Result<i32> {
        if let Front::Bare(record) = socket.front(0)? {
            return Ok(i32::try_from(record.left).unwrap_or(i32::MAX));
        }
        match self.ask(socket.name.socket, Command::Queued)? {
            (Reply::Number(count), _) => Ok(count),
            _ => Err(Errno::EPROTO),
        }
    }

    fn send(&mut self, target: &Target, socket: &Socket, outgoing: &Outgoing) -> nix::Result<Step> {
        let len = outgoing.len();
        let payload = outgoing.payload(target)?;
        let is_bare = self.may_be_bare(socket, outgoing, &payload);
        let sent = if is_bare { socket.send(&payload) } else { Err(NOT_BARE) };
        let sent = match sent {
            Ok(()) => Ok(Reply::Done),
            Err(NOT_BARE) => {
                let flags = socket.flags(outgoing.flags);
                let (to, control) = (outgoing.to, outgoing.control.clone());
                let command = Command::Send(Send { flags, to, control, payload });
                self.ask_filling(socket, command).map(|(reply, _)| reply)
            }
            Err(errno) => Err(errno),
        };
        match sent {
            Ok(Reply::Begun { set_up, .. }) => {
                let ticket = set_up.ticket;
                outgoing.result(target, len).map(|result| Step::SetUp { result, sent: true, ticket })
            }
            Ok(Reply::Later(_)) | Err(Errno::EAGAIN) => {
                wait(socket, outgoing.flags, PollFlags::POLLOUT, Errno::EAGAIN)
            }
            Ok(Reply::Number(sent)) => {
                outgoing.result(target, usize::try_from(sent).unwrap_or(0)).map(Step::Done)
            }
            Ok(_) => outgoing.result(target, len).map(Step::Done),
            Err(Errno::EPIPE) if outgoing.flags & libc::MSG_NOSIGNAL == 0 => {
                target.signal(libc::SIGPIPE);
                Err(Errno::EPIPE)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Whether writing the payload into the pair says all that there is to say.
    fn may_be_bare(&self, socket: &Socket, outgoing: &Outgoing, payload: &[u8]) -> bool {
        let plain_flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_EOR;
        let says_more =
            outgoing.to.is_some() || !outgoing.control.is_empty() || outgoing.flags & !plain_flags != 0;
        let most = self.control.as_ref().map_or(0, |control| control.slot(socket.name).max_bare_len);
        let fits = !payload.is_empty() && payload.len() <= most as usize;
        fits && !says_more && !payload.starts_with(&socket.name.marker())
    }

    fn receive(&mut self, target: &Target, socket: &Socket, incoming: &Incoming) -> nix::Result<Step> {
        if incoming.flags & libc::MSG_ERRQUEUE != 0 {
            return Err(Errno::EAGAIN);
        }
        let mut message = Message::default();
        for _ in 0..MOST_LOOKS {
            let room = incoming.room() - message.payload.len();
            let look = match socket.front(room.min(MAX_RECORD_LEN))? {
                Front::Bare(record) => self.take_bare(socket, incoming, record, &mut message)?,
                _ if !message.payload.is_empty() => Look::Finished,
                Front::End => self.ask_for_end(socket, incoming, &mut message)?,
                Front::Token => self.ask_for(socket, incoming, true, &mut message)?,
                Front::Nothing => self.ask_for(socket, incoming, false, &mut message)?,
            };
            match look {
                Look::Finished => return incoming.deliver(target, &message).map(Step::Done),
                Look::Missing => break,
                Look::More => {}
            }
        }
        if message.payload.is_empty() {
            return wait(socket, incoming.flags, PollFlags::POLLIN, Errno::EAGAIN);
        }
        incoming.deliver(target, &message).map(Step::Done)
    }

    /// Takes a bare record, or as much of it as there is room for.
    fn take_bare(
        &mut self,
        socket: &Socket,
        incoming: &Incoming,
        record: Record,
        message: &mut Message,
    ) -> nix::Result<Look> {
        let Record { bytes, left, before } = record;
        let is_whole = bytes.len() == left;
        let is_piece = before + left == MAX_RECORD_LEN;
        let peeks = incoming.flags & libc::MSG_PEEK != 0;
        match (peeks, is_whole) {
            (true, _) => {}
            (false, true) => socket.discard(),
            (false, false) => socket.set_offset(before + bytes.len())?,
        }
        // Bare messages come from the one peer there is.
        if let (Some(_), None) = (incoming.name, message.from)
            && let Ok((Reply::Address(peer), _)) = self.ask(socket.name.socket, Command::Sender)
        {
            message.from = Some(peer);
        }
        message.flags = if is_whole && !is_piece { libc::MSG_EOR } else { 0 };
        message.payload.extend(bytes);
        let has_room = message.payload.len() < incoming.room();
        Ok(if is_whole && is_piece && has_room && !peeks { Look::More } else { Look::Finished })
    }

    /// The end of file, or an empty record that ended a wait. Where the service knows of no end the pair was shut down by itself.
    fn ask_for_end(
        &mut self,
        socket: &Socket,
        incoming: &Incoming,
        message: &mut Message,
    ) -> nix::Result<Look> {
        if incoming.flags & libc::MSG_PEEK == 0 {
            socket.discard();
        }
        match self.ask_for(socket, incoming, false, message)? {
            Look::Missing if socket.front(0)? == Front::End => Ok(Look::Finished),
            look => Ok(look),
        }
    }

    /// Asks for what comes next.
    fn ask_for(
        &mut self,
        socket: &Socket,
        incoming: &Incoming,
        is_offered: bool,
        message: &mut Message,
    ) -> nix::Result<Look> {
        let peeks = incoming.flags & libc::MSG_PEEK != 0;
        let took = if is_offered && !peeks { socket.take_token()? } else { None };
        let room = u32::try_from(incoming.room() - message.payload.len()).unwrap_or(u32::MAX);
        let flags = socket.flags(incoming.flags);
        let receive = Receive { flags, room, control_room: incoming.control_room(), took, woken: false };
        let (mut got, file) = match self.ask(socket.name.socket, Command::Receive(receive))? {
            (Reply::Received(got), file) => (got, file),
            (Reply::Empty { stale }, _) => return self.drop_stale(socket, stale).map(|()| Look::Missing),
            (Reply::InPair, _) => return Ok(Look::More),
            _ => return Err(Errno::EPROTO),
        };
        self.drop_stale(socket, got.stale)?;
        if let Some(file) = file {
            got.payload.resize((got.in_file as usize).min(incoming.room()), 0);
            File::from(file).read_exact_at(&mut got.payload, 0).map_err(|_| Errno::EIO)?;
        }
        add(message, got);
        Ok(Look::Finished)
    }
}

/// Deals with one message after the other. A failure behind the first shows itself again.
fn in_turn<T>(batch: &mut Batch<T>, mut each: impl FnMut(&T) -> nix::Result<Step>) -> nix::Result<Step> {
    while let Some(next) = batch.next() {
        match each(next) {
            Ok(Step::Done(value)) => batch.done(value),
            Ok(Step::SetUp { result, sent, ticket }) => {
                return Ok(Step::SetUp { result: batch.result() + result, sent, ticket });
            }
            Err(_) if batch.is_begun() => break,
            other => return other,
        }
    }
    Ok(Step::Done(batch.result()))
}

/// What came of looking for a message.
#[derive(Debug)]
enum Look {
    /// It is there.
    Finished,
    /// There may be more of it.
    More,
    /// Nothing waits.
    Missing,
}

/// Adds a piece to a message, whose control messages came with the first one.
fn add(message: &mut Message, got: Received) {
    if message.payload.is_empty() {
        message.control = got.control;
    }
    message.payload.extend(got.payload);
    message.flags = got.flags;
    message.from = got.from;
}

/// Waits, if the call may.
fn wait(socket: &Socket, flags: i32, events: PollFlags, in_vain: Errno) -> nix::Result<Step> {
    if socket.flags(flags) & libc::MSG_DONTWAIT != 0 {
        return Err(in_vain);
    }
    Ok(Step::Wait { events, in_vain })
}

/// Whether the service answers for an option, and not the kernel.
fn is_served(option: OptionName) -> nix::Result<bool> {
    match option.owner() {
        Owner::Service => Ok(true),
        Owner::Kernel => Ok(false),
        Owner::Nobody => Err(Errno::EOPNOTSUPP),
    }
}
