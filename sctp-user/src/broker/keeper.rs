//! The leases of one stack: a thread that talks to the broker, so that nobody else waits for it, and
//! that becomes the broker when there is none.

use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::eventfd::{EfdFlags, EventFd},
};
use parking_lot::Mutex;
use rand::RngExt;

use super::{
    Lease,
    answer::Answer,
    channel::{Channel, Listener},
    message::{Message, VERSION},
    server::BrokerHandle,
};
use crate::driver::LeaseError;
use crate::threads;

/// How long a stack looks for a broker, or waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between attempts, at most: random, so that stacks that lost their broker do not move in step.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// Commands that wait for the thread.
const COMMANDS: usize = 64;

/// Holds the leases of one stack until it is dropped.
#[derive(Debug)]
pub(crate) struct LeaseKeeper {
    commands: Option<SyncSender<Command>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Rung for each command, and to end.
    bell: EventFd,
    lost_any: AtomicBool,
    /// Leases that another stack took while there was no broker.
    lost: Mutex<Vec<Lease>>,
}

#[derive(Debug)]
struct Command {
    request: Message,
    reply: SyncSender<Result<Lease, LeaseError>>,
}

impl LeaseKeeper {
    /// Finds or becomes the broker. `answer` makes the answers to packets to nobody, if we become it.
    pub(crate) fn start(answer: Option<Answer>) -> Result<Self, LeaseError> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(failed)?;
        let shared = Arc::new(Shared { bell, lost_any: AtomicBool::new(false), lost: Mutex::default() });
        let (commands, queue) = sync_channel(COMMANDS);
        let mut session = Session { broker: None, channel: None, leases: Vec::new(), answer };
        session.connect(false)?;
        let theirs = Arc::clone(&shared);
        let thread = threads::spawn("sctp-leases", move || session.run(&queue, &theirs)).map_err(failed)?;
        Ok(Self { commands: Some(commands), shared, thread: Some(thread) })
    }

    pub(crate) fn lease(&self, lease: Lease) -> Result<(), LeaseError> {
        self.ask(Message::Lease { lease, renewal: false }).map(|_| ())
    }

    /// A block of ephemeral ports.
    pub(crate) fn lease_block(&self) -> Result<Lease, LeaseError> {
        self.ask(Message::LeaseBlock)
    }

    pub(crate) fn release(&self, lease: Lease) {
        if let Err(error) = self.ask(Message::Release(lease)) {
            tracing::debug!(%error, "a lease is released with the connection");
        }
    }

    /// Leases that are ours no longer; mostly none, which costs one load.
    pub(crate) fn take_lost(&self) -> Vec<Lease> {
        if !self.shared.lost_any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.shared.lost_any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.shared.lost.lock())
    }

    fn ask(&self, request: Message) -> Result<Lease, LeaseError> {
        let (reply, answer) = sync_channel(1);
        let gone = || LeaseError::Broker("the thread that keeps the leases is gone".into());
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.send(Command { request, reply }).map_err(|_| gone())?;
        let _ = self.shared.bell.write(1);
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.shared.bell.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Session {
    /// The broker, if it is ours.
    broker: Option<BrokerHandle>,
    channel: Option<Channel>,
    leases: Vec<Lease>,
    answer: Option<Answer>,
}

impl Session {
    fn run(&mut self, queue: &Receiver<Command>, shared: &Shared) {
        loop {
            if self.wait(shared) {
                self.renew(shared);
            }
            loop {
                match queue.try_recv() {
                    Ok(command) => {
                        let result = self.serve(command.request, shared);
                        // The caller waits; it cannot have gone.
                        let _ = command.reply.send(result);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    /// Waits for a command or the end of the broker. True: there is no broker any more.
    fn wait(&self, shared: &Shared) -> bool {
        let Some(channel) = &self.channel else { return true };
        let mut polled = [
            PollFd::new(shared.bell.as_fd(), PollFlags::POLLIN),
            PollFd::new(channel.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut polled, PollTimeout::NONE).is_err() {
            return false;
        }
        let lost = polled[1].any().unwrap_or(true);
        if polled[0].any().unwrap_or(true) {
            let _ = shared.bell.read();
        }
        // A broker says nothing unasked: this is its end.
        lost
    }

    /// Finds or elects the next broker and leases everything again.
    fn renew(&mut self, shared: &Shared) {
        self.channel = None;
        self.broker = None;
        if let Err(error) = self.connect(true) {
            tracing::error!(%error, "no port broker: ports of this host may be used twice");
            thread::sleep(LONGEST_PAUSE);
            return;
        }
        for lease in std::mem::take(&mut self.leases) {
            match self.exchange(&Message::Lease { lease: lease.clone(), renewal: true }) {
                Ok(_) => self.leases.push(lease),
                // Without a broker the next round renews it.
                Err(LeaseError::Broker(_)) => self.leases.push(lease),
                Err(error) => {
                    tracing::error!(%error, "a lease was lost when the port broker died");
                    shared.lost.lock().push(lease);
                    shared.lost_any.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn serve(&mut self, request: Message, shared: &Shared) -> Result<Lease, LeaseError> {
        if let Message::Release(lease) = request {
            self.leases.retain(|held| *held != lease);
            if let Some(channel) = &self.channel {
                let _ = channel.send(&Message::Release(lease.clone()));
            }
            return Ok(lease);
        }
        let mut result = self.exchange(&request);
        if matches!(result, Err(LeaseError::Broker(_))) {
            // The broker may have died just now.
            self.renew(shared);
            result = self.exchange(&request);
        }
        if let Ok(lease) = &result {
            self.leases.push(lease.clone());
        }
        result
    }

    /// One request and its answer.
    fn exchange(&self, request: &Message) -> Result<Lease, LeaseError> {
        let deadline = Instant::now() + PATIENCE;
        let Some(channel) = &self.channel else {
            return Err(LeaseError::Broker("there is no port broker".into()));
        };
        channel.send(request).map_err(failed)?;
        loop {
            match channel.receive().map_err(|error| silent(channel, error))? {
                Some(Message::Granted(lease)) if request.asks_for(&lease) => return Ok(lease),
                Some(Message::Taken { lease, pid }) if request.asks_for(&lease) => {
                    return Err(LeaseError::Taken { port: *lease.ports.start(), pid });
                }
                // Answers to what was asked before and given up, when the broker was stopped.
                Some(Message::Granted(lease)) if !self.leases.contains(&lease) => {
                    channel.send(&Message::Release(lease)).map_err(failed)?;
                }
                Some(Message::Granted(_) | Message::Taken { .. }) => {}
                Some(Message::Exhausted) => return Err(LeaseError::Exhausted),
                Some(Message::Wait) if Instant::now() < deadline => {
                    thread::sleep(pause());
                    channel.send(request).map_err(failed)?;
                }
                Some(Message::OtherVersion { version }) => {
                    let text =
                        format!("they speak version {version}, this program {VERSION}: restart the older");
                    return Err(LeaseError::Broker(text));
                }
                other => return Err(LeaseError::Broker(format!("strange answer {other:?}"))),
            }
        }
    }

    /// Connects to the broker, becoming it if there is none.
    fn connect(&mut self, successor: bool) -> Result<(), LeaseError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Channel::connect(PATIENCE.as_secs() as i64) {
                Ok(channel) => {
                    check(&channel)?;
                    self.channel = Some(channel);
                    return Ok(());
                }
                Err(error) if Instant::now() > deadline => return Err(failed(error)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                // The backlog is full: all stacks of the host start at once.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
            match Listener::bind() {
                Ok(listener) => {
                    self.broker =
                        Some(BrokerHandle::start(listener, successor, self.answer).map_err(failed)?);
                }
                // Another stack was faster.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(pause()),
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// A broker of another user could steal our ports.
fn check(channel: &Channel) -> Result<(), LeaseError> {
    let peer = channel.peer().map_err(failed)?;
    if peer.is_trusted() {
        return Ok(());
    }
    let text = format!("their port broker is process {} of user {}, not of root or us", peer.pid, peer.uid);
    Err(LeaseError::Broker(text))
}

fn pause() -> Duration {
    rand::rng().random_range(Duration::from_millis(1)..LONGEST_PAUSE)
}

/// Why there is no answer: the broker's process may be stopped, or out of descriptors.
fn silent(channel: &Channel, error: io::Error) -> LeaseError {
    match channel.peer() {
        Ok(peer) if error.kind() == io::ErrorKind::WouldBlock => {
            let text = format!("process {}, their port broker, does not answer (is it stopped?)", peer.pid);
            LeaseError::Broker(text)
        }
        _ => failed(error),
    }
}

fn failed(error: impl Into<io::Error>) -> LeaseError {
    LeaseError::Broker(error.into().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (Session, Channel) {
        let (ours, brokers) = Channel::pair(1);
        (Session { broker: None, channel: Some(ours), leases: Vec::new(), answer: None }, brokers)
    }

    fn port(port: u16) -> Lease {
        Lease { address: None, ports: port..=port }
    }

    #[test]
    fn an_answer_that_comes_late_is_not_taken_for_the_next_one() {
        let (mut session, broker) = session();
        session.leases.push(port(1));
        let block = Lease { address: None, ports: 40_000..=40_255 };
        broker.send(&Message::Granted(port(1))).unwrap();
        broker.send(&Message::Granted(port(2))).unwrap();
        broker.send(&Message::Taken { lease: port(3), pid: 9 }).unwrap();
        broker.send(&Message::Granted(port(4))).unwrap();
        let wanted = Message::Lease { lease: port(4), renewal: false };
        assert_eq!(session.exchange(&wanted).unwrap(), port(4));
        broker.send(&Message::Granted(port(5))).unwrap();
        broker.send(&Message::Granted(block.clone())).unwrap();
        assert_eq!(session.exchange(&Message::LeaseBlock).unwrap(), block);
        let asked: Vec<Message> = (0..4).map(|_| broker.receive().unwrap().unwrap()).collect();
        let (release, released) = (Message::Release(port(2)), Message::Release(port(5)));
        assert_eq!(asked, [wanted, release, Message::LeaseBlock, released], "port 1 is held");
    }

    #[test]
    fn a_broker_that_does_not_answer_is_named() {
        let (session, _broker) = session();
        let error = session.exchange(&Message::LeaseBlock).unwrap_err().to_string();
        let expected = format!("process {}, their port broker, does not answer", std::process::id());
        assert!(error.contains(&expected), "{error}");
    }
}
