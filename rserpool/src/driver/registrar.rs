//! A registrar over real sockets.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socketapi::{Stack, Time};

use super::interfaces;
use super::multicast::AnnounceReceiver;
use super::names::NameOptions;
use super::network::{Binding, Network, for_others};
use super::runner::Runner;
use super::tcp::{TcpOptions, TcpRefusals};
use super::watched::{Latencies, Observer, Watched};
use super::{ANNOUNCE_TTL, Error};
use crate::registrar::{self, RegistrarConfig, RegistrarEvent, RegistrarStatistics};
use crate::transport::Side;
use crate::wire::{ASAP_PORT, Protocol, Transport, TransportUse};
use crate::{Profile, SctpSettings};

/// Where a registrar is reached.
#[derive(Clone, Debug)]
pub struct RegistrarOptions {
    /// Its addresses; none for all of the stack's.
    pub addresses: Vec<IpAddr>,
    /// Its ASAP port.
    pub port: u16,
    /// The group to send announces to; none for no announces.
    pub announce: Option<SocketAddr>,
    /// Hops that announces may travel.
    pub announce_ttl: u32,
    /// Its ENRP port, if it is to get along with other registrars.
    pub enrp_port: Option<u16>,
    /// The addresses of its ENRP side, where they are not ASAP's.
    pub enrp_addresses: Option<Vec<IpAddr>>,
    /// The group to send Presences to, and to find other registrars in; none for no multicast.
    pub enrp_announce: Option<SocketAddr>,
    /// Pool users over TCP; none for none.
    pub tcp: Option<TcpOptions>,
    /// How other registrars' names are resolved.
    pub names: NameOptions,
    /// Parameters of its associations.
    pub sctp: SctpSettings,
}

impl RegistrarOptions {
    /// All addresses, the usual port, no announces; alone.
    pub fn new(sctp: SctpSettings) -> Self {
        Self {
            addresses: Vec::new(),
            port: ASAP_PORT,
            announce: None,
            announce_ttl: ANNOUNCE_TTL,
            enrp_port: None,
            enrp_addresses: None,
            enrp_announce: None,
            tcp: Some(TcpOptions::default()),
            names: NameOptions::new(Profile::Rfc),
            sctp,
        }
    }

    fn binding(&self, side: Side, port: u16) -> Binding {
        let own = self.enrp_addresses.as_ref().filter(|_| side == Side::Enrp);
        let addresses = own.unwrap_or(&self.addresses).clone();
        Binding { side, addresses, port, listen: true, config: self.sctp.control_config() }
    }
}

/// A registrar at work. Dropping it closes its associations; elements then look for another registrar.
pub struct Registrar {
    runner: Runner<Watched>,
}

impl Registrar {
    /// Starts a registrar. If its own networks are not configured, they are the directly connected ones of the stack's addresses.
    ///
    /// # Errors
    /// [`Error::Socket`] if the port cannot be had; [`Error::System`] if announces cannot be sent.
    pub fn start(stack: &Stack, config: RegistrarConfig, options: RegistrarOptions) -> Result<Self, Error> {
        Self::start_observed(stack, config, options, None)
    }

    /// The same, with somebody who is told all that it hears and says.
    ///
    /// # Errors
    /// As [`Registrar::start`].
    pub fn start_observed(
        stack: &Stack,
        mut config: RegistrarConfig,
        options: RegistrarOptions,
        observer: Option<Observer>,
    ) -> Result<Self, Error> {
        let mut network = Network::open(stack, options.binding(Side::Asap, options.port))?;
        match options.announce {
            Some(group) => {
                network.announce_to(Side::Asap, group, options.announce_ttl)?;
                // Others' announces: the more there are, the rarer are ours (RFC 5352, 3.6).
                network.receivers.push(AnnounceReceiver::open(Side::Asap, group)?);
            }
            None => config.announce_interval = None,
        }
        if let Some(port) = options.enrp_port {
            Self::open_enrp(&mut network, &mut config, &options, port)?;
        }
        if let Some(tcp) = &options.tcp {
            let all = || stack.local_addresses();
            let addresses = if options.addresses.is_empty() { all() } else { options.addresses.clone() };
            let (_, port) = network.local(Side::Asap)?;
            network.serve_tcp(tcp, addresses, port)?;
            if tcp.is_announced {
                config.announce_transports = announced_transports(&network)?;
            }
        }
        find_own_networks(stack, &mut config)?;
        let machine = registrar::Registrar::new(config, rand::random(), stack.now());
        let watched = Watched::new(machine, stack, observer);
        Ok(Self { runner: Runner::start("registrar", stack, watched, network)? })
    }

