//! Which associations are wanted.

use std::net::IpAddr;

use clap::Args;
use sctp_user::statistics::{AssociationReport, EndpointReport};

/// Conditions that all must be met.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct Filter {
    /// Only the stacks of this process
    #[arg(long, value_name = "PID")]
    pub pid: Option<i32>,
    /// Only associations in this state, such as ESTABLISHED or SHUTDOWN-SENT
    #[arg(long, value_name = "STATE", ignore_case = true, value_parser = STATES)]
    pub state: Option<String>,
    /// Only this SCTP port, on either side
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Only associations with a peer that has this address
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Option<IpAddr>,
    /// Only associations that have a path that is not active
    #[arg(long)]
    pub troubled: bool,
    /// Only sockets that take associations
    #[arg(long, conflicts_with_all = ["state", "peer", "troubled"])]
    pub listening: bool,
}

/// The states of RFC 9260, 4.
const STATES: [&str; 8] = [
    "CLOSED",
    "COOKIE-WAIT",
    "COOKIE-ECHOED",
    "ESTABLISHED",
    "SHUTDOWN-PENDING",
    "SHUTDOWN-SENT",
    "SHUTDOWN-RECEIVED",
    "SHUTDOWN-ACK-SENT",
];

impl Filter {
    /// Whether the stacks of this process are wanted.
    pub fn wants_process(&self, pid: i32) -> bool {
        self.pid.is_none_or(|wanted| wanted == pid)
    }

    /// Whether an association is wanted.
    pub fn wants(&self, association: &AssociationReport) -> bool {
        let ports = [association.local_port, association.remote_port];
        let mut paths = association.paths.iter();
        !self.listening
            && self.state.as_ref().is_none_or(|state| state.eq_ignore_ascii_case(&association.state))
            && self.port.is_none_or(|port| ports.contains(&port))
            && self.peer.is_none_or(|peer| paths.clone().any(|path| path.remote == peer))
            && (!self.troubled || paths.any(|path| path.state != "active"))
    }

    /// Whether a socket that takes associations is wanted.
    pub fn wants_endpoint(&self, endpoint: &EndpointReport) -> bool {
        let of_associations = self.state.is_some() || self.peer.is_some() || self.troubled;
        !of_associations && self.port.is_none_or(|port| port == endpoint.port)
    }
}
