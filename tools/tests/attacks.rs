//! Attacks over SCTP at ten times the legitimate rate, each with and without what helps against it (issue "RSerPool complete",
//! "Must be shown", 6). `tests/long attack` prints the figures of longer ones.
//!
//! A user resolves a pool 20 times in a second; `attacker` sends 200 messages in a second. A resolution has succeeded if within half
//! a second it names an element that is there and has room.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rserpool::driver::{PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Service, ServiceSession};
use rserpool::transport::{Peer, UserMessage};
use rserpool::wire::{ASAP_PORT, Policy, PolicyField, PolicyType};
use rserpool::{PeId, Profile};
use socketapi::{Stack, Transport};

use support::Running;

mod support;

const PROFILE: Profile = Profile::Rsplib;
const LIMIT: Duration = Duration::from_secs(30);
const POOL: &str = "Servers";
/// Between two resolutions.
const INTERVAL: Duration = Duration::from_millis(50);
/// Messages of the attacker, per second.
const ATTACK: u32 = 200;
const PATIENCE: Duration = Duration::from_millis(500);
/// Those whose load leaves room for users.
const IDLE: [u8; 2] = [11, 12];
const BUSY: [u8; 2] = [13, 14];

/// The network of one test: 127.78.`test`.x, where x of the attacker is above 31.
#[derive(Clone, Copy)]
struct Site {
    test: u8,
}

struct Idler;

impl Service for Idler {
    fn on_message(&mut self, _session: &mut ServiceSession<'_>, _message: UserMessage) {}
}

fn percent(load: u32) -> u32 {
    u32::MAX / 100 * load
}

impl Site {
    fn stack(self, host: u8) -> Stack {
        let builder = Stack::builder().transport(Transport::Udp).address([127, 78, self.test, host]);
        builder.linger(Duration::ZERO).build().expect("a stack")
    }

    fn registrars(self) -> Vec<Peer> {
        vec![Peer { addresses: vec![[127, 78, self.test, 2].into()], port: ASAP_PORT }]
    }

    fn start_registrar(self, protection: &[&str]) -> Running {
        let own = [format!("--local=127.78.{}.2", self.test)];
        let fixed = ["--udp", "--asapannounce=off", "--enrp=off"].map(String::from);
        let protection = protection.iter().map(|option| (*option).to_owned());
        let arguments: Vec<String> = own.into_iter().chain(fixed).chain(protection).collect();
        let mut registrar = Running::start(env!("CARGO_BIN_EXE_rspregistrar"), &arguments);
        registrar.wait_for("serving");
        registrar
    }

    /// Each user makes an element's load two percent higher, until the element tells anew what it is.
    fn start_element(self, host: u8) -> PoolElement {
        let load = if IDLE.contains(&host) { 10 } else { 90 };
        let mut options = PoolElementOptions::new(POOL.into(), self.registrars(), PROFILE);
        options.config.id = PeId(host.into());
        options.config.renew_every(Duration::from_secs(1));
        options.config.policy = Policy::new(PolicyType::LeastUsedDegradation)
            .with(PolicyField::Load, percent(load))
            .with(PolicyField::Degradation, percent(2));
        let element = PoolElement::start(&self.stack(host), options, Idler).expect("an element");
        element.next_event(Some(Instant::now() + LIMIT)).expect("a registration");
        element
    }

    fn attack(self, kind: &str, duration: Duration) -> std::process::Child {
        let registrar = format!("127.78.{}.2:{ASAP_PORT}", self.test);
        let mut command = Command::new(env!("CARGO_BIN_EXE_attacker"));
        command.args(["--udp", &format!("--local=127.78.{}.66", self.test), "--registrar", &registrar]);
        command.args([
            "--type",
            kind,
            "--rate",
            &ATTACK.to_string(),
            "--poolhandle",
            POOL,
            "--associations=10",
        ]);
        command.args(["--policy=LeastUsedDegradation:0.02", "--duration", &duration.as_secs().to_string()]);
        command.stdout(Stdio::piped()).spawn().expect("the attacker starts")
    }
}

/// How long an attack lasts; `ATTACK_SECONDS` for longer ones.
fn duration() -> Duration {
    let asked = std::env::var("ATTACK_SECONDS").ok();
    Duration::from_secs(asked.map_or(6, |seconds| seconds.parse().expect("a number of seconds")))
}

/// How many of a hundred resolutions succeed under an attack.
fn success(site: Site, kind: &str, protection: &[&str]) -> f64 {
    let registrar = site.start_registrar(protection);
    let elements: Vec<_> = IDLE.into_iter().chain(BUSY).map(|host| site.start_element(host)).collect();
    let user =
        PoolUser::start(&site.stack(21), PoolUserOptions::new(site.registrars(), PROFILE)).expect("a user");
    user.resolve(POOL.into(), Some(Instant::now() + LIMIT)).expect("it is there");
    let attacker = site.attack(kind, duration());
    let (start, mut asked, mut served) = (Instant::now(), 0, 0);
    while start.elapsed() < duration() {
        let found = user.resolve(POOL.into(), Some(Instant::now() + PATIENCE));
        let is_served = |elements: Vec<rserpool::wire::PoolElement>| {
            IDLE.iter().any(|idle| elements[0].id == PeId((*idle).into()))
        };
        asked += 1;
        served += u32::from(found.is_ok_and(is_served));
        std::thread::sleep((INTERVAL * asked).saturating_sub(start.elapsed()));
    }
    let output = attacker.wait_with_output().expect("its end");
    assert!(output.status.success());
    let percent = f64::from(served) * 100.0 / f64::from(asked);
    println!("{kind} {protection:?}: {percent:.1} % of {asked} resolutions succeeded");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    drop((elements, user, registrar));
    percent
}

/// Runs of which one has to show that the countermeasure helps: when the machine stands still for a moment, requests take too long in any case.
const RUNS: usize = 3;

/// With the countermeasure users are served, without it they are not.
#[track_caller]
fn assert_helps(test: u8, kind: &str, protection: &[&str], without: &[&str]) {
    let helps = (0..RUNS).any(|_| success(Site { test }, kind, protection) >= 99.0);
    assert!(helps, "too few are served with {protection:?}");
    let without = success(Site { test: test + 1 }, kind, without);
    assert!(without < 99.0, "{without} % without {protection:?}");
}

#[test]
fn resolutions_over_the_rate_do_not_wear_out_the_elements_that_have_room() {
    assert_helps(20, "handleresolution", &["--maxhrrate=30"], &[]);
}

#[test]
fn reports_over_the_rate_do_not_remove_elements() {
    // An element renews its registration in each second, and begins anew with that.
    assert_helps(22, "report", &["--maxeurate=0.5"], &[]);
}

#[test]
fn elements_that_are_not_there_do_not_come_from_outside() {
    let own = ["--own-networks=127.78.24.0/27"];
    assert_helps(24, "registration", &own, &["--own-networks=127.0.0.0/8"]);
}
