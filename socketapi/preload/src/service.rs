//! Where the service is, and whose.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::ffi::OsString;
use std::sync::OnceLock;

use sctp_descriptors::{SERVICE_MAKER_VARIABLE, SERVICE_USER_VARIABLE, SERVICE_VARIABLE};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The abstract name of its control socket.
    pub name: OsString,
    /// Whose it may be, besides root's: without this, the user's of this process.
    pub user: Option<u32>,
    /// Who makes its sockets, if that is neither root nor the user of this process.
    pub maker: Option<u32>,
}

/// Finds a service for a process that was told none, or starts one. It is asked by each thread that needs the service, and by
/// children after `fork`.
pub type Finder = fn() -> Option<Service>;

static FINDER: OnceLock<Finder> = OnceLock::new();

/// Who makes the sockets, where it is known already: what is asked of each descriptor reads no environment.
static MAKER: AtomicU32 = AtomicU32::new(ROOT);
const ROOT: u32 = 0;

/// Gives this copy of the shim a finder. The first one stays.
pub fn set_finder(finder: Finder) {
    let _ = FINDER.set(finder);
}

/// The number of the one that is found, in the names of its sockets; 0: it is not known yet.
static FOUND: AtomicU64 = AtomicU64::new(0);

/// The service that is found has sent a socket.
pub(crate) fn learn_found(service: u64) {
    FOUND.store(service, Ordering::Relaxed);
}

/// Whether this is the one that is found.
pub(crate) fn is_found(service: u64) -> bool {
    FOUND.load(Ordering::Relaxed) == service
}

/// Whether a service that was not told, but of which this process holds a socket, may be this user's. Anybody may take an abstract name.
pub(crate) fn may_be_of(user: u32) -> bool {
    // SAFETY: it cannot fail.
    user == ROOT
        || user == unsafe { libc::geteuid() }
        || told().is_some_and(|service| service.is_trusted_of(user))
}

/// What the environment says, else what is found.
pub(crate) fn find() -> Option<Service> {
    told().or_else(|| FINDER.get().and_then(|find| find()))
}

/// What the environment says. A set-user-id program must not believe its user where its sockets are.
pub fn told() -> Option<Service> {
    if is_privileged() {
        return None;
    }
    let user = |variable| std::env::var(variable).ok().and_then(|user| user.parse().ok());
    let (user, maker) = (user(SERVICE_USER_VARIABLE), user(SERVICE_MAKER_VARIABLE));
    std::env::var_os(SERVICE_VARIABLE).map(|name| Service { name, user, maker })
}

/// When the shim is loaded: the program may have inherited sockets.
pub(crate) fn begin() {
    if let Some(service) = told() {
        service.tell_maker();
    }
}

/// The service has sent a socket that this user made.
pub(crate) fn learn_maker(user: u32) {
    MAKER.store(user, Ordering::Relaxed);
}

/// Whether this user may have made a socket of ours.
pub(crate) fn is_maker(user: u32) -> bool {
    // SAFETY: it cannot fail.
    user == MAKER.load(Ordering::Relaxed) || user == ROOT || user == unsafe { libc::geteuid() }
}

impl Service {
    /// Whether it may be this user's. Anybody may take an abstract name.
    pub(crate) fn is_trusted_of(&self, user: u32) -> bool {
        // SAFETY: it cannot fail.
        user == ROOT || user == self.user.unwrap_or_else(|| unsafe { libc::geteuid() })
    }

    /// From now on it is known who makes its sockets.
    pub(crate) fn tell_maker(&self) {
        self.maker.into_iter().for_each(learn_maker);
    }
}

fn is_privileged() -> bool {
    // SAFETY: a plain number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
