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
    ByteBuf, Command, MAX_REPLY_LEN, OptionName, Receive, Request, SHOWN, Send, SocketName, Style, Ticket,
    Token, VERSION, pieces,
};
use socket2::Socket;

use super::client::{HERE, THERE, at, connect_to, unconnected};

/// As many of each it holds at most.
const MOST: usize = 20;

pub(crate) struct WrongClient {
    service: String,
    /// Who answers to the service's stack.
    peer: &'static str,
    random: StdRng,
    connections: Vec<Socket>,
    /// Ends of sockets.
    ends: Vec<Socket>,
    buffer: Vec<u8>,
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
            let connection = &self.connections[0];
            // Where there is no room for a request the service is behind.
            connection.set_nonblocking(false).unwrap();
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
        connection.set_nonblocking(true).unwrap();
        self.connections.push(connection);
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
        let is_cut = self.random.random_ratio(1, 100);
        for piece in pieces(&Request { socket, command }.encode()) {
            if self.connections[at].send(&piece).is_err() || is_cut {
                return;
            }
        }
        if self.random.random_ratio(19, 20) {
            // The service answers at once: where it does not, it has hung up.
            let _ = poll(&mut [PollFd::new(self.connections[at].as_fd(), PollFlags::POLLIN)], 20_u16);
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

    /// The first that waits there, if one does.
    fn takes_answer(&mut self, at: usize) {
        let Some(connection) = self.connections.get(at) else { return };
        let mut space = nix::cmsg_space!([i32; 1]);
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
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
        if let Some(connection) = peek(&self.connections, &mut self.random) {
            // It may have been hung up on.
            let _ = connection.send(&said);
        }
    }

    /// Descriptors that nobody asked for, beside what goes with them or anything else.
    fn shows_anything(&mut self) {
        let said = if self.random.random() { SHOWN.to_vec() } else { any_bytes(&mut self.random, 20) };
        let (zero, count) = (std::fs::File::open("/dev/zero").unwrap(), self.random.random_range(1..4));
        let mut shown = vec![zero.as_fd()];
        shown.extend(self.ends.iter().chain(&self.connections).map(AsFd::as_fd));
        let rights: Vec<i32> =
            (0..count).filter_map(|_| peek(&shown, &mut self.random)).map(AsRawFd::as_raw_fd).collect();
        if let Some(connection) = peek(&self.connections, &mut self.random) {
            let (beside, flags) = (ControlMessage::ScmRights(&rights), MsgFlags::MSG_NOSIGNAL);
            // It may have been hung up on.
            let _ = sendmsg::<()>(connection.as_raw_fd(), &[IoSlice::new(&said)], &[beside], flags, None);
        }
    }

    /// A record into a pair: nothing, anything, what looks like a filler or a token.
    fn writes(&mut self) {
        let Some(mut end) = peek(&self.ends, &mut self.random) else { return };
        let name = name_of(end);
        let mut record = any_bytes(&mut self.random, 60_000);
        if let Some(name) = name.filter(|_| self.random.random()) {
            record.splice(0..0, name.marker());
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
        let all = if self.random.random_ratio(1, 4) { &self.connections } else { &self.ends };
        if let Some(socket) = peek(all, &mut self.random) {
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
    if all.is_empty() { None } else { all.get(random.random_range(0..all.len())) }
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
