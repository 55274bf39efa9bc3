//! Where a case takes place: two hosts on two networks, one peer, and ports that no case used before.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sctp_core::config::EndpointConfig;
use socketapi::{
    AssociationConfig, Error, Fault, Impairments, Notifications, SctpStream, SocketBuilder,
    Stack as OurStack, Transport,
};
use system_tests::{Host, Lab};

use crate::driver::{Late, Odd};
use crate::ours::{Association, Job};
use crate::peer::{Counts, LIMIT, Peer, Stack};

const NETWORKS: u8 = 2;
pub(crate) const MTU: u32 = 1500;

/// Our host, and the peer's unless that is a kernel of its own.
pub(crate) struct Hosts {
    pub(crate) ours: Host,
    theirs: Option<Host>,
}

/// The hosts, and the peer that runs on one of them.
pub(crate) struct Ground<'a> {
    pub(crate) peer: Peer,
    pub(crate) stack: Stack,
    pub(crate) ours: &'a Host,
    theirs: Option<&'a Host>,
    port: u16,
    /// What the peer sends may come when we know nothing of the association any more, because packets get lost or overtake each
    /// other.
    may_be_reflected: bool,
    /// What is lost follows from it.
    pub(crate) seed: [u8; 32],
    /// Where packets are lost, so many percent of them, whatever the case says.
    pub(crate) loss: Option<u32>,
}

const FORGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/forge");

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Us,
    Peer,
}

/// How SCTP_COMM_LOST ends if it was by an ABORT with the T bit and without a cause.
const REFLECTED_ABORT: &str = " 06 01 00 04";

/// Who sends INIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    We,
    Peer,
}

/// What an association is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) begins: Begins,
    pub(crate) ours: Vec<IpAddr>,
    pub(crate) theirs: Vec<IpAddr>,
    /// Addresses of our stack that the association does not have, to begin with.
    pub(crate) spare: Vec<IpAddr>,
    /// The peer's socket can get IPv6 addresses, although it begins without any.
    pub(crate) may_get_ipv6: bool,
    pub(crate) transport: Transport,
    /// Percent of the packets that are lost, in each direction.
    pub(crate) loss: u32,
    /// Percent of the packets that a router marks (RFC 3168), in each direction.
    pub(crate) marks: u32,
    /// We say that our driver finds damaged packets by itself.
    pub(crate) detects_errors: bool,
    pub(crate) late_cookies: Option<Late>,
    /// How long our state cookies are good for.
    pub(crate) valid_cookie_life: Duration,
    pub(crate) config: AssociationConfig,
    /// Where the packets are recorded; unless a case says so, in the file that the environment variable INTEROP_PCAP
    /// names (the last association stays), and if packets are lost in [`Ground::capture`].
    pub(crate) capture: Option<PathBuf>,
    /// Commands for the peer, between opening its socket and using it.
    pub(crate) peer_settings: Vec<String>,
}

impl Plan {
    /// One network, IPv4, plain IP.
    pub(crate) fn new(begins: Begins) -> Self {
        Self {
            begins,
            ours: vec!["10.77.0.1".parse().unwrap()],
            theirs: vec!["10.77.0.2".parse().unwrap()],
            spare: Vec::new(),
            may_get_ipv6: false,
            transport: Transport::Raw,
            loss: 0,
            marks: 0,
            detects_errors: false,
            late_cookies: None,
            valid_cookie_life: EndpointConfig::default().valid_cookie_life,
            config: AssociationConfig::default(),
            capture: std::env::var_os("INTEROP_PCAP").map(PathBuf::from),
            peer_settings: vec!["set nodelay 1".into()],
        }
    }

