//! Servers of unmodified programs with many associations: by `epoll`, level- and edge-triggered, in several processes,
//! by `fork`, one-to-many. Each end is on an `sctpd` of its own with the limits that are the default.
//!
//! CROWD is how many associations: 300 without it; `tests/long crowd` makes it 10,000.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};
use serde_json::Value;
use system_tests::{Program, Programs, built, look_until, wait_until};

/// Messages over each association.
const ROUNDS: u64 = 3;
/// Descriptors of a program or a service that are not an association's.
const OTHER_DESCRIPTORS: u64 = 100;
/// Those that a service has once it was used: its clients' connections, and what it opens when it needs it first.
const LASTING_DESCRIPTORS: usize = 10;
/// More memory that a second crowd may take: what an allocator keeps differs from time to time,
const MOST_GROWTH: u64 = 1 << 20;
/// and the service remembers error and addresses of sockets that have ended, up to the limit of a user's sockets. An
/// association that were not forgotten would take ten times as much.
const MOST_GROWTH_FOR_EACH: u64 = 1_536;

fn crowd() -> u64 {
    std::env::var("CROWD").map_or(300, |text| text.parse().expect("CROWD is a number"))
}

/// Longer than anything here takes on a busy machine.
fn limit(associations: u64) -> Duration {
    Duration::from_secs(60 + associations / 50)
}

/// An `sctpd` at one address, named after it.
struct Service {
    name: String,
    program: Program,
}

impl Service {
    fn start(address: &str) -> Self {
        let name = format!("sctp-user/test-{address}");
        let mut command = Command::new(built("sctpd"));
        command.args(["--udp", "--local", address, "--set", "log=info", "--config", "/dev/null"]);
        command.args(["--set", &format!("name={name}")]);
        let mut program = Program::start(command);
        program.wait_for("serving", limit(0)).expect("it serves");
        Self { name, program }
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Program {
        let mut command = Command::new(built("sctp-run"));
        command.args(["--service", &self.name]).arg(program).args(arguments);
        Program::start(command)
    }

    /// Waits until all users together hold so many sockets and associations.
    fn wait_for_holdings(&self, sockets: u64, associations: u64) {
        let mut command = Command::new(built("sctpd"));
        command.args(["--status", "--json", "--set", &format!("name={}", self.name)]);
        look_until(limit(crowd()), || {
            let output = command.output().expect("it runs");
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let users = status["users"].as_array().ok_or_else(|| String::from_utf8_lossy(&output.stderr))?;
            let sum = |what: &str| users.iter().filter_map(|user| user[what].as_u64()).sum::<u64>();
            let done = (sum("sockets"), sum("associations")) == (sockets, associations);
            if done { Ok(()) } else { Err(status.to_string()) }
        });
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.program.id())).expect("it runs")
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.program.id())).expect("it runs").count()
    }

    /// Resident memory, in bytes.
    fn memory(&self) -> u64 {
        let text = self.file("status");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line");
        1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    }

    /// CPU time so far, in seconds: the 14th and 15th field, of which the second may hold spaces.
    fn cpu(&self) -> f64 {
        let text = self.file("stat");
        let fields: Vec<_> = text[text.rfind(')').expect("its name")..].split(' ').collect();
        let ticks: f64 = fields[12..14].iter().map(|field| field.parse::<f64>().expect("a number")).sum();
        ticks / sysconf(SysconfVar::CLK_TCK).expect("it is known").expect("it has one") as f64
    }
}

/// The two services, and the client that one of them serves.
struct Scene {
    servers: Service,
    clients: Service,
    associations: u64,
}

impl Scene {
    /// A crowd comes, talks and goes.
    fn let_crowd_come(&self, program: &Path, address: &str) {
        let (wanted, rounds) = (self.associations.to_string(), ROUNDS.to_string());
        let memory = self.both(Service::memory);
        let mut client = self.clients.run(program, &["connect", address, "5000", &wanted, &rounds]);
        let mut leave = client.take_stdin().expect("a pipe");
        for step in ["connected", "echoed", "closed"] {
            let cpu = self.both(Service::cpu);
            let line = client.wait_for(step, limit(self.associations)).expect("it does so");
            let now = self.both(Service::cpu);
            println!(
                "{line}; CPU: server's service {:.2} s, client's {:.2} s",
                now[0] - cpu[0],
                now[1] - cpu[1]
            );
            if step == "echoed" {
                let now = self.both(Service::memory);
                let each = |i: usize| now[i].saturating_sub(memory[i]) / self.associations;
                println!("memory for each: server's service {} bytes, client's {}", each(0), each(1));
            }
            leave.write_all(b"\n").expect("it reads");
        }
        let (status, output) = client.wait(limit(0)).expect("it ends");
        assert!(status.success(), "{status}: {output}");
    }

    fn both<T>(&self, what: impl Fn(&Service) -> T) -> [T; 2] {
        [what(&self.servers), what(&self.clients)]
    }
}

/// A crowd, and once it has left nothing without trace another one.
fn serve(mode: &str, processes: &str, associations: u64, addresses: [&str; 2]) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if most < associations + OTHER_DESCRIPTORS {
        return system_tests::skip(&format!(
            "{most} descriptors (ulimit -Hn) are too few for {associations}"
        ));
    }
    let Some(programs) = Programs::compile(&["crowd"]) else { return };
    let program = programs.path("crowd");
    let scene =
        Scene { servers: Service::start(addresses[0]), clients: Service::start(addresses[1]), associations };
    let mut server = scene.servers.run(&program, &["serve", addresses[0], "5000", mode, processes]);
    server.wait_for("listening", limit(0)).expect("it listens");
    let mut descriptors = scene.both(Service::descriptors).map(|count| count + LASTING_DESCRIPTORS);
    let mut memory = [u64::MAX; 2];
    for _ in 0..2 {
        scene.let_crowd_come(&program, addresses[0]);
        scene.servers.wait_for_holdings(1, 0);
        scene.clients.wait_for_holdings(0, 0);
        wait_until(limit(0), "descriptors are left", || {
            scene.both(Service::descriptors).iter().zip(descriptors).all(|(now, most)| *now <= most)
        });
        descriptors = scene.both(Service::descriptors);
        let now = scene.both(Service::memory);
        for (now, before) in now.iter().zip(memory) {
            let grown = now.saturating_sub(before);
            let most = MOST_GROWTH + MOST_GROWTH_FOR_EACH * associations;
            assert!(grown <= most, "{grown} bytes more after the second crowd of {associations}");
        }
        memory = now;
    }
}

#[test]
fn a_server_with_level_triggered_epoll_has_a_crowd() {
    serve("epoll-lt", "1", crowd(), ["127.0.171.2", "127.0.171.3"]);
}

#[test]
fn several_processes_with_edge_triggered_epoll_at_one_socket_have_a_crowd() {
    serve("epoll-et", "4", crowd(), ["127.0.172.2", "127.0.172.3"]);
}

#[test]
fn a_one_to_many_server_has_a_crowd() {
    serve("one-to-many", "1", crowd(), ["127.0.173.2", "127.0.173.3"]);
}

/// As many as there may be connections to the service, of which each process has one, with some to spare.
#[test]
fn a_server_that_forks_for_each_association_has_a_crowd() {
    serve("fork", "1", crowd().min(500), ["127.0.174.2", "127.0.174.3"]);
}
