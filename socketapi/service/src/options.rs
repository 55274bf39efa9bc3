//! `getsockopt` and `setsockopt`.
//!
//! Options of SCTP are `sctp-abi`'s. Of those that sockets have in general, the shim brings the ones that mean something else
//! to SCTP than to the pair that the program holds; the kernel does the others on the pair.

use std::time::Duration;

use sctp_abi::constants::{SCTP_SOCKOPT_PEELOFF, SCTP_SOCKOPT_PEELOFF_FLAGS};
use sctp_abi::options::{self, Answer, Outcome};
use sctp_abi::{AssocIds, Effects, Errno, StackTarget, Style, errno};
use sctp_descriptors::{MAX_OPTION_LEN, OptionName, Peeled, Reply, Value};
use sctp_user::stack::{Notification, Socket};

use crate::socket::{Phase, Served};

/// The pending error.
pub(crate) const ERROR: OptionName = OptionName { level: libc::SOL_SOCKET, number: libc::SO_ERROR };
/// Linux's own bounds of SO_SNDBUF and SO_RCVBUF (`net.core.wmem_max` and `rmem_max`, where nobody has set them).
const MOST_BUFFER: u32 = 212_992;
const LEAST_SEND_BUFFER: u32 = 4_608;
const LEAST_RECEIVE_BUFFER: u32 = 2_304;

/// Options of the socket that the stack knows nothing of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) linger: Linger,
    /// SO_KEEPALIVE. HEARTBEATs are sent either way.
    keep_alive: bool,
}

/// SO_LINGER, `struct linger`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Linger {
    on: bool,
    seconds: i32,
}

impl Linger {
    /// How long `close` waits.
    pub(crate) fn seconds(self) -> i32 {
        if self.on { self.seconds } else { 0 }
    }

    /// Zero seconds mean an ABORT (RFC 6458, 8.1.4). The service itself never waits.
    pub(crate) fn of_stack(self) -> Option<Duration> {
        (self.on && self.seconds == 0).then_some(Duration::ZERO)
    }
}

/// Whether reading this option makes a socket.
pub(crate) fn peels_off(option: OptionName) -> bool {
    option.level == libc::IPPROTO_SCTP
        && matches!(option.number, SCTP_SOCKOPT_PEELOFF | SCTP_SOCKOPT_PEELOFF_FLAGS)
}

/// What `getsockopt` has done.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) reply: Reply,
    /// A socket that was made, which goes to the program with the value.
    pub(crate) peeled_off: Option<(Socket, Peeled)>,
}

impl From<Reply> for Got {
    fn from(reply: Reply) -> Self {
        Self { reply, peeled_off: None }
    }
}

