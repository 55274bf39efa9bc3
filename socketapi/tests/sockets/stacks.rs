//! Many stacks in one process, and how they end.

use std::time::Duration;

use socketapi::{Error, Fault, LossReason, MemDriver, SctpListener, SctpStream, SendInfo, Stack, Transport};

use crate::support::{Pair, in_memory, over_udp, pattern, soon};

#[test]
fn twenty_stacks_in_one_process_do_not_meet() {
    let pairs: Vec<Pair> = (0..10).map(|_| in_memory()).collect();
    let listeners: Vec<_> = pairs
        .iter()
        .map(|pair| SctpListener::bind(&pair.server, (pair.server_address, 5_000)).unwrap())
        .collect();
    let clients: Vec<_> = pairs
        .iter()
        .map(|pair| SctpStream::connect(&pair.client, (pair.server_address, 5_000)).unwrap())
        .collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&number.to_be_bytes(), &SendInfo::new()).unwrap();
    }
    for (number, listener) in listeners.iter().enumerate() {
        let (stream, _) = listener.accept_deadline(soon()).unwrap();
        let message = stream.recv_deadline(soon()).unwrap().unwrap();
        assert_eq!(message.into_bytes()[..], number.to_be_bytes());
    }
}

#[test]
fn a_stack_can_talk_to_itself() {
    let udp = Stack::builder().transport(Transport::Udp).address([127, 0, 0, 4]).udp_port(0).build().unwrap();
    let listener = SctpListener::bind(&udp, "127.0.0.4:5000").unwrap();
    let client = SctpStream::connect(&udp, "127.0.0.4:5000").unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    client.send(&pattern(300_000), &SendInfo::new()).unwrap();
    assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().into_bytes(), pattern(300_000));
}

#[test]
fn the_second_stack_on_an_udp_port_is_told_why_not() {
    let first =
        Stack::builder().transport(Transport::Udp).address([127, 0, 0, 5]).udp_port(0).build().unwrap();
    let second =
        Stack::builder().transport(Transport::Udp).address([127, 0, 0, 5]).udp_port(first.udp_port());
    let error = second.build().unwrap_err();
    assert!(error.to_string().contains("is taken"), "{error}");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn the_last_drop_waits_until_everything_sent_is_delivered() {
    for pair in [in_memory(), over_udp()] {
        let (server, client) = pair.connected();
        client.send(&pattern(400_000), &SendInfo::new()).unwrap();
        drop((client, pair.client));
        // The client's stack is gone: what it sent is here.
        assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 400_000);
        assert!(server.recv_deadline(soon()).unwrap().is_none(), "in good order");
    }
}

#[test]
fn a_stack_without_linger_aborts_what_is_left() {
    let (ours, theirs) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let (a, b) = MemDriver::pair([ours], [theirs], 1500).unwrap();
    let server = Stack::builder().driver(a).build().unwrap();
    let client = Stack::builder().driver(b).linger(Duration::ZERO).build().unwrap();
    let pair = Pair { server, client, server_address: "10.0.0.1" };
    let (server, stream) = pair.connected();
    drop((stream, pair.client));
    match server.recv_deadline(soon()) {
        // The end in good order may have been quicker.
        Ok(None) | Err(Error::Lost(LossReason::PeerAborted { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn timers_run_while_no_call_waits() {
    let (ours, theirs) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let (a, b) = MemDriver::pair([ours], [theirs], 1500).unwrap();
    let server = Stack::builder().driver(a).build().unwrap();
    let client = Stack::builder().driver(b).build().unwrap();
    let pair = Pair { server, client, server_address: "10.0.0.1" };
    let (server, client) = pair.connected();
    client.options().change(|config| config.hb_interval = Some(Duration::from_millis(1))).unwrap();
    client.send(b"x", &SendInfo::new()).unwrap();
    server.recv_deadline(soon()).unwrap();
    // Nobody is in a call: the stacks' own threads answer and acknowledge.
    crate::support::wait_until("the acknowledgement", || !client.status().unwrap().has_unacknowledged);
}

#[test]
fn one_seed_draws_the_same_numbers() {
    let port = |seed: u8| {
        let (a, _b) = MemDriver::pair([[10, 0, 0, 1].into()], [[10, 0, 0, 2].into()], 1500).unwrap();
        let stack = Stack::builder().driver(a).seed([seed; 32]).build().unwrap();
        let listener = SctpListener::bind(&stack, "0.0.0.0:0").unwrap();
        listener.local_addrs().unwrap()[0].port()
    };
    assert_eq!(port(1), port(1));
    assert_ne!(port(1), port(2));
}

#[test]
fn a_bad_network_loses_no_message_and_the_capture_shows_the_packets() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("packets.pcapng");
    let (a, b) = MemDriver::pair([[10, 0, 0, 1].into()], [[10, 0, 0, 2].into()], 1500).unwrap();
    let quick = socketapi::AssociationConfig {
        rto_initial: Duration::from_millis(20),
        rto_min: Duration::from_millis(20),
        association_max_retrans: 50,
        path_max_retrans: 50,
        max_init_retransmits: 50,
        rto_max: Duration::from_millis(100),
        ..socketapi::AssociationConfig::default()
    };
    let builder = |driver| Stack::builder().driver(driver).defaults(quick.clone()).seed([9; 32]);
    let server = builder(a).build().unwrap();
    let fault = Fault::new("loss=2%,duplicate=2%".parse().unwrap(), [9; 32]);
    let out = std::fs::File::create(&file).unwrap();
    let client = builder(b).fault(fault).capture(out).build().unwrap();
    let pair = Pair { server, client, server_address: "10.0.0.1" };
    let (server, client) = pair.connected();
    for number in 0..200_u32 {
        client.send(&pattern(1_000), &SendInfo::new().ppid(number)).unwrap();
    }
    for number in 0..200 {
        assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().info.ppid, number);
    }
    drop((server, client, pair));
    // 200 kB of messages were on the wire.
    assert!(std::fs::metadata(&file).unwrap().len() > 200_000);
}
