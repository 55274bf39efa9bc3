//! The element's side of the scripting service.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use nix::sys::prctl::set_no_new_privs;
use nix::unistd::Uid;
use rserpool::driver::{Error, ServerEvent, ServerSession, SessionService};
use rserpool::wire::{Policy, PolicyField, PolicyType};

use super::cache::{Cache, hash_file};
use super::protocol::{Hash, MAX_DATA, Message, NotReady};
use super::work::{Bounds, Package};
use crate::program;

/// Settings of the scripting service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of -scripting")]
pub struct ScriptingOptions {
    /// Packages at a time; by default one for each CPU
    #[arg(long, value_name = "SESSIONS", default_value_t = cpus(), value_parser = program::sessions)]
    pub ssmaxthreads: usize,
    /// Packages at a time of one user, who is an address; by default all
    #[arg(long, value_name = "SESSIONS", value_parser = program::sessions)]
    pub ssmaxuserthreads: Option<usize>,
    /// How long a user may take for 16 KiB of a file, either way, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub sstransmittimeout: u64,
    /// Ask users whether they are there after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub sskeepaliveinterval: u64,
    /// End the work of users that have not answered after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub sskeepalivetimeout: u64,
    /// Keep environments in this directory, also for the next time; by default in one that is removed at the end
    #[arg(long, value_name = "DIRECTORY")]
    pub sscachedirectory: Option<PathBuf>,
    /// Environments to keep at most
    #[arg(long, value_name = "ENVIRONMENTS", default_value_t = 16, value_parser = program::sessions)]
    pub sscachemaxentries: usize,
    /// KiB of environments to keep at most, at least 128
    #[arg(long, value_name = "KIB", default_value_t = 131_072, value_parser = clap::value_parser!(u64).range(128..=1 << 40))]
    pub sscachemaxsize: u64,
    /// Run only packages that a key of this GnuPG keyring has signed (gpg --sign), with environments that one has signed; others end
    /// with status 125. It takes gpgv
    #[arg(long, value_name = "FILE")]
    pub sskeyring: Option<PathBuf>,
    /// Keep the directories of packages, to look what is wrong with them
    #[arg(long)]
    pub sskeeptempdirs: bool,
    /// MiB that a package may have: what is uploaded, and all that it writes
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub ssmaxsize: u64,
    /// Seconds that a package may run; as long may its way here take, and that of what comes out
    #[arg(long, value_name = "S", default_value = "86400", value_parser = program::seconds)]
    pub ssmaxruntime: Duration,
    /// Run what users send as root. Don't
    #[arg(long)]
    pub ssallowroot: bool,
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl ScriptingOptions {
    fn max_of_user(&self) -> usize {
        self.ssmaxuserthreads.unwrap_or(self.ssmaxthreads)
    }

    /// The policy that suits it, as RSPLIB's: each session counts as its share of the load until the element tells.
    pub fn policy(&self) -> Policy {
        let share = (f64::from(u32::MAX) / self.ssmaxthreads as f64) as u32;
        Policy::new(PolicyType::LeastUsedDegradation).with(PolicyField::Degradation, share)
    }
}

/// Runs what users send.
#[derive(Clone, Debug)]
pub struct Scripting {
    options: ScriptingOptions,
    cache: Arc<Cache>,
    info: Bytes,
}

impl Scripting {
    /// With these settings.
    ///
    /// # Errors
    /// That it would run as root, or why there is no directory for environments.
    pub fn new(options: ScriptingOptions) -> io::Result<Self> {
        if Uid::effective().is_root() && !options.ssallowroot {
            return Err(io::Error::other(
                "-scripting runs whatever users send, and would do so as root: run it as somebody else (with --udp, which \
                 needs no rights), or give --ssallowroot where nothing can be lost",
            ));
        }
        // No setuid program gives a script more rights.
        set_no_new_privs()?;
        let directory = options.sscachedirectory.as_deref();
        let cache = Cache::open(directory, options.sscachemaxentries, options.sscachemaxsize * 1024);
        let cache = cache.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("no directory for environments: {error}; see --sscachedirectory"),
            )
        })?;
        let mut options = options;
        if let Some(keyring) = &options.sskeyring {
            // Packages run elsewhere. Without gpgv nothing would run, and nobody would know why.
            let named = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot read the keyring {}: {error}", keyring.display()),
                )
            };
            options.sskeyring = Some(keyring.canonicalize().map_err(named)?);
            std::process::Command::new("gpgv")
                .arg("--version")
                .stdout(std::process::Stdio::null())
                .status()
                .map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("--sskeyring needs gpgv, of the package gpgv: {error}"),
                    )
                })?;
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let info = host.trim().to_owned().into();
        Ok(Self { options, cache: Arc::new(cache), info })
    }

    fn bounds(&self) -> Bounds {
        Bounds { bytes: self.options.ssmaxsize << 20, time: self.options.ssmaxruntime }
    }
}

