//! A network of the test's own: namespaces joined by one or more veth pairs.

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::look_until;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Two hosts, `a` and `b`, in network namespaces of their own, joined by one veth pair for each network.
/// Network `n` is 10.77.`n`.0/24 and fd77:`n`::/64; host `a` is 1 there and `b` is 2. Gone when dropped.
#[derive(Debug)]
pub struct Lab {
    /// The first host.
    pub a: Host,
    /// The second host.
    pub b: Host,
}

/// One namespace.
#[derive(Debug)]
pub struct Host {
    namespace: String,
    number: u8,
}

impl Lab {
    /// Makes the hosts and `networks` networks between them, with this MTU.
    ///
    /// # Panics
    /// If a command fails: the caller asked [`is_root_or_skip`](crate::is_root_or_skip) before.
    pub fn new(networks: u8, mtu: u32) -> Self {
        let id = format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = Self { a: Host::new(format!("sctp{id}a"), 1), b: Host::new(format!("sctp{id}b"), 2) };
        for network in 0..networks {
            run(&format!(
                "ip link add name n{network} mtu {mtu} netns {} type veth peer name n{network} mtu {mtu} netns {}",
                lab.a.namespace, lab.b.namespace
            ));
            lab.a.configure(network, "n");
            lab.b.configure(network, "n");
        }
        lab
    }

    /// The same, but on host `a` each network is a switch, `lan0` and so on, that bears its addresses; `b` is plugged
    /// into it by port `p0` and so on. So a network can fail ([`Host::unplug`]) without a sign on either side.
    ///
    /// # Panics
    /// As [`Lab::new`].
    pub fn switched(networks: u8, mtu: u32) -> Self {
        let lab = Self { a: Self::switches(networks, mtu), b: Self::host(2) };
        for network in 0..networks {
            run(&format!(
                "ip link add name p{network} mtu {mtu} netns {} type veth peer name n{network} mtu {mtu} netns {}",
                lab.a.namespace, lab.b.namespace
            ));
            lab.b.configure(network, "n");
            lab.a.plug(network);
            lab.a.ip(&format!("link set p{network} up"));
        }
        lab
    }

    /// Host `a` of [`Lab::switched`] alone.
    ///
    /// # Panics
    /// As [`Lab::new`].
    pub fn switches(networks: u8, mtu: u32) -> Host {
        let host = Self::host(1);
        for network in 0..networks {
            // An address of its own: else it is that of a port, which then would be heard when unplugged.
            host.ip(&format!(
                "link add name lan{network} mtu 1280 address 02:77:00:00:00:{network:02x} type bridge mcast_snooping 0"
            ));
            // An MTU that was changed does not follow those of the ports.
            host.ip(&format!("link set lan{network} mtu {mtu}"));
            // A port that is always there, so that a switch with nobody else still is up.
            host.ip(&format!("link add name k{network} mtu {mtu} type veth peer name l{network} mtu {mtu}"));
            host.ip(&format!("link set k{network} up master lan{network}"));
            host.ip(&format!("link set l{network} up"));
            host.configure(network, "lan");
        }
        host
    }

    /// A switch and hosts that are plugged into it: host `a` of [`Lab::switched`], and so many others, from number 2 on, by ports
    /// `p2` and so on. A host is gone without a sign to the others when it is cut off ([`Host::cut_off`]).
    ///
    /// # Panics
    /// As [`Lab::new`].
    pub fn star(others: u8) -> (Host, Vec<Host>) {
        let hub = Self::switches(1, 1500);
        // A switch that is off, for who is cut off: without any the hub would still hear what comes on that port.
        hub.ip("link add dark type bridge");
        let hosts = (2..2 + others).map(|number| {
            let host = Self::host(number);
            run(&format!(
                "ip link add name p{number} netns {} type veth peer name n0 netns {}",
                hub.namespace, host.namespace
            ));
            host.configure(0, "n");
            hub.join(number);
            hub.ip(&format!("link set p{number} up"));
            host
        });
        let hosts = hosts.collect();
        (hub, hosts)
    }

    /// One host alone, with nothing but its loopback, which is up.
    pub fn loopback() -> Host {
        Self::host(1)
    }

    fn host(number: u8) -> Host {
        let id = format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Host::new(format!("sctp{id}"), number)
    }
}

impl Host {
    fn new(namespace: String, number: u8) -> Self {
        run(&format!("ip netns add {namespace}"));
        let host = Self { namespace, number };
        host.ip("link set lo up");
        host
    }