impl Served {
    pub(crate) fn get_option(
        &mut self,
        ids: &mut AssocIds,
        option: OptionName,
        input: &[u8],
        room: u32,
    ) -> Result<Got, Errno> {
        check_len(input)?;
        match option.level {
            libc::IPPROTO_SCTP => self.get_of_sctp(ids, option.number, input, room as usize),
            libc::SOL_SOCKET if option.number == libc::SO_PEERNAME => self.peer_name(room).map(Got::from),
            libc::SOL_SOCKET => Ok(cut(self.of_sockets(option.number)?, room).into()),
            libc::IPPROTO_IPV6 if self.has_of_ipv6(option.number) => {
                Ok(int(i32::from(self.settings.form.v6_only), room).into())
            }
            // So says Linux's IPv4 of all levels that it does not know, where its IPv6 says ENOPROTOOPT.
            libc::IPPROTO_IPV6 if !self.settings.form.ipv6 => Err(Errno::EOPNOTSUPP),
            libc::IPPROTO_IP | libc::IPPROTO_IPV6 => {
                let OptionName { level, number } = option;
                let (answer, _) =
                    self.on_target(ids, |target| options::get_ip(target, level, number, room as usize));
                Ok(cut(answer?.bytes, room).into())
            }
            _ if self.settings.form.ipv6 => Err(Errno::ENOPROTOOPT),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    pub(crate) fn set_option(
        &mut self,
        ids: &mut AssocIds,
        option: OptionName,
        value: &[u8],
    ) -> Result<Reply, Errno> {
        check_len(value)?;
        match option.level {
            libc::IPPROTO_SCTP => return self.set_of_sctp(ids, option.number, value),
            libc::SOL_SOCKET => self.set_of_sockets(option.number, value)?,
            libc::IPPROTO_IPV6 if self.has_of_ipv6(option.number) => self.set_v6_only(value)?,
            libc::IPPROTO_IP | libc::IPPROTO_IPV6 => {
                let OptionName { level, number } = option;
                self.on_target(ids, |target| options::set_ip(target, level, number, value)).0?;
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(Reply::Done)
    }

    fn get_of_sctp(
        &mut self,
        ids: &mut AssocIds,
        number: i32,
        input: &[u8],
        room: usize,
    ) -> Result<Got, Errno> {
        let (answer, effects) = self.on_target(ids, |target| options::get(target, number, input, room));
        let Answer { bytes, len, descriptor_at, .. } = answer?;
        if bytes.len() > MAX_OPTION_LEN {
            return Err(Errno::ENOMEM);
        }
        let peeled_off = effects.peeled_off.zip(descriptor_at).map(|((_, socket, flags), at)| {
            (socket, Peeled { offset: u32::try_from(at).unwrap_or(u32::MAX), flags, stale: None })
        });
        let begun = effects.begun.map(|association| self.awaited(association));
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Ok(Got { reply: Reply::Value(Value { bytes, len, begun, descriptor: None }), peeled_off })
    }

    fn set_of_sctp(&mut self, ids: &mut AssocIds, number: i32, value: &[u8]) -> Result<Reply, Errno> {
        let (outcome, effects) = self.on_target(ids, |target| options::set(target, number, value));
        Ok(match (outcome?, effects.begun) {
            (Outcome::Begun(result), Some(association)) => {
                Reply::Begun { result, set_up: self.awaited(association) }
            }
            _ => Reply::Done,
        })
    }

    /// Does something with an option, and what follows from it for the socket.
    fn on_target<T>(
        &mut self,
        ids: &mut AssocIds,
        act: impl FnOnce(&mut StackTarget<'_>) -> T,
    ) -> (T, Effects) {
        let mut target = StackTarget::new(&self.socket, self.style, &mut self.settings, ids);
        let result = act(&mut target);
        let effects = target.effects;
        if let Some(association) = effects.begun {
            self.begin(association, true);
        }
        for association in &effects.dry {
            self.notify(ids, *association, &Notification::SenderDry);
        }
        (result, effects)
    }

    fn of_sockets(&self, number: i32) -> Result<Vec<u8>, Errno> {
        let config = self.socket.config().map_err(|error| errno::of(&error))?;
        // As Linux, which counts as much again for its bookkeeping.
        let doubled = |bytes: usize| i32::try_from(2 * bytes).unwrap_or(i32::MAX);
        let value = match number {
            libc::SO_DOMAIN if self.settings.form.ipv6 => libc::AF_INET6,
            libc::SO_DOMAIN => libc::AF_INET,
            libc::SO_ACCEPTCONN => i32::from(self.is_listening()),
            libc::SO_TYPE if self.style == Style::OneToMany => libc::SOCK_SEQPACKET,
            libc::SO_SNDBUF => doubled(config.send_buffer),
            libc::SO_RCVBUF => doubled(config.receive_buffer),
            libc::SO_REUSEADDR => i32::from(self.settings.reuse_address),
            libc::SO_REUSEPORT => i32::from(self.settings.divides_port),
            libc::SO_KEEPALIVE => i32::from(self.kept.keep_alive),
            libc::SO_LINGER => {
                let Linger { on, seconds } = self.kept.linger;
                return Ok([i32::from(on), seconds].map(i32::to_ne_bytes).concat());
            }
            // Who is at the other end is known of UNIX sockets: no process, no user, no group.
            libc::SO_PEERCRED => return Ok([0, -1, -1].map(i32::to_ne_bytes).concat()),
            libc::SO_PEERGROUPS => return Err(Errno(libc::ENODATA)),
            other => always(other).ok_or(Errno::ENOPROTOOPT)?,
        };
        Ok(value.to_ne_bytes().to_vec())
    }

    /// SO_PEERNAME, for no more room than the address needs, as on Linux.
    fn peer_name(&mut self, room: u32) -> Result<Reply, Errno> {
        let name = self.settings.form.encode(self.peer().ok_or(Errno::ENOTCONN)?);
        if room as usize > name.len() { Err(Errno::EINVAL) } else { Ok(cut(name, room)) }
    }

    fn set_of_sockets(&mut self, number: i32, value: &[u8]) -> Result<(), Errno> {
        let [first, second] = ints(value);
        let first = first.ok_or(Errno::EINVAL)?;
        let doubled = |least: u32| (2 * (first as u32).min(MOST_BUFFER)).max(least) as usize / 2;
        let result = match number {
            libc::SO_SNDBUF => {
                let bytes = doubled(LEAST_SEND_BUFFER);
                self.socket.configure(None, |config| config.send_buffer = bytes)
            }
            libc::SO_RCVBUF => {
                let bytes = doubled(LEAST_RECEIVE_BUFFER);
                self.socket.configure(None, |config| config.receive_buffer = bytes)
            }
            libc::SO_LINGER => {
                let seconds = second.ok_or(Errno::EINVAL)?;
                let before = self.kept.linger.seconds;
                self.kept.linger =
                    Linger { on: first != 0, seconds: if first != 0 { seconds } else { before } };
                self.socket.set_linger(self.kept.linger.of_stack())
            }
            libc::SO_REUSEADDR => {
                self.settings.reuse_address = first != 0;
                self.socket.share_port(self.settings.sharing())
            }
            libc::SO_REUSEPORT => {
                self.settings.divides_port = first != 0;
                self.socket.share_port(self.settings.sharing())
            }
            libc::SO_KEEPALIVE => {
                self.kept.keep_alive = first != 0;
                Ok(())
            }
            _ => return Err(Errno::ENOPROTOOPT),
        };
        result.map_err(|error| errno::of(&error))
    }

    pub(crate) fn is_listening(&self) -> bool {
        match &self.phase {
            Phase::Many(many) => many.listening,
            phase => matches!(phase, Phase::Listening(_)),
        }
    }

    fn has_of_ipv6(&self, number: i32) -> bool {
        self.settings.form.ipv6 && number == libc::IPV6_V6ONLY
    }

    /// Before the socket has a port.
    fn set_v6_only(&mut self, value: &[u8]) -> Result<(), Errno> {
        let [first, _] = ints(value);
        let is_bound = self.socket.local().is_ok_and(|(_, port)| port != 0);
        self.settings.form.v6_only = first.filter(|_| !is_bound).ok_or(Errno::EINVAL)? != 0;
        self.socket.set_wildcard(self.settings.form.wildcard()).map_err(|error| errno::of(&error))
    }
}

/// A program's value is not longer than its client lets it be, with what a pointer in it points to.
fn check_len(value: &[u8]) -> Result<(), Errno> {
    if value.len() > 2 * MAX_OPTION_LEN { Err(Errno::ENOMEM) } else { Ok(()) }
}

/// What is the same for all sockets.
fn always(number: i32) -> Option<i32> {
    match number {
        libc::SO_TYPE => Some(libc::SOCK_STREAM),
        libc::SO_PROTOCOL => Some(libc::IPPROTO_SCTP),
        _ => None,
    }
}

/// A number as `getsockopt` gives it back.
pub(crate) fn int(value: i32, room: u32) -> Reply {
    cut(value.to_ne_bytes().to_vec(), room)
}

/// Options of sockets in general are cut to the room there is.
fn cut(mut bytes: Vec<u8>, room: u32) -> Reply {
    bytes.truncate(room as usize);
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Reply::Value(Value { bytes, len, begun: None, descriptor: None })
}

/// The first two numbers of a value, where it is long enough.
fn ints(value: &[u8]) -> [Option<i32>; 2] {
    let int = |at: usize| Some(i32::from_ne_bytes(*value.get(at..)?.first_chunk()?));
    [int(0), int(4)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_to_the_room_there_is() {
        let Reply::Value(value) = int(-2, 3) else { panic!("a value") };
        assert_eq!((value.bytes.as_slice(), value.len), (&(-2_i32).to_ne_bytes()[..3], 3));
    }

    #[test]
    fn numbers_are_read_where_they_are_whole() {
        let bytes = [[1; 4], [2; 4]].concat();
        assert_eq!(ints(&bytes[..7]), [Some(0x0101_0101), None]);
        assert_eq!(ints(&bytes), [Some(0x0101_0101), Some(0x0202_0202)]);
        assert_eq!(ints(&[]), [None, None]);
    }

    /// RFC 6458, 8.1.4.
    #[test]
    fn only_a_linger_of_zero_aborts() {
        let of = |on, seconds| Linger { on, seconds }.of_stack();
        assert_eq!([of(true, 0), of(true, 5), of(false, 0)], [Some(Duration::ZERO), None, None]);
    }
}