impl SessionService for Scripting {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        session.set_load(1.0 / self.options.ssmaxthreads as f64);
        session.send_timeout = Duration::from_millis(self.options.sstransmittimeout);
        match Package::new(self.bounds(), self.options.sskeeptempdirs) {
            Ok(package) => Job { service: self, session, package }.run(),
            Err(error) => {
                tracing::warn!(%error, "no directory for a package");
                let answer = Message::NotReady(NotReady::OutOfResources, self.info.clone());
                session.send(answer.to_user_message())
            }
        }
    }

    fn max_sessions_of_user(&self) -> usize {
        self.options.max_of_user()
    }

    fn refuse(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        session.send(Message::NotReady(NotReady::FullyLoaded, self.info.clone()).to_user_message())
    }
}

/// Between two looks whether the script has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How a file comes in. Only what comes of it counts: nobody keeps his place by other messages, or by a byte now and then.
struct Pace {
    patience: Duration,
    /// When a message's worth is to be there.
    due: Instant,
    /// When all of it is to be there.
    end: Instant,
    bytes: usize,
}

impl Pace {
    fn new(options: &ScriptingOptions, now: Instant) -> Self {
        let (patience, end) = (Duration::from_millis(options.sstransmittimeout), now + options.ssmaxruntime);
        Self { patience, due: end.min(now + patience), end, bytes: 0 }
    }

    /// So many bytes have come.
    ///
    /// # Errors
    /// That it takes too long.
    fn note(&mut self, bytes: usize, now: Instant) -> Result<(), Error> {
        self.bytes += bytes;
        if self.bytes >= MAX_DATA {
            self.bytes = 0;
            self.due = self.end.min(now + self.patience);
        }
        if now < self.due { Ok(()) } else { Err(Error::TimedOut) }
    }
}

/// A package and its user.
struct Job<'a, 'b> {
    service: &'a Scripting,
    session: &'a mut ServerSession<'b>,
    package: Package,
}

impl Job<'_, '_> {
    fn run(mut self) -> Result<(), Error> {
        self.say(Message::Ready(self.service.info.clone()))?;
        let needed = self.receive_input()?;
        if let Some(hash) = needed {
            self.receive_environment(&hash)?;
        }
        self.say(Message::Status(0))?;
        tracing::info!(peer = ?self.session.peer(), path = %self.package.path().display(), "a package is run");
        let keyring = self.service.options.sskeyring.as_deref();
        self.package.start(keyring).map_err(Error::system("start a package"))?;
        let status = self.await_end()?;
        tracing::info!(peer = ?self.session.peer(), status, "a package has ended");
        self.say(Message::Status(status))?;
        self.send_output().map_err(Error::system("send what came out"))?;
        self.say(Message::Download(Bytes::new()))
    }

    fn say(&mut self, message: Message) -> Result<(), Error> {
        self.session.send(message.to_user_message())
    }

    /// The next message; none if something else has come.
    fn receive(&mut self, until: Instant) -> Result<Option<Message>, Error> {
        match self.session.receive(Some(until))? {
            ServerEvent::Data(message) => Ok(Message::decode(&message)),
            _ => Ok(None),
        }
    }

    /// The next message while a file comes in.
    fn receive_part(&mut self, pace: &mut Pace) -> Result<Option<Message>, Error> {
        let message = self.receive(pace.due)?;
        let bytes = if let Some(Message::Upload(data)) = &message { data.len() } else { 0 };
        pace.note(bytes, Instant::now())?;
        Ok(message)
    }

    /// Takes the package; the environment that the user has to upload then.
    fn receive_input(&mut self) -> Result<Option<Hash>, Error> {
        let (mut needed, mut is_asked) = (None, false);
        let mut pace = Pace::new(&self.service.options, Instant::now());
        loop {
            match self.receive_part(&mut pace)? {
                Some(Message::Upload(data)) if data.is_empty() => {
                    self.package.close();
                    return Ok(needed);
                }
                Some(Message::Upload(data)) => self.write(false, &data)?,
                Some(Message::Environment { hash, .. }) if !is_asked => {
                    is_asked = true;
                    let is_there = self.service.cache.fetch(&hash, &self.package.environment());
                    if is_there {
                        self.package.use_environment();
                    }
                    needed = (!is_there).then_some(hash);
                    self.say(Message::Environment { hash, upload_needed: !is_there })?;
                }
                other => tracing::debug!(?other, "not now"),
            }
        }
    }

