//! The program's half: the filter is put on, and its listener handed to the supervisor.

use std::io::{self, IoSlice, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;

use crate::{filter, sys};

/// Our descriptors have numbers from here on, or from half of what the program may have, if that is less. `select` takes
/// numbers below 1024.
const THRESHOLD: u64 = 512;

/// What the supervisor says when it serves.
pub(crate) const READY: &str = "ready";

/// Why a program cannot be supervised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a machine whose system calls we know.
    #[error(
        "supervision works on x86_64 and aarch64 only; run dynamically linked programs without --seccomp"
    )]
    Machine,
    /// The kernel is too old, or built without it.
    #[error(
        "this kernel cannot notify a supervisor of system calls (seccomp user notification): it takes Linux 5.14 or later \
         with CONFIG_SECCOMP_FILTER; run dynamically linked programs without --seccomp"
    )]
    Kernel,
    /// There can be one supervisor only.
    #[error(
        "the program would be under two supervisors: do not nest --seccomp, and use no container runtime that listens for \
         seccomp notifications itself"
    )]
    Occupied,
    /// The system does not let us.
    #[error(
        "the system does not permit a seccomp filter ({0}): in a container, allow the system call seccomp in its profile \
         (with docker: --security-opt seccomp=unconfined)"
    )]
    NotPermitted(Errno),
    /// The other half cannot.
    #[error("{0}")]
    Supervisor(String),
    /// The other half has gone.
    #[error("the supervisor cannot be spoken to: {0}")]
    Channel(#[from] io::Error),
}

/// What the supervisor is told beside the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Introduction {
    /// Who comes under supervision.
    pub(crate) process: Pid,
    /// Where descriptors of ours begin.
    pub(crate) threshold: u32,
    /// An address in its memory where [`PROOF`] is: whether it can be read.
    pub(crate) proof_at: u64,
}

pub(crate) const PROOF: &[u8] = b"sctp-supervisor";

impl Introduction {
    pub(crate) const LEN: usize = 16;

    fn to_bytes(self) -> Vec<u8> {
        let Self { process, threshold, proof_at } = self;
        [&process.as_raw().to_ne_bytes()[..], &threshold.to_ne_bytes(), &proof_at.to_ne_bytes()].concat()
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [process, threshold, low, high] = [0, 4, 8, 12]
            .map(|at| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        let (first, second) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        let proof_at = u64::from(first) | u64::from(second) << 32;
        Self { process: Pid::from_raw(process as i32), threshold, proof_at }
    }
}

/// Puts the calling thread, and all that it starts or executes from now on, under the supervisor at the other end of
/// `channel`. It gives up the privileges that set-uid programs would bring (`no_new_privs`), which an unprivileged filter takes.
///
/// # Errors
/// [`Refusal`]. The thread may be under the filter by then: SCTP sockets fail with ENOSYS.
pub fn enter(mut channel: UnixStream) -> Result<(), Refusal> {
    let machine = filter::ARCHITECTURE.ok_or(Refusal::Machine)?;
    if !sys::can_notify() {
        return Err(Refusal::Kernel);
    }
    let mut supervisor = [0; 4];
    channel.read_exact(&mut supervisor)?;
    sys::allow_access(Pid::from_raw(i32::from_ne_bytes(supervisor)));
    let threshold = threshold();
    let listener = install(machine, threshold)?;
    let proof_at = PROOF.as_ptr().addr() as u64;
    let introduction = Introduction { process: nix::unistd::gettid(), threshold, proof_at };
    hand_over(&channel, &listener, introduction)?;
    drop(listener);
    let mut answer = String::new();
    channel.read_to_string(&mut answer)?;
    match answer.as_str() {
        READY => Ok(()),
        "" => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Err(Refusal::Supervisor(answer)),
    }
}

fn threshold() -> u32 {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(2 * THRESHOLD, |(soft, _)| soft);
    u32::try_from((most / 2).min(THRESHOLD)).unwrap_or(u32::MAX)
}

fn install(machine: u32, threshold: u32) -> Result<OwnedFd, Refusal> {
    nix::sys::prctl::set_no_new_privs().map_err(Refusal::NotPermitted)?;
    let program = filter::program(machine, threshold);
    // Other filters are not to slow the program down; and what the supervisor has begun only death interrupts, so that
    // no call takes effect twice (Linux 5.19).
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    let installed = match sys::install(&program, flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => sys::install(&program, flags),
        other => other,
    };
    installed.map_err(|errno| match errno {
        Errno::EBUSY => Refusal::Occupied,
        Errno::EINVAL | Errno::ENOSYS => Refusal::Kernel,
        errno => Refusal::NotPermitted(errno),
    })
}

fn hand_over(channel: &UnixStream, listener: &OwnedFd, introduction: Introduction) -> io::Result<()> {
    let bytes = introduction.to_bytes();
    let rights = [listener.as_raw_fd()];
    let beside = [ControlMessage::ScmRights(&rights)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(channel.as_raw_fd(), &[IoSlice::new(&bytes)], &beside, flags, None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_introduction_is_read_back() {
        let told =
            Introduction { process: Pid::from_raw(77), threshold: 512, proof_at: 0x7fff_1234_5678_9abc };
        let bytes = told.to_bytes().try_into().expect("its length");
        let Introduction { process, threshold, proof_at } = Introduction::from_bytes(bytes);
        assert_eq!((process, threshold, proof_at), (told.process, told.threshold, told.proof_at));
    }
}
