//! tshark as the judge of what was on the wire.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Host, LIMIT, Program, is_installed_or_skip, is_root_or_skip, wait_until};

/// Whether captures can be made and judged here; says SKIPPED if not.
pub fn has_judge_or_skip() -> bool {
    is_root_or_skip()
        && is_installed_or_skip("tshark", "tshark")
        && is_installed_or_skip("tcpdump", "tcpdump")
}

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
    /// If tcpdump does not start within [`LIMIT`].
    pub fn start(host: &Host, interface: &str, file: &Path) -> Self {
        Self::start_filtered(host, interface, file, "")
    }

    /// The same, but captures only what `filter` (in the words of pcap-filter(7)) selects.
    ///
    /// # Panics
    /// If tcpdump does not start within [`LIMIT`].
    pub fn start_filtered(host: &Host, interface: &str, file: &Path, filter: &str) -> Self {
        let mut command = host.command("tcpdump");
        command.args(["-i", interface, "-U", "--immediate-mode", "-B", "65536", "-w"]).arg(file).arg(filter);
        let mut program = Program::start(command);
        program.wait_for("listening on", LIMIT).expect("tcpdump runs");
        Self { program, file: file.to_owned() }
    }

    /// Waits until a packet that `filter` (tshark's display filter) selects was captured, then ends the capture.
    ///
    /// # Panics
    /// If none comes within [`LIMIT`], or tcpdump does not end.
    pub fn finish_after(self, filter: &str) -> PathBuf {
        let missing = format!("no packet with {filter} in {}", self.file.display());
        wait_until(LIMIT, &missing, || !tshark(&self.file, &["-Y", filter]).is_empty());
        self.finish()
    }

    /// Ends the capture and returns its file.
    ///
    /// # Panics
    /// If tcpdump does not end within [`LIMIT`] of being told.
    pub fn finish(self) -> PathBuf {
        self.program.signal(nix::sys::signal::Signal::SIGINT);
        self.program.wait(LIMIT).expect("tcpdump ends");
        self.file
    }
}

/// The packets of a capture that tshark finds malformed or whose CRC32c is wrong, a line each, after how many
/// SCTP packets it saw. SCTP over UDP is expected at the port of RFC 6951.
pub fn packets_judged_malformed(file: &Path) -> (usize, Vec<String>) {
    let wrong = "_ws.malformed or sctp.checksum.status == \"Bad\" or _ws.expert.severity == error";
    (tshark(file, &["-Y", "sctp"]).len(), tshark(file, &["-Y", wrong]))
}

/// How many packets of a capture a display filter selects.
pub fn count_packets(file: &Path, filter: &str) -> usize {
    tshark(file, &["-Y", filter]).len()
}

/// The chunk types of each SCTP packet of a capture, in order.
pub fn chunk_types(file: &Path) -> Vec<Vec<u8>> {
    let lines = tshark(file, &["-Y", "sctp", "-T", "fields", "-e", "sctp.chunk_type"]);
    lines.iter().map(|line| line.split(',').filter_map(|number| number.parse().ok()).collect()).collect()
}

/// The source ports of the SCTP packets of a capture, in order.
pub fn source_ports(file: &Path) -> Vec<u16> {
    let lines = tshark(file, &["-Y", "sctp", "-T", "fields", "-e", "sctp.srcport"]);
    lines.iter().filter_map(|line| line.parse().ok()).collect()
}

/// These fields of each packet that a display filter selects, in order; a field can be in a packet several times.
pub fn packet_fields<const N: usize>(file: &Path, filter: &str, fields: [&str; N]) -> Vec<[Vec<String>; N]> {
    let mut arguments = vec!["-Y", filter, "-T", "fields"];
    fields.iter().for_each(|field| arguments.extend(["-e", field]));
    let values =
        |field: &str| field.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect();
    let packet = |line: &String| {
        let mut fields = line.split('\t').map(values);
        std::array::from_fn(|_| fields.next().unwrap_or_default())
    };
    tshark(file, &arguments).iter().map(packet).collect()
}

/// What tshark takes everything for that comes from a port, or goes to one, that the system may choose as well. Nobody here speaks them.
const OF_EPHEMERAL_PORTS: [&str; 9] =
    ["e1ap", "e2ap", "f1ap", "m2ap", "m3ap", "ngap", "s1ap", "x2ap", "xnap"];

/// What tshark prints. A capture that still grows may end amid a packet, so its exit code does not count.
fn tshark(file: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-o", "sctp.checksum:CRC 32c", "-d", "udp.port==9899,sctp"]);
    command.args(OF_EPHEMERAL_PORTS.iter().flat_map(|protocol| ["--disable-protocol", protocol]));
    let output = command.args(arguments).output().expect("tshark runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    // A capture that goes on may end in the middle of a packet.
    let is_read = output.status.success() || complaint.contains("cut short");
    assert!(is_read, "tshark {arguments:?}: {}: {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_message_is_not_judged_by_a_port_that_was_chosen_at_random() {
        if !is_installed_or_skip("text2pcap", "tshark") {
            return;
        }
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        // Port 36412 is S1AP's, which `hello` is not.
        let mut writer = Command::new("text2pcap");
        writer.args(["-q", "-S", "36412,40000,0", "-"]).arg(file.path()).stdin(Stdio::piped());
        let mut writer = writer.spawn().expect("text2pcap runs");
        let mut input = writer.stdin.take().expect("a pipe");
        input.write_all(b"0000 68 65 6c 6c 6f\n").expect("it reads");
        drop(input);
        assert!(writer.wait().expect("it ends").success());
        assert_eq!(packets_judged_malformed(file.path()), (1, Vec::new()));
    }
}
