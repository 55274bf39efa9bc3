//! RSPLIB's registrar does what its model says, with which ours is simulated (`rserpool/tests/scenarios/rsplib`): a peer that poses as
//! several registrars tells it this and that.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rserpool::wire::{
    ENRP_PORT, ENRP_PPID, EnrpBody, EnrpMessage, Format, Life, Policy, PoolElement, ServerInformation,
    Transport, TransportUse, UpdateAction,
};
use rserpool::{PeId, RegistrarId};
use socketapi::{AssociationId, SctpSocket, SendInfo, Stack};
use system_tests::{
    Host, LIMIT, Lab, Program, has_rsplib_or_skip, hear, registrar_command, sctp_run_on, server_command,
    start,
};

const REGISTRAR: &str = "10.98.0.1";
const IMPOSTOR: &str = "10.98.0.2";
/// An address of nobody: RSPLIB's registrar wants a peer, and takes all who come from its address for the same one.
const NOBODY: &str = "10.98.0.8";
const POOL: &str = "EchoPool";
/// The registrar's identifier, and two of its peers that stay: a smaller and a larger one.
const ITS_OWN: RegistrarId = RegistrarId(0x50);
const SMALLER: RegistrarId = RegistrarId(0x40);
const LARGER: RegistrarId = RegistrarId(0x60);
/// Peers that fall silent.
const SILENT: RegistrarId = RegistrarId(0x98);
const OTHER_SILENT: RegistrarId = RegistrarId(0x99);
/// Between two Presences of the peers that stay: RSPLIB's registrar lets them be silent for ten times as long.
const BEAT: Duration = Duration::from_millis(300);

/// Registrars that are none, on one association.
struct Impostor {
    // Its threads end when it is dropped.
    _stack: Stack,
    socket: SctpSocket,
    association: AssociationId,
    /// Who says so all the time that it lives.
    live: Vec<RegistrarId>,
    next_beat: Instant,
    /// What it has said that it takes over.
    begun: BTreeSet<RegistrarId>,
}

impl Impostor {
    fn start(host: &Host) -> Self {
        let address = IMPOSTOR.parse().expect("an address");
        host.inside(|| {
            let stack = Stack::builder().transport(socketapi::Transport::Raw).addresses(vec![address]);
            let stack = stack.build().expect("raw IP");
            let socket = SctpSocket::bind(&stack, (IMPOSTOR, ENRP_PORT)).expect("a free port");
            let association = socket.connect((REGISTRAR, ENRP_PORT)).expect("an attempt");
            socket.wait_connected(association).expect("RSPLIB's registrar is there");
            Self {
                _stack: stack,
                socket,
                association,
                live: Vec::new(),
                next_beat: Instant::now(),
                begun: BTreeSet::new(),
            }
        })
    }

    fn say(&self, sender: RegistrarId, body: EnrpBody) {
        self.say_to(ITS_OWN, sender, body);
    }

    fn say_to(&self, receiver: RegistrarId, sender: RegistrarId, body: EnrpBody) {
        let message = EnrpMessage { sender, receiver, body };
        let data = message.encode(&Format::default()).expect("a message");
        self.socket.send(self.association, &data, &SendInfo::new().ppid(ENRP_PPID)).expect("it is there");
    }

    fn show(&self, sender: RegistrarId) {
        let transport =
            Transport::sctp(ENRP_PORT, [IMPOSTOR.parse().expect("an address")], TransportUse::DataOnly);
        let server = Some(ServerInformation { id: sender, transport });
        self.say(sender, EnrpBody::Presence { reply_required: false, checksum: Some(0xffff), server });
    }

    /// These live from now on.
    fn keep_alive(&mut self, who: &[RegistrarId]) {
        self.live.extend(who);
        who.iter().for_each(|id| self.show(*id));
    }

