//! The loop: calls that come, calls that wait.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use libc::{seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::unistd::Pid;

use crate::desk::{Desk, Job, Step};
use crate::operation::Call;
use crate::sys;
use crate::target::Target;

/// The listener's key; calls that wait have others.
const LISTENER: u64 = 0;
/// No more calls wait; ENOBUFS beyond.
const MOST_PARKED: u64 = 4_096;
/// Nothing announces that a thread has a signal, or has died: calls that wait are looked after this often, and less often where
/// they are many.
const ROUND: Duration = Duration::from_millis(50);
const ROUND_FOR_EACH: Duration = Duration::from_millis(1);
/// The kernel's own: the call is done again after the handler, or fails with EINTR, as `sigaction` said. Programs never see
/// it: a signal is known to wait.
const ERESTARTSYS: i32 = 512;

/// A supervisor of one program and its descendants.
#[derive(Debug)]
pub(crate) struct Supervisor {
    listener: OwnedFd,
    desk: Desk,
    epoll: Epoll,
    parked: HashMap<u64, Parked>,
    most_parked: usize,
    next_key: u64,
    next_round: Instant,
}

/// What becomes of a call that was read.
#[derive(Debug)]
enum Taken {
    Job(Job),
    Over(Step),
}

/// A call that waits.
#[derive(Debug)]
struct Parked {
    id: u64,
    job: Job,
    /// The end of its patience.
    deadline: Option<Instant>,
    in_vain: Errno,
}

