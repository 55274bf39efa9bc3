//! Waiting for many sockets at once.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;

use rustc_hash::FxHashMap;
use sctp_core::event::AssociationId;
use smallvec::SmallVec;

use super::bell::Bell;
use super::error::Error;
use super::lead::Patience;
use super::mailbox::{Interest, SocketId, SocketKind};
use super::state::{State, Target};
use super::{Socket, Stack};

/// What a [`Poller`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The number that the socket was added with.
    pub token: u64,
    /// A read, or accept, would not wait.
    pub readable: bool,
    /// A send would not wait.
    pub writable: bool,
}

/// The sockets that a poller watches.
pub(super) struct Watch {
    members: FxHashMap<SocketId, Member>,
    /// Sockets that may be ready.
    dirty: VecDeque<SocketId>,
    bell: Option<Bell>,
    pub(super) waiters: SmallVec<[usize; 1]>,
}

struct Member {
    token: u64,
    writable: bool,
    dirty: bool,
}

/// Waits for many sockets of one stack at once, as `epoll` does: level-triggered, at a cost that grows
/// with what is ready, not with what is watched.
///
/// The thread in [`Poller::wait`] leads: it serves the network itself. To wait for other descriptors
/// as well, poll the one that [`Poller::descriptor`] gives.
#[derive(Debug)]
pub struct Poller {
    stack: Stack,
    id: u64,
}

impl Poller {
    /// Watches nothing yet.
    pub fn new(stack: &Stack) -> Self {
        let id = stack.shared().with(|state, _| {
            state.next_watch += 1;
            let watch = Watch {
                members: FxHashMap::default(),
                dirty: VecDeque::new(),
                bell: None,
                waiters: SmallVec::new(),
            };
            state.watches.insert(state.next_watch, watch);
            state.next_watch
        });
        Self { stack: stack.clone(), id }
    }

    /// Watches `socket` for reading, and for writing if `writable`. `token` comes back in [`Readiness`].
    /// A socket that is watched already gets the new token. Closed sockets leave by themselves.
    ///
    /// # Errors
    /// [`Error::Closed`] if the socket is closed or of another stack.
    pub fn add(&self, socket: &Socket, token: u64, writable: bool) -> Result<(), Error> {
        if !self.stack.is_same(socket.stack()) {
            return Err(Error::Closed);
        }
        self.stack.shared().with(|state, _| {
            let mailbox = state.mailbox(socket.id())?;
            if !mailbox.pollers.contains(&self.id) {
                mailbox.pollers.push(self.id);
            }
            if let Some(watch) = state.watches.get_mut(&self.id) {
                let dirty = watch.members.get(&socket.id()).is_some_and(|member| member.dirty);
                watch.members.insert(socket.id(), Member { token, writable, dirty });
            }
            state.mark_dirty(self.id, socket.id());
            Ok(())
        })
    }

    /// Watches `socket` no more.
    pub fn remove(&self, socket: &Socket) {
        self.stack.shared().with(|state, _| {
            state.forget_watched(self.id, socket.id());
            if let Ok(mailbox) = state.mailbox(socket.id()) {
                mailbox.pollers.retain(|poller| *poller != self.id);
            }
        });
    }

    /// Waits until a socket is ready, and tells all that are.
    ///
    /// # Errors
    /// [`Error::TimedOut`] or [`Error::WouldBlock`] when none is; [`Error::StackClosed`].
    pub fn wait(&self, ready: &mut Vec<Readiness>, patience: Patience) -> Result<(), Error> {
        ready.clear();
        self.stack.shared().wait(Target::Poller(self.id), Interest::Read, patience, |state, _| {
            state.collect_ready(self.id, ready);
            if ready.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
        })
    }

