//! How a stack is put together.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::Endpoint;
use sctp_core::rng::Random;
use sctp_core::time::Time;
use slab::Slab;

use super::bell::Bell;
use super::clock::Clock;
use super::engine::Engine;
use super::error::Error;
use super::lead::Shared;
use super::registry::Registry;
use super::state::{Background, Lead, Leader, Life, State};
use super::{Handle, Stack, report};
use crate::driver::layer::LayeredDriver;
use crate::driver::layer::fault::Fault;
use crate::driver::layer::pcap::Capture;
use crate::driver::raw::{RawConfig, RawDriver};
use crate::driver::tun::{TunAddress, TunConfig, TunDriver};
use crate::driver::udp::{ENCAPSULATION_PORT, UdpConfig, UdpDriver};
use crate::driver::{Driver, ErrorDetection, OpenError, route};
use crate::statistics::UserReport;
use crate::threads;

/// What carries the packets of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// IP, protocol number 132: as every kernel's SCTP.
    Raw,
    /// UDP encapsulation (RFC 6951).
    Udp,
    /// IP on a TUN interface, where the stack has addresses of its own.
    Tun,
    /// A driver that the application brought.
    Other,
}

impl Transport {
    /// One word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Udp => "udp",
            Self::Tun => "tun",
            Self::Other => "other",
        }
    }
}

/// Puts a stack together: transport, addresses, defaults.
///
/// ```
/// use sctp_user::stack::{Stack, Transport};
///
/// // UDP encapsulation on one address; port 0 takes any free UDP port.
/// let stack = Stack::builder()
///     .transport(Transport::Udp)
///     .address([127, 0, 0, 1])
///     .udp_port(0)
///     .build()?;
/// assert_ne!(stack.udp_port(), 0);
/// # Ok::<(), sctp_user::stack::Error>(())
/// ```
pub struct StackBuilder {
    transport: Option<Transport>,
    driver: Option<Box<dyn Driver>>,
    tun: Option<TunConfig>,
    addresses: Vec<IpAddr>,
    udp_port: u16,
    remote_udp_port: Option<u16>,
    endpoint: EndpointConfig,
    defaults: AssociationConfig,
    seed: Option<[u8; 32]>,
    linger: Duration,
    serve_statistics: bool,
    tell_users: Option<report::TellUsers>,
    fault: Option<Fault>,
    capture: Option<Box<dyn Write + Send>>,
    watch_addresses: bool,
}

impl StackBuilder {
    pub(super) fn new() -> Self {
        Self {
            transport: None,
            driver: None,
            tun: None,
            addresses: Vec::new(),
            udp_port: ENCAPSULATION_PORT,
            remote_udp_port: None,
            endpoint: EndpointConfig::default(),
            defaults: AssociationConfig::default(),
            seed: None,
            linger: Duration::from_secs(5),
            serve_statistics: false,
            tell_users: None,
            fault: None,
            capture: None,
            watch_addresses: false,
        }
    }

    /// Which transport to use. Without this: raw IP where it is permitted, else UDP encapsulation.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Uses a driver of the caller's: a link in memory, or one wrapped in layers.
    pub fn driver(mut self, driver: impl Driver + 'static) -> Self {
        self.driver = Some(Box::new(driver));
        self.transport = Some(Transport::Other);
        self
    }

    /// Makes the stack a host of its own on a TUN interface. ([`Transport::Tun`] with addresses added one
    /// by one does so too: each is then routed by itself.)
    pub fn tun(mut self, config: TunConfig) -> Self {
        self.tun = Some(config);
        self.transport = Some(Transport::Tun);
        self
    }

