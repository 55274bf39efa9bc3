//! Several users.

use nix::poll::PollFlags;
use sctp_abi::constants::SCTP_RECVRCVINFO;
use sctp_descriptors::{Command, Reply, SocketName, Style, service_name};
use sctp_service::{Access, Rules};

use super::client::{
    Client, HERE, Handle, THERE, abstract_address, at, clients, clients_under, is_refused, unconnected,
    unstarted,
};
use super::one::pair;

const NOBODY: u32 = 65_534;

const ON: [u8; 4] = 1_i32.to_ne_bytes();

fn for_all() -> [Client; 2] {
    clients_under(&Rules { access: Access::All, ..Rules::default() }).map(|(client, _)| client)
}

/// A client of another user; `None` where this is not root.
fn as_nobody(client: &Client) -> Option<Client> {
    let service = client.service.clone();
    let connect = move || become_nobody_with(|| Client::connect(&service));
    is_root_or_skip().then(|| in_thread(connect).naming(NOBODY))
}

fn is_root_or_skip() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: not root");
    }
    is_root
}

fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().unwrap()
}

/// The calling thread becomes nobody, for the rest of its life, and does this.
fn become_nobody_with<T>(then: impl FnOnce() -> T) -> T {
    become_nobody();
    then()
}

#[expect(unsafe_code, reason = "the C library would change the user of all threads")]
fn become_nobody() {
    // SAFETY: numbers only; it changes this thread.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) }, 0);
}

#[test]
fn the_error_of_an_ended_socket_is_its_user_s_alone() {
    let clients = for_all();
    let Some(stranger) = as_nobody(&clients[0]) else { return };
    let (client, server) = pair(&clients, 7);
    server.set(SCTP_RECVRCVINFO, &ON);
    client.send(None, Vec::new(), b"never read");
    server.wait_for(PollFlags::POLLIN);
    drop(server);
    client.wait_for(PollFlags::POLLIN);
    let (stolen, _) = stranger.ask(client.name.socket, Command::TakeError);
    assert_eq!((stolen, client.ask(Command::TakeError)), (Reply::Show, Reply::Errno(libc::ECONNRESET)));
}

/// A daemon listens as root, forks, and its children give their privileges up: whoever holds the descriptor may use it.
#[test]
fn a_socket_is_of_whoever_shows_its_descriptor() {
    let clients = for_all();
    let [here, there] = &clients;
    let Some(worker) = as_nobody(there) else { return };
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 1));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 1));
    let shared = listener.shared_with(&worker);
    assert_eq!(shared.ask(Command::LocalAddress), Reply::Show);
    worker.show(&shared.end);
    assert_eq!(shared.ask(Command::LocalAddress), Reply::Address(at(THERE, 1)));
    // What comes of it is the worker's own.
    let accepted: Handle<'_> = shared.accept();
    client.write_bare(b"hello");
    assert_eq!(accepted.read_bare(), b"hello");
    assert!(matches!(accepted.ask(Command::PeerAddress), Reply::Address(_)));
}

#[test]
fn a_guest_that_took_a_token_and_died_holds_up_nobody() {
    let clients = for_all();
    let [here, there] = &clients;
    let Some(worker) = as_nobody(there) else { return };
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 2));
    let shared = listener.shared_with(&worker);
    worker.show(&shared.end);
    assert!(matches!(shared.ask(Command::LocalAddress), Reply::Address(_)));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 2));
    shared.take_token();
    drop(shared);
    drop(worker);
    listener.accept();
}

#[test]
fn nothing_but_its_descriptor_opens_another_user_s_socket() {
    let [here, there] = for_all();
    let Some(stranger) = as_nobody(&there) else { return };
    let (socket, other) = (there.socket(Style::OneToOne), here.socket(Style::OneToOne));
    let own = stranger.socket(Style::OneToOne);
    for shown in [&own.end, &other.end] {
        stranger.show(shown);
        assert_eq!(stranger.ask(socket.name.socket, Command::LocalAddress).0, Reply::Show);
    }
    assert!(matches!(own.ask(Command::LocalAddress), Reply::Address(_)));
}

