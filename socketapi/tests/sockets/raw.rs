//! Over raw IP, in a network namespace of the test's own.

use std::process::Command;

use socketapi::{Error, SctpListener, SctpStream, SendInfo, Stack, Transport};

use crate::support::{pattern, soon};

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "SOCKETAPI_TEST_IN_NAMESPACE";

/// Runs the test named `name` again, in a new network namespace. True if this process is inside already.
fn inside_namespace(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: raw sockets and network namespaces need root");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let script = "ip link set lo up && exec \"$0\" \"$@\"";
    let status = Command::new("unshare")
        .args(["-n", "sh", "-c", script])
        .arg(program)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("run `unshare`");
    assert!(status.success(), "the test failed inside the namespace");
    false
}

fn raw(address: [u8; 4]) -> Stack {
    Stack::builder().transport(Transport::Raw).address(address).build().unwrap()
}

#[test]
fn two_stacks_talk_over_raw_ip() {
    if !inside_namespace("raw::two_stacks_talk_over_raw_ip") {
        return;
    }
    let (server, client) = (raw([127, 0, 0, 2]), raw([127, 0, 0, 3]));
    let listener = SctpListener::bind(&server, "127.0.0.2:5000").unwrap();
    let client = SctpStream::connect(&client, "127.0.0.2:5000").unwrap();
    let (server, peer) = listener.accept_deadline(soon()).unwrap();
    assert_eq!(peer.ip().to_string(), "127.0.0.3");
    client.send(&pattern(500_000), &SendInfo::new().ppid(1)).unwrap();
    assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().into_bytes(), pattern(500_000));
    // Packets of the association still come in when nobody listens on its port any more.
    drop(listener);
    server.send(&pattern(100_000), &SendInfo::new()).unwrap();
    assert_eq!(client.recv_deadline(soon()).unwrap().unwrap().len(), 100_000);
    client.shutdown().unwrap();
    assert!(server.recv_deadline(soon()).unwrap().is_none());
}

#[test]
fn the_default_stack_of_root_is_raw_and_talks_to_itself_over_both_families() {
    if !inside_namespace("raw::the_default_stack_of_root_is_raw_and_talks_to_itself_over_both_families") {
        return;
    }
    let stack = Stack::default_for_host().unwrap();
    assert_eq!(stack.transport(), Transport::Raw);
    for address in ["127.0.0.1:5000", "[::1]:5000"] {
        let listener = SctpListener::bind(&stack, address).unwrap();
        let client = SctpStream::connect(&stack, address).unwrap();
        let (server, _) = listener.accept_deadline(soon()).unwrap();
        client.send(&pattern(100_000), &SendInfo::new()).unwrap();
        assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().into_bytes(), pattern(100_000));
    }
}

#[test]
fn a_port_of_another_stack_of_the_host_is_refused() {
    if !inside_namespace("raw::a_port_of_another_stack_of_the_host_is_refused") {
        return;
    }
    let (first, second) = (Stack::default_for_host().unwrap(), Stack::default_for_host().unwrap());
    let _listener = SctpListener::bind(&first, "0.0.0.0:5000").unwrap();
    let error = SctpListener::bind(&second, "0.0.0.0:5000").unwrap_err();
    assert!(matches!(error, Error::Lease(_)), "{error}");
}

/// RFC 9260, 1.3: a transport address is an address and a port. Two sockets of one stack, and one of another.
#[test]
fn a_port_is_its_whose_the_address_is() {
    if !inside_namespace("raw::a_port_is_its_whose_the_address_is") {
        return;
    }
    for host in 2..=4 {
        let address = format!("127.0.0.{host}/8");
        let added = Command::new("ip").args(["addr", "add", &address, "dev", "lo"]).status();
        assert!(added.expect("run `ip`").success());
    }
    let whole = || Stack::builder().transport(Transport::Raw).build().unwrap();
    let (first, second, third) = (whole(), whole(), whole());
    let places = [(&first, "127.0.0.2:5000"), (&first, "127.0.0.3:5000"), (&second, "127.0.0.4:5000")];
    let listeners = places.map(|(stack, address)| SctpListener::bind(stack, address).unwrap());
    assert!(matches!(SctpListener::bind(&first, "127.0.0.2:5000"), Err(Error::PortInUse(5000))));
    assert!(matches!(SctpListener::bind(&first, "127.0.0.4:5000"), Err(Error::Lease(_))));
    assert!(matches!(SctpListener::bind(&third, "0.0.0.0:5000"), Err(Error::Lease(_))));
    let clients = places.map(|(_, address)| SctpStream::connect(&third, address).unwrap());
    for (number, client) in clients.iter().enumerate() {
        client.send(&[number as u8; 1_000], &SendInfo::new()).unwrap();
    }
    for (number, listener) in listeners.iter().enumerate() {
        let (server, _) = listener.accept_deadline(soon()).unwrap();
        let message = server.recv_deadline(soon()).unwrap().unwrap();
        assert_eq!(message.into_bytes()[..], [number as u8; 1_000]);
    }
}
