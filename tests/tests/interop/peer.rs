//! The other side: `tests/peers/peer.c` on the Linux kernel's SCTP or on usrsctp, told what to do line by line.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use system_tests::{Host, Program, look_until};
use tempfile::TempDir;

use crate::ground::Hosts;

/// How long the peer may take to do anything, on a machine that is busy or stands still for a while: whatever is awaited comes as soon
/// as it can. Shorter only than a peer tries to set an association up with somebody who does not answer (273 s: RFC 9260, 16).
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// The UDP encapsulation port of all.
pub(crate) const UDP_PORT: u16 = 9899;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// An implementation of SCTP that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Linux,
    Usrsctp,
}

/// A running peer.
pub(crate) struct Peer {
    program: Program,
    /// Its end ends the peer.
    input: Option<ChildStdin>,
    events: VecDeque<String>,
}

/// What the peer counted of our messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Their bytes were not those that were sent.
    pub(crate) damaged: u64,
    /// They came after a later message of their stream.
    pub(crate) disordered: u64,
    pub(crate) duplicated: u64,
    pub(crate) missing: u64,
    /// In how many pieces they were handed over.
    pub(crate) pieces: u64,
    /// The longest time between two messages.
    pub(crate) gap: Duration,
}

impl Counts {
    /// # Panics
    /// Unless all messages came, each once, in order and with their bytes.
    pub(crate) fn assert_complete(&self, messages: u64, bytes: u64) {
        let whole = Self { messages, bytes, pieces: self.pieces, gap: self.gap, ..Self::default() };
        assert_eq!(*self, whole, "something is missing, doubled, damaged or out of order");
    }
}

impl Stack {
    pub(crate) const ALL: [Self; 2] = [Self::Linux, Self::Usrsctp];

    /// As part of the name of a test.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Usrsctp => "usrsctp",
        }
    }

    /// As the title of a column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Linux => "Linux 6.1",
            Self::Usrsctp => "usrsctp 0.9.5",
        }
    }

    /// Starts the peer: Linux in a user-mode kernel plugged into the switches of `ours`, usrsctp on a host of its own.
    pub(crate) fn start(self, ours: &Host, theirs: Option<&Host>, networks: u8) -> Peer {
        let command = match theirs {
            Some(host) => {
                let mut command = host.command(&self.executable().to_string_lossy());
                command.arg(UDP_PORT.to_string());
                command
            }
            None => self.user_mode_linux(ours, networks),
        };
        let mut program = Program::start(command);
        let input = program.take_stdin();
        program.wait_for("! ready", LIMIT).unwrap_or_else(|error| panic!("{error}"));
        let mut peer = Peer { program, input, events: VecDeque::new() };
        match self {
            // User-mode Linux drops packets in UDP of which it is to make several.
            Self::Linux => (0..networks).for_each(|n| {
                peer.tell(&format!("run ip link set vec{n} gso_max_size 1500"));
            }),
            // In seconds; by default five times RTO.Max, which for short timers is less than either side may stand still.
            Self::Usrsctp => drop(peer.tell("sysctl shutdown_guard_time_default 60")),
        }
        peer
    }

    fn user_mode_linux(self, ours: &Host, networks: u8) -> Command {
        let mut command = Command::new(format!("{SOURCES}/kernel-sctp-peer"));
        command.args(["--netns", ours.namespace(), "--stdin"]);
        for limit in ["net.core.rmem_max", "net.core.wmem_max"] {
            command.args(["--sysctl", &format!("{limit}=8388608")]);
        }
        for n in 0..networks {
            let v4: String = Hosts::addresses(n, 2).iter().map(|ip| format!("guest={ip}/24,")).collect();
            let device = format!("p{n},bridge=lan{n},mac=02:77:01:00:00:{n:02x}");
            command.args(["-i", &format!("{device},{v4}guest=fd77:{n}::2/64")]);
        }
        command.arg("--").arg(self.executable()).arg(UDP_PORT.to_string());
        command
    }

    /// `peer.c` for this stack, compiled once in each test process.
    fn executable(self) -> PathBuf {
        static FOLDER: OnceLock<TempDir> = OnceLock::new();
        let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder for temporary files"));
        let libraries: &[_] = match self {
            Self::Linux => &["-lsctp"],
            Self::Usrsctp => &["-lusrsctp", "-lpthread"],
        };
        let name = self.name();
        let executable = folder.path().join(name);
        if !executable.exists() {
            let mut gcc = Command::new("gcc");
            gcc.args(["-std=gnu11", "-O2", "-Wall", "-DSCTP_DEBUG", &format!("-DSTACK=\"stack-{name}.h\"")]);
            gcc.arg("-o").arg(&executable).arg(format!("{SOURCES}/peer.c")).args(libraries);
            assert!(gcc.status().expect("gcc runs").success(), "{gcc:?}");
        }
        executable
    }
}

impl Peer {
    /// Gives it a command and returns what it answered.
    ///
    /// # Panics
    /// If it could not do it.
    pub(crate) fn tell(&mut self, command: &str) -> String {
        self.ask(command).unwrap_or_else(|error| panic!("peer: {command}: {error}"))
    }