/// A process may have got a socket of a service that does not serve its user: it is served for that one, and what comes of it.
#[test]
fn who_holds_a_socket_is_served_for_that() {
    if !is_root_or_skip() {
        return;
    }
    let [here, there] = clients();
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 1));
    let (service, name, end) = (there.service.clone(), listener.name, listener.end.try_clone().unwrap());
    let guest = in_thread(move || {
        become_nobody();
        assert!(is_refused(&service) && is_refused(&service_name(name.service)));
        Client::come_holding(name, &end)
    });
    let guest = guest.naming(NOBODY);
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 1));
    let accepted = listener.shared_with(&guest).accept();
    client.write_bare(b"hello");
    assert_eq!(accepted.read_bare(), b"hello");
    let socket = Command::Socket { ipv6: false, style: Style::OneToOne };
    assert_eq!(guest.ask(0, socket).0, Reply::Errno(libc::EACCES));
    let other = there.socket(Style::OneToOne);
    assert_eq!(other.shared_with(&guest).ask(Command::LocalAddress), Reply::Show);
}

/// Whether a call is permitted the kernel decides when it is made: who was root when it came is not for ever.
#[test]
fn who_has_become_another_user_may_not_do_more_by_a_connection_that_it_has_still() {
    if !is_root_or_skip() {
        return;
    }
    let rules = Rules { access: Access::All, lowest_port: 1_024, ..Rules::default() };
    let [(here, _), _] = clients_under(&rules);
    let of_root = here.socket(Style::OneToOne);
    let (service, socket) = (here.service.clone(), of_root.name.socket);
    in_thread(move || {
        let client = Client::connect(&service);
        assert_eq!(client.socket(Style::OneToOne).ask(Command::Bind(at(HERE, 80))), Reply::Done);
        become_nobody();
        let own = client.socket(Style::OneToOne);
        assert_eq!(own.ask(Command::Bind(at(HERE, 81))), Reply::Errno(libc::EACCES));
        assert_eq!(own.ask(Command::Bind(at(HERE, 2_000))), Reply::Done);
        // Root may use all sockets.
        assert_eq!(client.ask(socket, Command::LocalAddress).0, Reply::Show);
    });
}

/// Anybody may take an abstract name, and sees those that there are: so nobody may know which ones are to come.
#[test]
fn who_takes_names_that_sockets_might_have_next_keeps_nobody_from_making_some() {
    let [client, _] = clients();
    let latest = client.socket(Style::OneToOne).name;
    let take = |(next, slot)| {
        let taken = unconnected();
        let name = SocketName { socket: latest.socket + next, slot, ..latest }.to_bytes();
        taken.bind(&abstract_address(&name)).map(|()| taken)
    };
    let names = (1..=20).flat_map(|next| (0..8).map(move |slot| (next, slot)));
    let taken: Vec<_> = names.filter_map(|name| take(name).ok()).collect();
    assert_eq!(taken.len(), 20 * 8);
    let made: Vec<_> = (0..4).map(|_| client.socket(Style::OneToOne)).collect();
    assert!(made.is_sorted_by_key(|socket| socket.name.socket));
}

/// The sockets that were asked for. The service numbers them in their order. (Who closes one costs a turn.)
fn sockets(client: &Client, count: usize) -> Vec<Handle<'_>> {
    client.is_greeted();
    (0..count).map(|_| Handle::of(client, client.hear().1.unwrap())).collect()
}

fn asking_for_sockets(service: &str, count: usize) -> Client {
    let client = Client::come(service);
    for _ in 0..count {
        client.tell(0, Command::Socket { ipv6: false, style: Style::OneToOne });
    }
    client
}

/// Of a service that finds all this when it starts, so that nothing depends on time.
#[test]
fn a_user_with_many_connections_full_of_commands_has_one_turn_for_each_of_another_one_s() {
    const FEW: usize = 20;
    const MANY: usize = 40;
    if !is_root_or_skip() {
        return;
    }
    let (service, name) = unstarted(Rules { access: Access::All, ..Rules::default() });
    let first = asking_for_sockets(&name, MANY);
    let at = name.clone();
    let modest = in_thread(move || become_nobody_with(|| asking_for_sockets(&at, FEW)));
    let rest: Vec<_> = (0..4).map(|_| asking_for_sockets(&name, MANY)).collect();
    std::thread::spawn(move || service.run(None));
    let modest = sockets(&modest, FEW);
    let many = [&first].into_iter().chain(&rest);
    let flood: Vec<_> = many.flat_map(|client| sockets(client, MANY)).collect();
    let (begin, end) = (modest[0].name.socket, modest[FEW - 1].name.socket);
    let between = flood.iter().filter(|socket| (begin..end).contains(&socket.name.socket)).count();
    // Its connections count, too.
    assert!((FEW - 6..=FEW + 1).contains(&between), "{between} turns beside {FEW}");
    // What it has asked for was all done.
    assert_eq!(flood.len(), 5 * MANY);
}
