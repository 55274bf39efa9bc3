//! Parts of `sctp-stat`: which associations are wanted, and how they are shown.

mod filter;
mod table;

pub use filter::Filter;
pub use table::Detail;

use sctp_user::statistics::{AssociationReport, EndpointReport, Snapshot, StackReport, UserReport, running};
use serde::Serialize;

/// A stack with its program's name.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its process.
    pub pid: i32,
    /// The process's name, as the kernel knows it; empty if it is gone.
    pub program: String,
    /// The stack.
    pub stack: StackReport,
    /// Its sockets that take associations.
    pub endpoints: Vec<EndpointReport>,
    /// Its associations.
    pub associations: Vec<AssociationReport>,
    /// What the users of a service that shares it hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserReport>,
}

impl Listed {
    fn new(snapshot: Snapshot, filter: &Filter) -> Self {
        let Snapshot { pid, stack, mut endpoints, mut associations, users } = snapshot;
        associations.retain(|association| filter.wants(association));
        endpoints.retain(|endpoint| filter.wants_endpoint(endpoint));
        Self { pid, program: program(pid), stack, endpoints, associations, users }
    }
}

/// What the kernel calls the process.
fn program(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

/// All stacks that tell us of themselves, and why some do not.
///
/// # Errors
/// The system's, if stacks cannot be looked for.
pub fn list(filter: &Filter) -> std::io::Result<(Vec<Listed>, Vec<String>)> {
    let (mut listed, mut silent) = (Vec::new(), Vec::new());
    for found in running()? {
        match found.read() {
            Ok(snapshot) if filter.wants_process(snapshot.pid) => listed.push(Listed::new(snapshot, filter)),
            Ok(_) => {}
            Err(error) => silent.push(error.to_string()),
        }
    }
    listed.sort_by_key(|stack| stack.pid);
    Ok((listed, silent))
}
