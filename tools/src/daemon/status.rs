//! What a running `sctpd` tells of itself.

use std::fmt::{self, Display, Formatter};

use nix::unistd::User;
use sctp_user::statistics::{Snapshot, running};
use serde::Serialize;

use super::{Probe, probe};

/// A running daemon.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Its process.
    pub process: i32,
    /// Whether it serves the user who asks.
    pub serves_us: bool,
    /// What it tells of itself to root and its own user.
    #[serde(flatten)]
    pub details: Option<Details>,
}

/// What only root and the daemon's user are told.
#[derive(Debug, Serialize)]
pub struct Details {
    /// What carries packets.
    pub transport: String,
    /// The UDP encapsulation port, 0 if there is none.
    pub udp_port: u16,
    /// Its addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// Milliseconds since it began.
    pub uptime_ms: u64,
    /// All users together.
    pub total: Holdings,
    /// Each of them.
    pub users: Vec<Holdings>,
}

/// What a user holds.
#[derive(Debug, Default, Serialize)]
pub struct Holdings {
    /// Its name, or number.
    pub user: String,
    /// Sockets.
    pub sockets: usize,
    /// Associations.
    pub associations: usize,
    /// Control connections.
    pub connections: usize,
    /// Bytes of send and receive buffers.
    pub buffer_bytes: usize,
    /// How often something was refused.
    pub refused: u64,
}

/// Asks the daemon at this name; why not, if it does not answer.
///
/// # Errors
/// The reason, in words.
pub fn status(name: &str) -> Result<Status, String> {
    let found = probe(name);
    let (process, serves_us) = match &found {
        Probe::Serves { process, .. } => (*process, true),
        Probe::Refuses { process } | Probe::OtherVersion { process } => (*process, false),
        Probe::Absent | Probe::Impostor { .. } | Probe::Failed(_) => return Err(found.describe()),
    };
    let stacks = running().map_err(|error| format!("cannot look for its statistics: {error}"))?;
    let snapshots = stacks.iter().filter_map(|stack| stack.read().ok());
    let details = snapshots.into_iter().find(|snapshot| snapshot.pid == process).map(Details::new);
    Ok(Status { process, serves_us, details })
}

impl Details {
    fn new(snapshot: Snapshot) -> Self {
        let users: Vec<_> = snapshot.users.iter().map(Holdings::new).collect();
        let total = users.iter().fold(Holdings { user: "all".into(), ..Holdings::default() }, Holdings::plus);
        let stack = snapshot.stack;
        Self {
            transport: stack.transport,
            udp_port: stack.udp_port,
            addresses: stack.addresses,
            uptime_ms: stack.uptime_ms,
            total,
            users,
        }
    }
}

impl Holdings {
    fn new(report: &sctp_user::statistics::UserReport) -> Self {
        let name = User::from_uid(report.user.into()).ok().flatten().map(|user| user.name);
        Self {
            user: name.unwrap_or_else(|| report.user.to_string()),
            sockets: report.sockets,
            associations: report.associations,
            connections: report.connections,
            buffer_bytes: report.buffer_bytes,
            refused: report.refused,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            user: self.user,
            sockets: self.sockets + other.sockets,
            associations: self.associations + other.associations,
            connections: self.connections + other.connections,
            buffer_bytes: self.buffer_bytes + other.buffer_bytes,
            refused: self.refused + other.refused,
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let serves = if self.serves_us { "serves this user" } else { "does not serve this user" };
        write!(f, "sctpd runs: process {}, {serves}", self.process)?;
        let Some(details) = &self.details else {
            return write!(f, "\n(root and the daemon's user are told more, if `statistics` is on)");
        };
        let port = if details.udp_port == 0 { String::new() } else { format!(" port {}", details.udp_port) };
        let addresses: Vec<_> = details.addresses.iter().map(ToString::to_string).collect();
        write!(f, "\nover {}{port} at {}", details.transport, addresses.join(" "))?;
        write!(f, ", up {} s\n\n", details.uptime_ms / 1_000)?;
        write!(
            f,
            "{:<16} {:>8} {:>12} {:>11} {:>14} {:>8}",
            "USER", "SOCKETS", "ASSOCIATIONS", "CONNECTIONS", "BUFFER BYTES", "REFUSED"
        )?;
        details.users.iter().chain([&details.total]).try_for_each(|holdings| write!(f, "\n{holdings}"))
    }
}

impl Display for Holdings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { user, sockets, associations, connections, buffer_bytes, refused } = self;
        write!(
            f,
            "{user:<16} {sockets:>8} {associations:>12} {connections:>11} {buffer_bytes:>14} {refused:>8}"
        )
    }
}
