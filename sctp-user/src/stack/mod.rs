//! The stack: a protocol core, a driver and the clock behind one lock, and the sockets on top.
//!
//! A [`Stack`] is built by a [`StackBuilder`]; any number of them live in one process. [`Socket`] is what
//! the layer above makes its types of: each call takes a [`Patience`] and so blocks, or not.
//!
//! # Who does the work
//!
//! There is no event loop to run. The thread that waits in a call reads the network itself, runs the
//! protocol and returns with its own message (see the module `lead`); a sender hands its packets to the
//! driver before its call returns. The stack's own thread fills the gaps when no call waits.
//!
//! # The end of a stack
//!
//! Sockets keep their stack alive. When the last handle and the last socket are gone, associations may
//! end in good order for at most [`StackBuilder::linger`]; what is left then is aborted, so that peers know.
//! The drop waits for that.
//!
//! # fork
//!
//! Threads do not survive `fork`: a child must not use the stacks of its parent, and should `exec` or exit
//! without running destructors. It can build a stack of its own.

mod addresses;
mod bell;
mod builder;
mod calls;
mod clock;
mod engine;
mod error;
mod incoming;
mod keys;
mod lead;
mod mailbox;
mod meter;
mod notification;
mod pausing;
mod peek;
mod poller;
mod ports;
mod registry;
mod report;
mod socket;
mod state;
mod subscriptions;
mod tasks;

use std::fmt;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sctp_core::time::Time;

pub use builder::{StackBuilder, Transport};
pub use calls::{Delivery, Next, Peer};
pub use error::Error;
pub use lead::Patience;
pub use mailbox::{End, SocketKind};
pub use meter::{Admission, Meter};
pub use notification::{Notification, Notifications};
pub use poller::{Poller, Readiness};
pub use ports::Sharing;
pub use socket::Socket;

use lead::Shared;
use mailbox::Mailbox;
use state::Life;

use crate::driver::OpenError;
use crate::statistics::Server;

/// A handle of a stack. Clones are handles of the same one.
#[derive(Clone)]
pub struct Stack {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    linger: Duration,
    transport: Transport,
    udp_port: u16,
    passed_over: Option<Arc<OpenError>>,
    /// Ends with the handle.
    _statistics: Option<Server>,
}

impl Stack {
    /// A builder with everything at its default: see [`StackBuilder`].
    pub fn builder() -> StackBuilder {
        StackBuilder::new()
    }

    /// The stack that suits this host: over raw IP on all of its addresses where that is permitted, else
    /// over UDP encapsulation, which it says in the log. [`Stack::transport`] tells which.
    ///
    /// # Errors
    /// [`Error::Open`] if neither works: the message says why.
    pub fn default_for_host() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// What carries its packets.
    pub fn transport(&self) -> Transport {
        self.handle.transport
    }

    /// Its UDP encapsulation port, 0 if packets do not travel in UDP.
    pub fn udp_port(&self) -> u16 {
        self.handle.udp_port
    }

    /// Why packets travel in UDP, where nobody asked for that: what is wrong with raw IP on this host.
    pub fn why_not_raw(&self) -> Option<&OpenError> {
        self.handle.passed_over.as_deref()
    }

    /// Its addresses.
    pub fn local_addresses(&self) -> Vec<IpAddr> {
        self.shared().with(|state, _| state.engine.driver.local_addresses())
    }

    /// The present time of its clock, for [`Patience::Until`].
    pub fn now(&self) -> Time {
        self.shared().clock.now()
    }

    /// `instant` as a time of its clock.
    pub fn time_at(&self, instant: Instant) -> Time {
        self.shared().clock.at(instant)
    }

    /// Reads what has reached this host and does what is due: for who must not say that nothing has come, or how something
    /// stands, before that. Bounded, so that a flood does not hold up its caller.
    pub fn look(&self) {
        self.shared().look();
    }

    /// Serves the network in this thread until `other` is readable, which is the answer, or wakers of this stack's sockets were
    /// called by this thread: for who waits for other descriptors and, by wakers, for sockets. What other threads call is to make
    /// `other` readable. Saves the wake-up of a second thread for each packet.
    ///
    /// # Errors
    /// [`Error::StackClosed`], [`Error::Driver`].
    pub fn serve_until(&self, other: BorrowedFd<'_>) -> Result<bool, Error> {
        self.shared().lead_until(other)
    }

    /// Holds packets back until what this returns is dropped, so that messages which are sent meanwhile leave together: for who
    /// answers much at once. For no longer than that takes: packets of the whole stack wait.
    pub fn gather(&self) -> Gathering<'_> {
        self.shared().with(|state, _| state.gatherings += 1);
        Gathering { stack: self }
    }

    /// A new, unbound socket.
    ///
    /// # Errors
    /// [`Error::StackClosed`].
    pub fn socket(&self, kind: SocketKind) -> Result<Socket, Error> {
        let id = self.shared().with(|state, _| {
            state.check_open()?;
            let mailbox = Mailbox::new(kind, state.defaults.clone());
            Ok::<_, Error>(state.registry.add(mailbox))
        })?;
        Ok(Socket::new(self.clone(), id))
    }

    /// How long associations may take to end in good order, see [`StackBuilder::linger`].
    pub fn linger(&self) -> Duration {
        self.handle.linger
    }

    /// Ends the stack at once: all associations are aborted, all calls fail with [`Error::StackClosed`].
    pub fn close(&self) {
        self.shared().with(|state, now| {
            state.registry.abort_all(&mut state.engine, now);
            state.engine.transmit(now);
            state.engine.driver.flush_records();
            state.end(Life::Closed);
        });
        self.shared().wake_all();
    }

    /// Whether both are handles of one stack.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

/// Packets are held back: see [`Stack::gather`].
#[derive(Debug)]
#[must_use = "packets leave when it is dropped"]
pub struct Gathering<'a> {
    stack: &'a Stack,
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.stack.shared().with(|state, _| state.gatherings -= 1);
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("transport", &self.transport()).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let linger = self.linger;
        self.shared.with(|state, now| {
            if matches!(state.life, Life::Open) {
                state.life = Life::Closing(now + linger);
            }
        });
        self.shared.wake_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}
