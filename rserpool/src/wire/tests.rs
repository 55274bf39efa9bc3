use std::net::IpAddr;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{PeId, PoolHandle, RegistrarId};

fn parse(bytes: &[u8]) -> Result<Parsed<AsapMessage>, ParseError> {
    AsapMessage::parse(bytes, &Format::default())
}

/// Everything can be written.
const FREE: Format =
    Format { life_unit: LifeUnit::Milliseconds, long_pool_handles: true, rare_transports: true };

const RESOLUTION: [u8; 12] = [5, 0, 0, 12, 0, 9, 0, 8, b'P', b'o', b'o', b'l'];

fn resolution_with(parameter: &[u8]) -> Vec<u8> {
    let mut bytes = RESOLUTION.to_vec();
    bytes.extend(parameter);
    bytes[3] = bytes.len() as u8;
    bytes
}

#[test]
fn transports_that_rsplib_cannot_parse_are_sent_only_where_that_is_allowed() {
    // RFC 5354, 3.3, 3.7 and 3.16.
    let opaque = Protocol::Opaque(b"any"[..].into());
    for protocol in [Protocol::UdpLite, Protocol::Dccp { service_code: 7 }, opaque] {
        let transport = Transport { protocol, port: 1, addresses: vec![IpAddr::from([10, 0, 0, 1])].into() };
        let message =
            AsapMessage::ServerAnnounce { registrar: RegistrarId(1), transports: vec![transport.clone()] };
        assert!(matches!(message.encode(&Format::default()), Err(EncodeError::RareTransport { .. })));
        let parsed = parse(&message.encode(&FREE).unwrap()).unwrap().message;
        let AsapMessage::ServerAnnounce { transports, .. } = parsed else { panic!("{parsed:?}") };
        assert_eq!(transports[0].protocol, transport.protocol);
    }
}

#[test]
fn unknown_parameters_are_treated_by_their_upper_bits() {
    // RFC 5354, 3: 00 drop, 01 drop and report, 10 skip, 11 skip and report.
    let drop = parse(&resolution_with(&[0x30, 0, 0, 4])).unwrap_err();
    assert_eq!(drop.report(), []);
    let drop_and_report = parse(&resolution_with(&[0x70, 0, 0, 4])).unwrap_err();
    let cause = |kind| ErrorCause::unrecognized_parameter(Bytes::from(vec![kind, 0, 0, 4]));
    assert_eq!(drop_and_report.report(), [cause(0x70)]);
    assert!(parse(&resolution_with(&[0xb0, 0, 0, 4])).unwrap().unrecognized.is_empty());
    let skip_and_report = parse(&resolution_with(&[0xf0, 0, 0, 4])).unwrap();
    assert_eq!(skip_and_report.unrecognized, [Bytes::from_static(&[0xf0, 0, 0, 4])]);
    // Each that is met before the message is dropped is treated as it says; one behind that is not looked at.
    let several = |last| [[0xf0, 0, 0, 4], [0xb0, 0, 0, 4], [last, 0, 0, 4], [0xf1, 0, 0, 4]].concat();
    assert_eq!(parse(&resolution_with(&several(0x70))).unwrap_err().report(), [cause(0xf0), cause(0x70)]);
    assert_eq!(parse(&resolution_with(&several(0x30))).unwrap_err().report(), [cause(0xf0)]);
}

#[test]
fn unknown_parameters_are_treated_so_wherever_they_are() {
    // RFC 5354, 3: among the addresses of a transport, in a transport of an element, behind messages that have no parameters.
    let parse_enrp = |bytes: &[u8]| EnrpMessage::parse(bytes, &Format::default()).map(|it| it.unrecognized);
    let in_announce = |kind| {
        let head = [10, 0, 0, 28, 0, 0, 0, 1, 0, 4, 0, 20, 0x0f, 0x17, 0, 0, kind, 0, 0, 4];
        [&head[..], &[0, 1, 0, 8, 10, 0, 0, 1]].concat()
    };
    let in_request = |kind| vec![2, 1, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, kind, 0, 0, 4];
    let in_takeover = |kind| vec![7, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, kind, 0, 0, 4];
    let places: [&dyn Fn(u8) -> Result<Vec<Bytes>, ParseError>; 3] = [
        &|kind| parse(&in_announce(kind)).map(|parsed| parsed.unrecognized),
        &|kind| parse_enrp(&in_request(kind)),
        &|kind| parse_enrp(&in_takeover(kind)),
    ];
    for parsed in places {
        let parameter = |kind| Bytes::from(vec![kind, 0, 0, 4]);
        assert_eq!(parsed(0x30).unwrap_err().report(), []);
        assert_eq!(parsed(0x70).unwrap_err().report(), [ErrorCause::unrecognized_parameter(parameter(0x70))]);
        assert_eq!(parsed(0xb0), Ok(Vec::new()));
        assert_eq!(parsed(0xf0), Ok(vec![parameter(0xf0)]));
    }
}