    /// These addresses, ours and theirs.
    pub(crate) fn between(mut self, ours: &[&str], theirs: &[&str]) -> Self {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().expect("an address")).collect();
        (self.ours, self.theirs) = (parse(ours), parse(theirs));
        self
    }

    /// Two networks, IPv4.
    pub(crate) fn on_both_networks(self) -> Self {
        self.between(&["10.77.0.1", "10.77.1.1"], &["10.77.0.2", "10.77.1.2"])
    }

    /// One network, IPv6.
    pub(crate) fn by_ipv6(self) -> Self {
        self.between(&["fd77:0::1"], &["fd77:0::2"])
    }

    /// Two networks, IPv4 on the first and IPv6 on the second one.
    pub(crate) fn by_both_families(self) -> Self {
        self.between(&["10.77.0.1", "fd77:1::1"], &["10.77.0.2", "fd77:1::2"])
    }

    pub(crate) fn over_udp(mut self) -> Self {
        self.transport = Transport::Udp;
        self.peer(format!("set udp {}", crate::peer::UDP_PORT))
    }

    pub(crate) fn loss(mut self, percent: u32) -> Self {
        self.loss = percent;
        self
    }

    pub(crate) fn config(mut self, change: impl FnOnce(&mut AssociationConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// One more command for the peer before the association is set up.
    pub(crate) fn peer(mut self, command: impl Into<String>) -> Self {
        self.peer_settings.push(command.into());
        self
    }

    /// Failed paths are noticed in a fraction of a second; but for 12 s (30 times RTO.Max) neither side gives the association up, since
    /// either may stand still for a while.
    pub(crate) fn with_short_timers(self) -> Self {
        self.config(|config| {
            config.rto_initial = Duration::from_millis(200);
            config.rto_min = Duration::from_millis(100);
            config.rto_max = Duration::from_millis(400);
            config.hb_interval = Some(Duration::from_millis(300));
            config.path_max_retrans = 2;
            config.association_max_retrans = 30;
        })
        .peer("set rto 200 100 400")
        .peer("set path 300 2")
        .peer("set max-retrans 30")
    }

    /// No side sends HEARTBEATs but to confirm addresses.
    pub(crate) fn without_heartbeats(self) -> Self {
        self.peer("set path 0 5").config(|config| config.hb_interval = None)
    }
}

impl Hosts {
    pub(crate) fn new(stack: Stack) -> Self {
        let hosts = match stack {
            Stack::Linux => Self { ours: Lab::switches(NETWORKS, MTU), theirs: None },
            Stack::Usrsctp => {
                let lab = Lab::switched(NETWORKS, MTU);
                Self { ours: lab.a, theirs: Some(lab.b) }
            }
        };
        // usrsctp knows those that are there when it starts; user-mode Linux sets its own.
        for network in 0..NETWORKS {
            add_addresses(&hosts.ours, "lan", network, 1);
            if let Some(theirs) = &hosts.theirs {
                add_addresses(theirs, "n", network, 2);
            }
        }
        hosts
    }

    /// The IPv4 addresses of host `last` in a network: the one that all cases use, and four more.
    pub(crate) fn addresses(network: u8, last: u8) -> Vec<IpAddr> {
        (0..5).map(|n| Ipv4Addr::new(10, 77, network, last + 10 * n).into()).collect()
    }
}

/// The first one is there.
fn add_addresses(host: &Host, device: &str, network: u8, last: u8) {
    for address in &Hosts::addresses(network, last)[1..] {
        host.ip(&format!("addr add {address}/24 dev {device}{network}"));
    }
}

impl<'a> Ground<'a> {
    pub(crate) fn new(stack: Stack, hosts: &'a Hosts) -> Self {
        let (ours, theirs) = (&hosts.ours, hosts.theirs.as_ref());
        let peer = stack.start(ours, theirs, NETWORKS);
        Self { peer, stack, ours, theirs, port: 20_000, may_be_reflected: false, seed: [7; 32], loss: None }
    }

    /// The packets of the last association of which some were lost.
    pub(crate) fn capture(&self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interop-{}.pcapng", self.stack.name()))
    }

    /// Replaces a peer of which nobody knows what it does.
    pub(crate) fn restart_peer(&mut self) {
        // The old one first: both would use the same devices.
        self.peer.stop();
        self.peer = self.stack.start(self.ours, self.theirs, NETWORKS);
        for network in 0..NETWORKS {
            self.ours.plug(network);
        }
        if self.ours.has_link("far0") {
            self.widen();
        }
    }

    /// No packet reaches the other side any more.
    pub(crate) fn unplug_all(&self) {
        (0..NETWORKS).for_each(|network| self.ours.unplug(network));
    }

    /// Packets pass again.
    pub(crate) fn plug_all(&self) {
        (0..NETWORKS).for_each(|network| self.ours.plug(network));
    }

    /// A stretch between the first network and the peer that loses packets larger than this, in both directions; nobody is
    /// told. Its end on our side is `w0`.
    pub(crate) fn narrow(&self, mtu: u32) {
        // Else the host answers ARP there too, and the stretch is bypassed.
        self.ours.ip("link add name far0 type bridge mcast_snooping 0");
        self.ours.ip("link set far0 arp off");
        self.ours.ip(&format!("link add name w0 mtu {mtu} type veth peer name x0 mtu {mtu}"));
        for (port, switch) in [("w0", "lan0"), ("x0", "far0"), ("p0", "far0")] {
            self.ours.ip(&format!("link set {port} up master {switch}"));
        }
        self.ours.ip("link set far0 up");
    }

    /// Takes the stretch away.
    pub(crate) fn widen(&self) {
        self.ours.plug(0);
        self.ours.ip("link del w0");
        self.ours.ip("link del far0");
    }

    /// Sets an association up, and waits until both sides know.
    pub(crate) fn associate(&mut self, plan: &Plan) -> Association {
        self.open(plan);
        let stack = self.our_stack(plan);
        let stream = match plan.begins {
            Begins::We => {
                self.peer.tell("listen");
                self.connect(&stack, plan)
            }
            Begins::Peer => self.accept(&stack, plan),
        };
        self.peer.await_event("COMM_UP");
        Association::new(stack, stream)
    }

    /// Sends an INIT from each side, which goes on until [`SctpStream::wait_connected`].
    pub(crate) fn begin_on_both_sides(&mut self, plan: &Plan) -> (OurStack, SctpStream) {
        self.open(plan);
        let stack = self.our_stack(plan);
        let stream = self.connecting(&stack, plan, SocketBuilder::nonblocking);
        self.peer.tell(&format!("connect {} {}", self.our_port(), words(&plan.ours)));
        (stack, stream)
    }

    /// Opens the peer's socket, at ports that no association had before.
    fn open(&mut self, plan: &Plan) {
        self.port += 2;
        self.may_be_reflected = plan.loss > 0 || plan.ours.len() > 1;
        let open = if plan.may_get_ipv6 { "open6" } else { "open" };
        self.peer.tell(&format!("{open} {} {}", self.peer_port(), words(&plan.theirs)));
        for command in &plan.peer_settings {
            self.peer.tell(command);
        }
    }

    /// Connects from our port to the peer's.
    pub(crate) fn connect(&self, stack: &OurStack, plan: &Plan) -> SctpStream {
        self.connecting(stack, plan, |builder| builder)
    }

    fn connecting<'s>(
        &self,
        stack: &'s OurStack,
        plan: &Plan,
        with: impl FnOnce(SocketBuilder<'s>) -> SocketBuilder<'s>,
    ) -> SctpStream {
        self.attempt(stack, plan, with).expect("the peer answers")
    }

    fn attempt<'s>(
        &self,
        stack: &'s OurStack,
        plan: &Plan,
        with: impl FnOnce(SocketBuilder<'s>) -> SocketBuilder<'s>,
    ) -> Result<SctpStream, Error> {
        let peer: Vec<_> = plan.theirs.iter().map(|&ip| SocketAddr::new(ip, self.peer_port())).collect();
        let builder = SocketBuilder::new(stack).bind(&*self.our_addresses(plan));
        with(builder.notifications(Notifications::ALL)).connect(&*peer)
    }

    /// Connects to the peer's port, at which nobody listens.
    pub(crate) fn try_to_connect(&mut self, plan: &Plan) -> Result<SctpStream, Error> {
        self.open(plan);
        self.attempt(&self.our_stack(plan), plan, |builder| builder)
    }

    /// Has the peer connect to our port, at which nobody listens; our stack answers as long as it lives.
    pub(crate) fn let_peer_connect_in_vain(&mut self, plan: &Plan) -> OurStack {
        self.open(plan);
        let stack = self.our_stack(plan);
        self.peer.tell(&format!("connect {} {}", self.our_port(), words(&plan.ours)));
        stack
    }

    /// The peer's program begins anew, from the same port.
    pub(crate) fn connect_peer_again(&mut self, plan: &Plan) {
        self.peer.tell(&format!("open {} {}", self.peer_port(), words(&plan.theirs)));
        self.peer.tell(&format!("connect {} {}", self.our_port(), words(&plan.ours)));
    }

    fn accept(&mut self, stack: &OurStack, plan: &Plan) -> SctpStream {
        let builder = SocketBuilder::new(stack).bind(&*self.our_addresses(plan));
        let listener = builder.notifications(Notifications::ALL).listen().expect("the port is free");
        self.peer.tell(&format!("connect {} {}", self.our_port(), words(&plan.ours)));
        listener.accept_deadline(Instant::now() + LIMIT).expect("the peer connects").0
    }

    /// A job from us to the peer.
    pub(crate) fn send(&mut self, association: &Association, job: Job) -> Counts {
        self.peer.tell("forget");
        association.send(job);
        let counts = self.peer.await_messages(job.count.into());
        counts.assert_complete(job.count.into(), job.bytes());
        counts
    }

    /// A job from the peer to us.
    pub(crate) fn receive(&mut self, association: &Association, job: Job) -> Counts {
        self.peer.tell(&job.command());
        let counts = association.receive(job.count.into());
        counts.assert_complete(job.count.into(), job.bytes());
        counts
    }

    /// A job each way, one after the other.
    pub(crate) fn converse(&mut self, association: &Association, job: Job) {
        self.send(association, job);
        self.receive(association, job);
    }

    /// A job each way, both at the same time.
    pub(crate) fn converse_at_once(&mut self, association: &Association, job: Job) {
        self.peer.tell("forget");
        self.peer.tell(&job.command());
        let counts = std::thread::scope(|scope| {
            scope.spawn(|| association.send(job));
            association.receive(job.count.into())
        });
        counts.assert_complete(job.count.into(), job.bytes());
        self.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
    }

    /// Sends a packet as if it were from one side of an association on the first network, in `tests/peers/forge`'s words.
    pub(crate) fn forge(&mut self, association: &Association, from: From, chunks: &[&str]) {
        let (ours, theirs, port, chunks) = ("10.77.0.1", "10.77.0.2", self.port, chunks.join(" "));
        match from {
            From::Us => {
                let tag = association.look(|it| it.peer_tag());
                let line = format!("{ours} {theirs} {port} {} {tag} {chunks}", port + 1);
                let status = self.ours.command(FORGE).args(line.split(' ')).status().expect("it runs");
                assert!(status.success(), "{line}");
            }
            From::Peer => {
                let tag = association.look(|it| it.local_tag());
                self.peer.tell(&format!("run {FORGE} {theirs} {ours} {} {port} {tag} {chunks}", port + 1));
            }
        }
    }

    /// Ends an association in good order, on our word; its capture is complete then.
    pub(crate) fn end(&mut self, association: &Association) {
        association.shut_down();
        // If SHUTDOWN COMPLETE is lost, we know nothing of what the peer sends next: a SHUTDOWN ACK is answered by SHUTDOWN
        // COMPLETE, but a HEARTBEAT by ABORT with the T bit (RFC 9260, 8.4). That may also overtake a SHUTDOWN COMPLETE on another
        // network.
        let reflected: &[_] = &["SHUTDOWN_COMP", REFLECTED_ABORT];
        let ends = if self.may_be_reflected { reflected } else { &reflected[..1] };
        self.peer.await_one_of(ends);
        association.stack.close();
    }

    /// A stack on our host, with the impairments of the plan.
    pub(crate) fn our_stack(&self, plan: &Plan) -> OurStack {
        let addresses: Vec<_> = plan.ours.iter().chain(&plan.spare).copied().collect();
        let endpoint =
            EndpointConfig { valid_cookie_life: plan.valid_cookie_life, ..EndpointConfig::default() };
        let mut builder = OurStack::builder().defaults(plan.config.clone()).endpoint(endpoint);
        if plan.detects_errors || plan.late_cookies.is_some() {
            let mut driver = Odd::open(addresses);
            (driver.detects_errors, driver.late_cookies) = (plan.detects_errors, plan.late_cookies);
            builder = builder.driver(driver);
        } else {
            builder = builder.transport(plan.transport).addresses(addresses);
        }
        let loss = if plan.loss > 0 { self.loss.unwrap_or(plan.loss) } else { 0 };
        let [loss, mark] = [loss, plan.marks].map(|percent| f64::from(percent) / 100.0);
        if loss + mark > 0.0 {
            builder =
                builder.fault(Fault::new(Impairments { loss, mark, ..Impairments::default() }, self.seed));
        }
        let capture = plan.capture.clone().or_else(|| (plan.loss > 0).then(|| self.capture()));
        if let Some(file) = capture {
            builder = builder.capture(std::fs::File::create(file).expect("the capture can be written"));
        }
        builder.build().unwrap_or_else(|error| panic!("{error}"))
    }

    fn our_addresses(&self, plan: &Plan) -> Vec<SocketAddr> {
        plan.ours.iter().map(|&ip| SocketAddr::new(ip, self.our_port())).collect()
    }

    pub(crate) fn our_port(&self) -> u16 {
        self.port
    }

    pub(crate) fn peer_port(&self) -> u16 {
        self.port + 1
    }
}

/// Addresses as the peer's commands take them.
fn words(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}
