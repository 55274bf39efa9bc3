//! `sctpd`: one stack for the programs of many users. Also how `sctp-run` finds it.

mod access;
mod config;
mod host;
mod privileges;
mod status;

pub use config::{Config, ConfigError, FILE_VARIABLE, Sources};
pub use host::{StartError, check, run};
pub use sctp_service::client::{Probe, SERVICE_NAME, probe};
pub use status::{Status, status};

/// The file that is read if none is named and it is there.
pub const DEFAULT_FILE: &str = "/etc/sctpd.toml";
