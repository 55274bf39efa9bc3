//! Where an item is done: two hosts, ours and RSPLIB's, with a network between them of which everything is captured.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rserpool::driver::{PoolElement, PoolElementOptions, Service, ServiceSession};
use rserpool::transport::UserMessage;
use rserpool::wire::{ASAP_PORT, ENRP_PORT, ENRP_PPID, Policy};
use rserpool::{PeId, Profile};
use socketapi::{SctpStream, SendInfo, Stack, Transport};
use system_tests::{
    Capture, Host, Lab, Program, built, count_packets, hear, look_every, packet_fields, registrar_command,
    sctp_run_on, server_command, start, start_our_own, start_ready, terminal_command,
};

use crate::items::Item;

/// Our registrar's address, by which it announces itself too.
pub(crate) const OURS: &str = "10.77.0.1";
/// RSPLIB's registrar, and another one.
pub(crate) const THEIRS: &str = "10.77.0.2";
pub(crate) const THEIR_OTHER: &str = "10.77.0.3";
/// Addresses of our other programs, and of RSPLIB's.
pub(crate) const OUR_PROGRAMS: [&str; 4] = ["10.77.0.11", "10.77.0.12", "10.77.0.13", "10.77.0.14"];
pub(crate) const THEIR_PROGRAMS: [&str; 5] =
    ["10.77.0.21", "10.77.0.22", "10.77.0.23", "10.77.0.24", "10.77.0.25"];

/// Longer than anything takes that is awaited in a capture, such as the end of an association by RSPLIB's timers (40 s).
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks into a capture: one takes tshark half a second.
const PAUSE: Duration = Duration::from_millis(500);

/// A program that has no answer by then is started anew.
const ANSWER: Duration = Duration::from_secs(30);

/// An address that RSPLIB's host gets later.
pub(crate) const THEIR_LATE: &str = "10.77.0.30";

/// An address where nobody is.
const NOBODY: &str = "10.77.0.99";

/// A service that says nothing.
struct Mute;

impl Service for Mute {
    fn on_message(&mut self, _session: &mut ServiceSession<'_>, _message: UserMessage) {}
}

/// Two hosts and a capture.
pub(crate) struct Ground {
    lab: Lab,
    file: PathBuf,
    // It ends when the ground is dropped.
    _capture: Capture,
}

/// What in a capture shows that an item was done.
pub(crate) struct Evidence {
    /// The capture's name.
    pub(crate) capture: String,
    /// The packets.
    pub(crate) frames: Vec<u32>,
}

impl Evidence {
    /// With what shows the rest.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.frames.extend(more.frames);
        self
    }

    /// The last packet.
    pub(crate) fn last(&self) -> u32 {
        *self.frames.last().expect("something was shown")
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames: Vec<_> = self.frames.iter().map(u32::to_string).collect();
        write!(f, "{}: frames {}", self.capture, frames.join(", "))
    }
}

/// Where a registrar serves.
pub(crate) fn asap_at(registrar: &str) -> SocketAddr {
    SocketAddr::new(registrar.parse().expect("an address"), ASAP_PORT)
}

/// The options of a registrar of ours that knows these others.
fn peer_options(peers: &[&str], more: &[&str]) -> Vec<String> {
    let mut options: Vec<_> = peers.iter().map(|address| format!("-peer={address}")).collect();
    options.extend(["-enrpannounce=off", "-asapannounce=off"].iter().chain(more).map(|it| (*it).to_owned()));
    options
}

/// A message that RSPLIB's own library made: lines of `name | ppid | length | hex | form`.
fn golden(name: &str) -> Vec<u8> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/asap-enrp.txt");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let line = text.lines().find(|line| line.split(" | ").next() == Some(name));
    let hex = line.and_then(|line| line.split(" | ").nth(3)).unwrap_or_else(|| panic!("{file} lacks {name}"));
    let octet = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(octet).collect()
}

/// What a registrar answers to a registrar, or who poses as one, that asks for its handlespace.
fn table(registrar: &str, at: &str) -> String {
    format!("ip.src == {registrar} and ip.dst == {at} and enrp.message_type == 3")
}

/// A number as tshark prints it.
fn number(text: &str) -> u32 {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.unwrap_or_else(|_| panic!("{text} is not a number"))
}

