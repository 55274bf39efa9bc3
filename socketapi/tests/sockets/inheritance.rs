//! What associations that come in take over from the socket that listens, whatever it was told and when.

use std::time::Duration;

use socketapi::{
    AssociationParameters, ChunkType, CongestionControl, DelayedSack, Error, FragmentInterleave,
    HmacAlgorithm, InitMessage, MtuSearchConfig, Multipath, Options, ReconfigPermissions, Reliability,
    RtoInfo, SctpSocket, SctpStream, SendInfo, SocketBuilder, StreamScheduler, Thresholds,
};

use crate::support::{in_memory, soon};

type Setting = (&'static str, fn(&Options<'_>) -> Result<(), Error>);

/// Every option that is about associations to come, each away from its default.
const SETTINGS: &[Setting] = &[
    ("SCTP_RTOINFO", |options| {
        let [initial, min, max] = [700, 300, 9_000].map(Duration::from_millis);
        options.set_rto_info(RtoInfo { initial, min, max })
    }),
    ("SCTP_ASSOCINFO", |options| {
        options.set_association_parameters(AssociationParameters { association_max_retrans: 3 })
    }),
    ("SCTP_INITMSG", |options| {
        let init = InitMessage { outbound_streams: 7, max_inbound_streams: 8, max_attempts: 2 };
        options.set_init_message(init)
    }),
    ("SCTP_NODELAY", |options| options.set_no_delay(true)),
    ("SCTP_PEER_ADDR_PARAMS", |options| {
        options.change_path(None, |path| {
            (path.hb_interval, path.dscp) = (Some(Duration::from_secs(3)), Some(0xb8));
        })
    }),
    ("IP_TOS", |options| options.change(|config| config.ipv4.traffic_class = 0x10)),
    ("SPP_PMTUD", |options| {
        let search = MtuSearchConfig { max_mtu: 1_400, ..MtuSearchConfig::default() };
        options.set_mtu_search(Some(search), 1_400)
    }),
    ("SCTP_PEER_ADDR_THLDS_V2", |options| {
        let thresholds = Thresholds {
            path_max_retrans: 6,
            potentially_failed_max_retrans: Some(2),
            primary_switchover_max_retrans: Some(9),
        };
        options.set_thresholds(None, thresholds)
    }),
    ("SCTP_EXPOSE_POTENTIALLY_FAILED_STATE", |options| options.set_expose_potentially_failed(false)),
    ("SCTP_DELAYED_SACK", |options| {
        options.set_delayed_sack(DelayedSack { delay: Duration::from_millis(90), frequency: 3 })
    }),
    ("SCTP_MAXSEG", |options| options.set_max_segment(500)),
    ("SCTP_DISABLE_FRAGMENTS", |options| options.set_disable_fragments(true)),
    ("SCTP_MAX_BURST", |options| options.set_max_burst(9)),
    ("congestion control", |options| options.set_congestion_control(CongestionControl::Cubic)),
    ("multipath", |options| options.set_multipath(Multipath::Pooled)),
    ("SCTP_AUTOCLOSE", |options| options.set_autoclose(Some(Duration::from_secs(77)))),
    ("SO_SNDBUF", |options| options.set_send_buffer(70_000)),
    ("SO_RCVBUF", |options| options.set_receive_buffer(80_000)),
    ("largest message", |options| options.set_max_message_size(60_000)),
    ("SCTP_INTERLEAVING_SUPPORTED", |options| options.set_interleaving(true)),
    ("SCTP_FRAGMENT_INTERLEAVE", |options| options.set_fragment_interleave(FragmentInterleave::Streams)),
    ("SCTP_PARTIAL_DELIVERY_POINT", |options| options.set_partial_delivery_point(Some(5_000))),
    ("SCTP_STREAM_SCHEDULER", |options| options.set_stream_scheduler(StreamScheduler::Priority)),
    ("SCTP_STREAM_SCHEDULER_VALUE", |options| options.set_stream_value(2, 5)),
    ("SCTP_DEFAULT_PRINFO", |options| options.set_default_reliability(Reliability::Retransmissions(4))),
    ("SCTP_PR_SUPPORTED", |options| options.set_partial_reliability(false)),
    ("SCTP_ENABLE_STREAM_RESET", |options| options.set_reconfig_permissions(ReconfigPermissions::ALL)),
    ("SCTP_HMAC_IDENT", |options| options.set_hmac_algorithms(&[HmacAlgorithm::Sha256])),
    ("SCTP_AUTH_CHUNK", |options| options.add_auth_chunk(ChunkType::DATA).map(|taken| assert!(taken))),
    ("ASCONF", |options| options.set_address_changes(true)),
    ("hidden addresses", |options| options.set_hidden_addresses(true)),
    ("SCTP_ADAPTATION_LAYER", |options| options.set_adaptation_layer(Some(0x0a0b_0c0d))),
    ("SCTP_AUTO_ASCONF", |options| options.set_auto_asconf(true)),
];

