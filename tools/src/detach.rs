//! Programs that go on in the background once they have started, and leave their process's number in a file.
//!
//! The program starts itself anew, and waits until that has written the file: so what goes wrong at the start is still told to
//! who started it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::unistd::{dup2_stderr, dup2_stdout, setsid};

/// In the environment of who is to go on.
const VARIABLE: &str = "SCTP_TOOLS_DETACHED";
/// How often to look whether it has started.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether this program was started anew, to go on in the background.
pub fn is_begun() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts this program anew in the background, unless this is it already. Returns what to end with, or nothing for who goes on.
///
/// # Errors
/// The system's.
pub fn start(file: &Path) -> io::Result<Option<ExitCode>> {
    if is_begun() {
        return Ok(None);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(VARIABLE, "1").stdin(Stdio::null());
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status.code().or(status.signal()).unwrap_or(1);
            return Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))));
        }
        if has_line(file, &line(child.id())) {
            return Ok(Some(ExitCode::SUCCESS));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether a file begins with a line. It may be another than what was meant, and one without end.
fn has_line(file: &Path, line: &str) -> bool {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(line.len() as u64).read_to_string(&mut text));
    read.is_ok() && text == line
}

fn line(process: u32) -> String {
    format!("{process}\n")
}

/// The file, as long as the program runs.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// The program has started: it lets go of its terminal, and writes the file.
    ///
    /// # Errors
    /// If the file cannot be written, or the system does not let go.
    pub fn write(file: &Path) -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        setsid()?;
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write {}: {error}", file.display()))
        };
        std::fs::write(file, line(std::process::id())).map_err(named)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        Ok(Self(file.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else may have removed it, or have it now.
        if has_line(&self.0, &line(std::process::id())) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
