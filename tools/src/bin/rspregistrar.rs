//! A registrar: knows which elements are in which pool.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::driver::{ANNOUNCE_TTL, Registrar, RegistrarOptions};
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use rserpool::wire::ASAP_PORT;
use rserpool::{AddressScope, Profile, RegistrarId};
use sctp_tools::csp::CspOptions;
use sctp_tools::federation::FederationOptions;
use sctp_tools::logging::LogOptions;
use sctp_tools::outages::OutageOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::search::{self, Announce, ProfileName};
use sctp_tools::signals::Signals;
use sctp_tools::transport::{self, TransportOptions};
use socketapi::Stack;

const EXAMPLES: &str = "\
Examples:
  rspregistrar                                as root: raw IP, all addresses
  rspregistrar --udp --local 127.0.0.2 --asapannounce=off
  rspregistrar --enrp=off                     alone: it looks for no other registrars
  rspregistrar -asap=192.0.2.1:3863 -peer=192.0.2.2 -maxbadpereports=5      as RSPLIB spells options

Without effect yet, but accepted: RSPLIB's options of statistics files.
";

/// A registrar of Reliable Server Pooling: pool elements register with it, pool users ask it for elements, and registrars tell
/// each other what they know. Where others may be found it looks for them first. Ends at SIGINT or SIGTERM.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// Identifier of this registrar, decimal or 0x...; random by default
    #[arg(long, value_name = "ID", value_parser = identifier)]
    identifier: Option<u32>,
    /// Addresses and port for ASAP: auto (all addresses, port 3863) or ADDRESS:PORT,...
    #[arg(long, value_name = "auto|A:P,...", default_value = "auto", value_parser = binding)]
    asap: Binding,
    /// Announce this registrar by multicast: auto (239.0.0.50:3863), off, or a group
    #[arg(long, value_name = "auto|off|A:P", default_value = "auto")]
    asapannounce: Announce,
    /// Hops that announces may travel
    #[arg(long, value_name = "HOPS", default_value_t = ANNOUNCE_TTL, value_parser = clap::value_parser!(u32).range(1..=255))]
    announcettl: u32,
    /// Time between announces, milliseconds (100-60000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=60_000))]
    serverannouncecycle: Option<u64>,
    /// Time between keep-alives, milliseconds (300-300000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(300..=300_000))]
    endpointkeepalivetransmissioninterval: Option<u64>,
    /// How long an element may take to answer a keep-alive, milliseconds (100-60000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=60_000))]
    endpointkeepalivetimeoutinterval: Option<u64>,
    /// Reports of an unreachable element that remove it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    maxbadpereports: u32,
    /// Distances of elements are multiples of so many milliseconds, for the policies with a distance penalty factor
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    distancestep: u64,
    /// Elements of an answer whose selection counters move; 0: as the policy wants
    #[arg(long, value_name = "N", default_value_t = 0)]
    maxincrement: usize,
    /// Elements in an answer to a request that names no number (at most 128)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=128))]
    maxhresitems: u16,
    /// Close associations without registrations and messages after so many seconds (at least 5)
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..=31_536_000))]
    autoclosetimeout: u64,
    /// Handle resolutions per second and association; -1: no limit
    #[arg(long, value_name = "1/S", default_value_t = -1, allow_hyphen_values = true)]
    maxhrrate: i64,
    /// Reports of unreachable elements per second and association; -1: no limit
    #[arg(long, value_name = "1/S", default_value_t = -1, allow_hyphen_values = true)]
    maxeurate: i64,
    /// Addresses of elements that are known less far are left out. By default loopback and link-local addresses are, unless
    /// an element has no others
    #[arg(long, value_name = "loopback|sitelocal|global", value_parser = scope)]
    minaddressscope: Option<AddressScope>,
    /// Take DCCP, UDP-Lite and opaque transports as well. RSPLIB's programs cannot parse them
    #[arg(long)]
    rare_transports: bool,
    /// Timers: those of the RFCs, those of RSPLIB, or fast ones
    #[arg(long, value_enum, default_value_t = ProfileName::Rsplib)]
    profile: ProfileName,
    /// Say nothing about registrations
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    outages: OutageOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

const IGNORED: &[&str] =
    &["statsfile", "statsinterval", "actionlogfile", "scalar", "object", "disable-ipv6", "daemonpidfile"];

/// Where the ASAP side is.
#[derive(Clone, Debug)]
struct Binding {
    addresses: Vec<IpAddr>,
    port: u16,
}

fn binding(text: &str) -> Result<Binding, String> {
    if text == "auto" {
        return Ok(Binding { addresses: Vec::new(), port: ASAP_PORT });
    }
    let peer = search::peer(text)?;
    Ok(Binding { addresses: peer.addresses, port: peer.port })
}

fn scope(text: &str) -> Result<AddressScope, String> {
    match text {
        "loopback" => Ok(AddressScope::Loopback),
        "sitelocal" => Ok(AddressScope::SiteLocal),
        "global" => Ok(AddressScope::Global),
        _ => Err("loopback, sitelocal or global is needed".into()),
    }
}

