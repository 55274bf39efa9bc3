//! What `sctpd` is allowed: as little as it needs.

use std::ffi::CString;

use caps::{CapSet, Capability, CapsHashSet};
use nix::unistd::{User, geteuid, initgroups, setresgid, setresuid};

use super::config::{Config, Kind};

/// UDP ports below need a capability.
const PRIVILEGED_UDP_PORTS: u16 = 1_024;

/// Becomes the configured user and lets go of all capabilities that opening the transport does not need. To be called before
/// other threads are started: capabilities are a thread's own.
///
/// # Errors
/// In words.
pub(super) fn become_user(config: &Config) -> Result<(), String> {
    let wanted = needed(config);
    let permitted = caps::read(None, CapSet::Permitted).map_err(|error| error.to_string())?;
    let kept: CapsHashSet = wanted.intersection(&permitted).copied().collect();
    if let Some(name) = &config.user {
        switch_to(name, &kept)?;
    }
    keep_only(&kept)
}

/// Lets go of the rest, once the transport is open. The stack's threads keep theirs: over raw IP a stack may have to become the
/// broker of its host later, which answers packets that are nobody's.
///
/// # Errors
/// In words.
pub(super) fn drop_all() -> Result<(), String> {
    keep_only(&CapsHashSet::new())
}

fn needed(config: &Config) -> CapsHashSet {
    let transport = &config.transport;
    match transport.kind {
        Kind::Raw | Kind::Auto => [Capability::CAP_NET_RAW].into(),
        Kind::Tun => [Capability::CAP_NET_ADMIN].into(),
        Kind::Udp if transport.udp_port < PRIVILEGED_UDP_PORTS => [Capability::CAP_NET_BIND_SERVICE].into(),
        Kind::Udp => CapsHashSet::new(),
    }
}

fn switch_to(name: &str, kept: &CapsHashSet) -> Result<(), String> {
    let user = User::from_name(name).ok().flatten();
    let user = user.ok_or_else(|| format!("user: this host has no user {name}"))?;
    if geteuid() == user.uid {
        return Ok(());
    }
    let cannot =
        |error: nix::Error| format!("cannot become user {name}: {error}; start sctpd as root, or as {name}");
    let text = CString::new(name).map_err(|error| error.to_string())?;
    caps::securebits::set_keepcaps(!kept.is_empty()).map_err(|error| error.to_string())?;
    initgroups(&text, user.gid).map_err(cannot)?;
    setresgid(user.gid, user.gid, user.gid).map_err(cannot)?;
    setresuid(user.uid, user.uid, user.uid).map_err(cannot)
}

fn keep_only(kept: &CapsHashSet) -> Result<(), String> {
    let cannot = |error: caps::errors::CapsError| format!("cannot let go of capabilities: {error}");
    // What is ambient or inheritable would come back with a program that is executed; none is.
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(cannot)?;
    }
    // Effective first: it may not exceed what is permitted. After a change of user it is empty.
    caps::set(None, CapSet::Effective, &CapsHashSet::new()).map_err(cannot)?;
    caps::set(None, CapSet::Permitted, kept).map_err(cannot)?;
    caps::set(None, CapSet::Effective, kept).map_err(cannot)
}