#[test]
fn unknown_messages_are_reported_only_when_their_upper_bits_ask_for_it() {
    // RFC 5354, 4.
    let silent = parse(&[0x20, 0, 0, 4]).unwrap_err();
    assert_eq!(silent.report(), []);
    let reported = parse(&[0x60, 0, 0, 4]).unwrap_err().report();
    assert_eq!(
        reported,
        [ErrorCause::new(CauseCode::UNRECOGNIZED_MESSAGE, Bytes::from_static(&[0x60, 0, 0, 4]))]
    );
}

#[test]
fn a_message_length_may_count_the_final_padding_or_not() {
    // RFC 5354, 4.
    let padded = [11, 0, 0, 12, 0, 13, 0, 6, b'h', b'i', 0, 0];
    let mut unpadded = padded;
    unpadded[3] = 10;
    let cookie = AsapMessage::Cookie(Bytes::from_static(b"hi"));
    for bytes in [&padded[..], &unpadded[..], &unpadded[..10], &padded[..10]] {
        assert_eq!(parse(bytes).unwrap().message, cookie, "{bytes:?}");
    }
    assert!(parse(&padded[..8]).is_err());
}

#[test]
fn a_long_pool_handle_is_read_but_sent_only_on_request() {
    let pool_handle = PoolHandle::new([b'x'; 33]);
    let message = AsapMessage::HandleResolution { subscribe: false, pool_handle, items: None };
    let refused = message.encode(&Format::default()).unwrap_err();
    assert_eq!(refused, EncodeError::PoolHandleTooLong { length: 33 });
    let format = Format { long_pool_handles: true, ..Format::default() };
    let bytes = message.encode(&format).unwrap();
    assert_eq!(parse(&bytes).unwrap().message, message);
}

#[test]
fn a_message_over_64_kib_is_refused() {
    let message = AsapMessage::Cookie(vec![0; 70_000].into());
    assert!(matches!(message.encode(&Format::default()), Err(EncodeError::TooLong { .. })));
}

#[test]
fn the_drafts_number_for_lu_dpf_means_rsplibs_policy() {
    assert_eq!(PolicyType::from_number(0x4000_0010), PolicyType::LeastUsedDpf);
    assert_eq!(PolicyType::LeastUsedDpf.number(), 0xb000_2002);
}

fn life_on_the_wire(life: Life, format: &Format) -> (u32, Life) {
    let address = IpAddr::from([10, 0, 0, 1]);
    let element = PoolElement {
        id: PeId(1),
        home: RegistrarId::NONE,
        life,
        user_transport: Transport::sctp(7, [address], TransportUse::DataOnly),
        policy: Policy::default(),
        asap_transport: None,
    };
    let message = AsapMessage::Registration { pool_handle: "Pool".into(), element };
    let bytes = message.encode(format).unwrap();
    let AsapMessage::Registration { element, .. } = AsapMessage::parse(&bytes, format).unwrap().message
    else {
        panic!("not a registration");
    };
    (u32::from_be_bytes(bytes[24..28].try_into().unwrap()), element.life)
}