    /// A descriptor that is readable when a socket may be ready: for `poll` or `epoll` together with
    /// others. It stays so until [`Poller::wait`] finds nothing ready any more. The stack's own thread
    /// serves the network meanwhile.
    ///
    /// # Errors
    /// The system's, when it has no more descriptors.
    pub fn descriptor(&self) -> Result<OwnedFd, Error> {
        self.stack.shared().with(|state, _| {
            let watch = state.watches.get_mut(&self.id).ok_or(Error::Closed)?;
            if watch.bell.is_none() {
                let mut bell = Bell::new().map_err(Error::system("make an event descriptor"))?;
                if !watch.dirty.is_empty() {
                    bell.ring();
                }
                watch.bell = Some(bell);
            }
            let bell = watch.bell.as_ref().ok_or(Error::Closed)?;
            bell.as_fd().try_clone_to_owned().map_err(Error::system("copy an event descriptor"))
        })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stack.shared().with(|state, _| {
            let Some(watch) = state.watches.remove(&self.id) else { return };
            for socket in watch.members.into_keys() {
                if let Ok(mailbox) = state.mailbox(socket) {
                    mailbox.pollers.retain(|poller| *poller != self.id);
                }
            }
        });
    }
}

impl State {
    /// A socket of this poller may be ready.
    pub(super) fn mark_dirty(&mut self, poller: u64, socket: SocketId) {
        let Some(watch) = self.watches.get_mut(&poller) else { return };
        let Some(member) = watch.members.get_mut(&socket) else { return };
        if !std::mem::replace(&mut member.dirty, true) {
            watch.dirty.push_back(socket);
        }
        self.ring_watch(poller);
    }

    pub(super) fn ring_watch(&mut self, poller: u64) {
        let Some(watch) = self.watches.get_mut(&poller) else { return };
        if let Some(bell) = &mut watch.bell {
            bell.ring();
        }
        for key in watch.waiters.clone() {
            self.tell_waiter(key);
        }
    }

    pub(super) fn forget_watched(&mut self, poller: u64, socket: SocketId) {
        if let Some(watch) = self.watches.get_mut(&poller) {
            watch.members.remove(&socket);
            watch.dirty.retain(|dirty| *dirty != socket);
        }
    }

    fn collect_ready(&mut self, poller: u64, ready: &mut Vec<Readiness>) {
        let count = self.watches.get(&poller).map_or(0, |watch| watch.dirty.len());
        for _ in 0..count {
            let Some(watch) = self.watches.get_mut(&poller) else { return };
            let Some(socket) = watch.dirty.pop_front() else { break };
            let Some(member) = watch.members.get_mut(&socket) else { continue };
            member.dirty = false;
            let (token, wants_write) = (member.token, member.writable);
            let (readable, can_write) = self.readiness(socket);
            let writable = wants_write && can_write;
            if readable || writable {
                ready.push(Readiness { token, readable, writable });
                self.keep_dirty(poller, socket);
            }
        }
        if ready.is_empty()
            && let Some(bell) = self.watches.get_mut(&poller).and_then(|watch| watch.bell.as_mut())
        {
            bell.hush();
        }
    }

    fn keep_dirty(&mut self, poller: u64, socket: SocketId) {
        if let Some(watch) = self.watches.get_mut(&poller)
            && let Some(member) = watch.members.get_mut(&socket)
        {
            member.dirty = true;
            watch.dirty.push_back(socket);
        }
    }

    /// Whether a read and a write would not wait.
    pub(super) fn readiness(&self, socket: SocketId) -> (bool, bool) {
        let Some(mailbox) = self.registry.sockets.get(&socket) else { return (true, true) };
        let writable = match (mailbox.kind, mailbox.association) {
            (SocketKind::OneToMany, _) => true,
            // Half of the buffer, as kernels do: not every acknowledgement wakes the writer.
            (SocketKind::OneToOne, Some(id)) => self.is_writable(id, mailbox.config.send_buffer / 2),
            _ => false,
        };
        (mailbox.is_readable(), writable)
    }

    fn is_writable(&self, id: AssociationId, low_water: usize) -> bool {
        let Some(link) = self.registry.links.get(&id) else { return true };
        let space = self.engine.endpoint.association(id).map_or(0, |association| association.send_space());
        link.end.is_some() || (link.up && space >= low_water)
    }
}
