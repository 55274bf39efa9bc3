//! A work package: its directory, and the process that runs it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;

/// What a package may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of all of its files.
    pub(super) bytes: u64,
    /// How long it may run.
    pub(super) time: Duration,
}

const INPUT: &str = "input.data";
const OUTPUT: &str = "output.data";
const ENVIRONMENT: &str = "environment.data";

/// Between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Files that are counted; who has more has too many.
const MOST_FILES: usize = 100_000;
/// What the status is when a package was ended: that of timeout(1).
const ENDED: u32 = 124;

/// Looks at signatures, unpacks the package, whatever it is compressed by, and runs the script in it. $1: 512-byte blocks of a file at
/// most, $2: seconds of CPU time, $3: input, $4: output, $5: environment or nothing, $6: keyring or nothing. The script gets the
/// keyring too, as RSPLIB's, but no trust database.
///
/// gpgv takes only what is signed by a key of the keyring; `gpg --decrypt` would take messages without a signature, too.
const RUN: &str = r#"
ulimit -c 0 && ulimit -f "$1" && ulimit -t "$2" || exit
if [ -n "$6" ]; then
  if [ -n "$5" ]; then gpgv --keyring "$6" --output verified.data "$5" && rm verified.data || exit 125; fi
  gpgv --keyring "$6" --output verified.data "$3" && mv verified.data "$3" || exit 125
fi
tar xf "$3" && chmod 700 ssrun && exec ./ssrun "$4" "$5" "$6" ""
"#;

/// $1: a directory that is to go. Rights are looked after only if it does not go without.
const REMOVE: &str = r#"rm -rf "$1" 2>/dev/null || { chmod -R u+rwx "$1" 2>/dev/null; rm -rf "$1" 2>&1 | head -n 1 >&2; ! [ -e "$1" ]; }"#;

/// A directory of its own, of which nothing is left in the end.
#[derive(Debug)]
pub(super) struct Package {
    directory: Option<TempDir>,
    path: PathBuf,
    bounds: Bounds,
    keep: bool,
    has_environment: bool,
    uploaded: u64,
    upload: Option<File>,
    process: Option<Child>,
    end: Instant,
    next_look: Instant,
}

impl Package {
    pub(super) fn new(bounds: Bounds, keep: bool) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("rspSS-Session-").tempdir()?;
        let path = directory.path().to_owned();
        let now = Instant::now();
        Ok(Self {
            directory: Some(directory),
            path,
            bounds,
            keep,
            has_environment: false,
            uploaded: 0,
            upload: None,
            process: None,
            end: now,
            next_look: now,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn environment(&self) -> PathBuf {
        self.path.join(ENVIRONMENT)
    }

    /// The environment is there.
    pub(super) fn use_environment(&mut self) {
        self.has_environment = true;
    }

    /// Adds to the input, or to the environment.
    pub(super) fn write(&mut self, is_environment: bool, data: &[u8]) -> io::Result<()> {
        self.uploaded += data.len() as u64;
        if self.uploaded > self.bounds.bytes {
            return Err(io::Error::other("more is uploaded than a package may have: see --ssmaxsize"));
        }
        if self.upload.is_none() {
            let name = if is_environment { ENVIRONMENT } else { INPUT };
            self.upload = Some(File::create(self.path.join(name))?);
        }
        self.upload.as_mut().map_or(Ok(()), |file| file.write_all(data))
    }

    /// The file that was added to is complete.
    pub(super) fn close(&mut self) {
        self.upload = None;
    }

    /// Starts to run it, in a process group of its own.
    pub(super) fn start(&mut self, keyring: Option<&Path>) -> io::Result<()> {
        let log = File::create(self.path.join("ssrun.log"))?;
        let environment = if self.has_environment { ENVIRONMENT } else { "" };
        let (blocks, seconds) = (self.bounds.bytes.div_ceil(512), self.bounds.time.as_secs().max(1));
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", RUN, "ssrun", &blocks.to_string(), &seconds.to_string(), INPUT, OUTPUT, environment])
            .arg(keyring.unwrap_or(Path::new("")))
            .current_dir(&self.path)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.path)
            .env("TMPDIR", &self.path)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        self.process = Some(command.spawn()?);
        self.end = Instant::now() + self.bounds.time;
        Ok(())
    }

    /// How it has ended, once it has, as shells say it. One that takes too long or too much is ended.
    pub(super) fn poll_status(&mut self) -> io::Result<Option<u32>> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let id = Pid::from_raw(process.id().cast_signed());
        // It stays a zombie until its group is ended, so that nobody else gets the group's number.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if waitid(Id::Pid(id), flags)? != WaitStatus::StillAlive {
            return Ok(self.kill().map(|status| self.judge(status)));
        }
        let now = Instant::now();
        if now >= self.end || (now >= self.next_look && !self.look_at_files(now)) {
            tracing::warn!(path = %self.path.display(), "it takes too long, or too much room: ended");
            self.kill();
            return Ok(Some(ENDED));
        }
        Ok(None)
    }

    /// Whether they are within the bound.
    fn look_at_files(&mut self, now: Instant) -> bool {
        self.next_look = now + LOOK_INTERVAL;
        is_within(&self.path, self.bounds.bytes)
    }

    fn judge(&self, status: ExitStatus) -> u32 {
        let signal = || status.signal().map_or(1, |signal| 128 + signal.unsigned_abs());
        match status.code().map_or_else(signal, i32::unsigned_abs) {
            0 if self.open_output().is_none() => 1,
            code => code,
        }
    }

    /// What came out.
    fn output(&self) -> PathBuf {
        self.path.join(OUTPUT)
    }

    /// What came out, if it is a file.
    pub(super) fn open_output(&self) -> Option<File> {
        open_plain(&self.output()).ok()
    }

    /// Ends all processes of the group, also those that the script has left behind.
    fn kill(&mut self) -> Option<ExitStatus> {
        let mut process = self.process.take()?;
        if let Err(error) = killpg(Pid::from_raw(process.id().cast_signed()), Signal::SIGKILL) {
            tracing::debug!(%error, "nobody is left of the group");
        }
        process.wait().inspect_err(|error| tracing::warn!(%error, "cannot wait for the script")).ok()
    }
}