#[test]
fn a_life_is_milliseconds_or_to_the_rfcs_letter_seconds() {
    let seconds = Format { life_unit: LifeUnit::Seconds, ..Format::default() };
    let life = Life::from_millis(90_000);
    assert_eq!(life_on_the_wire(life, &Format::default()), (90_000, life));
    assert_eq!(life_on_the_wire(life, &seconds), (90, life));
    assert_eq!(life_on_the_wire(Life::INFINITE, &Format::default()), (u32::MAX, Life::INFINITE));
    assert_eq!(life_on_the_wire(Life::INFINITE, &seconds), (u32::MAX, Life::INFINITE));
}

#[test]
fn an_update_that_neither_adds_nor_removes_is_refused() {
    // RFC 5353, 2.4; what is reserved there is 0, and not looked at.
    const ACTION: usize = 13;
    const RESERVED: std::ops::Range<usize> = 14..16;
    let element = PoolElement {
        id: PeId(1),
        home: RegistrarId(2),
        life: Life::INFINITE,
        user_transport: Transport::sctp(1, [IpAddr::from([10, 0, 0, 1])], TransportUse::DataOnly),
        policy: Policy::default(),
        asap_transport: None,
    };
    let (pool_handle, action) = ("Pool".into(), UpdateAction::Delete);
    let body = EnrpBody::HandleUpdate { action, takeover_suggested: false, pool_handle, element };
    let message = EnrpMessage { sender: RegistrarId(2), receiver: RegistrarId::NONE, body };
    let mut bytes = message.encode(&Format::default()).unwrap().to_vec();
    let parse = |bytes: &[u8]| EnrpMessage::parse(bytes, &Format::default());
    assert_eq!((bytes[ACTION], &bytes[RESERVED]), (1, &[0, 0][..]));
    bytes[RESERVED].fill(0xff);
    assert_eq!(parse(&bytes).unwrap().message, message);
    bytes[ACTION] = 2;
    assert!(matches!(parse(&bytes), Err(ParseError::UnknownUpdateAction { action: 2 })));
}

#[test]
fn parameters_and_messages_are_padded_with_zeros_that_nobody_reads() {
    // RFC 5354, 3 and 4.
    for length in 1..=8 {
        let pool_handle = PoolHandle::new(vec![b'x'; length]);
        let message = AsapMessage::HandleResolution { subscribe: false, pool_handle, items: None };
        let mut bytes = message.encode(&Format::default()).unwrap().to_vec();
        let (head, padding) = (4 + 4 + length, length.next_multiple_of(4) - length);
        assert_eq!((bytes.len(), usize::from(bytes[7])), (head + padding, 4 + length));
        assert!(bytes[head..].iter().all(|byte| *byte == 0));
        bytes[head..].fill(0xff);
        assert_eq!(parse(&bytes).unwrap().message, message);
    }
}

#[test]
fn only_sctp_serves_for_control() {
    // RFC 5354, 3.3 (DCCP), 3.4 (SCTP: data is 0, data and control 1), 3.5 (TCP), 3.6 (UDP), 3.7 (UDP-Lite): whatever is where SCTP has its use.
    const USE: usize = 15;
    let sctp = |transport_use| Transport::sctp(1, [IpAddr::from([10, 0, 0, 1])], transport_use);
    let parse_transport = |bytes: &[u8]| match parse(bytes).map(|parsed| parsed.message) {
        Ok(AsapMessage::ServerAnnounce { transports, .. }) => Some(transports[0].clone()),
        _ => None,
    };
    let encode = |transport| {
        let message = AsapMessage::ServerAnnounce { registrar: RegistrarId(1), transports: vec![transport] };
        message.encode(&FREE).unwrap().to_vec()
    };
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::UdpLite, Protocol::Dccp { service_code: 7 }] {
        let transport = Transport { protocol, ..sctp(TransportUse::DataOnly) };
        let mut bytes = encode(transport.clone());
        assert_eq!(bytes[USE], 0);
        bytes[USE] = 1;
        assert_eq!(parse_transport(&bytes), Some(transport.clone()));
        assert_eq!(transport.transport_use(), TransportUse::DataOnly);
    }
    let mut bytes = encode(sctp(TransportUse::DataAndControl));
    assert_eq!(bytes[USE], 1);
    assert_eq!(parse_transport(&bytes), Some(sctp(TransportUse::DataAndControl)));
    bytes[USE] = 2;
    assert_eq!(parse_transport(&bytes), None);
}

