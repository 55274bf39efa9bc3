//! Lines beside those of RSPLIB's registrar 3.4.4.

use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use rserpool::transport::{AssociationId, UserMessage};
use rserpool::wire::{
    CauseCode, Policy, PolicyType, PoolElement, ServerInformation, Transport, TransportUse,
};

use super::*;

const OWN: RegistrarId = RegistrarId(0x11);
const PEER: RegistrarId = RegistrarId(0x22);

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written of these, without the times of each line.
fn written(act: impl FnOnce(&mut ActionLog)) -> Vec<String> {
    let output = Written::default();
    let mut log = ActionLog {
        begin: Instant::now(),
        output: LineQueue::start(Path::new(""), output.clone(), |_| Ok(())).unwrap(),
        number: 0,
        format: Format::default(),
        own: OWN,
        keep_alive_interval: Duration::from_secs(5),
        asked: HashMap::new(),
    };
    act(&mut log);
    log.finish().unwrap();
    let text = String::from_utf8(output.0.lock().clone()).unwrap();
    let lines = text.lines().enumerate().map(|(index, line)| {
        let (number, rest) = line.split_once("   ").unwrap();
        assert_eq!(number, format!("{:06}", index + 1));
        rest.split_once("   ").unwrap().1.to_owned()
    });
    lines.collect()
}

fn heard(ppid: u32, data: impl Into<bytes::Bytes>) -> TransportEvent {
    let message = UserMessage::new(ppid, data);
    TransportEvent::Message { association: AssociationId::Incoming(0), message }
}

fn said(ppid: u32, data: impl Into<bytes::Bytes>) -> Command {
    let message = UserMessage::new(ppid, data);
    Command::Send { association: AssociationId::Incoming(0), message }
}

fn transport() -> Transport {
    Transport::sctp(4711, [[10, 0, 0, 1].into()], TransportUse::DataOnly)
}

fn element() -> PoolElement {
    PoolElement {
        id: PeId(0xaa),
        home: OWN,
        life: Duration::from_secs(90).into(),
        user_transport: transport(),
        policy: Policy::new(PolicyType::RoundRobin),
        asap_transport: None,
    }
}

#[test]
fn what_elements_and_users_ask_is_written_as_rsplib_does() {
    let format = Format::default();
    let asap = |message: AsapMessage| message.encode(&format).unwrap();
    let pool = PoolHandle::from("EchoPool");
    let (pool_handle, pe_id) = (pool.clone(), PeId(0xaa));
    let lines = written(|log| {
        let registration = AsapMessage::Registration { pool_handle: pool.clone(), element: element() };
        log.observe(Observation::Event(&heard(ASAP_PPID, asap(registration))));
        let errors = Vec::new();
        let response =
            AsapMessage::RegistrationResponse { rejected: false, pool_handle: pool.clone(), pe_id, errors };
        log.observe(Observation::Command(&said(ASAP_PPID, asap(response))));
        let request =
            AsapMessage::HandleResolution { subscribe: false, pool_handle: "NoPool".into(), items: Some(1) };
        log.observe(Observation::Event(&heard(ASAP_PPID, asap(request))));
        let response = AsapMessage::HandleResolutionResponse {
            subscribed: false,
            pool_handle: "NoPool".into(),
            policy: None,
            elements: Vec::new(),
            errors: vec![ErrorCause::bare(CauseCode::UNKNOWN_POOL_HANDLE)],
        };
        log.observe(Observation::Command(&said(ASAP_PPID, asap(response))));
        let request = AsapMessage::Deregistration { pool_handle, pe_id };
        log.observe(Observation::Event(&heard(ASAP_PPID, asap(request))));
    });
    assert_eq!(
        lines,
        [
            r#""Recv" "ASAP" "Registration" "Requested"   0x0 0 0.000000   "EchoPool" 0xaa   0x11 0x0 0x0   0"#,
            r#""Recv" "ASAP" "RegistrationResponse" "Requested"   0x0 0 0.000000   "EchoPool" 0xaa   0x11 0x0 0x0   0"#,
            r#""Recv" "ASAP" "HandleResolution" "Requested"   0x0 1 0.000000   "NoPool" 0x0   0x0 0x0 0x0   0"#,
            r#""Send" "ASAP" "HandleResolutionResponse" "Requested"   0x0 0 0.000000   "NoPool" 0x0   0x0 0x0 0x0   9"#,
            r#""Send" "ASAP" "Deregistration" "Requested"   0x0 0 0.000000   "EchoPool" 0xaa   0x11 0x0 0x0   0"#,
        ]
    );
}

