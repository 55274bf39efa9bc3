//! A host of the simulated network: one SCTP endpoint, and machines on its ports.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use rserpool::driver::ANNOUNCE_GROUP;
use rserpool::transport::{AssociationId, Command, LostReason, Peer, Side, TransportEvent, UserMessage};
use rserpool::{Profile, Time};
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions, ListenerId};
use sctp_core::error::{ConnectError, SendError};
use sctp_core::event::{AssociationId as SctpAssociation, Event};
use sctp_core::message::SendOptions;
use sctp_core::net::{Ecn, PathAddress};
use sctp_user::sim::{Application, Datagram, EndpointNode, Node, Protocol, Unreachable};

use crate::roles::Role;

/// Where a machine is on its host.
pub(crate) struct Port {
    pub(crate) number: u16,
    /// Whether peers may set up associations with it.
    pub(crate) listens: bool,
    pub(crate) role: Role,
}

/// More associations than any host of these tests needs: a machine that has more forgets to close them.
const MAX_ASSOCIATIONS: usize = 32;

/// The machines of a host, and what they call the endpoint's associations.
#[derive(Default)]
pub(crate) struct Host {
    config: AssociationConfig,
    pub(crate) ports: Vec<Port>,
    listeners: Vec<ListenerId>,
    /// The machine (index of its port) and its name for the association; none once the machine has forgotten it.
    names: BTreeMap<SctpAssociation, (usize, Option<AssociationId>)>,
    next_incoming: u64,
    announces: VecDeque<Bytes>,
    fault: Option<String>,
}

impl Host {
    fn start(&mut self, now: Time, endpoint: &mut Endpoint) {
        for index in 0..self.ports.len() {
            let Port { number, listens, .. } = self.ports[index];
            if listens {
                let options = ListenOptions { config: self.config.clone(), ..ListenOptions::default() };
                self.listeners.push(endpoint.listen(number, options).expect("a fresh endpoint"));
            }
            self.drain(now, endpoint, index);
        }
    }

    fn deliver(&mut self, now: Time, endpoint: &mut Endpoint, index: usize, event: TransportEvent) {
        self.ports[index].role.handle_event(event, now);
        self.drain(now, endpoint, index);
    }

    /// The driver loop: a machine's events and commands, until there are none.
    fn drain(&mut self, now: Time, endpoint: &mut Endpoint, index: usize) {
        loop {
            self.ports[index].role.work(now);
            let Some(command) = self.ports[index].role.poll_command() else { return };
            self.execute(now, endpoint, index, command);
        }
    }

    /// Carries out a command. If its association has ended, an event that waits says so.
    fn execute(&mut self, now: Time, endpoint: &mut Endpoint, index: usize, command: Command) {
        match command {
            Command::Connect { association, peer, .. } => match self.connect(now, endpoint, index, &peer) {
                Ok(id) => drop(self.names.insert(id, (index, Some(association)))),
                Err(error) => self.note(format!("cannot connect to {peer:?}: {error}")),
            },
            Command::Send { association, message } => {
                if let Some(id) = self.find(index, association) {
                    self.send(now, endpoint, id, message);
                }
            }
            Command::Shutdown { association } => {
                if let Some(id) = self.find(index, association) {
                    self.names.insert(id, (index, None));
                    let _ = endpoint.shutdown(now, id);
                }
            }
            Command::Abort { association } => {
                if let Some(id) = self.find(index, association) {
                    self.names.remove(&id);
                    endpoint.release(id);
                }
            }
            Command::Measure { association } => {
                let id = self.find(index, association);
                let paths = id.and_then(|id| Some(endpoint.association(id)?.paths()));
                let primary = paths.and_then(|paths| paths.get(paths.primary()));
                if let Some(round_trip) = primary.and_then(|path| path.rtt.srtt()) {
                    let event = TransportEvent::Measured { association, round_trip };
                    self.ports[index].role.handle_event(event, now);
                }
            }
            Command::Resolve { .. } => {}
            Command::Announce { data, .. } => self.announces.push_back(data),
        }
    }

