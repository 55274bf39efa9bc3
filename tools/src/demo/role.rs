//! What the child processes of the demo do. They say what happens in lines of JSON on standard output; the parent says
//! nothing to them.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use rserpool::driver::{
    Error as DriverError, PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Registrar,
    RegistrarOptions, Session,
};
use rserpool::pool_element::PoolElementEvent;
use rserpool::registrar::RegistrarConfig;
use rserpool::session::SessionEvent;
use rserpool::transport::{LostReason, Peer};
use rserpool::wire::{self, ASAP_PORT};
use rserpool::{Profile, RegistrarId};
use serde::{Deserialize, Serialize};
use socketapi::Stack;

use super::options::{Role, RoleOptions};
use super::{OUTSTANDING, POOL, REQUEST_INTERVAL, monotonic};
use crate::logging::LogOptions;
use crate::pinger::{Counts, Pinger};
use crate::pingpong::PingPong;
use crate::program::{GLANCE, list};
use crate::signals::Signals;

const PROFILE: Profile = Profile::Fast;
/// Between two notes of how many replies came.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// How long the user waits for the last replies.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Users of an element at a time.
const SESSIONS: usize = 4;
/// How long the user waits for its first element.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What a process says. Times are nanoseconds of the host's monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Saying {
    /// The registrar can be asked; the element is registered.
    Ready,
    /// The user is connected to its first element.
    Connected {
        /// The element's address.
        element: String,
    },
    /// The user has noticed that its element failed.
    Failed {
        /// When.
        at: u64,
        /// By what.
        signal: Ending,
    },
    /// The user is connected to another element.
    TakenOver {
        /// When.
        at: u64,
        /// The element's address.
        element: String,
        /// Whether it got the session's cookie.
        has_cookie: bool,
    },
    /// The first reply of another element.
    FirstReply {
        /// When.
        at: u64,
    },
    /// Replies since the last of these.
    Progress {
        /// How many.
        replies: u64,
    },
    /// The user is done.
    Done {
        /// What was sent, and what came.
        counts: Counts,
        /// Requests that are not answered.
        unanswered: u64,
    },
}

/// What told the user of a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// An ABORT chunk.
    #[serde(rename = "ABORT")]
    Abort,
    /// An ICMP message.
    #[serde(rename = "ICMP")]
    Icmp,
    /// Nothing came back.
    #[serde(rename = "time-out")]
    TimeOut,
    /// The element shut the session down.
    #[serde(rename = "SHUTDOWN")]
    Shutdown,
    /// Something else.
    #[serde(rename = "other")]
    Other,
}

impl From<LostReason> for Ending {
    fn from(reason: LostReason) -> Self {
        match reason {
            LostReason::Aborted => Self::Abort,
            LostReason::Unreachable => Self::Icmp,
            LostReason::TimedOut => Self::TimeOut,
            LostReason::Shutdown => Self::Shutdown,
            _ => Self::Other,
        }
    }
}

type Act = fn(&RoleOptions, &Signals) -> Result<(), Box<dyn Error>>;

/// Does what a child process is for.
pub fn play(role: &Role) -> ExitCode {
    let (options, act): (_, Act) = match role {
        Role::Registrar(options) => (options, registrar),
        Role::Element(options) => (options, element),
        Role::User(options) => (options, user),
    };
    let result = prepare(options).and_then(|signals| act(options, &signals));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", list(&options.transport.local));
            ExitCode::FAILURE
        }
    }
}

/// Ends with the parent, and at SIGTERM.
fn prepare(options: &RoleOptions) -> Result<Signals, Box<dyn Error>> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != options.parent {
        return Err("the demo has ended".into());
    }
    let signals = Signals::hold()?;
    // Warnings are for those who run such a program for good.
    LogOptions { loglevel: 1, verbose: options.verbose, ..LogOptions::default() }.start()?;
    Ok(signals)
}

fn say(saying: &Saying) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, saying)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

fn now() -> u64 {
    u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX)
}

fn stack(options: &RoleOptions) -> Result<Stack, Box<dyn Error>> {
    // A demo need not wait for orderly ends.
    Ok(options.transport.builder()?.linger(Duration::from_millis(500)).build()?)
}

fn registrars(options: &RoleOptions) -> Vec<Peer> {
    vec![Peer { addresses: vec![options.registrar_address], port: ASAP_PORT }]
}