    /// What it says next to one of these registrars.
    fn next(&mut self) -> EnrpMessage {
        let end = Instant::now() + LIMIT;
        loop {
            if Instant::now() >= self.next_beat {
                self.live.iter().for_each(|id| self.show(*id));
                self.next_beat = Instant::now() + BEAT;
            }
            match self.socket.recv_deadline(self.next_beat) {
                Ok(message) if message.info.ppid == ENRP_PPID => {
                    let parsed = EnrpMessage::parse(&message.into_bytes(), &Format::default());
                    let said = parsed.expect("it is well-formed").message;
                    if let EnrpBody::InitTakeover { target } = said.body {
                        self.begun.insert(target);
                    }
                    return said;
                }
                _ => assert!(Instant::now() < end, "RSPLIB's registrar says nothing any more"),
            }
        }
    }

    /// Waits until it says to `receiver` what is asked for.
    fn hear<T>(
        &mut self,
        receiver: RegistrarId,
        what: &str,
        mut pick: impl FnMut(&EnrpBody) -> Option<T>,
    ) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            let said = self.next();
            assert_eq!(said.sender, ITS_OWN);
            if let Some(picked) = pick(&said.body).filter(|_| said.receiver == receiver) {
                return picked;
            }
            assert!(Instant::now() < end, "RSPLIB's registrar does not say to {receiver}: {what}");
        }
    }

    /// Asks for a table, or for its next part: whether that is refused, whether there is more, and the elements with their homes.
    fn ask(&mut self, sender: RegistrarId, own_children_only: bool) -> (bool, bool, Vec<(u32, RegistrarId)>) {
        self.say(sender, EnrpBody::HandleTableRequest { own_children_only });
        self.hear(sender, "a table", |body| match body {
            EnrpBody::HandleTableResponse { more, rejected, pools } => {
                let elements = pools.iter().flat_map(|pool| &pool.elements);
                Some((*rejected, *more, elements.map(|element| (element.id.0, element.home)).collect()))
            }
            _ => None,
        })
    }

    /// The whole table of all elements.
    fn ask_all(&mut self, sender: RegistrarId) -> Vec<(u32, RegistrarId)> {
        let mut all = Vec::new();
        loop {
            let (rejected, more, elements) = self.ask(sender, false);
            assert!(!rejected);
            all.extend(elements);
            if !more {
                all.sort_unstable();
                return all;
            }
        }
    }

    fn update(&self, sender: RegistrarId, action: UpdateAction, id: u32, home: RegistrarId) {
        let transport = |port, transport_use| {
            Transport::sctp(port, ["10.98.0.9".parse().expect("an address")], transport_use)
        };
        let element = PoolElement {
            id: PeId(id),
            home,
            life: Life::from_millis(60_000),
            user_transport: transport(7000, TransportUse::DataAndControl),
            policy: Policy::default(),
            asap_transport: Some(transport(7001, TransportUse::DataOnly)),
        };
        let (pool_handle, takeover_suggested) = (POOL.into(), false);
        let body = EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element };
        // RFC 5353, 3.3.1: an update is for nobody in particular.
        self.say_to(RegistrarId::NONE, sender, body);
    }

    /// Waits until it means to take one over that meanwhile says only what is no sign of life.
    fn await_takeover(&mut self, of: RegistrarId) {
        let end = Instant::now() + LIMIT;
        while !self.begun.contains(&of) {
            self.say(of, EnrpBody::ListRequest);
            self.next();
            assert!(Instant::now() < end, "{of} is not taken over");
        }
    }

    /// Whether it has agreed before it answers something else.
    fn is_agreed(&mut self, sender: RegistrarId, to: RegistrarId) -> bool {
        self.say(sender, EnrpBody::InitTakeover { target: to });
        self.say(sender, EnrpBody::ListRequest);
        self.hear(sender, "an answer", |body| match body {
            EnrpBody::InitTakeoverAck { target } => (*target == to).then_some(true),
            EnrpBody::ListResponse { .. } => Some(false),
            _ => None,
        })
    }
}