#[test]
fn keep_alives_have_their_times_and_removals_their_reasons() {
    let format = Format::default();
    let pool = PoolHandle::from("EchoPool");
    let (pool_handle, pe_id) = (pool.clone(), PeId(0xaa));
    let ack = AsapMessage::EndpointKeepAliveAck { pool_handle: pool.clone(), pe_id }.encode(&format).unwrap();
    let lines = written(|log| {
        let question = AsapMessage::EndpointKeepAlive {
            new_home: false,
            registrar: OWN,
            pool_handle,
            pe_id: Some(pe_id),
        };
        log.observe(Observation::Command(&said(ASAP_PPID, question.encode(&format).unwrap())));
        log.observe(Observation::Event(&heard(ASAP_PPID, ack.clone())));
        log.observe(Observation::Event(&heard(ASAP_PPID, ack)));
        log.removed(&pool, pe_id, RemovalReason::NoKeepAliveAck);
        log.removed(&pool, pe_id, RemovalReason::AssociationLost);
        // Its message has been written down already.
        log.removed(&pool, pe_id, RemovalReason::Deregistered);
    });
    assert_eq!(
        lines[0],
        r#""Send" "ASAP" "EndpointKeepAlive" "KeepAliveTransmissionTimer"   0x0 0 5.000000   "EchoPool" 0xaa   0x11 0x0 0x0   0"#
    );
    assert!(
        lines[1].starts_with(r#""Recv" "ASAP" "EndpointKeepAliveAck" "InTime"   0x0 0 0."#),
        "{}",
        lines[1]
    );
    assert!(lines[2].starts_with(r#""Recv" "ASAP" "EndpointKeepAliveAck" "TooLateAlreadyRemoved""#));
    assert!(lines[3].starts_with(r#""Send" "ASAP" "Deregistration" "KeepAliveTimeoutTimer""#));
    assert_eq!(
        lines[4],
        r#""Send" "ASAP" "Deregistration" "Disconnect"   0x0 0 0.000000   "EchoPool" 0xaa   0x11 0x0 0x0   0"#
    );
    assert_eq!(lines.len(), 5);
}

#[test]
fn what_registrars_say_to_each_other_is_written_as_rsplib_does() {
    let format = Format::default();
    let enrp = |sender, receiver, body| EnrpMessage { sender, receiver, body }.encode(&format).unwrap();
    let server = ServerInformation { id: PEER, transport: transport() };
    let lines = written(|log| {
        let presence =
            EnrpBody::Presence { reply_required: true, checksum: Some(1), server: Some(server.clone()) };
        log.observe(Observation::Event(&heard(ENRP_PPID, enrp(PEER, OWN, presence))));
        log.observe(Observation::Event(&heard(ENRP_PPID, enrp(PEER, OWN, EnrpBody::ListRequest))));
        let list = EnrpBody::ListResponse { rejected: false, servers: vec![server] };
        log.observe(Observation::Command(&said(ENRP_PPID, enrp(OWN, PEER, list))));
        let update = EnrpBody::HandleUpdate {
            action: UpdateAction::Delete,
            takeover_suggested: false,
            pool_handle: "EchoPool".into(),
            element: element(),
        };
        log.observe(Observation::Command(&said(ENRP_PPID, enrp(OWN, PEER, update))));
        let takeover = EnrpBody::InitTakeover { target: RegistrarId(0x55) };
        log.observe(Observation::Event(&heard(ENRP_PPID, enrp(PEER, OWN, takeover))));
        log.observe(Observation::Command(&Command::Announce { side: Side::Asap, data: Default::default() }));
        // What nobody understands is in no line.
        log.observe(Observation::Event(&heard(ENRP_PPID, "nonsense".as_bytes())));
        log.observe(Observation::Event(&heard(0, "".as_bytes())));
    });
    assert_eq!(
        lines,
        [
            r#""Recv" "ENRP" "Presence" ""   0x1 0 0.000000   "" 0x0   0x22 0x11 0x0   0"#,
            r#""Recv" "ENRP" "ListRequest" ""   0x0 0 0.000000   "" 0x0   0x22 0x11 0x0   0"#,
            r#""Send" "ENRP" "ListResponse" ""   0x0 1 0.000000   "" 0x0   0x22 0x11 0x0   0"#,
            r#""Send" "ENRP" "Update" "DelPE"   0x0 0 0.000000   "EchoPool" 0xaa   0x11 0x22 0x0   0"#,
            r#""Recv" "ENRP" "InitTakeover" ""   0x0 0 0.000000   "" 0x0   0x22 0x11 0x55   0"#,
            r#""Send" "MulticastASAP" "Announce" ""   0x0 0 0.000000   "" 0x0   0x11 0x0 0x0   0"#,
        ]
    );
}

#[test]
fn a_pool_s_name_cannot_make_a_line_of_its_own() {
    let pool = PoolHandle::from("a\"\n\\");
    let lines = written(|log| log.removed(&pool, PeId(1), RemovalReason::LifeExpired));
    assert_eq!(
        lines,
        [
            r#""Send" "ASAP" "Deregistration" "ExpiryTimer"   0x0 0 0.000000   "a\"\n\\" 0x1   0x11 0x0 0x0   0"#
        ]
    );
}
