//! Sockets of real stacks, which reach each other in memory, for tests.

use std::net::SocketAddr;

use sctp_core::event::AssociationId;
use sctp_user::driver::mem::MemDriver;
use sctp_user::stack::{Patience, Peer, Socket, SocketKind, Stack};

use crate::options::{Answer, Outcome, get, set};
use crate::{AssocIds, Effects, Errno, Settings, StackTarget, Style, constants, defaults};

/// Where the associations of tests are.
pub(crate) const HERE: &str = "127.0.0.1:7001";
pub(crate) const THERE: &str = "127.0.0.2:7000";

/// A socket of a program with all that belongs to it, and the peer's.
pub(crate) struct Program {
    pub(crate) socket: Socket,
    pub(crate) style: Style,
    pub(crate) settings: Settings,
    pub(crate) ids: AssocIds,
    pub(crate) effects: Effects,
    pub(crate) peer: Socket,
    pub(crate) association: Option<AssociationId>,
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn stack(driver: MemDriver) -> Stack {
    Stack::builder().driver(driver).defaults(defaults()).build().unwrap()
}

fn kind(style: Style) -> SocketKind {
    if style == Style::OneToMany { SocketKind::OneToMany } else { SocketKind::OneToOne }
}

impl Program {
    pub(crate) fn new(style: Style) -> Self {
        let ours = [at(HERE).ip(), [127, 0, 0, 3].into(), [127, 0, 0, 5].into()];
        let (ours, theirs) = MemDriver::pair(ours, [at(THERE).ip()], 1_500).unwrap();
        Self::on(ours, theirs, style)
    }

    pub(crate) fn on(ours: MemDriver, theirs: MemDriver, style: Style) -> Self {
        Self {
            socket: stack(ours).socket(kind(style)).unwrap(),
            style,
            settings: Settings::new(false),
            ids: AssocIds::default(),
            effects: Effects::default(),
            peer: stack(theirs).socket(SocketKind::OneToMany).unwrap(),
            association: None,
        }
    }

    /// Another socket of the same stack, instead of this one, which is given back.
    pub(crate) fn renew(&mut self, style: Style) -> Socket {
        let socket = self.socket.stack().socket(kind(style)).unwrap();
        self.style = style;
        self.settings = Settings::new(false);
        std::mem::replace(&mut self.socket, socket)
    }

    /// With an association that is up. The peer offers all extensions, and grants all requests.
    pub(crate) fn connected(style: Style) -> Self {
        let mut program = Self::new(style);
        program.connect();
        program
    }

    pub(crate) fn connect(&mut self) {
        let all = |config: &mut sctp_core::config::AssociationConfig| {
            config.extensions.reconfig = true;
            config.extensions.auth = true;
            config.extensions.asconf = true;
            config.reconfig_permissions = sctp_core::config::ReconfigPermissions::ALL;
        };
        self.peer.configure(None, all).unwrap();
        self.peer.bind(&[at(THERE).ip()], at(THERE).port()).unwrap();
        self.peer.listen(5).unwrap();
        if self.socket.local().unwrap().1 == 0 {
            self.socket.bind(&[at(HERE).ip()], at(HERE).port()).unwrap();
        }
        let peer = Peer { addresses: vec![at(THERE).ip()], port: at(THERE).port() };
        let association = self.socket.connect(&peer).unwrap();
        self.socket.wait_connected(association, Patience::Forever).unwrap();
        self.settings.begin(association);
        self.association = Some(association);
    }

    pub(crate) fn target<T>(&mut self, act: impl FnOnce(&mut StackTarget<'_>) -> T) -> T {
        let mut target = StackTarget::new(&self.socket, self.style, &mut self.settings, &mut self.ids);
        let result = act(&mut target);
        self.effects = target.effects;
        result
    }

    pub(crate) fn get(&mut self, number: i32, input: &[u8], room: usize) -> Result<Answer, Errno> {
        self.target(|target| get(target, number, input, room))
    }

    pub(crate) fn set(&mut self, number: i32, input: &[u8]) -> Result<Outcome, Errno> {
        self.target(|target| set(target, number, input))
    }

    /// The number of its association, 0 without one.
    pub(crate) fn number(&mut self) -> i32 {
        self.association.map_or(constants::SCTP_FUTURE_ASSOC, |association| self.ids.number(association))
    }

    /// Bytes as scripts in `tests/linux` have them.
    pub(crate) fn bytes(&mut self, text: &str) -> Vec<u8> {
        let number = self.number().to_ne_bytes();
        let mut bytes = Vec::new();
        let mut rest = text.replace('.', "");
        while !rest.is_empty() {
            let taken = match rest.as_bytes()[0] {
                b'$' => {
                    bytes.extend(number);
                    1
                }
                b'z' => {
                    bytes.resize(bytes.len() + rest[1..4].parse::<usize>().unwrap(), 0);
                    4
                }
                _ => {
                    bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                    2
                }
            };
            rest.drain(..taken);
        }
        bytes
    }
}
