//! Registrars with many elements: what each of them costs a registrar, idle, and that the elements of a registrar that dies are taken over.
//!
//! MANY_ELEMENTS is how many associations there are, of a hundred elements each: 10 without it, on which only the result is looked at;
//! `tests/long elements` makes it 1,000, and holds the figures.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::unistd::{SysconfVar, sysconf};
use rserpool::csp::{ComponentId, StatusReport};
use rserpool::wire::{
    ASAP_PORT, ASAP_PPID, AsapMessage, ENRP_PORT, Format, Life, Policy, PoolElement, Transport, TransportUse,
};
use rserpool::{PeId, RegistrarId};
use socketapi::{
    AssociationId, Notification, Notifications, Patience, Poller, Received, SctpSocket, SendInfo,
    SocketBuilder, Stack,
};
use system_tests::{Program, built};

const EACH: u32 = 100;
const REGISTRARS: u32 = 3;
/// Associations that are being filled at once.
const AT_ONCE: usize = 20;
/// More than a keep-alive cycle of 15 to 45 s.
const IDLE: Duration = Duration::from_secs(60);
/// What an element may take beyond its association.
const MOST_BYTES: u64 = 1024;
/// Of one core.
const MOST_LOAD: f64 = 0.2;
const MIB: u64 = 1 << 20;

/// How many associations, if it is to be measured.
fn measured() -> Option<usize> {
    std::env::var("MANY_ELEMENTS").ok().map(|text| text.parse().expect("MANY_ELEMENTS is a number"))
}

/// For whatever is waited for.
fn limit() -> Duration {
    Duration::from_secs(60 + measured().unwrap_or(0) as u64 / 2)
}

/// Addresses of one test.
#[derive(Clone, Copy)]
struct Net(u8);

impl Net {
    /// Registrars are 1, 2, ..., the elements 8, the monitor 9.
    fn at(self, host: u32) -> IpAddr {
        IpAddr::from([127, 0, 88, self.0 + u8::try_from(host).expect("few hosts")])
    }

    fn registrar(self, id: u32) -> SocketAddr {
        SocketAddr::new(self.at(id), ASAP_PORT)
    }
}

/// A registrar, as a program.
struct Registrar {
    id: u32,
    program: Program,
}

/// What a process has taken.
#[derive(Clone, Copy)]
struct Usage {
    resident: u64,
    /// Of it, what is not read from files: how much code there is is a matter of how it was built.
    own: u64,
    cpu: Duration,
}

fn usage(process: u32) -> Usage {
    let file = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}")).expect("it runs");
    let status = file("status");
    let size = |name: &str| {
        let text = status.lines().find_map(|line| line.strip_prefix(name)).expect("a size");
        1024 * text.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let stat = file("stat");
    // Behind the name, which may hold anything: utime and stime are fields 14 and 15.
    let fields: Vec<_> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    let rate = sysconf(SysconfVar::CLK_TCK).expect("it is known").expect("it is known");
    Usage {
        resident: size("VmRSS:"),
        own: size("RssAnon:"),
        cpu: Duration::from_secs_f64(ticks as f64 / rate as f64),
    }
}

impl Registrar {
    fn start(net: Net, id: u32, monitor: Option<SocketAddr>) -> Self {
        let mut command = Command::new(built("rspregistrar"));
        command.args(["--udp", "--local", &net.at(id).to_string(), &format!("--identifier={id}")]);
        command.args(["--asapannounce=off", "--enrpannounce=off", "--quiet"]);
        command.arg("--endpointkeepalivetransmissioninterval=30000");
        let others = (1..=REGISTRARS).filter(|other| *other != id && monitor.is_some());
        command.args(others.map(|other| format!("--peer={}:{ENRP_PORT}", net.at(other))));
        command.args(monitor.map(|monitor| format!("--cspserver={monitor}")));
        Self { id, program: Program::start(command) }
    }

    fn usage(&self) -> Usage {
        usage(self.program.id())
    }
}

/// Hears from the registrars how many elements they know.
struct Monitor {
    socket: UdpSocket,
}

