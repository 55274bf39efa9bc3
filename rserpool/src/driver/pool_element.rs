//! A pool element over real sockets: its registration, and the service that it gives.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use socketapi::{AssociationConfig, Stack, Time};

use super::Error;
use super::load::Load;
use super::multicast::AnnounceReceiver;
use super::names::NameOptions;
use super::network::{Binding, Network};
use super::one_to_many::{self, Service};
use super::one_to_one::{self, SessionService};
use super::runner::{Machine, Runner};
use super::tasks::Tasks;
use crate::pool_element::{self, PoolElementConfig, PoolElementEvent};
use crate::session::{BusinessCard, CookieProtection, ServiceConfig, ServiceSessions};
use crate::transport::{Command, Peer, Side, TransportEvent};
use crate::wire::{self, Policy, Transport, TransportUse};
use crate::{HuntConfig, PeId, PoolHandle, Profile, SctpSettings};

impl Machine for pool_element::PoolElement {
    type Topic = ();

    fn handle_own_events(&mut self, tasks: &mut Tasks<()>) {
        tasks.wake(&());
    }

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

/// What an element is, and how it finds its registrar.
#[derive(Clone, Debug)]
pub struct PoolElementOptions {
    /// The element, and its timers: an identifier that is random, as it should be, round robin, and all else as the profile says. Where
    /// it serves, [`user_transport`](PoolElementConfig::user_transport), and whether it
    /// [follows its host](PoolElementConfig::follows_host) are for the driver to say.
    pub config: PoolElementConfig,
    /// Where it serves; none for all addresses of the stack.
    pub addresses: Vec<IpAddr>,
    /// The port where it serves, 0 for any.
    pub port: u16,
    /// Whether its sessions have a control channel, as they do by default: without, there are no cookies.
    pub transport_use: TransportUse,
    /// How cookies are signed, and other elements' checked: all elements of the pool need the same. None: they are not signed.
    pub cookies: Option<CookieProtection>,
    /// The group where announces of registrars are heard; none not to listen.
    pub announce: Option<SocketAddr>,
    /// How registrars' names are resolved.
    pub names: NameOptions,
    /// Parameters of its associations; by default the profile's.
    pub sctp: SctpSettings,
}

impl PoolElementOptions {
    /// An element that knows these registrars, and does not listen to announces.
    pub fn new(pool_handle: PoolHandle, registrars: Vec<Peer>, profile: Profile) -> Self {
        let transport_use = TransportUse::DataAndControl;
        let config = PoolElementConfig::new(
            pool_handle,
            PeId(rand::random_range(1..=u32::MAX)),
            Policy::default(),
            Transport::sctp(0, [], transport_use),
            HuntConfig::new(registrars, profile),
            profile,
        );
        Self {
            config,
            addresses: Vec::new(),
            port: 0,
            transport_use,
            cookies: None,
            announce: None,
            names: NameOptions::new(profile),
            sctp: profile.sctp_settings(),
        }
    }

    fn binding(&self, port: u16, config: AssociationConfig) -> Binding {
        Binding { side: Side::Asap, addresses: self.addresses.clone(), port, listen: true, config }
    }

