//! Programs under test, as processes of their own.
#![allow(dead_code, unreachable_pub, reason = "not every test needs all of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// For a program to say something.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until `look` finds something.
pub fn await_some<T>(mut look: impl FnMut() -> Option<T>, what: &str) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

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
        let (mut line, deadline) = (String::new(), Instant::now() + LIMIT);
        while !line.contains(text) {
            line.clear();
            assert!(self.is_heard_until(deadline), "the program does not say {text:?}");
            let read = self.said.read_line(&mut line).expect("its output");
            assert!(read > 0, "the program ended before it said {text:?}");
        }
        line
    }

    fn is_heard_until(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut output = [PollFd::new(self.said.get_ref().as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(left).expect("a minute");
        !self.said.buffer().is_empty() || poll(&mut output, patience).expect("it is open") > 0
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it ends by itself, and well.
    pub fn wait_for_end(mut self) {
        let status = self.process.wait().expect("its end");
        assert!(status.success(), "{status}");
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

/// The network of one test: 127.`network`.`test`.x, with a registrar at host 2.
pub struct Site {
    pub network: u8,
    pub test: u8,
}

impl Site {
    fn address(&self, host: u8) -> String {
        format!("127.{}.{}.{host}", self.network, self.test)
    }

    pub fn arguments(&self, host: u8, more: &[&str]) -> Vec<String> {
        let mut all = vec!["--udp".to_owned(), format!("--local={}", self.address(host))];
        all.extend(more.iter().map(|argument| (*argument).to_owned()));
        all
    }

    pub fn registrar(&self) -> Running {
        let arguments = self.arguments(2, &["-asapannounce=off", "--profile=fast"]);
        let mut registrar = Running::start(env!("CARGO_BIN_EXE_rspregistrar"), &arguments);
        registrar.wait_for("registrar 0x");
        registrar
    }

    pub fn member_arguments(&self, host: u8, more: &[&str]) -> Vec<String> {
        let registrar = format!("-registrar={}:3863", self.address(2));
        let mut all = self.arguments(host, &[&registrar, "-asapannounce=off", "--profile=fast"]);
        all.extend(more.iter().map(|argument| (*argument).to_owned()));
        all
    }

    pub fn server(&self, host: u8, more: &[&str]) -> Running {
        let mut server = Running::start(env!("CARGO_BIN_EXE_rspserver"), &self.member_arguments(host, more));
        server.wait_for("registered");
        server
    }

    /// A program that knows the registrar.
    pub fn start(&self, program: &str, host: u8, more: &[&str]) -> Running {
        Running::start(program, &self.member_arguments(host, more))
    }

    pub fn client(&self, program: &str, more: &[&str], input: impl AsRef<[u8]>) -> Output {
        let mut command = Command::new(program);
        command.args(self.member_arguments(9, more));
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        client.stdin.take().expect("its input").write_all(input.as_ref()).expect("its input");
        client.wait_with_output().expect("its end")
    }
}