impl Monitor {
    fn new(net: Net) -> Self {
        let socket = UdpSocket::bind((net.at(9), 0)).expect("an address of our own");
        socket.set_nonblocking(true).expect("it can be");
        Self { socket }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Waits until each of these registrars says that it knows so many elements, and meanwhile answers as the elements. How many of
    /// them are each one's own.
    fn wait_for(&self, elements: &mut Elements, registrars: &[Registrar], count: usize) -> Vec<usize> {
        let end = Instant::now() + limit();
        let mut last = vec![(usize::MAX, 0); registrars.len()];
        let knows_all = |last: &[(usize, usize)]| last.iter().all(|(known, _)| *known == count);
        while !knows_all(&last) || last.iter().map(|(_, own)| own).sum::<usize>() != count {
            assert!(Instant::now() < end, "not all know {count}: {last:?}");
            elements.turn(Duration::from_millis(50), EACH);
            while let Some((sender, counts)) = self.hear() {
                let of = |registrar: &Registrar| sender == ComponentId::from(RegistrarId(registrar.id));
                if let Some(index) = registrars.iter().position(of) {
                    last[index] = counts;
                }
            }
        }
        last.into_iter().map(|(_, own)| own).collect()
    }

    /// Who knows how many elements, and has how many.
    fn hear(&self) -> Option<(ComponentId, (usize, usize))> {
        let mut buffer = [0; 65_536];
        let length = match self.socket.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            result => result.expect("a report"),
        };
        let report = StatusReport::parse(&buffer[..length]).expect("a report");
        Some((report.sender, counts(&report.status)))
    }
}

/// Of "KNOWN[OWN] PEs in ...".
fn counts(status: &str) -> (usize, usize) {
    let (known, rest) = status.split_once('[').expect(status);
    let (own, _) = rest.split_once(']').expect(status);
    (known.parse().expect(status), own.parse().expect(status))
}

/// Elements that have one port, and an association with their registrar.
struct Place {
    socket: SctpSocket,
    port: u16,
    registrar: u32,
    association: Option<AssociationId>,
    /// How many are registered.
    registered: u32,
}

/// All elements.
struct Elements {
    net: Net,
    stack: Stack,
    poller: Poller,
    places: Vec<Place>,
    /// Who has said of each that it is the new home.
    homes: Vec<Option<RegistrarId>>,
    keep_alives: u64,
}

impl Elements {
    fn new(net: Net, places: usize, registrars: u32) -> Self {
        let builder = Stack::builder().transport(socketapi::Transport::Udp).address(net.at(8));
        let stack = builder.linger(Duration::ZERO).build().expect("a stack");
        let poller = Poller::new(&stack);
        let homes = vec![None; places * EACH as usize];
        let mut elements = Self { net, stack, poller, places: Vec::new(), homes, keep_alives: 0 };
        (0..places).for_each(|index| elements.add_place(index, registrars));
        elements
    }

    fn add_place(&mut self, index: usize, registrars: u32) {
        let port = u16::try_from(10_000 + index).expect("few places");
        let socket = SocketBuilder::new(&self.stack)
            .bind((self.net.at(8), port))
            .notifications(Notifications::ASSOCIATION)
            .no_delay(true)
            .nonblocking()
            .one_to_many()
            .expect("a port");
        self.poller.add(socket.socket(), index as u64, false).expect("it is open");
        let registrar = index as u32 % registrars + 1;
        self.places.push(Place { socket, port, registrar, association: None, registered: 0 });
    }

    /// Connects each place and registers its elements from one number to another.
    fn register(&mut self, from: u32, to: u32) {
        let end = Instant::now() + limit();
        let mut next = 0;
        while self.places.iter().any(|place| place.registered < to) {
            assert!(Instant::now() < end, "not all are registered");
            let begun = |place: &&Place| place.registered < to;
            let busy = self.places[..next].iter().filter(begun).count();
            let until = self.places.len().min(next + AT_ONCE - busy);
            (next..until).for_each(|index| self.begin(index, from, to));
            next = until;
            self.turn(Duration::from_millis(100), to);
        }
    }

