//! The supervisor's half: it takes the listener, finds out whether it may serve, and serves.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::control::Control;
use crate::desk::Desk;
use crate::enter::{Introduction, PROOF, READY};
use crate::numbers::Numbers;
use crate::supervisor::{Supervisor, order};
use crate::sys;
use crate::target::Target;

/// Supervises the program at the other end of `channel`, which calls [`enter`](crate::enter()), until it and its descendants
/// have ended. Its sockets are those of the service at the abstract name `service`.
///
/// # Errors
/// If the other end leaves before it is supervised, or events cannot be waited for.
pub fn supervise(mut channel: UnixStream, service: &str) -> io::Result<()> {
    channel.write_all(&nix::unistd::getpid().as_raw().to_ne_bytes())?;
    let mut introduction = [0; Introduction::LEN];
    let (len, listener) = sys::receive(channel.as_fd(), &mut introduction)?;
    let listener = listener.filter(|_| len == introduction.len()).ok_or(ErrorKind::UnexpectedEof)?;
    match prepare(listener, Introduction::from_bytes(introduction), service) {
        Ok(supervisor) => {
            channel.write_all(READY.as_bytes())?;
            drop(channel);
            supervisor.run()
        }
        Err(reason) => channel.write_all(reason.as_bytes()),
    }
}

fn prepare(listener: OwnedFd, introduction: Introduction, service: &str) -> Result<Supervisor, String> {
    let control =
        Control::connect(service).map_err(|error| format!("the service does not answer: {error}"))?;
    check_access(introduction).map_err(|errno| {
        format!(
            "the supervisor may not look at the program's descriptors and memory ({errno}): in a container, give it \
             CAP_SYS_PTRACE (with docker: --cap-add SYS_PTRACE); with Yama, set the sysctl kernel.yama.ptrace_scope to 0 or 1"
        )
    })?;
    if !can_inject(&listener) {
        return Err(
            "this kernel cannot give descriptors to a supervised program: Linux 5.14 or later is needed"
                .into(),
        );
    }
    let most = raise_limit().map_err(|errno| format!("the limit of descriptors cannot be read: {errno}"))?;
    let desk = Desk::new(service, control, Numbers::new(introduction.threshold));
    Supervisor::new(listener, desk, most).map_err(|errno| format!("events cannot be waited for: {errno}"))
}

/// Whether descriptors and memory of the program are open to us.
fn check_access(introduction: Introduction) -> nix::Result<()> {
    let target = Target::open(introduction.process)?;
    // Any number does: one that is not open is told apart from one that is closed to us.
    if !target.is_free(0) {
        target.copy(0)?;
    }
    let read = target.read(introduction.proof_at, PROOF.len())?;
    if read == PROOF { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Whether an injection can end a call: no call has the number 0, which is found out after the flags are looked at.
fn can_inject(listener: &OwnedFd) -> bool {
    sys::inject(listener.as_fd(), order(0, listener.as_fd(), 0, false)) == Err(Errno::ENOENT)
}

/// Each call that waits holds two descriptors.
fn raise_limit() -> nix::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}