    /// Adds a local address. Without any: all addresses of this host.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Adds local addresses.
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.addresses.extend(addresses);
        self
    }

    /// Watches the addresses of this host, where none were named and packets travel over raw IP: associations to come
    /// use what there is then, and those that want to ([`AssociationConfig::auto_asconf`]) tell their peers. The other
    /// transports keep the addresses that they were opened with: over UDP each has its socket. On where the
    /// defaults have `auto_asconf`.
    pub fn watch_addresses(mut self, watch: bool) -> Self {
        self.watch_addresses = watch;
        self
    }

    /// Our UDP encapsulation port; 9899 by default, 0 for any.
    pub fn udp_port(mut self, port: u16) -> Self {
        self.udp_port = port;
        self
    }

    /// The UDP encapsulation port of peers that are connected to. By default 9899, or our own where that is
    /// chosen by [`StackBuilder::udp_port`].
    pub fn remote_udp_port(mut self, port: u16) -> Self {
        self.remote_udp_port = Some(port);
        self
    }

    /// Parameters of associations, where their sockets do not say otherwise.
    pub fn defaults(mut self, defaults: AssociationConfig) -> Self {
        self.defaults = defaults;
        self
    }

    /// Limits of the stack. Addresses and the UDP port in it are the builder's to set.
    pub fn endpoint(mut self, endpoint: EndpointConfig) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Lets all randomness follow from `seed`: for tests only, as keys come from it too.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long associations may take to end in good order once the last handle and the last socket are
    /// gone; 5 s by default. Zero aborts them at once.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Lets this user and root read the stack's statistics from outside the process, as the program `sctp-stat`
    /// does (see [`crate::statistics`]). Takes a thread.
    pub fn serve_statistics(mut self, serve: bool) -> Self {
        self.serve_statistics = serve;
        self
    }

    /// Adds what the users of the stack hold, where it is shared, to the statistics that are read from outside.
    pub fn tell_users(mut self, tell: impl Fn() -> Vec<UserReport> + Send + 'static) -> Self {
        self.tell_users = Some(Box::new(tell));
        self
    }

    /// Damages packets of both directions, to see how applications bear a bad network.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Records the packets of both directions to `out`, in the pcapng format.
    pub fn capture(mut self, out: impl Write + Send + 'static) -> Self {
        self.capture = Some(Box::new(out));
        self
    }

    /// Opens the driver and starts the stack.
    ///
    /// # Errors
    /// [`Error::Open`] if the driver cannot be opened; [`Error::System`].
    pub fn build(mut self) -> Result<Stack, Error> {
        let mut opened = self.open()?;
        let (transport, udp_port) = (opened.transport, opened.udp_port);
        opened.driver = self.with_layers(opened.driver, udp_port)?;
        let remote_udp_port = match transport {
            Transport::Udp => self.remote_udp_port.unwrap_or(udp_port),
            _ => 0,
        };
        self.endpoint.local_addresses = opened.driver.local_addresses();
        self.endpoint.default_remote_udp_port = remote_udp_port;
        self.endpoint.alternate_error_detection = opened.driver.error_detection() == ErrorDetection::Driver;
        let (linger, serves, users) = (self.linger, self.serve_statistics, self.tell_users.take());
        let shared = Arc::new(self.shared(opened.driver, remote_udp_port)?);
        let background = Arc::clone(&shared);
        let thread = threads::spawn("sctp-stack", move || background.run_background())
            .map_err(Error::system("start the stack's thread"))?;
        let thread = Mutex::new(Some(thread));
        let statistics = serves.then(|| report::serve(&shared, transport, udp_port, users)).transpose();
        let handle = Handle {
            shared,
            thread,
            linger,
            transport,
            udp_port,
            passed_over: opened.passed_over.map(Arc::new),
            // Nobody does without a stack for want of statistics.
            _statistics: statistics.unwrap_or_else(|error| {
                tracing::warn!(%error);
                None
            }),
        };
        Ok(Stack { handle: Arc::new(handle) })
    }

    fn with_layers(&mut self, driver: Box<dyn Driver>, udp_port: u16) -> Result<Box<dyn Driver>, Error> {
        if self.fault.is_none() && self.capture.is_none() {
            return Ok(driver);
        }
        let mut layered = LayeredDriver::new(driver);
        layered.set_fault(self.fault.take()).map_err(Error::system("make a timer for delays"))?;
        if let Some(out) = self.capture.take() {
            let capture = Capture::new(out, udp_port).map_err(Error::system("begin the capture"))?;
            layered.set_capture(Some(capture));
        }
        Ok(Box::new(layered))
    }

    fn shared(self, driver: Box<dyn Driver>, remote_udp_port: u16) -> Result<Shared, Error> {
        let seed = self.seed.unwrap_or_else(rand::random);
        let mut random = Random::new(seed);
        let endpoint = Endpoint::new(self.endpoint, random.bytes());
        let bell = || Bell::new().map_err(Error::system("make an event descriptor"));
        let state = State {
            engine: Engine::new(endpoint, driver),
            registry: Registry::new(),
            lead: Lead {
                leader: Leader::Nobody,
                asleep_until: None,
                polls_room: false,
                programmed: Time::ZERO,
                departures: 0,
                looked_at: Time::ZERO,
                background: Background::Ticking,
                bell: bell()?,
                background_bell: bell()?,
            },
            waiters: Slab::new(),
            followers: BTreeSet::new(),
            next_waiter: 0,
            watches: FxHashMap::default(),
            next_watch: 0,
            wakes: Vec::new(),
            life: Life::Open,
            random,
            addresses: self.addresses,
            defaults: self.defaults,
            remote_udp_port,
            gatherings: 0,
        };
        Shared::new(state, Clock::start()).map_err(Error::system("copy the driver's descriptors"))
    }

    fn open(&mut self) -> Result<Opened, Error> {
        if let Some(driver) = self.driver.take() {
            return Ok(Opened { driver, transport: Transport::Other, udp_port: 0, passed_over: None });
        }
        if self.transport == Some(Transport::Tun) {
            return self.open_tun();
        }
        self.check_addresses()?;
        match self.transport {
            Some(Transport::Udp) => self.open_udp(),
            Some(_) => Ok(self.open_raw()?),
            None => match self.open_raw() {
                Err(reason @ (OpenError::NeedsNetRaw | OpenError::KernelHasSctp)) => {
                    tracing::warn!("{reason}; using UDP encapsulation on port {}", self.udp_port);
                    Ok(Opened { passed_over: Some(reason), ..self.open_udp()? })
                }
                raw => Ok(raw?),
            },
        }
    }

    /// Refuses what cannot be a local address, and forgets what was named twice.
    fn check_addresses(&mut self) -> Result<(), OpenError> {
        let mut seen = Vec::new();
        self.addresses.retain(|address| {
            !seen.contains(address) && {
                seen.push(*address);
                true
            }
        });
        for &address in &self.addresses {
            if address.is_unspecified() {
                return Err(OpenError::Wildcard { address });
            }
            if route::is_link_local(address) {
                return Err(OpenError::LinkLocal { address });
            }
            if !route::is_local(address) {
                return Err(OpenError::NotLocal { address });
            }
        }
        Ok(())
    }

    fn open_raw(&self) -> Result<Opened, OpenError> {
        let watch_addresses = self.watch_addresses || self.defaults.auto_asconf;
        let config = RawConfig { addresses: self.addresses.clone(), watch_addresses, ..RawConfig::default() };
        let driver = Box::new(RawDriver::open(&config)?);
        Ok(Opened { driver, transport: Transport::Raw, udp_port: 0, passed_over: None })
    }

    fn open_tun(&mut self) -> Result<Opened, Error> {
        let alone = self.addresses.drain(..).map(TunAddress::alone).collect::<Result<Vec<_>, _>>();
        let mut config = self.tun.take().unwrap_or_else(|| TunConfig::new([]));
        config.addresses.extend(alone.map_err(OpenError::from)?);
        let driver = Box::new(TunDriver::open(&config)?);
        Ok(Opened { driver, transport: Transport::Tun, udp_port: 0, passed_over: None })
    }

    fn open_udp(&self) -> Result<Opened, Error> {
        let mut addresses = self.addresses.clone();
        if addresses.is_empty() {
            addresses = route::local_addresses().map_err(Error::system("list the addresses of this host"))?;
        }
        let driver = UdpDriver::open(&UdpConfig { port: self.udp_port, ..UdpConfig::new(addresses) })?;
        let udp_port = driver.port();
        Ok(Opened { driver: Box::new(driver), transport: Transport::Udp, udp_port, passed_over: None })
    }
}

struct Opened {
    driver: Box<dyn Driver>,
    transport: Transport,
    udp_port: u16,
    passed_over: Option<OpenError>,
}
