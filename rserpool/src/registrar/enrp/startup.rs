//! Learning the peers and the handlespace from a mentor (RFC 5353, 3.2).

use std::collections::BTreeSet;

use super::EnrpTimer;
use crate::registrar::{Registrar, RegistrarEvent, Timer};
use crate::transport::Peer;
use crate::wire::{EnrpBody, ServerInformation};
use crate::{RegistrarId, Time};

/// Where a registrar is in its life.
pub(super) enum Phase {
    /// It learns; elements and users are sent away.
    Starting(Startup),
    /// It serves.
    Serving,
}

/// What a registrar that starts is about.
pub(super) struct Startup {
    /// When to serve with what is known then.
    deadline: Time,
    /// Who was asked.
    mentor: Option<RegistrarId>,
    /// Who has refused, or has not answered.
    refused: BTreeSet<RegistrarId>,
}

impl Registrar {
    /// Whether elements and users are served.
    pub fn is_serving(&self) -> bool {
        matches!(self.enrp.phase, Phase::Serving)
    }

    /// RFC 5353, 3.2.2.1: alone if nobody is known, and nobody can be found.
    pub(in crate::registrar) fn begin(&mut self, now: Time) {
        let enrp = &self.config.enrp;
        if enrp.peers.is_empty() && enrp.names.is_empty() && !enrp.multicast {
            return self.serve(now);
        }
        let deadline = now + enrp.mentor_discovery_timeout;
        self.enrp.phase = Phase::Starting(Startup { deadline, mentor: None, refused: BTreeSet::new() });
        self.timers.set(Timer::Enrp(EnrpTimer::Mentor), deadline);
        self.resolve_names();
        self.beat(now);
    }

    fn serve(&mut self, now: Time) {
        self.enrp.phase = Phase::Serving;
        self.timers.clear(Timer::Enrp(EnrpTimer::Mentor));
        if self.config.enrp.transport.is_some() {
            self.beat(now);
        }
        if self.config.announce_interval.is_some() {
            self.timers.set(Timer::Announce, now);
        }
        self.emit(RegistrarEvent::Serving);
    }

    /// Nobody is left to learn from, and nobody can be found.
    pub(super) fn check_startup(&mut self, now: Time) {
        let Phase::Starting(_) = self.enrp.phase else { return };
        if self.enrp.links.is_empty() && !self.config.enrp.multicast && !self.awaits_names() {
            self.serve(now);
        }
    }

    /// A peer has shown itself: it may teach us (3.2.2.2).
    pub(super) fn consider_mentor(&mut self, id: RegistrarId, now: Time) {
        let Phase::Starting(startup) = &mut self.enrp.phase else { return };
        if startup.mentor.is_some() || startup.refused.contains(&id) {
            return;
        }
        startup.mentor = Some(id);
        self.send_to(id, EnrpBody::ListRequest);
        self.timers.set(Timer::Enrp(EnrpTimer::Mentor), now + self.config.enrp.max_time_no_response);
    }

    /// The mentor does not answer, or it is time to look around again.
    pub(super) fn handle_mentor_timer(&mut self, now: Time) {
        let Phase::Starting(startup) = &mut self.enrp.phase else { return };
        if now >= startup.deadline {
            return self.serve(now);
        }
        match startup.mentor {
            Some(mentor) => self.fail_mentor(mentor, now),
            // Who was not ready may be by now.
            None => {
                startup.refused.clear();
                self.next_mentor(now);
            }
        }
    }

    /// Another one, or the same once more after a while (3.2.2.2, 3.2.3).
    pub(super) fn fail_mentor(&mut self, id: RegistrarId, now: Time) {
        let Phase::Starting(startup) = &mut self.enrp.phase else { return };
        if startup.mentor == Some(id) {
            startup.mentor = None;
            startup.refused.insert(id);
            self.next_mentor(now);
        }
    }

    fn next_mentor(&mut self, now: Time) {
        let Phase::Starting(startup) = &self.enrp.phase else { return };
        let deadline = startup.deadline;
        let candidate = self
            .enrp
            .peers
            .keys()
            .copied()
            .find(|id| !startup.refused.contains(id) && self.enrp.way_to(*id).is_some());
        match candidate {
            Some(id) => self.consider_mentor(id, now),
            None => {
                let pause = self.config.enrp.mentor_discovery_timeout / 10;
                self.timers.set(Timer::Enrp(EnrpTimer::Mentor), deadline.min(now + pause));
            }
        }
    }

    /// RFC 5353, 3.2.2.2: who is starting itself knows nothing to tell.
    pub(super) fn answer_list_request(&mut self, from: RegistrarId) {
        let rejected = !self.is_serving();
        let servers = if rejected { Vec::new() } else { self.known_servers(from) };
        self.send_to(from, EnrpBody::ListResponse { rejected, servers });
    }

    fn known_servers(&self, except: RegistrarId) -> Vec<ServerInformation> {
        let own = self.config.enrp.transport.clone().map(|transport| (self.config.id, transport));
        let peers = self.enrp.peers.iter().filter(|(id, peer)| **id != except && peer.is_active());
        let peers = peers.filter_map(|(id, peer)| Some((*id, peer.place.as_ref()?.as_sctp())));
        own.into_iter().chain(peers).map(|(id, transport)| ServerInformation { id, transport }).collect()
    }

    pub(super) fn handle_list(
        &mut self,
        from: RegistrarId,
        rejected: bool,
        servers: Vec<ServerInformation>,
        now: Time,
    ) {
        let Phase::Starting(startup) = &mut self.enrp.phase else { return };
        if startup.mentor != Some(from) {
            return;
        }
        if rejected {
            return self.fail_mentor(from, now);
        }
        // From here on the download has a timer of its own, and the deadline is for who finds no mentor.
        self.timers.clear(Timer::Enrp(EnrpTimer::Mentor));
        for ServerInformation { id, transport } in servers {
            // RFC 5354, 3.11: registrars speak SCTP.
            let place = Peer::of_sctp(&transport);
            if place.is_some() && self.add_peer(id, place, now) {
                self.link_to(id, now);
            }
        }
        self.start_download(from, false, now);
    }

    /// The handlespace has been learned (3.2.3, step 5).
    pub(super) fn finish_startup(&mut self, from: RegistrarId, now: Time) {
        if matches!(&self.enrp.phase, Phase::Starting(startup) if startup.mentor == Some(from)) {
            self.serve(now);
        }
    }
}
