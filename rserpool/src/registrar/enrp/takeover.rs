//! Arbitration and takeover (RFC 5353, 3.5).

use std::collections::BTreeSet;

use super::EnrpTimer;
use super::peers::Standing;
use crate::handlespace::ElementKey;
use crate::registrar::{Member, Registrar, RegistrarEvent, Timer};
use crate::wire::EnrpBody;
use crate::{RegistrarId, Time};

/// How often peers are asked that do not answer, but live.
const MAX_TRIES: u32 = 3;

/// An attempt to take over a registrar.
#[derive(Default)]
pub(super) struct Takeover {
    /// Who has acknowledged it.
    agreed: BTreeSet<RegistrarId>,
    /// Peers with smaller identifiers that mean to take it over, too.
    rivals: BTreeSet<RegistrarId>,
    /// We have left it to a peer with a larger identifier; yet if all others leave it to us, as RSPLIB's do, it is ours.
    has_yielded: bool,
    tries: u32,
}

impl Registrar {
    /// RFC 5353, 3.5.1.
    pub(super) fn begin_takeover(&mut self, target: RegistrarId, now: Time) {
        self.break_off_tables(target, now);
        let Some(peer) = self.enrp.peers.get_mut(&target) else { return };
        peer.standing = Standing::Target(Takeover::default());
        self.statistics.takeovers_begun += 1;
        self.emit(RegistrarEvent::TakeoverBegun { target });
        self.send_to(target, EnrpBody::InitTakeover { target });
        self.ask_for_takeover(target, now);
        // Who counted on its acknowledgement for another takeover does not any more.
        self.complete_takeovers(now);
    }

    /// Whose acknowledgements are missing: a peer that is being taken over itself does not count.
    fn awaited(&self, target: RegistrarId) -> Vec<RegistrarId> {
        let Some(Standing::Target(takeover)) = self.enrp.peers.get(&target).map(|peer| &peer.standing) else {
            return Vec::new();
        };
        let others = self.enrp.peers.iter().filter(|(id, peer)| **id != target && peer.is_active());
        others.map(|(id, _)| *id).filter(|id| !takeover.agreed.contains(id)).collect()
    }

    fn ask_for_takeover(&mut self, target: RegistrarId, now: Time) {
        let Some(takeover) = self.takeover(target) else { return };
        takeover.tries += 1;
        for peer in self.awaited(target) {
            self.send_to(peer, EnrpBody::InitTakeover { target });
        }
        self.timers.set(Timer::Enrp(EnrpTimer::Peer(target)), now + self.config.enrp.takeover_patience);
        self.complete_takeover(target, now);
    }

    fn takeover(&mut self, target: RegistrarId) -> Option<&mut Takeover> {
        match &mut self.enrp.peers.get_mut(&target)?.standing {
            Standing::Target(takeover) => Some(takeover),
            _ => None,
        }
    }

    pub(super) fn handle_init_takeover(&mut self, from: RegistrarId, target: RegistrarId, now: Time) {
        if target == self.config.id {
            return self.show_presence();
        }
        let own = self.config.id;
        match self.takeover(target) {
            // Rule 2 B.
            Some(takeover) if from < own && !takeover.has_yielded => {
                takeover.rivals.insert(from);
            }
            // Rule 2 A; and rule 3 for who has left it to another before.
            Some(takeover) => {
                takeover.has_yielded = true;
                self.wait_for_other(target, now);
                self.send_to(from, EnrpBody::InitTakeoverAck { target });
            }
            // Rule 3.
            None => {
                if let Some(peer) = self.enrp.peers.get_mut(&target) {
                    peer.standing = Standing::LeftToAnother;
                    self.wait_for_other(target, now);
                }
                self.send_to(from, EnrpBody::InitTakeoverAck { target });
                self.complete_takeovers(now);
            }
        }
    }

    fn wait_for_other(&mut self, target: RegistrarId, now: Time) {
        self.timers.set(Timer::Enrp(EnrpTimer::Peer(target)), now + self.config.enrp.takeover_expiry);
    }

    pub(super) fn handle_takeover_ack(&mut self, from: RegistrarId, target: RegistrarId, now: Time) {
        if let Some(takeover) = self.takeover(target) {
            takeover.agreed.insert(from);
            self.complete_takeover(target, now);
        }
    }

    /// A peer is gone, or being taken over: nobody waits for its word.
    pub(super) fn complete_takeovers(&mut self, now: Time) {
        let targets: Vec<RegistrarId> = self.enrp.peers.keys().copied().collect();
        for target in targets {
            self.complete_takeover(target, now);
        }
    }

    /// The takeover has not come to an end.
    pub(super) fn insist(&mut self, target: RegistrarId, now: Time) {
        let awaited = self.awaited(target);
        let Some(takeover) = self.takeover(target) else { return };
        if takeover.has_yielded {
            // The other one has not managed: again, from the start.
            return self.begin_takeover(target, now);
        }
        // A rival that follows RFC 5353 would have left it to us.
        let rival = takeover.rivals.iter().find(|rival| awaited.contains(rival)).copied();
        match rival {
            Some(rival) => {
                takeover.has_yielded = true;
                self.wait_for_other(target, now);
                self.send_to(rival, EnrpBody::InitTakeoverAck { target });
            }
            None if takeover.tries < MAX_TRIES => self.ask_for_takeover(target, now),
            None => self.take_over(target, now),
        }
    }

    fn complete_takeover(&mut self, target: RegistrarId, now: Time) {
        if self.takeover(target).is_some() && self.awaited(target).is_empty() {
            self.take_over(target, now);
        }
    }

    /// RFC 5353, 3.5.2.
    fn take_over(&mut self, target: RegistrarId, now: Time) {
        self.statistics.takeovers += 1;
        self.remove_peer(target, now);
        self.send_to_all(&EnrpBody::TakeoverServer { target });
        let own = self.config.id;
        let keys = self.change_home(target, own);
        for key in &keys {
            self.expect_renewal(*key, now);
        }
        self.emit(RegistrarEvent::TakenOver { target, by: own, elements: keys.len() });
        self.claim_all(keys, now);
    }

    /// Another registrar has taken somebody over.
    pub(super) fn handle_takeover(&mut self, by: RegistrarId, target: RegistrarId, now: Time) {
        if target == self.config.id {
            // We live: what is still ours our Presence tells.
            return self.show_presence();
        }
        if target == by {
            // So leaves who owns nothing (3.5.2: "remove the target server"); nobody waits for its word any more.
            if self.handlespace.count_of(by) == 0 {
                tracing::info!(id = %by, "a registrar without elements has left");
                self.remove_peer(by, now);
            }
            return;
        }
        self.statistics.peer_takeovers += 1;
        self.remove_peer(target, now);
        let elements = self.change_home(target, by).len();
        self.emit(RegistrarEvent::TakenOver { target, by, elements });
    }

    fn change_home(&mut self, target: RegistrarId, home: RegistrarId) -> Vec<ElementKey> {
        let keys: Vec<ElementKey> = self.handlespace.keys_of(target).collect();
        let round = self.enrp.peers.get(&home).map_or(0, |peer| peer.round);
        for key in &keys {
            self.handlespace.set_home(*key, home);
            self.detach(*key, Member { round, ..Member::default() });
        }
        keys
    }
}
