//! What the kinds of sockets have in common.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use sctp_core::message::SendOptions;
use sctp_user::stack::{Delivery, Error, Notifications, Patience, Socket};

use crate::address::join;
use crate::context::Contexts;
use crate::info::{Message, Received, SendInfo};
use crate::{AssociationId, RecvInfo};

/// Bytes of a message that one read takes when the reader sets no limit.
const WHOLE: usize = usize::MAX;

/// A socket of the stack with its manners: blocking or not, and for how long.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) socket: Socket,
    nonblocking: AtomicBool,
    read_timeout: Timeout,
    write_timeout: Timeout,
    send_info: Mutex<SendInfo>,
    explicit_eor: AtomicBool,
    contexts: Contexts,
}

/// Nanoseconds, [`Timeout::NONE`] for as long as it takes: each call reads one, without a lock.
#[derive(Debug)]
struct Timeout(AtomicU64);

impl Timeout {
    const NONE: u64 = u64::MAX;

    fn set(&self, timeout: Option<Duration>) {
        let nanoseconds = |timeout: Duration| u64::try_from(timeout.as_nanos()).unwrap_or(Self::NONE);
        self.0.store(timeout.map_or(Self::NONE, nanoseconds), Ordering::Relaxed);
    }

    fn load(&self) -> Option<Duration> {
        let nanoseconds = self.0.load(Ordering::Relaxed);
        (nanoseconds != Self::NONE).then(|| Duration::from_nanos(nanoseconds))
    }
}

impl Default for Timeout {
    fn default() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }
}

impl Base {
    pub(crate) fn new(socket: Socket) -> Self {
        Self {
            socket,
            nonblocking: AtomicBool::new(false),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
            send_info: Mutex::default(),
            explicit_eor: AtomicBool::new(false),
            contexts: Contexts::default(),
        }
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.read_timeout.set(timeout);
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.write_timeout.set(timeout);
    }

    pub(crate) fn set_default_send_info(&self, info: SendInfo) {
        *self.send_info.lock() = info;
    }

    pub(crate) fn set_explicit_eor(&self, explicit: bool) {
        self.explicit_eor.store(explicit, Ordering::Relaxed);
    }

    /// `None`: of all associations that have none of their own.
    pub(crate) fn set_context(&self, association: Option<AssociationId>, context: u32) -> Result<(), Error> {
        match association {
            Some(id) => {
                let living = self.socket.associations();
                if !living.contains(&id) {
                    return Err(Error::NoAssociation);
                }
                self.contexts.set(id, context, &living);
            }
            None => self.contexts.set_all(context),
        }
        Ok(())
    }

    pub(crate) fn context_of(&self, association: Option<AssociationId>) -> u32 {
        association.map_or_else(|| self.contexts.of_all(), |id| self.contexts.get(id))
    }

    /// Takes over from `origin`, the socket that its association comes from, how it sends without being told, and the
    /// context.
    pub(crate) fn inherit(&self, origin: &Self, association: AssociationId) {
        self.set_default_send_info(origin.default_send_info());
        self.contexts.set_all(origin.contexts.get(association));
        self.set_explicit_eor(origin.explicit_eor.load(Ordering::Relaxed));
    }

    pub(crate) fn default_send_info(&self) -> SendInfo {
        *self.send_info.lock()
    }

    /// How long a read may wait.
    pub(crate) fn reading(&self) -> Patience {
        self.patience(&self.read_timeout)
    }

    /// How long a send or a set-up may wait.
    pub(crate) fn writing(&self) -> Patience {
        self.patience(&self.write_timeout)
    }

    fn patience(&self, timeout: &Timeout) -> Patience {
        if self.nonblocking.load(Ordering::Relaxed) {
            return Patience::None;
        }
        let until = |timeout| Patience::Until(self.socket.stack().now() + timeout);
        timeout.load().map_or(Patience::Forever, until)
    }

    /// Waits until `deadline`, whatever the timeouts.
    pub(crate) fn until(&self, deadline: Instant) -> Patience {
        Patience::Until(self.socket.stack().time_at(deadline))
    }

    pub(crate) fn send(
        &self,
        association: Option<AssociationId>,
        payload: &Bytes,
        info: &SendInfo,
        patience: Patience,
    ) -> Result<(), Error> {
        self.socket.send(association, &self.send_options(info), payload, patience)
    }

    pub(crate) fn send_options(&self, info: &SendInfo) -> SendOptions {
        info.options(self.explicit_eor.load(Ordering::Relaxed))
    }

    pub(crate) fn received(&self, delivery: Delivery) -> Received {
        Received::new(delivery, |association| self.contexts.get(association))
    }

    pub(crate) fn receive(&self, patience: Patience) -> Result<Option<Received>, Error> {
        Ok(self.socket.receive(WHOLE, patience)?.map(|delivery| self.received(delivery)))
    }

    pub(crate) fn peek(&self, patience: Patience) -> Result<Option<Received>, Error> {
        Ok(self.socket.peek(patience)?.map(|delivery| self.received(delivery)))
    }

    /// `None` where nothing is there, too.
    pub(crate) fn try_peek(&self) -> Result<Option<Received>, Error> {
        match self.peek(Patience::None) {
            Err(Error::WouldBlock) => Ok(None),
            peeked => peeked,
        }
    }

    /// The next message; notifications are passed over.
    pub(crate) fn receive_message(&self, limit: usize, patience: Patience) -> Result<Option<Message>, Error> {
        while let Some(delivery) = self.socket.receive(limit, patience)? {
            if let Some(message) = self.received(delivery).into_message() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The next message, or the part of it that fits into the buffers.
    pub(crate) fn receive_into(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        patience: Patience,
    ) -> Result<Option<(usize, RecvInfo)>, Error> {
        let room = buffers.iter().map(|buffer| buffer.len()).sum();
        let message = self.receive_message(room, patience)?;
        Ok(message.map(|message| (message.copy_to(buffers), message.info)))
    }

    pub(crate) fn subscribe(
        &self,
        association: Option<AssociationId>,
        notifications: Notifications,
    ) -> Result<(), Error> {
        match association {
            Some(id) => self.socket.subscribe_to(id, notifications)?,
            None => self.socket.subscribe(notifications)?,
        }
        if notifications.contains(Notifications::SENDER_DRY) {
            self.socket.tell_sender_dry(association)?;
        }
        Ok(())
    }

    pub(crate) fn local_addrs(&self) -> Result<Vec<SocketAddr>, Error> {
        let (addresses, port) = self.socket.local()?;
        Ok(join(addresses, port))
    }

    pub(crate) fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.local_addrs()?.first().copied().ok_or(Error::NoAddress)
    }

    pub(crate) fn peer_addrs(&self, association: Option<AssociationId>) -> Result<Vec<SocketAddr>, Error> {
        self.socket.association(association, |association| {
            let paths = association.paths();
            let primary = paths.get(paths.primary()).map(|path| path.address.remote);
            let others = paths.iter().map(|path| path.address.remote);
            let others = others.filter(|remote| Some(*remote) != primary);
            join(primary.into_iter().chain(others), association.peer_port())
        })
    }
}

/// One message out of several buffers.
pub(crate) fn gather(buffers: &[IoSlice<'_>]) -> Bytes {
    let mut whole = Vec::with_capacity(buffers.iter().map(|buffer| buffer.len()).sum());
    buffers.iter().for_each(|buffer| whole.extend_from_slice(buffer));
    whole.into()
}
