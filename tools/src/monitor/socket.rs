//! Where reports come in.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rserpool::csp::ComponentId;
use socket2::{Domain, Protocol, Socket, Type};

use super::components::{Change, Component, Components};

/// No report is longer.
const LONGEST: usize = 65_536;
/// Datagrams read in one go, so that who floods the monitor does not stop it.
const BATCH: usize = 1000;

/// Listens to reports, and keeps what they say.
#[derive(Debug)]
pub struct Ears {
    socket: UdpSocket,
    patience: Duration,
    /// Who has reported.
    pub components: Components,
}

impl Ears {
    /// Listens at an address; at `[::]` to IPv4 as well, and to IPv4 only where there is no IPv6. Who has not reported for `patience` is
    /// forgotten.
    ///
    /// # Errors
    /// The system's.
    pub fn open(at: SocketAddr, patience: Duration) -> io::Result<Self> {
        let any_v4 = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), at.port());
        let socket = match open(at) {
            Err(error)
                if at.ip() == IpAddr::from([0_u16; 8])
                    && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
            {
                open(any_v4)?
            }
            result => result?,
        };
        Ok(Self { socket, patience, components: Components::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits for a report for so long, takes in all that have come, and forgets who is silent. Each change is told.
    ///
    /// # Errors
    /// The system's, or those of `tell`.
    pub fn listen(
        &mut self,
        limit: Duration,
        mut tell: impl FnMut(ComponentId, Change, &Component) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut datagram = vec![0; LONGEST];
        // No time-out at all is not what 0 means to the system.
        self.socket.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
        self.socket.set_nonblocking(limit.is_zero())?;
        for _ in 0..BATCH {
            let (length, source) = match self.socket.recv_from(&mut datagram) {
                Err(error) if is_temporary(&error) => break,
                result => result?,
            };
            self.socket.set_nonblocking(true)?;
            let (now, source) = (Instant::now(), source.ip().to_canonical());
            if let Some((id, change, component)) = self.components.hear(&datagram[..length], source, now) {
                tell(id, change, &component)?;
            }
        }
        let silent = self.components.purge(self.patience, Instant::now());
        silent.iter().try_for_each(|(id, change, component)| tell(*id, *change, component))
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn open(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&at.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_heard_and_a_flood_does_not_hold_it_up() {
        let mut ears = Ears::open("127.0.0.1:0".parse().unwrap(), Duration::from_secs(30)).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            sender.send_to(b"no report", ears.local_addr().unwrap()).unwrap();
        }
        ears.listen(Duration::from_secs(30), |_, _, _| Ok(())).unwrap();
        assert_eq!(ears.components.malformed, 3);
        ears.listen(Duration::ZERO, |_, _, _| Ok(())).unwrap();
        assert_eq!(ears.components.malformed, 3);
    }
}
