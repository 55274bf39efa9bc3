//! How soon a session goes on when its element or the element's host is gone, and how soon the elements of a registrar that is gone have
//! a new home: real programs over raw IP, each on a host of its own, with the fast settings of docs/failover.md.
//!
//! FAILOVER_RUNS is how many runs of each; 3 without, which are held to no more than going on. `tests/long failover` makes it 100, and
//! holds the figures.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rserpool::driver::{
    Error, PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Registrar, RegistrarOptions, Service,
    ServiceSession, Session,
};
use rserpool::pool_element::PoolElementEvent;
use rserpool::registrar::RegistrarConfig;
use rserpool::session::SessionEvent;
use rserpool::transport::{Peer, UserMessage};
use rserpool::wire::{ASAP_PORT, ENRP_PORT};
use rserpool::{Profile, RegistrarId};
use socketapi::{Stack, Transport};
use system_tests::{Host, Lab, Program, built, is_root_or_skip, look_until};

const PROFILE: Profile = Profile::Fast;
/// For whatever happens between the runs.
const LIMIT: Duration = Duration::from_secs(30);
/// Without measuring.
const PATIENT: Duration = Duration::from_secs(10);
/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(10);
/// Of a pool whose registrar dies.
const ELEMENTS: usize = 20;

/// How many runs, if they are to be measured.
fn runs() -> Option<usize> {
    std::env::var("FAILOVER_RUNS").ok().map(|text| text.parse().expect("FAILOVER_RUNS is a number"))
}

/// Makes the runs, prints what they took, and holds the slowest to the limit.
fn measure(what: &str, limit: Duration, mut run: impl FnMut() -> Duration) {
    let mut times: Vec<_> = (0..runs().unwrap_or(3)).map(|_| run()).collect();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share).div_ceil(100).max(1) - 1];
    let [median, p99, most] = [at(50), at(99), at(100)];
    println!(
        "{what}: {} runs: median {median:.1?}, p99 {p99:.1?}, max {most:.1?}; limit {limit:?}",
        times.len()
    );
    let limit = if runs().is_some() { limit } else { PATIENT };
    assert!(most < limit, "{what}: {times:?}");
}

fn address(host: &Host) -> IpAddr {
    host.v4(0).parse().expect("an address")
}

fn stack(host: &Host) -> Stack {
    let builder = Stack::builder().transport(Transport::Raw).address(address(host)).linger(Duration::ZERO);
    builder.build().expect("a stack")
}

fn peer(host: &Host, port: u16) -> Peer {
    Peer { addresses: vec![address(host)], port }
}

/// The program of an element, on its host.
fn server(host: &Host, registrar: &Host) -> Program {
    let mut command = host.command(built("rspserver").to_str().expect("a path"));
    command.args(["--echo", "--profile=fast", "--asapannounce=off", "--raw", "--local", &host.v4(0)]);
    command.arg(format!("--registrar={}:{ASAP_PORT}", registrar.v4(0)));
    Program::start(command)
}

fn kill_program(id: u32) {
    kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL).expect("it runs");
}

/// A registrar at the hub, a user on the first of the other hosts, an element on each of the rest.
struct Site {
    hub: Host,
    at_user: Host,
    at_elements: Vec<Host>,
}

impl Site {
    fn new() -> Self {
        let (hub, mut hosts) = Lab::star(4);
        let at_user = hosts.remove(0);
        Self { hub, at_user, at_elements: hosts }
    }

    fn registrar(&self) -> (Stack, Registrar) {
        self.hub.inside(|| {
            let stack = stack(&self.hub);
            let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
            let options = RegistrarOptions::new(PROFILE.sctp_settings());
            let registrar = Registrar::start(&stack, config, options).expect("a registrar");
            (stack, registrar)
        })
    }

    fn number_of(&self, element: usize) -> u8 {
        u8::try_from(element + 3).expect("few hosts")
    }

    /// Which element serves the session.
    fn serving(&self, session: &Session) -> usize {
        let element = session.element().expect("it is connected");
        let is_at = |host: &Host| element.user_transport.addresses.contains(&address(host));
        self.at_elements.iter().position(is_at).expect("one of ours")
    }
}

/// Waits until so many elements are registered.
fn wait_for_elements(registrar: &Registrar, count: usize) {
    look_until(LIMIT, || match registrar.inspect(|registrar| registrar.handlespace().len()) {
        known if known == count => Ok(()),
        known => Err(format!("{known} of {count} elements are registered")),
    });
}

