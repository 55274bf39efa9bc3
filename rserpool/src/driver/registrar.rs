//! A registrar over real sockets.

use std::net::{IpAddr, SocketAddrV4};
use std::time::Instant;

use socketapi::{Stack, Time};

use super::multicast::AnnounceSender;
use super::network::{Binding, Network};
use super::runner::{Machine, Runner};
use super::{ANNOUNCE_TTL, Error};
use crate::SctpSettings;
use crate::registrar::{self, RegistrarConfig, RegistrarEvent, RegistrarStatistics};
use crate::transport::{Command, TransportEvent};
use crate::wire::ASAP_PORT;

/// Where a registrar is reached.
#[derive(Clone, Debug)]
pub struct RegistrarOptions {
    /// Its addresses; none for all of the stack's.
    pub addresses: Vec<IpAddr>,
    /// Its ASAP port.
    pub port: u16,
    /// The group to send announces to; none for no announces.
    pub announce: Option<SocketAddrV4>,
    /// Hops that announces may travel.
    pub announce_ttl: u32,
    /// Parameters of its associations.
    pub sctp: SctpSettings,
}

impl RegistrarOptions {
    /// All addresses, the usual port, no announces.
    pub fn new(sctp: SctpSettings) -> Self {
        Self { addresses: Vec::new(), port: ASAP_PORT, announce: None, announce_ttl: ANNOUNCE_TTL, sctp }
    }
}

/// A registrar at work. Dropping it closes its associations; elements then look for another registrar.
pub struct Registrar {
    runner: Runner<registrar::Registrar>,
}

impl Machine for registrar::Registrar {
    fn handle_event(&mut self, event: TransportEvent, now: Time) {
        self.handle_event(event, now);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn poll_command(&mut self) -> Option<Command> {
        self.poll_command()
    }
}

impl Registrar {
    /// Starts a registrar.
    ///
    /// # Errors
    /// [`Error::Socket`] if the port cannot be had; [`Error::System`] if announces cannot be sent.
    pub fn start(
        stack: &Stack,
        mut config: RegistrarConfig,
        options: RegistrarOptions,
    ) -> Result<Self, Error> {
        let binding = Binding {
            addresses: options.addresses.clone(),
            port: options.port,
            listen: true,
            config: options.sctp.association_config(),
        };
        let mut network = Network::open(stack, binding)?;
        match options.announce {
            Some(group) => {
                let (addresses, port) = network.local()?;
                let sender = AnnounceSender::open(group, options.announce_ttl, &addresses, port)?;
                network.sender = Some(sender);
            }
            None => config.announce_interval = None,
        }
        let machine = registrar::Registrar::new(config, rand::random(), stack.now());
        Ok(Self { runner: Runner::start("registrar", stack, machine, network)? })
    }

    /// The next change of the handlespace. Changes that nobody fetches are forgotten after a while.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn next_event(&self, deadline: Option<Instant>) -> Result<RegistrarEvent, Error> {
        self.runner.wait(deadline, |engine| engine.machine.poll_event())
    }

    /// What it has done so far.
    pub fn statistics(&self) -> RegistrarStatistics {
        self.runner.with(|engine, _| *engine.machine.statistics())
    }

    /// Looks at its machine, for example at the handlespace.
    pub fn inspect<T>(&self, look: impl FnOnce(&registrar::Registrar) -> T) -> T {
        self.runner.with(|engine, _| look(&engine.machine))
    }
}
