//! Set-up chunks for an association that is already there: collisions, restarts, duplicates and
//! forgeries (RFC 9260, 5.2).

use super::outbox::Outbox;
use super::setup::{Offer, PeerHalf, initial_tsn, paths_of, sources};
use super::state::State;
use super::{Association, AssociationState, Context, PeerInit, address_parameter};
use crate::auth::AuthOffer;
use crate::endpoint::{StateCookie, Tags};
use crate::event::Event;
use crate::net::PathAddress;
use crate::rng::Random;
use crate::tx::Sender;
use crate::wire::cause::{Cause, Causes};
use crate::wire::chunk::ErrorChunk;
use crate::wire::param::Parameters;
use core::net::IpAddr;

/// How an INIT for an existing association is answered.
#[derive(Debug)]
pub(crate) enum InitVerdict {
    /// INIT ACK, with these Tie-Tags in its cookie.
    Answer(Offer, Tags),
    /// ABORT.
    Abort(Causes),
    /// Not at all.
    Discard,
}

/// What became of a COOKIE ECHO for an existing association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieVerdict {
    /// It was processed; the chunks behind it are to be processed too.
    Accepted,
    /// The packet is discarded.
    Discarded,
    /// The packet is discarded, and ERROR with "Stale Cookie" answers it.
    Stale,
}

impl Association {
    /// An INIT came from `from` (5.2.1, 5.2.2, 9.2).
    pub(crate) fn handle_init(
        &mut self,
        random: &mut Random,
        peer: &PeerInit,
        from: PathAddress,
    ) -> InitVerdict {
        match self.state() {
            AssociationState::ShutdownAckSent => {
                self.repeat_shutdown_ack(from.remote);
                InitVerdict::Discard
            }
            // 5.2.1, rule 1: only to an address that the user named.
            AssociationState::CookieWait if self.paths.by_remote(from.remote).is_none() => {
                InitVerdict::Discard
            }
            // 5.2.2: Tie-Tags are not populated in COOKIE-WAIT.
            AssociationState::CookieWait => InitVerdict::Answer(self.offer(), Tags::default()),
            state => match self.new_addresses(peer, from.remote) {
                Some(causes) => InitVerdict::Abort(causes),
                None => InitVerdict::Answer(self.offer_again(random, state), self.populate_tie_tags(random)),
            },
        }
    }

    /// In a collision our tag and TSN stay (5.2.1); where the peer may have restarted, both are new (5.2.2).
    fn offer_again(&self, random: &mut Random, state: AssociationState) -> Offer {
        let offer = self.offer();
        match state {
            AssociationState::CookieEchoed => offer,
            _ => Offer {
                tag: random.verification_tag(),
                initial_tsn: initial_tsn(random),
                // RFC 4895, 6.1: as with the tag.
                auth: AuthOffer::of(&self.config, random),
                ..offer
            },
        }
    }

    /// RFC 9260, 5.2.1, 5.2.2.
    fn populate_tie_tags(&mut self, random: &mut Random) -> Tags {
        let new = || Tags { local: random.verification_tag(), peer: random.verification_tag() };
        *self.tie_tags.get_or_insert_with(new)
    }

    /// The cause that lists the addresses that `peer` would add; `None` if there are none.
    /// RFC 9260, 5.2.1, 5.2.2.
    fn new_addresses(&self, peer: &PeerInit, source: IpAddr) -> Option<Causes> {
        let all = core::iter::once(source).chain(peer.addresses.iter().copied());
        let new: Vec<_> = all.filter(|&address| self.paths.by_remote(address).is_none()).collect();
        let list = || Parameters::from_iter(new.iter().copied().map(address_parameter));
        (!new.is_empty()).then(|| Cause::RestartWithNewAddresses(list()).into())
    }