    fn receive_environment(&mut self, hash: &Hash) -> Result<(), Error> {
        let mut pace = Pace::new(&self.service.options, Instant::now());
        loop {
            match self.receive_part(&mut pace)? {
                Some(Message::Upload(data)) if data.is_empty() => break,
                Some(Message::Upload(data)) => self.write(true, &data)?,
                other => tracing::debug!(?other, "not now"),
            }
        }
        self.package.close();
        self.keep_environment(hash).map_err(Error::system("keep an environment"))?;
        self.package.use_environment();
        Ok(())
    }

    /// What is not what the user has announced is nobody's environment.
    fn keep_environment(&self, hash: &Hash) -> io::Result<()> {
        let path = self.package.environment();
        if hash_file(&path)?.0 != *hash {
            return Err(io::Error::other("its SHA-1 is not the announced one"));
        }
        self.service.cache.store(hash, &path)
    }

    fn write(&mut self, is_environment: bool, data: &[u8]) -> Result<(), Error> {
        self.package.write(is_environment, data).map_err(Error::system("write a package"))
    }

    /// Waits for the script, as long as the user is there.
    fn await_end(&mut self) -> Result<u32, Error> {
        let interval = Duration::from_millis(self.service.options.sskeepaliveinterval);
        let timeout = Duration::from_millis(self.service.options.sskeepalivetimeout);
        let (mut since, mut is_asked) = (Instant::now(), false);
        loop {
            if let Some(status) = self.package.poll_status().map_err(Error::system("watch a package"))? {
                return Ok(status);
            }
            match self.receive(Instant::now() + LOOK_INTERVAL) {
                Ok(Some(Message::KeepAlive)) => self.say(Message::KeepAliveAck)?,
                Ok(Some(Message::KeepAliveAck)) => (since, is_asked) = (Instant::now(), false),
                Ok(other) => tracing::debug!(?other, "not now"),
                Err(Error::TimedOut) => {}
                Err(error) => return Err(error),
            }
            match since.elapsed() {
                silence if is_asked && silence >= timeout => return Err(Error::TimedOut),
                silence if !is_asked && silence >= interval => {
                    self.say(Message::KeepAlive)?;
                    (since, is_asked) = (Instant::now(), true);
                }
                _ => {}
            }
        }
    }

    fn send_output(&mut self) -> io::Result<()> {
        // A package without output has a status that says so.
        let Some(mut file) = self.package.open_output() else { return Ok(()) };
        let mut buffer = vec![0; MAX_DATA];
        let end = Instant::now() + self.service.options.ssmaxruntime;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let data = Bytes::copy_from_slice(&buffer[..read]);
            self.say(Message::Download(data)).map_err(io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: ScriptingOptions,
    }

    fn options(arguments: &[&str]) -> ScriptingOptions {
        Cli::parse_from(["test"].iter().chain(arguments)).options
    }

    #[test]
    fn only_a_message_s_worth_of_a_file_keeps_a_place() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut pace = Pace::new(&options(&["--sstransmittimeout=10000"]), begin);
        assert!(pace.note(0, at(9)).is_ok() && pace.note(1, at(9)).is_ok());
        assert!(pace.note(MAX_DATA - 1, at(9)).is_ok() && pace.note(0, at(18)).is_ok());
        assert!(matches!(pace.note(1, at(19)), Err(Error::TimedOut)));
    }

    #[test]
    fn no_file_is_on_its_way_for_ever() {
        let begin = Instant::now();
        let mut pace = Pace::new(&options(&["--ssmaxruntime=60"]), begin);
        let refused = (1..).find(|second| pace.note(MAX_DATA, begin + Duration::from_secs(*second)).is_err());
        assert_eq!(refused, Some(60));
    }

    #[test]
    fn one_user_may_have_all_places_as_with_rsplib_unless_there_is_a_limit() {
        let most = |arguments: &[&str]| options(arguments).max_of_user();
        assert_eq!(most(&["--ssmaxthreads=4"]), 4);
        assert_eq!(most(&["--ssmaxthreads=4", "--ssmaxuserthreads=3"]), 3);
    }
}
