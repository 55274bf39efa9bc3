//! What can be done to a service while it runs.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;
use sctp_abi::Errno;
use sctp_core::config::AssociationConfig;
use sctp_user::stack::{Admission, Meter};
use sctp_user::statistics::UserReport;

use crate::rules::Rules;
use crate::users::{Held, Resource, Users};

/// A handle of a service, for other threads. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Mutex<Arc<Rules>>,
    users: Users,
    stop_by: Mutex<Option<Instant>>,
    /// Readable once the service is to stop.
    bell: EventFd,
}

impl Control {
    /// For a service that is to be [opened](crate::Service::open).
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn new(rules: Rules) -> std::io::Result<Self> {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let shared = Shared {
            rules: Mutex::new(Arc::new(rules)),
            users: Users::default(),
            stop_by: Mutex::default(),
            bell,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Other rules from now on. Who holds more than they allow keeps it; control connections stay.
    pub fn set_rules(&self, rules: Rules) {
        *self.shared.rules.lock() = Arc::new(rules);
    }

    /// Ends the service within `bound`: it takes no more clients and commands; what programs have written is sent, and their
    /// associations are shut down. [`Service::run`](crate::Service::run) returns when that is done.
    pub fn stop(&self, bound: Duration) {
        *self.shared.stop_by.lock() = Some(Instant::now() + bound);
        // The counter is far from full.
        let _ = self.shared.bell.write(1);
    }

    /// What each user holds.
    pub fn users(&self) -> Vec<UserReport> {
        self.shared.users.report()
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.shared.rules.lock())
    }

    /// One more for a user, if its limit allows that.
    pub(crate) fn take(&self, user: u32, resource: Resource) -> Option<Held> {
        self.shared.users.take(user, &self.rules().limits, resource, 1)
    }

    /// Room for a socket.
    ///
    /// # Errors
    /// ENOBUFS if its user has no more sockets.
    pub(crate) fn hold(&self, user: u32) -> Result<Holding, Errno> {
        let socket = self.take(user, Resource::Socket).ok_or(Errno::ENOBUFS)?;
        Ok(Holding { control: self.clone(), user, socket: Some(socket) })
    }

    /// Who counts the associations of a user.
    pub(crate) fn meter(&self, user: u32) -> Arc<dyn Meter> {
        Arc::new(UserMeter { control: self.clone(), user })
    }

    pub(crate) fn refuse(&self, user: u32) {
        self.shared.users.refuse(user);
    }

    /// When the service has to be over, if it is to stop.
    pub(crate) fn stop_by(&self) -> Option<Instant> {
        *self.shared.stop_by.lock()
    }
}

/// What a socket costs its user.
#[derive(Debug)]
pub(crate) struct Holding {
    control: Control,
    user: u32,
    socket: Option<Held>,
}

impl Holding {
    /// The program holds it no more. What it has written may take a while yet: the association counts as long.
    pub(crate) fn release(&mut self) {
        self.socket = None;
    }

    /// Who counts the associations of the socket.
    pub(crate) fn meter(&self) -> Arc<dyn Meter> {
        self.control.meter(self.user)
    }
}

/// Counts the associations of one user, and the bytes of their buffers.
#[derive(Debug)]
struct UserMeter {
    control: Control,
    user: u32,
}

impl Meter for UserMeter {
    fn admit(&self, config: &mut AssociationConfig) -> Option<Admission> {
        let (users, limits) = (&self.control.shared.users, &self.control.rules().limits);
        let association = users.take(self.user, limits, Resource::Association, 1)?;
        limits.suit_buffers(users.buffer_bytes(self.user), config);
        let buffer_bytes = config.send_buffer.saturating_add(config.receive_buffer);
        let buffers = users.take(self.user, limits, Resource::BufferBytes, buffer_bytes)?;
        Some(Box::new((association, buffers)))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }
}
