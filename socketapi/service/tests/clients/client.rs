//! A client, and two services whose stacks reach each other in memory.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, getpeername, recvmsg, sendmsg,
};
use sctp_descriptors::{
    Command, Filler, MAX_REPLY_LEN, OptionName, Receive, Received, Reply, Request, SHOWN, Send, Slot,
    SocketName, Style, Token, VERSION, pieces, service_name,
};
use sctp_service::{Control, Listener, Rules, Service, defaults};
use sctp_user::driver::mem::MemDriver;
use sctp_user::stack::Stack;
use socket2::{Domain, SockAddr, Socket, Type};

/// Milliseconds: longer than anything here takes on a busy machine.
pub(crate) const LIMIT: u16 = 30_000;

/// What polls behind all messages, where the peer has ended the association.
pub(crate) const END: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// Level of SCTP's options and control messages.
pub(crate) const SCTP: i32 = libc::IPPROTO_SCTP;

/// The addresses of the two services' stacks.
pub(crate) const HERE: &str = "127.0.0.1";
pub(crate) const THERE: &str = "127.0.0.2";

/// Clients of two services.
pub(crate) fn clients() -> [Client; 2] {
    clients_under(&Rules::default()).map(|(client, _)| client)
}

/// The same with other rules, and what controls the services.
pub(crate) fn clients_under(rules: &Rules) -> [(Client, Control); 2] {
    let (here, there) = MemDriver::pair([ip(HERE)], [ip(THERE)], 1_500).unwrap();
    [here, there].map(|driver| {
        let control = Control::new(rules.clone()).unwrap();
        (Client::connect(&serve(driver, control.clone())), control)
    })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(self::ip(ip), port)
}

/// Starts a service, which ends with this process; returns its name.
fn serve(driver: MemDriver, control: Control) -> String {
    let (service, name) = open(driver, control);
    thread::spawn(move || service.run(None));
    name
}

fn open(driver: MemDriver, control: Control) -> (Service, String) {
    let stack = Stack::builder().driver(driver).defaults(defaults()).build().unwrap();
    let name = format!("sctp-service-test/{:032x}", rand::random::<u128>());
    (Service::open(stack, Listener::bind(&name).unwrap(), control).unwrap(), name)
}

/// A service that does nothing yet, and its name.
pub(crate) fn unstarted(rules: Rules) -> (Service, String) {
    let (here, _) = MemDriver::pair([ip(HERE)], [ip(THERE)], 1_500).unwrap();
    open(here, Control::new(rules).unwrap())
}

/// A control connection.
#[derive(Debug)]
pub(crate) struct Client {
    connection: Socket,
    /// The user that it names as who speaks, which root may do.
    named: Option<u32>,
    pub(crate) service: String,
}

/// A socket of a service, as a program holds it.
#[derive(Debug)]
pub(crate) struct Handle<'a> {
    client: &'a Client,
    pub(crate) end: Socket,
    pub(crate) name: SocketName,
}

impl Client {
    pub(crate) fn connect(service: &str) -> Self {
        let client = Self::come(service);
        client.is_greeted();
        client
    }

    /// Comes, and does not wait for the service.
    pub(crate) fn come(service: &str) -> Self {
        let connection = connection_to(service);
        connection.send(&VERSION.to_ne_bytes()).unwrap();
        Self { connection, named: None, service: service.to_owned() }
    }

    /// From now on this user speaks.
    pub(crate) fn naming(self, user: u32) -> Self {
        Self { named: Some(user), ..self }
    }

    /// Comes with a descriptor of a socket in its hands, to the service of that.
    pub(crate) fn come_holding(name: SocketName, end: &Socket) -> Self {
        let service = service_name(name.service);
        let client = Self { connection: connection_to(&service), named: None, service };
        client.say(&VERSION.to_ne_bytes(), &[end.as_raw_fd()]);
        client.is_greeted();
        client
    }

    pub(crate) fn is_greeted(&self) {
        assert_eq!((&self.connection).read(&mut [0; 2]).unwrap(), 2);
    }

    /// Another process's.
    pub(crate) fn another(&self) -> Self {
        Self::connect(&self.service)
    }

    /// Whether another process's would be hung up on.
    pub(crate) fn is_refused_another(&self) -> bool {
        is_refused(&self.service)
    }

    pub(crate) fn ask(&self, socket: u64, command: Command) -> (Reply, Option<OwnedFd>) {
        self.tell(socket, command);
        self.hear()
    }

