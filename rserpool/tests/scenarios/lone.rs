//! One registrar whose peers, elements and driver the test plays: what it wants done, and when.

use std::time::Duration;

use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::transport::{AssociationId, Command, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{
    ASAP_PPID, AsapMessage, ENRP_PPID, EnrpBody, EnrpMessage, Format, Policy, PoolElement, ServerInformation,
    Transport, TransportUse,
};
use rserpool::{Profile, RegistrarId, Time};

use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, ENRP_PORT, World, address};

/// A registrar, the time, and what it wanted done.
pub(crate) struct Lone {
    pub(crate) registrar: Registrar,
    pub(crate) now: Time,
    pub(crate) commands: Vec<(Time, Command)>,
    /// How many of them [`Lone::said`] has looked at, by association.
    looked: Vec<(AssociationId, usize)>,
}

/// Where an ENRP endpoint is.
pub(crate) fn place(host: u8) -> Peer {
    Peer { addresses: vec![address(host)], port: ENRP_PORT }
}

/// The registrar with the number of its host.
pub(crate) fn server(host: u8) -> ServerInformation {
    let transport = Transport::sctp(ENRP_PORT, [address(host)], TransportUse::DataOnly);
    ServerInformation { id: RegistrarId(host.into()), transport }
}

/// An element, with the number of its host, of the registrar on a host, as registrars describe it.
pub(crate) fn element_of(home: u8, host: u8) -> PoolElement {
    let asap = Transport::sctp(ASAP_PORT, [address(host)], TransportUse::DataOnly);
    let config = World::element_config(host, &[], Policy::default());
    PoolElement { home: RegistrarId(home.into()), asap_transport: Some(asap), ..config.description() }
}

impl Lone {
    /// The registrar 50, on host 50.
    pub(crate) fn start(change: impl FnOnce(&mut RegistrarConfig)) -> Self {
        let mut config = RegistrarConfig::new(RegistrarId(50), Profile::Fast);
        config.enrp.transport = Some(server(50).transport);
        change(&mut config);
        let now = Time::from_millis(1000);
        Self { registrar: Registrar::new(config, 7, now), now, commands: Vec::new(), looked: Vec::new() }
    }

    fn fetch(&mut self) {
        let commands = std::iter::from_fn(|| self.registrar.poll_command());
        self.commands.extend(commands.map(|command| (self.now, command)));
    }

    pub(crate) fn happen(&mut self, event: TransportEvent) {
        self.registrar.handle_event(event, self.now);
        self.fetch();
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.fetch();
        while let Some(next) = self.registrar.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.registrar.handle_timeout(self.now);
            self.fetch();
        }
        self.now = end;
    }

    /// The registrar of a host sets up an association.
    pub(crate) fn meet(&mut self, host: u8) -> AssociationId {
        let association = AssociationId::Incoming(host.into());
        self.happen(TransportEvent::Accepted { association, side: Side::Enrp, peer: place(host) });
        association
    }

    /// The same, and shows itself; what is said to it then is passed over.
    pub(crate) fn befriend(&mut self, host: u8) -> AssociationId {
        let association = self.meet(host);
        self.hear(host, association, presence(host));
        self.said(association);
        association
    }

    /// The registrar of a host is there, to which an association is being set up.
    pub(crate) fn answer(&mut self, host: u8) -> AssociationId {
        let begun = self.commands.iter().rev().find_map(|(_, command)| match command {
            Command::Connect { association, peer, .. } if *peer == place(host) => Some(*association),
            _ => None,
        });
        let association = begun.expect("it is connected to");
        self.happen(TransportEvent::Connected { association, peer: place(host) });
        association
    }

    /// The registrar of a host says something.
    pub(crate) fn hear(&mut self, host: u8, association: AssociationId, body: EnrpBody) {
        let message = EnrpMessage { sender: RegistrarId(host.into()), receiver: RegistrarId::NONE, body };
        let data = message.encode(&FORMAT).expect("a message");
        self.happen(TransportEvent::Message { association, message: UserMessage::new(ENRP_PPID, data) });
    }

    /// An element, or a user, on a host says something.
    pub(crate) fn hear_asap(&mut self, host: u8, message: &AsapMessage) {
        let association = AssociationId::Incoming(u64::from(host) + 1000);
        if !self.commands.iter().any(|(_, command)| is_to(command, association)) {
            let peer = Peer { addresses: vec![address(host)], port: ASAP_PORT };
            self.happen(TransportEvent::Accepted { association, side: Side::Asap, peer });
        }
        let data = message.encode(&Format::default()).expect("a message");
        self.happen(TransportEvent::Message { association, message: UserMessage::new(ASAP_PPID, data) });
    }

    /// What it has said to a peer since the last look.
    pub(crate) fn said(&mut self, association: AssociationId) -> Vec<EnrpMessage> {
        let done = self.looked.iter().find(|(of, _)| *of == association).map_or(0, |(_, done)| *done);
        self.looked.retain(|(of, _)| *of != association);
        self.looked.push((association, self.commands.len()));
        let messages = self.commands[done..].iter().filter_map(|(_, command)| match command {
            Command::Send { association: to, message } if *to == association && message.ppid == ENRP_PPID => {
                Some(EnrpMessage::parse(&message.data, &Format::default()).expect("ENRP").message)
            }
            _ => None,
        });
        messages.collect()
    }

    /// The same without Presences, and what is in it only.
    pub(crate) fn asked(&mut self, association: AssociationId) -> Vec<EnrpBody> {
        let bodies = self.said(association).into_iter().map(|message| message.body);
        bodies.filter(|body| !matches!(body, EnrpBody::Presence { .. })).collect()
    }

    /// Whether it has asked a peer for its Presence since the last look.
    pub(crate) fn demands_presence(&mut self, association: AssociationId) -> bool {
        let demands =
            |message: &EnrpMessage| matches!(message.body, EnrpBody::Presence { reply_required: true, .. });
        self.said(association).iter().any(demands)
    }

    /// The elements that it knows.
    pub(crate) fn elements(&self) -> Vec<PoolElement> {
        let pools = self.registrar.handlespace().pools();
        let mut all: Vec<_> = pools.flat_map(|pool| pool.elements()).map(|it| it.info.clone()).collect();
        all.sort_by_key(|element| element.id);
        all
    }

    pub(crate) fn events(&mut self) -> Vec<RegistrarEvent> {
        std::iter::from_fn(|| self.registrar.poll_event()).collect()
    }
}

fn is_to(command: &Command, association: AssociationId) -> bool {
    matches!(command, Command::Send { association: to, .. } if *to == association)
}

/// A Presence of the registrar on a host that has no elements.
pub(crate) fn presence(host: u8) -> EnrpBody {
    EnrpBody::Presence { reply_required: false, checksum: None, server: Some(server(host)) }
}