impl Supervisor {
    /// It may have so many descriptors.
    pub(crate) fn new(listener: OwnedFd, desk: Desk, most_descriptors: u64) -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        let most_parked = (most_descriptors / 4).min(MOST_PARKED) as usize;
        let (parked, next_round) = (HashMap::new(), Instant::now());
        Ok(Self { listener, desk, epoll, parked, most_parked, next_key: LISTENER + 1, next_round })
    }

    /// Until nobody is supervised any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                other => other?,
            };
            for event in events.iter().take(count) {
                match event.data() {
                    LISTENER if event.events().contains(EpollFlags::EPOLLHUP) => return Ok(()),
                    LISTENER => self.hear(),
                    key => self.go_on(key),
                }
            }
            self.look_after_parked();
        }
    }

    fn timeout(&self) -> EpollTimeout {
        if self.parked.is_empty() {
            return EpollTimeout::NONE;
        }
        let deadlines = self.parked.values().filter_map(|parked| parked.deadline);
        let next = deadlines.chain([self.next_round]).min().unwrap_or(self.next_round);
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        EpollTimeout::try_from(left).unwrap_or(EpollTimeout::ZERO)
    }

    /// Takes a call. One that has gone by now was interrupted.
    fn hear(&mut self) {
        let Ok(told) = sys::next(self.listener.as_fd()) else { return };
        let call = Call { number: told.data.nr.into(), arguments: told.data.args };
        if call.number == libc::SYS_close {
            self.desk.numbers.closed(call.int(0) as u32);
            return self.finish(told.id, Ok(Step::Kernel));
        }
        match self.take(&told, call) {
            Ok(Taken::Job(job)) => self.attempt(told.id, job, None),
            Ok(Taken::Over(step)) => self.finish(told.id, Ok(step)),
            Err(errno) => self.finish(told.id, Err(errno)),
        }
    }

    /// Reads a call. What is not about a socket of ours, or nothing that the kernel could not do, is the kernel's.
    fn take(&mut self, told: &seccomp_notif, call: Call) -> nix::Result<Taken> {
        let is_new = call.number == libc::SYS_socket;
        let target = match Target::open(Pid::from_raw(told.pid.cast_signed())) {
            // It is no business of ours, as far as we can know.
            Err(_) if !is_new => return Ok(Taken::Over(Step::Kernel)),
            other => other?,
        };
        // From here on the target is the thread that called: it has waited since before it was opened.
        if !sys::is_valid(self.listener.as_fd(), told.id) {
            return Err(Errno::ESRCH);
        }
        if is_new {
            return self.desk.make(&target, call).map(Taken::Over);
        }
        let Some(socket) = target.copy(call.int(0)).ok().and_then(|fd| self.desk.socket(fd)) else {
            return Ok(Taken::Over(Step::Kernel));
        };
        Ok(match call.operation(&target)? {
            Some(operation) => Taken::Job(Job { target, socket, operation }),
            None => Taken::Over(Step::Kernel),
        })
    }

    /// Does what can be done of a call; the rest of it waits.
    fn attempt(&mut self, id: u64, mut job: Job, deadline: Option<Instant>) {
        match self.desk.attempt(&mut job) {
            Ok(Step::Wait { events, in_vain }) => {
                let patience = || Instant::now().checked_add(job.socket.patience(events)?);
                let deadline = deadline.or_else(patience);
                self.park(Parked { id, job, deadline, in_vain }, events);
            }
            other => self.finish(id, other),
        }
    }

    fn park(&mut self, parked: Parked, events: PollFlags) {
        if self.parked.len() >= self.most_parked {
            return self.finish(parked.id, Err(Errno::ENOBUFS));
        }
        if self.parked.is_empty() {
            self.next_round = Instant::now() + ROUND;
        }
        let key = self.next_key;
        self.next_key += 1;
        let events =
            if events.contains(PollFlags::POLLIN) { EpollFlags::EPOLLIN } else { EpollFlags::EPOLLOUT };
        match self.epoll.add(&parked.job.socket.fd, EpollEvent::new(events, key)) {
            Ok(()) => drop(self.parked.insert(key, parked)),
            Err(errno) => self.finish(parked.id, Err(errno)),
        }
    }

    /// Something has come that a call waits for.
    fn go_on(&mut self, key: u64) {
        let Some(Parked { id, job, deadline, .. }) = self.unpark(key) else { return };
        if sys::is_valid(self.listener.as_fd(), id) {
            self.attempt(id, job, deadline);
        }
    }

    fn unpark(&mut self, key: u64) -> Option<Parked> {
        let parked = self.parked.remove(&key)?;
        // The program's copy of the descriptor would keep it alive. Cannot fail: it was added.
        let _ = self.epoll.delete(&parked.job.socket.fd);
        Some(parked)
    }

    /// Ends calls that have waited long enough; and now and then those of threads that have died, or have a signal to handle.
    fn look_after_parked(&mut self) {
        let now = Instant::now();
        let is_round = !self.parked.is_empty() && now >= self.next_round;
        if is_round {
            self.next_round = now + ROUND + ROUND_FOR_EACH * self.parked.len() as u32;
        }
        let listener = self.listener.as_fd();
        let verdict = |parked: &Parked| match parked.deadline {
            Some(deadline) if deadline <= now => Some(parked.in_vain as i32),
            _ if is_round => parked.interruption(listener),
            _ => None,
        };
        let over: Vec<_> =
            self.parked.iter().filter_map(|(key, parked)| Some((*key, verdict(parked)?))).collect();
        for (key, errno) in over {
            if let Some(Parked { id, job, .. }) = self.unpark(key) {
                let (value, errno) = job.operation.so_far().map_or((0, errno), |value| (value, 0));
                self.respond(id, value, errno, 0);
            }
        }
    }

    fn finish(&mut self, id: u64, step: nix::Result<Step>) {
        match step {
            Ok(Step::Done(value)) => self.respond(id, value, 0, 0),
            Ok(Step::Inject { fd, number, close_on_exec }) => {
                let order = order(id, fd.as_fd(), number, close_on_exec);
                match sys::inject(self.listener.as_fd(), order) {
                    Ok(_) => self.desk.numbers.taken(number),
                    // The limit was lowered.
                    Err(Errno::EBADF) => self.respond(id, 0, libc::EMFILE, 0),
                    Err(errno) => self.respond(id, 0, errno as i32, 0),
                }
            }
            Ok(Step::Kernel | Step::SetUp { .. } | Step::Wait { .. }) => {
                self.respond(id, 0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
            }
            Err(errno) => self.respond(id, 0, errno as i32, 0),
        }
    }

    /// A call that has gone needs no answer.
    fn respond(&self, id: u64, val: i64, errno: i32, flags: u32) {
        let response = seccomp_notif_resp { id, val, error: -errno, flags };
        if let Err(error) = sys::respond(self.listener.as_fd(), response) {
            tracing::debug!(%error, "a call has gone");
        }
    }
}

impl Parked {
    /// Why it waits no longer, if so: the thread has gone, or has a signal to handle. Calls with a time-out are not
    /// done again (signal(7)).
    fn interruption(&self, listener: BorrowedFd<'_>) -> Option<i32> {
        if !sys::is_valid(listener, self.id) {
            return Some(libc::EINTR);
        }
        let errno = if self.deadline.is_some() { libc::EINTR } else { ERESTARTSYS };
        self.job.target.is_signalled().then_some(errno)
    }
}

/// Puts `fd` at this number, which ends the call.
pub(crate) fn order(id: u64, fd: BorrowedFd<'_>, number: RawFd, close_on_exec: bool) -> seccomp_notif_addfd {
    seccomp_notif_addfd {
        id,
        flags: (libc::SECCOMP_ADDFD_FLAG_SETFD | libc::SECCOMP_ADDFD_FLAG_SEND) as u32,
        srcfd: fd.as_raw_fd().cast_unsigned(),
        newfd: number.cast_unsigned(),
        newfd_flags: if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
    }
}
