//! A Linux kernel with SCTP beside a host of the test's, and programs that run on it.

use std::io::Write;
use std::process::{ChildStdin, Command};
use std::time::Instant;

use system_tests::{Host, Program};

use crate::LIMIT;

/// Its address in the network that it shares with the host.
pub(crate) const LINUX: &str = "10.77.0.2";

/// A user-mode Linux. It ends when dropped.
pub(crate) struct Linux {
    machine: Program,
    /// A shell reads it, and the machine ends with it.
    input: Option<ChildStdin>,
    /// What its programs printed and nobody has asked for yet, each line with its program's name before it.
    unheard: Vec<String>,
}

impl Linux {
    /// Boots it, plugged into the switch of `host`.
    pub(crate) fn boot(host: &Host) -> Self {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/kernel-sctp-peer"));
        let network = format!("p0,bridge=lan0,guest={LINUX}/24");
        command.args(["--netns", host.namespace(), "--stdin", "-i", &network, "--", "sh"]);
        let mut machine = Program::start(command);
        let input = machine.take_stdin();
        Self { machine, input, unheard: Vec::new() }
    }

    /// Starts a program, to be called by this name, and types `line`.
    pub(crate) fn start(&mut self, name: &str, line: &str, program: &[String]) {
        // A shell tells its number, and then is the program.
        let program = format!("sh -c 'echo $$ >/tmp/{name}; exec stdbuf -oL {}' 2>&1", program.join(" "));
        self.shell(&format!("(echo {line}; exec tail -f /dev/null) | {program} | sed -u 's/^/{name}: /' &"));
    }

    /// Kills a program.
    pub(crate) fn kill(&mut self, name: &str) {
        self.shell(&format!("kill -9 $(cat /tmp/{name})"));
    }

    /// Waits until a program prints a line that holds `text`, and returns the line; those before are passed over.
    pub(crate) fn hear(&mut self, name: &str, text: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let line = self.next_line(name, end).unwrap_or_else(|| {
                panic!(
                    "{name} did not print {text:?} on Linux, where was printed:\n{}",
                    self.machine.output()
                )
            });
            if line.contains(text) {
                return line;
            }
        }
    }

    fn next_line(&mut self, name: &str, end: Instant) -> Option<String> {
        let prefix = format!("{name}: ");
        loop {
            if let Some(at) = self.unheard.iter().position(|line| line.starts_with(&prefix)) {
                return Some(self.unheard.remove(at));
            }
            self.unheard.push(self.machine.next_line(end)?);
        }
    }

    fn shell(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("it runs"), "{line}").expect("the shell reads");
    }
}

impl Drop for Linux {
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + LIMIT;
        while self.machine.next_line(end).is_some() {}
    }
}
