//! The golden messages of RSPLIB's own message library: we read what it says, and say the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use rserpool::wire::{
    AsapMessage, CauseCode, EnrpBody, EnrpMessage, ErrorCause, Format, Life, Policy, PolicyField, PolicyType,
    PoolElement, PoolEntry, ServerInformation, Transport, TransportUse, UpdateAction,
};
use rserpool::{PeId, PoolHandle, RegistrarId};

struct Vector {
    kind: String,
    bytes: Vec<u8>,
}

/// The vectors by name: lines of `name | ppid | length | hex | form`.
fn vectors() -> BTreeMap<String, Vector> {
    let text = std::fs::read_to_string(crate::support::test_file("vectors/asap-enrp.txt")).expect("vectors");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines.map(vector).collect()
}

fn vector(line: &str) -> (String, Vector) {
    let fields: Vec<_> = line.split(" | ").collect();
    let [name, kind, length, hex, _form] = fields[..] else { panic!("five fields: {line}") };
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    let bytes: Vec<_> = (0..hex.len()).step_by(2).map(digits).collect();
    assert_eq!(bytes.len().to_string(), length, "{name}");
    (name.to_owned(), Vector { kind: kind.to_owned(), bytes })
}

const PE: PeId = PeId(0x1122_3344);

fn echo_pool() -> PoolHandle {
    "EchoPool".into()
}

fn registrar_transport() -> Transport {
    Transport::sctp(1235, ["10.1.1.1".parse().expect("address")], TransportUse::DataOnly)
}

fn element() -> PoolElement {
    let addresses = ["10.1.1.1", "2001:db8::1"].map(|address| address.parse().expect("address"));
    PoolElement {
        id: PE,
        home: RegistrarId::NONE,
        life: Life::from_millis(90_000),
        user_transport: Transport::sctp(1234, addresses, TransportUse::DataAndControl),
        policy: Policy::default(),
        asap_transport: None,
    }
}

fn element_for_registrars() -> PoolElement {
    PoolElement { home: RegistrarId(0xaabb_ccdd), asap_transport: Some(registrar_transport()), ..element() }
}

fn unrecognized_message() -> Vec<ErrorCause> {
    vec![ErrorCause::bare(CauseCode::UNRECOGNIZED_MESSAGE)]
}

fn asap(name: &str) -> AsapMessage {
    use AsapMessage as M;
    let (pool_handle, pe_id) = (echo_pool(), PE);
    let registrar = RegistrarId(0xaabb_ccdd);
    let no_errors = Vec::new();
    let round_robin = Some(Policy::default());
    let elements = vec![element()];
    match name {
        "Registration RR" => M::Registration { pool_handle, element: element() },
        "RegistrationResponse ok" => {
            M::RegistrationResponse { rejected: false, pool_handle, pe_id, errors: no_errors }
        }
        "RegistrationResponse reject" => {
            let errors = vec![ErrorCause::bare(CauseCode::RSPLIB_NO_USABLE_USER_ADDRESSES)];
            M::RegistrationResponse { rejected: true, pool_handle, pe_id, errors }
        }
        "Deregistration" => M::Deregistration { pool_handle, pe_id },
        "DeregistrationResponse" => M::DeregistrationResponse { pool_handle, pe_id, errors: no_errors },
        "HandleResolution" => M::HandleResolution { subscribe: false, pool_handle, items: None },
        "HandleResolution items=1" => M::HandleResolution { subscribe: false, pool_handle, items: Some(1) },
        "HandleResolutionResponse" => M::HandleResolutionResponse {
            subscribed: false,
            pool_handle,
            policy: round_robin,
            elements,
            errors: no_errors,
        },
        "HandleResolutionResponse err" => M::HandleResolutionResponse {
            subscribed: false,
            pool_handle,
            policy: None,
            elements: Vec::new(),
            errors: vec![ErrorCause::bare(CauseCode::UNKNOWN_POOL_HANDLE)],
        },
        "EndpointKeepAlive H=1" => {
            M::EndpointKeepAlive { new_home: true, registrar, pool_handle, pe_id: Some(PE) }
        }
        "EndpointKeepAliveAck" => M::EndpointKeepAliveAck { pool_handle, pe_id },
        "EndpointUnreachable" => M::EndpointUnreachable { pool_handle, pe_id },
        "ServerAnnounce" => M::ServerAnnounce { registrar, transports: Vec::new() },
        "Cookie" => M::Cookie(Bytes::from_static(b"COOKIE")),
        "CookieEcho" => M::CookieEcho(Bytes::from_static(b"COOKIE")),
        "BusinessCard" => M::BusinessCard { pool_handle, policy: round_robin, elements },
        "Error" => M::Error(unrecognized_message()),
        other => panic!("unexpected vector {other}"),
    }
}

