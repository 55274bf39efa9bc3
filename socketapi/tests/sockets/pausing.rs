//! One association that is not read, beside others that are.

use std::time::Instant;

use socketapi::{
    AssociationId, Error, Notification, Notifications, Patience, Poller, Received, Reliability, SctpSocket,
    SctpStream, SendInfo, SocketBuilder, Stack, Transport,
};

use crate::support::{LONG, Pair, in_memory, over_udp, soon, start, wait_until};

/// Of the buffers on either side.
const BUFFER: usize = 20_000;
const LEN: usize = 1_000;

/// A server that leaves unread what comes of the first of its two associations.
struct Site {
    server: SctpSocket,
    paused: AssociationId,
    slow: SctpStream,
    other: SctpStream,
}

impl Site {
    fn new(pair: &Pair) -> Self {
        let server = SocketBuilder::new(&pair.server).bind((pair.server_address, 0));
        let server = server.buffers(1 << 20, BUFFER).one_to_many().unwrap();
        server.set_read_timeout(Some(LONG));
        let address = server.local_addr().unwrap();
        let connect = || {
            let client = SocketBuilder::new(&pair.client).buffers(BUFFER, BUFFER).no_delay(true);
            client.connect(address).unwrap()
        };
        let (slow, other) = (connect(), connect());
        slow.set_read_timeout(Some(LONG));
        slow.send(b"hello", &SendInfo::new()).unwrap();
        let paused = server.recv_message().unwrap().info.association;
        server.pause_reading(paused).unwrap();
        Self { server, paused, slow, other }
    }

    /// Sends numbered messages on the slow association until it takes no more; how many there were.
    fn fill(&self) -> u32 {
        let (mut sent, deadline) = (0, soon());
        let window = || self.server.status(self.paused).unwrap().local_window.unwrap();
        self.slow.set_nonblocking(true);
        loop {
            match self.slow.send(&[7; LEN], &SendInfo::new().ppid(sent)) {
                Ok(()) => sent += 1,
                Err(Error::WouldBlock) if window() < LEN as u32 => return sent,
                Err(Error::WouldBlock) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < deadline, "its window stays open");
        }
    }

    /// The numbers of the messages that come before this.
    fn numbers_before(&self, is_it: impl Fn(&Notification) -> bool) -> Vec<u32> {
        let mut numbers = Vec::new();
        loop {
            match self.server.receive().unwrap() {
                Received::Message(message) => numbers.push(message.info.ppid),
                Received::Notification(_, notification) if is_it(&notification) => return numbers,
                Received::Notification(..) => {}
            }
        }
    }
}

/// RFC 9260, 6.2.
#[test]
fn its_peer_has_to_wait_and_the_others_are_read() {
    Pair::each(|pair| {
        let site = Site::new(pair);
        let sent = site.fill();
        assert!(sent as usize * LEN < 3 * BUFFER, "{sent} messages were taken in");
        for number in 0..50 {
            site.other.send(b"x", &SendInfo::new().ppid(number)).unwrap();
            assert_eq!(site.server.recv_message().unwrap().info.ppid, number);
        }
        let poller = Poller::new(&pair.server);
        poller.add(site.server.socket(), 0, false).unwrap();
        assert!(matches!(poller.wait(&mut Vec::new(), Patience::None), Err(Error::WouldBlock)));

        site.server.resume_reading(site.paused).unwrap();
        poller.wait(&mut Vec::new(), Patience::Until(pair.server.now() + LONG)).unwrap();
        (0..sent).for_each(|number| assert_eq!(site.server.recv_message().unwrap().info.ppid, number));
        site.slow.set_nonblocking(false);
        site.slow.send(b"x", &SendInfo::new().ppid(sent)).unwrap();
        assert_eq!(site.server.recv_message().unwrap().info.ppid, sent);
    });
}

