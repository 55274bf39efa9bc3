//! Addresses that change, and authenticated chunks, through the sockets (RFC 5061, RFC 4895; RFC 6458, 6.1.8, 8.3, 9.1).

use std::net::IpAddr;

use socketapi::{
    AssociationConfig, AuthenticationEvent, ChunkType, Error, HmacAlgorithm, KeyError, LocalAddressChange,
    Notification, Notifications, PathChange, Received, SctpListener, SctpStream, SendError, SendInfo,
    SocketBuilder,
};

use crate::support::{LONG, Pair, in_memory, over_udp, soon, wait_until};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Both ends of an association with this configuration: the server's first. The client is bound to 10.0.0.2 only.
fn connected(pair: &Pair, config: &AssociationConfig) -> (SctpListener, SctpStream, SctpStream) {
    let all = Notifications::PATHS | Notifications::AUTHENTICATION;
    let builder = |stack| SocketBuilder::new(stack).config(config.clone()).notifications(all);
    let listener = builder(&pair.server).bind((pair.server_address, 0)).listen().unwrap();
    let port = listener.local_addrs().unwrap()[0].port();
    let client = builder(&pair.client).bind("10.0.0.2:0").connect((pair.server_address, port)).unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    [&server, &client].iter().for_each(|stream| stream.set_read_timeout(Some(LONG)));
    (listener, server, client)
}

/// The next notification; messages before it fail the test.
fn told(stream: &SctpStream) -> Notification {
    match stream.receive().unwrap().expect("not the end") {
        Received::Notification(_, notification) => notification,
        Received::Message(message) => panic!("{message:?}"),
    }
}

fn dynamic() -> AssociationConfig {
    let mut config = AssociationConfig::default();
    (config.extensions.auth, config.extensions.asconf) = (true, true);
    config
}

/// RFC 6951, 5.7: for the sake of a NAT, by wildcards only.
#[test]
fn hidden_addresses_are_announced_by_the_source_of_packets() {
    let pair = in_memory();
    let (_listener, server, client) = connected(&pair, &dynamic());
    assert!(matches!(client.options().announce_source(), Err(Error::Command(_))), "they are not hidden");
    drop((server, client));
    let hidden = AssociationConfig { hide_addresses: true, ..dynamic() };
    let (_listener, server, client) = connected(&pair, &hidden);
    client.options().announce_source().unwrap();
    client.send(b"from here", &SendInfo::new()).unwrap();
    assert_eq!(server.recv_message().unwrap().unwrap().into_bytes(), &b"from here"[..]);
    assert_eq!(server.peer_addrs().unwrap().len(), 1);
}

#[test]
fn a_socket_gets_and_loses_addresses_while_it_is_connected() {
    let pair = in_memory();
    let (_listener, server, client) = connected(&pair, &dynamic());
    client.options().add_address(ip("10.0.1.2")).unwrap();
    let change = LocalAddressChange::Added;
    assert!(
        matches!(told(&client), Notification::LocalAddressChanged { address, change: c } if (address, c) == (ip("10.0.1.2"), change))
    );
    for expected in [PathChange::Added, PathChange::Confirmed] {
        let notification = told(&server);
        let fits = matches!(&notification, Notification::PathChanged { address, change } if (*address, *change) == (ip("10.0.1.2"), expected));
        assert!(fits, "{notification:?}");
    }
    client.options().set_peer_primary(ip("10.0.1.2")).unwrap();
    assert!(matches!(told(&server), Notification::PathChanged { change: PathChange::MadePrimary, .. }));
    client.options().remove_address(ip("10.0.0.2")).unwrap();
    assert!(matches!(told(&server), Notification::PathChanged { change: PathChange::Removed, .. }));
    assert_eq!(
        server.peer_addrs().unwrap().iter().map(|peer| peer.ip()).collect::<Vec<_>>(),
        [ip("10.0.1.2")]
    );
    server.send(b"over there", &SendInfo::new()).unwrap();
    wait_until("the change", || client.local_addrs().unwrap().len() == 1);
    assert!(matches!(client.options().remove_address(ip("10.0.1.2")), Err(Error::Command(_))));
    assert!(matches!(client.options().add_address(ip("10.9.9.9")), Err(Error::NotLocal(_))));
    loop {
        match client.receive().unwrap().unwrap() {
            Received::Message(message) => break assert_eq!(message.into_bytes(), "over there"),
            Received::Notification(..) => {}
        }
    }
}

#[test]
fn a_peer_without_the_extension_is_not_asked() {
    let pair = in_memory();
    let (_listener, server, client) = connected(&pair, &AssociationConfig::default());
    // RFC 6458, 9.1: the socket's addresses are for associations to come.
    client.options().add_address(ip("10.0.1.2")).unwrap();
    client.options().remove_address(ip("10.0.0.2")).unwrap();
    let of_socket: Vec<_> = client.local_addrs().unwrap().iter().map(|address| address.ip()).collect();
    assert_eq!(of_socket, [ip("10.0.1.2")]);
    assert_eq!(client.status().unwrap().local_addresses, [ip("10.0.0.2")], "the association keeps its own");
    client.send(b"from there", &SendInfo::new()).unwrap();
    assert_eq!(server.recv_message().unwrap().unwrap().into_bytes(), &b"from there"[..]);
    assert!(matches!(client.options().set_peer_primary(ip("10.0.0.2")), Err(Error::Command(_))));
}

