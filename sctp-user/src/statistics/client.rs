//! Finding the stacks of a host that tell of themselves, and reading what they say.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead, BufReader, Read},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{AssociationReport, EndpointReport, Line, NAME, StackReport, UserReport};

/// How long a stack may keep us waiting, for all of it: any user may have taken a name like a stack's.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes that one stack may tell; what is beyond is cut off.
const MOST: u64 = 64 << 20;

/// A stack that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its socket's abstract name.
    name: String,
}

/// All that a stack tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The process, as the kernel names it, whatever the stack says.
    pub pid: i32,
    /// The stack.
    pub stack: StackReport,
    /// Its sockets that take associations, by port.
    pub endpoints: Vec<EndpointReport>,
    /// Its associations, by number.
    pub associations: Vec<AssociationReport>,
    /// The users of a service that shares it, by number.
    pub users: Vec<UserReport>,
}

/// Why a stack could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It has ended, or it is another user's.
    #[error("cannot read {name}: {source}")]
    System {
        /// The socket's abstract name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Who is not us and not root has taken a name like a stack's.
    #[error("{name} belongs to user {uid}: only root reads stacks of others")]
    NotTrusted {
        /// The socket's abstract name.
        name: String,
        /// Whose it is.
        uid: u32,
    },
    /// It does not begin with a stack.
    #[error("{name} does not tell of a stack")]
    NoStack {
        /// The socket's abstract name.
        name: String,
    },
}

/// The stacks of this network namespace that have a statistics socket.
///
/// # Errors
/// The system's, if `/proc` cannot be read.
pub fn running() -> io::Result<Vec<Found>> {
    // Names of others may be any bytes.
    let table = fs::read("/proc/net/unix")?;
    Ok(names(&String::from_utf8_lossy(&table)).into_iter().map(|name| Found { name }).collect())
}

/// Each name once: a connection that is open has a line of its own.
fn names(table: &str) -> BTreeSet<String> {
    let paths = table.lines().filter_map(|line| line.split_whitespace().nth(7));
    paths
        .filter_map(|path| path.strip_prefix('@'))
        .filter(|name| name.starts_with(NAME))
        .map(Into::into)
        .collect()
}

impl Found {
    /// Asks it for all that it tells.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self) -> Result<Snapshot, ReadError> {
        let system = |source| ReadError::System { name: self.name.clone(), source };
        let until = Instant::now() + PATIENCE;
        let stream = self.connect().map_err(system)?;
        let peer = getsockopt(&stream, sockopt::PeerCredentials).map_err(io::Error::from).map_err(system)?;
        let us = geteuid().as_raw();
        if us != 0 && peer.uid() != 0 && peer.uid() != us {
            return Err(ReadError::NotTrusted { name: self.name.clone(), uid: peer.uid() });
        }
        let lines = BufReader::new(Patient { stream, until }.take(MOST)).split(b'\n');
        let (mut stack, mut endpoints, mut associations, mut users) =
            (None, Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            match serde_json::from_slice(&line.map_err(system)?) {
                Ok(Line::Stack(report)) => stack = Some(*report),
                Ok(Line::Endpoint(report)) => endpoints.push(report),
                Ok(Line::Association(report)) => associations.push(*report),
                Ok(Line::User(report)) => users.push(report),
                // A later version tells more.
                Err(_) => {}
            }
        }
        let stack = stack.ok_or_else(|| ReadError::NoStack { name: self.name.clone() })?;
        endpoints.sort_by_key(|endpoint: &EndpointReport| endpoint.port);
        associations.sort_by_key(|association: &AssociationReport| association.id);
        users.sort_by_key(|user: &UserReport| user.user);
        Ok(Snapshot { pid: peer.pid(), stack, endpoints, associations, users })
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Who takes no connections lets us wait for that, too.
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(&SockAddr::unix(format!("\0{}", self.name))?)?;
        Ok(socket.into())
    }
}

/// A stream that is read up to a time, however slowly it tells.
struct Patient {
    stream: UnixStream,
    until: Instant,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_found_among_the_other_sockets_and_once_each() {
        let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 17 @sctp-stat/12/0000abcd
0000000000000000: 00000003 00000000 00000000 0001 03 18 @sctp-stat/12/0000abcd
0000000000000000: 00000002 00000000 00010000 0001 01 19 @sctp-broker
0000000000000000: 00000002 00000000 00010000 0001 01 20 /run/sctp-stat/12
0000000000000000: 00000003 00000000 00000000 0001 03 21
0000000000000000: 00000002 00000000 00010000 0001 01 22 @sctp-stat/9/00000001
";
        let found: Vec<_> = names(table).into_iter().collect();
        assert_eq!(found, ["sctp-stat/12/0000abcd", "sctp-stat/9/00000001"]);
    }
}
