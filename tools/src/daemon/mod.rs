//! `sctpd`: one stack for the programs of many users. Also how `sctp-run` finds it.

mod access;
mod client;
mod config;
mod host;
mod privileges;
mod status;

pub use client::{Probe, probe};
pub use config::{Config, ConfigError, FILE_VARIABLE, Sources};
pub use host::{StartError, check, run};
pub use status::{Status, status};

/// The abstract UNIX name that `sctpd` serves at, one for each network namespace.
pub const SERVICE_NAME: &str = "sctp-user/sctpd";
/// The file that is read if none is named and it is there.
pub const DEFAULT_FILE: &str = "/etc/sctpd.toml";
