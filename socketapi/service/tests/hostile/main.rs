//! Clients that speak the protocol wrongly on purpose, at random: the service goes on serving others, waits when there is nothing to do,
//! and holds nothing in the end. Alone, since processor time and descriptors of the whole process are looked at.

#[path = "../clients/client.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod client;
#[path = "../clients/idle.rs"]
mod idle;
mod wrong;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use sctp_descriptors::{Command, Head, Reply, Send, Style};
use sctp_service::{Control, Limits, Rules};

use client::{Client, HERE, Handle, THERE, at, clients_under, wait_until};
use idle::assert_idle;
use wrong::WrongClient;

/// What one client does in a run, and how many runs there are. Each client has a seed of its own, and does always the same as long as
/// it is answered the same; in which order the two are heard is not laid down.
const STEPS: usize = 3_000;
const RUNS: u64 = 4;

/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A message there and back.
fn is_served([here, there]: [&Client; 2], port: u16) {
    let (listener, client) = (there.socket(Style::OneToOne), here.socket(Style::OneToOne));
    listener.listen(at(THERE, port));
    client.connect(at(THERE, port));
    // Where another client goes in between, the token may have been put there anew: this one, too, could have taken it.
    let took = Some(listener.take_token());
    let (reply, accepted) = there.ask(listener.name.socket, Command::Accept { took });
    let server = Handle::of(there, accepted.unwrap_or_else(|| panic!("{reply:?}")));
    client.write_bare(b"there");
    assert_eq!(server.read_bare(), b"there");
    assert_eq!(server.send(None, Vec::new(), b"back"), Reply::Number(4));
    assert_eq!(client.read_bare(), b"back");
}

fn held(controls: &[&Control]) -> (usize, usize, usize) {
    let users = controls.iter().flat_map(|control| control.users());
    users.fold((0, 0, 0), |(sockets, associations, connections), user| {
        (sockets + user.sockets, associations + user.associations, connections + user.connections)
    })
}

#[test]
fn clients_that_do_everything_wrong_harm_nobody_else() {
    let _turn = TURN.lock();
    let [(here, first), (there, second)] = clients_under(&Rules::default());
    let (clients, controls) = ([&here, &there], [&first, &second]);
    is_served(clients, 1);
    wait_until("the sockets are given back", || held(&controls) == (0, 0, 2));
    let before = descriptors();
    for run in 0..RUNS {
        let wrong = [(&here, THERE, 2 * run), (&there, HERE, 2 * run + 1)].map(|(client, peer, seed)| {
            let mut wrong = WrongClient::new(client.service.clone(), peer, seed);
            thread::spawn(move || (0..STEPS).for_each(|_| wrong.step()))
        });
        while wrong.iter().any(|thread| !thread.is_finished()) {
            is_served(clients, 60_001);
        }
        wrong.into_iter().for_each(|thread| thread.join().unwrap());
        wait_until("all is given back", || held(&controls) == (0, 0, 2) && descriptors() <= before);
        assert_idle(&File::open("/proc/self/stat").unwrap());
    }
    // They come as far as to set up associations, and to send on them.
    let statistics = here.proc_file("net/sctp/snmp");
    for (row, least) in [("SctpActiveEstabs", 10), ("SctpPassiveEstabs", 10), ("SctpInOrderChunks", 50)] {
        let line = statistics.lines().find(|line| line.starts_with(row)).unwrap();
        let count: u64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!(count > least, "{line}");
    }
}

/// They are made, and nobody takes them: the client is hung up on when its answers have no room.
#[test]
fn sockets_whose_descriptors_nobody_takes_are_given_back() {
    let _turn = TURN.lock();
    let limits = Limits { sockets: 20_000, ..Limits::default() };
    let [(here, control), (there, _)] = clients_under(&Rules { limits, ..Rules::default() });
    let mut wrong = WrongClient::new(here.service.clone(), THERE, 0);
    wrong.asks_for_sockets(10_000);
    is_served([&here, &there], 1);
    drop(wrong);
    wait_until("all is given back", || held(&[&control]) == (0, 0, 1));
}

/// What means nothing is passed over, and what means something is sent, but a share of it at a time: also where a command waits for what
/// was written before.
#[test]
fn clients_that_never_stop_writing_hold_up_nobody() {
    let _turn = TURN.lock();
    let [(here, _), (there, _)] = clients_under(&Rules::default());
    let one = here.socket(Style::OneToOne);
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 2));
    one.connect(at(THERE, 2));
    let many = here.socket(Style::OneToMany);
    let stops = Arc::new(AtomicBool::new(false));
    let writers = [&one, &many].map(|socket| {
        let (end, marker, stops) =
            (socket.end.try_clone().unwrap(), socket.name.marker(), Arc::clone(&stops));
        let filler = marker.iter().copied().chain([0; 100]).collect::<Vec<u8>>();
        // The first stream there is, the other there is not.
        let [headed, wrong] = [0, u16::MAX].map(|stream| {
            let head = Head { stream, ..Head::default() };
            [&head.to_bytes(&marker)[..], b"x"].concat()
        });
        end.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                for record in [&filler[..], b"", b"x", &headed, &wrong] {
                    // There may be no room.
                    let _ = end.send(record);
                }
            }
        })
    });
    for _ in 0..20 {
        is_served([&here, &there], 60_001);
        // What is written there is not read at the other end: it is refused soon, at the latest.
        let payload = b"told".to_vec();
        let told = one.ask(Command::Send(Send { flags: 0, to: None, control: Vec::new(), payload }));
        assert!(matches!(told, Reply::Number(4) | Reply::Later(_)), "{told:?}");
        assert!(matches!(many.ask(Command::LocalAddress), Reply::Address(_)));
    }
    // What is written until they see that is taken out, but not for ever.
    let shutdown = Command::Shutdown { how: libc::SHUT_WR, awaited: false };
    assert!(matches!(one.ask(shutdown), Reply::Done | Reply::Errno(_)));
    (0..5).for_each(|_| is_served([&here, &there], 60_001));
    stops.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}
