//! [`Target`] over a socket of our stack.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sctp_core::association::{Association, AssociationState};
use sctp_core::auth::{KeyError, SharedKeys};
use sctp_core::config::AssociationConfig;
use sctp_core::event::AssociationId;
use sctp_core::path::{PathParameters, Thresholds};
use sctp_user::stack::{Error, Peer, Socket};

use crate::errno::{self, Errno};
use crate::ids::AssocIds;
use crate::settings::Settings;
use crate::target::{Command, Style, Target};

/// What an option did that its caller has to go on with.
#[derive(Debug, Default)]
pub struct Effects {
    /// A socket was made for an association: the program is to get a descriptor for it, with these flags.
    pub peeled_off: Option<(AssociationId, Socket, i32)>,
    /// A set-up has begun.
    pub begun: Option<AssociationId>,
    /// These associations have nothing that is not acknowledged: the program is to be told (SENDER DRY).
    pub dry: Vec<AssociationId>,
}

/// A socket of our stack with what the stack does not know of it, for the time of one call.
#[derive(Debug)]
pub struct StackTarget<'a> {
    /// The socket.
    pub socket: &'a Socket,
    /// What kind of socket the program made.
    pub style: Style,
    /// What the stack does not know.
    pub settings: &'a mut Settings,
    /// Numbers of all associations of the stack.
    pub ids: &'a mut AssocIds,
    /// What is to be done after the call.
    pub effects: Effects,
}

impl<'a> StackTarget<'a> {
    /// For one call.
    pub fn new(socket: &'a Socket, style: Style, settings: &'a mut Settings, ids: &'a mut AssocIds) -> Self {
        Self { socket, style, settings, ids, effects: Effects::default() }
    }

    /// Whether it is one of the socket's, and has not ended: of one that has only messages may be left.
    fn is_alive(&self, association: AssociationId) -> bool {
        let has_ended = |association: &Association| association.state() == AssociationState::Closed;
        self.socket.association(Some(association), has_ended).is_ok_and(|ended| !ended)
    }
}

fn checked<T>(result: Result<T, Error>) -> Result<T, Errno> {
    result.map_err(|error| errno::of(&error))
}

