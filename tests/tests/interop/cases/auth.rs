//! Authenticated chunks.

use std::time::Duration;

use sctp_core::auth::{ChunkTypes, HmacAlgorithm};
use sctp_core::wire::chunk::ChunkType;
use socketapi::{AssociationConfig, Bytes};
use system_tests::wait_until;

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::peer::{LIMIT, Stack};
use crate::wire::Wire;

const AUTH: &str = "Authentication (RFC 4895)";

pub(super) const CASES: &[Case] = &[
    Case::new(AUTH, "both sides demand that user data be authenticated, with no key", |ground| {
        authenticated(ground, &plan(Begins::We))
    }),
    Case::new(AUTH, "the same, with a shared key, the peer connects", |ground| {
        let plan = plan(Begins::Peer).peer("set key 1 open-sesame");
        authenticated(ground, &plan.config(|config| with_key(config, b"open-sesame")))
    }),
    Case::new(AUTH, "with SHA-1 alone", |ground| {
        let plan = plan(Begins::We).peer("set hmac 1");
        with_algorithm(
            ground,
            plan.config(|config| config.auth.hmacs = [HmacAlgorithm::Sha1].into_iter().collect()),
            SHA_1,
        )
    }),
    Case {
        not_done: &[(
            Stack::Usrsctp,
            "peer: no; Debian builds it with SHA-1 alone: SCTP_HMAC_IDENT refuses SHA-256",
        )],
        ..Case::new(AUTH, "with SHA-256, the preferred one of both", |ground| {
            with_algorithm(ground, plan(Begins::We).peer("set hmac 3 1"), SHA_256)
        })
    },
    Case::new(AUTH, "by IPv6, with a shared key", |ground| {
        let plan = plan(Begins::We).by_ipv6().peer("set key 1 open-sesame");
        authenticated(ground, &plan.config(|config| with_key(config, b"open-sesame")))
    }),
    Case::new(AUTH, "both sides change to another key while data flows both ways", keys_change),
    Case::new(AUTH, "with different keys no user data is taken; with the same one it is", keys_differ),
];

/// AUTH on both sides, which take DATA only authenticated.
fn plan(begins: Begins) -> Plan {
    Plan::new(begins).peer("set auth 1").peer("set authchunk 0").config(|config| {
        config.extensions.auth = true;
        let mut chunks = ChunkTypes::default();
        chunks.insert(ChunkType::DATA);
        config.auth.chunks = chunks;
    })
}

fn with_key(config: &mut AssociationConfig, secret: &'static [u8]) {
    config.auth.keys.set(1, Bytes::from_static(secret)).expect("few keys");
    config.auth.keys.activate(1).expect("there is such a key");
}

fn authenticated(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let association = ground.associate(plan);
    assert!(association.extensions().auth);
    let job = Job::new(100, 3000);
    ground.converse(&association, job);
    ground.end(&association);
    "100 messages each way".into()
}

/// Codes of algorithms (RFC 4895, 3.3).
const SHA_1: u16 = 1;
const SHA_256: u16 = 3;

fn with_algorithm(ground: &mut Ground<'_>, mut plan: Plan, algorithm: u16) -> String {
    let wire = Wire::record(&mut plan);
    let measured = authenticated(ground, &plan);
    for port in [ground.our_port(), ground.peer_port()] {
        let authenticated =
            format!("sctp.srcport == {port} and sctp.chunk_type == 0 and sctp.hmac_id == {algorithm}");
        let data = wire.count_chunks(port, 0);
        assert!(data > 0 && wire.count(&authenticated) == data);
    }
    measured
}

/// Both have the new key before either uses it.
fn keys_change(ground: &mut Ground<'_>) -> String {
    let plan = plan(Begins::We).with_short_timers().peer("set key 1 open-sesame");
    let association = ground.associate(&plan.config(|config| with_key(config, b"open-sesame")));
    let job = Job::new(1000, 1000).pace(Duration::from_millis(1));
    ground.peer.tell(&format!("{} tell=300", job.command()));
    let counts = std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        let receiver = scope.spawn(|| association.receive(job.count.into()));
        ground.peer.await_event("sent 300");
        let options = association.stream.options();
        options.set_auth_key(2, b"open-barley").expect("keys can be set");
        ground.peer.tell("set key 2 open-barley");
        options.set_active_auth_key(2).expect("there is such a key");
        receiver.join().expect("it receives")
    });
    counts.assert_complete(job.count.into(), job.bytes());
    ground.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
    ground.end(&association);
    "1,000 messages each way, complete and in order".into()
}

/// What fails the check is discarded in silence (RFC 4895, 6.3), and sent again until the keys agree.
fn keys_differ(ground: &mut Ground<'_>) -> String {
    let plan = plan(Begins::We)
        .with_short_timers()
        .peer("set path 300 20")
        .peer("set key 1 open-barley")
        .config(|config| with_key(config, b"open-sesame"))
        .config(|config| config.path_max_retrans = 20);
    let association = ground.associate(&plan);
    let job = Job::new(3, 3000);
    association.send(job);
    let sent = association.packets_sent();
    wait_until(LIMIT, "what is not acknowledged is not sent again", || {
        association.packets_sent() >= sent + 3
    });
    assert_eq!(ground.peer.counts().messages, 0, "what fails the check was taken");
    ground.peer.tell("set key 1 open-sesame");
    ground.peer.await_messages(3).assert_complete(3, job.bytes());
    ground.end(&association);
    "discarded until the keys agreed, then complete".into()
}
