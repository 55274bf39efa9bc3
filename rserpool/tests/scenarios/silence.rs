//! A driver that never says what became of the associations that it was to set up: a registrar does not wait for ever.

use std::time::Duration;

use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent, RemovalReason};
use rserpool::transport::{AssociationId, Command, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{
    ENRP_PPID, EnrpBody, EnrpMessage, Format, Policy, PoolElement, ServerInformation, Transport,
    TransportUse, UpdateAction,
};
use rserpool::{PeId, Profile, RegistrarId, Time};

use crate::world::{ASAP_PORT, ENRP_PORT, POOL, World, address};

const SECOND: Duration = Duration::from_secs(1);
const PEER: RegistrarId = RegistrarId(2);
/// The association that the peer has set up.
const LINK: AssociationId = AssociationId::Incoming(1);

/// A registrar, the time, and what it wanted done.
struct Silent {
    registrar: Registrar,
    now: Time,
    commands: Vec<(Time, Command)>,
}

impl Silent {
    fn start(change: impl FnOnce(&mut RegistrarConfig)) -> Self {
        let mut config = RegistrarConfig::new(RegistrarId(1), Profile::Fast);
        config.enrp.transport = Some(place(1, ENRP_PORT).1);
        change(&mut config);
        let now = Time::from_millis(1000);
        Self { registrar: Registrar::new(config, 7, now), now, commands: Vec::new() }
    }

    fn fetch(&mut self) {
        let commands = std::iter::from_fn(|| self.registrar.poll_command());
        self.commands.extend(commands.map(|command| (self.now, command)));
    }

    fn happen(&mut self, event: TransportEvent) {
        self.registrar.handle_event(event, self.now);
        self.fetch();
    }

    /// The peer says something.
    fn hear(&mut self, body: EnrpBody) {
        let message = EnrpMessage { sender: PEER, receiver: RegistrarId::NONE, body };
        let data = message.encode(&Format::default()).expect("a message");
        self.happen(TransportEvent::Message {
            association: LINK,
            message: UserMessage::new(ENRP_PPID, data),
        });
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.fetch();
        while let Some(next) = self.registrar.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.registrar.handle_timeout(self.now);
            self.fetch();
        }
        self.now = end;
    }

    /// The set-ups that have been begun from an endpoint: each with its association, its beginning, and when it was given up.
    fn set_ups(&self, from: Side) -> Vec<(AssociationId, Time, Option<Time>)> {
        let begun = self.commands.iter().filter_map(|(at, command)| match command {
            Command::Connect { association, side, .. } if *side == from => Some((*association, *at)),
            _ => None,
        });
        let end = |wanted: AssociationId| {
            let is_end = |command: &Command| *command == Command::Abort { association: wanted };
            self.commands.iter().find(|(_, command)| is_end(command)).map(|(at, _)| *at)
        };
        begun.map(|(association, at)| (association, at, end(association))).collect()
    }
}

fn place(host: u8, port: u16) -> (Peer, Transport) {
    let peer = Peer { addresses: vec![address(host)], port };
    let transport = Transport::sctp(port, peer.addresses.iter().copied(), TransportUse::DataOnly);
    (peer, transport)
}

/// Each set-up but the last was given up in time, and the next one begun only then.
fn assert_bounded(set_ups: &[(AssociationId, Time, Option<Time>)], limit: Duration) {
    for pair in set_ups.windows(2) {
        let [(_, begun, ended), (_, next, _)] = *pair else { unreachable!("windows of two") };
        assert_eq!(ended, Some(begun + limit));
        assert!(next >= begun + limit, "two at once: {set_ups:?}");
    }
}

#[test]
fn a_peer_that_cannot_be_connected_to_is_tried_again_also_if_nobody_says_so() {
    let mut silent = Silent::start(|config| config.enrp.peers = vec![place(2, ENRP_PORT).0]);
    let limit = silent.registrar.config().connect_timeout;
    silent.run_for(10 * SECOND);
    let set_ups = silent.set_ups(Side::Enrp);
    assert!(set_ups.len() >= 7, "{set_ups:?}");
    assert_bounded(&set_ups, limit);
    assert!(silent.registrar.is_serving());
}

#[test]
fn an_element_of_a_registrar_that_is_gone_and_that_cannot_be_connected_to_is_removed_also_if_nobody_says_so()
{
    let mut silent = Silent::start(|_| {});
    let limit = silent.registrar.config().connect_timeout;
    let (peer, transport) = place(2, ENRP_PORT);
    silent.happen(TransportEvent::Accepted { association: LINK, side: Side::Enrp, peer });
    let server = Some(ServerInformation { id: PEER, transport });
    silent.hear(EnrpBody::Presence { reply_required: false, checksum: None, server });
    let element = PoolElement {
        id: PeId(11),
        asap_transport: Some(place(11, ASAP_PORT).1),
        ..World::element_config(11, &[], Policy::default()).description()
    };
    silent.hear(EnrpBody::HandleUpdate {
        action: UpdateAction::Add,
        takeover_suggested: false,
        pool_handle: POOL.into(),
        element,
    });
    assert_eq!(silent.registrar.handlespace().len(), 1);
    // From here on the peer says nothing any more.
    silent.run_for(10 * SECOND);
    let set_ups = silent.set_ups(Side::Asap);
    assert_eq!(set_ups.len(), 1, "it is tried once");
    assert_eq!(set_ups[0].2, Some(set_ups[0].1 + limit));
    let removal = std::iter::from_fn(|| silent.registrar.poll_event()).find_map(|event| match event {
        RegistrarEvent::Removed { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!((removal, silent.registrar.handlespace().len()), (Some(RemovalReason::AssociationLost), 0));
}
