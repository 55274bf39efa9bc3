//! A client that does everything wrong, at random, and knows nothing of what came of it.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, getpeername, recvmsg, sendmsg,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sctp_descriptors::{
    ByteBuf, Command, Head, MAX_REPLY_LEN, OptionName, Receive, Request, SHOWN, Send, SocketName, Style,
    Ticket, Token, VERSION, pieces,
};
use socket2::Socket;

use super::client::{HERE, LIMIT, THERE, at, connect_to, unconnected};

/// As many of each it holds at most.
const MOST: usize = 20;

pub(crate) struct WrongClient {
    service: String,
    /// Who answers to the service's stack.
    peer: &'static str,
    random: StdRng,
    connections: Vec<Connection>,
    /// Ends of sockets.
    ends: Vec<Socket>,
    buffer: Vec<u8>,
}

/// A control connection. On what comes of it depends what the client does next: it waits for that wherever it is sure to come.
struct Connection {
    socket: Socket,
    /// Answers that were not taken.
    owed: usize,
    /// What was said made sense so far, so that what is asked is answered, or the service has hung up.
    is_sound: bool,
}

impl WrongClient {
    pub(crate) fn new(service: String, peer: &'static str, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self {
            service,
            peer,
            random,
            connections: Vec::new(),
            ends: Vec::new(),
            buffer: vec![0; MAX_REPLY_LEN],
        }
    }

    /// Makes sockets, and takes no answer.
    pub(crate) fn asks_for_sockets(&mut self, count: usize) {
        let command = Command::Socket { ipv6: false, style: Style::OneToOne };
        let request = Request { socket: 0, command }.encode();
        for _ in 0..count {
            if self.connections.is_empty() {
                self.connect(true);
            }
            let connection = &self.connections[0].socket;
            if pieces(&request).any(|piece| connection.send(&piece).is_err()) {
                self.connections.clear();
            }
        }
    }

    pub(crate) fn step(&mut self) {
        match self.random.random_range(0..60) {
            0..24 => self.command(),
            24..33 => self.begins_well(),
            33 => self.says_anything(),
            34..36 => self.shows_anything(),
            36..39 => self.connects(),
            39 => drop(pick(&mut self.connections, &mut self.random)),
            40..44 => self.takes_answer_late(),
            44..50 => self.writes(),
            50..54 => self.reads(),
            54 => self.shuts_down(),
            55..57 => self.copies(),
            _ => drop(pick(&mut self.ends, &mut self.random)),
        }
    }

    /// What others come to, or an association with one: so far nothing is wrong.
    fn begins_well(&mut self) {
        let style = if self.random.random() { Style::OneToOne } else { Style::OneToMany };
        self.asks(0, Command::Socket { ipv6: false, style });
        let Some(socket) = self.ends.last().and_then(socket_of) else { return };
        let port = any_port(&mut self.random);
        if self.random.random() {
            self.asks(socket, Command::Bind(at("0.0.0.0", port)));
            self.asks(socket, Command::Listen(5));
        } else {
            self.asks(socket, Command::Connect(at(self.peer, port)));
        }
    }

    fn connects(&mut self) {
        let is_right = self.random.random_ratio(4, 5);
        self.connect(is_right);
    }

    fn connect(&mut self, is_right: bool) {
        if self.connections.len() >= MOST {
            return;
        }
        let connection = unconnected();
        connect_to(&connection, &self.service);
        let version = if is_right { VERSION } else { self.random.random() };
        // It may have been hung up on.
        let _ = connection.send(&version.to_ne_bytes());
        // The service's version comes in any case.
        self.connections.push(Connection { socket: connection, owed: 1, is_sound: is_right });
    }

    fn takes_answer_late(&mut self) {
        let at = self.random.random_range(0..MOST);
        self.takes_answer(at);
    }

    /// A command of any kind about any socket; its answer is taken, or not.
    fn command(&mut self) {
        let (socket, command) = (self.any_socket(), self.any_command());
        self.asks(socket, command);
    }

    fn asks(&mut self, socket: u64, command: Command) {
        if self.connections.is_empty() {
            return self.connects();
        }
        let at = self.random.random_range(0..self.connections.len());
        let (is_cut, takes) = (self.random.random_ratio(1, 100), self.random.random_ratio(19, 20));
        let request = Request { socket, command }.encode();
        let pieces: Vec<_> = pieces(&request).collect();
        let said = if is_cut { 1 } else { pieces.len() };
        let connection = &mut self.connections[at];
        // It may have been hung up on.
        let is_heard = pieces[..said].iter().all(|piece| connection.socket.send(piece).is_ok());
        connection.is_sound &= said == pieces.len();
        connection.owed += usize::from(is_heard);
        if takes && !is_cut {
            self.takes_answer(at);
        }
    }

    fn any_socket(&mut self) -> u64 {
        match peek(&self.ends, &mut self.random).and_then(socket_of) {
            Some(socket) if self.random.random_ratio(9, 10) => socket,
            // Of none. Those of other clients of its user it might use as well as they.
            _ => {
                if self.random.random() {
                    0
                } else {
                    self.random.random()
                }
            }
        }
    }

    fn any_command(&mut self) -> Command {
        let random = &mut self.random;
        let took = random.random_bool(0.5).then(|| Token(random.random_range(0..4)));
        match random.random_range(0..24) {
            0..4 => Command::Socket {
                ipv6: random.random(),
                style: if random.random() { Style::OneToOne } else { Style::OneToMany },
            },
            4 => Command::Board,
            5 => Command::Bind(any_address(random)),
            6 => Command::Listen(random.random_range(-1..5)),
            7..10 => Command::Connect(any_address(random)),
            10 => Command::SetUp(Ticket(random.random_range(0..100))),
            11 => Command::Accept { took },
            12 => Command::GiveBackToken(Token(random.random_range(0..4))),
            13..16 => Command::Send(Send {
                flags: any_flags(random),
                // What is sent to who does not answer outlives its socket for minutes.
                to: random.random_bool(0.7).then(|| at(self.peer, any_port(random))),
                control: any_bytes(random, 100),
                payload: any_bytes(random, 60_000),
            }),
            16..18 => Command::Receive(Receive {
                flags: any_flags(random),
                room: any_length(random),
                control_room: any_length(random),
                took,
                woken: random.random(),
            }),
            18 => Command::Shutdown { how: random.random_range(-1..4), awaited: random.random() },
            19 => Command::GetOption {
                option: any_option(random),
                room: any_length(random),
                input: any_bytes(random, 300),
            },
            20 => Command::SetOption { option: any_option(random), value: any_bytes(random, 300) },
            21 => Command::GiveBack(
                (0..random.random_range(0..4)).map(|_| ByteBuf::from(any_bytes(random, 100))).collect(),
            ),
            22 => {
                Command::ProcFile(["net/sctp/assocs", "../etc/passwd", ""][random.random_range(0..3)].into())
            }
            _ => {
                [Command::Queued, Command::LocalAddress, Command::Sender, Command::TakeError, Command::Linger]
                    [random.random_range(0..5)]
                .clone()
            }
        }
    }

    /// The first of those that are owed, if any is.
    fn takes_answer(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        if !connection.is_sound || connection.owed == 0 {
            return;
        }
        connection.owed -= 1;
        let connection = &connection.socket;
        let answered = poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], LIMIT);
        assert_eq!(answered, Ok(1), "neither an answer nor a hang-up");
        let mut space = nix::cmsg_space!([i32; 1]);
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let Ok(got) = recvmsg::<()>(connection.as_raw_fd(), &mut parts, Some(&mut space), flags) else {
            return;
        };
        for message in got.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(fds) = message {
                let fds = fds.into_iter().map(owned).map(Socket::from);
                let ends = fds.filter(|fd| getpeername::<UnixAddr>(fd.as_raw_fd()).is_ok());
                self.ends.extend(ends.inspect(|end| end.set_nonblocking(true).unwrap()));
            }
        }
        if let Some(too_many) = self.ends.len().checked_sub(MOST) {
            self.ends.drain(..too_many);
        }
    }

    fn says_anything(&mut self) {
        let said = any_bytes(&mut self.random, 5_000);
        if let Some(at) = any_place(&self.connections, &mut self.random) {
            let connection = &mut self.connections[at];
            connection.is_sound = false;
            // It may have been hung up on.
            let _ = connection.socket.send(&said);
        }
    }

    /// Descriptors that nobody asked for, beside what goes with them or anything else.
    fn shows_anything(&mut self) {
        let is_sound = self.random.random();
        let said = if is_sound { SHOWN.to_vec() } else { any_bytes(&mut self.random, 20) };
        let (zero, count) = (std::fs::File::open("/dev/zero").unwrap(), self.random.random_range(1..4));
        let mut shown = vec![zero.as_fd()];
        let connections = self.connections.iter().map(|connection| &connection.socket);
        shown.extend(self.ends.iter().chain(connections).map(AsFd::as_fd));
        let rights: Vec<i32> =
            (0..count).filter_map(|_| peek(&shown, &mut self.random)).map(AsRawFd::as_raw_fd).collect();
        if let Some(at) = any_place(&self.connections, &mut self.random) {
            self.connections[at].is_sound &= is_sound;
            let connection = &self.connections[at].socket;
            let (beside, flags) = (ControlMessage::ScmRights(&rights), MsgFlags::MSG_NOSIGNAL);
            // It may have been hung up on.
            let _ = sendmsg::<()>(connection.as_raw_fd(), &[IoSlice::new(&said)], &[beside], flags, None);
        }
    }

    /// A record into a pair: nothing, anything, what looks like a filler or a token, or has a head.
    fn writes(&mut self) {
        let Some(mut end) = peek(&self.ends, &mut self.random) else { return };
        let name = name_of(end);
        let mut record = any_bytes(&mut self.random, 60_000);
        match (name, self.random.random_range(0..4)) {
            (Some(name), 0) => drop(record.splice(0..0, name.marker())),
            (Some(name), 1..3) => drop(record.splice(0..0, any_head(&mut self.random, name))),
            _ => {}
        }
        for _ in 0..self.random.random_range(1..80) {
            // There may be no room, or no socket.
            let _ = end.write(&record);
        }
    }

    fn reads(&mut self) {
        if let Some(mut end) = peek(&self.ends, &mut self.random) {
            // There may be nothing.
            let _ = end.read(&mut self.buffer);
        }
    }

    fn shuts_down(&mut self) {
        let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][self.random.random_range(0..3)];
        let connections = self.connections.iter().map(|connection| &connection.socket);
        let all: Vec<_> =
            if self.random.random_ratio(1, 4) { connections.collect() } else { self.ends.iter().collect() };
        if let Some(socket) = peek(&all, &mut self.random) {
            // The service may have closed it.
            let _ = socket.shutdown(how);
        }
    }

    fn copies(&mut self) {
        if self.ends.len() < MOST
            && let Some(end) = peek(&self.ends, &mut self.random)
        {
            self.ends.push(end.try_clone().unwrap());
        }
    }
}