/// RSPLIB's registrar, quick, with two elements in tables of one element each; and who talks to it.
fn scene() -> (Host, [Program; 3], Impostor) {
    let host = Lab::loopback();
    for number in [1, 2, 3, 4] {
        host.ip(&format!("addr add 10.98.0.{number}/24 dev lo"));
    }
    let options = [
        "-identifier=0x50",
        "-maxelementsperhtrequest=1",
        "-enrpannounce=off",
        "-asapannounce=off",
        "-peermaxtimelastheard=3000",
        "-peermaxtimenoresponse=1000",
        "-takeoverexpiryinterval=60000",
    ];
    let mut registrar = start(sctp_run_on(&host, REGISTRAR), &registrar_command(REGISTRAR, NOBODY, &options));
    hear(&mut registrar, "Registrar started");
    let [one, other] = [("10.98.0.3", "0xa1"), ("10.98.0.4", "0xa2")].map(|(address, id)| {
        let element = start(sctp_run_on(&host, address), &server_command("-echo", id, &[REGISTRAR]));
        hear(&mut registrar, &format!("Successfully registered EchoPool/$000000{}", &id[2..]));
        element
    });
    let impostor = Impostor::start(&host);
    (host, [registrar, one, other], impostor)
}

#[test]
fn rsplib_s_registrar_behaves_as_its_model_with_tables_and_updates() {
    if !has_rsplib_or_skip() {
        return;
    }
    let (_host, _programs, mut peer) = scene();
    let own = [(0xa1, ITS_OWN), (0xa2, ITS_OWN)];
    // Who has not shown itself is refused.
    assert_eq!(peer.ask(SMALLER, false), (true, false, Vec::new()));
    peer.keep_alive(&[SMALLER, LARGER]);
    assert_eq!(peer.ask_all(SMALLER), own);

    // One position for both kinds of table, for each peer: a table goes on where the other one was left.
    let (_, more, first) = peer.ask(SMALLER, true);
    assert!(more);
    let (_, more, second) = peer.ask(SMALLER, false);
    assert!(first.len() == 1 && second.len() == 1 && first != second, "{first:?}, {second:?}");
    assert!(!more || peer.ask(SMALLER, false) == (false, false, Vec::new()));
    assert_eq!(peer.ask_all(LARGER), own);

    // It believes whoever says whose an element is, but for itself; and anybody's deletions, also of its own elements.
    peer.update(SMALLER, UpdateAction::Add, 0xb1, LARGER);
    peer.update(SMALLER, UpdateAction::Add, 0xb2, ITS_OWN);
    peer.update(SMALLER, UpdateAction::Delete, 0xa1, ITS_OWN);
    assert_eq!(peer.ask_all(SMALLER), [(0xa2, ITS_OWN), (0xb1, LARGER)]);
}

#[test]
fn rsplib_s_registrar_behaves_as_its_model_in_takeovers() {
    if !has_rsplib_or_skip() {
        return;
    }
    let (_host, _programs, mut peer) = scene();
    peer.keep_alive(&[SMALLER, LARGER]);
    peer.show(SILENT);
    peer.show(OTHER_SILENT);
    peer.update(SILENT, UpdateAction::Add, 0xb1, SILENT);
    peer.update(OTHER_SILENT, UpdateAction::Add, 0xb2, OTHER_SILENT);

    // Only a Presence is a sign of life: one that says something else is asked, and taken over.
    peer.await_takeover(SILENT);
    // It insists against a larger identifier.
    assert!(!peer.is_agreed(LARGER, SILENT));
    // It has asked all that it knows, also the other silent one, and needs the word of each. Then the elements are its own at once.
    peer.await_takeover(OTHER_SILENT);
    for agreeing in [SMALLER, LARGER, OTHER_SILENT] {
        peer.say(agreeing, EnrpBody::InitTakeoverAck { target: SILENT });
    }
    assert!(peer.ask_all(LARGER).contains(&(0xb1, ITS_OWN)));

    // It gives way to a smaller one, for good: the silent one is forgotten, and its element stays as it is.
    assert!(peer.is_agreed(SMALLER, OTHER_SILENT));
    while !peer.ask(OTHER_SILENT, false).0 {}
    assert!(peer.ask_all(LARGER).contains(&(0xb2, OTHER_SILENT)));
}
