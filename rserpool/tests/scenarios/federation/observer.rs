//! What RFC 5353 demands of each registrar in an arbitration (3.5), judged by what it says, hears and means to do.

use std::collections::{BTreeMap, BTreeSet};

use rserpool::registrar::EnrpConfig;
use rserpool::wire::{EnrpBody, EnrpMessage, Format};
use rserpool::{Profile, RegistrarId, Time};

use crate::world::{Act, Deed};

/// How often a peer is asked that does not answer, or cannot be reached, and yet was heard not long ago.
const MAX_TRIES: u32 = 3;

/// Watches all registrars, and panics when one does what it must not.
pub(super) struct Observer {
    timers: EnrpConfig,
    /// RSP_TRACE: print all that is said and heard.
    is_traced: bool,
    registrars: BTreeMap<RegistrarId, Observed>,
}

/// What a registrar knows, if it has listened.
#[derive(Default)]
struct Observed {
    /// When each peer was heard first, and last.
    heard: BTreeMap<RegistrarId, (Time, Time)>,
    /// What it means to take over.
    attempts: BTreeMap<RegistrarId, Attempt>,
    /// What it has left to others, and when.
    left: BTreeMap<RegistrarId, Time>,
    /// What it must say before it hears anything else.
    owed: Option<Owed>,
}

/// An attempt to take a registrar over.
#[derive(Default)]
struct Attempt {
    since: Time,
    /// Who has agreed, and who does not count, as it is being taken over itself.
    agreed: BTreeSet<RegistrarId>,
    has_yielded: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Owed {
    Ack { to: RegistrarId, target: RegistrarId },
    Presence { to: RegistrarId },
}

impl Observer {
    pub(super) fn new() -> Self {
        Self {
            timers: EnrpConfig::new(Profile::Fast),
            is_traced: std::env::var_os("RSP_TRACE").is_some(),
            registrars: BTreeMap::new(),
        }
    }

    /// A registrar starts, maybe anew.
    pub(super) fn add(&mut self, id: RegistrarId) {
        self.registrars.insert(id, Observed::default());
    }

    pub(super) fn watch(&mut self, acts: Vec<Act>) {
        for Act { at, host, deed } in acts {
            let host = RegistrarId(host.into());
            let parse =
                |data| EnrpMessage::parse(data, &Format::default()).expect("registrars say it").message;
            match deed {
                _ if !self.registrars.contains_key(&host) => {}
                Deed::Hears(data) => self.hears(host, &parse(&data), at),
                Deed::Says(data) => self.says(host, &parse(&data), at),
                Deed::Begins(target) => self.begins(host, target, at),
                Deed::TakesOver(target) => self.takes_over(host, target, at),
            }
        }
        self.registrars.iter().for_each(|(id, observed)| observed.expect_nothing_owed(*id));
    }

    fn trace(&self, at: Time, host: RegistrarId, what: std::fmt::Arguments<'_>) {
        if self.is_traced {
            eprintln!("{at:?} {host:?} {what}");
        }
    }

    fn hears(&mut self, host: RegistrarId, message: &EnrpMessage, at: Time) {
        self.trace(at, host, format_args!("hears {message:?}"));
        let Some(observed) = self.registrars.get_mut(&host) else { return };
        observed.expect_nothing_owed(host);
        let from = message.sender;
        observed.heard.entry(from).or_insert((at, at)).1 = at;
        // 3.5.1: "MUST immediately stop the takeover process".
        observed.attempts.remove(&from);
        observed.left.remove(&from);
        match message.body {
            EnrpBody::InitTakeover { target } if target == host => {
                observed.owed = Some(Owed::Presence { to: from });
            }
            EnrpBody::InitTakeover { target } => {
                let attempt = observed.attempts.get(&target).filter(|attempt| !attempt.has_yielded);
                // Rule 2 B is that the smaller one is not answered; 2 A and 3 that everybody else is.
                if attempt.is_none() || from > host {
                    observed.owed = Some(Owed::Ack { to: from, target });
                    observed.count_out(target);
                }
            }
            EnrpBody::InitTakeoverAck { target } => {
                if let Some(attempt) = observed.attempts.get_mut(&target) {
                    attempt.agreed.insert(from);
                }
            }
            EnrpBody::TakeoverServer { target } if target != host => observed.forget(target),
            _ => {}
        }
    }

