//! Messages that may be given up, by the calls of an application (RFC 6458, 5.3.7; RFC 7496, 4).

use socketapi::{
    Abandoned, Error, Extensions, Notification, Notifications, Policy, Received, Reliability, SctpStream,
    SendInfo, SocketBuilder,
};
use std::time::Duration;

use crate::support::{LONG, Pair, in_memory, soon};

/// RFC 7496, 4.5: it is on unless one side does not want it.
#[test]
fn partial_reliability_is_agreed_on_and_can_be_refused() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        assert!(server.options().partial_reliability().unwrap());
        assert!(client.options().partial_reliability().unwrap());
        let (listener, address) = pair.listen();
        let client = SocketBuilder::new(&pair.client).one_to_many().unwrap();
        client.options().set_partial_reliability(false).unwrap();
        let association = client.connect(address).unwrap();
        let (server, _) = listener.accept_deadline(soon()).unwrap();
        assert!(!server.options().partial_reliability().unwrap());
        client.wait_connected(association).unwrap();
        assert!(!client.options_of(association).partial_reliability().unwrap());
    });
}

/// The other extensions can be refused, or asked for, in the same way.
#[test]
fn extensions_are_those_that_both_sides_offer() {
    Pair::each(|pair| {
        let (listener, address) = pair.listen();
        let offered = Extensions { nr_sack: true, ecn: true, ..Extensions::NONE };
        listener.options().set_extensions(Extensions { nr_sack: true, ..Extensions::default() }).unwrap();
        let client = SocketBuilder::new(&pair.client).one_to_many().unwrap();
        client.options().set_extensions(offered).unwrap();
        let association = client.connect(address).unwrap();
        let (server, _) = listener.accept_deadline(soon()).unwrap();
        client.wait_connected(association).unwrap();
        assert_eq!(server.options().extensions().unwrap(), offered);
        assert_eq!(client.options_of(association).extensions().unwrap(), offered);
    });
}

fn failed(stream: &SctpStream) -> (u32, bool) {
    match stream.receive().unwrap() {
        Some(Received::Notification(_, Notification::SendFailed(failure))) => (failure.context, failure.sent),
        other => panic!("{other:?}"),
    }
}

/// RFC 6458, 8.1.32; RFC 7496, 4.3 and 4.4: the socket's policy holds for what says nothing else, and is counted.
#[test]
fn the_default_policy_holds_for_messages_without_one() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    client.subscribe(Notifications::SEND_FAILED).unwrap();
    [&server, &client].into_iter().for_each(|stream| stream.set_read_timeout(Some(LONG)));
    let options = client.options();
    options.set_default_reliability(Reliability::Timed(Duration::ZERO)).unwrap();
    client.send(b"too late", &SendInfo::new().stream(3).context(7)).unwrap();
    assert_eq!(failed(&client), (7, false));
    client.send(b"reliable", &SendInfo::new().stream(3).reliability(Reliability::Full)).unwrap();
    assert_eq!(&server.recv_message().unwrap().unwrap().into_bytes()[..], b"reliable");
    let one = Abandoned { unsent: 1, sent: 0 };
    assert_eq!(options.abandoned(None).unwrap(), one);
    assert_eq!(options.abandoned(Some(Policy::Timed)).unwrap(), one);
    assert_eq!(options.abandoned_on(3, None).unwrap(), one);
    assert_eq!(options.abandoned_on(4, None).unwrap(), Abandoned::default());
    assert_eq!(options.abandoned(Some(Policy::Priority)).unwrap(), Abandoned::default());
}

/// RFC 7496, 3.2: a send that would block does not while messages of lower priority wait.
#[test]
fn an_important_message_is_sent_where_others_would_block() {
    let pair = in_memory();
    let (listener, address) = pair.listen();
    // From the beginning: what was sent before cannot be abandoned unsent.
    listener.options().set_receive_buffer(2_000).unwrap();
    let builder = SocketBuilder::new(&pair.client).buffers(20_000, 20_000);
    let client = builder.notifications(Notifications::SEND_FAILED).connect(address).unwrap();
    let (_server, _) = listener.accept_deadline(soon()).unwrap();
    client.set_nonblocking(true);
    let unimportant = SendInfo::new().reliability(Reliability::Priority(9));
    let refused = loop {
        if let Err(error) = client.send(&[9; 1_000], &unimportant) {
            break error;
        }
    };
    assert!(matches!(refused, Error::WouldBlock), "{refused:?}");
    client.send(&[1; 1_000], &SendInfo::new().reliability(Reliability::Priority(1))).unwrap();
    assert!(client.options().abandoned(Some(Policy::Priority)).unwrap().unsent > 0);
}
