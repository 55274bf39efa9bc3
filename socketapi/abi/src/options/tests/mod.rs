//! Options on sockets of real stacks, which reach each other in memory.

mod features;
mod oracle;
mod random;
mod table;
mod values;

use std::net::SocketAddr;

use sctp_core::event::AssociationId;
use sctp_user::driver::mem::MemDriver;
use sctp_user::stack::{Patience, Peer, Socket, SocketKind, Stack};

use super::{Answer, Outcome, get, set};
use crate::errno::Errno;
use crate::{AssocIds, Effects, Settings, StackTarget, Style, constants, defaults};

/// Where the associations of tests are.
const HERE: &str = "127.0.0.1:7001";
const THERE: &str = "127.0.0.2:7000";

/// A socket of a program with all that belongs to it, and the peer's.
struct Program {
    socket: Socket,
    style: Style,
    settings: Settings,
    ids: AssocIds,
    effects: Effects,
    peer: Socket,
    association: Option<AssociationId>,
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn stack(driver: MemDriver) -> Stack {
    Stack::builder().driver(driver).defaults(defaults()).build().unwrap()
}

fn kind(style: Style) -> SocketKind {
    if style == Style::OneToMany { SocketKind::OneToMany } else { SocketKind::OneToOne }
}

impl Program {
    fn new(style: Style) -> Self {
        let (ours, theirs) = MemDriver::pair([at(HERE).ip()], [at(THERE).ip()], 1_500).unwrap();
        Self::on(ours, theirs, style)
    }

    fn on(ours: MemDriver, theirs: MemDriver, style: Style) -> Self {
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

    /// Another socket of the same stack, instead of this one.
    fn renew(&mut self, style: Style) {
        self.socket = self.socket.stack().socket(kind(style)).unwrap();
        self.style = style;
        self.settings = Settings::new(false);
    }

    /// With an association that is up. The peer offers all extensions, and grants all requests.
    fn connected(style: Style) -> Self {
        let mut program = Self::new(style);
        program.connect();
        program
    }

    fn connect(&mut self) {
        let all = |config: &mut sctp_core::config::AssociationConfig| {
            config.extensions.reconfig = true;
            config.extensions.auth = true;
            config.extensions.asconf = true;
            config.reconfig_permissions = sctp_core::config::ReconfigPermissions::ALL;
        };
        self.peer.configure(None, all).unwrap();
        self.peer.bind(&[at(THERE).ip()], at(THERE).port()).unwrap();
        self.peer.listen(5).unwrap();
        self.socket.bind(&[at(HERE).ip()], at(HERE).port()).unwrap();
        let peer = Peer { addresses: vec![at(THERE).ip()], port: at(THERE).port() };
        let association = self.socket.connect(&peer).unwrap();
        self.socket.wait_connected(association, Patience::Forever).unwrap();
        self.settings.begin(association);
        self.association = Some(association);
    }

    fn target<T>(&mut self, act: impl FnOnce(&mut StackTarget<'_>) -> T) -> T {
        let mut target = StackTarget::new(&self.socket, self.style, &mut self.settings, &mut self.ids);
        let result = act(&mut target);
        self.effects = target.effects;
        result
    }

    fn get(&mut self, number: i32, input: &[u8], room: usize) -> Result<Answer, Errno> {
        self.target(|target| get(target, number, input, room))
    }

    fn set(&mut self, number: i32, input: &[u8]) -> Result<Outcome, Errno> {
        self.target(|target| set(target, number, input))
    }

    /// The number of its association, 0 without one.
    fn number(&mut self) -> i32 {
        self.association.map_or(constants::SCTP_FUTURE_ASSOC, |association| self.ids.number(association))
    }
}
