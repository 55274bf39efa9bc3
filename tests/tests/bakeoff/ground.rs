//! Where an item is done: two hosts, ours and RSPLIB's, with a network between them of which everything is captured.

use std::fmt;
use std::path::{Path, PathBuf};

use system_tests::{
    Capture, LIMIT, Lab, Program, count_packets, look_until, packet_fields, registrar_command, sctp_run_on,
    server_command, start, start_our_own, start_ready,
};

use crate::items::Item;

/// Our registrar's address, by which it announces itself too.
pub(crate) const OURS: &str = "10.77.0.1";
/// RSPLIB's registrar.
pub(crate) const THEIRS: &str = "10.77.0.2";
/// Addresses of our other programs, and of RSPLIB's.
pub(crate) const OUR_PROGRAMS: [&str; 4] = ["10.77.0.11", "10.77.0.12", "10.77.0.13", "10.77.0.14"];
pub(crate) const THEIR_PROGRAMS: [&str; 4] = ["10.77.0.21", "10.77.0.22", "10.77.0.23", "10.77.0.24"];

/// An address where nobody is.
const NOBODY: &str = "10.77.0.99";

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

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames: Vec<_> = self.frames.iter().map(u32::to_string).collect();
        write!(f, "{}: frames {}", self.capture, frames.join(", "))
    }
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
        for address in ["10.77.0.3"].iter().chain(&THEIR_PROGRAMS) {
            lab.b.ip(&format!("addr add {address}/24 dev n0"));
        }
        let capture = Capture::start(&lab.a, "lan0", &file);
        Self { lab, file, _capture: capture }
    }

    /// A program of ours at one of our addresses.
    pub(crate) fn ours(&self, address: &str, program: &str, arguments: &[&str]) -> Program {
        start_our_own(&self.lab.a, address, program, arguments)
    }

    /// A program of RSPLIB's at one of its addresses.
    pub(crate) fn theirs(&self, address: &str, program: &[impl AsRef<std::ffi::OsStr>]) -> Program {
        start(sctp_run_on(&self.lab.b, address), program)
    }

    /// Our registrar alone, once it serves.
    pub(crate) fn our_registrar(&self, more: &[&str]) -> Program {
        let mut arguments = vec!["-identifier=0x11", "-enrp=off", "-asapannounce=off"];
        arguments.extend(more);
        let mut registrar = self.ours(OURS, "rspregistrar", &arguments);
        system_tests::hear(&mut registrar, "registrar 0x00000011");
        registrar
    }

    /// RSPLIB's registrar alone, once it is ready for elements.
    pub(crate) fn their_registrar(&self, more: &[&str]) -> Program {
        let mut options = vec!["-identifier=0x22", "-enrpannounce=off", "-mentordiscoverytimeout=100"];
        options.extend(more);
        let command = registrar_command(THEIRS, NOBODY, &options);
        start_ready(sctp_run_on(&self.lab.b, THEIRS), &command, "Registrar started")
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

    /// Waits until so many packets that tshark's display filter selects were captured.
    pub(crate) fn await_packets(&self, count: usize, filter: &str) {
        look_until(LIMIT, || match count_packets(&self.file, filter) {
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
            frames.push(look_until(LIMIT, || self.frame(after, filter)));
        }
        let capture = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Evidence { capture, frames }
    }

    fn frame(&self, after: u32, filter: &str) -> Result<u32, String> {
        let later = format!("frame.number >= {after} and ({filter})");
        let found = packet_fields(&self.file, &later, ["frame.number"]);
        let number = found.first().and_then(|[numbers]| numbers.first()?.parse().ok());
        number
            .ok_or_else(|| format!("no packet with {filter} after frame {after} of {}", self.file.display()))
    }

    /// How many packets a display filter selects so far.
    pub(crate) fn count(&self, filter: &str) -> usize {
        count_packets(&self.file, filter)
    }
}
