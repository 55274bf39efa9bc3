//! The user's side of the scripting service: tries elements until one has done the work.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use rserpool::PoolHandle;
use rserpool::driver::{Error as DriverError, PoolUser, Session};
use rserpool::session::{SendError, SessionEvent};

use super::cache::hash_file;
use super::protocol::{Hash, MAX_DATA, Message, printable};
use crate::output_file::OutputFile;
use crate::program::{self, Failure, GLANCE};
use crate::signals::Signals;

/// What is to be done.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Work options")]
pub struct WorkOptions {
    /// The package: an archive that tar unpacks, with a script ssrun
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Where to write what came out
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// A file for the script, which elements keep for the next time; empty for none
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true, value_parser = program::file)]
    pub environment: PathBuf,
    /// MiB that may come out; who sends more is not listened to
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub maxoutputsize: u64,
    /// How often the script may fail; what came out of the last failure is downloaded
    #[arg(long, value_name = "TRIALS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub maxretry: u32,
    /// Pause before another element is tried, milliseconds, more or less; at least 100
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub retrydelay: u64,
    /// How long an element may take to answer while files are sent, and to take a message, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 59_500, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub transmittimeout: u64,
    /// Ask the element whether it is there after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub keepaliveinterval: u64,
    /// Leave an element that has not answered after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub keepalivetimeout: u64,
    /// What each line of output begins with
    #[arg(long, value_name = "TEXT")]
    pub runid: Option<String>,
    /// Say only what is wrong
    #[arg(long)]
    pub quiet: bool,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// What came out is there; the script's status.
    Done(u32),
    /// The script failed.
    ScriptFailed(u32),
    /// Another element is to be tried.
    Again,
    /// A signal has come.
    Stopped,
}

/// Has work done.
pub struct Client<'a> {
    options: &'a WorkOptions,
    environment: Option<Hash>,
    signals: &'a Signals,
    /// The element, as it calls itself.
    element: String,
}

impl<'a> Client<'a> {
    /// Looks at the files.
    ///
    /// # Errors
    /// Which cannot be read.
    pub fn new(options: &'a WorkOptions, signals: &'a Signals) -> Result<Self, String> {
        let unreadable = |path: &Path| {
            let name = path.display().to_string();
            move |error: io::Error| format!("cannot read {name}: {error}")
        };
        File::open(&options.input).map_err(unreadable(&options.input))?;
        let environment = match options.environment.as_os_str().is_empty() {
            true => None,
            false => Some(hash_file(&options.environment).map_err(unreadable(&options.environment))?.0),
        };
        Ok(Self { options, environment, signals, element: String::new() })
    }

    /// Tries elements until one has done the work.
    ///
    /// # Errors
    /// That the script has failed too often, the files cannot be read or written, or a signal has come before.
    pub fn run(mut self, user: &PoolUser, pool_handle: &PoolHandle) -> Result<(), Box<dyn Error>> {
        let mut trial = 1;
        loop {
            let session = user.open_session(pool_handle.clone());
            let is_last = trial >= self.options.maxretry;
            let attempt = Try { client: &mut self, session, output: None, received: 0, is_last };
            match attempt.run()? {
                Outcome::Done(0) => return Ok(()),
                Outcome::Stopped => return Err(Failure::Interrupted.into()),
                Outcome::Done(status) => {
                    let output = self.options.output.display();
                    return Err(format!("the script ended with status {status}, see {output}").into());
                }
                Outcome::ScriptFailed(status) => {
                    trial += 1;
                    self.say(format_args!("the script ended with status {status}: trial {trial}"))?;
                }
                Outcome::Again => {}
            }
            if self.signals.wait(Some(spread(self.options.retrydelay)))? {
                return Err(Failure::Interrupted.into());
            }
        }
    }

    fn say(&self, line: impl std::fmt::Display) -> io::Result<()> {
        if self.options.quiet {
            return Ok(());
        }
        match &self.options.runid {
            Some(run) if self.element.is_empty() => program::say(format_args!("[{run}] {line}")),
            Some(run) => program::say(format_args!("[{run}@{}] {line}", self.element)),
            None => program::say(line),
        }
    }
}

/// Up to an eighth more or less, so that not all users come at once.
fn spread(millis: u64) -> Duration {
    Duration::from_millis(millis).mul_f64(rand::random_range(0.875..1.125))
}

/// What the element is to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Whether it takes work.
    Ready,
    /// Whether it has the environment.
    Environment,
    /// That it begins.
    Beginning,
    /// How the work has ended.
    End,
    /// What came out.
    Output,
}

/// One try, in a session of its own.
struct Try<'a, 'b> {
    client: &'a mut Client<'b>,
    session: Session,
    output: Option<OutputFile>,
    /// Bytes of it.
    received: u64,
    is_last: bool,
}

type Step<T> = Result<T, Box<dyn Error>>;

impl Try<'_, '_> {
    fn run(mut self) -> Step<Outcome> {
        let outcome = self.talk()?;
        if let (Outcome::Done(_), Some(output)) = (outcome, self.output.take()) {
            output.complete()?;
            self.client.say(format_args!("{} is there", self.client.options.output.display()))?;
        }
        Ok(outcome)
    }

