//! A service whose process has no descriptor left. Alone, since it takes those of the whole process.

#[path = "../clients/client.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod client;
#[path = "../clients/idle.rs"]
mod idle;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sctp_descriptors::{Style, VERSION};

use client::{clients, connect_to, unconnected};
use idle::assert_idle;

/// It does not turn in circles, and takes the client when there is a descriptor again.
#[test]
fn a_service_without_descriptors_waits_for_one() {
    let [here, _there] = clients();
    let socket = here.socket(Style::OneToOne);
    let late = unconnected();
    let stat = File::open("/proc/self/stat").unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let free = File::open("/dev/null").unwrap();
    let lowest = u64::try_from(free.as_raw_fd()).unwrap();
    drop(free);
    setrlimit(Resource::RLIMIT_NOFILE, lowest, hard).unwrap();
    connect_to(&late, &here.service);
    late.send(&VERSION.to_ne_bytes()).unwrap();
    assert_idle(&stat);
    drop(socket);
    // The service sees that with the next thing that it is told of, at the latest.
    late.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!((&late).read(&mut [0; 2]).unwrap(), 2);
}
