//! Registrars by DNS name: a thread resolves names again and again, and passes on what they stand for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::Error;
use crate::transport::{Peer, Side, Target, TransportEvent};
use crate::{Profile, RegistrarName};

/// How names are resolved. Without `servers` as the host does: `/etc/hosts`, `/etc/resolv.conf` with its search list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOptions {
    /// DNS servers; none for those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Answers count as good for so long at least, whatever their time to live.
    pub min_life: Duration,
    /// And no longer than this.
    pub max_life: Duration,
    /// From one resolution to the next, when a registrar is being hunted for; and after a failure, twice as long each time up
    /// to `max_life`.
    pub pause: Duration,
}

impl NameOptions {
    /// The profile's settings.
    pub fn new(profile: Profile) -> Self {
        Self {
            servers: Vec::new(),
            min_life: profile.millis(5000, 5000, 1000),
            max_life: profile.millis(300_000, 60_000, 5000),
            pause: profile.millis(1000, 1000, 100),
        }
    }

    /// What a name stands for now, for who asks once: all that may be asked instead of each other, those of the lowest priority and of these
    /// the greatest weight first (RFC 2782), at least one.
    /// Waits for the servers, 20 s at most.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::System`].
    pub fn resolve(&self, name: &RegistrarName) -> Result<Vec<Peer>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::system("prepare to resolve names"))?;
        let failed = |reason: String| Error::Name { name: name.clone(), reason };
        let answer = runtime.block_on(resolve(name, &self.servers, &mut Hosts::new()));
        let mut targets = answer.map_err(|error| failed(error.to_string()))?.targets;
        // Others than these are in the server's order.
        targets.sort_by_key(|target| (target.priority, Reverse(target.weight)));
        match targets.is_empty() {
            false => Ok(targets.into_iter().map(|target| target.peer).collect()),
            true => Err(failed("there is no such name, or nobody has it".into())),
        }
    }
}

/// How long a name may take, and after that each target that it leads to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take to answer, before it or another one is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Registrars that a name may stand for.
const MAX_TARGETS: usize = 64;

/// The names of one endpoint. Dropping it ends the thread once it has its answers.
pub(super) struct Names {
    side: Side,
    wishes: SyncSender<()>,
    newest: Arc<Mutex<Option<Vec<Target>>>>,
    bell: Arc<EventFd>,
}

impl Names {
    pub(super) fn start(side: Side, names: Vec<RegistrarName>, options: NameOptions) -> Result<Self, Error> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(std::io::Error::from)
            .map_err(Error::system("make an event descriptor"))?;
        let bell = Arc::new(bell);
        let (wishes, wished) = sync_channel(1);
        let newest = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let seeker = Seeker {
            runtime: runtime.map_err(Error::system("prepare to resolve names"))?,
            known: names.into_iter().map(|name| (name, Known::default())).collect(),
            options,
            failures: 0,
            wished,
            newest: Arc::clone(&newest),
            bell: Arc::clone(&bell),
        };
        std::thread::Builder::new()
            .name("names".into())
            .spawn(move || seeker.run())
            .map_err(Error::system("start a thread"))?;
        Ok(Self { side, wishes, newest, bell })
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    /// Readable when there is an answer.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Asks for a new answer soon.
    pub(super) fn wish(&self) {
        // If there is no room, that is wished already; and the thread ends with us only.
        let _ = self.wishes.try_send(());
    }

    /// The newest answer, if there is one.
    pub(super) fn receive(&self) -> Option<TransportEvent> {
        // Not readable if it has not rung.
        let _ = self.bell.read();
        let targets = self.newest.lock().take()?;
        Some(TransportEvent::Resolved { side: self.side, targets })
    }
}

/// What is known of a name.
#[derive(Default)]
struct Known {
    targets: Vec<Target>,
    /// The addresses of its hosts, for when one of them cannot be resolved, or not all of its addresses.
    hosts: Hosts,
    is_failing: bool,
}

type Hosts = BTreeMap<String, Vec<IpAddr>>;

/// What a name stands for, and until when that counts.
struct Answer {
    targets: Vec<Target>,
    valid_until: Instant,
    /// Why a target of a service could not be resolved; the others are there.
    failure: Option<NetError>,
}