    /// Gives a command, and does not wait for its answer.
    pub(crate) fn tell(&self, socket: u64, command: Command) {
        for piece in pieces(&Request { socket, command }.encode()) {
            self.say(&piece, &[]);
        }
    }

    fn say(&self, record: &[u8], rights: &[RawFd]) {
        let pid = nix::unistd::getpid().as_raw();
        let named = self.named.map(|user| libc::ucred { pid, uid: user, gid: user }.into());
        let mut beside: Vec<_> = named.as_ref().map(ControlMessage::ScmCredentials).into_iter().collect();
        if !rights.is_empty() {
            beside.push(ControlMessage::ScmRights(rights));
        }
        let (socket, parts) = (self.connection.as_raw_fd(), [IoSlice::new(record)]);
        sendmsg::<()>(socket, &parts, &beside, MsgFlags::empty(), None).unwrap();
    }

    /// The next answer.
    pub(crate) fn hear(&self) -> (Reply, Option<OwnedFd>) {
        let mut buffer = vec![0; MAX_REPLY_LEN];
        let mut space = nix::cmsg_space!([i32; 1]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let got = recvmsg::<()>(self.connection.as_raw_fd(), &mut parts, Some(&mut space), flags).unwrap();
        let fds = got.cmsgs().unwrap().find_map(|message| match message {
            ControlMessageOwned::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let len = got.bytes;
        (Reply::decode(&buffer[..len]).unwrap(), fds.map(|fds| owned(fds[0])))
    }

    /// What a file below `/proc` says.
    pub(crate) fn proc_file(&self, name: &str) -> String {
        let (reply, file) = self.ask(0, Command::ProcFile(name.to_owned()));
        assert_eq!(reply, Reply::Done, "{name}");
        let mut text = String::new();
        File::from(file.unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    /// Shows a descriptor to the service.
    pub(crate) fn show(&self, descriptor: &impl AsRawFd) {
        self.say(&SHOWN, &[descriptor.as_raw_fd()]);
    }

    pub(crate) fn socket(&self, style: Style) -> Handle<'_> {
        let (_, fd) = self.ask(0, Command::Socket { ipv6: false, style });
        Handle::of(self, fd.unwrap())
    }
}

/// Whether who comes there is hung up on.
pub(crate) fn is_refused(service: &str) -> bool {
    let connection = connection_to(service);
    // The service may have hung up before.
    let _ = connection.send(&VERSION.to_ne_bytes());
    !(&connection).read(&mut [0; 2]).is_ok_and(|len| len == 2)
}

/// Looks again and again, for longer than anything here takes.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_millis(LIMIT.into()), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn connection_to(service: &str) -> Socket {
    let connection = unconnected();
    connect_to(&connection, service);
    connection
}

pub(crate) fn unconnected() -> Socket {
    Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap()
}

pub(crate) fn connect_to(connection: &Socket, service: &str) {
    connection.connect(&abstract_address(service.as_bytes())).unwrap();
}

pub(crate) fn abstract_address(name: &[u8]) -> SockAddr {
    let path = [&[0], name].concat();
    SockAddr::unix(std::ffi::OsStr::from_bytes(&path)).unwrap()
}

#[expect(unsafe_code, reason = "nix gives received descriptors as numbers")]
fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

impl<'a> Handle<'a> {
    pub(crate) fn of(client: &'a Client, fd: OwnedFd) -> Self {
        let peer: UnixAddr = getpeername(fd.as_raw_fd()).unwrap();
        let name = peer.as_abstract().and_then(SocketName::from_bytes).unwrap();
        Self { client, end: fd.into(), name }
    }

    /// The same socket in another process.
    pub(crate) fn shared_with<'b>(&self, client: &'b Client) -> Handle<'b> {
        Handle { client, end: self.end.try_clone().unwrap(), name: self.name }
    }

    pub(crate) fn ask(&self, command: Command) -> Reply {
        self.client.ask(self.name.socket, command).0
    }

    /// Bound and listening.
    pub(crate) fn listen(&self, address: SocketAddr) {
        assert_eq!(self.ask(Command::Bind(address)), Reply::Done);
        assert_eq!(self.ask(Command::Listen(5)), Reply::Done);
    }

    /// Gives a command, and writes the filler that the reply names.
    pub(crate) fn ask_filling(&self, command: Command) -> Reply {
        let reply = self.ask(command);
        self.fill(reply.filler());
        reply
    }

    pub(crate) fn fill(&self, Filler(len): Filler) {
        if len > 0 {
            let mut filler = self.name.marker().to_vec();
            filler.resize(len as usize, 0);
            (&self.end).write_all(&filler).unwrap();
        }
    }

    pub(crate) fn connect(&self, peer: SocketAddr) {
        assert_eq!(self.try_to_connect(peer), Reply::Done);
    }

    /// Connects, and waits for the outcome.
    pub(crate) fn try_to_connect(&self, peer: SocketAddr) -> Reply {
        let Reply::Begun { result: 0, set_up } = self.ask_filling(Command::Connect(peer)) else {
            panic!("it does not begin")
        };
        // It may poll writable before that, because of something else that was waited for.
        loop {
            self.wait_for(PollFlags::POLLOUT);
            match self.ask_filling(Command::SetUp(set_up.ticket)) {
                Reply::Later(_) => {}
                outcome => return outcome,
            }
        }
    }

    pub(crate) fn accept(&self) -> Handle<'a> {
        let took = Some(self.take_token());
        let (reply, fd) = self.client.ask(self.name.socket, Command::Accept { took });
        assert!(matches!(reply, Reply::Accepted { peer: Some(_), stale: None }), "{reply:?}");
        Handle::of(self.client, fd.unwrap())
    }

