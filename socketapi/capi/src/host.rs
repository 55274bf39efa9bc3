//! The stack in this process: where no service is there already, one runs in a thread, for this process and its children.
//!
//! It is started by the first socket, or whatever else needs it, and told what to do by the environment:
//!
//! | variable | means | without it |
//! |---|---|---|
//! | SCTP_SERVICE | the abstract name of a service to use (`sctp-run` sets it) | `sctpd` if it serves us and none of the next four is set; else one of our own |
//! | SCTP_USER_TRANSPORT | `raw` or `udp` | raw IP where that is permitted, else UDP encapsulation |
//! | SCTP_USER_LOCAL | local addresses, separated by commas | all of this host |
//! | SCTP_USER_UDP_PORT | our UDP encapsulation port, 0 for any | 9899 |
//! | SCTP_USER_REMOTE_UDP_PORT | that of the peers that we connect to | 9899 |
//! | SCTP_USER_LINGER | seconds that `exit` may wait for what was sent and not acknowledged | 5 |
//!
//! A child after `fork` uses its parent's, as long as that lives; a later one has its own.

use core::cell::RefCell;
use core::ffi::c_char;
use core::net::IpAddr;
use core::str::FromStr;
use std::ffi::CString;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::unistd::pipe2;
use sctp_preload::guarded;
use sctp_service::client::{Probe, SERVICE_NAME, probe};
use sctp_service::{Control, Identity, Listener, Rules, Service};
use sctp_user::driver::udp::ENCAPSULATION_PORT;
use sctp_user::stack::{Stack, Transport};
use sctp_user::threads;

use crate::descriptors;

/// SCTP_USER_LINGER without a value.
const LINGER: Duration = Duration::from_secs(5);

/// The service of this process, or of one that it descends from.
struct Own {
    /// Whose it is.
    process: u32,
    name: String,
    /// In words.
    carrier: String,
    thread: JoinHandle<()>,
    /// Ends it when dropped.
    life: Sender<()>,
}

/// What says how the stack is to be.
const CONDITIONS: [&str; 4] = [TRANSPORT, LOCAL, UDP_PORT, REMOTE_UDP_PORT];
const TRANSPORT: &str = "SCTP_USER_TRANSPORT";
const LOCAL: &str = "SCTP_USER_LOCAL";
const UDP_PORT: &str = "SCTP_USER_UDP_PORT";
const REMOTE_UDP_PORT: &str = "SCTP_USER_REMOTE_UDP_PORT";

static OWN: Mutex<Option<Own>> = Mutex::new(None);

/// Runs when the library is loaded.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    sctp_preload::set_finder(|| find().ok().map(|found| found.service));
    threads::on_start(sctp_preload::exempt_thread);
}

/// A service, and what it is in words.
struct Found {
    service: sctp_preload::Service,
    description: String,
}

/// The service that this process uses, started if need be; or why there is none.
fn find() -> Result<Found, String> {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(inherited) = own.take_if(|own| !own.is_usable()) {
        // The thread is another process's.
        std::mem::forget(inherited);
    }
    if own.is_none() {
        // Who says how a stack of its own is to be wants one.
        let wants_own = CONDITIONS.iter().any(|name| variable(name).is_some());
        if let (false, Probe::Serves { process, user, maker }) = (wants_own, probe(SERVICE_NAME)) {
            let (user, maker) = (Some(user), Some(maker));
            let service = sctp_preload::Service { name: SERVICE_NAME.into(), user, maker };
            return Ok(Found { service, description: format!("sctpd, process {process}") });
        }
        *own = Some(Own::start()?);
    }
    let found = own.as_ref().map(Own::found);
    found.ok_or_else(|| "the stack did not start".into())
}

impl Own {
    fn start() -> Result<Self, String> {
        let name = format!("sctp-user/{:032x}", rand::random::<u128>());
        let (say, answer) = channel();
        let (life, until) = channel();
        let serve_at = name.clone();
        let pipe = shown_by_us();
        let undisturbed = Undisturbed::begin();
        let thread =
            Builder::new().name("sctp-user".into()).spawn(move || host(&serve_at, pipe, &say, &until));
        drop(undisturbed);
        let thread = thread.map_err(|error| format!("cannot start a thread for the stack: {error}"))?;
        let carrier = answer.recv().map_err(|_| "the stack's thread has ended")??;
        // SAFETY: the function is there as long as the process (`-z nodelete`). If there is no room, `exit` does not wait.
        unsafe { libc::atexit(end) };
        Ok(Self { process: std::process::id(), name, carrier, thread, life })
    }

    /// A parent's is, until it is gone: one that is slow to answer only is busy.
    fn is_usable(&self) -> bool {
        self.process == std::process::id() || !matches!(probe(&self.name), Probe::Absent)
    }

    fn found(&self) -> Found {
        let host = match self.process == std::process::id() {
            true => "in this process".to_owned(),
            false => format!("in process {}", self.process),
        };
        let service = sctp_preload::Service { name: self.name.clone().into(), user: None, maker: None };
        Found { service, description: format!("{}, {host}", self.carrier) }
    }
}