    fn send(&mut self, now: Time, endpoint: &mut Endpoint, id: SctpAssociation, message: UserMessage) {
        let UserMessage { ppid, stream: stream_id, unordered, data } = message;
        let options = SendOptions { stream_id, ppid, unordered, ..SendOptions::default() };
        match endpoint.send(now, id, &options, data) {
            Ok(()) | Err(SendError::Closed | SendError::ShuttingDown) => {}
            // The send buffer has room for all that these machines send.
            Err(error) => self.note(format!("cannot send: {error}")),
        }
    }

    fn note(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// Two associations with the same peer need two ports on our side.
    fn connect(
        &self,
        now: Time,
        endpoint: &mut Endpoint,
        index: usize,
        peer: &Peer,
    ) -> Result<SctpAssociation, ConnectError> {
        let mut request = ConnectRequest {
            local_port: self.ports[index].number,
            local_addresses: Vec::new(),
            peers: peer.addresses.iter().copied().map(PathAddress::to).collect(),
            peer_port: peer.port,
            config: self.config.clone(),
        };
        loop {
            match endpoint.connect(now, request.clone()) {
                Err(ConnectError::AlreadyConnected { local_port }) => request.local_port = local_port + 1,
                result => return result,
            }
        }
    }

    fn find(&self, index: usize, name: AssociationId) -> Option<SctpAssociation> {
        let mut all = self.names.iter();
        all.find_map(|(id, &named)| (named == (index, Some(name))).then_some(*id))
    }

    fn accept(&mut self, now: Time, endpoint: &mut Endpoint, id: SctpAssociation) {
        let port = endpoint.association(id).map(|association| association.local_port());
        let Some(index) = self.ports.iter().position(|own| Some(own.number) == port) else { return };
        let association = AssociationId::Incoming(self.next_incoming);
        self.next_incoming += 1;
        self.names.insert(id, (index, Some(association)));
        let peer = peer_of(endpoint, id);
        self.deliver(now, endpoint, index, TransportEvent::Accepted { association, side: Side::Asap, peer });
    }

    fn read(&mut self, now: Time, endpoint: &mut Endpoint, id: SctpAssociation) {
        while let Some(message) = endpoint.receive(now, id) {
            let Some(&(index, Some(association))) = self.names.get(&id) else { continue };
            let (ppid, stream, unordered) = (message.ppid, message.stream_id, message.unordered);
            let message = UserMessage { ppid, stream, unordered, data: message.into_bytes() };
            self.deliver(now, endpoint, index, TransportEvent::Message { association, message });
        }
    }

    fn lose(&mut self, now: Time, endpoint: &mut Endpoint, id: SctpAssociation, reason: LostReason) {
        if let Some((index, Some(association))) = self.names.remove(&id) {
            self.deliver(now, endpoint, index, TransportEvent::Lost { association, reason });
        }
    }
}

fn peer_of(endpoint: &Endpoint, id: SctpAssociation) -> Peer {
    let association = endpoint.association(id).expect("it is up");
    let addresses = association.paths().iter().map(|path| path.address.remote).collect();
    Peer { addresses, port: association.peer_port() }
}

impl Application for Host {
    fn handle_event(&mut self, now: Time, endpoint: &mut Endpoint, id: SctpAssociation, event: Event) {
        match event {
            Event::CommunicationUp { inbound: true, .. } => self.accept(now, endpoint, id),
            Event::CommunicationUp { .. } => {
                if let Some(&(index, Some(association))) = self.names.get(&id) {
                    let peer = peer_of(endpoint, id);
                    self.deliver(now, endpoint, index, TransportEvent::Connected { association, peer });
                }
            }
            Event::Readable => self.read(now, endpoint, id),
            Event::CommunicationLost { reason } => {
                self.lose(now, endpoint, id, LostReason::from(&reason));
                endpoint.release(id);
            }
            Event::ShutdownComplete => {
                self.lose(now, endpoint, id, LostReason::Shutdown);
                endpoint.release(id);
            }
            // The peer has forgotten all: the old association is over, and a new one has come.
            Event::Restart => {
                self.lose(now, endpoint, id, LostReason::Aborted);
                self.accept(now, endpoint, id);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Time, endpoint: &mut Endpoint) {
        for index in 0..self.ports.len() {
            if self.ports[index].role.poll_timeout().is_some_and(|due| due <= now) {
                self.ports[index].role.handle_timeout(now);
                self.drain(now, endpoint, index);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.ports.iter().filter_map(|port| port.role.poll_timeout()).min()
    }

    fn check(&self, _now: Time, _endpoint: &Endpoint) -> Result<(), String> {
        #[cfg(debug_assertions)]
        _endpoint.check_invariants();
        let faults = self.ports.iter().filter_map(|port| port.role.fault());
        if let Some(fault) = faults.chain(self.fault.as_deref()).next() {
            return Err(fault.to_owned());
        }
        match self.names.len() {
            count if count > MAX_ASSOCIATIONS => Err(format!("{count} associations: {:?}", self.names)),
            _ => Ok(()),
        }
    }
}

/// A host as a node of the network: its endpoint, and beside it UDP for announces.
pub(crate) struct SimHost {
    /// Its only address, whichever interface a datagram leaves by.
    address: IpAddr,
    node: EndpointNode<Host>,
}

impl SimHost {
    /// A host that has just started.
    pub(crate) fn new(address: IpAddr, ports: Vec<Port>, seed: [u8; 32], now: Time) -> Self {
        let config = EndpointConfig { local_addresses: vec![address], ..EndpointConfig::default() };
        let mut endpoint = Endpoint::new(config, seed);
        let config = Profile::Fast.sctp_settings().association_config();
        let mut host = Host { config, ports, ..Host::default() };
        host.start(now, &mut endpoint);
        Self { address, node: EndpointNode::new(endpoint, host, None) }
    }

    /// Its machines.
    pub(crate) fn ports(&self) -> &[Port] {
        &self.node.application.ports
    }

    /// SIGKILL to all its programs: the stack, which stays, aborts their associations and knows their ports no more.
    pub(crate) fn kill(&mut self) {
        let EndpointNode { endpoint, application, .. } = &mut self.node;
        application.listeners.iter().for_each(|id| endpoint.close_listener(*id));
        application.names.keys().for_each(|id| endpoint.release(*id));
        *application = Host::default();
    }
}

impl Node for SimHost {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        let Protocol::Udp { source_port, .. } = datagram.protocol else {
            return self.node.handle_datagram(now, datagram);
        };
        let source = SocketAddr::new(datagram.source, source_port);
        let EndpointNode { endpoint, application, .. } = &mut self.node;
        for index in 0..application.ports.len() {
            let event = TransportEvent::Announce { side: Side::Asap, source, data: datagram.payload.clone() };
            application.deliver(now, endpoint, index, event);
        }
    }

    fn handle_batch_end(&mut self, now: Time) {
        self.node.handle_batch_end(now);
    }

    fn handle_unreachable(&mut self, now: Time, report: Unreachable) {
        if report.datagram.protocol == Protocol::Sctp {
            self.node.handle_unreachable(now, report);
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        if let Some(packet) = self.node.poll_transmit(now) {
            return Some(Datagram { source: self.address, ..packet });
        }
        let payload = self.node.application.announces.pop_front()?;
        let port = ANNOUNCE_GROUP.port();
        Some(Datagram {
            source: self.address,
            destination: ANNOUNCE_GROUP.ip(),
            protocol: Protocol::Udp { source_port: port, destination_port: port },
            ecn: Ecn::NotCapable,
            fragment_to: None,
            payload,
        })
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.node.poll_timeout()
    }

    fn check(&self, now: Time) -> Result<(), String> {
        self.node.check(now)
    }
}
