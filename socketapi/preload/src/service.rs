//! Where the service is, and whose.

use std::ffi::OsString;
use std::sync::OnceLock;

use sctp_descriptors::{SERVICE_USER_VARIABLE, SERVICE_VARIABLE};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The abstract name of its control socket.
    pub name: OsString,
    /// Whose it may be, besides root's: without this, the user's of this process.
    pub user: Option<u32>,
}

/// Finds a service for a process that was told none, or starts one. It is asked by each thread that needs the service, and by
/// children after `fork`.
pub type Finder = fn() -> Option<Service>;

static FINDER: OnceLock<Finder> = OnceLock::new();

/// Gives this copy of the shim a finder. The first one stays.
pub fn set_finder(finder: Finder) {
    let _ = FINDER.set(finder);
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
    let user = std::env::var(SERVICE_USER_VARIABLE).ok().and_then(|user| user.parse().ok());
    std::env::var_os(SERVICE_VARIABLE).map(|name| Service { name, user })
}

impl Service {
    /// Whether it may be this user's. Anybody may take an abstract name.
    pub(crate) fn is_trusted_of(&self, user: u32) -> bool {
        // SAFETY: it cannot fail.
        user == 0 || user == self.user.unwrap_or_else(|| unsafe { libc::geteuid() })
    }
}

fn is_privileged() -> bool {
    // SAFETY: a plain number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