/// The thread.
struct Seeker {
    runtime: tokio::runtime::Runtime,
    known: Vec<(RegistrarName, Known)>,
    options: NameOptions,
    /// Rounds in a row in which a name could not be resolved.
    failures: u32,
    wished: Receiver<()>,
    newest: Arc<Mutex<Option<Vec<Target>>>>,
    bell: Arc<EventFd>,
}

impl Seeker {
    fn run(mut self) {
        loop {
            let began = Instant::now();
            let valid_until = self.resolve_all();
            self.tell();
            let due = match valid_until {
                Some(until) => until.clamp(began + self.options.min_life, began + self.options.max_life),
                None => Instant::now() + self.backoff(),
            };
            if !self.wait(began + self.options.pause, due) {
                return;
            }
        }
    }

    fn backoff(&self) -> Duration {
        let doubled = self.options.pause.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(self.options.max_life).max(self.options.pause)
    }

    /// Waits until `due`; if somebody wishes an answer, only until `earliest`. False if nobody is interested any more.
    fn wait(&self, earliest: Instant, mut due: Instant) -> bool {
        loop {
            match self.wished.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(()) => due = due.min(earliest),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Resolves all names. Until when the answers count; none if there is one that could not be had.
    fn resolve_all(&mut self) -> Option<Instant> {
        let mut oldest = Some(Instant::now() + self.options.max_life);
        for (name, known) in &mut self.known {
            let resolving = resolve(name, &self.options.servers, &mut known.hosts);
            let failure = match self.runtime.block_on(resolving) {
                Ok(answer) => {
                    known.update(name, answer.targets, answer.failure.is_none());
                    oldest = oldest.map(|oldest| oldest.min(answer.valid_until));
                    answer.failure
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                known.fail(name, &error);
                oldest = None;
            }
        }
        self.failures = if oldest.is_none() { self.failures.saturating_add(1) } else { 0 };
        oldest
    }

    /// Passes on what is known, once anything is.
    fn tell(&self) {
        if self.known.iter().all(|(_, known)| known.is_failing && known.targets.is_empty()) {
            return;
        }
        let mut all: Vec<Target> =
            self.known.iter().flat_map(|(_, known)| known.targets.iter().cloned()).collect();
        all.sort();
        all.dedup();
        *self.newest.lock() = Some(all);
        // If the counter is full it rings already.
        let _ = self.bell.write(1);
    }
}

impl Known {
    fn update(&mut self, name: &RegistrarName, mut targets: Vec<Target>, is_complete: bool) {
        targets.sort();
        targets.dedup();
        if targets.len() > MAX_TARGETS {
            tracing::warn!(%name, count = targets.len(), "the name stands for too many registrars: {MAX_TARGETS} are used");
            targets.truncate(MAX_TARGETS);
        }
        if self.targets != targets || self.is_failing && is_complete {
            let places: Vec<_> = targets.iter().map(|target| &target.peer).collect();
            tracing::info!(%name, ?places, "resolved");
        }
        self.targets = targets;
        self.is_failing &= !is_complete;
    }

    /// What was known stays.
    fn fail(&mut self, name: &RegistrarName, error: &NetError) {
        if self.is_failing {
            tracing::debug!(%name, %error, "still cannot resolve a registrar's name");
        } else {
            tracing::warn!(%name, %error, "cannot resolve a registrar's name; it will be tried again");
        }
        self.is_failing = true;
    }
}

/// Anew each time, so that changes of the host's settings count, and nothing is remembered.
fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let host = Resolver::builder(TokioRuntimeProvider::default());
    let mut builder = match host {
        Ok(builder) if servers.is_empty() => builder,
        // Without DNS there is still /etc/hosts.
        _ => {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.options_mut().timeout = ANSWER_TIMEOUT;
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(with_port);
    NameServerConfig::new(address.ip(), true, connections.into())
}

async fn resolve(
    name: &RegistrarName,
    servers: &[SocketAddr],
    hosts: &mut Hosts,
) -> Result<Answer, NetError> {
    let resolver = resolver(servers)?;
    match name {
        RegistrarName::Host { name, port } => {
            let before = hosts.get(name).cloned().unwrap_or_default();
            let (addresses, valid_until) = in_time(addresses(&resolver, name, &before)).await?;
            hosts.insert(name.clone(), addresses.clone());
            let alone = |address| Peer { addresses: vec![address], port: *port };
            let targets = addresses.into_iter().map(|address| Target::at(alone(address)));
            Ok(Answer { targets: targets.collect(), valid_until, failure: None })
        }
        RegistrarName::Service { name } => resolve_service(&resolver, name, hosts).await,
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, NetError>>) -> Result<T, NetError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(NetError::Timeout))
}

/// RFC 2782. One target that cannot be resolved keeps nobody from the others: all are looked for at once.
async fn resolve_service(
    resolver: &TokioResolver,
    name: &str,
    hosts: &mut Hosts,
) -> Result<Answer, NetError> {
    let Some(lookup) = in_time(look_up(resolver, name, RecordType::SRV)).await? else {
        return Ok(Answer { targets: Vec::new(), valid_until: Instant::now(), failure: None });
    };
    let services = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(service) => Some(service.clone()),
        _ => None,
    });
    // A target of "." means that there is no such service.
    let services = services.filter(|service| !service.target.is_root()).take(MAX_TARGETS);
    let services: Vec<SRV> = services.collect();
    hosts.retain(|host, _| services.iter().any(|service| service.target.to_string() == *host));
    let mut searches = JoinSet::new();
    for service in services {
        let resolver = resolver.clone();
        let host = service.target.to_string();
        let before = hosts.get(&host).cloned().unwrap_or_default();
        searches.spawn(async move { (service, in_time(addresses(&resolver, &host, &before)).await) });
    }
    let mut answer = Answer { targets: Vec::new(), valid_until: lookup.valid_until(), failure: None };
    while let Some(found) = searches.join_next().await {
        // It does not panic, and nobody ends it.
        let Ok((service, found)) = found else { continue };
        answer.add(&service, found, hosts);
    }
    Ok(answer)
}

impl Answer {
    /// What was known of a host stays while it cannot be resolved.
    fn add(&mut self, service: &SRV, found: Result<(Vec<IpAddr>, Instant), NetError>, hosts: &mut Hosts) {
        let host = service.target.to_string();
        match found {
            Ok((addresses, valid_until)) => {
                self.valid_until = self.valid_until.min(valid_until);
                hosts.insert(host.clone(), addresses);
            }
            Err(error) => self.failure = Some(error),
        }
        let addresses = hosts.get(&host).cloned().unwrap_or_default();
        self.targets.extend(target(service, addresses));
    }
}

fn target(service: &SRV, addresses: Vec<IpAddr>) -> Option<Target> {
    let peer = Peer { addresses, port: service.port };
    let is_somewhere = !peer.addresses.is_empty() && peer.port != 0;
    is_somewhere.then_some(Target { priority: service.priority, weight: service.weight, peer })
}

/// All addresses of a host, and until when they count. None if the servers know of none; an error if they do not say. If they say
/// nothing of one family, which some never do, those known `before` of it stay, and the answer counts for the other's time.
async fn addresses(
    resolver: &TokioResolver,
    name: &str,
    before: &[IpAddr],
) -> Result<(Vec<IpAddr>, Instant), NetError> {
    let (mut addresses, mut valid_until, mut failure) = (Vec::new(), None, None);
    for family in [RecordType::A, RecordType::AAAA] {
        match look_up(resolver, name, family).await {
            Ok(Some(lookup)) => {
                addresses.extend(lookup.answers().iter().filter_map(|record| record.data.ip_addr()));
                let until = lookup.valid_until();
                valid_until = Some(valid_until.map_or(until, |before: Instant| before.min(until)));
            }
            Ok(None) => {}
            Err(error) => {
                let is_ipv4 = family == RecordType::A;
                addresses.extend(before.iter().filter(|address| address.is_ipv4() == is_ipv4));
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if addresses.is_empty() || valid_until.is_none() => Err(error),
        _ => Ok((addresses, valid_until.unwrap_or_else(Instant::now))),
    }
}

/// None if there are no such records.
async fn look_up(
    resolver: &TokioResolver,
    name: &str,
    records: RecordType,
) -> Result<Option<Lookup>, NetError> {
    match resolver.lookup(name, records).await {
        Ok(lookup) => Ok(Some(lookup)),
        Err(error) if error.is_no_records_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