    /// Gives it a command that it refuses until it has taken in what we have just answered, and returns its answer.
    ///
    /// # Panics
    /// If it refuses it for good.
    pub(crate) fn tell_when_ready(&mut self, command: &str) -> String {
        look_until(LIMIT, || self.ask(command).map_err(|error| format!("peer: {command}: {error}")))
    }

    /// Gives it a command that it may refuse.
    pub(crate) fn ask(&mut self, command: &str) -> Result<String, String> {
        let input = self.input.as_mut().expect("its input is a pipe");
        writeln!(input, "{command}").expect("the peer reads");
        let end = Instant::now() + LIMIT;
        let mut line = self.next_line(command, end);
        while !line.starts_with("= ") {
            self.events.push_back(line);
            line = self.next_line(command, end);
        }
        match line.strip_prefix("= ok") {
            Some(answer) => Ok(answer.trim().to_owned()),
            None => Err(line),
        }
    }

    /// Waits for an event that holds `text`; those before it are passed over.
    ///
    /// # Panics
    /// If it does not come.
    pub(crate) fn await_event(&mut self, text: &str) -> String {
        self.await_one_of(&[text])
    }

    /// The same for several events, in any order, each of which holds one of `texts` and ends with it.
    ///
    /// # Panics
    /// If one does not come.
    pub(crate) fn await_events(&mut self, texts: impl Iterator<Item = String>) {
        let mut awaited: Vec<_> = texts.collect();
        while !awaited.is_empty() {
            let all: Vec<_> = awaited.iter().map(String::as_str).collect();
            let event = self.await_one_of(&all);
            awaited.retain(|text| !event.ends_with(text));
        }
    }

    /// The same for an event that holds one of `texts`.
    ///
    /// # Panics
    /// If none comes.
    pub(crate) fn await_one_of(&mut self, texts: &[&str]) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let line = self.events.pop_front().unwrap_or_else(|| self.next_line(&texts.join(" or "), end));
            if line.starts_with("! ") && texts.iter().any(|text| line.contains(text)) {
                return line;
            }
        }
    }

    /// What it has received since its socket was opened.
    pub(crate) fn counts(&mut self) -> Counts {
        let answer = self.tell("counts");
        let words: Vec<_> = answer.split(' ').collect();
        let numbers: BTreeMap<_, u64> =
            words.chunks_exact(2).map(|pair| (pair[0], pair[1].parse().expect("a number"))).collect();
        Counts {
            messages: numbers["messages"],
            bytes: numbers["bytes"],
            damaged: numbers["damaged"],
            disordered: numbers["disordered"],
            duplicated: numbers["duplicated"],
            missing: numbers["missing"],
            pieces: numbers["pieces"],
            gap: Duration::from_micros(numbers["gap_us"]),
        }
    }

    /// The RTO of its primary path.
    pub(crate) fn rto(&mut self) -> Duration {
        let status = self.tell("status");
        let mut words = status.split(' ').skip_while(|word| *word != "rto");
        Duration::from_millis(words.nth(1).and_then(|word| word.parse().ok()).expect("an RTO"))
    }

    /// How many messages its stack counted as given up (`SCTP_PR_ASSOC_STATUS`).
    pub(crate) fn abandoned(&mut self) -> u64 {
        let answer = self.tell("abandoned");
        answer.split(' ').filter_map(|word| word.parse::<u64>().ok()).sum()
    }

    /// Waits until it has received so many messages.
    ///
    /// # Panics
    /// If that takes too long.
    pub(crate) fn await_messages(&mut self, messages: u64) -> Counts {
        let end = Instant::now() + LIMIT;
        let counts = look_until(2 * LIMIT, || {
            let counts = self.counts();
            let is_over = counts.messages >= messages || Instant::now() >= end;
            is_over.then_some(counts).ok_or_else(|| "no end".to_owned())
        });
        assert!(
            counts.messages >= messages,
            "only {counts:?} of {messages} messages arrived at the peer, after {LIMIT:?}; {}",
            self.state()
        );
        counts
    }

    /// What it knows, while the association is still there. What its kernel does (Linux) is among the lines that it said.
    fn state(&mut self) -> String {
        let (missing, status) = (self.ask("missing"), self.ask("status"));
        let _files = self.ask("run cat /proc/net/sctp/assocs /proc/net/sctp/snmp");
        format!("missing: {missing:?}; status: {status:?}")
    }

    /// Ends it, and waits until it has ended: its devices are free then.
    pub(crate) fn stop(&mut self) {
        self.input = None;
        let end = Instant::now() + LIMIT;
        while self.program.next_line(end).is_some() {}
    }

    /// All that it said, for the report of a failure.
    pub(crate) fn output(&self) -> &str {
        self.program.output()
    }

    fn next_line(&mut self, awaited: &str, end: Instant) -> String {
        self.program.next_line(end).unwrap_or_else(|| panic!("the peer does not answer: {awaited}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}
