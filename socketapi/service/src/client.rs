//! The well-known service of a host, `sctpd`, and whether it serves us.

use std::io::{self, ErrorKind, IoSliceMut, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, getsockopt, recvmsg, setsockopt, sockopt,
};
use nix::unistd::{User, geteuid};
use sctp_descriptors::VERSION;
use sctp_user::DAEMON_USER;
use socket2::{Domain, SockAddr, Socket, Type};

/// The abstract UNIX name that `sctpd` serves at, one for each network namespace.
pub const SERVICE_NAME: &str = "sctp-user/sctpd";

/// A service that does not answer for so long is as good as none.
const PATIENCE: Duration = Duration::from_secs(2);

/// What became of an attempt to use a service.
#[derive(Debug)]
pub enum Probe {
    /// It serves us.
    Serves {
        /// Its process; 0 in another process namespace.
        process: i32,
        /// Its user.
        user: u32,
        /// The user that it has become: who makes its sockets.
        maker: u32,
    },
    /// There is none.
    Absent,
    /// It is there, and does not serve this user, or not now.
    Refuses {
        /// Its process.
        process: i32,
    },
    /// It speaks another version.
    OtherVersion {
        /// Its process.
        process: i32,
    },
    /// Somebody whom we do not trust has taken its name.
    Impostor {
        /// Who.
        user: u32,
    },
    /// The system's answer.
    Failed(io::Error),
}

impl Probe {
    /// In words: what a reader should know of it.
    pub fn describe(&self) -> String {
        match self {
            Self::Serves { process, .. } => format!("sctpd (process {process}) serves this user"),
            Self::Absent => "no sctpd runs in this network namespace".into(),
            Self::Refuses { process } => format!(
                "sctpd (process {process}) does not serve this user: see [access] and [limits] in its configuration"
            ),
            Self::OtherVersion { process } => {
                format!("sctpd (process {process}) is of another version: restart it after an update")
            }
            Self::Impostor { user } => format!(
                "the name of sctpd is taken by user {user}, whom this user does not trust (only root, {DAEMON_USER} \
                 and oneself)"
            ),
            Self::Failed(error) => format!("sctpd cannot be asked: {error}"),
        }
    }
}

/// Whether the service at the abstract name `name` serves us.
pub fn probe(name: &str) -> Probe {
    match try_probe(name) {
        Ok(probe) => probe,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Probe::Absent,
        Err(error) => Probe::Failed(error),
    }
}

fn try_probe(name: &str) -> io::Result<Probe> {
    let mut connection = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.connect(&SockAddr::unix(format!("\0{name}"))?)?;
    let peer = getsockopt(&connection, sockopt::PeerCredentials)?;
    if !is_trusted(peer.uid()) {
        return Ok(Probe::Impostor { user: peer.uid() });
    }
    let (process, user) = (peer.pid(), peer.uid());
    let mut answer = [0; 64];
    // Whom it does not serve it hangs up on.
    setsockopt(&connection, sockopt::PassCred, &true)?;
    let said = connection.write(&VERSION.to_ne_bytes()).and_then(|_| hear(&connection, &mut answer));
    Ok(match said {
        Ok((len, maker)) if answer.get(..len) == Some(&VERSION.to_ne_bytes()) => {
            Probe::Serves { process, user, maker: maker.unwrap_or(user) }
        }
        Ok((0, _)) => Probe::Refuses { process },
        Ok(_) => Probe::OtherVersion { process },
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
            Probe::Refuses { process }
        }
        Err(error) => return Err(error),
    })
}

/// Hears a record, and from which user. The credentials of a connection are of the time when its listener began to listen; those of
/// a record are of now.
fn hear(connection: &Socket, record: &mut [u8]) -> io::Result<(usize, Option<u32>)> {
    let mut control = nix::cmsg_space!(UnixCredentials);
    let mut parts = [IoSliceMut::new(record)];
    let heard = recvmsg::<()>(connection.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let user = heard.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmCredentials(sender) => Some(sender.uid()),
        _ => None,
    });
    Ok((heard.bytes, user))
}

/// Any user may take an abstract name: a service may be root's, our own, or the user's that root made for it.
fn is_trusted(user: u32) -> bool {
    let is_daemon =
        || matches!(User::from_name(DAEMON_USER), Ok(Some(daemon)) if daemon.uid.as_raw() == user);
    user == 0 || user == geteuid().as_raw() || is_daemon()
}
