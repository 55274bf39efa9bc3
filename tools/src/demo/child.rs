//! Child processes: whatever happens to the parent, they end.

use std::io::{self, BufRead, BufReader};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;

use super::role::Saying;

/// How long children may take to end in good order.
const END_LIMIT: Duration = Duration::from_secs(3);

/// What came from a child; no saying when it has closed its output, as it does when it ends.
pub type Heard = (usize, Option<Saying>);

/// All child processes. Dropping it ends them, those that are frozen too.
#[derive(Debug)]
pub struct Children {
    processes: Vec<Process>,
    heard: Receiver<Heard>,
    sender: Sender<Heard>,
}

impl Default for Children {
    fn default() -> Self {
        let (sender, heard) = channel();
        Self { processes: Vec::new(), heard, sender }
    }
}

impl Children {
    /// Starts this program once more, with other arguments. Returns the number of the child.
    ///
    /// # Errors
    /// The system's.
    pub fn start(&mut self, arguments: Vec<String>) -> io::Result<usize> {
        // Not the name, but the program that runs: the file may have been replaced meanwhile.
        let mut command = Command::new("/proc/self/exe");
        // Ctrl-C is for the parent alone.
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut process = command.spawn()?;
        let child = self.processes.len();
        let output = process.stdout.take();
        self.processes.push(process);
        let sender = self.sender.clone();
        std::thread::Builder::new().name("listener".into()).spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                let saying = line.ok().and_then(|line| serde_json::from_str(&line).ok());
                if saying.is_some() && sender.send((child, saying)).is_err() {
                    return;
                }
            }
            // Nobody listens any more when the demo ends.
            let _ = sender.send((child, None));
        })?;
        Ok(child)
    }

    /// What a child said next, if one says something in time.
    pub fn listen(&self, limit: Duration) -> Option<Heard> {
        self.heard.recv_timeout(limit).ok()
    }

    /// The process id of a child.
    pub fn pid(&self, child: usize) -> u32 {
        self.processes[child].id()
    }

    /// Sends a signal to a child that runs.
    pub fn signal(&mut self, child: usize, signal: Signal) {
        // The id of a process that was not waited for yet is nobody else's.
        if matches!(self.processes[child].try_wait(), Ok(None)) {
            let pid = Pid::from_raw(self.processes[child].id().cast_signed());
            if let Err(error) = kill(pid, signal) {
                tracing::warn!(%error, %pid, "signal not sent");
            }
        }
    }

    /// Ends all children: in good order, those that do not by force.
    pub fn end(&mut self) {
        for child in 0..self.processes.len() {
            self.signal(child, Signal::SIGTERM);
        }
        let limit = Instant::now() + END_LIMIT;
        while Instant::now() < limit && self.are_running() {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    fn are_running(&mut self) -> bool {
        self.processes.iter_mut().any(|process| matches!(process.try_wait(), Ok(None)))
    }

    fn kill(&mut self) {
        for process in &mut self.processes {
            // One that has ended cannot be killed, and SIGKILL ends frozen ones too.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.kill();
    }
}
