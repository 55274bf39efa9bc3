use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sctp_descriptors::Style;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// Both ends of a pair; the service's is named.
struct Pair {
    service: OwnedFd,
    client: OwnedFd,
    name: SocketName,
}

impl Pair {
    fn new(socket: u64) -> Self {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two.
        let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) };
        assert_eq!(made, 0);
        // SAFETY: just made, and owned by nobody else.
        let [service, client] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        // A pair that is gone may live on in the child of a test that forks, and so its name.
        static PAIRS: AtomicU64 = AtomicU64::new(0);
        let number = PAIRS.fetch_add(1, Ordering::Relaxed);
        let service_number = u64::from(std::process::id()) << 32 | number;
        let name = SocketName { service: service_number, socket, slot: 0, style: Style::OneToOne };
        let (address, length) = address::abstract_name(&name.to_bytes()).unwrap();
        // SAFETY: the address is valid for its length.
        assert_eq!(unsafe { real::bind(service.as_raw_fd(), (&raw const address).cast(), length) }, 0);
        set_peek_offset(client.as_raw_fd(), 0).unwrap();
        Self { service, client, name }
    }

    fn put(&self, record: &[u8]) {
        // SAFETY: the record is valid for its length.
        let sent = unsafe { real::send(self.service.as_raw_fd(), record.as_ptr().cast(), record.len(), 0) };
        assert_eq!(sent, record.len() as isize);
    }

    fn token(&self, number: u32) -> [u8; Token::LEN] {
        Token(number).to_bytes(&self.name.marker())
    }

    fn look(&self, buffer: &mut [u8]) -> Result<Head, Stop> {
        let parts = one(buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: of `buffer`.
        look(self.client.as_raw_fd(), self.name, unsafe { Parts::new(&parts) })
    }

    fn take(&self) -> Option<usize> {
        take(self.client.as_raw_fd())
    }
}

#[test]
fn short_reads_leave_the_rest_and_the_last_takes_the_record() {
    let pair = Pair::new(1);
    pair.put(b"abcdef");
    let mut buffer = [0; 4];
    assert_eq!((pair.look(&mut buffer), &buffer), (Ok(Head::Bare(6)), b"abcd"));
    assert_eq!((pair.look(&mut buffer), &buffer[..2]), (Ok(Head::Bare(2)), &b"ef"[..]));
    assert_eq!(pair.take(), Some(6));
    assert_eq!(pair.look(&mut buffer), Ok(Head::Nothing));
    pair.put(b"x");
    assert_eq!(pair.look(&mut buffer), Ok(Head::Bare(1)));
}

#[test]
fn tokens_are_told_from_records_with_any_room() {
    for room in [0, 1, 15, 16, 19, 20, 64] {
        let pair = Pair::new(2);
        let mut other = pair.token(1);
        other[7] ^= 1;
        pair.put(&other);
        pair.put(&pair.token(2));
        let mut buffer = vec![0; room];
        assert_eq!(pair.look(&mut buffer), Ok(Head::Bare(20)), "{room}");
        if (1..20).contains(&room) {
            // The rest of a record that began like a token.
            assert_eq!(pair.look(&mut [0; 20]), Ok(Head::Bare(20 - room)));
        }
        assert_eq!(pair.take(), Some(20));
        assert_eq!(pair.look(&mut buffer), Ok(Head::Token), "{room}");
        assert_eq!(take_token(pair.client.as_raw_fd(), pair.name), Some(Token(2)));
        assert_eq!(pair.look(&mut buffer), Ok(Head::Nothing));
    }
}

#[test]
fn the_end_of_a_longer_record_is_no_token_unless_it_looks_like_one() {
    let pair = Pair::new(3);
    pair.put(b"0123456789abcdefghijklmn");
    assert_eq!(pair.look(&mut [0; 4]), Ok(Head::Bare(24)));
    assert_eq!(pair.look(&mut [0; 20]), Ok(Head::Bare(20)));
    assert_eq!(pair.take(), Some(24));
}

#[test]
fn a_glance_leaves_everything_as_it_was() {
    let pair = Pair::new(4);
    pair.put(b"abcdef");
    pair.put(&pair.token(1));
    pair.put(&pair.token(2));
    assert_eq!(pair.look(&mut [0; 2]), Ok(Head::Bare(6)));
    assert_eq!(glance(pair.client.as_raw_fd(), pair.name), Ok(Head::Bare(4)));
    discard(pair.client.as_raw_fd(), pair.name, Some(Token(1)));
    let mut buffer = [0; 4];
    assert_eq!((pair.look(&mut buffer), &buffer), (Ok(Head::Bare(4)), b"cdef"));
    pair.take();
    assert_eq!(glance(pair.client.as_raw_fd(), pair.name), Ok(Head::Token));
    assert_eq!(glance(pair.client.as_raw_fd(), pair.name), Ok(Head::Token));
    discard(pair.client.as_raw_fd(), pair.name, Some(Token(1)));
    // The later one stays.
    assert_eq!(take_token(pair.client.as_raw_fd(), pair.name), Some(Token(2)));
    assert_eq!(pair.look(&mut buffer), Ok(Head::Nothing));
}

