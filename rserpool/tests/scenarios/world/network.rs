//! How the world's network moves messages, and drives the machines.

use super::*;

impl World {
    pub(super) fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let happening = entry.remove();
            self.happen(happening);
        }
        while let Some(index) = self.links.iter().position(|link| link.gave_up_at.is_some_and(|at| at <= now))
        {
            let frozen = self.links[index].ends.iter().find(|(place, _)| !self.is_well(place.0));
            let host = frozen.map_or(0, |(place, _)| place.0);
            self.unlink(index, host, LostReason::TimedOut);
        }
        let due = self.alarms.iter().take_while(|(at, _)| *at <= now).map(|(_, place)| *place);
        let mut due: Vec<Place> = due.filter(|place| self.is_well(place.0)).collect();
        due.sort_unstable();
        for place in due {
            match self.nodes.get_mut(&place) {
                Some(Node::Registrar(registrar)) => registrar.handle_timeout(now),
                Some(Node::Rsplib(registrar)) => registrar.handle_timeout(now),
                Some(Node::Element(element)) => element.handle_timeout(now),
                Some(Node::User(user)) => user.handle_timeout(now),
                _ => {}
            }
            self.drain(place);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(place, event) => self.deliver(place, event),
            Happening::Arrival { from, association, to } => match self.health.get(&to.0) {
                _ if !self.are_together(from.0, to.0) => self.time_out(SET_UP, from, association),
                Some(Health::Well) if self.nodes.contains_key(&machine_at(to)) => {
                    self.link(from, association, to);
                }
                Some(Health::Frozen) => self.time_out(SET_UP, from, association),
                _ => {
                    let reason = LostReason::Aborted;
                    self.after(DELAY, from, TransportEvent::Lost { association, reason });
                }
            },
        }
    }

    fn link(&mut self, from: Place, association: AssociationId, to: Place) {
        self.sequence += 1;
        let incoming = AssociationId::Incoming(self.sequence);
        let ends = [(from, association), (to, incoming)];
        let delay = self.draw_delay(from, to);
        self.links.push(Link { ends, delay, gave_up_at: None, held: Vec::new() });
        let peer = |place: Place| Peer { addresses: vec![address(place.0)], port: place.1 };
        let side = side_of(to);
        // Before whatever the other side says.
        self.after(delay, from, TransportEvent::Connected { association, peer: peer(to) });
        self.deliver(to, TransportEvent::Accepted { association: incoming, side, peer: peer(from) });
    }

    /// Ends a link; the end that is not on `host` hears of it.
    pub(super) fn unlink(&mut self, index: usize, host: u8, reason: LostReason) {
        let link = self.links.remove(index);
        for (place, association) in link.ends {
            let event = TransportEvent::Lost { association, reason };
            if place.0 != host {
                self.give_back(place, association, &link);
                self.after(link.delay, place, event);
            } else if let Some(missed) = self.missed.get_mut(&host) {
                missed.push((place, event));
            }
        }
    }

    /// What one end has sent and the other has not got is not delivered.
    fn give_back(&mut self, place: Place, association: AssociationId, link: &Link) {
        let other = if link.ends[0] == (place, association) { link.ends[1] } else { link.ends[0] };
        let lost: Vec<UserMessage> = self
            .queue
            .values()
            .filter_map(|happening| match happening {
                Happening::Event(to, TransportEvent::Message { association, message })
                    if (*to, *association) == other =>
                {
                    Some(message.clone())
                }
                _ => None,
            })
            .collect();
        for message in lost {
            self.after(link.delay, place, TransportEvent::Undelivered { association, message });
        }
    }

    /// The other side does not answer.
    fn time_out(&mut self, after: Duration, place: Place, association: AssociationId) {
        self.after(after, place, TransportEvent::Lost { association, reason: LostReason::TimedOut });
    }

    pub(super) fn after(&mut self, delay: Duration, place: Place, event: TransportEvent) {
        self.schedule(delay, Happening::Event(place, event));
    }

    fn schedule(&mut self, delay: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), happening);
    }

    pub(super) fn deliver(&mut self, place: Place, event: TransportEvent) {
        let place = machine_at(place);
        if let Some(missed) = self.missed.get_mut(&place.0) {
            return missed.push((place, event));
        }
        if !self.is_well(place.0) || self.is_on_closed(place, &event) {
            return;
        }
        if let TransportEvent::Message { message, .. } = &event
            && message.ppid == ENRP_PPID
        {
            self.note(place.0, Deed::Hears(message.data.clone()));
        }
        let now = self.now;
        match self.nodes.get_mut(&place) {
            Some(Node::Registrar(registrar)) => registrar.handle_event(event, now),
            Some(Node::Rsplib(registrar)) => registrar.handle_event(event, now),
            Some(Node::Element(element)) => element.handle_event(event, now),
            Some(Node::User(user)) => user.handle_event(event, now),
            Some(Node::Service { sessions, counters }) => {
                sessions.handle_event(event);
                let events = serve(sessions, counters);
                self.service_events.extend(events.into_iter().map(|event| (place.0, event)));
            }
            Some(Node::Stranger(stranger)) => stranger.handle_event(event),
            None => {}
        }
        self.drain(place);
    }

    fn is_on_closed(&self, place: Place, event: &TransportEvent) -> bool {
        match event {
            TransportEvent::Message { association, .. } => self.closed.contains(&(place, *association)),
            _ => false,
        }
    }

    fn note_takeover(&mut self, host: u8, event: &RegistrarEvent) {
        match event {
            RegistrarEvent::TakeoverBegun { target } => self.note(host, Deed::Begins(*target)),
            RegistrarEvent::TakenOver { target, by, .. } if by.0 == u32::from(host) => {
                self.note(host, Deed::TakesOver(*target));
            }
            _ => {}
        }
    }

    fn note(&mut self, host: u8, deed: Deed) {
        self.acts.push(Act { at: self.now, host, deed });
    }

    /// The driver loop: fetches events and commands of one machine.
    pub(crate) fn drain(&mut self, place: Place) {
        loop {
            let command = match self.nodes.get_mut(&place) {
                Some(Node::Registrar(registrar)) => {
                    let events: Vec<_> = std::iter::from_fn(|| registrar.poll_event()).collect();
                    let command = registrar.poll_command();
                    for event in events {
                        self.note_takeover(place.0, &event);
                        self.registrar_events.push((place.0, event));
                    }
                    command
                }
                Some(Node::Rsplib(registrar)) => registrar.poll_command(),
                Some(Node::Element(element)) => {
                    let events = std::iter::from_fn(|| element.poll_event());
                    self.element_events.extend(events.map(|event| (place.0, event)));
                    element.poll_command()
                }
                Some(Node::User(user)) => {
                    self.user_events.extend(std::iter::from_fn(|| user.poll_event()));
                    user.poll_command()
                }
                Some(Node::Service { sessions, .. }) => sessions.poll_command(),
                Some(Node::Stranger(stranger)) => stranger.commands.pop_front(),
                None => None,
            };
            let Some(command) = command else { return self.set_alarm(place) };
            self.execute(place, command);
        }
    }

    fn set_alarm(&mut self, place: Place) {
        let next = self.nodes.get(&place).and_then(Node::next_wake_up);
        if let Some(before) = self.alarm_at.remove(&place) {
            self.alarms.remove(&(before, place));
        }
        if let Some(next) = next {
            self.alarms.insert((next, place));
            self.alarm_at.insert(place, next);
        }
    }

    fn execute(&mut self, place: Place, command: Command) {
        match command {
            Command::Connect { association, side, peer } => {
                let IpAddr::V4(v4) = peer.addresses[0] else { panic!("IPv4 world") };
                let to = (v4.octets()[3], peer.port);
                let from = if side == Side::Enrp { (place.0, ENRP_PORT) } else { place };
                self.attempts.push((self.now, from, to));
                let delay = self.draw_delay(from, to);
                self.schedule(delay, Happening::Arrival { from, association, to });
            }
            Command::Send { association, message } => {
                if message.ppid == ENRP_PPID {
                    self.note(place.0, Deed::Says(message.data.clone()));
                }
                let Some((index, from, (to, id))) = self.find_link(place, association) else { return };
                self.sent.push((from, to, message.clone()));
                let event = TransportEvent::Message { association: id, message };
                if self.are_together(from.0, to.0) {
                    self.after(self.links[index].delay, to, event);
                } else {
                    self.links[index].held.push((to, event));
                }
            }
            Command::Shutdown { association } => self.cut(place, association, LostReason::Shutdown),
            Command::Abort { association } => self.cut(place, association, LostReason::Aborted),
            Command::Measure { association } => {
                let Some((index, from, _)) = self.find_link(place, association) else { return };
                let round_trip = 2 * self.links[index].delay;
                self.after(DELAY, from, TransportEvent::Measured { association, round_trip });
            }
            // In this world nobody has a name, unless a test says so.
            Command::Resolve { .. } => {}
            Command::Announce { side, data } => {
                let port = if side == Side::Enrp { ENRP_PORT } else { ASAP_PORT };
                let source = SocketAddr::new(address(place.0), port);
                let hears = |to: &Place| to.1 == ASAP_PORT && self.are_together(place.0, to.0);
                let places: Vec<_> = self.nodes.keys().copied().filter(hears).collect();
                for to in places {
                    self.after(DELAY, to, TransportEvent::Announce { side, source, data: data.clone() });
                }
            }
        }
    }

    /// A machine's link of this name: its index, the machine's end of it, and the other end.
    pub(super) fn find_link(
        &self,
        place: Place,
        association: AssociationId,
    ) -> Option<(usize, Place, (Place, AssociationId))> {
        let is_ours = |end: &(Place, AssociationId)| (machine_at(end.0), end.1) == (place, association);
        self.links.iter().enumerate().find_map(|(index, link)| match link.ends {
            [a, b] if is_ours(&a) => Some((index, a.0, b)),
            [a, b] if is_ours(&b) => Some((index, b.0, a)),
            _ => None,
        })
    }

    fn cut(&mut self, place: Place, association: AssociationId, reason: LostReason) {
        self.closed.insert((place, association));
        let Some((index, from, (to, association))) = self.find_link(place, association) else { return };
        let delay = self.links.remove(index).delay;
        if self.are_together(from.0, to.0) {
            self.after(delay, to, TransportEvent::Lost { association, reason });
        } else {
            self.time_out(GIVE_UP, to, association);
        }
    }
}

