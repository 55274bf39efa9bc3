//! Making elements change their home: each is sent a Keep-Alive with the H flag (RFC 5353, 3.5.2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::EnrpTimer;
use crate::Time;
use crate::handlespace::ElementKey;
use crate::registrar::{Member, Registrar, RemovalReason, Timer};
use crate::transport::{AssociationId, Peer, Side};

/// Set-ups to elements that are under way at once.
const MAX_CONNECTS: usize = 64;
/// When to look again if there is no room for more associations.
const PAUSE: Duration = Duration::from_millis(100);

/// Elements that are to be told.
#[derive(Default)]
pub(in crate::registrar) struct Claims {
    /// Each once, however many updates suggest it.
    waiting: BTreeSet<ElementKey>,
    /// Those that did not answer, whose turn comes after all others'.
    silent: VecDeque<ElementKey>,
    /// Associations that are being set up.
    connecting: BTreeSet<AssociationId>,
    /// The associations that were set up, and that still are, by where the element was said to be: one serves all elements that are
    /// said to be at just these addresses. Whose list holds more may have another's address in it.
    opened: BTreeMap<Peer, AssociationId>,
    /// Where they go to.
    places: BTreeMap<AssociationId, Peer>,
}

impl Claims {
    /// The element has found a home, or is gone: its turn does not come any more, nor that of who gets its key.
    pub(in crate::registrar) fn withdraw(&mut self, key: ElementKey) {
        self.waiting.remove(&key);
    }

    /// An attempt has come to its end.
    pub(in crate::registrar) fn settle(&mut self, association: AssociationId) {
        self.connecting.remove(&association);
    }

    /// An association is no more.
    pub(in crate::registrar) fn forget(&mut self, association: AssociationId) {
        self.settle(association);
        if let Some(place) = self.places.remove(&association) {
            self.opened.remove(&place);
        }
    }

    fn open(&mut self, association: AssociationId, place: Peer) {
        self.connecting.insert(association);
        self.opened.insert(place.clone(), association);
        self.places.insert(association, place);
    }
}

impl Registrar {
    /// Makes an element ours that a peer wants to be taken over.
    pub(super) fn claim(&mut self, key: ElementKey, now: Time) {
        self.claim_all(vec![key], now);
    }

    pub(super) fn claim_all(&mut self, keys: Vec<ElementKey>, now: Time) {
        self.enrp.claims.waiting.extend(keys);
        self.claim_more(now);
    }

    /// Tells as many elements as may be at once.
    pub(in crate::registrar) fn claim_more(&mut self, now: Time) {
        while !self.io.is_full() && self.enrp.claims.connecting.len() < MAX_CONNECTS {
            let Some(key) = self.next_claim() else { return };
            self.claim_one(key, now);
        }
        if !self.enrp.claims.waiting.is_empty() || !self.enrp.claims.silent.is_empty() {
            self.timers.set(Timer::Enrp(EnrpTimer::Claims), now + PAUSE);
        }
    }

    fn next_claim(&mut self) -> Option<ElementKey> {
        if let Some(key) = self.enrp.claims.waiting.pop_first() {
            return Some(key);
        }
        // Who has found another home meanwhile may keep it, as those who waited.
        let own = self.config.id;
        let is_ours = |key: &ElementKey| self.handlespace.get(*key).is_some_and(|it| it.info.home == own);
        std::iter::from_fn(|| self.enrp.claims.silent.pop_front()).find(is_ours)
    }

    /// Whether an element that is ours, and has not said so itself, is to be asked once more.
    pub(in crate::registrar) fn may_claim_again(&self, key: ElementKey) -> bool {
        self.handlespace.get(key).is_some_and(|element| {
            let Member { is_confirmed, claims, .. } = element.data;
            !is_confirmed && element.info.home == self.config.id && claims < self.config.enrp.max_claims
        })
    }

    /// An association is lost since nothing came back: its elements that have not changed their home yet may be told over another.
    pub(in crate::registrar) fn claim_again(&mut self, association: AssociationId, now: Time) {
        let Some(state) = self.associations.get(&association) else { return };
        let silent: Vec<ElementKey> =
            state.elements.iter().copied().filter(|key| self.may_claim_again(*key)).collect();
        for key in &silent {
            let Some(member) = self.handlespace.get(*key).map(|element| element.data) else { continue };
            self.detach(*key, Member { association: None, ..member });
            self.expect_renewal(*key, now);
        }
        self.enrp.claims.silent.extend(silent);
    }

    fn claim_one(&mut self, key: ElementKey, now: Time) {
        let Some(element) = self.handlespace.get(key) else { return };
        if element.data.association.is_some() {
            return;
        }
        let Some(place) = element.info.asap_transport.as_ref().and_then(Peer::of_sctp) else {
            // Who is only suggested to us stays where it is.
            if element.info.home == self.config.id {
                self.remove_element(key, RemovalReason::Unreachable);
            }
            return;
        };
        let known = self.enrp.claims.opened.get(&place).copied().or_else(|| self.association_with(&place));
        let association = match known {
            Some(association) => association,
            None => self.connect_to_element(place, now),
        };
        self.attach_claimed(key, association, now);
    }

    fn connect_to_element(&mut self, place: Peer, now: Time) -> AssociationId {
        let association = self.connect(Side::Asap, place.clone(), now);
        self.add_association(association, Side::Asap, place.clone(), false, now);
        self.enrp.claims.open(association, place);
        association
    }
}