    fn config(&self, user_transport: Transport) -> PoolElementConfig {
        let follows_host = self.sctp.mobile && self.addresses.is_empty();
        PoolElementConfig { user_transport, follows_host, ..self.config.clone() }
    }
}

/// A membership in a pool: registers a server that runs by itself, over whatever transport, and keeps it registered. A
/// [`PoolElement`] has one. Dropping it without [`deregister`](Self::deregister) leaves it to the registrar to notice.
pub struct Registration {
    runner: Arc<Runner<pool_element::PoolElement>>,
}

impl Registration {
    /// Starts to look for a registrar for a server at `user_transport`. Its addresses must be among those of
    /// [`PoolElementOptions::addresses`], of which the registrar is asked (RFC 5352, 2.2.1); the port and the use of the control channel
    /// in the options count for nothing. DCCP, UDP-Lite and opaque transports are sent where the configuration's
    /// [`Format`](wire::Format) allows them.
    ///
    /// # Errors
    /// [`Error::Format`] for a pool handle or a transport that cannot be registered; [`Error::Socket`]; [`Error::System`] if announces
    /// cannot be heard.
    pub fn start(
        stack: &Stack,
        options: &PoolElementOptions,
        user_transport: Transport,
    ) -> Result<Self, Error> {
        let config = options.sctp.control_config();
        let mut network = Network::open(stack, options.binding(0, config))?;
        if let Some(group) = options.announce {
            network.receivers.push(AnnounceReceiver::open(Side::Asap, group)?);
        }
        network.resolve(Side::Asap, &options.config.hunt.names, &options.names)?;
        let config = options.config(user_transport);
        config.check()?;
        let machine = pool_element::PoolElement::new(config, rand::random(), stack.now());
        Ok(Self { runner: Arc::new(Runner::start("registration", stack, machine, network)?) })
    }

    /// What happens to the registration.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn next_event(&self, deadline: Option<Instant>) -> Result<PoolElementEvent, Error> {
        self.runner.wait(deadline, |engine| engine.machine.poll_event())
    }

    /// Looks at its machine, and at the time.
    pub(super) fn look<T>(&self, look: impl FnOnce(&pool_element::PoolElement, Time) -> T) -> T {
        self.runner.with(|engine, now| look(&engine.machine, now))
    }

    /// As [`Registration::next_event`], for futures of one's own.
    pub fn poll_next_event(&self, context: &mut Context<'_>) -> Poll<Result<PoolElementEvent, Error>> {
        self.runner.poll(context, (), |engine| engine.machine.poll_event())
    }

    /// Changes the policy's numbers, such as the load.
    pub fn set_policy(&self, policy: Policy) {
        self.runner.with(|engine, now| engine.machine.set_policy(policy, now));
    }

    /// Asks the registrar for so many elements of a pool; [`PoolElementEvent::Resolved`] brings them. False if too many such
    /// questions wait.
    pub fn resolve(&self, pool_handle: PoolHandle, items: Option<u32>) -> bool {
        self.runner.with(|engine, now| engine.machine.resolve(pool_handle, items, now))
    }

    /// Tries again after a rejection, or after having given up.
    pub fn register_again(&self) {
        self.runner.with(|engine, now| engine.machine.register_again(now));
    }

    /// Leaves the pool. Whether a registrar has confirmed it.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn deregister(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        self.begin_deregistration();
        self.runner.wait(deadline, |engine| engine.machine.deregistered())
    }

    /// Begins to leave the pool: [`PoolElementEvent::Deregistered`] tells when that is done.
    pub fn begin_deregistration(&self) {
        self.runner.with(|engine, now| engine.machine.deregister(now));
    }

    /// The end of what [`begin_deregistration`](Self::begin_deregistration) has begun, for futures of one's own: whether a registrar has
    /// confirmed it.
    pub fn poll_deregistered(&self, context: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.runner.poll(context, (), |engine| engine.machine.deregistered())
    }
}

/// Serves sessions: the part of an element that a service runs in.
pub(super) trait Serving: Send + Sync {
    fn set_business_card(&self, card: BusinessCard);
    fn sessions(&self) -> usize;
    /// Lets the service say its last words.
    fn stop(&mut self) {}
}

/// An element at work: it serves, and stays registered. Dropping it without [`deregister`](Self::deregister) leaves it
/// to the registrar to notice.
pub struct PoolElement {
    registration: Registration,
    id: PeId,
    pool_handle: PoolHandle,
    load: Arc<Load>,
    // The service ends after the registration.
    server: Box<dyn Serving>,
}

