//! One socket that the service holds for a program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use nix::sys::epoll::EpollFlags;
use sctp_abi::{AssocIds, Errno, Settings, errno};
use sctp_core::event::AssociationId;
use sctp_descriptors::Reply;
use sctp_user::stack::{Error, Peer, Socket, SocketKind};

use crate::options::Kept;
use crate::pair::Pair;

/// A socket of the stack, and the pair whose other end the program holds.
#[derive(Debug)]
pub(crate) struct Served {
    /// Whose it is.
    pub(crate) user: u32,
    pub(crate) pair: Pair,
    /// The last copy of the program's descriptor is closed; what it wrote may still be in the pair.
    pub(crate) hung_up: bool,
    pub(crate) phase: Phase,
    pub(crate) socket: Socket,
    pub(crate) waker: Waker,
    /// The pending error (`SO_ERROR`), 0 for none.
    pub(crate) error: i32,
    /// A record for the stack, while the association's send buffer is full. Nothing more is read meanwhile.
    pub(crate) unsent: Option<Bytes>,
    /// A record for the program, while the pair is full. Nothing more is received meanwhile, so a_rwnd closes.
    pub(crate) unwritten: Option<Bytes>,
    /// The program writes no more.
    pub(crate) shut_down: bool,
    /// What the program has set that the stack knows nothing of.
    pub(crate) settings: Settings,
    pub(crate) kept: Kept,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Made, perhaps bound; or its set-up failed.
    Idle,
    /// Listening, with the association that the token in the pair stands for.
    Listening(Option<Socket>),
    /// The set-up of an association is under way.
    Connecting(AssociationId),
    /// Associated.
    Open,
}

/// What becomes of a socket after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It waits for the program, or for the stack.
    Waits,
    /// It had its share, and there is more to do.
    Again,
    /// It is to be closed. The error waits to be asked for.
    Over {
        /// As `errno`, 0 for none.
        error: i32,
    },
}

impl Served {
    pub(crate) fn new(user: u32, pair: Pair, socket: Socket, waker: Waker, ipv6: bool) -> Self {
        Self {
            user,
            pair,
            hung_up: false,
            phase: Phase::Idle,
            socket,
            waker,
            error: 0,
            unsent: None,
            unwritten: None,
            shut_down: false,
            settings: Settings::new(ipv6),
            kept: Kept::default(),
        }
    }

    /// Whether this user may use it: root may.
    pub(crate) fn is_of(&self, user: u32) -> bool {
        self.user == user || user == 0
    }

    /// A socket for an association of this listener.
    pub(crate) fn accepted(&mut self, pair: Pair, socket: Socket, waker: Waker) -> Self {
        let settings = match socket.only_association() {
            Some(association) => self.settings.hand_over(association),
            None => self.settings.clone(),
        };
        let mut accepted = Self::new(self.user, pair, socket, waker, settings.form.ipv6);
        accepted.phase = Phase::Open;
        accepted.settings = settings;
        accepted.kept = self.kept;
        accepted
    }

    /// Once, and before it has got an address in another way, as on Linux.
    pub(crate) fn bind(&mut self, local: SocketAddr) -> Result<(), Errno> {
        let is_bound = self.port()? != 0;
        if is_bound || !(self.settings.form.ipv6 || local.is_ipv4()) {
            return Err(Errno::EINVAL);
        }
        let address = Some(local.ip()).filter(|address| !address.is_unspecified());
        checked(self.socket.bind(address.as_slice(), local.port()))
    }

    fn port(&self) -> Result<u16, Errno> {
        checked(self.socket.local().map(|(_, port)| port))
    }

    pub(crate) fn listen(&mut self, backlog: u32) -> Result<(), Errno> {
        match self.phase {
            Phase::Idle => checked(self.renew(SocketKind::Listener))?,
            Phase::Listening(_) => {}
            Phase::Connecting(_) | Phase::Open => return Err(Errno::EINVAL),
        }
        // Linux, too, takes one association where the backlog is 0.
        checked(self.socket.listen(backlog.max(1) as usize))?;
        if !matches!(self.phase, Phase::Listening(_)) {
            self.phase = Phase::Listening(None);
        }
        Ok(())
    }

    pub(crate) fn connect(&mut self, peer: SocketAddr) -> Result<Reply, Errno> {
        match self.phase {
            Phase::Idle => {}
            Phase::Connecting(_) => return Err(Errno::EALREADY),
            Phase::Listening(_) | Phase::Open => return Err(Errno::EISCONN),
        }
        if let Some(filler) = self.filler() {
            return Ok(filler);
        }
        let peer = Peer { addresses: vec![peer.ip()], port: peer.port() };
        let association = checked(self.socket.connect(&peer))?;
        self.settings.begin(association);
        self.phase = Phase::Connecting(association);
        Ok(Reply::Done)
    }

    /// What a program has to do before its descriptor can tell the outcome of a set-up.
    pub(crate) fn filler(&mut self) -> Option<Reply> {
        self.pair.close().map(|len| Reply::Fill(u32::try_from(len).unwrap_or(u32::MAX)))
    }