    fn talk(&mut self) -> Step<Outcome> {
        let (mut stage, mut status) = (Stage::Ready, 0);
        let (mut heard, mut is_asked) = (None::<Instant>, false);
        let mut told = String::new();
        loop {
            if self.client.signals.have_come()? {
                return Ok(Outcome::Stopped);
            }
            match self.session.receive(Some(Instant::now() + GLANCE)) {
                Ok(SessionEvent::Connected { .. }) => heard = Some(Instant::now()),
                Ok(SessionEvent::FailoverNecessary { .. }) => {
                    self.client.say("the element is gone")?;
                    return Ok(Outcome::Again);
                }
                Ok(SessionEvent::Data(message)) => {
                    is_asked = false;
                    let Some(message) = Message::decode(&message) else {
                        self.client.say("the element says something that is not of this service")?;
                        return Ok(Outcome::Again);
                    };
                    if let Some(outcome) = self.handle(message, &mut stage, &mut status)? {
                        return Ok(outcome);
                    }
                    // To send what it has asked for may have taken longer than it may be silent.
                    heard = Some(Instant::now());
                    continue;
                }
                Ok(event @ SessionEvent::Waiting { .. }) => {
                    let why = program::describe(&event);
                    if why != told {
                        self.client.say(&why)?;
                        told = why;
                    }
                }
                Ok(_) | Err(DriverError::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            let Some(silence) = heard.map(|heard| heard.elapsed()) else { continue };
            match self.patience(stage, is_asked) {
                patience if silence < patience => {}
                _ if stage == Stage::End && !is_asked => {
                    (heard, is_asked) = (Some(Instant::now()), true);
                    if let Some(outcome) = self.send(&Message::KeepAlive)? {
                        return Ok(outcome);
                    }
                }
                _ => {
                    self.client.say("the element is silent")?;
                    return Ok(Outcome::Again);
                }
            }
        }
    }

    fn patience(&self, stage: Stage, is_asked: bool) -> Duration {
        let WorkOptions { transmittimeout, keepaliveinterval, keepalivetimeout, .. } = self.client.options;
        Duration::from_millis(match stage {
            Stage::End if is_asked => *keepalivetimeout,
            Stage::End => *keepaliveinterval,
            _ => *transmittimeout,
        })
    }

    fn handle(&mut self, message: Message, stage: &mut Stage, status: &mut u32) -> Step<Option<Outcome>> {
        match (*stage, message) {
            (Stage::Ready, Message::NotReady(reason, info)) => {
                let element = printable(&info);
                self.client.say(format_args!("{element} takes no work ({reason:?})"))?;
                return Ok(Some(Outcome::Again));
            }
            (Stage::Ready, Message::Ready(info)) => {
                self.client.element = printable(&info);
                self.client.say(format_args!("{} is ready", self.client.element))?;
                *stage = Stage::Beginning;
                if let Some(hash) = self.client.environment {
                    *stage = Stage::Environment;
                    if let Some(outcome) = self.send(&Message::Environment { hash, upload_needed: false })? {
                        return Ok(Some(outcome));
                    }
                }
                return self.upload(&self.client.options.input);
            }
            (Stage::Environment, Message::Environment { upload_needed, .. }) => {
                *stage = Stage::Beginning;
                if upload_needed {
                    return self.upload(&self.client.options.environment);
                }
                self.client.say("the environment is there already")?;
            }
            (Stage::Beginning, Message::Status(0)) => {
                self.client.say("the script is run")?;
                *stage = Stage::End;
            }
            (Stage::End, Message::KeepAlive) => return self.send(&Message::KeepAliveAck),
            (Stage::End, Message::Status(code)) if code != 0 && !self.is_last => {
                return Ok(Some(Outcome::ScriptFailed(code)));
            }
            (Stage::End, Message::Status(code)) => (*stage, *status) = (Stage::Output, code),
            (Stage::Output, Message::Download(data)) if data.is_empty() => {
                self.write(&data)?;
                return Ok(Some(Outcome::Done(*status)));
            }
            (Stage::Output, Message::Download(data)) => self.write(&data)?,
            (Stage::End | Stage::Output, Message::KeepAliveAck) => {}
            (_, other) => {
                tracing::warn!(?stage, ?other, "not what is expected of an element");
                return Ok(Some(Outcome::Again));
            }
        }
        Ok(None)
    }

    /// Sends a message, for which an element has to make room in time. What becomes of the try, if it cannot be sent.
    fn send(&self, message: &Message) -> Step<Option<Outcome>> {
        let message = message.to_user_message();
        let end = Instant::now() + Duration::from_millis(self.client.options.transmittimeout);
        loop {
            match self.session.send_until(&message, Some(end.min(Instant::now() + GLANCE))) {
                Ok(()) => return Ok(None),
                Err(DriverError::Send(SendError::NotConnected)) => {
                    self.client.say("the element is gone")?;
                    return Ok(Some(Outcome::Again));
                }
                Err(DriverError::TimedOut) if self.client.signals.have_come()? => {
                    return Ok(Some(Outcome::Stopped));
                }
                Err(DriverError::TimedOut) if Instant::now() >= end => {
                    self.client.say("the element takes nothing")?;
                    return Ok(Some(Outcome::Again));
                }
                Err(DriverError::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn upload(&self, path: &Path) -> Step<Option<Outcome>> {
        let unreadable = |error| format!("cannot read {}: {error}", path.display());
        let mut file = File::open(path).map_err(unreadable)?;
        let mut buffer = vec![0; MAX_DATA];
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            let outcome = self.send(&Message::Upload(Bytes::copy_from_slice(&buffer[..read])))?;
            if read == 0 || outcome.is_some() {
                return Ok(outcome);
            }
        }
    }

    fn write(&mut self, data: &[u8]) -> Step<()> {
        let WorkOptions { output: path, maxoutputsize, .. } = self.client.options;
        self.received += data.len() as u64;
        if self.received > maxoutputsize << 20 {
            return Err(format!("more comes out than {maxoutputsize} MiB: see --maxoutputsize").into());
        }
        if self.output.is_none() {
            self.output = Some(OutputFile::create(path)?);
        }
        if let Some(file) = &mut self.output {
            file.write_all(data)?;
        }
        Ok(())
    }
}