fn identifier(text: &str) -> Result<u32, String> {
    match program::number(text)? {
        0 => Err("0 stands for no registrar: take another number".into()),
        id => Ok(id),
    }
}

impl Cli {
    fn config(&self) -> RegistrarConfig {
        let id = self.identifier.unwrap_or_else(|| rand::random_range(1..=u32::MAX));
        let mut config = RegistrarConfig::new(RegistrarId(id), Profile::from(self.profile));
        if let Some(cycle) = self.serverannouncecycle {
            config.announce_interval = Some(Duration::from_millis(cycle));
        }
        if let Some(interval) = self.endpointkeepalivetransmissioninterval {
            config.keep_alive_interval = Duration::from_millis(interval);
        }
        if let Some(timeout) = self.endpointkeepalivetimeoutinterval {
            config.keep_alive_timeout = Duration::from_millis(timeout);
        }
        config.max_bad_pe_reports = self.maxbadpereports;
        config.distance_step = Duration::from_millis(self.distancestep);
        config.increment = (self.maxincrement > 0).then_some(self.maxincrement);
        config.default_items = self.maxhresitems.into();
        config.autoclose = Duration::from_secs(self.autoclosetimeout);
        config.max_resolution_rate = u32::try_from(self.maxhrrate).ok();
        config.min_address_scope = self.minaddressscope;
        config.format.rare_transports = self.rare_transports;
        config.max_report_rate = u32::try_from(self.maxeurate).ok();
        self.federation.apply(&mut config.enrp);
        config
    }
}

fn main() -> ExitCode {
    let cli: Cli = program::parse(IGNORED);
    program::run("rspregistrar", |signals| serve(&cli, signals))
}

fn serve(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.transport.build_stack()?;
    let config = cli.config();
    loop {
        let end = cli.outages.next_uptime().map(|uptime| Instant::now() + uptime);
        if live(cli, &stack, &config, signals, end)? {
            return Ok(());
        }
        let downtime = cli.outages.next_downtime();
        if !cli.quiet {
            program::say(format_args!("away for {:.3} s", downtime.as_secs_f64()))?;
        }
        if signals.wait(Some(downtime))? {
            return Ok(());
        }
    }
}

/// One life of the registrar. Whether a signal ended it.
fn live(
    cli: &Cli,
    stack: &Stack,
    config: &RegistrarConfig,
    signals: &Signals,
    end: Option<Instant>,
) -> Result<bool, Box<dyn Error>> {
    let options = RegistrarOptions {
        addresses: cli.asap.addresses.clone(),
        port: cli.asap.port,
        announce: cli.asapannounce.0,
        announce_ttl: cli.announcettl,
        enrp_port: cli.federation.port(),
        enrp_addresses: cli.federation.addresses(),
        enrp_announce: cli.federation.group(),
        sctp: Profile::from(cli.profile).sctp_settings(),
    };
    let registrar = Arc::new(Registrar::start(stack, config.clone(), options)?);
    let _reporter = cli.csp.report(&registrar)?;
    if !cli.quiet {
        program::say(format_args!(
            "registrar {} on {}, {}",
            config.id,
            program::list(&stack.local_addresses()),
            transport::carrier(stack)
        ))?;
    }
    while end.is_none_or(|end| Instant::now() < end) {
        if signals.have_come()? {
            return Ok(true);
        }
        match registrar.next_event(Some(Instant::now() + program::GLANCE)) {
            Ok(event) if !cli.quiet => tell(&event)?,
            Ok(_) | Err(rserpool::driver::Error::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn tell(event: &RegistrarEvent) -> io::Result<()> {
    match event {
        RegistrarEvent::Registered { pool_handle, element, is_new: true } => {
            let transport = &element.user_transport;
            let addresses: Vec<_> =
                transport.addresses.iter().map(|ip| SocketAddr::new(*ip, transport.port)).collect();
            program::say(format_args!(
                "{pool_handle}: {} registered at {}",
                element.id,
                program::list(&addresses)
            ))
        }
        RegistrarEvent::Rejected { pool_handle, pe_id, error } => {
            program::say(format_args!("{pool_handle}: {pe_id} rejected: {error}"))
        }
        RegistrarEvent::Removed { pool_handle, element, reason } => {
            program::say(format_args!("{pool_handle}: {} removed ({reason})", element.id))
        }
        RegistrarEvent::Serving => program::say(format_args!("serving")),
        RegistrarEvent::PeerFound(id) => program::say(format_args!("registrar {id} found")),
        RegistrarEvent::TakenOver { target, by, elements } => {
            program::say(format_args!("registrar {target} is gone: {by} has taken {elements} elements over"))
        }
        RegistrarEvent::Synchronized { peer } => {
            program::say(format_args!("learned anew what registrar {peer} has"))
        }
        _ => Ok(()),
    }
}