fn stack_on(host: &Host, address: &str) -> Stack {
    let address = address.parse::<IpAddr>().expect("an address");
    let stack = Stack::builder().transport(Transport::Raw).addresses(vec![address]);
    host.inside(|| stack.build()).unwrap_or_else(|error| panic!("{error}"))
}

impl Ground {
    pub(crate) fn new(item: &Item) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bakeoff");
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let file = folder.join(format!("{}.pcap", item.number));
        let lab = Lab::switched(1, 1500);
        for address in OUR_PROGRAMS {
            lab.a.ip(&format!("addr add {address}/24 dev lan0"));
        }
        for address in [THEIR_OTHER].iter().chain(&THEIR_PROGRAMS) {
            lab.b.ip(&format!("addr add {address}/24 dev n0"));
        }
        let capture = Capture::start(&lab.a, "lan0", &file);
        Self { lab, file, _capture: capture }
    }

    /// From now on neither host hears the other. What they say is still captured.
    pub(crate) fn cut(&self) {
        self.lab.a.deafen("lan0");
        self.lab.b.deafen("n0");
    }

    /// They hear each other again.
    pub(crate) fn mend(&self) {
        self.lab.a.undeafen("lan0");
        self.lab.b.undeafen("n0");
    }

    /// An element of ours in this process, which registers at RSPLIB's registrar with a policy.
    pub(crate) fn own_element(&self, pool: &str, id: u32, policy: Policy) -> (Stack, PoolElement) {
        let mut options = PoolElementOptions::new(pool.into(), vec![asap_at(THEIRS).into()], Profile::Rsplib);
        (options.config.id, options.config.policy) = (PeId(id), policy);
        let stack = stack_on(&self.lab.a, OUR_PROGRAMS[0]);
        let element = self.lab.a.inside(|| PoolElement::start(&stack, options, Mute));
        (stack, element.unwrap_or_else(|error| panic!("{error}")))
    }

    /// A stack of ours in this process, on RSPLIB's host.
    pub(crate) fn stack_beside_theirs(&self, address: &str) -> Stack {
        stack_on(&self.lab.b, address)
    }

    /// RSPLIB's host loses an address: the program there is silent, and nobody is told.
    pub(crate) fn lose(&self, address: &str) {
        self.lab.b.ip(&format!("addr del {address}/24 dev n0"));
    }

    /// A program of ours at one of our addresses.
    pub(crate) fn ours(&self, address: &str, program: &str, arguments: &[&str]) -> Program {
        start_our_own(&self.lab.a, address, program, arguments)
    }

    /// A program of RSPLIB's at one of its addresses.
    pub(crate) fn theirs(&self, address: &str, program: &[impl AsRef<std::ffi::OsStr>]) -> Program {
        start(sctp_run_on(&self.lab.b, address), program)
    }

    /// Our registrar alone.
    pub(crate) fn our_registrar(&self, more: &[&str]) -> Program {
        let mut arguments = vec!["-enrp=off", "-asapannounce=off"];
        arguments.extend(more);
        self.start_our_registrar("0x11", &arguments)
    }

    /// Our registrar, which knows these others.
    pub(crate) fn our_peer(&self, identifier: &str, peers: &[&str], more: &[&str]) -> Program {
        self.start_our_registrar(identifier, &peer_options(peers, more))
    }

    /// The same on RSPLIB's host: what it says to our registrar is captured.
    pub(crate) fn our_peer_among_theirs(
        &self,
        address: &str,
        identifier: &str,
        peers: &[&str],
        more: &[&str],
    ) -> Program {
        let mut options = peer_options(peers, more);
        options.push(format!("-identifier={identifier}"));
        let mut registrar = start_our_own(&self.lab.b, address, "rspregistrar", &options);
        hear(&mut registrar, "serving");
        registrar
    }

    /// Our registrar as the options say.
    pub(crate) fn start_our_registrar(&self, identifier: &str, options: &[impl AsRef<str>]) -> Program {
        let identifier = format!("-identifier={identifier}");
        let mut all = vec![identifier.as_str()];
        all.extend(options.iter().map(AsRef::as_ref));
        let mut registrar = self.ours(OURS, "rspregistrar", &all);
        hear(&mut registrar, "registrar 0x");
        registrar
    }

    /// Somebody on RSPLIB's host who sends our registrar a message of `tests/vectors`.
    pub(crate) fn replay(&self, message: &str) -> SctpStream {
        let stack = self.stack_beside_theirs(THEIR_PROGRAMS[4]);
        let registrar = SocketAddr::new(OURS.parse().expect("an address"), ENRP_PORT);
        let speaker = SctpStream::connect(&stack, registrar).unwrap_or_else(|error| panic!("{error}"));
        let info = SendInfo { ppid: ENRP_PPID, ..SendInfo::default() };
        speaker.send(&golden(message), &info).unwrap_or_else(|error| panic!("{error}"));
        speaker
    }

    /// RSPLIB's registrar alone, once it is ready for elements.
    pub(crate) fn their_registrar(&self, more: &[&str]) -> Program {
        self.their_peer(THEIRS, "0x22", NOBODY, more)
    }

    /// RSPLIB's registrar, which knows another one.
    pub(crate) fn their_peer(&self, address: &str, identifier: &str, peer: &str, more: &[&str]) -> Program {
        let identifier = format!("-identifier={identifier}");
        let mut options = vec![identifier.as_str(), "-enrpannounce=off"];
        options.extend(more);
        let command = registrar_command(address, peer, &options);
        start_ready(sctp_run_on(&self.lab.b, address), &command, "Registrar started")
    }

    /// An element of ours at RSPLIB's registrar.
    pub(crate) fn our_element(&self, address: &str, identifier: &str, more: &[&str]) -> Program {
        let (identifier, registrar) =
            (format!("-identifier={identifier}"), format!("-registrar={THEIRS}:3863"));
        let mut arguments = vec![identifier.as_str(), registrar.as_str(), "-asapannounce=off"];
        arguments.extend(more);
        self.ours(address, "rspserver", &arguments)
    }

    /// An element of RSPLIB's, with a service, at one of the registrars.
    pub(crate) fn their_element(
        &self,
        address: &str,
        service: &str,
        identifier: &str,
        registrar: &str,
        more: &[&str],
    ) -> Program {
        let mut command = server_command(service, identifier, &[registrar]);
        command.extend(more.iter().map(|option| (*option).to_owned()));
        self.theirs(address, &command)
    }

    /// An element of RSPLIB's at our registrar that serves at these addresses, the last of which its host did not have when its SCTP
    /// began: its associations do not have it either.
    pub(crate) fn their_newcomer(&self, identifier: &str, addresses: &[&str]) -> Program {
        let places: Vec<_> = addresses.iter().map(|address| format!("{address}:5000")).collect();
        let mut command = server_command("-echo", identifier, &[OURS]);
        command.push(format!("-local={}", places.join(",")));
        let mut program = self.lab.b.command(built("sctp-run").to_str().expect("a path in UTF-8"));
        program.args(["--raw", "sh", "-c", "echo begun && read go && exec \"$@\"", "sh"]).args(command);
        let mut program = Program::start(program);
        hear(&mut program, "begun");
        self.lab.b.ip(&format!("addr add {}/24 dev n0", addresses.last().expect("an address")));
        let mut input = program.take_stdin().expect("a pipe");
        input.write_all(b"go\n").expect("the shell reads");
        program
    }

    /// A user of RSPLIB's asks our registrar for the pool EchoPool, until the answer is as this filter says.
    pub(crate) fn our_registrar_answers(&self, expected: &str) -> Evidence {
        let user = THEIR_PROGRAMS[4];
        let ask = || self.theirs(user, &terminal_command(OURS, "EchoPool"));
        self.ask(&format!("ip.src == {OURS} and ip.dst == {user} and asap.message_type == 6"), ask, expected)
    }

    /// A program of RSPLIB's that poses as a registrar asks ours for its handlespace, until that is as this filter says.
    pub(crate) fn our_registrar_has(&self, expected: &str) -> Evidence {
        self.dump(OURS, &self.lab.b, THEIR_PROGRAMS[4], expected)
    }

    /// The same until it has these elements, and no others.
    pub(crate) fn our_registrar_has_just(&self, ids: &BTreeSet<u32>) -> Evidence {
        self.dump_all(OURS, &self.lab.b, THEIR_PROGRAMS[4], ids)
    }

    /// RSPLIB's registrar is asked so, from our host.
    pub(crate) fn their_registrar_has(&self, expected: &str) -> Evidence {
        self.dump(THEIRS, &self.lab.a, OUR_PROGRAMS[3], expected)
    }

    /// The same until it has these elements, and no others.
    pub(crate) fn their_registrar_has_just(&self, ids: &BTreeSet<u32>) -> Evidence {
        self.dump_all(THEIRS, &self.lab.a, OUR_PROGRAMS[3], ids)
    }

    fn dump(&self, registrar: &str, host: &Host, at: &str, expected: &str) -> Evidence {
        let program = ["hsdump", &format!("{registrar}:9901"), "-logcolor=off"];
        let ask = || start(sctp_run_on(host, at), &program);
        self.ask(&table(registrar, at), ask, expected)
    }

    /// The answer may have several parts.
    fn dump_all(&self, registrar: &str, host: &Host, at: &str, ids: &BTreeSet<u32>) -> Evidence {
        look_every(PAUSE, PATIENCE, || {
            let before = format!("frame.number > {}", self.count("frame"));
            self.dump(registrar, host, at, &format!("{before} and enrp.m_bit == 0"));
            let fields = ["frame.number", "enrp.pool_element_pe_identifier"];
            let parts = packet_fields(&self.file, &format!("{before} and {}", table(registrar, at)), fields);
            let [frames, there] =
                [0, 1].map(|field| parts.iter().flat_map(move |part| &part[field]).map(|it| number(it)));
            let there: BTreeSet<_> = there.collect();
            match there == *ids {
                true => Ok(self.evidence(frames.collect())),
                false => Err(format!("{registrar} has {there:x?}, not {ids:x?}")),
            }
        })
    }

    /// Has a program ask until its answer is as expected.
    fn ask(&self, answer: &str, program: impl Fn() -> Program, expected: &str) -> Evidence {
        let seen = look_every(PAUSE, PATIENCE, || {
            let after = self.count("frame");
            let _program = program();
            let is_answered = || self.count(&format!("frame.number > {after} and {answer}")) > 0;
            let end = Instant::now() + ANSWER;
            while !is_answered() && Instant::now() < end {
                std::thread::sleep(PAUSE);
            }
            self.frame(0, &format!("{answer} and {expected}"))
        });
        self.evidence(vec![seen])
    }

    /// Waits until so many packets that tshark's display filter selects were captured.
    pub(crate) fn await_packets(&self, count: usize, filter: &str) {
        look_every(PAUSE, PATIENCE, || match count_packets(&self.file, filter) {
            seen if seen >= count => Ok(()),
            seen => {
                Err(format!("{seen} instead of {count} packets with {filter} in {}", self.file.display()))
            }
        });
    }

    /// Waits for packets that tshark's display filters select, each after the one before or the same.
    pub(crate) fn show(&self, filters: &[&str]) -> Evidence {
        let mut frames = Vec::new();
        for filter in filters {
            let after = frames.last().copied().unwrap_or(0);
            frames.push(look_every(PAUSE, PATIENCE, || self.frame(after, filter)));
        }
        self.evidence(frames)
    }

    fn evidence(&self, frames: Vec<u32>) -> Evidence {
        let capture = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Evidence { capture, frames }
    }

    fn frame(&self, after: u32, filter: &str) -> Result<u32, String> {
        let later = format!("frame.number >= {after} and ({filter})");
        let found = packet_fields(&self.file, &later, ["frame.number"]);
        let first = found.first().and_then(|[numbers]| Some(number(numbers.first()?)));
        first.ok_or_else(|| format!("no packet with {filter} after frame {after} of {}", self.file.display()))
    }

    /// Waits until so many packets in a row that a display filter selects have each come so many seconds after the one before.
    pub(crate) fn await_rhythm(&self, filter: &str, count: usize, pause: Range<f64>) {
        look_every(PAUSE, PATIENCE, || {
            let times = self.times(filter);
            let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let is_regular = |run: &[f64]| run.iter().all(|it| pause.contains(it));
            if pauses.windows(count).any(is_regular) {
                Ok(())
            } else {
                Err(format!("no {count} pauses in a row of {pause:?} s: {pauses:.3?}"))
            }
        });
    }

    /// When the packets came that a display filter selects, in seconds.
    fn times(&self, filter: &str) -> Vec<f64> {
        let packets = packet_fields(&self.file, filter, ["frame.time_relative"]);
        packets.iter().flat_map(|[times]| times).map(|time| time.parse().expect("seconds")).collect()
    }

    /// How many packets a display filter selects so far.
    pub(crate) fn count(&self, filter: &str) -> usize {
        count_packets(&self.file, filter)
    }
}
