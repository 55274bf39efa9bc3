//! `sctpd` and who started it: a service manager (systemd's protocol), and signals.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends with this value.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).expect("it runs");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_reloads_and_stops() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let heard = || {
        let mut buffer = [0; 4_096];
        let len = manager.recv(&mut buffer).expect("it says something");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let name = format!("sctp-user/test-of-notify-{}", std::process::id());
    let mut command = Command::new(env!("CARGO_BIN_EXE_sctpd"));
    command.args(["--udp=0", "--local", "127.77.6.2", "--set", &format!("name={name}")]);
    command.env("NOTIFY_SOCKET", &path).stderr(Stdio::null());
    let mut daemon = Running(command.spawn().expect("it starts"));
    let ready = heard();
    assert!(ready.contains("READY=1") && ready.contains("STATUS=serving over UDP"), "{ready}");
    daemon.signal(Signal::SIGHUP);
    assert!(heard().contains("RELOADING=1"));
    assert!(heard().contains("READY=1"));
    daemon.signal(Signal::SIGTERM);
    assert!(heard().contains("STOPPING=1"));
    assert_eq!(daemon.0.wait().expect("it ends").code(), Some(0));
}
