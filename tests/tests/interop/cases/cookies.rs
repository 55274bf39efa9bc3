//! State cookies that arrive too late.

use std::time::Duration;

use super::Case;
use crate::driver::Late;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::peer::Stack;
use crate::wire::Wire;

const COOKIES: &str = "Stale cookies (RFC 9260, 5.2.6)";

pub(super) const CASES: &[Case] = &[
    Case::new(COOKIES, "one of ours comes too late at the peer: we begin anew", |ground| {
        late(ground, Begins::We, 1)
    }),
    Case::new(COOKIES, "one of the peer's comes too late at us: it begins anew", |ground| {
        late(ground, Begins::Peer, 1)
    }),
    Case {
        not_done: &[(
            Stack::Usrsctp,
            "peer: no; asked for 0.6 s more, it finds a cookie of 1.6 s stale by 0.6 s",
        )],
        ..Case::new(COOKIES, "each of ours comes late: we ask for a longer life, and get it", |ground| {
            late(ground, Begins::We, usize::MAX)
        })
    },
    Case::new(COOKIES, "each of the peer's comes late: it asks for a longer life, and gets it", |ground| {
        late(ground, Begins::Peer, usize::MAX)
    }),
];

/// usrsctp knows no shorter one.
const LIFE: Duration = Duration::from_secs(1);
/// Longer than that, but not twice as long.
const HOLD: Duration = Duration::from_millis(1300);

const ERROR: u8 = 9;
/// Of the parameter Cookie Preservative.
const PRESERVATIVE: u16 = 9;

/// So many cookies are held up; if it is all of them, nothing but a longer life helps.
fn late(ground: &mut Ground<'_>, begins: Begins, cookies: usize) -> String {
    let life = LIFE.as_millis();
    let plan = Plan::new(begins).with_short_timers().peer(format!("set cookie-life {life}"));
    // Of each cookie five or six are sent, and up to five cookies go stale, by less each time: the delay ends with a retransmission.
    let mut plan = plan.peer("set attempts 100 400").config(|config| config.max_init_retransmits = 100);
    plan.valid_cookie_life = LIFE;
    plan.late_cookies = Some(Late { cookies, hold: HOLD });
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    ground.converse(&association, Job::new(10, 1000));
    ground.end(&association);
    let (sender, receiver) = match begins {
        Begins::We => (ground.our_port(), ground.peer_port()),
        Begins::Peer => (ground.peer_port(), ground.our_port()),
    };
    let stale = format!("sctp.srcport == {receiver} and sctp.chunk_type == {ERROR} and sctp.cause_code == 3");
    let wishes = format!("sctp.srcport == {sender} and sctp.parameter_type == {PRESERVATIVE}");
    let [stale, wishes] = [stale, wishes].map(|filter| wire.count(&filter));
    assert!(stale > 0 && wishes > 0, "{stale} Stale Cookie, {wishes} Cookie Preservative");
    "ERROR Stale Cookie, INIT with Cookie Preservative, 10 messages each way".into()
}