    fn says(&mut self, host: RegistrarId, message: &EnrpMessage, at: Time) {
        self.trace(at, host, format_args!("says {message:?}"));
        let Some(observed) = self.registrars.get_mut(&host) else { return };
        let to = message.receiver;
        match message.body {
            EnrpBody::InitTakeoverAck { target } => observed.agrees(host, to, target, at, &self.timers),
            EnrpBody::TakeoverServer { target } => {
                assert!(
                    !observed.heard.contains_key(&target),
                    "{host} has not taken {target} over, but says so"
                );
            }
            EnrpBody::Presence { .. } if observed.owed == Some(Owed::Presence { to }) => observed.owed = None,
            _ => {}
        }
    }

    fn begins(&mut self, host: RegistrarId, target: RegistrarId, at: Time) {
        self.trace(at, host, format_args!("means to take {target:?} over"));
        let Some(observed) = self.registrars.get_mut(&host) else { return };
        // 3.5.1, 2 A and 3: who is "not active" is not monitored, for as long as the other one may take.
        let expiry = self.timers.takeover_expiry;
        let is_early = observed.left.remove(&target).is_some_and(|since| at < since + expiry);
        assert!(!is_early, "{host} has left {target} to another, and begins all the same");
        let attempt = Attempt { since: at, agreed: observed.doubtful(), has_yielded: false };
        observed.attempts.insert(target, attempt);
        observed.count_out(target);
    }

    fn takes_over(&mut self, host: RegistrarId, target: RegistrarId, at: Time) {
        self.trace(at, host, format_args!("takes {target:?} over"));
        if let Some(observed) = self.registrars.get_mut(&host) {
            observed.expect_agreement(host, target, at, &self.timers);
            observed.forget(target);
        }
    }
}

impl Observed {
    fn expect_nothing_owed(&self, host: RegistrarId) {
        assert!(self.owed.is_none(), "{host} owes {:?}", self.owed);
    }

    fn agrees(
        &mut self,
        host: RegistrarId,
        to: RegistrarId,
        target: RegistrarId,
        at: Time,
        timers: &EnrpConfig,
    ) {
        if self.owed == Some(Owed::Ack { to, target }) {
            self.owed = None;
        }
        let attempt = self.attempts.get_mut(&target);
        if let Some(attempt) = attempt.filter(|attempt| !attempt.has_yielded) {
            let is_early = to < host && at < attempt.since + timers.takeover_patience;
            assert!(!is_early, "{host} leaves {target} to {to}, whose identifier is smaller");
            attempt.has_yielded = true;
        }
        self.left.insert(target, at);
    }

    /// Peers that are being taken over.
    fn doubtful(&self) -> BTreeSet<RegistrarId> {
        self.attempts.keys().chain(self.left.keys()).copied().collect()
    }

    /// Nobody waits for the word of a registrar that is being taken over.
    fn count_out(&mut self, id: RegistrarId) {
        for attempt in self.attempts.values_mut() {
            attempt.agreed.insert(id);
        }
    }

    /// All live peers must have agreed (3.5.1), but for those that do not answer.
    fn expect_agreement(&self, host: RegistrarId, target: RegistrarId, at: Time, timers: &EnrpConfig) {
        let Some(attempt) = self.attempts.get(&target) else {
            panic!("{host} takes {target} over, which it has heard, or has not meant to take over")
        };
        if at >= attempt.since + timers.takeover_patience * MAX_TRIES {
            return;
        }
        let mut live = self.heard.iter().filter(|(peer, (first, last))| {
            **peer != target && *first < attempt.since && *last + timers.max_time_last_heard > at
        });
        let missing = live.find(|(peer, _)| !attempt.agreed.contains(peer));
        assert!(missing.is_none(), "{host} takes {target} over, to which {missing:?} has not agreed");
    }

    /// A registrar is gone.
    fn forget(&mut self, id: RegistrarId) {
        self.heard.remove(&id);
        self.attempts.remove(&id);
        self.left.remove(&id);
        self.count_out(id);
    }
}