/// RFC 6458, 8.3.2 to 8.3.5, 8.2.3, 8.2.4, 6.1.8.
#[test]
fn keys_change_and_only_who_knows_them_is_heard() {
    let pair = in_memory();
    let mut config = AssociationConfig::default();
    config.extensions.auth = true;
    config.auth.chunks.insert(ChunkType::DATA);
    let (_listener, server, client) = connected(&pair, &config);
    let chunks = |types: socketapi::ChunkTypes| types.iter().collect::<Vec<_>>();
    assert_eq!(chunks(client.options().peer_auth_chunks().unwrap()), [ChunkType::DATA]);
    assert_eq!(chunks(client.options().local_auth_chunks().unwrap()), [ChunkType::DATA]);
    for stream in [&server, &client] {
        stream.options().set_auth_key(9, b"known to both").unwrap();
    }
    assert_eq!(client.options().active_auth_key().unwrap(), 0);
    client.options().set_active_auth_key(9).unwrap();
    assert_eq!(client.options().active_auth_key().unwrap(), 9);
    client.send(b"signed", &SendInfo::new()).unwrap();
    assert!(matches!(told(&server), Notification::Authentication(AuthenticationEvent::NewKey(9))));
    assert_eq!(server.recv_message().unwrap().unwrap().into_bytes(), "signed");
    client.options().deactivate_auth_key(0).unwrap();
    assert!(matches!(told(&client), Notification::Authentication(AuthenticationEvent::FreeKey(0))));
    client.options().delete_auth_key(0).unwrap();
    let again = client.options().set_active_auth_key(0);
    assert!(
        matches!(&again, Err(Error::Command(error)) if error.to_string() == KeyError::Unknown(0).to_string())
    );
}

/// RFC 6458, 5.3.8: `SCTP_AUTHINFO`; 8.3.4, 8.3.5: a key is given up.
#[test]
fn a_message_may_have_a_key_of_its_own() {
    let pair = in_memory();
    let mut config = AssociationConfig::default();
    config.extensions.auth = true;
    config.auth.chunks.insert(ChunkType::DATA);
    let (_listener, server, client) = connected(&pair, &config);
    for stream in [&server, &client] {
        stream.options().set_auth_key(9, b"known to both").unwrap();
    }
    client.send(b"own", &SendInfo::new().auth_key(9)).unwrap();
    client.send(b"active", &SendInfo::new()).unwrap();
    assert!(matches!(told(&server), Notification::Authentication(AuthenticationEvent::NewKey(9))));
    assert_eq!(server.recv_message().unwrap().unwrap().into_bytes(), "own");
    assert_eq!(server.recv_message().unwrap().unwrap().into_bytes(), "active");
    client.options().deactivate_auth_key(9).unwrap();
    assert!(matches!(told(&client), Notification::Authentication(AuthenticationEvent::FreeKey(9))));
    let refused = client.send(b"too late", &SendInfo::new().auth_key(9));
    assert!(matches!(refused, Err(Error::Send(SendError::Key(KeyError::Deactivated(9))))), "{refused:?}");
    client.options().delete_auth_key(9).unwrap();
}

#[test]
fn options_turn_authentication_on_for_associations_to_come() {
    let pair = over_udp();
    let listener = SctpListener::bind(&pair.server, (pair.server_address, 0)).unwrap();
    let options = listener.options();
    assert!(!options.add_auth_chunk(ChunkType::INIT).unwrap(), "8.3.2");
    assert!(options.add_auth_chunk(ChunkType::SACK).unwrap());
    options.set_hmac_algorithms(&[HmacAlgorithm::Sha1]).unwrap();
    options.set_address_changes(true).unwrap();
    options.set_auto_asconf(true).unwrap();
    let parameters = options.parameters().unwrap();
    assert!(parameters.extensions.auth && parameters.extensions.asconf && parameters.auto_asconf);
    assert!(parameters.auth.chunks.contains(ChunkType::SACK));
    assert_eq!(parameters.auth.hmacs[..], [HmacAlgorithm::Sha1]);
}

/// RFC 6458, 6.1.6 and 8.1.10.
#[test]
fn upper_layers_hear_of_each_other_at_the_set_up() {
    let pair = in_memory();
    let builder = |stack| SocketBuilder::new(stack).notifications(Notifications::ADAPTATION);
    let server = builder(&pair.server).bind((pair.server_address, 0)).one_to_many_client().unwrap();
    server.options().set_adaptation_layer(Some(0x0506_0708)).unwrap();
    let config = server.options().parameters().unwrap();
    let listener = builder(&pair.server).config(config).bind((pair.server_address, 0)).listen().unwrap();
    let port = listener.local_addrs().unwrap()[0].port();
    let client = builder(&pair.client).connect((pair.server_address, port)).unwrap();
    client.set_read_timeout(Some(LONG));
    assert!(matches!(told(&client), Notification::AdaptationIndication(0x0506_0708)));
}