fn registrar(options: &RoleOptions, signals: &Signals) -> Result<(), Box<dyn Error>> {
    let stack = stack(options)?;
    let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
    let _registrar = Registrar::start(&stack, config, RegistrarOptions::new(PROFILE.sctp_settings()))?;
    say(&Saying::Ready)?;
    signals.wait(None)?;
    Ok(())
}

fn element(options: &RoleOptions, signals: &Signals) -> Result<(), Box<dyn Error>> {
    let stack = stack(options)?;
    let settings = PoolElementOptions::new(POOL.into(), registrars(options), PROFILE);
    let element = PoolElement::start_sessions(&stack, settings, SESSIONS, PingPong::default())?;
    while !signals.have_come()? {
        match element.next_event(Some(Instant::now() + GLANCE)) {
            Ok(PoolElementEvent::Registered) => say(&Saying::Ready)?,
            Ok(event) => tracing::info!(?event),
            Err(DriverError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    element.deregister(Some(Instant::now() + Duration::from_secs(1)))?;
    Ok(())
}

fn user(options: &RoleOptions, signals: &Signals) -> Result<(), Box<dyn Error>> {
    let stack = stack(options)?;
    let user = PoolUser::start(&stack, PoolUserOptions::new(registrars(options), PROFILE))?;
    let session = user.open_session(POOL.into());
    let first = session.wait_connected(CONNECT_LIMIT)?;
    say(&Saying::Connected { element: address_of(&first) })?;
    let mut client = Client::new();
    let end = Instant::now() + Duration::from_secs_f64(options.seconds);
    while !signals.have_come()? && Instant::now() < end {
        client.turn(&session, end)?;
    }
    client.pinger.drain();
    let end = Instant::now() + DRAIN_LIMIT;
    while client.pinger.outstanding() > 0 && Instant::now() < end {
        client.turn(&session, end)?;
    }
    client.note_progress()?;
    let unanswered = client.pinger.outstanding() as u64;
    say(&Saying::Done { counts: client.pinger.counts, unanswered })
}

fn address_of(element: &wire::PoolElement) -> String {
    element.user_transport.addresses.first().map(ToString::to_string).unwrap_or_default()
}

/// The user's side of the session.
struct Client {
    pinger: Pinger,
    next_progress: Instant,
    /// Replies that were told of.
    told: u64,
    awaits_first_reply: bool,
}

impl Client {
    fn new() -> Self {
        Self {
            pinger: Pinger::new(REQUEST_INTERVAL, OUTSTANDING),
            next_progress: Instant::now() + PROGRESS_INTERVAL,
            told: 0,
            awaits_first_reply: false,
        }
    }

    /// Sends what is due, and takes one event.
    fn turn(&mut self, session: &Session, end: Instant) -> Result<(), Box<dyn Error>> {
        self.pinger.send_due(session)?;
        if self.next_progress <= Instant::now() {
            self.note_progress()?;
        }
        let until = self.pinger.next_send().unwrap_or(end).min(self.next_progress).min(end);
        match session.receive(Some(until)) {
            Ok(event) => self.handle(event, session),
            Err(DriverError::TimedOut) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn handle(&mut self, event: SessionEvent, session: &Session) -> Result<(), Box<dyn Error>> {
        match &event {
            SessionEvent::Data(message) => {
                let replied = self.pinger.handle_reply(message.clone()).is_some();
                if replied && std::mem::take(&mut self.awaits_first_reply) {
                    say(&Saying::FirstReply { at: now() })?;
                }
                return Ok(());
            }
            SessionEvent::FailoverNecessary { reason } => {
                say(&Saying::Failed { at: now(), signal: (*reason).into() })?;
            }
            SessionEvent::FailoverComplete { element, has_cookie } => {
                self.awaits_first_reply = true;
                let (element, has_cookie) = (address_of(element), *has_cookie);
                say(&Saying::TakenOver { at: now(), element, has_cookie })?;
            }
            other => tracing::info!(?other),
        }
        Ok(self.pinger.handle_event(&event, session)?)
    }

    fn note_progress(&mut self) -> Result<(), Box<dyn Error>> {
        // What was missed while this process did not run is made up for.
        while self.next_progress <= Instant::now() {
            self.next_progress += PROGRESS_INTERVAL;
            let replies = self.pinger.counts.replies;
            say(&Saying::Progress { replies: replies - self.told })?;
            self.told = replies;
        }
        Ok(())
    }
}