#[test]
fn an_element_has_one_user_transport() {
    // RFC 5354, 3.10.
    let registration = |element: &[u8]| {
        let head = [1, 0, 0, (12 + element.len()) as u8, 0, 9, 0, 8, b'P', b'o', b'o', b'l'];
        parse(&[&head[..], element].concat())
    };
    let without = registration(&[0, 10, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert!(matches!(without, Err(ParseError::InvalidValue { param: ParamType::POOL_ELEMENT, .. })));
}

#[test]
fn a_transport_without_an_address_is_invalid() {
    // RFC 5354, 3.4: at least one address.
    let announce = [10, 0, 0, 16, 0, 0, 0, 1, 0, 4, 0, 8, 0x0f, 0x17, 0, 0];
    let error = parse(&announce).unwrap_err();
    assert!(matches!(error, ParseError::InvalidValue { param: ParamType::SCTP_TRANSPORT, .. }));
}

fn handles() -> impl Strategy<Value = PoolHandle> {
    vec(any::<u8>(), 0..=32).prop_map(PoolHandle::new)
}

fn policies() -> impl Strategy<Value = Policy> {
    let known = proptest::sample::select(PolicyType::all().collect::<Vec<_>>());
    let known = (known, any::<[u32; 4]>()).prop_map(|(policy_type, values)| {
        let fields = policy_type.fields().iter().zip(values);
        fields.fold(Policy::new(policy_type), |policy, (&field, value)| policy.with(field, value))
    });
    let own = (any::<[u32; 2]>(), any::<bool>()).prop_map(|(numbers, has_two)| match has_two {
        true => Policy::own(0x8000_4711, numbers),
        false => Policy::own(0x8000_4711, []),
    });
    prop_oneof![8 => known, 1 => own]
}

fn transports() -> impl Strategy<Value = Transport> + Clone {
    let protocol = prop_oneof![
        Just(Protocol::Sctp(TransportUse::DataOnly)),
        Just(Protocol::Sctp(TransportUse::DataAndControl)),
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::UdpLite),
        any::<u32>().prop_map(|service_code| Protocol::Dccp { service_code }),
    ];
    let located = (protocol, any::<u16>(), vec(any::<IpAddr>(), 1..4))
        .prop_map(|(protocol, port, addresses)| Transport { protocol, port, addresses: addresses.into() });
    let opaque = vec(any::<u8>(), 0..9).prop_map(|data| Transport {
        protocol: Protocol::Opaque(data.into()),
        port: 0,
        addresses: Default::default(),
    });
    prop_oneof![8 => located, 1 => opaque]
}

fn elements() -> impl Strategy<Value = PoolElement> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>());
    (numbers, transports(), policies(), proptest::option::of(transports())).prop_map(
        |((id, home, life), user_transport, policy, asap_transport)| PoolElement {
            id: PeId(id),
            home: RegistrarId(home),
            life: Life::from_millis(life),
            user_transport,
            policy,
            asap_transport,
        },
    )
}

fn causes() -> impl Strategy<Value = Vec<ErrorCause>> {
    let cause = (any::<u16>(), vec(any::<u8>(), 0..10))
        .prop_map(|(code, info)| ErrorCause::new(CauseCode(code), info.into()));
    vec(cause, 0..3)
}

