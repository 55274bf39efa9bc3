//! Programs without a C library: the supervisor that gives them sockets, started beside them.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Starts this program again, with these `arguments`, as a supervisor whose standard input is a channel, and puts the
/// calling thread under it. What is started must leave at once, and let a child of its own supervise: the program never finds
/// that one among its children.
///
/// # Errors
/// What cannot be done.
pub fn enter(arguments: &[&str]) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot start the supervisor: {error}");
    let (ours, its) = UnixStream::pair().map_err(cannot)?;
    let mut starter = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(arguments)
        .stdin(Stdio::from(OwnedFd::from(its)))
        .spawn()
        .map_err(cannot)?;
    starter.wait().map_err(cannot)?;
    sctp_supervisor::enter(ours).map_err(|error| error.to_string())
}