impl PoolElement {
    /// Starts to serve, and to look for a registrar.
    ///
    /// # Errors
    /// [`Error::Format`] for a pool handle that cannot be registered; [`Error::Socket`] if the port cannot be had; [`Error::System`] if
    /// announces cannot be heard.
    pub fn start(stack: &Stack, options: PoolElementOptions, service: impl Service) -> Result<Self, Error> {
        let (element, ()) = Self::with_server(stack, options, |sessions, network, load| {
            Ok((one_to_many::start(stack, sessions, network, load, service)?, ()))
        })?;
        Ok(element)
    }

    /// The same for a service with a thread for each session, for at most `max_sessions` at a time; others are
    /// [refused](SessionService::refuse).
    ///
    /// # Errors
    /// As [`PoolElement::start`].
    pub fn start_sessions(
        stack: &Stack,
        options: PoolElementOptions,
        max_sessions: usize,
        service: impl SessionService,
    ) -> Result<Self, Error> {
        let (element, ()) = Self::with_server(stack, options, |sessions, network, load| {
            Ok((one_to_one::start(stack, sessions, network, load, max_sessions, service)?, ()))
        })?;
        Ok(element)
    }

    /// An element whose sessions are served by what `serve` starts.
    pub(super) fn with_server<T>(
        stack: &Stack,
        options: PoolElementOptions,
        serve: impl FnOnce(ServiceSessions, Network, &Arc<Load>) -> Result<(Box<dyn Serving>, T), Error>,
    ) -> Result<(Self, T), Error> {
        let config = options.sctp.association_config();
        let network = Network::open(stack, options.binding(options.port, config))?;
        let (addresses, port) = network.local(Side::Asap)?;
        let transport_use = options.transport_use;
        let user_transport = Transport::sctp(port, addresses, transport_use);
        let config = options.config(user_transport.clone());
        let (id, pool_handle) = (config.id, config.pool_handle.clone());
        let elements = vec![config.description()];
        let service_config = ServiceConfig {
            transport_use,
            cookies: options.cookies.clone(),
            business_card: Some(BusinessCard { pool_handle: pool_handle.clone(), elements }),
            follows_host: config.follows_host.then_some(id),
            format: config.format,
            ..ServiceConfig::default()
        };
        let load = Arc::new(Load::new(config.policy));
        let (server, kept) = serve(ServiceSessions::new(service_config, rand::random()), network, &load)?;
        let registration = Registration::start(stack, &options, user_transport)?;
        load.attach(Arc::downgrade(&registration.runner));
        Ok((Self { registration, id, pool_handle, load, server }, kept))
    }

    /// Its membership in the pool.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Recommends other elements of the pool to all users, for when this one fails, in this order (RFC 5352, 3.9). Until then
    /// users are told of this element only, and choose by the pool's policy.
    pub fn recommend(&self, elements: Vec<wire::PoolElement>) {
        self.server.set_business_card(BusinessCard { pool_handle: self.pool_handle.clone(), elements });
    }

    /// Its identifier.
    pub fn id(&self) -> PeId {
        self.id
    }

    /// How many users it serves now.
    pub fn sessions(&self) -> usize {
        self.server.sessions()
    }

    /// Where it serves, as its registration has it.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.registration.look(|machine, _| {
            let Transport { port, addresses, .. } = &machine.config().user_transport;
            addresses.iter().map(|address| SocketAddr::new(*address, *port)).collect()
        })
    }

    /// What happens to the registration.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed; [`Error::ServicePanicked`].
    pub fn next_event(&self, deadline: Option<Instant>) -> Result<PoolElementEvent, Error> {
        self.registration.next_event(deadline)
    }

    /// Changes the policy's numbers. Its load counts unless the service reports one.
    pub fn set_policy(&self, policy: Policy) {
        self.load.set_policy(policy);
    }

    /// Leaves the pool; sessions go on until the element is dropped. Whether a registrar has confirmed it.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed; [`Error::ServicePanicked`], with which
    /// it is leaving already.
    pub fn deregister(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        self.registration.deregister(deadline)
    }
}

impl Drop for PoolElement {
    fn drop(&mut self) {
        self.server.stop();
    }
}