#[test]
fn bare_records_are_taken_out_as_far_as_they_were_not_read() {
    let pair = Pair::new(8);
    [&b"abcdef"[..], b"0123456789abcdef", &pair.token(9)].into_iter().for_each(|record| pair.put(record));
    assert_eq!(pair.look(&mut [0; 2]), Ok(Head::Bare(6)));
    let taken = take_bare(pair.client.as_raw_fd(), pair.name).unwrap();
    assert_eq!(taken, [&b"cdef"[..], b"0123456789abcdef"]);
    assert_eq!(pair.look(&mut [0; 16]), Ok(Head::Token));
    assert_eq!(take_token(pair.client.as_raw_fd(), pair.name), Some(Token(9)));
}

#[test]
fn a_descriptor_that_is_not_what_was_remembered_is_noticed() {
    let pair = Pair::new(5);
    let wrong = SocketName { socket: 6, ..pair.name };
    let mut buffer = [0; 16];
    let parts = one(buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: of `buffer`.
    let parts = unsafe { Parts::new(&parts) };
    let look_as = |name| look(pair.client.as_raw_fd(), name, parts);
    assert_eq!(look_as(wrong), Err(Stop::Stranger));
    pair.put(b"abc");
    assert_eq!((look_as(wrong), look_as(pair.name)), (Err(Stop::Stranger), Ok(Head::Bare(3))));
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(look(file.as_raw_fd(), pair.name, parts), Err(Stop::Stranger));
}

#[test]
fn the_end_is_seen_behind_all_records() {
    let mut pair = Pair::new(7);
    pair.put(b"last");
    pair.service = pair.client.try_clone().unwrap();
    assert_eq!((pair.look(&mut [0; 8]), pair.take()), (Ok(Head::Bare(4)), Some(4)));
    // The child of a test that forks may have the service's end for a moment.
    let (end, mut seen) = (Instant::now() + LIMIT, pair.look(&mut [0; 8]));
    while seen == Ok(Head::Nothing) && Instant::now() < end {
        std::thread::yield_now();
        seen = pair.look(&mut [0; 8]);
    }
    assert_eq!(seen, Ok(Head::End));
}

/// A socket that listens: while one looks at a token the others see it, and looks of many at once leave nothing hidden.
#[test]
fn looks_at_once_do_not_hide_tokens_where_nothing_else_comes() {
    let pair = Pair::new(9);
    let fd = pair.client.as_raw_fd();
    peek_at_the_first(fd).unwrap();
    pair.put(&pair.token(1));
    assert_eq!(pair.look(&mut [0; 64]), Ok(Head::Token));
    assert_eq!((pair.look(&mut [0; 64]), glance(fd, pair.name)), (Ok(Head::Token), Ok(Head::Token)));
    assert_eq!(peek_token(fd, pair.name), Ok(Some(Token(1))));
    assert_eq!(take_token(fd, pair.name), Some(Token(1)));
    assert_eq!(glance(fd, pair.name), Ok(Head::Nothing));
    assert_eq!(peek_offset(fd), Ok(AT_THE_FIRST));
}

/// MSG_PEEK of one thread beside others that read.
#[test]
fn who_only_looks_leaves_the_record_and_how_much_of_it_was_read() {
    for room in [1, 7, 20, 64] {
        let pair = Pair::new(10);
        let fd = pair.client.as_raw_fd();
        let look_only = || {
            let mut buffer = vec![0; room];
            let parts = one(buffer.as_mut_ptr().cast(), buffer.len());
            // SAFETY: of `buffer`.
            let found = look_only(fd, pair.name, unsafe { Parts::new(&parts) });
            (found, buffer)
        };
        pair.put(b"abcdef");
        pair.put(&pair.token(1));
        let (found, buffer) = look_only();
        assert_eq!((found, buffer[0]), (Ok((Head::Bare(6), 0)), b'a'), "{room}");
        assert_eq!(pair.look(&mut [0; 2]), Ok(Head::Bare(6)));
        let (found, buffer) = look_only();
        assert_eq!((found, buffer[0]), (Ok((Head::Bare(4), 2)), b'c'), "{room}");
        assert_eq!((pair.look(&mut [0; 4]), pair.take()), (Ok(Head::Bare(4)), Some(6)));
        assert_eq!(look_only().0, Ok((Head::Token, 0)), "{room}");
        assert_eq!((peek_offset(fd), take_token(fd, pair.name)), (Ok(0), Some(Token(1))));
        assert_eq!(look_only().0, Ok((Head::Nothing, 0)));
    }
}