    /// What `/proc` says of the associations of its service: among others how much room there is to send more.
    pub(crate) fn associations(&self) -> String {
        self.client.proc_file("net/sctp/assocs")
    }

    pub(crate) fn set(&self, number: i32, value: &[u8]) {
        let option = OptionName { level: SCTP, number };
        assert_eq!(self.ask(Command::SetOption { option, value: value.to_vec() }), Reply::Done);
    }

    pub(crate) fn events(&self) -> PollFlags {
        self.poll(PollTimeout::ZERO)
    }

    fn poll(&self, timeout: impl Into<PollTimeout>) -> PollFlags {
        let mut polled = [PollFd::new(self.end.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
        poll(&mut polled, timeout).unwrap();
        polled[0].revents().unwrap()
    }

    pub(crate) fn wait_for(&self, event: PollFlags) {
        let mut polled = [PollFd::new(self.end.as_fd(), event)];
        assert_eq!(poll(&mut polled, LIMIT).unwrap(), 1, "{event:?} did not come");
    }

    pub(crate) fn take_token(&self) -> Token {
        self.wait_for(PollFlags::POLLIN);
        let mut record = [0; 64];
        let len = (&self.end).read(&mut record).unwrap();
        Token::from_bytes(&record[..len], &self.name.marker()).unwrap()
    }

    /// The next bare record.
    pub(crate) fn read_bare(&self) -> Vec<u8> {
        self.wait_for(PollFlags::POLLIN);
        let mut record = vec![0; 1 << 17];
        let len = (&self.end).read(&mut record).unwrap();
        record.truncate(len);
        record
    }

    pub(crate) fn write_bare(&self, record: &[u8]) {
        (&self.end).write_all(record).unwrap();
    }

    pub(crate) fn send(&self, to: Option<SocketAddr>, control: Vec<u8>, payload: &[u8]) -> Reply {
        let payload = payload.to_vec();
        self.ask_filling(Command::Send(Send { flags: 0, to, control, payload }))
    }

    pub(crate) fn receive_as(&self, flags: i32, room: u32, took: Option<Token>) -> Reply {
        self.ask(Command::Receive(Receive { flags, room, control_room: 256, took, woken: false }))
    }

    /// What the board says of it; nothing if there is nothing any more.
    pub(crate) fn slot(&self) -> Slot {
        let (_, board) = self.client.ask(0, Command::Board);
        let mut bytes = [0; Slot::LEN];
        let offset = u64::from(self.name.slot) * Slot::LEN as u64;
        std::fs::File::from(board.unwrap()).read_exact_at(&mut bytes, offset).unwrap();
        Slot::from_bytes(bytes, self.name.socket).unwrap_or_default()
    }

    /// Waits for a token, and takes what it stands for.
    pub(crate) fn receive(&self) -> Received {
        let took = Some(self.take_token());
        match self.receive_as(0, 1 << 20, took) {
            Reply::Received(received) => {
                assert_eq!(received.stale, None);
                received
            }
            other => panic!("{other:?}"),
        }
    }
}