/// Forgets what has come until now.
fn drain(session: &Session) {
    while session.receive(Some(Instant::now())).is_ok() {}
}

/// Asks all the time until another element has answered; from now on.
fn until_answered(session: &Session) -> Duration {
    let begun = Instant::now();
    let mut is_complete = false;
    let mut seen = Vec::new();
    loop {
        // While no element is connected, nothing can be sent.
        if let Err(error) = session.send(&UserMessage::new(0, "?")) {
            assert!(matches!(error, Error::Send(_)), "{error}");
        }
        let next = Instant::now() + INTERVAL;
        loop {
            match session.receive(Some(next)) {
                Ok(SessionEvent::Data(_)) if is_complete => return begun.elapsed(),
                Ok(SessionEvent::Data(_)) => {}
                Ok(event) => {
                    is_complete |= matches!(event, SessionEvent::FailoverComplete { .. });
                    seen.push((begun.elapsed(), event));
                }
                Err(Error::TimedOut) => break,
                Err(error) => panic!("{error}"),
            }
            if is_complete {
                break;
            }
        }
        assert!(begun.elapsed() < LIMIT, "the session does not go on: {seen:?}");
    }
}

/// Says nothing until another element is connected; from now on.
fn until_complete(session: &Session) -> Duration {
    let begun = Instant::now();
    while !matches!(
        session.receive(Some(begun + LIMIT)).expect("the session goes on"),
        SessionEvent::FailoverComplete { .. }
    ) {}
    begun.elapsed()
}

/// Sends once an element is connected: who stands still for a moment is left.
fn send(session: &Session) {
    let message = UserMessage::new(0, "?");
    look_until(LIMIT, || session.send(&message).map_err(|error| error.to_string()));
}

/// Does something to an element's host or program, and meanwhile waits for the session to go on.
fn meanwhile(act: impl FnOnce() + Send, wait: impl FnOnce() -> Duration) -> Duration {
    std::thread::scope(|scope| {
        let acting = scope.spawn(act);
        let took = wait();
        acting.join().expect("it was done");
        took
    })
}

/// Runs in which a session loses its element, each with three elements at the beginning.
fn sessions(
    what: &str,
    limit: Duration,
    lose: impl Fn(&Site, &mut Vec<Program>, &Session, usize) -> Duration + Sync,
) {
    let site = Site::new();
    let (_at_registrar, registrar) = site.registrar();
    let mut servers: Vec<_> = site.at_elements.iter().map(|host| server(host, &site.hub)).collect();
    let count = servers.len();
    site.at_user.inside(|| {
        let stack = stack(&site.at_user);
        let user = PoolUser::start(&stack, PoolUserOptions::new(vec![peer(&site.hub, ASAP_PORT)], PROFILE));
        let user = user.expect("a user");
        wait_for_elements(&registrar, count);
        let session = user.open_session("EchoPool".into());
        session.wait_connected(LIMIT).expect("a connection");
        measure(what, limit, || {
            wait_for_elements(&registrar, count);
            // Both ends have measured the path, and are idle.
            send(&session);
            std::thread::sleep(Duration::from_millis(500));
            drain(&session);
            let serving = site.serving(&session);
            lose(&site, &mut servers, &session, serving)
        });
    });
}

#[test]
fn a_session_goes_on_when_its_element_is_killed() {
    if !is_root_or_skip() {
        return;
    }
    sessions("element killed", Duration::from_millis(300), |site, servers, session, serving| {
        let program = servers[serving].id();
        let took = meanwhile(|| kill_program(program), || until_answered(session));
        servers[serving] = server(&site.at_elements[serving], &site.hub);
        took
    });
}

#[test]
fn a_session_goes_on_when_its_host_is_gone_with_data_outstanding() {
    if !is_root_or_skip() {
        return;
    }
    sessions("host gone, data outstanding", Duration::from_millis(300), |site, _, session, serving| {
        let number = site.number_of(serving);
        let took = meanwhile(|| site.hub.cut_off(number), || until_answered(session));
        site.hub.join(number);
        took
    });
}

#[test]
fn a_session_goes_on_when_its_host_is_gone_while_it_is_idle() {
    if !is_root_or_skip() {
        return;
    }
    sessions("host gone, idle", Duration::from_secs(1), |site, _, session, serving| {
        let number = site.number_of(serving);
        let took = meanwhile(|| site.hub.cut_off(number), || until_complete(session));
        site.hub.join(number);
        took
    });
}