    fn open_enrp(
        network: &mut Network,
        config: &mut RegistrarConfig,
        options: &RegistrarOptions,
        port: u16,
    ) -> Result<(), Error> {
        network.bind(options.binding(Side::Enrp, port))?;
        let (addresses, port) = network.local(Side::Enrp)?;
        config.enrp.transport = Some(Transport::sctp(port, addresses, TransportUse::DataOnly));
        if let Some(group) = options.enrp_announce {
            config.enrp.multicast = network.announce_to(Side::Enrp, group, options.announce_ttl)?;
            network.receivers.push(AnnounceReceiver::open(Side::Enrp, group)?);
        }
        network.resolve(Side::Enrp, &config.enrp.names, &options.names)?;
        Ok(())
    }

    /// Where pool users are served over TCP.
    pub fn tcp_addrs(&self) -> Vec<SocketAddr> {
        self.runner.with(|engine, _| engine.network.tcp_places())
    }

    /// Whom its TCP side has sent away so far.
    pub fn tcp_refusals(&self) -> TcpRefusals {
        self.runner.with(|engine, _| engine.network.tcp_refusals())
    }

    /// The next change of the handlespace. Changes that nobody fetches are forgotten after a while.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn next_event(&self, deadline: Option<Instant>) -> Result<RegistrarEvent, Error> {
        self.runner.wait(deadline, |engine| engine.machine.machine.poll_event())
    }

    /// As [`Registrar::next_event`], for futures of one's own.
    pub fn poll_next_event(&self, context: &mut Context<'_>) -> Poll<Result<RegistrarEvent, Error>> {
        self.runner.poll(context, (), |engine| engine.machine.machine.poll_event())
    }

    /// What it has done so far.
    pub fn statistics(&self) -> RegistrarStatistics {
        self.runner.with(|engine, _| *engine.machine.machine.statistics())
    }

    /// How long it took to answer registrations, from when they could be read.
    pub fn registration_latencies(&self) -> Latencies {
        self.runner.with(|engine, _| engine.machine.registrations)
    }

    /// Takes other settings while it runs, as far as it can: see [`registrar::Registrar::reconfigure`].
    ///
    /// # Errors
    /// [`Error::System`] if its own networks are not configured, and cannot be found.
    pub fn reconfigure(&self, mut config: RegistrarConfig) -> Result<(), Error> {
        find_own_networks(self.runner.stack(), &mut config)?;
        self.runner.with(|engine, _| engine.machine.machine.reconfigure(config));
        Ok(())
    }

    /// Whether its thread is at work: it looks for something to do within this time.
    pub fn is_alive(&self, patience: Duration) -> bool {
        self.runner.goes_round(patience)
    }

    /// Looks at its machine, at where it is reached, and at the time.
    pub(super) fn look<T>(&self, look: impl FnOnce(&registrar::Registrar, Vec<SocketAddr>, Time) -> T) -> T {
        self.runner.with(|engine, now| look(&engine.machine.machine, engine.network.places(Side::Asap), now))
    }

    /// Looks at its machine, for example at the handlespace.
    pub fn inspect<T>(&self, look: impl FnOnce(&registrar::Registrar) -> T) -> T {
        self.runner.with(|engine, _| look(&engine.machine.machine))
    }
}

/// What announces tell of (RFC 5352, 2.2.10): SCTP last, since RSPLIB drops those that go on after it. None without TCP: then their
/// source says it all.
fn announced_transports(network: &Network) -> Result<Vec<Transport>, Error> {
    let places = for_others(network.tcp_places());
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (addresses, port) = network.local(Side::Asap)?;
    let at = |place: SocketAddr| Transport {
        protocol: Protocol::Tcp,
        port: place.port(),
        addresses: [place.ip()].into_iter().collect(),
    };
    let sctp = Transport::sctp(port, addresses, TransportUse::DataOnly);
    Ok(places.into_iter().map(at).chain([sctp]).collect())
}

/// If its own networks are not configured, they are the directly connected ones of the stack's addresses.
fn find_own_networks(stack: &Stack, config: &mut RegistrarConfig) -> Result<(), Error> {
    if config.access.own_networks.is_none() {
        config.access.own_networks = Some(interfaces::networks_of(&stack.local_addresses())?);
    }
    Ok(())
}
