//! A service that is told to stop.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use sctp_descriptors::Style;
use sctp_service::Rules;

use super::client::{THERE, at, clients_under};

const BOUND: Duration = Duration::from_secs(30);

#[test]
fn what_programs_have_written_is_sent_before_it_ends() {
    let [(here, control), (there, _)] = clients_under(&Rules::default());
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 1));
    let (client, idle) = (here.socket(Style::OneToOne), here.socket(Style::OneToMany));
    client.connect(at(THERE, 1));
    let server = listener.accept();
    // More than the peer reads, so that some of it waits in the pair.
    client.end.set_nonblocking(true).unwrap();
    let record = [7; 60_000];
    let written = (0..10_000).take_while(|_| client.end.send(&record).is_ok()).count();
    control.stop(BOUND);
    let mut late = 0;
    let refusal = loop {
        match client.end.send(b"late") {
            Ok(_) => late += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.raw_os_error(), Some(libc::EPIPE));
    idle.wait_for(PollFlags::POLLHUP);
    for at in 0..written {
        assert_eq!(server.read_bare(), record, "{at} of {written}");
    }
    for _ in 0..late {
        assert_eq!(server.read_bare(), b"late");
    }
    assert!(server.read_bare().is_empty(), "the end, in good order");
    client.wait_for(PollFlags::POLLHUP);
}

#[test]
fn a_program_that_does_not_read_delays_the_end_no_longer_than_the_bound() {
    let [(here, _), (there, control)] = clients_under(&Rules::default());
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 2));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 2));
    let server = listener.accept();
    // More than the server's pair takes: what is behind keeps its association.
    (0..20).for_each(|_| client.write_bare(&[7; 60_000]));
    let start = Instant::now();
    control.stop(Duration::from_millis(100));
    server.wait_for(PollFlags::POLLHUP);
    assert!(start.elapsed() >= Duration::from_millis(100));
    // What was in the pair can still be read.
    assert!((&server.end).read(&mut [0; 100_000]).is_ok());
}
