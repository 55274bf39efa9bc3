//! What `rspregistrar` can be told.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::timers::TimerOptions;
use super::watching::WatchingOptions;
use crate::csp::CspOptions;
use crate::federation::FederationOptions;
use crate::location::{self, DnsOptions};
use crate::logging::LogOptions;
use crate::outages::OutageOptions;
use crate::program;
use crate::protection::ProtectionOptions;
use crate::rsplib;
use crate::sctp_timers::SctpTimers;
use crate::search::{Announce, ProfileName};
use crate::transport::TransportOptions;
use clap::Parser;
use nix::ifaddrs::getifaddrs;
use rserpool::driver::{ANNOUNCE_TTL, RegistrarOptions, TcpOptions};
use rserpool::registrar::RegistrarConfig;
use rserpool::wire::{ASAP_PORT, LifeUnit};
use rserpool::{AddressScope, Profile, RegistrarId, SctpSettings};

const EXAMPLES: &str = "\
Examples:
  rspregistrar                                as root: raw IP, all addresses
  rspregistrar --udp --local 127.0.0.2 --asapannounce=off
  rspregistrar --enrp=off                     alone: it looks for no other registrars
  rspregistrar --access 'allow register from 198.51.100.0/24 pool Echo*' --maxhrrate=20 --maxeurate=0.1
  rspregistrar -peer=registrars --enrpannounce=off       all pods of a headless Kubernetes service, without multicast
  rspregistrar -asap=192.0.2.1:3863 -peer=192.0.2.2 -maxbadpereports=5      as RSPLIB spells options
  rspregistrar --config=/etc/rspregistrar.toml --check-config
  rspregistrar --metrics=127.0.0.1:9464       then: curl http://127.0.0.1:9464/metrics

Configuration: a file in TOML, whose keys are the names of options; what the command line says goes before. The sample \
rspregistrar.toml explains each.

Signals: SIGHUP reads the file again, changes what can be changed, and names in the log what needs a restart; a file that is \
wrong changes nothing. SIGTERM and SIGINT end the program.

Exit codes: 0 ended as asked, also by SIGINT or SIGTERM, or the configuration is good; 1 failed, standard error says why; 2 wrong \
usage or configuration.
";

/// A registrar of Reliable Server Pooling: pool elements register with it, pool users ask it for elements, and registrars tell
/// each other what they know. Where others may be found it looks for them first. Ends at SIGINT or SIGTERM.
#[derive(Parser)]
#[command(name = "rspregistrar", version, after_help = EXAMPLES)]
pub(super) struct Cli {
    /// Identifier of this registrar, decimal or 0x...; random by default, and for 0, which stands for no registrar
    #[arg(long, value_name = "ID", value_parser = program::number)]
    pub(super) identifier: Option<u32>,
    /// Addresses and port for ASAP: auto (all addresses, port 3863) or ADDRESS:PORT,ADDRESS...
    #[arg(long, value_name = "auto|A[:P],...", default_value = "auto", value_parser = binding)]
    pub(super) asap: Binding,
    /// Serve clients over TCP as well: auto (where ASAP is, if that is possible), off, or ADDRESS:PORT,ADDRESS...
    #[arg(long, value_name = "auto|off|A[:P],...", default_value = "auto", value_parser = tcp)]
    pub(super) tcp: Tcp,
    /// Tell of TCP in announces, too. They then have transports in them
    #[arg(long)]
    pub(super) announce_tcp: bool,
    /// Connections over TCP in all; further ones are closed at once
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_tcp_connections: u32,
    /// Connections over TCP of one address
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_address_tcp_connections: u32,
    /// How long a message over TCP may take from its first byte to its last, and an answer until it is taken, seconds (1-3600)
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) tcp_patience: u64,
    /// Announce this registrar by multicast: auto (239.0.0.50:3863), off, or a group of IPv4 or IPv6
    #[arg(long, value_name = "auto|off|A:P", default_value = "auto")]
    pub(super) asapannounce: Announce,
    /// Hops that announces may travel
    #[arg(long, value_name = "HOPS", default_value_t = ANNOUNCE_TTL, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(super) announcettl: u32,
    /// Reports of an unreachable element that remove it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) maxbadpereports: u32,
    /// Distances of elements are multiples of so many milliseconds, for the policies with a distance penalty factor
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) distancestep: u64,
    /// Elements of an answer whose selection counters move; 0: as the policy wants
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) maxincrement: usize,
    /// Elements in an answer to a request that names no number (1-128)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(super) maxhresitems: u16,
    /// Elements in any answer (1-128)
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=128))]
    max_answer_items: u16,
    /// Pools to whose changes one association may be subscribed (0-10000); 0: nobody is told of changes
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    max_subscriptions: u16,
    /// Addresses of elements that are known less far are left out. By default loopback and link-local addresses are, unless
    /// an element has no others
    #[arg(long, value_name = "loopback|sitelocal|global", value_parser = scope)]
    pub(super) minaddressscope: Option<AddressScope>,
    /// Take DCCP, UDP-Lite and opaque transports as well. RSPLIB's programs cannot parse them
    #[arg(long)]
    pub(super) rare_transports: bool,
    /// Take pool handles of more than 32 bytes as well. RSPLIB's programs abort when they meet one
    #[arg(long)]
    pub(super) long_pool_handles: bool,
    /// Lives of registrations are in seconds, to the letter of RFC 5354, 3.10. RSPLIB's programs, and all of ours that are not told the
    /// same, say and read milliseconds
    #[arg(long)]
    life_in_seconds: bool,
    /// Timers: those of the RFCs, those of RSPLIB, or fast ones
    #[arg(long, value_enum, default_value_t = ProfileName::Rsplib)]
    pub(super) profile: ProfileName,
    /// Follow the addresses that this host gets and loses, and let elements follow theirs (ADD-IP): over raw IP, without --local
    #[arg(long)]
    pub(super) mobile: bool,
    /// The file with more options
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Say what is wrong with the command line and the file, and leave
    #[arg(long)]
    pub(super) check_config: bool,
    /// Use no IPv6 addresses of this host
    #[arg(long)]
    pub(super) disable_ipv6: bool,
    /// Go on in the background, once it has started, and write the process's number to this file
    #[arg(long, value_name = "FILE")]
    pub(super) daemonpidfile: Option<PathBuf>,
    /// Say nothing about registrations
    #[arg(long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    timers: TimerOptions,
    #[command(flatten)]
    protection: ProtectionOptions,
    #[command(flatten)]
    pub(super) federation: FederationOptions,
    #[command(flatten)]
    pub(super) dns: DnsOptions,
    #[command(flatten)]
    pub(super) watching: WatchingOptions,
    #[command(flatten)]
    pub(super) outages: OutageOptions,
    #[command(flatten)]
    pub(super) transport: TransportOptions,
    #[command(flatten)]
    sctp_timers: SctpTimers,
    #[command(flatten)]
    pub(super) csp: CspOptions,
    #[command(flatten)]
    pub(super) log: LogOptions,
}