    fn configure(&self, network: u8, device: &str) {
        self.ip(&format!("addr add {}/24 dev {device}{network}", self.v4(network)));
        self.ip(&format!("addr add {}/64 dev {device}{network} nodad", self.v6(network)));
        self.ip(&format!("link set {device}{network} up"));
    }

    /// Its name, as `ip netns` knows it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Takes the other host's plug out of a switch of this host.
    ///
    /// # Panics
    /// If this host is not one of [`Lab::switched`].
    pub fn unplug(&self, network: u8) {
        self.ip(&format!("link set p{network} nomaster"));
    }

    /// Puts it in again.
    ///
    /// # Panics
    /// As [`Host::unplug`].
    pub fn plug(&self, network: u8) {
        self.ip(&format!("link set p{network} master lan{network}"));
    }

    /// From now on no IPv4 packet gets beyond one of its interfaces. Captures there still see what comes, and ARP passes: with a
    /// plug pulled instead, a host would soon send nothing more to neighbours that do not answer.
    ///
    /// # Panics
    /// If there is no such interface.
    pub fn deafen(&self, interface: &str) {
        self.tc(&format!("qdisc add dev {interface} clsact"));
        // A BPF program of one instruction: return 2, TC_ACT_SHOT.
        self.tc(&format!("filter add dev {interface} ingress protocol ip bpf da bytecode '1,6 0 0 2'"));
    }

    /// Packets pass again.
    ///
    /// # Panics
    /// Unless [`Host::deafen`] was called.
    pub fn undeafen(&self, interface: &str) {
        self.tc(&format!("qdisc del dev {interface} clsact"));
    }

    fn tc(&self, arguments: &str) {
        run(&format!("tc -n {} {arguments}", self.namespace));
    }

    /// Takes the plug of the host of this number out of the switch.
    ///
    /// # Panics
    /// If this host is not that of [`Lab::star`].
    pub fn cut_off(&self, number: u8) {
        self.ip(&format!("link set p{number} master dark"));
    }

    /// Puts it in again.
    ///
    /// # Panics
    /// As [`Host::cut_off`].
    pub fn join(&self, number: u8) {
        self.ip(&format!("link set p{number} master lan0"));
    }

    /// Its IPv4 address in a network.
    pub fn v4(&self, network: u8) -> String {
        format!("10.77.{network}.{}", self.number)
    }

    /// Its IPv6 address in a network.
    pub fn v6(&self, network: u8) -> String {
        format!("fd77:{network}::{}", self.number)
    }

    /// Runs `ip ARGUMENTS` for this host.
    ///
    /// # Panics
    /// If it fails.
    pub fn ip(&self, arguments: &str) {
        run(&format!("ip -n {} {arguments}", self.namespace));
    }

    /// Whether there is an interface of this name.
    ///
    /// # Panics
    /// If `ip` cannot be run.
    pub fn has_link(&self, name: &str) -> bool {
        let mut command = Command::new("ip");
        command.args(["-n", &self.namespace, "link", "show", name]);
        command.output().expect("ip runs").status.success()
    }

    /// Takes a network's interface down, or up again.
    pub fn set_link(&self, network: u8, up: bool) {
        self.ip(&format!("link set n{network} {}", if up { "up" } else { "down" }));
        if up {
            // Linux forgets an interface's IPv6 addresses when it goes down, but not those of IPv4.
            self.ip(&format!("addr replace {}/64 dev n{network} nodad", self.v6(network)));
        }
    }

    /// Waits until `bytes` more than now have left through a network's interface.
    ///
    /// # Panics
    /// If that takes longer than 60 s.
    pub fn wait_until_sent(&self, network: u8, bytes: u64) {
        let before = self.sent_bytes(network);
        look_until(Duration::from_secs(60), || match self.sent_bytes(network) - before {
            sent if sent >= bytes => Ok(()),
            sent => Err(format!("only {sent} of {bytes} bytes left n{network}")),
        });
    }

    fn sent_bytes(&self, network: u8) -> u64 {
        let path = format!("/sys/class/net/n{network}/statistics/tx_bytes");
        let output = self.command("cat").arg(&path).output().expect("cat runs");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{path}: {output:?}"))
    }

    /// Does `work` on this host, in a thread of its own: its sockets belong to this host.
    ///
    /// # Panics
    /// If `work` does, or the namespace cannot be entered.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let namespace =
                File::open(format!("/run/netns/{}", self.namespace)).expect("the namespace exists");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter it");
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A command that runs on this host.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

fn run(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
