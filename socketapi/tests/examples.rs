//! The examples run as their headers say.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// `cargo test` builds the examples beside the tests, unless it is asked for one test only.
fn example(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().unwrap().parent()?.parent()?.join("examples").join(name);
    if !path.exists() {
        println!(
            "SKIPPED: {name} is not built: run all tests of the crate, or cargo build --examples before"
        );
        return None;
    }
    Some(path)
}

/// A server that runs until the test ends.
struct Server(Child);

impl Server {
    /// Returns when it listens.
    fn start(name: &str, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(example(name)?);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it says that it listens").unwrap();
        assert!(first.starts_with("listening on"), "{first}");
        // It must be able to go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self(child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What a client says until it ends.
fn run(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(example(name).unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_server_answers_the_client() {
    for (server, address) in
        [("echo_server", "127.0.97.2"), ("tokio_echo", "127.0.97.3"), ("notifications", "127.0.97.4")]
    {
        let Some(_server) = Server::start(server, &[address]) else { return };
        let said = run("echo_client", &["127.0.97.1", address, "hello", "world"]);
        for line in ["stream 0: hello", "stream 1: world", "ended: Shutdown"] {
            assert!(said.contains(line), "{server}: {said}");
        }
    }
}

#[test]
fn the_client_with_several_addresses_sees_those_of_the_server() {
    let Some(_server) = Server::start("multihoming", &["server", "127.0.98.2", "127.0.99.2"]) else { return };
    let said = run("multihoming", &["client", "127.0.98.2", "127.0.98.1", "127.0.99.1"]);
    assert!(said.contains("the server has the addresses [127.0.98.2:7, 127.0.99.2:7]"), "{said}");
    assert!(said.contains("127.0.99.2: Active") && said.ends_with("ended: Shutdown\n"), "{said}");
}