/// The program ends: what it has sent is still delivered, and its associations end in good order, within SCTP_USER_LINGER. What ends
/// otherwise (`_exit`, a signal) is gone at once.
extern "C" fn end() {
    guarded(|| {
        // Another thread that is at it, or a service that is not ours, ends by itself.
        let Ok(mut own) = OWN.try_lock() else { return };
        if let Some(own) = own.take_if(|own| own.process == std::process::id()) {
            drop(own.life);
            // A panic of that thread was reported when it came.
            let _ = own.thread.join();
        }
    });
}

/// A pipe by which the stack will know all parts of this program: children that give up their privileges, as the workers of a server do, have
/// it, and others of their user do not. Without one they are not served.
fn shown_by_us() -> Option<Identity> {
    let (pipe, _) = pipe2(OFlag::O_CLOEXEC).ok()?;
    let identity = Identity::of(&pipe).ok()?;
    sctp_preload::hold_lease(pipe);
    Some(identity)
}

/// The thread of the stack: says what it serves with, or why it does not, and lives until `until` ends.
///
/// It and the threads that it starts have a table of descriptors of their own. So a child after `fork` inherits none of theirs (a
/// copy of the service's end of a socket would keep the socket open), a program that closes all numbers closes none, and
/// numbers are as low as without us.
fn host(name: &str, pipe: Option<Identity>, say: &Sender<Result<String, String>>, until: &Receiver<()>) {
    sctp_preload::exempt_thread();
    let started = descriptors::have_own()
        .map_err(|error| format!("the system gives the stack no table of descriptors of its own: {error}"))
        .and_then(|()| start(name, pipe));
    let (control, service) = match started {
        Ok((carrier, control, service)) => {
            // Who asked waits for it.
            let _ = say.send(Ok(carrier));
            (control, service)
        }
        Err(why) => return drop(say.send(Err(why))),
    };
    // Until it is dropped.
    let _ = until.recv();
    control.stop(linger());
    // A service that panicked has said so, and its end has told its clients.
    let _ = service.join();
}

fn start(name: &str, pipe: Option<Identity>) -> Result<(String, Control, JoinHandle<()>), String> {
    let stack = open_stack()?;
    let carrier = match stack.udp_port() {
        0 => "SCTP over raw IP".to_owned(),
        port => format!("SCTP over UDP encapsulation, port {port}"),
    };
    let control = Control::new(Rules::default()).map_err(|error| error.to_string())?;
    let service = Listener::bind(name)
        .and_then(|listener| Service::open(stack, listener, control.clone()))
        .map_err(|error| error.to_string())?;
    let service = match pipe {
        Some(pipe) => service.serving_who_shows(pipe),
        None => service,
    };
    let run = move || {
        sctp_preload::exempt_thread();
        // Its end closes its descriptors, and so tells the program.
        drop(service.run(None));
    };
    let thread = Builder::new().name("sctp-service".into()).spawn(run);
    Ok((carrier, control, thread.map_err(|error| format!("cannot start the service's thread: {error}"))?))
}

fn open_stack() -> Result<Stack, String> {
    let mut builder = Stack::builder()
        .defaults(sctp_service::defaults())
        .linger(linger())
        .udp_port(number(UDP_PORT)?.unwrap_or(ENCAPSULATION_PORT))
        .remote_udp_port(number(REMOTE_UDP_PORT)?.unwrap_or(ENCAPSULATION_PORT))
        .serve_statistics(true);
    builder = match variable(TRANSPORT).as_deref() {
        None => builder,
        Some("raw") => builder.transport(Transport::Raw),
        Some("udp") => builder.transport(Transport::Udp),
        Some(other) => return Err(format!("{TRANSPORT}={other}: give raw, udp or nothing")),
    };
    for address in variable(LOCAL).unwrap_or_default().split(',').filter(|text| !text.is_empty()) {
        let parsed: IpAddr =
            address.parse().map_err(|_| format!("{LOCAL}: {address} is not an IP address"))?;
        builder = builder.address(parsed);
    }
    builder.build().map_err(|error| error.to_string())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: FromStr>(name: &str) -> Result<Option<T>, String> {
    let parse = |value: String| {
        value.parse().map_err(|_| format!("{name}={value}: this is not a number that it takes"))
    };
    variable(name).map(parse).transpose()
}

fn linger() -> Duration {
    number("SCTP_USER_LINGER").ok().flatten().map_or(LINGER, Duration::from_secs)
}

/// While this lives no signal comes to the thread, and none to those that it starts, ever: signals are the program's.
struct Undisturbed(SigSet);

impl Undisturbed {
    fn begin() -> Self {
        let mut before = SigSet::empty();
        // Cannot fail for these arguments.
        let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before));
        Self(before)
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        // As above.
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None);
    }
}

thread_local! {
    static WORDS: RefCell<CString> = RefCell::default();
}

/// What carries this process's sockets, in one line of English, for logs and people: the stack is started if need be. Begins with
/// "cannot" where there is none, and says why, and what to do. Never null; valid until the thread calls it again. Leaves errno alone.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sctp_user_describe() -> *const c_char {
    guarded(|| {
        // Whoever asks has one to report.
        let errno = sctp_preload::errno();
        let words = match sctp_preload::told() {
            Some(service) => format!("the service {}", service.name.display()),
            None => find().map_or_else(|why| format!("cannot use SCTP: {why}"), |found| found.description),
        };
        let words = CString::new(words.replace('\0', "")).unwrap_or_default();
        sctp_preload::set_errno(errno);
        WORDS.with(|place| {
            place.replace(words);
            place.borrow().as_ptr()
        })
    })
}