#[test]
fn what_it_sends_and_what_is_told_of_that_does_not_wait() {
    let site = Site::new(&in_memory());
    site.fill();
    site.server.subscribe_to(site.paused, Notifications::SENDER_DRY).unwrap();
    let is_dry = || matches!(site.server.receive(), Ok(Received::Notification(_, Notification::SenderDry)));
    assert!(is_dry());
    site.server.send(site.paused, b"x", &SendInfo::new()).unwrap();
    assert!(is_dry());
}

type End = fn(&SctpStream) -> Result<(), Error>;

#[test]
fn its_end_comes_after_its_messages() {
    let ends: [End; 2] = [SctpStream::shutdown, |stream| stream.abort(b"enough")];
    for end in ends {
        let site = Site::new(&in_memory());
        site.server.subscribe(Notifications::ASSOCIATION).unwrap();
        (0..5).for_each(|number| site.slow.send(&[7; LEN], &SendInfo::new().ppid(number)).unwrap());
        wait_until("all have arrived", || !site.slow.status().unwrap().has_unacknowledged);
        end(&site.slow).unwrap();
        let is_end = |it: &Notification| {
            matches!(it, Notification::ShutdownComplete | Notification::CommunicationLost(_))
        };
        assert_eq!(site.numbers_before(is_end), [0, 1, 2, 3, 4]);
        assert!(matches!(site.server.resume_reading(site.paused), Err(Error::NoAssociation)));
    }
}

/// It would end before its messages, since a SHUTDOWN is the end of file.
#[test]
fn a_socket_with_one_association_cannot_leave_it_unread() {
    let (server, client) = in_memory().connected();
    let paused = server.socket().pause_reading(server.socket().only_association().unwrap());
    assert!(matches!(paused, Err(Error::NotOneToMany)), "{paused:?}");
    client.send(b"x", &SendInfo::new()).unwrap();
    client.shutdown().unwrap();
    assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 1);
    assert!(server.recv_deadline(soon()).unwrap().is_none());
}

/// RFC 9260, 5.2.4.2, case A: somebody with the same addresses and port knows nothing of the association.
#[test]
fn its_restart_comes_between_the_messages_from_before_and_those_from_then() {
    let pair = over_udp();
    let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
    server.subscribe(Notifications::ASSOCIATION).unwrap();
    server.set_read_timeout(Some(LONG));
    let address = server.local_addr().unwrap();
    let port = |stream: &SctpStream| stream.local_addr().unwrap().port();
    let first = SctpStream::connect(&pair.client, address).unwrap();
    let Received::Notification(Some(paused), _) = server.receive().unwrap() else {
        panic!("nothing was sent")
    };
    server.pause_reading(paused).unwrap();
    first.send(b"x", &SendInfo::new().ppid(1)).unwrap();
    wait_until("it has arrived", || !first.status().unwrap().has_unacknowledged);

    let again = Stack::builder().transport(Transport::Udp).address([127, 0, 0, 3]).udp_port(0);
    let again = again.remote_udp_port(pair.server.udp_port()).build().unwrap();
    let second = SocketBuilder::new(&again).bind(("127.0.0.3", port(&first))).connect(address).unwrap();
    second.send(b"x", &SendInfo::new().ppid(2)).unwrap();
    wait_until("it has arrived", || !second.status().unwrap().has_unacknowledged);
    // Too early: what is from before would come after the restart.
    server.pause_reading(paused).unwrap();
    let number = |received: Received| match received {
        Received::Message(message) => message.info.ppid,
        Received::Notification(_, Notification::Restarted) => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!([(); 3].map(|()| number(server.receive().unwrap())), [1, 0, 2]);
}

#[test]
fn a_stream_of_its_own_is_read() {
    let site = Site::new(&in_memory());
    let sent = site.fill();
    let stream = site.server.peel_off(site.paused).unwrap();
    (0..sent).for_each(|number| assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().info.ppid, number));
}

