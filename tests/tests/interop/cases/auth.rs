//! Authenticated chunks.

use sctp_core::auth::ChunkTypes;
use sctp_core::wire::chunk::ChunkType;
use socketapi::{AssociationConfig, Bytes};

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;

const AUTH: &str = "Authentication (RFC 4895)";

pub(super) const CASES: &[Case] = &[
    Case::new(AUTH, "both sides demand that user data be authenticated, with no key", |ground| {
        authenticated(ground, &plan(Begins::We))
    }),
    Case::new(AUTH, "the same, with a shared key, the peer connects", |ground| {
        let plan = plan(Begins::Peer).peer("set key 1 open-sesame");
        authenticated(ground, &plan.config(|config| with_key(config, b"open-sesame")))
    }),
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
    config.auth.keys.set(1, Bytes::from_static(secret));
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

/// What fails the check is discarded in silence (RFC 4895, 6.3), and sent again until the keys agree.
fn keys_differ(ground: &mut Ground<'_>) -> String {
    let plan = plan(Begins::We)
        .with_short_timers()
        .peer("set path 300 20")
        .peer("set max-retrans 20")
        .peer("set key 1 open-barley")
        .config(|config| with_key(config, b"open-sesame"))
        .config(|config| config.path_max_retrans = 20);
    let association = ground.associate(&plan);
    let job = Job::new(3, 3000);
    association.send(job);
    let sent = association.packets_sent();
    let end = std::time::Instant::now() + crate::peer::LIMIT;
    while association.packets_sent() < sent + 3 {
        assert!(std::time::Instant::now() < end, "what is not acknowledged is not sent again");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(ground.peer.counts().messages, 0, "what fails the check was taken");
    ground.peer.tell("set key 1 open-sesame");
    ground.peer.await_messages(3).assert_complete(3, job.bytes());
    ground.end(&association);
    "discarded until the keys agreed, then complete".into()
}
