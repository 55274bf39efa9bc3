//! Programs under test, as processes of their own.
#![allow(dead_code, unreachable_pub, reason = "not every test needs all of it")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A program that runs until it is told to end.
pub struct Running {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Running {
    pub fn start(program: &str, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        let mut process = command.args(arguments).stdout(Stdio::piped()).spawn().expect("the program starts");
        let said = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, said }
    }

    /// Reads on until a line contains `text`, and returns that.
    pub fn wait_for(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.said.read_line(&mut line).expect("its output");
            assert!(read > 0, "the program ended before it said {text:?}");
        }
        line
    }

    pub fn end(mut self, signal: Signal) -> (bool, String) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).expect("it runs");
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).expect("its output");
        (self.process.wait().expect("its end").success(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