/// RFC 6458, 8.1.20: nothing else of an association comes between the pieces of a message.
#[test]
fn a_message_that_is_read_in_pieces_is_read_to_its_end() {
    let site = Site::new(&in_memory());
    site.server.resume_reading(site.paused).unwrap();
    let slow = start(move || {
        site.slow.send(&[7; 3 * BUFFER], &SendInfo::new()).unwrap();
        site.slow.send(&[7; LEN], &SendInfo::new()).unwrap();
        wait_until("all has arrived", || !site.slow.status().unwrap().has_unacknowledged);
        site.slow
    });
    let piece = || site.server.recv_message().unwrap();
    let first = piece();
    assert!(!first.info.end_of_record);
    site.server.pause_reading(site.paused).unwrap();
    let mut len = first.len();
    while len < 3 * BUFFER {
        len += piece().len();
    }
    let _slow = slow.finish();
    assert!(site.server.try_receive().unwrap().is_none());
    site.server.resume_reading(site.paused).unwrap();
    assert_eq!(piece().len(), LEN);
}

/// RFC 7496, 3.2: the sender gives the message up for another one, which is not its rest.
#[test]
fn a_message_that_is_read_in_pieces_may_have_no_end() {
    let site = Site::new(&in_memory());
    site.server.resume_reading(site.paused).unwrap();
    site.server.subscribe(Notifications::PARTIAL_DELIVERY).unwrap();
    let send = |len, priority| {
        site.slow.send(&vec![7; len], &SendInfo::new().reliability(Reliability::Priority(priority)))
    };
    send(3 * BUFFER, 9).unwrap();
    assert!(!site.server.recv_message().unwrap().info.end_of_record);
    site.server.pause_reading(site.paused).unwrap();
    let window = || site.server.status(site.paused).unwrap().local_window.unwrap();
    wait_until("its window is closed", || window() < LEN as u32);
    send(LEN, 1).unwrap();
    wait_until("all has arrived", || !site.slow.status().unwrap().has_unacknowledged);
    let next = site.server.try_receive().unwrap();
    let is_cut_off =
        |it: &Received| matches!(it, Received::Notification(_, Notification::PartialDeliveryAborted(_)));
    assert!(next.as_ref().is_some_and(is_cut_off), "{next:?}");
    assert!(site.server.try_receive().unwrap().is_none());
    site.server.resume_reading(site.paused).unwrap();
    assert_eq!(site.server.recv_message().unwrap().len(), LEN);
}

/// RFC 9260, 9.2: what was sent arrives. Else what nobody has read is a reason to abort.
#[test]
fn who_leaves_an_association_is_not_held_to_read_it() {
    let leave: fn(&SctpSocket, AssociationId) = |socket, id| socket.leave(id).unwrap();
    let just_close: fn(&SctpSocket, AssociationId) = |_, _| {};
    for (end, is_aborted) in [(leave, false), (just_close, true)] {
        let site = Site::new(&in_memory());
        let socket = site.server;
        (0..5).for_each(|number| site.slow.send(&[7; LEN], &SendInfo::new().ppid(number)).unwrap());
        wait_until("all have arrived", || !site.slow.status().unwrap().has_unacknowledged);
        socket.send(site.paused, b"x", &SendInfo::new()).unwrap();
        end(&socket, site.paused);
        drop(socket);
        let heard = site.slow.recv_message();
        let told = heard.as_ref().is_ok_and(|message| message.as_ref().is_some_and(|it| it.len() == 1));
        assert_eq!(!told || site.slow.recv_message().is_err(), is_aborted, "{heard:?}");
    }
}

/// More than the buffer holds comes yet, and who has closed owes nothing: the peer can end only if its data is taken in.
#[test]
fn who_leaves_a_peer_that_goes_on_sending_lets_it_end() {
    let site = Site::new(&in_memory());
    site.fill();
    site.slow.set_nonblocking(false);
    site.server.leave(site.paused).unwrap();
    drop(site.server);
    let end = site.slow.recv_message();
    assert!(matches!(end, Ok(None)), "{end:?}");
    wait_until("all has been taken", || !site.slow.status().is_ok_and(|status| status.has_unacknowledged));
}
