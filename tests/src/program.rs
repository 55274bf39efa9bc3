//! Programs under test and their peers: started, listened to, and ended, all within a time limit.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use thiserror::Error;

/// Why waiting for a program failed. The text holds all that it printed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It did not print the awaited text in time.
    #[error("{name} did not print {awaited:?} within {limit:?}; it printed:\n{output}")]
    Silent {
        /// The program.
        name: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        limit: Duration,
        /// What it printed.
        output: String,
    },
    /// It did not end in time.
    #[error("{name} did not end within {limit:?}; it printed:\n{output}")]
    Running {
        /// The program.
        name: String,
        /// How long.
        limit: Duration,
        /// What it printed.
        output: String,
    },
}

/// A running program. Killed, by its id, when dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    output: String,
}

impl Program {
    /// Starts `command`; standard output and error are read together.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { name, child, lines, output: String::new() }
    }

    /// The standard input of the program; closed when the returned value is dropped.
    pub fn take_stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// The process id of what was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    /// Kills it and all of the process group that it leads.
    pub fn kill_group(&self) {
        let _ = nix::sys::signal::killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
    }

    /// Waits until it prints a line that holds `text`, and returns that line.
    ///
    /// # Errors
    /// If it does not do so within `limit`.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String, ProgramError> {
        let end = Instant::now() + limit;
        loop {
            match self.next_line(end) {
                Some(line) if line.contains(text) => return Ok(line),
                Some(_) => {}
                None => {
                    let (name, output) = (self.name.clone(), self.output.clone());
                    return Err(ProgramError::Silent { name, awaited: text.to_owned(), limit, output });
                }
            }
        }
    }

    /// The next line that it prints; `None` if none comes before `end`, or it has ended.
    pub fn next_line(&mut self, end: Instant) -> Option<String> {
        let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
        self.output.push_str(&line);
        self.output.push('\n');
        Some(line)
    }

    /// All that it has printed, as far as it was read.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Waits until it ends; returns its status and all that it printed.
    ///
    /// # Errors
    /// If it does not end within `limit`.
    pub fn wait(mut self, limit: Duration) -> Result<(ExitStatus, String), ProgramError> {
        let end = Instant::now() + limit;
        while self.next_line(end).is_some() {}
        if Instant::now() < end {
            // Both of its streams are closed: it has ended, or is about to.
            let status = self.child.wait().expect("a child can be waited for");
            return Ok((status, std::mem::take(&mut self.output)));
        }
        Err(ProgramError::Running { name: self.name.clone(), limit, output: self.output.clone() })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of one of this project's programs, built before (`tests/suite` does that), or by the profile that the variable
/// BUILT_MODE names: `BUILT_MODE=quick` for programs that are optimized.
///
/// # Panics
/// If it is not there.
pub fn built(name: &str) -> PathBuf {
    built_as("debug", name)
}

/// As [`built`], for musl.
///
/// # Panics
/// If it is not there.
pub fn built_for_musl(name: &str) -> PathBuf {
    built_in("x86_64-unknown-linux-musl", "debug", name)
}

/// As [`built`], by this cargo profile.
///
/// # Panics
/// If it is not there.
pub fn built_as(mode: &str, name: &str) -> PathBuf {
    built_in("", mode, name)
}

fn built_in(platform: &str, mode: &str, name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mode = std::env::var("BUILT_MODE").unwrap_or_else(|_| mode.into());
    let path = target.join(platform).join(&mode).join(name);
    assert!(
        path.exists(),
        "{} is missing: build it first, with tests/suite, or `cargo build --profile {mode} -p PACKAGE`",
        path.display()
    );
    path
}