/// Where the ASAP side is.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: u16,
}

fn binding(text: &str) -> Result<Binding, String> {
    if text == "auto" {
        return Ok(Binding { addresses: Vec::new(), port: ASAP_PORT });
    }
    match location::with_common_port(text)? {
        (_, Some(0)) => {
            Err("elements and users have to know the port: 1 to 65535 is needed, 3863 is usual".into())
        }
        (addresses, port) => Ok(Binding { addresses, port: port.unwrap_or(ASAP_PORT) }),
    }
}

/// What clients are served over TCP.
#[derive(Clone, Debug)]
pub(super) struct Tcp(Option<TcpOptions>);

fn tcp(text: &str) -> Result<Tcp, String> {
    Ok(Tcp(match text {
        "off" => None,
        "auto" => Some(TcpOptions::default()),
        _ => {
            let place = location::addresses(text, ASAP_PORT).map(|peer| (peer.addresses, peer.port))?;
            Some(TcpOptions { place: Some(place), is_required: true, ..TcpOptions::default() })
        }
    }))
}

fn scope(text: &str) -> Result<AddressScope, String> {
    match text {
        "loopback" => Ok(AddressScope::Loopback),
        "sitelocal" => Ok(AddressScope::SiteLocal),
        "global" => Ok(AddressScope::Global),
        _ => Err("loopback, sitelocal or global is needed".into()),
    }
}

/// Options that a running registrar takes. All others need a restart.
pub(super) const CHANGEABLE: &[&str] = &[
    "serverannouncecycle",
    "endpointkeepalivetransmissioninterval",
    "keep-alive-jitter",
    "endpointkeepalivetimeoutinterval",
    "connect-timeout",
    "update-delay",
    "maxbadpereports",
    "distancestep",
    "maxincrement",
    "maxhresitems",
    "max-answer-items",
    "max-subscriptions",
    "autoclosetimeout",
    "access",
    "own-networks",
    "maxhrrate",
    "maxeurate",
    "max-registration-rate",
    "max-message-rate",
    "max-user-associations",
    "max-user-elements",
    "max-association-elements",
    "max-user-pools",
    "max-associations",
    "max-elements",
    "max-element-addresses",
    "max-pools",
    "max-silence",
    "exempt",
    "minaddressscope",
    "quiet",
    "peer",
    "peerheartbeatcycle",
    "peermaxtimelastheard",
    "peermaxtimenoresponse",
    "mentordiscoverytimeout",
    "takeoverexpiryinterval",
    "takeover-patience",
    "max-claims",
    "max-peers",
    "max-table-bytes",
    "maxelementsperhtrequest",
    "supporttakeoversuggestion",
    "uptime",
    "downtime",
    "loglevel",
    "verbose",
    "logquiet",
];