/// A service that nobody uses here.
struct Idle;

impl Service for Idle {
    fn on_message(&mut self, _session: &mut ServiceSession<'_>, _message: UserMessage) {}
}

/// A registrar of ours that knows others.
fn survivor(host: &Host, id: u32, others: &[&Host]) -> (Stack, Registrar) {
    host.inside(|| {
        let stack = stack(host);
        let mut config = RegistrarConfig::new(RegistrarId(id), PROFILE);
        config.enrp.peers = others.iter().map(|other| peer(other, ENRP_PORT)).collect();
        let mut options = RegistrarOptions::new(PROFILE.sctp_settings());
        options.enrp_port = Some(ENRP_PORT);
        let registrar = Registrar::start(&stack, config, options).expect("a registrar");
        (stack, registrar)
    })
}

/// The registrar that is to die.
fn victim(host: &Host, others: &[&Host]) -> Program {
    let mut command = host.command(built("rspregistrar").to_str().expect("a path"));
    command.args(["--identifier=9", "--profile=fast", "--asapannounce=off", "--enrpannounce=off"]);
    command.args(["--raw", "--local", &host.v4(0)]);
    command.args(others.iter().map(|other| format!("--peer={}:{ENRP_PORT}", other.v4(0))));
    Program::start(command)
}

/// Waits until all elements have answered a Keep-Alive with the H flag.
fn until_adopted(elements: &[PoolElement]) -> Duration {
    let begun = Instant::now();
    for element in elements {
        let is_adopted = |event: &PoolElementEvent| matches!(event, PoolElementEvent::HomeChanged(_));
        while !is_adopted(&element.next_event(Some(begun + LIMIT)).expect("a new home")) {}
    }
    begun.elapsed()
}

/// Runs in which one of three registrars is lost, with all elements.
fn takeovers(what: &str, lose: impl Fn(&Host, u32) + Sync) {
    let (hub, hosts) = Lab::star(3);
    let [at_second, at_victim, at_elements] = &hosts[..] else { unreachable!("three hosts") };
    let (_first_stack, first) = survivor(&hub, 1, &[at_second, at_victim]);
    let (_second_stack, _second) = survivor(at_second, 2, &[&hub, at_victim]);
    let victim_number = 3;
    at_elements.inside(|| {
        let stack = stack(at_elements);
        measure(what, Duration::from_secs(2), || {
            let mut program = victim(at_victim, &[&hub, at_second]);
            program.wait_for("serving", LIMIT).expect("it begins");
            let options =
                || PoolElementOptions::new("Pool".into(), vec![peer(at_victim, ASAP_PORT)], PROFILE);
            let elements: Vec<_> = (0..ELEMENTS)
                .map(|_| PoolElement::start(&stack, options(), Idle).expect("an element"))
                .collect();
            let homes = || {
                first.inspect(|registrar| {
                    let elements = registrar.handlespace().pools().flat_map(|pool| pool.elements());
                    elements.map(|element| element.info.home).collect::<Vec<_>>()
                })
            };
            look_until(LIMIT, || match homes() {
                homes if homes == [RegistrarId(9); ELEMENTS] => Ok(()),
                homes => Err(format!("{homes:?}")),
            });
            for element in &elements {
                while element.next_event(Some(Instant::now())).is_ok() {}
            }
            let id = program.id();
            let took = meanwhile(|| lose(&hub, id), || until_adopted(&elements));
            drop(program);
            hub.join(victim_number);
            // Elements may be told before the other registrar is.
            look_until(LIMIT, || {
                let homes: HashSet<_> = homes().into_iter().collect();
                let is_one = homes.len() == 1 && !homes.contains(&RegistrarId(9));
                is_one.then_some(()).ok_or_else(|| format!("{homes:?}"))
            });
            for element in &elements {
                element.deregister(Some(Instant::now() + LIMIT)).expect("an answer");
            }
            wait_for_elements(&first, 0);
            while first.next_event(Some(Instant::now())).is_ok() {}
            took
        });
    });
}

#[test]
fn the_elements_of_a_killed_registrar_have_a_new_home() {
    if !is_root_or_skip() {
        return;
    }
    takeovers("registrar killed", |_, program| kill_program(program));
}

#[test]
fn the_elements_of_a_registrar_whose_host_is_gone_have_a_new_home() {
    if !is_root_or_skip() {
        return;
    }
    takeovers("registrar's host gone", |hub, _| hub.cut_off(3));
}
