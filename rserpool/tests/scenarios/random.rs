//! Random failures: whatever happens, no reply is lost, given twice, or out of order, and everything recovers.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rserpool::pool_user::PoolUserEvent;
use rserpool::session::{SessionEvent, SessionId};
use rserpool::transport::UserMessage;
use rserpool::wire::Policy;

use crate::world::{POOL, World};

const REQUESTS: u64 = 100;

/// Sends numbered requests one by one, and again after a fail-over: numbering is the application's work.
struct Pinger {
    session: SessionId,
    /// The reply that is waited for: the session's count.
    next: u64,
    is_connected: bool,
    outstanding: bool,
}

impl Pinger {
    fn turn(&mut self, world: &mut World) {
        while let Some(event) = world.user_events.pop_front() {
            let PoolUserEvent::Session { event, .. } = event else { panic!("{event:?}") };
            match event {
                SessionEvent::Connected { .. } => self.is_connected = true,
                SessionEvent::FailoverNecessary { .. } => {
                    (self.is_connected, self.outstanding) = (false, false);
                }
                SessionEvent::FailoverComplete { has_cookie, .. } => {
                    assert!(has_cookie || self.next == 1, "the cookie is there once there was a reply");
                    self.is_connected = true;
                }
                SessionEvent::Data(message) => self.take_reply(&message.data),
                _ => {}
            }
        }
        if self.is_connected && !self.outstanding && self.next <= REQUESTS {
            let message = UserMessage::new(33, self.next.to_be_bytes().to_vec());
            let session = self.session;
            world.with_user(21, |user, _| user.send(session, message)).expect("connected");
            self.outstanding = true;
        }
    }

    fn take_reply(&mut self, data: &[u8]) {
        let number =
            |range: std::ops::Range<usize>| u64::from_be_bytes(data[range].try_into().expect("8 bytes"));
        let (count, request) = (number(0..8), number(8..16));
        assert_eq!(request, self.next, "every reply belongs to the request that waits");
        // A cookie can arrive whose reply does not: then the new element has counted the request before.
        assert!(count >= request, "the state of the session never goes back");
        self.next += 1;
        self.outstanding = false;
    }
}

fn run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new();
    world.add_registrar(1);
    (11..=16).for_each(|host| world.add_element(host, &[1], Policy::least_used(host.into())));
    world.add_user(21, &[1], |_| {});
    let session = world.with_user(21, |user, now| user.open_session(POOL.into(), now));
    let mut pinger = Pinger { session, next: 1, is_connected: false, outstanding: false };
    let mut failures = 0;
    for step in 0..60_000 {
        world.run_for(Duration::from_millis(1));
        pinger.turn(&mut world);
        if pinger.next > REQUESTS {
            return;
        }
        let host = rng.random_range(11..=16);
        if failures < 4 && world.is_well(host) && rng.random_bool(0.02) {
            failures += 1;
            if rng.random() { world.kill(host) } else { world.freeze(host) }
        }
        if step == 30 && rng.random() {
            world.kill(1);
            world.add_registrar(2);
        }
    }
    panic!("stuck at request {}", pinger.next);
}

#[test]
fn no_reply_is_lost_or_given_twice_under_random_failures() {
    crate::seeds::try_all("failures of elements", 100, run);
}