    fn begin(&mut self, index: usize, from: u32, to: u32) {
        let place = &mut self.places[index];
        if let Some(association) = place.association {
            return register_at(self.net, place, index, association, from, to);
        }
        connect(self.net, place);
    }

    /// Handles what comes, for so long. New associations register their elements below a number.
    fn turn(&mut self, patience: Duration, to: u32) {
        let mut ready = Vec::new();
        match self.poller.wait(&mut ready, Patience::Until(self.stack.now() + patience)) {
            Err(error) if !error.is_temporary() => panic!("{error}"),
            _ => {}
        }
        for readiness in ready {
            let index = readiness.token as usize;
            while let Some(received) = self.places[index].socket.try_receive().expect("it is open") {
                self.handle(index, received, to);
            }
        }
    }

    fn handle(&mut self, index: usize, received: Received, to: u32) {
        let place = &mut self.places[index];
        match received {
            Received::Notification(Some(id), Notification::CommunicationUp { inbound: false, .. }) => {
                place.association = Some(id);
                register_at(self.net, place, index, id, 0, to);
            }
            // A registrar that learns from others serves nobody.
            Received::Notification(_, Notification::CommunicationLost(_)) if place.registered == 0 => {
                place.association = None;
                connect(self.net, place);
            }
            Received::Message(message) => {
                let association = message.info.association;
                let parsed = AsapMessage::parse(&message.into_bytes(), &Format::default()).expect("ASAP");
                self.answer(index, association, parsed.message);
            }
            Received::Notification(..) => {}
        }
    }

    fn answer(&mut self, index: usize, association: AssociationId, message: AsapMessage) {
        let place = &mut self.places[index];
        match message {
            AsapMessage::RegistrationResponse { rejected: false, .. } => place.registered += 1,
            AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id } => {
                let pe_id = pe_id.expect("ours say whom they mean");
                if new_home {
                    self.homes[pe_id.0 as usize - 1] = Some(registrar);
                }
                self.keep_alives += 1;
                say(place, association, &AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id });
            }
            other => panic!("{other:?}"),
        }
    }

    /// For so long, what comes is answered.
    fn idle(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(end.saturating_duration_since(Instant::now()), EACH);
        }
    }

    /// Waits until all elements whose registrar was this one have been told of another one. How long that took.
    fn wait_for_new_homes(&mut self, dead: u32) -> Duration {
        let begun = Instant::now();
        let orphans: Vec<usize> = (0..self.homes.len())
            .filter(|element| self.places[element / EACH as usize].registrar == dead)
            .collect();
        loop {
            let left = orphans.iter().filter(|&&element| self.homes[element].is_none()).count();
            if left == 0 {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < limit(), "{left} of {} elements have no new home", orphans.len());
            self.turn(Duration::from_millis(100), EACH);
        }
    }
}

fn connect(net: Net, place: &Place) {
    place.socket.connect(net.registrar(place.registrar)).expect("it can begin");
}

fn register_at(net: Net, place: &Place, index: usize, association: AssociationId, from: u32, to: u32) {
    for number in from..to {
        let user_transport = Transport::sctp(place.port, [net.at(8)], TransportUse::DataAndControl);
        let element = PoolElement {
            id: PeId(index as u32 * EACH + number + 1),
            home: RegistrarId::NONE,
            life: Life::INFINITE,
            user_transport,
            policy: Policy::default(),
            asap_transport: None,
        };
        let pool_handle = format!("pool {number}").as_str().into();
        say(place, association, &AsapMessage::Registration { pool_handle, element });
    }
}

fn say(place: &Place, association: AssociationId, message: &AsapMessage) {
    let data = message.encode(&Format::default()).expect("it fits");
    let info = SendInfo::new().ppid(ASAP_PPID);
    match place.socket.send_bytes(association, data, &info) {
        // It has just been lost.
        Err(socketapi::Error::NoAssociation) => {}
        result => result.expect("there is room"),
    }
}

