use super::*;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use sctp_descriptors::Style;
use std::os::fd::AsRawFd;

fn events(fd: &OwnedFd) -> PollFlags {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
    poll(&mut polled, PollTimeout::ZERO).unwrap();
    polled[0].revents().unwrap()
}

fn name(socket: u64) -> SocketName {
    SocketName { service: rand::random(), socket, slot: 0, style: Style::OneToOne }
}

fn pair(socket: u64, open: bool) -> (Pair, OwnedFd) {
    Pair::new(name(socket), open).unwrap()
}

/// The filler that a client writes.
fn fill(pair: &mut Pair, client: &OwnedFd) {
    let mut filler = pair.marker.to_vec();
    filler.resize(pair.close().0 as usize, 0);
    nix::unistd::write(client, &filler).unwrap();
}

#[test]
fn a_closed_pair_becomes_writable_when_it_opens() {
    let (mut pair, client) = pair(1, false);
    assert_eq!(events(&client), PollFlags::empty());
    pair.open();
    assert_eq!(events(&client), PollFlags::POLLOUT);
    assert!(matches!(pair.read(&mut [0; 8]), Incoming::Nothing));
}

#[test]
fn a_pair_is_closed_again_by_a_filler_that_the_client_writes() {
    let (mut pair, client) = pair(6, false);
    assert_eq!(pair.close(), Filler(0));
    pair.open();
    nix::unistd::write(&client, b"goes nowhere").unwrap();
    fill(&mut pair, &client);
    assert_eq!(events(&client), PollFlags::empty());
    pair.open();
    assert_eq!(events(&client), PollFlags::POLLOUT);
    assert!(matches!(pair.read(&mut [0; 8]), Incoming::Nothing));
}

#[test]
fn a_client_that_leaves_without_its_filler_holds_up_nobody() {
    let (mut pair, client) = pair(7, true);
    assert_ne!(pair.close(), Filler(0));
    drop(client);
    pair.open();
    assert!(matches!(pair.read(&mut [0; 8]), Incoming::Closed));
}

#[test]
fn records_written_before_the_pair_opens_follow_the_filler() {
    let (mut pair, client) = pair(2, false);
    nix::unistd::write(&client, b"early").unwrap();
    pair.open();
    assert!(matches!(pair.read(&mut [0; 8]), Incoming::Record(None, 5)));
}

#[test]
fn a_client_that_leaves_data_unread_has_still_written_what_it_wrote() {
    let (mut pair, client) = pair(3, true);
    assert_eq!(pair.write(b"unread"), Outgoing::Written);
    nix::unistd::write(&client, b"last words").unwrap();
    drop(client);
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Record(None, 10)));
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Closed));
    assert!(pair.is_reset());
}

#[test]
fn a_client_that_only_shuts_down_may_still_read() {
    let (mut pair, client) = pair(4, true);
    nix::sys::socket::shutdown(client.as_raw_fd(), nix::sys::socket::Shutdown::Write).unwrap();
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Shutdown));
    assert_eq!(pair.write(b"more"), Outgoing::Written);
    drop(client);
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Closed));
}

#[test]
fn empty_records_are_no_end() {
    let (mut pair, client) = pair(10, true);
    (0..3).for_each(|_| assert_eq!(nix::unistd::write(&client, b""), Ok(0)));
    nix::unistd::write(&client, b"more").unwrap();
    (0..3).for_each(|_| assert!(matches!(pair.read(&mut [0; 16]), Incoming::Stray)));
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Record(None, 4)));
    nix::unistd::write(&client, b"").unwrap();
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Stray));
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Nothing));
    nix::sys::socket::shutdown(client.as_raw_fd(), nix::sys::socket::Shutdown::Write).unwrap();
    pair.look_again();
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Shutdown));
}

#[test]
fn what_was_written_behind_an_empty_record_is_read_though_the_client_has_gone() {
    for closes in [true, false] {
        let (mut pair, client) = pair(13, true);
        let client = [b"".as_slice(), b"data", b"", b"more", b""].iter().fold(client, |client, record| {
            nix::unistd::write(&client, record).unwrap();
            client
        });
        if closes {
            drop(client);
        } else {
            nix::sys::socket::shutdown(client.as_raw_fd(), nix::sys::socket::Shutdown::Write).unwrap();
            // It stays open until the end of the test.
            std::mem::forget(client);
        }
        let mut next = || pair.read(&mut [0; 16]);
        assert!(matches!(
            [next(), next(), next(), next()],
            [Incoming::Stray, Incoming::Record(None, 4), Incoming::Stray, Incoming::Record(None, 4)]
        ));
        assert!(matches!((next(), closes), (Incoming::Closed, true) | (Incoming::Shutdown, false)));
    }
}

#[test]
fn what_comes_after_all_was_read_is_read_when_it_is_looked_for_again() {
    let (mut pair, client) = pair(14, true);
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Nothing));
    nix::unistd::write(&client, b"more").unwrap();
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Nothing));
    pair.look_again();
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Record(None, 4)));
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Nothing));
    // A filler that is asked for is read without being told of.
    fill(&mut pair, &client);
    assert!(matches!(pair.read(&mut [0; 64]), Incoming::Stray));
    assert_eq!(events(&client), PollFlags::POLLOUT);
}

#[test]
fn the_name_of_a_pair_outlives_the_service_s_end() {
    let name = name(5);
    let (pair, client) = Pair::new(name, true).unwrap();
    drop(pair);
    let peer: nix::sys::socket::UnixAddr = nix::sys::socket::getpeername(client.as_raw_fd()).unwrap();
    assert_eq!(peer.as_abstract().and_then(SocketName::from_bytes), Some(name));
}

