//! tshark as the judge of what was on the wire.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Host, Program};

/// A capture that runs on a host until [`Capture::finish`].
#[derive(Debug)]
pub struct Capture {
    program: Program,
    file: PathBuf,
}

impl Capture {
    /// Captures everything on `interface` of `host` into `file`; returns once the capture runs.
    ///
    /// # Panics
    /// If tcpdump does not start within 10 s.
    pub fn start(host: &Host, interface: &str, file: &Path) -> Self {
        let mut command = host.command("tcpdump");
        command.args(["-i", interface, "-U", "-B", "65536", "-w"]).arg(file);
        let mut program = Program::start(command);
        program.wait_for("listening on", Duration::from_secs(10)).expect("tcpdump runs");
        Self { program, file: file.to_owned() }
    }

    /// Ends the capture and returns its file.
    ///
    /// # Panics
    /// If tcpdump does not end within 10 s of being told.
    pub fn finish(self) -> PathBuf {
        self.program.signal(nix::sys::signal::Signal::SIGINT);
        self.program.wait(Duration::from_secs(10)).expect("tcpdump ends");
        self.file
    }
}

/// The packets of a capture that tshark finds malformed or whose CRC32c is wrong, a line each, after how many
/// SCTP packets it saw. `udp_ports`: where SCTP travels in UDP.
///
/// # Panics
/// If tshark cannot read the file.
pub fn packets_judged_malformed(file: &Path, udp_ports: &[u16]) -> (usize, Vec<String>) {
    let fields = |filter: &str| {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(file).args(["-o", "sctp.checksum:CRC 32c"]);
        for port in udp_ports {
            command.args(["-d", &format!("udp.port=={port},sctp")]);
        }
        let output = command.args(["-Y", filter]).output().expect("tshark runs");
        assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    (
        fields("sctp").len(),
        fields("_ws.malformed or sctp.checksum.status == \"Bad\" or _ws.expert.severity == error"),
    )
}