impl Target for StackTarget<'_> {
    fn settings(&self) -> &Settings {
        self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        self.settings
    }

    fn style(&self) -> Style {
        self.style
    }

    fn associations(&self) -> Vec<AssociationId> {
        let all = match self.style {
            Style::OneToMany => self.socket.associations(),
            // Those that wait to be accepted are not the socket's yet.
            Style::OneToOne | Style::PeeledOff => self.socket.only_association().into_iter().collect(),
        };
        all.into_iter().filter(|association| self.is_alive(*association)).collect()
    }

    fn number(&mut self, association: AssociationId) -> i32 {
        self.ids.number(association)
    }

    fn find_number(&self, number: i32) -> Option<AssociationId> {
        self.ids.find(number).filter(|association| self.is_alive(*association))
    }

    fn find_peer(&self, peer: SocketAddr) -> Option<AssociationId> {
        let found = self.socket.find(&Peer { addresses: vec![peer.ip()], port: peer.port() });
        found.filter(|association| self.is_alive(*association))
    }

    fn look(&self, association: AssociationId, look: &mut dyn FnMut(&Association)) -> Result<(), Errno> {
        checked(self.socket.association(Some(association), look))
    }

    fn config(&self) -> Result<AssociationConfig, Errno> {
        checked(self.socket.config())
    }

    fn configure(
        &mut self,
        association: Option<AssociationId>,
        change: &dyn Fn(&mut AssociationConfig),
    ) -> Result<(), Errno> {
        checked(self.socket.configure(association, change))
    }

    fn change_keys(
        &mut self,
        association: Option<AssociationId>,
        change: &dyn Fn(&mut SharedKeys) -> Result<(), KeyError>,
    ) -> Result<(), Errno> {
        checked(self.socket.change_keys(association, change))
    }

    fn configure_path(
        &mut self,
        association: AssociationId,
        remote: IpAddr,
        change: &dyn Fn(&mut PathParameters),
    ) -> Result<(), Errno> {
        checked(self.socket.configure_path(Some(association), remote, change))
    }

    fn take_largest_rto(&mut self, association: AssociationId) -> Result<Option<(IpAddr, Duration)>, Errno> {
        checked(self.socket.take_largest_rto(Some(association)))
    }

    fn set_thresholds(
        &mut self,
        association: AssociationId,
        remote: IpAddr,
        thresholds: Thresholds,
    ) -> Result<(), Errno> {
        checked(self.socket.set_thresholds(Some(association), remote, thresholds))
    }

    fn remote_udp_port(&self) -> u16 {
        self.settings.remote_udp_port.unwrap_or_else(|| self.socket.stack().udp_port())
    }

    fn set_remote_udp_port(
        &mut self,
        association: Option<AssociationId>,
        remote: Option<IpAddr>,
        port: u16,
    ) -> Result<(), Errno> {
        match association {
            Some(_) => checked(self.socket.set_association_udp_port(association, remote, port)),
            None => {
                checked(self.socket.set_remote_udp_port(Some(port)))?;
                self.settings.remote_udp_port = Some(port);
                Ok(())
            }
        }
    }

    fn command(&mut self, association: AssociationId, command: Command<'_>) -> Result<(), Errno> {
        let (socket, id) = (self.socket, Some(association));
        checked(match command {
            Command::SetPrimary(remote) => socket.set_primary(id, remote),
            Command::SetPeerPrimary(address) => socket.set_peer_primary(id, address),
            Command::RequestHeartbeat(remote) => socket.request_heartbeat(id, remote),
            Command::ResetStreams(directions, streams) => socket.reset_streams(id, directions, streams),
            Command::ResetAssociation => socket.reset_association(id),
            Command::AddStreams { outbound, inbound } => socket.add_streams(id, outbound, inbound),
        })
    }

    fn local(&self) -> Result<(Vec<IpAddr>, u16), Errno> {
        checked(self.socket.local())
    }

    fn is_bound_to_all(&self) -> bool {
        self.socket.is_bound_to_all().unwrap_or(false)
    }

    fn bind(&mut self, addresses: &[IpAddr], port: u16) -> Result<(), Errno> {
        checked(self.socket.bind(addresses, port))
    }

    fn share_port(&mut self) -> Result<(), Errno> {
        checked(self.socket.share_port(self.settings.sharing()))
    }

    fn add_address(&mut self, address: IpAddr) -> Result<(), Errno> {
        checked(self.socket.add_address(address))
    }

    fn remove_address(&mut self, address: IpAddr) -> Result<(), Errno> {
        checked(self.socket.remove_address(address))
    }

    fn connect(&mut self, peer: &Peer) -> Result<AssociationId, Errno> {
        if self.style == Style::OneToMany && self.socket.find(peer).is_some() {
            return Err(Errno::EISCONN);
        }
        let association = checked(self.socket.connect(peer))?;
        self.settings.begin(association);
        self.effects.begun = Some(association);
        Ok(association)
    }

    fn peel_off(&mut self, association: AssociationId, flags: i32) -> Result<(), Errno> {
        let socket = checked(self.socket.peel_off(association))?;
        self.effects.peeled_off = Some((association, socket, flags));
        Ok(())
    }

    fn subscribe(&mut self) {
        // A socket that is closed tells nothing any more.
        let _ = self.socket.subscribe(self.settings.notifications(self.style));
    }

    fn tell_if_dry(&mut self, association: AssociationId) {
        let is_dry = |association: &Association| !association.has_unacknowledged();
        if self.socket.association(Some(association), is_dry).unwrap_or(false) {
            self.effects.dry.push(association);
        }
    }
}