fn parameters(options: &Options<'_>) -> String {
    format!("{:?}", options.parameters().unwrap())
}

fn set_all(options: &Options<'_>) {
    for (name, set) in SETTINGS {
        let before = parameters(options);
        set(options).unwrap();
        assert_ne!(parameters(options), before, "{name} changes something");
    }
}

/// RFC 6458, 4.1.4 and 8.1: what holds for the listening socket holds for the associations that it takes.
#[test]
fn an_association_has_the_options_that_its_listener_had_when_it_began() {
    let pair = in_memory();
    let (listener, address) = pair.listen();
    let _early = SctpStream::connect(&pair.client, address).unwrap();
    let before = parameters(&listener.options());
    set_all(&listener.options());
    let late = SctpStream::connect(&pair.client, address).unwrap();
    let [first, second] = [(); 2].map(|()| listener.accept_deadline(soon()).unwrap().0);
    assert_eq!(parameters(&first.options()), before, "it waited to be accepted");
    assert_eq!(parameters(&second.options()), parameters(&listener.options()));
    assert_eq!(second.status().unwrap().outbound_streams, 7);
    assert!(first.options().partial_reliability().unwrap());
    assert!(!late.options().partial_reliability().unwrap(), "and the peer was told");
}

#[test]
fn an_association_that_is_peeled_off_keeps_its_options() {
    let pair = in_memory();
    let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
    set_all(&server.options());
    let client = SctpStream::connect(&pair.client, server.local_addrs().unwrap()[0]).unwrap();
    client.send(b"here", &SendInfo::new()).unwrap();
    let association = server.recv_deadline(soon()).unwrap().info.association;
    server.options_of(association).set_max_segment(444).unwrap();
    server.options().set_max_segment(555).unwrap();
    let stream = server.peel_off(association).unwrap();
    let kept = stream.options().parameters().unwrap();
    assert_eq!((kept.fragmentation_point, kept.send_buffer), (444, 70_000));
}

/// RFC 6458, 8.1.26 and 8.1.31.
#[test]
fn how_to_send_is_inherited_too() {
    let pair = in_memory();
    let (listener, address) = pair.listen();
    listener.options().set_default_send_info(SendInfo::new().stream(3).ppid(9));
    listener.options().set_explicit_eor(true);
    let client = SctpStream::connect(&pair.client, address).unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    server.send_default(b"two ").unwrap();
    server.send(b"halves", &SendInfo::new().stream(3).ppid(9).end_of_record()).unwrap();
    let message = client.recv_deadline(soon()).unwrap().unwrap();
    assert_eq!((message.info.stream, message.info.ppid), (3, 9));
    assert_eq!(message.into_bytes(), &b"two halves"[..]);
}

/// RFC 6458, 8.3.3; RFC 4895, 6.3: keys that a listening socket gets later.
#[test]
fn keys_that_a_listener_gets_later_are_those_of_associations_to_come() {
    let pair = in_memory();
    let (listener, address) = pair.listen();
    let client = SocketBuilder::new(&pair.client).one_to_many_client().unwrap();
    for options in [listener.options(), client.options()] {
        options.add_auth_chunk(ChunkType::DATA).unwrap();
        options.set_auth_key(5, b"only we two know").unwrap();
        options.set_active_auth_key(5).unwrap();
    }
    let association = client.connect(address).unwrap();
    let (server, _) = listener.accept_deadline(soon()).unwrap();
    client.send(association, b"signed with 5", &SendInfo::new()).unwrap();
    assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().into_bytes(), &b"signed with 5"[..]);
}