/// In RSPLIB's spelling numbers out of range are taken to the nearest: the ends of what these options take.
pub(super) const CLAMPED: rsplib::Clamped<'_> = &[
    ("announcettl", 1, 255),
    ("autoclosetimeout", 5, 31_536_000),
    ("distancestep", 1, i64::MAX),
    ("endpointkeepalivetimeoutinterval", 100, 60_000),
    ("endpointkeepalivetransmissioninterval", 300, 300_000),
    ("maxbadpereports", 1, u32::MAX as i64),
    ("maxelementsperhtrequest", 1, 1024),
    ("maxhresitems", 1, 128),
    ("mentordiscoverytimeout", 100, 3_600_000),
    ("mentorhuntinterval", 100, 3_600_000),
    ("peerheartbeatcycle", 100, 300_000),
    ("peermaxtimelastheard", 100, 3_600_000),
    ("peermaxtimenoresponse", 100, 3_600_000),
    ("serverannouncecycle", 100, 60_000),
    ("statsinterval", 10, 36_000_000),
    ("takeoverexpiryinterval", 100, 3_600_000),
];

impl Cli {
    /// The transport's options, with those of the host's addresses that may be used.
    ///
    /// # Errors
    /// The system's; an address that may not be used.
    pub(super) fn transport_options(&self) -> Result<TransportOptions, String> {
        let mut options = self.transport.clone();
        if self.disable_ipv6 && options.local.is_empty() && options.tun.is_empty() {
            let interfaces =
                getifaddrs().map_err(|error| format!("cannot list the host's addresses: {error}"))?;
            let addresses = interfaces.filter_map(|interface| interface.address);
            options.local =
                addresses.filter_map(|address| Some(address.as_sockaddr_in()?.ip().into())).collect();
        }
        let of_tun = options.tun.iter().map(|address| ("tun", address.address()));
        let mut named = options.local.iter().map(|address| ("local", *address)).chain(of_tun);
        match named.find(|(_, address)| self.disable_ipv6 && address.is_ipv6()) {
            Some((option, address)) => {
                Err(format!("--{option} {address} is not possible with --disable-ipv6"))
            }
            None => Ok(options),
        }
    }

    /// Its identifier; another one each time that it is asked for, if none is given (RFC 5353, 2.1 and 3.2.1).
    pub(super) fn id(&self) -> RegistrarId {
        let given = self.identifier.filter(|id| *id != 0);
        RegistrarId(given.unwrap_or_else(|| rand::random_range(1..=u32::MAX)))
    }

    /// The machine's settings.
    pub(super) fn config(&self, id: RegistrarId) -> RegistrarConfig {
        let mut config = RegistrarConfig::new(id, Profile::from(self.profile));
        config.max_bad_pe_reports = self.maxbadpereports;
        config.distance_step = Duration::from_millis(self.distancestep);
        config.increment = (self.maxincrement > 0).then_some(self.maxincrement);
        config.default_items = self.maxhresitems.into();
        config.max_items = self.max_answer_items.into();
        config.max_subscriptions = self.max_subscriptions.into();
        config.min_address_scope = self.minaddressscope;
        config.format.rare_transports = self.rare_transports;
        config.format.long_pool_handles = self.long_pool_handles;
        if self.life_in_seconds {
            config.format.life_unit = LifeUnit::Seconds;
        }
        self.timers.apply(&mut config);
        self.protection.apply(&mut config);
        self.federation.apply(&mut config.enrp);
        config
    }

    fn limit_tcp(&self, tcp: TcpOptions) -> TcpOptions {
        TcpOptions {
            is_announced: self.announce_tcp,
            max_connections: self.max_tcp_connections as usize,
            max_of_address: self.max_address_tcp_connections as usize,
            patience: Duration::from_secs(self.tcp_patience),
            ..tcp
        }
    }

    /// The parameters of associations.
    fn sctp(&self) -> SctpSettings {
        let mut settings =
            SctpSettings { mobile: self.mobile, ..Profile::from(self.profile).sctp_settings() };
        self.sctp_timers.apply(&mut settings);
        settings
    }

    /// Where it is reached.
    pub(super) fn driver_options(&self) -> RegistrarOptions {
        RegistrarOptions {
            addresses: self.asap.addresses.clone(),
            port: self.asap.port,
            announce: self.asapannounce.0,
            announce_ttl: self.announcettl,
            enrp_port: self.federation.port(),
            enrp_addresses: self.federation.addresses(),
            enrp_announce: self.federation.group(),
            tcp: self.tcp.0.clone().map(|tcp| self.limit_tcp(tcp)),
            names: self.dns.names(self.profile.into()),
            sctp: self.sctp(),
        }
    }
}

#[cfg(test)]
mod tests;
