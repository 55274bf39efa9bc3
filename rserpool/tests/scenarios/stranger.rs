//! A peer that says whatever a test wants, and notes what it is told.

use std::collections::VecDeque;
use std::time::Duration;

use rserpool::transport::{AssociationId, Command, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{ASAP_PPID, AsapMessage, Format};

use crate::world::{ASAP_PORT, Node, Place, World, address};

#[derive(Default)]
pub(crate) struct Stranger {
    pub(crate) commands: VecDeque<Command>,
    events: Vec<TransportEvent>,
    associations: u64,
}

impl Stranger {
    pub(crate) fn handle_event(&mut self, event: TransportEvent) {
        self.events.push(event);
    }
}

/// What strangers write: whatever can be written.
pub(crate) const FORMAT: Format = Format {
    life_unit: rserpool::wire::LifeUnit::Milliseconds,
    long_pool_handles: true,
    rare_transports: true,
};

impl World {
    pub(crate) fn add_stranger(&mut self, place: Place) {
        self.add(place, Node::Stranger(Stranger::default()));
    }

    fn stranger(&mut self, place: Place) -> &mut Stranger {
        match self.nodes.get_mut(&place) {
            Some(Node::Stranger(stranger)) => stranger,
            _ => panic!("no stranger at {place:?}"),
        }
    }

    /// Connects a stranger, and waits until it is connected.
    pub(crate) fn connect(&mut self, place: Place, to: Place) -> AssociationId {
        let association = self.connect_at_once(place, to);
        self.run_for(Duration::from_millis(3));
        association
    }

    /// Begins to connect a stranger, and lets no time pass.
    pub(crate) fn connect_at_once(&mut self, place: Place, to: Place) -> AssociationId {
        let stranger = self.stranger(place);
        let association = AssociationId::Outgoing(stranger.associations);
        stranger.associations += 1;
        let peer = Peer { addresses: vec![address(to.0)], port: to.1 };
        stranger.commands.push_back(Command::Connect { association, side: Side::Asap, peer });
        self.drain(place);
        association
    }

    /// The association that somebody has set up with a stranger.
    pub(crate) fn accepted(&mut self, place: Place) -> AssociationId {
        let accepted = self.stranger(place).events.iter().rev().find_map(|event| match event {
            TransportEvent::Accepted { association, .. } => Some(*association),
            _ => None,
        });
        accepted.expect("an association")
    }

    /// Says something, and waits until it is answered, if it is.
    pub(crate) fn say(&mut self, place: Place, association: AssociationId, message: &AsapMessage) {
        self.say_bytes(place, association, message.encode(&FORMAT).expect("a message"));
    }

    pub(crate) fn say_bytes(
        &mut self,
        place: Place,
        association: AssociationId,
        data: impl Into<bytes::Bytes>,
    ) {
        self.say_data(place, association, UserMessage::new(ASAP_PPID, data));
    }

    pub(crate) fn say_data(&mut self, place: Place, association: AssociationId, message: UserMessage) {
        self.say_at_once(place, association, message);
        self.run_for(Duration::from_millis(3));
    }

    /// Says something, and lets no time pass.
    pub(crate) fn say_at_once(&mut self, place: Place, association: AssociationId, message: UserMessage) {
        self.stranger(place).commands.push_back(Command::Send { association, message });
        self.drain(place);
    }

    /// The ASAP messages that a stranger got since it was asked last.
    pub(crate) fn told(&mut self, place: Place) -> Vec<AsapMessage> {
        let events = std::mem::take(&mut self.stranger(place).events);
        let messages = events.into_iter().filter_map(|event| match event {
            TransportEvent::Message { message, .. } if message.ppid == ASAP_PPID => {
                Some(AsapMessage::parse(&message.data, &FORMAT).expect("a message").message)
            }
            _ => None,
        });
        messages.collect()
    }

    /// Whether a stranger has lost an association since it was asked what it was told.
    pub(crate) fn has_lost(&mut self, place: Place, lost: AssociationId) -> bool {
        let events = &self.stranger(place).events;
        events
            .iter()
            .any(|event| matches!(event, TransportEvent::Lost { association, .. } if *association == lost))
    }

    /// A stranger that is connected to the registrar on host 1.
    pub(crate) fn stranger_at_registrar(&mut self, host: u8) -> (Place, AssociationId) {
        let place = (host, ASAP_PORT);
        self.add_stranger(place);
        let association = self.connect(place, (1, ASAP_PORT));
        (place, association)
    }
}
