//! Limits of this process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A process that serves sockets has as many descriptors as its hard limit allows: each socket takes one.
pub fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, "the limit of descriptors cannot be raised");
    }
}