fn asap_messages() -> impl Strategy<Value = AsapMessage> {
    use AsapMessage as M;
    let parts = (handles(), any::<u32>().prop_map(PeId), any::<bool>(), causes());
    let more = (vec(elements(), 0..3), policies(), vec(transports(), 0..3), vec(any::<u8>(), 0..40));
    (1..=14u8, parts, more).prop_map(
        |(kind, (pool_handle, pe_id, flag, errors), (mut elements, policy, transports, cookie))| {
            let registrar = RegistrarId(pe_id.0);
            let optional = flag.then_some(policy);
            match (kind, elements.pop()) {
                (1, Some(element)) => M::Registration { pool_handle, element },
                (1 | 2, _) => M::Deregistration { pool_handle, pe_id },
                (3, _) => M::RegistrationResponse { rejected: flag, pool_handle, pe_id, errors },
                (4, _) => M::DeregistrationResponse { pool_handle, pe_id, errors },
                (5, _) => {
                    M::HandleResolution { subscribe: flag, pool_handle, items: flag.then_some(pe_id.0) }
                }
                (6, _) => M::HandleResolutionResponse {
                    subscribed: flag,
                    pool_handle,
                    policy: optional,
                    elements,
                    errors,
                },
                (7, _) => M::EndpointKeepAlive {
                    new_home: flag,
                    registrar,
                    pool_handle,
                    pe_id: flag.then_some(pe_id),
                },
                (8, _) => M::EndpointKeepAliveAck { pool_handle, pe_id },
                (9, _) => M::EndpointUnreachable { pool_handle, pe_id },
                (10, _) => M::ServerAnnounce { registrar, transports },
                (11, _) => M::Cookie(cookie.into()),
                (12, _) => M::CookieEcho(cookie.into()),
                (13, _) => M::BusinessCard { pool_handle, policy: optional, elements },
                _ => M::Error(errors),
            }
        },
    )
}

fn enrp_bodies() -> impl Strategy<Value = EnrpBody> {
    let server = (any::<u32>(), transports())
        .prop_map(|(id, transport)| ServerInformation { id: RegistrarId(id), transport });
    let pool =
        (handles(), vec(elements(), 0..3)).prop_map(|(handle, elements)| PoolEntry { handle, elements });
    let target = any::<u32>().prop_map(RegistrarId);
    prop_oneof![
        (any::<bool>(), any::<Option<u16>>(), proptest::option::of(server.clone())).prop_map(
            |(reply_required, checksum, server)| EnrpBody::Presence { reply_required, checksum, server }
        ),
        any::<bool>().prop_map(|own_children_only| EnrpBody::HandleTableRequest { own_children_only }),
        (any::<bool>(), any::<bool>(), vec(pool, 0..3))
            .prop_map(|(more, rejected, pools)| { EnrpBody::HandleTableResponse { more, rejected, pools } }),
        (any::<bool>(), any::<bool>(), handles(), elements()).prop_map(
            |(delete, takeover_suggested, pool_handle, element)| {
                let action = if delete { UpdateAction::Delete } else { UpdateAction::Add };
                EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element }
            }
        ),
        Just(EnrpBody::ListRequest),
        (any::<bool>(), vec(server, 0..3))
            .prop_map(|(rejected, servers)| EnrpBody::ListResponse { rejected, servers }),
        target.clone().prop_map(|target| EnrpBody::InitTakeover { target }),
        target.clone().prop_map(|target| EnrpBody::InitTakeoverAck { target }),
        target.prop_map(|target| EnrpBody::TakeoverServer { target }),
        causes().prop_map(EnrpBody::Error),
    ]
}

proptest! {
    #[test]
    fn every_asap_message_survives_writing_and_reading(message in asap_messages()) {
        let bytes = message.encode(&FREE).unwrap();
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(parse(&bytes).unwrap().message, message);
    }

    #[test]
    fn every_enrp_message_survives_writing_and_reading(
        sender: u32,
        receiver: u32,
        body in enrp_bodies(),
    ) {
        let message = EnrpMessage { sender: RegistrarId(sender), receiver: RegistrarId(receiver), body };
        let bytes = message.encode(&FREE).unwrap();
        prop_assert_eq!(EnrpMessage::parse(&bytes, &FREE).unwrap().message, message);
    }

    #[test]
    fn mutated_messages_never_panic(
        message in asap_messages(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
    ) {
        let mut bytes = message.encode(&FREE).unwrap().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = parse(&bytes);
        let _ = EnrpMessage::parse(&bytes, &FREE);
        let _ = parse(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..200), kind in 0..16u8, flags: u8) {
        let _ = parse(&body);
        // Behind a header that fits, the parser gets further.
        let length = body.len() as u8 + 4;
        let bytes = [&[kind, flags, 0, length], &body[..]].concat();
        if let Ok(parsed) = parse(&bytes) {
            let _ = parsed.message.encode(&FREE);
        }
        let _ = EnrpMessage::parse(&bytes, &FREE);
    }
}
