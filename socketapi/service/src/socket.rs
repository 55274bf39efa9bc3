//! One socket that the service holds for a program.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use nix::sys::epoll::EpollFlags;
use sctp_abi::{AssocIds, Errno, Settings, Style, errno};
use sctp_core::association::{Association, AssociationState};
use sctp_core::event::AssociationId;
use sctp_descriptors::SocketName;
use sctp_user::stack::{Error, Socket, SocketKind};

use crate::board::Seat;
use crate::control::Holding;
use crate::early::Early;
use crate::ended::Halves;
use crate::guests::{Guests, Identity};
use crate::inbox::Inbox;
use crate::known::{Known, Memory};
use crate::options::Kept;
use crate::pair::Pair;
use crate::setup::Many;
use crate::written::Written;

/// As many associations wait to be accepted at most (`net.core.somaxconn`).
const MOST_BACKLOG: usize = 4_096;

/// A socket of the stack, and the pair whose other end the program holds.
#[derive(Debug)]
pub(crate) struct Served {
    /// Whose it is.
    pub(crate) user: u32,
    /// Who else has shown that they hold a descriptor of it.
    pub(crate) guests: Guests,
    pub(crate) holding: Holding,
    pub(crate) name: SocketName,
    pub(crate) style: Style,
    pub(crate) pair: Pair,
    /// The last copy of the program's descriptor is closed; what it wrote may still be in the pair.
    pub(crate) hung_up: bool,
    /// The service is to stop: it is as if the program had closed it.
    pub(crate) is_stopping: bool,
    /// It had not read everything then.
    pub(crate) leaves_unread: bool,
    pub(crate) phase: Phase,
    pub(crate) socket: Socket,
    pub(crate) waker: Waker,
    /// The pending error (`SO_ERROR`), 0 for none.
    pub(crate) error: i32,
    /// Messages that were written into the pair, while the association's send buffer is full. Nothing more is read meanwhile: so it is one, and more
    /// only of a program that writes no more.
    pub(crate) unsent: VecDeque<Written>,
    /// Bytes of those that could not be sent any more, as far as the program is told of them.
    pub(crate) failed: usize,
    /// Messages that were refused for want of room, by their lengths. The descriptor polls writable when one has it; bare
    /// records are not read meanwhile.
    pub(crate) wanted: Vec<(AssociationId, usize)>,
    /// What the program reads next.
    pub(crate) inbox: Inbox,
    /// A message waits in the stack that is not for the pair.
    pub(crate) message_waits: bool,
    /// A bare record was written since the program last asked whether there is anything.
    pub(crate) wrote_bare: bool,
    /// What was written bare, as long as that is little.
    pub(crate) early: Early,
    pub(crate) halves: Halves,
    /// A pipe: who waits in `close` for the end of the association has a copy of the first end, and sees the other one closed.
    pub(crate) awaits_end: Option<(OwnedFd, OwnedFd)>,
    /// Its association had ended before it was accepted: as on Linux, `getpeername` does not know its peer.
    pub(crate) is_nameless: bool,
    /// What the program has set that the stack knows nothing of.
    pub(crate) settings: Settings,
    pub(crate) kept: Kept,
    pub(crate) memory: Memory,
    /// Where the board says what the program may do without asking.
    pub(crate) seat: Seat,
    /// What is waited for on the pair.
    pub(crate) watched: EpollFlags,
    /// It waits for its user's turn.
    pub(crate) is_due: bool,
    /// Other users want turns, too.
    pub(crate) is_contended: bool,
    /// Bare records that have passed, and were not counted yet.
    pub(crate) passed: usize,
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
    /// One-to-one style: the association has ended, for who reads at least.
    Ended {
        /// The peer shut it down: reads come to the end of file. If not they fail.
        is_eof: bool,
    },
    /// One-to-many style: all at once.
    Many(Many),
}

/// What becomes of a socket after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It waits for the program, or for the stack.
    Waits,
    /// It had its share, and there is more to do.
    Again,
    /// It is to be closed.
    Over,
}

/// A pair for a socket, and whose it is to be.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) user: u32,
    /// Of the program's end.
    pub(crate) identity: Identity,
    pub(crate) holding: Holding,
    pub(crate) name: SocketName,
    pub(crate) seat: Seat,
    pub(crate) pair: Pair,
    pub(crate) waker: Waker,
}

impl Served {
    pub(crate) fn new(place: Place, style: Style, socket: Socket, settings: Settings) -> Self {
        let Place { user, identity, holding, name, seat, pair, waker } = place;
        let phase = match style {
            Style::OneToMany => Phase::Many(Many::default()),
            Style::OneToOne => Phase::Idle,
            Style::PeeledOff => Phase::Open,
        };
        Self {
            user,
            guests: Guests::new(identity),
            holding,
            name,
            style,
            pair,
            hung_up: false,
            is_stopping: false,
            leaves_unread: false,
            phase,
            socket,
            waker,
            error: 0,
            unsent: VecDeque::new(),
            failed: 0,
            wanted: Vec::new(),
            inbox: Inbox::default(),
            message_waits: false,
            wrote_bare: false,
            early: Early::default(),
            halves: Halves::default(),
            awaits_end: None,
            is_nameless: false,
            settings,
            kept: Kept::default(),
            memory: Memory::default(),
            seat,
            watched: EpollFlags::empty(),
            is_due: false,
            is_contended: false,
            passed: 0,
        }
    }