/// The service: each message is answered with how many the session has had; the count is the cookie. What it has no use for
/// is given back.
fn serve(sessions: &mut ServiceSessions, counters: &mut BTreeMap<AssociationId, u64>) -> Vec<ServiceEvent> {
    let mut others = Vec::new();
    while let Some(event) = sessions.poll_event() {
        match event {
            ServiceEvent::Started { session, .. } => drop(counters.insert(session, 0)),
            ServiceEvent::CookieEcho { session, cookie } => {
                let count: [u8; 8] = cookie[..].try_into().expect("our own cookie");
                counters.insert(session, u64::from_be_bytes(count));
            }
            ServiceEvent::Data { session, message } => {
                let count = counters.get_mut(&session).expect("known session");
                *count += 1;
                let state = Bytes::copy_from_slice(&count.to_be_bytes());
                let reply = [&state[..], &message.data[..]].concat();
                // Before the reply: whoever sees the reply has the cookie that goes with it.
                match sessions.send_cookie(session, state) {
                    Ok(()) | Err(SendError::NoControlChannel) => {}
                    Err(error) => panic!("{error}"),
                }
                sessions.send(session, UserMessage::new(33, reply)).expect("session is up");
            }
            ServiceEvent::Ended { session, .. } => drop(counters.remove(&session)),
            ServiceEvent::CookieRejected { session, .. } => {
                sessions.abort(session);
                others.push(event);
            }
            other => others.push(other),
        }
    }
    others
}
