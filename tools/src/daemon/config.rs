//! What `sctpd` is told: a file, over it the environment, over it the command line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sctp_core::config::AssociationConfig;
use sctp_user::driver::tun::TunAddress;
use sctp_user::driver::udp::ENCAPSULATION_PORT;
use serde::{Deserialize, Serialize};

use tracing_subscriber::EnvFilter;

use super::SERVICE_NAME;
use crate::transport::TransportOptions;

/// Variables of the environment that set a key begin so: `SCTPD_LOG`, `SCTPD_LIMITS_SOCKETS`.
const VARIABLE: &str = "SCTPD_";
/// Not a key: where the file is.
pub const FILE_VARIABLE: &str = "SCTPD_CONFIG";

/// All of it. Each key is explained in `sctpd.toml`, the sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the sample file explains them")]
pub struct Config {
    pub name: String,
    pub user: Option<String>,
    pub log: String,
    pub statistics: bool,
    pub pcap: Option<PathBuf>,
    pub stop_ms: u64,
    pub transport: Transport,
    pub access: Access,
    pub limits: Limits,
    pub defaults: Defaults,
}

/// What carries the packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the sample file explains them")]
pub struct Transport {
    pub kind: Kind,
    pub local: Vec<IpAddr>,
    pub udp_port: u16,
    pub remote_udp_port: Option<u16>,
    pub tun: Vec<String>,
    pub tun_mtu: u16,
}

/// Kinds of transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Raw IP where that is permitted, else UDP.
    Auto,
    /// Raw IP.
    Raw,
    /// UDP encapsulation.
    Udp,
    /// A TUN interface.
    Tun,
}

/// Who may connect. Without both lists everybody, as with a kernel's SCTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the sample file explains them")]
pub struct Access {
    pub users: Option<Vec<Name>>,
    pub groups: Option<Vec<Name>>,
    pub unprivileged_ports_from: Option<u16>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Name {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

/// What each user may hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the sample file explains them")]
pub struct Limits {
    pub sockets: usize,
    pub associations: usize,
    pub connections: usize,
    pub buffer_bytes: usize,
}

/// Parameters of associations whose programs do not set others; RFC 9260, 16 names them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the sample file explains them")]
pub struct Defaults {
    pub rto_initial_ms: u64,
    pub rto_min_ms: u64,
    pub rto_max_ms: u64,
    pub association_max_retrans: u32,
    pub path_max_retrans: u32,
    pub max_init_retransmits: u32,
    pub hb_interval_ms: u64,
    pub sack_delay_ms: u64,
    pub max_burst: u32,
    pub outbound_streams: u16,
    pub max_inbound_streams: u16,
    pub send_buffer: usize,
    pub receive_buffer: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: SERVICE_NAME.into(),
            user: None,
            log: "warn".into(),
            statistics: true,
            pcap: None,
            stop_ms: 10_000,
            transport: Transport::default(),
            access: Access::default(),
            limits: Limits::default(),
            defaults: Defaults::default(),
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            kind: Kind::Auto,
            local: Vec::new(),
            udp_port: ENCAPSULATION_PORT,
            remote_udp_port: None,
            tun: Vec::new(),
            tun_mtu: 1_500,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let sctp_service::Limits { sockets, associations, connections, buffer_bytes } =
            sctp_service::Limits::default();
        Self { sockets, associations, connections, buffer_bytes }
    }
}

impl From<Limits> for sctp_service::Limits {
    fn from(limits: Limits) -> Self {
        let Limits { sockets, associations, connections, buffer_bytes } = limits;
        Self { sockets, associations, connections, buffer_bytes }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        let config = sctp_service::defaults();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            rto_initial_ms: millis(config.rto_initial),
            rto_min_ms: millis(config.rto_min),
            rto_max_ms: millis(config.rto_max),
            association_max_retrans: config.association_max_retrans,
            path_max_retrans: config.path_max_retrans,
            max_init_retransmits: config.max_init_retransmits,
            hb_interval_ms: config.hb_interval.map_or(0, millis),
            sack_delay_ms: millis(config.sack_delay),
            max_burst: config.max_burst,
            outbound_streams: config.outbound_streams,
            max_inbound_streams: config.max_inbound_streams,
            send_buffer: config.send_buffer,
            receive_buffer: config.receive_buffer,
        }
    }
}