    /// Whether this user may use it: root may.
    pub(crate) fn is_of(&self, user: u32) -> bool {
        self.user == user || user == 0 || self.guests.has(user)
    }

    /// A socket for an association that was this one's, and is `socket`'s own now: accepted, or peeled off.
    pub(crate) fn hand_over(&mut self, place: Place, style: Style, socket: Socket) -> Self {
        let association = socket.only_association();
        let settings = match association {
            Some(id) => self.settings.hand_over(id),
            None => self.settings.clone(),
        };
        let mut other = Self::new(place, style, socket, settings);
        other.kept = self.kept;
        other.phase = Phase::Open;
        if let Some(association) = association {
            other.await_last_sends(association);
            other.inbox = self.inbox.split_off(association);
            other.memory = self.memory.split_off(association);
            other.memory.set_up(&other.socket, association);
            let has_ended = |association: &Association| association.state() == AssociationState::Closed;
            other.is_nameless = other.socket.association(None, has_ended).unwrap_or(true);
            self.wanted.retain(|(wanted, _)| *wanted != association);
        }
        other
    }

    /// An address that the program gave: IPv4 also if it was given to a socket of IPv6 as a mapped address.
    ///
    /// # Errors
    /// EINVAL if a socket of this family cannot use it.
    pub(crate) fn canonical(&self, address: SocketAddr) -> Result<SocketAddr, Errno> {
        let form = self.settings.form;
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        let is_takable = form.takes(canonical) && (form.ipv6 || address.is_ipv4());
        if is_takable { Ok(canonical) } else { Err(Errno::EINVAL) }
    }

    /// Once, and before it has got an address in another way, as on Linux.
    pub(crate) fn bind(&mut self, local: SocketAddr) -> Result<(), Errno> {
        let local = self.canonical(local)?;
        if self.port()? != 0 {
            return Err(Errno::EINVAL);
        }
        let address = Some(local.ip()).filter(|address| !address.is_unspecified());
        checked(self.socket.bind(address.as_slice(), local.port()))
    }

    fn port(&self) -> Result<u16, Errno> {
        checked(self.socket.local().map(|(_, port)| port))
    }

    /// A second time this changes the backlog.
    pub(crate) fn listen(&mut self, backlog: i32) -> Result<(), Errno> {
        match self.phase {
            Phase::Connecting(_) | Phase::Open | Phase::Ended { .. } => return Err(Errno::EINVAL),
            _ if backlog == 0 => return checked(self.stop_listening()),
            Phase::Idle => checked(self.renew(SocketKind::Listener))?,
            Phase::Listening(_) | Phase::Many(_) => {}
        }
        // As on Linux, a negative one is the largest.
        let backlog = usize::try_from(backlog).map_or(MOST_BACKLOG, |backlog| backlog.min(MOST_BACKLOG));
        if let Err(error) = self.socket.listen(backlog) {
            if matches!(self.phase, Phase::Idle) {
                checked(self.renew(SocketKind::OneToOne))?;
            }
            return Err(errno::of(&error));
        }
        match &mut self.phase {
            Phase::Many(many) => many.listening = true,
            Phase::Listening(_) => {}
            _ => self.phase = Phase::Listening(None),
        }
        Ok(())
    }