fn name_of(end: &Socket) -> Option<SocketName> {
    getpeername::<UnixAddr>(end.as_raw_fd()).ok()?.as_abstract().and_then(SocketName::from_bytes)
}

fn socket_of(end: &Socket) -> Option<u64> {
    name_of(end).map(|name| name.socket)
}

fn peek<'a, T>(all: &'a [T], random: &mut StdRng) -> Option<&'a T> {
    any_place(all, random).and_then(|at| all.get(at))
}

fn any_place<T>(all: &[T], random: &mut StdRng) -> Option<usize> {
    if all.is_empty() { None } else { Some(random.random_range(0..all.len())) }
}

fn pick<T>(all: &mut Vec<T>, random: &mut StdRng) -> Option<T> {
    if all.is_empty() { None } else { Some(all.swap_remove(random.random_range(0..all.len()))) }
}

fn any_bytes(random: &mut StdRng, most: usize) -> Vec<u8> {
    let len = if random.random() { random.random_range(0..20) } else { random.random_range(0..most) };
    let byte = random.random();
    let mut bytes = vec![byte; len];
    random.fill(&mut bytes[..len.min(40)]);
    bytes
}

/// What headed records begin with, or as much of it as is not wrong.
fn any_head(random: &mut StdRng, name: SocketName) -> Vec<u8> {
    let head = Head {
        stream: if random.random() { random.random_range(0..10) } else { random.random() },
        unordered: random.random(),
        sack_immediately: random.random(),
        ppid: random.random(),
        context: random.random(),
    };
    let mut bytes = head.to_bytes(&name.marker()).to_vec();
    if random.random_ratio(1, 3) {
        let at = random.random_range(0..bytes.len());
        bytes[at] = random.random();
    }
    if random.random_ratio(1, 8) {
        bytes.truncate(random.random_range(0..bytes.len()));
    }
    bytes
}

fn any_length(random: &mut StdRng) -> u32 {
    [0, 4, 300, 70_000, u32::MAX][random.random_range(0..5)]
}

fn any_flags(random: &mut StdRng) -> i32 {
    [0, libc::MSG_DONTWAIT, libc::MSG_PEEK, libc::MSG_FIN, random.random()][random.random_range(0..5)]
}

fn any_option(random: &mut StdRng) -> OptionName {
    let level = [libc::IPPROTO_SCTP, libc::IPPROTO_SCTP, libc::SOL_SOCKET][random.random_range(0..3)];
    OptionName { level, number: random.random_range(0..140) }
}

fn any_address(random: &mut StdRng) -> SocketAddr {
    let ip = [HERE, THERE, "0.0.0.0", "::1", "127.0.0.9"][random.random_range(0..5)];
    at(ip, any_port(random))
}

fn any_port(random: &mut StdRng) -> u16 {
    [1, 1, 2, 2, 3, 0, 40_000][random.random_range(0..7)]
}

#[expect(unsafe_code, reason = "nix gives received descriptors as numbers")]
fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