#[test]
fn the_elements_of_one_of_three_registrars_that_dies_are_taken_over() {
    let places = measured().unwrap_or(10);
    let all = places * EACH as usize;
    let net = Net(0);
    let monitor = Monitor::new(net);
    let start = |id| Registrar::start(net, id, Some(monitor.address()));
    let mut registrars: Vec<_> = (1..=REGISTRARS).map(start).collect();
    let mut elements = Elements::new(net, places, REGISTRARS);
    monitor.wait_for(&mut elements, &registrars, 0);
    elements.register(0, 1);
    monitor.wait_for(&mut elements, &registrars, places);
    let before: Vec<_> = registrars.iter().map(Registrar::usage).collect();
    let begun = Instant::now();
    elements.register(1, EACH);
    let own = monitor.wait_for(&mut elements, &registrars, all);
    println!(
        "{all} elements of {places} associations, registered in {:.1?}; homes: {own:?}",
        begun.elapsed()
    );
    let after: Vec<_> = registrars.iter().map(Registrar::usage).collect();
    for ((registrar, before), after) in registrars.iter().zip(&before).zip(&after) {
        let each = after.resident.saturating_sub(before.resident) / (all - places) as u64;
        println!(
            "registrar {}: {:.1} MiB with the associations alone, {:.1} MiB with all; {each} bytes an element",
            registrar.id,
            before.resident as f64 / MIB as f64,
            after.resident as f64 / MIB as f64
        );
        assert!(measured().is_none() || each <= MOST_BYTES, "{each} bytes");
    }
    if measured().is_some() {
        hold_idle(&mut elements, &registrars);
    }
    let dead = registrars.pop().expect("three");
    drop(dead.program);
    let took = elements.wait_for_new_homes(dead.id);
    let own = monitor.wait_for(&mut elements, &registrars, all);
    println!(
        "registrar {} killed: the last of its elements has a new home after {took:.1?}; homes: {own:?}",
        dead.id
    );
}

/// Keep-alives and nothing else.
fn hold_idle(elements: &mut Elements, registrars: &[Registrar]) {
    elements.idle(Duration::from_secs(5));
    let (asked, begun) = (elements.keep_alives, Instant::now());
    let before: Vec<_> = registrars.iter().map(Registrar::usage).collect();
    elements.idle(IDLE);
    let asked = elements.keep_alives - asked;
    assert!(asked as usize >= elements.homes.len(), "{asked} keep-alives");
    for (registrar, before) in registrars.iter().zip(before) {
        let load = (registrar.usage().cpu - before.cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        println!("registrar {}: {:.1} % of a core, idle", registrar.id, load * 100.0);
        assert!(load <= MOST_LOAD, "{load}");
    }
    println!("{asked} keep-alives answered in {IDLE:?}");
}

#[test]
fn a_registrar_with_a_hundred_elements_is_small() {
    let net = Net(20);
    let registrar = Registrar::start(net, 1, None);
    let mut elements = Elements::new(net, 1, 1);
    elements.register(0, EACH);
    hold_size(&format!("a registrar with {EACH} elements"), registrar.usage(), 16 * MIB);
}

/// The whole where it is measured, with programs that are optimized.
fn hold_size(what: &str, usage: Usage, most: u64) {
    let [resident, own] = [usage.resident, usage.own].map(|bytes| bytes as f64 / MIB as f64);
    println!("{what}: {resident:.1} MiB, of which {own:.1} MiB are not its files");
    let held = if measured().is_some() { usage.resident } else { usage.own };
    assert!(held < most, "{what}: {held} bytes");
}

#[test]
fn an_idle_echo_element_is_small() {
    let net = Net(40);
    let _registrar = Registrar::start(net, 1, None);
    let mut command = Command::new(built("rspserver"));
    command.args(["--echo", "--udp", "--local", &net.at(8).to_string(), "--asapannounce=off"]);
    command.arg(format!("--registrar={}", net.registrar(1)));
    let mut element = Program::start(command);
    element.wait_for("registered", limit()).expect("it is an element");
    hold_size("an idle echo element", usage(element.id()), 8 * MIB);
}