    /// RFC 6458, 3.1.3 and 4.1.3: a backlog of 0.
    fn stop_listening(&mut self) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Listening(_) => {
                self.renew(SocketKind::OneToOne)?;
                self.phase = Phase::Idle;
            }
            Phase::Many(many) => {
                many.listening = false;
                self.socket.stop_listening()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes another socket of the stack, with all that was set on this one. C programs say what a socket is for after they
    /// have bound it, the stack wants to know before; and a socket of the stack has one association in its life.
    pub(crate) fn renew(&mut self, kind: SocketKind) -> Result<(), Error> {
        let config = self.socket.config()?;
        let other = self.socket.stack().socket(kind)?;
        other.configure(None, |own| own.clone_from(&config))?;
        other.set_meter(self.holding.meter())?;
        other.subscribe(self.settings.notifications(self.style))?;
        other.set_linger(self.kept.linger.of_stack())?;
        if let Some(port) = self.settings.remote_udp_port {
            other.set_remote_udp_port(Some(port))?;
        }
        other.share_port(self.settings.sharing())?;
        other.set_wildcard(self.settings.form.wildcard())?;
        other.take_port(&self.socket)?;
        std::mem::replace(&mut self.socket, other).close();
        Ok(())
    }

    /// Starts or finishes what the stack has news of.
    pub(crate) fn advance(&mut self, buffer: &mut [u8], ids: &mut AssocIds) -> Outcome {
        match self.phase {
            Phase::Open | Phase::Ended { .. } => return self.pump(buffer, ids),
            _ if self.hung_up || self.is_stopping => return self.leave(),
            Phase::Idle => return self.pass_over(buffer),
            Phase::Listening(_) => self.offer(),
            Phase::Connecting(id) => return self.await_setup(id, ids),
            Phase::Many(_) => return self.advance_many(buffer, ids),
        }
        Outcome::Waits
    }

    /// The program has no descriptor any more: nobody can name the associations.
    pub(crate) fn forget_all(&mut self, ids: &mut AssocIds) {
        self.memory.take_all().for_each(|association| ids.forget(association));
    }

    /// Nobody waits any more for the outcome of a set-up.
    fn leave(&mut self) -> Outcome {
        if matches!(self.phase, Phase::Connecting(_)) {
            // It may have ended already.
            let _ = self.socket.abort(None, Bytes::new());
        }
        self.over()
    }

    /// Puts a token into a listener's pair if an association waits and none is there.
    fn offer(&mut self) {
        let Phase::Listening(waiting) = &mut self.phase else { return };
        let mut context = Context::from_waker(&self.waker);
        if waiting.is_none()
            && let Poll::Ready(Ok(socket)) = self.socket.poll_accept(&mut context)
        {
            *waiting = Some(socket);
        }
        if waiting.is_some() {
            self.pair.offer();
        }
    }

    /// What to wait for on the pair; the kernel tells of a hang-up in any case.
    pub(crate) fn interest(&self) -> EpollFlags {
        if self.pair.is_shut_down() {
            return EpollFlags::EPOLLET;
        }
        let reads = match &self.phase {
            Phase::Open | Phase::Ended { .. } => {
                self.unsent.is_empty() && self.wanted.is_empty() && !self.halves.nothing_follows
            }
            // A filler that comes late.
            Phase::Idle | Phase::Many(_) => !self.pair.is_filled() && !self.halves.nothing_follows,
            _ => false,
        };
        // A bare record had no room, or a token.
        let writes = |front| self.is_bare(front) || !self.pair.has_token();
        let has_next = self.message_waits && !self.pair.has_token() || self.inbox.front().is_some_and(writes);
        let is_told = matches!(self.phase, Phase::Open | Phase::Ended { .. } | Phase::Many(_));
        let waits = has_next && is_told && !self.pair.has_ended();
        let mut interest = EpollFlags::empty();
        interest.set(EpollFlags::EPOLLIN, reads);
        interest.set(EpollFlags::EPOLLOUT, waits || self.pair.owes_record());
        interest
    }

    pub(crate) fn local_address(&mut self) -> Result<SocketAddr, Error> {
        let (all, port) = self.socket.local()?;
        let of_association = self.only_known().and_then(|known| known.local);
        let any: IpAddr =
            if self.settings.form.ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let bound = if self.socket.is_bound_to_all()? || port == 0 { None } else { all.first().copied() };
        let address = of_association.or(bound).unwrap_or(any);
        Ok(self.in_family(address, port))
    }

    /// Who the peer of a one-to-one socket is, or was.
    pub(crate) fn peer(&mut self) -> Option<SocketAddr> {
        let is_known = matches!(self.phase, Phase::Open | Phase::Ended { .. });
        let known = self.only_known().filter(|known| is_known && known.peer.port() != 0)?;
        Some(self.in_family(known.peer.ip(), known.peer.port()))
    }

    /// That, for `getpeername`.
    pub(crate) fn peer_address(&mut self) -> Result<SocketAddr, Error> {
        let peer = self.peer().filter(|_| !self.is_nameless);
        peer.ok_or(Error::NotConnected)
    }

    /// What is known of the association of a one-to-one socket, also when it has ended.
    fn only_known(&mut self) -> Option<Known> {
        let is_one = !matches!(self.phase, Phase::Many(_));
        let id = self.memory.associations().next().filter(|_| is_one)?;
        Some(self.memory.recall(&self.socket, id))
    }

    /// A socket of IPv6 shows IPv4 addresses in their mapped form, unless the program wants them plain.
    pub(crate) fn in_family(&self, address: IpAddr, port: u16) -> SocketAddr {
        let form = self.settings.form;
        match address {
            IpAddr::V4(v4) if form.ipv6 && form.mapped => SocketAddr::new(v4.to_ipv6_mapped().into(), port),
            other => SocketAddr::new(other, port),
        }
    }
}

/// The error as C has it.
pub(crate) fn checked<T>(result: Result<T, Error>) -> Result<T, Errno> {
    result.map_err(|error| errno::of(&error))
}