fn enrp(name: &str) -> EnrpMessage {
    let target = RegistrarId(3);
    let between = |sender, receiver, body| EnrpMessage {
        sender: RegistrarId(sender),
        receiver: RegistrarId(receiver),
        body,
    };
    let usual = |body| between(0xaabb_ccdd, 0x5566_7788, body);
    match name {
        "Presence R=1" => usual(EnrpBody::Presence {
            reply_required: true,
            checksum: Some(0x4deb),
            server: Some(ServerInformation {
                id: RegistrarId(0xaabb_ccdd),
                transport: registrar_transport(),
            }),
        }),
        "ListRequest" => usual(EnrpBody::ListRequest),
        "HandleTableRequest W=1" => usual(EnrpBody::HandleTableRequest { own_children_only: true }),
        "HandleTableResponse" => {
            let pools = vec![PoolEntry { handle: echo_pool(), elements: vec![element_for_registrars()] }];
            usual(EnrpBody::HandleTableResponse { more: false, rejected: false, pools })
        }
        "HandleUpdate ADD" => usual(EnrpBody::HandleUpdate {
            action: UpdateAction::Add,
            takeover_suggested: false,
            pool_handle: echo_pool(),
            element: element_for_registrars(),
        }),
        "InitTakeover" => between(1, 2, EnrpBody::InitTakeover { target }),
        "InitTakeoverAck" => between(1, 2, EnrpBody::InitTakeoverAck { target }),
        "TakeoverServer" => between(1, 2, EnrpBody::TakeoverServer { target }),
        "Error" => between(1, 2, EnrpBody::Error(unrecognized_message())),
        other => panic!("unexpected vector {other}"),
    }
}

#[test]
fn every_asap_and_enrp_vector_is_read_and_written_byte_by_byte() {
    // RFC 5353, 2 to 2.10; RFC 5354, 2. A table (2.3), an update (2.4).
    let format = Format::default();
    let mut seen = 0;
    for (name, vector) in vectors() {
        if let Some(short) = name.strip_prefix("ASAP ") {
            assert_eq!(vector.kind, "11");
            let parsed = AsapMessage::parse(&vector.bytes, &format).expect(&name).message;
            assert_eq!(parsed, asap(short), "{name}");
            assert_eq!(asap(short).encode(&format).expect(&name), vector.bytes, "{name}");
            seen += 1;
        } else if let Some(short) = name.strip_prefix("ENRP ") {
            assert_eq!(vector.kind, "12");
            let parsed = EnrpMessage::parse(&vector.bytes, &format).expect(&name).message;
            assert_eq!(parsed, enrp(short), "{name}");
            assert_eq!(enrp(short).encode(&format).expect(&name), vector.bytes, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 26);
}

/// The policy vectors give weights 0x01…, loads 0x02…, degradations 0x03…, penalty factors 0x04… (of load) or 0x05…
/// (of weight), distances 0x06….
fn expected_policy(policy_type: PolicyType) -> Policy {
    policy_type.fields().iter().fold(Policy::new(policy_type), |policy, &field| {
        let value = match field {
            PolicyField::Weight | PolicyField::Priority => 0x0101_0101,
            PolicyField::Load => 0x0202_0202,
            PolicyField::Degradation => 0x0303_0303,
            PolicyField::Dpf if policy_type == PolicyType::WeightedRandomDpf => 0x0505_0505,
            PolicyField::Dpf => 0x0404_0404,
            PolicyField::Distance => 0x0606_0606,
        };
        policy.with(field, value)
    })
}

/// A Handle Resolution Response with just this policy parameter.
fn response_with(policy_parameter: &[u8]) -> Vec<u8> {
    let mut bytes = vec![6, 0, 0, 12 + policy_parameter.len() as u8, 0, 9, 0, 8];
    bytes.extend(b"Pool");
    bytes.extend(policy_parameter);
    bytes
}

#[test]
fn every_policy_vector_is_read_and_written_byte_by_byte() {
    // RFC 5354, 3.8.
    let format = Format::default();
    let vectors = vectors();
    let policies: Vec<_> = vectors.iter().filter(|(name, _)| name.starts_with("Policy ")).collect();
    assert_eq!(policies.len(), PolicyType::all().count());
    for (name, vector) in policies {
        let mut words = name.split(' ').skip(1);
        let policy_type = PolicyType::from_name(words.next().expect("name")).expect("known policy");
        assert_eq!(format!("{:08x}", policy_type.number()), words.next().expect("number"));
        let bytes = response_with(&vector.bytes);
        let message = AsapMessage::parse(&bytes, &format).expect(name).message;
        let AsapMessage::HandleResolutionResponse { policy, .. } = &message else { panic!("{message:?}") };
        assert_eq!(*policy, Some(expected_policy(policy_type)), "{name}");
        assert_eq!(message.encode(&format).expect(name), bytes, "{name}");
    }
}
