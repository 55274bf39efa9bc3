//! What the driver tests share: network namespaces and waiting.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    panic,
    process::Command,
    sync::mpsc::{Sender, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, unshare},
    unistd::gettid,
};
use sctp_core::net::{Ecn, IpMarks, PathAddress};
use sctp_user::driver::{Driver, Inbox, Outbox, Report, Transmit};

/// Longer than anything takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in a thread with a network namespace of its own, whose loopback has the addresses.
/// Without the privilege it says so and does nothing.
pub(crate) fn in_namespace(addresses: &[&str], test: impl FnOnce() + Send + 'static) {
    let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
    let run = move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            println!("SKIPPED: cannot make a network namespace ({error}): run as root");
            return;
        }
        ip("link set lo up");
        for address in addresses.iter().filter(|address| !matches!(&address[..], "127.0.0.1" | "::1")) {
            let prefix = if address.contains(':') { "128 nodad" } else { "8" };
            ip(&format!("address replace {address}/{prefix} dev lo"));
        }
        test();
    };
    if let Err(panic) = thread::spawn(run).join() {
        panic::resume_unwind(panic);
    }
}

/// A second namespace, joined with ours by a veth link: 10.9.0.1 and fd09::1 here, `.2` and `::2` there.
/// It ends with this value.
pub(crate) struct Neighbour {
    tasks: Sender<Box<dyn FnOnce() + Send>>,
}

impl Neighbour {
    pub(crate) fn new() -> Self {
        let (tasks, to_do) = channel::<Box<dyn FnOnce() + Send>>();
        let (here, entered) = channel();
        let (link_moved, wait_for_link) = channel();
        let (ready, wait_for_ready) = channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            here.send(gettid()).unwrap();
            wait_for_link.recv().unwrap();
            set_up_link("there", 2);
            ready.send(()).unwrap();
            to_do.iter().for_each(|task| task());
        });
        let thread = entered.recv().unwrap();
        ip(&format!("link add here type veth peer name there netns {thread}"));
        set_up_link("here", 1);
        link_moved.send(()).unwrap();
        wait_for_ready.recv().unwrap();
        Self { tasks }
    }

    /// As [`Neighbour::new`], with a switch on our side of the link: `ip link set here mtu N` makes it narrow, and what it
    /// has no room for then vanishes.
    pub(crate) fn behind_switch() -> Self {
        let neighbour = Self::new();
        ip("address flush dev here");
        ip("link add name switch type bridge forward_delay 0");
        // Once changed, it no longer follows that of the ports.
        ip("link set switch mtu 1499");
        ip("link set switch mtu 1500");
        ip("link set here master switch");
        set_up_link("switch", 1);
        neighbour
    }

    /// Runs something there, such as opening sockets.
    pub(crate) fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (result, done) = channel();
        let task = move || result.send(task()).unwrap();
        self.tasks.send(Box::new(task)).unwrap();
        done.recv().unwrap()
    }
}

fn set_up_link(name: &str, last: u8) {
    ip(&format!("address add 10.9.0.{last}/24 dev {name}"));
    ip(&format!("address add fd09::{last}/64 dev {name} nodad"));
    ip(&format!("link set {name} up"));
}

/// The loopback addresses of the families that this host has.
pub(crate) fn loopbacks() -> Vec<IpAddr> {
    let has_v6 = UdpSocket::bind("[::1]:0").is_ok();
    if !has_v6 {
        println!("SKIPPED: IPv6, which this host has not");
    }
    [IpAddr::from(Ipv4Addr::LOCALHOST)]
        .into_iter()
        .chain(has_v6.then_some(Ipv6Addr::LOCALHOST.into()))
        .collect()
}

/// Runs `ip` in the namespace of this thread.
pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Sends these packets, in fragments of so many bytes if there is a number; what the driver reports.
pub(crate) fn send_cut(
    driver: &mut dyn Driver,
    path: PathAddress,
    ecn: Ecn,
    fragment_to: Option<usize>,
    packets: &[Vec<u8>],
) -> Vec<Report> {
    let mut outbox = Outbox::default();
    for packet in packets {
        let len = packet.len();
        outbox.transmits.push(Transmit {
            path,
            ecn,
            marks: IpMarks::NONE,
            fragment_to,
            segment_size: len,
            len,
        });
        outbox.bytes.extend_from_slice(packet);
    }
    let mut reports = Vec::new();
    assert!(outbox.flush(driver, &mut reports), "room for a small batch");
    reports
}

/// Waits for so long until something comes, and reads what has come.
pub(crate) fn receive_for(driver: &mut dyn Driver, inbox: &mut Inbox, limit: Duration) {
    wait(driver, PollTimeout::try_from(limit).unwrap());
    driver.receive(inbox).unwrap();
}

/// Reads until `enough`, waiting on the driver's descriptors.
pub(crate) fn receive_until(driver: &mut dyn Driver, inbox: &mut Inbox, enough: impl Fn(&Inbox) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        driver.receive(inbox).unwrap();
        if enough(inbox) {
            return;
        }
        assert!(Instant::now() < deadline, "what came is not enough: {inbox:?}");
        wait(driver, PollTimeout::from(1000u16));
    }
}

/// Looks again and again, for what the kernel does on its own time.
pub(crate) fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "it does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the kernel counts in the namespace of this thread, with the names of RFC 4293 (`Icmp OutErrors`,
/// `Icmp6OutErrors`).
pub(crate) fn counters() -> impl Iterator<Item = (String, u64)> {
    let read = |name| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap();
    let (v4, v6) = (read("snmp"), read("snmp6"));
    let mut counters = Vec::new();
    let lines: Vec<_> = v4.lines().collect();
    for pair in lines.chunks(2) {
        let (group, names) = pair[0].split_once(": ").unwrap();
        let (_, values) = pair[1].split_once(": ").unwrap();
        for (name, value) in names.split(' ').zip(values.split(' ')) {
            counters.push((format!("{group} {name}"), value.parse().unwrap_or(0)));
        }
    }
    for line in v6.lines() {
        let (name, value) = line.split_once(char::is_whitespace).unwrap();
        counters.push((name.to_owned(), value.trim().parse().unwrap()));
    }
    counters.into_iter()
}

fn wait(driver: &dyn Driver, limit: PollTimeout) {
    let descriptors = driver.descriptors();
    let mut polled: Vec<_> =
        descriptors.iter().map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN)).collect();
    poll(&mut polled, limit).unwrap();
}