#[test]
fn what_was_written_before_a_filler_is_read_and_the_filler_passed_over() {
    let (mut pair, client) = pair(8, true);
    nix::unistd::write(&client, b"before").unwrap();
    fill(&mut pair, &client);
    assert_eq!(events(&client), PollFlags::empty());
    let mut buffer = [0; 64];
    assert!(matches!(pair.read(&mut buffer), Incoming::Record(None, 6)));
    assert!(matches!(pair.read(&mut buffer), Incoming::Stray));
    assert!(matches!(pair.read(&mut buffer), Incoming::Nothing));
    assert_eq!(events(&client), PollFlags::POLLOUT);
    assert_ne!(pair.close(), Filler(0));
}

#[test]
fn a_headed_record_is_told_from_a_filler_and_leaves_that_where_it_is() {
    let (mut pair, client) = pair(15, true);
    let head = Head { stream: 3, ppid: 46, ..Head::default() };
    let record = [&head.to_bytes(&pair.marker)[..], b"payload"].concat();
    let wanted = pair.close();
    nix::unistd::write(&client, &record).unwrap();
    let mut buffer = [0; 64];
    let Incoming::Record(Some(read), 7) = pair.read(&mut buffer) else { panic!("it is headed") };
    assert_eq!((read, &buffer[Head::LEN..Head::LEN + 7]), (head, &b"payload"[..]));
    assert!(pair.is_filled() && wanted != Filler(0));
    // Without a payload it is none.
    nix::unistd::write(&client, &record[..Head::LEN]).unwrap();
    assert!(matches!(pair.read(&mut buffer), Incoming::Stray));
}

/// Takes a record out, as a client does.
fn taken(pair: &Pair, client: &OwnedFd) -> Option<Token> {
    let mut record = [0; 64];
    let len = nix::unistd::read(client, &mut record).unwrap();
    Token::from_bytes(&record[..len], &pair.marker)
}

#[test]
fn there_is_one_token_until_it_is_taken() {
    let (mut pair, client) = pair(9, true);
    pair.offer();
    pair.offer();
    let token = taken(&pair, &client).unwrap();
    assert_eq!(events(&client), PollFlags::POLLOUT);
    pair.took(token);
    assert_eq!(pair.stale(), None);
    pair.offer();
    assert_eq!(pair.stale(), Some(Token(token.0 + 1)));
}

#[test]
fn a_token_that_was_taken_by_who_died_is_missed() {
    let (mut pair, client) = pair(10, true);
    pair.offer();
    assert!(!pair.lost_token());
    taken(&pair, &client).unwrap();
    assert!(pair.lost_token() && !pair.has_token());
}

#[test]
fn a_stale_token_says_nothing_of_a_later_one() {
    let (mut pair, client) = pair(11, true);
    pair.offer();
    let stale = pair.stale().unwrap();
    pair.offer();
    pair.took(taken(&pair, &client).unwrap());
    assert!(pair.has_token());
    let later = taken(&pair, &client).unwrap();
    assert!(!later.is_up_to(stale));
}

#[test]
fn a_client_that_leaves_something_unread_is_known_without_reading() {
    let (mut pair, client) = pair(12, true);
    pair.write(b"unread");
    drop(client);
    pair.hang_up();
    assert!(pair.is_reset());
}

#[test]
fn a_token_that_comes_when_the_client_has_gone_is_nothing_that_it_left_unread() {
    let (mut pair, client) = pair(14, true);
    drop(client);
    pair.offer();
    pair.hang_up();
    assert!(!pair.is_reset() && !pair.has_token());
    pair.lose();
    assert!(pair.is_reset());
}

/// An epoll set that tells of edges of this pair, as the service waits for them.
fn edges_of(pair: &Pair) -> impl Fn() -> bool + use<> {
    let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    set.add(pair, EpollEvent::new(EpollFlags::EPOLLET, 0)).unwrap();
    move || set.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO).unwrap() == 1
}

#[test]
fn what_is_in_a_pair_is_read_when_it_is_shut_down_and_the_client_sees_a_hang_up() {
    let (mut pair, client) = pair(15, true);
    nix::unistd::write(&client, b"before").unwrap();
    pair.write(b"unread");
    pair.shut_down();
    assert_eq!(events(&client), PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLHUP);
    assert_eq!([6, 0], [(); 2].map(|()| nix::unistd::read(&client, &mut [0; 16]).unwrap()));
    let flags = nix::sys::socket::MsgFlags::MSG_NOSIGNAL;
    assert_eq!(nix::sys::socket::send(client.as_raw_fd(), b"behind", flags), Err(nix::errno::Errno::EPIPE));
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Record(None, 6)));
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Shutdown));
}

#[test]
fn the_last_close_is_known_of_a_pair_that_is_shut_down() {
    let (mut pair, client) = pair(16, true);
    pair.shut_down();
    let happens = edges_of(&pair);
    assert!(happens() && !pair.is_left() && !happens());
    drop(client.try_clone().unwrap());
    assert!(!happens());
    drop(client);
    assert!(happens() && pair.is_left());
    pair.hang_up();
    assert!(matches!(pair.read(&mut [0; 16]), Incoming::Closed));
}

#[test]
fn a_client_that_leaves_while_its_pair_is_shut_down_is_known_to_have_left() {
    let (mut pair, client) = pair(17, true);
    pair.shut_down();
    let happens = edges_of(&pair);
    drop(client);
    assert!(happens() && pair.is_left());
}