    /// An authentic COOKIE ECHO came whose verification tag and ports fit (5.2.4, Table 12).
    pub(crate) fn handle_cookie(
        &mut self,
        cx: &mut Context<'_>,
        cookie: &StateCookie,
        from: PathAddress,
    ) -> CookieVerdict {
        let ours = cookie.tags.local == self.tags.local;
        let theirs = cookie.tags.peer == self.tags.peer;
        // Rule 3: a duplicate of the cookie that made this association never goes stale.
        if !(ours && theirs) && cookie.staleness(cx.now).is_some() {
            return CookieVerdict::Stale;
        }
        match (ours, theirs) {
            (false, false) if self.tie_tags == Some(cookie.tie_tags) && self.has_addresses_of(cookie) => {
                self.restart(cx, cookie, from)
            }
            (true, false) => self.resolve_collision(cx, cookie, from),
            (true, true) => self.repeat_cookie_ack(cx, from),
            // (C): our own cookie came late; and all that the table does not show.
            _ => CookieVerdict::Discarded,
        }
    }

    /// Whether all addresses in `cookie` are still the peer's. One that it has given up since the INIT (RFC 5061, 5.3 F13)
    /// may be somebody else's by now.
    fn has_addresses_of(&self, cookie: &StateCookie) -> bool {
        cookie.peer_addresses().all(|address| self.paths.by_remote(address).is_some())
    }

    /// Action (A): the peer has restarted.
    /// RFC 9260, 5.2.4.
    fn restart(&mut self, cx: &mut Context<'_>, cookie: &StateCookie, from: PathAddress) -> CookieVerdict {
        if self.state() == AssociationState::ShutdownAckSent {
            let causes = Cause::CookieReceivedWhileShuttingDown.into();
            let path = self.repeat_shutdown_ack(from.remote);
            self.outbox.push_own(path, &ErrorChunk { causes });
            return CookieVerdict::Discarded;
        }
        let wants_end = matches!(self.state, State::ShutdownPending | State::ShutdownSent(_));
        let wanted_addresses = self.coming_addresses();
        self.fail_messages();
        self.tags = cookie.tags;
        self.tie_tags = None;
        self.local_initial_tsn = cookie.local_initial_tsn;
        self.local_addresses.clone_from(&cookie.local_addresses);
        self.renew_auth(cookie);
        let stats = *self.sender.stats();
        self.sender = Sender::new(&self.config, cookie.local_initial_tsn).counting_on(stats);
        // New paths: all congestion control parameters are initial again.
        let sources = sources(&self.bound, &self.local_addresses);
        self.paths = paths_of(cookie, &self.config, sources);
        self.addresses_changed = true;
        self.outbox = Outbox::default();
        self.data_source = self.paths.primary();
        self.shutdown_requested |= wants_end;
        self.adopt_peer(&PeerHalf::of_cookie(cookie));
        self.events.push_back(Event::Restart);
        self.enter_established(cx);
        // What has changed since the INIT ACK its reader does not know.
        self.follow_addresses(cx.now, &wanted_addresses);
        self.acknowledge_cookie(from);
        CookieVerdict::Accepted
    }

    /// Action (B): both sides began at about the same time, and the peer's tag changed under way.
    /// RFC 9260, 5.2.4.
    fn resolve_collision(
        &mut self,
        cx: &mut Context<'_>,
        cookie: &StateCookie,
        from: PathAddress,
    ) -> CookieVerdict {
        self.tags.peer = cookie.tags.peer;
        if self.state().is_forming() {
            self.outbox.clear();
            self.adopt_peer(&PeerHalf::of_cookie(cookie));
            let addresses: Vec<_> = cookie.peer_addresses().collect();
            let source = self.reply_path(cookie.source.remote);
            self.drop_unlisted_addresses(&addresses, source, cookie.source);
            self.add_addresses(&addresses, cookie.source);
            self.establish(cx);
        }
        self.acknowledge_cookie(from);
        CookieVerdict::Accepted
    }

    /// Action (D): a duplicate, or the end of a collision.
    /// RFC 9260, 5.2.4.
    fn repeat_cookie_ack(&mut self, cx: &mut Context<'_>, from: PathAddress) -> CookieVerdict {
        if self.state().is_forming() {
            self.outbox.clear();
            self.establish(cx);
        }
        self.acknowledge_cookie(from);
        CookieVerdict::Accepted
    }

    /// COOKIE ACK goes back where the COOKIE ECHO came from, if that address is confirmed (5.4).
    pub(crate) fn acknowledge_cookie(&mut self, from: PathAddress) {
        self.outbox.cookie_ack = Some(self.reply_path(from.remote));
    }
}