    /// Takes another socket of the stack, with all that was set on this one. C programs say what a socket is for after they
    /// have bound it, the stack wants to know before; and a socket of the stack has one association in its life.
    fn renew(&mut self, kind: SocketKind) -> Result<(), Error> {
        let (addresses, port) = self.socket.local()?;
        let addresses = if self.socket.is_bound_to_all()? { Vec::new() } else { addresses };
        let config = self.socket.config()?;
        let other = self.socket.stack().socket(kind)?;
        other.configure(None, |own| own.clone_from(&config))?;
        other.subscribe(self.settings.all_events().notifications())?;
        other.set_linger(self.kept.linger.of_stack())?;
        if let Some(port) = self.settings.remote_udp_port {
            other.set_remote_udp_port(Some(port))?;
        }
        // It gives its port back.
        std::mem::replace(&mut self.socket, other).close();
        if port != 0 {
            self.socket.bind(&addresses, port)?;
        }
        Ok(())
    }

    /// Starts or finishes what the stack has news of; messages are the pump's.
    pub(crate) fn advance(&mut self, buffer: &mut [u8], ids: &mut AssocIds) -> Outcome {
        match self.phase {
            Phase::Open => return self.pump(buffer),
            _ if self.hung_up => return self.leave(),
            Phase::Idle => {}
            Phase::Listening(_) => self.offer(),
            Phase::Connecting(id) => {
                let mut context = Context::from_waker(&self.waker);
                match self.socket.poll_connected(&mut context, id) {
                    Poll::Pending => {}
                    Poll::Ready(result) => self.conclude_setup(result, ids),
                }
            }
        }
        if matches!(self.phase, Phase::Open) { Outcome::Again } else { Outcome::Waits }
    }

    /// Nobody waits any more for the outcome of a set-up.
    fn leave(&mut self) -> Outcome {
        if matches!(self.phase, Phase::Connecting(_)) {
            // It may have ended already.
            let _ = self.socket.abort(None, Bytes::new());
        }
        Outcome::Over { error: 0 }
    }

    fn conclude_setup(&mut self, result: Result<(), Error>, ids: &mut AssocIds) {
        self.phase = match result {
            Ok(()) => Phase::Open,
            Err(error) => {
                self.error = errno::of_setup(&error).0;
                self.forget_association(ids);
                if let Err(error) = self.renew(SocketKind::OneToOne) {
                    tracing::warn!(%error, "a socket whose set-up failed cannot be used again");
                }
                Phase::Idle
            }
        };
        self.pair.open();
    }

    /// The association has ended, or gets no descriptor any more.
    pub(crate) fn forget_association(&mut self, ids: &mut AssocIds) {
        if let Some(association) = self.socket.only_association() {
            ids.forget(association);
            self.settings.end(association);
        }
    }

    /// Puts a token into a listener's pair if an association waits and none is there yet.
    fn offer(&mut self) {
        let Phase::Listening(waiting @ None) = &mut self.phase else { return };
        let mut context = Context::from_waker(&self.waker);
        if let Poll::Ready(Ok(socket)) = self.socket.poll_accept(&mut context) {
            *waiting = Some(socket);
            self.pair.write(&[1]);
        }
    }

    /// The association that the token stood for.
    pub(crate) fn take_waiting(&mut self) -> Option<Socket> {
        match &mut self.phase {
            Phase::Listening(waiting) => waiting.take(),
            _ => None,
        }
    }

    /// What to wait for on the pair; the kernel tells of a hang-up in any case.
    pub(crate) fn interest(&self) -> EpollFlags {
        if !matches!(self.phase, Phase::Open) {
            return EpollFlags::empty();
        }
        let mut interest = EpollFlags::empty();
        interest.set(EpollFlags::EPOLLIN, self.unsent.is_none() && !self.shut_down);
        interest.set(EpollFlags::EPOLLOUT, self.unwritten.is_some());
        interest
    }

    pub(crate) fn local_address(&self) -> Result<SocketAddr, Error> {
        let (all, port) = self.socket.local()?;
        let of_path = self.socket.association(None, |association| {
            let path = association.paths().get(association.paths().primary())?;
            let suits = |address: &&IpAddr| address.is_ipv4() == path.address.remote.is_ipv4();
            path.address.local.or_else(|| all.iter().find(suits).copied())
        });
        let any: IpAddr =
            if self.settings.form.ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let bound = if self.socket.is_bound_to_all()? || port == 0 { None } else { all.first().copied() };
        let address = of_path.ok().flatten().or(bound).unwrap_or(any);
        Ok(self.in_family(address, port))
    }

    pub(crate) fn peer_address(&self) -> Result<SocketAddr, Error> {
        if !matches!(self.phase, Phase::Open) {
            return Err(Error::NotConnected);
        }
        let (address, port) = self.socket.association(None, |association| {
            let primary = association.paths().get(association.paths().primary());
            (primary.map(|path| path.address.remote), association.peer_port())
        })?;
        Ok(self.in_family(address.ok_or(Error::NotConnected)?, port))
    }

    /// A socket of IPv6 shows IPv4 addresses in their mapped form, unless the program wants them plain.
    fn in_family(&self, address: IpAddr, port: u16) -> SocketAddr {
        let form = self.settings.form;
        match address {
            IpAddr::V4(v4) if form.ipv6 && form.mapped => SocketAddr::new(v4.to_ipv6_mapped().into(), port),
            other => SocketAddr::new(other, port),
        }
    }
}

/// The error as C has it.
fn checked<T>(result: Result<T, Error>) -> Result<T, Errno> {
    result.map_err(|error| errno::of(&error))
}