impl Defaults {
    /// As the stack takes them.
    pub fn parameters(&self) -> AssociationConfig {
        let millis = Duration::from_millis;
        AssociationConfig {
            rto_initial: millis(self.rto_initial_ms),
            rto_min: millis(self.rto_min_ms),
            rto_max: millis(self.rto_max_ms),
            association_max_retrans: self.association_max_retrans,
            path_max_retrans: self.path_max_retrans,
            max_init_retransmits: self.max_init_retransmits,
            hb_interval: (self.hb_interval_ms != 0).then(|| millis(self.hb_interval_ms)),
            sack_delay: millis(self.sack_delay_ms),
            max_burst: self.max_burst,
            outbound_streams: self.outbound_streams,
            max_inbound_streams: self.max_inbound_streams,
            send_buffer: self.send_buffer,
            receive_buffer: self.receive_buffer,
            ..sctp_service::defaults()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, why| Err(ConfigError::Value { key, why });
        if self.rto_min_ms == 0 || self.rto_max_ms > MOST_MS {
            return bad("defaults.rto_min_ms, rto_max_ms", "an RTO lies between 1 and 3600000 ms");
        }
        if !(self.rto_min_ms <= self.rto_initial_ms && self.rto_initial_ms <= self.rto_max_ms) {
            return bad("defaults.rto_initial_ms", "it must lie between rto_min_ms and rto_max_ms");
        }
        if self.sack_delay_ms > 500 {
            return bad("defaults.sack_delay_ms", "a SACK waits 500 ms at most (RFC 9260, 6.2)");
        }
        if self.hb_interval_ms > MOST_MS {
            return bad("defaults.hb_interval_ms", "an hour (3600000 ms) is the most");
        }
        if self.outbound_streams == 0 || self.max_inbound_streams == 0 {
            return bad(
                "defaults.outbound_streams, max_inbound_streams",
                "an association has a stream at least",
            );
        }
        if self.send_buffer < LEAST_BUFFER || self.receive_buffer < LEAST_BUFFER {
            return bad("defaults.send_buffer, receive_buffer", "4096 bytes are the least");
        }
        Ok(())
    }
}

/// No time of the protocol is longer.
const MOST_MS: u64 = 3_600_000;
/// No stop takes longer.
const MOST_STOP_MS: u64 = 600_000;
const LEAST_BUFFER: usize = 4_096;

/// What is wrong with what `sctpd` is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file says what cannot be.
    #[error("{}, line {line}: {what}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Where, from 1 on.
        line: usize,
        /// What.
        what: String,
    },
    /// A variable, or an option `--set`, says what cannot be.
    #[error("{from}: {}", error.message())]
    Setting {
        /// Which.
        from: String,
        /// What.
        error: Box<toml::de::Error>,
    },
    /// `--set` without a value.
    #[error("--set {0}: write KEY=VALUE, such as limits.sockets=100")]
    Syntax(String),
    /// A value is out of range, or does not go with another one.
    #[error("{key}: {why}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// An address of the TUN interface is none.
    #[error("transport.tun: {0}")]
    Tun(#[from] sctp_user::driver::tun::TunAddressError),
    /// There is no such user or group.
    #[error("{key}: this host has no {what} {name}")]
    Unknown {
        /// The key.
        key: &'static str,
        /// `user` or `group`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

/// Where settings come from, besides the file.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// `--set KEY=VALUE`, in their order.
    pub set: &'a [String],
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The command line's transport.
    pub transport: Option<&'a TransportOptions>,
}

/// Where it is from, its key from the outermost table on, and its value.
type Setting<'a> = (String, Vec<String>, &'a str);

impl Sources<'_> {
    /// The environment's, then the command line's.
    fn settings(&self) -> Result<Vec<Setting<'_>>, ConfigError> {
        let mut settings = Vec::new();
        for (variable, value) in &self.environment {
            let key = variable.strip_prefix(VARIABLE).filter(|_| variable != FILE_VARIABLE);
            settings.extend(key.map(|key| (variable.clone(), key_of_variable(key), value.as_str())));
        }
        for setting in self.set {
            let (key, value) = setting.split_once('=').ok_or_else(|| ConfigError::Syntax(setting.clone()))?;
            let path = key.trim().split('.').map(str::to_owned).collect();
            settings.push((format!("--set {setting}"), path, value));
        }
        Ok(settings)
    }
}