/// Opens a file that a script may have put there: a pipe would be waited for, a link may lead anywhere.
///
/// # Errors
/// The system's, also if it is no file.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        self.kill();
        let Some(directory) = self.directory.take() else { return };
        if self.keep {
            tracing::info!(path = %directory.keep().display(), "kept");
        } else if let Err(error) = remove_all(&directory.keep()) {
            tracing::warn!(%error, path = %self.path.display(), "cannot be removed");
        }
    }
}

/// Removes a directory, whatever scripts have made of it: without the rights to look into it, or so deep that a removal by recursion
/// would overflow the stack.
pub(super) fn remove_all(directory: &Path) -> io::Result<()> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", REMOVE, "remove"]).arg(directory).stdin(Stdio::null()).process_group(0);
    let removal = command.output()?;
    match removal.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&removal.stderr).into_owned())),
    }
}

/// Whether all files below a directory have so many bytes together, and are not too many. What vanishes meanwhile has none; what
/// cannot be looked into, for want of rights or because it is too deep, has too many.
fn is_within(directory: &Path, bytes: u64) -> bool {
    let (mut total, mut count, mut pending) = (0, 0, vec![directory.to_owned()]);
    while let Some(next) = pending.pop() {
        let entries = match fs::read_dir(next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return false,
            entries => entries,
        };
        for entry in entries.into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            count += 1;
            if metadata.is_dir() {
                pending.push(entry.path());
            } else {
                total += metadata.len();
            }
            if total > bytes || count > MOST_FILES {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1_000_000, time: Duration::from_secs(60) };

    /// What the script says when a package, or its environment, is not signed as it should be.
    const NOT_SIGNED: u32 = 125;
    /// A keyring, and what its key has signed: see the folder.
    const KEYRING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/scripting/keyring.gpg");
    const SIGNED: &[u8] = include_bytes!("../../../tests/data/scripting/package.tar.gz.gpg");
    const UNSIGNED: &[u8] = include_bytes!("../../../tests/data/scripting/unsigned.tar.gz.gpg");

    /// A package with this input, started.
    fn with_input(input: &[u8], keyring: Option<&Path>) -> Package {
        let mut package = Package::new(BOUNDS, false).expect("a directory");
        package.write(false, input).expect("room");
        package.close();
        package.start(keyring).expect("a shell");
        package
    }

    /// A package with this script, started.
    fn started(script: &str, bounds: Bounds) -> Package {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ssrun"), script).expect("room");
        let tar = Command::new("tar").args(["cz", "ssrun"]).current_dir(folder.path()).output().expect("tar");
        let mut package = Package::new(bounds, false).expect("a directory");
        package.write(false, &tar.stdout).expect("room");
        package.close();
        package.start(None).expect("a shell");
        package
    }

    fn status(package: &mut Package) -> u32 {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = package.poll_status().expect("it runs") {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_script_s_status_and_output_are_its_own_and_nothing_is_left() {
        let mut package = started("#!/bin/sh\necho result >$1; pwd; exit 3\n", BOUNDS);
        assert_eq!(status(&mut package), 3);
        assert_eq!(fs::read_to_string(package.output()).expect("output"), "result\n");
        let path = package.path().to_owned();
        assert_eq!(fs::read_to_string(path.join("ssrun.log")).expect("log"), format!("{}\n", path.display()));
        drop(package);
        assert!(!path.exists());
    }

    #[test]
    fn no_output_is_a_failure_and_so_is_what_is_no_package() {
        assert_eq!(status(&mut started("#!/bin/sh\n", BOUNDS)), 1);
        assert_ne!(status(&mut with_input(b"no archive", None)), 0);
    }

    #[test]
    fn with_a_keyring_only_packages_run_that_one_of_its_keys_has_signed() {
        let keyring = Some(Path::new(KEYRING));
        let mut package = with_input(SIGNED, keyring);
        assert_eq!(status(&mut package), 0);
        assert_eq!(fs::read_to_string(package.output()).expect("output"), "signed\n");
        for byte in [0, SIGNED.len() / 2, SIGNED.len() - 1] {
            let mut changed = SIGNED.to_vec();
            changed[byte] ^= 1;
            assert_eq!(status(&mut with_input(&changed, keyring)), NOT_SIGNED, "byte {byte}");
        }
        // gpg --decrypt takes this one.
        assert_eq!(status(&mut with_input(UNSIGNED, keyring)), NOT_SIGNED);
        let mut package = Package::new(BOUNDS, false).expect("a directory");
        package.write(false, SIGNED).expect("room");
        package.close();
        package.write(true, b"anything").expect("room");
        package.close();
        package.use_environment();
        package.start(keyring).expect("a shell");
        assert_eq!(status(&mut package), NOT_SIGNED);
    }

    #[test]
    fn output_that_is_no_file_is_none() {
        for make in ["mkfifo $1", "ln -s /dev/zero $1", "mkdir $1"] {
            let mut package = started(&format!("#!/bin/sh\n{make}\n"), BOUNDS);
            assert_eq!((status(&mut package), package.open_output().is_some()), (1, false), "{make}");
        }
    }

    #[test]
    fn who_takes_too_long_or_too_much_is_ended_with_all_that_it_has_started() {
        let time = Bounds { time: Duration::from_millis(300), ..BOUNDS };
        let mut package = started("#!/bin/sh\nsleep 1000 & echo $! >pid; echo x >$1; wait\n", time);
        assert_eq!(status(&mut package), ENDED);
        let pid = fs::read_to_string(package.path().join("pid")).expect("it has begun");
        // Who was killed may be on its way out for a moment, and then nobody has waited for it perhaps.
        let is_gone = || {
            let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            state.is_empty() || state.contains(") Z")
        };
        let end = Instant::now() + Duration::from_secs(60);
        while !is_gone() {
            assert!(Instant::now() < end, "it lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let script = "#!/bin/sh\nfor name in 1 2 3 4; do head -c 400000 /dev/zero >$name; done; sleep 1000\n";
        let begin = Instant::now();
        assert_eq!(status(&mut started(script, BOUNDS)), ENDED);
        assert!(begin.elapsed() < BOUNDS.time, "it was ended for the time that it took");
    }

    #[test]
    fn nothing_is_left_of_directories_that_are_very_deep_or_closed() {
        let closed = "mkdir -p closed/below && echo x >closed/below/file && chmod 0 closed/below closed";
        let deep = "path=$(printf 'd/%.0s' $(seq 1000)); for part in $(seq 20); do mkdir -p $path && cd -P $path || exit; done";
        for make in [closed, deep] {
            let mut package = started(&format!("#!/bin/bash\necho result >$1; {make}\n"), BOUNDS);
            // Ended, if somebody has looked before it was done.
            assert!([0, ENDED].contains(&status(&mut package)), "{make}");
            let path = package.path().to_owned();
            drop(package);
            assert!(!path.exists(), "{make}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_too_much() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(is_within(folder.path(), 0) && is_within(&folder.path().join("gone"), 0));
        let file = folder.path().join("file");
        fs::write(&file, "").expect("room");
        // Whoever runs this, also root, may not look into a file.
        assert!(!is_within(&file, 1000));
    }

    #[test]
    fn uploads_have_a_bound() {
        let mut package = Package::new(Bounds { bytes: 10, ..BOUNDS }, false).expect("a directory");
        assert!(package.write(false, &[0; 6]).is_ok());
        package.close();
        assert!(package.write(true, &[0; 6]).is_err());
    }
}
