//! What programs had written when the peer's SHUTDOWN came (RFC 9260, 9.2).

use std::io::{ErrorKind, Write};

use nix::poll::PollFlags;
use sctp_descriptors::Reply;
use sctp_user::driver::unread_by_peer;

use super::client::{Handle, clients, wait_until};
use super::one::pair;

const RECORD_LEN: usize = 60_000;

/// Records in the pair that the service has no room for yet.
pub(crate) fn is_held_up(handle: &Handle<'_>) -> bool {
    !handle.events().contains(PollFlags::POLLOUT) && unread_by_peer(&handle.end).unwrap() > 0
}

/// Writes numbered records until nothing has room for more. How many.
fn write_all_that_fits(handle: &Handle<'_>) -> u32 {
    handle.end.set_nonblocking(true).unwrap();
    let (mut count, mut queued) = (0_u32, None);
    loop {
        let mut record = count.to_ne_bytes().to_vec();
        record.resize(RECORD_LEN, 0);
        match (&handle.end).write(&record) {
            Ok(len) => {
                assert_eq!(len, RECORD_LEN);
                count += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                // For the answer the service reads its network.
                let now = handle.associations();
                if is_held_up(handle) && queued.replace(now.clone()) == Some(now) {
                    return count;
                }
            }
        }
    }
}

fn shut_down(handle: &Handle<'_>) {
    handle.end.shutdown(std::net::Shutdown::Write).unwrap();
}

fn await_end(handle: &Handle<'_>) {
    assert_eq!(handle.read_bare(), b"");
}

/// Nobody reads, so that records are in the pair when the SHUTDOWN comes: all are delivered before the end.
#[test]
fn what_was_written_bare_before_a_shutdown_came_is_delivered() {
    let clients = clients();
    let (client, server) = pair(&clients, 1);
    let count = write_all_that_fits(&server);
    shut_down(&client);
    wait_until("the SHUTDOWN comes", || server.slot().max_bare_len == 0);
    for number in 0..count {
        assert_eq!(client.read_bare()[..4], number.to_ne_bytes());
    }
    await_end(&client);
}

/// RFC 9260, 9.2: new messages are refused at once, whatever is still to be sent of the old ones.
#[test]
fn what_is_sent_by_a_command_after_a_shutdown_came_is_refused() {
    let clients = clients();
    let (client, server) = pair(&clients, 2);
    write_all_that_fits(&server);
    shut_down(&client);
    wait_until("the SHUTDOWN comes", || server.slot().max_bare_len == 0);
    let late = server.send(None, Vec::new(), b"late");
    assert_eq!(late, Reply::Errno(libc::EPIPE));
}

/// A program that does not read holds nobody up that has nothing to hear from it.
#[test]
fn a_shutdown_is_acknowledged_although_the_program_does_not_read() {
    let clients = clients();
    let (client, server) = pair(&clients, 3);
    // More than the pair holds, less than the receive buffer.
    let records = vec![vec![7; RECORD_LEN]; 8];
    records.iter().for_each(|record| client.write_bare(record));
    shut_down(&client);
    await_end(&client);
    assert!(records.iter().all(|record| server.read_bare() == *record));
    await_end(&server);
}

/// The program that has written is gone before what it wrote is.
#[test]
fn what_a_program_wrote_before_it_left_is_delivered_behind_a_shutdown() {
    let clients = clients();
    let (client, server) = pair(&clients, 4);
    let count = write_all_that_fits(&server);
    shut_down(&client);
    drop(server);
    for number in 0..count {
        assert_eq!(client.read_bare()[..4], number.to_ne_bytes());
    }
    await_end(&client);
}