impl Config {
    /// Reads the file, if there is one, and what goes before it.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(file: Option<&Path>, sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let text = file.map_or(Ok(String::new()), std::fs::read_to_string);
        let path = || file.map(Path::to_owned).unwrap_or_default();
        let text = text.map_err(|source| ConfigError::Read { file: path(), source })?;
        let of_file = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError::File { file: path(), line, what: error.message().to_owned() }
        };
        // First as it is: what is wrong with it then has its line.
        let mut config: Self = toml::from_str(&text).map_err(of_file)?;
        let mut table: toml::Table = text.parse().map_err(of_file)?;
        for (from, path, value) in sources.settings()? {
            insert(&mut table, &path, value_of(value));
            let read = table.clone().try_into();
            config = read.map_err(|error| ConfigError::Setting { from, error: Box::new(error) })?;
        }
        if let Some(transport) = sources.transport {
            config.transport.take(transport);
            config.pcap = transport.pcap.clone().or(config.pcap);
            config.statistics &= !transport.no_statistics;
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, why| Err(ConfigError::Value { key, why });
        if self.name.is_empty() || self.name.len() > 100 || self.name.contains('\0') {
            return bad("name", "an abstract name has 1 to 100 bytes, none of them zero");
        }
        if EnvFilter::try_new(&self.log).is_err() {
            return bad(
                "log",
                "write off, error, warn, info, debug or trace, or a filter such as sctp_service=debug",
            );
        }
        if self.stop_ms > MOST_STOP_MS {
            return bad("stop_ms", "ten minutes (600000 ms) are the most");
        }
        if self.limits.sockets > sctp_service::Limits::MOST_SOCKETS {
            return bad("limits.sockets", "65536 are the most");
        }
        self.transport.check()?;
        self.defaults.check()
    }

    /// The transport's options, as all programs have them.
    ///
    /// # Errors
    /// [`ConfigError::Tun`].
    pub fn transport_options(&self, flags: &TransportOptions) -> Result<TransportOptions, ConfigError> {
        let Transport { kind, local, udp_port, remote_udp_port, tun, tun_mtu } = &self.transport;
        Ok(TransportOptions {
            raw: *kind == Kind::Raw,
            udp: (*kind == Kind::Udp).then_some(*udp_port),
            tun: tun.iter().map(|address| address.parse()).collect::<Result<_, _>>()?,
            tun_mtu: *tun_mtu,
            remote_udp_port: *remote_udp_port,
            local: local.clone(),
            no_statistics: !self.statistics,
            pcap: self.pcap.clone(),
            ..flags.clone()
        })
    }

    /// Keys, among those that differ from `other`, that a running daemon does not take.
    pub fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        let differs = [
            ("name", self.name != other.name),
            ("user", self.user != other.user),
            ("statistics", self.statistics != other.statistics),
            ("pcap", self.pcap != other.pcap),
            ("transport", self.transport != other.transport),
            ("defaults", self.defaults != other.defaults),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

impl Transport {
    /// What the command line says goes before.
    fn take(&mut self, options: &TransportOptions) {
        if options.raw {
            self.kind = Kind::Raw;
        }
        if let Some(port) = options.udp {
            (self.kind, self.udp_port) = (Kind::Udp, port);
        }
        if !options.tun.is_empty() {
            self.kind = Kind::Tun;
            self.tun = options.tun.iter().map(ToString::to_string).collect();
            self.tun_mtu = options.tun_mtu;
            self.local.clear();
        }
        if self.kind != Kind::Tun {
            self.tun.clear();
        }
        if !options.local.is_empty() {
            self.local.clone_from(&options.local);
        }
        self.remote_udp_port = options.remote_udp_port.or(self.remote_udp_port);
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, why| Err(ConfigError::Value { key, why });
        for address in &self.tun {
            address.parse::<TunAddress>()?;
        }
        match self.kind {
            Kind::Tun if self.tun.is_empty() => bad("transport.tun", "kind = \"tun\" needs an address here"),
            Kind::Tun if !self.local.is_empty() => {
                bad("transport.local", "on a TUN interface the addresses of `tun` are the local ones")
            }
            Kind::Auto | Kind::Raw | Kind::Udp if !self.tun.is_empty() => {
                bad("transport.tun", "it goes with kind = \"tun\" only")
            }
            _ if self.tun_mtu < 1_280 => bad("transport.tun_mtu", "1280 bytes are the least"),
            _ if self.remote_udp_port == Some(0) => bad("transport.remote_udp_port", "a port is 1 to 65535"),
            _ => Ok(()),
        }
    }
}

/// `LIMITS_BUFFER_BYTES` is `limits.buffer_bytes`, and `STOP_MS` is `stop_ms`.
fn key_of_variable(variable: &str) -> Vec<String> {
    let key = variable.to_lowercase();
    match key.split_once('_') {
        Some((section @ ("transport" | "access" | "limits" | "defaults"), key)) => {
            vec![section.to_owned(), key.to_owned()]
        }
        _ => vec![key],
    }
}

/// A value as TOML writes it; what is none is a text without its quotes.
fn value_of(text: &str) -> toml::Value {
    let line = format!("value = {text}");
    let parsed = line.parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn insert(table: &mut toml::Table, path: &[String], value: toml::Value) {
    match path {
        [key] => {
            table.insert(key.clone(), value);
        }
        [section, rest @ ..] => {
            let mut inner = match table.remove(section) {
                Some(toml::Value::Table(inner)) => inner,
                _ => toml::Table::new(),
            };
            insert(&mut inner, rest, value);
            table.insert(section.clone(), inner.into());
        }
        [] => {}
    }
}

#[cfg(test)]
mod tests;
