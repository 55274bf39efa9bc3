//! How registrars find each other, and how patient they are: options of `rspregistrar`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;
use rserpool::driver::ENRP_GROUP;
use rserpool::registrar::EnrpConfig;
use rserpool::transport::Peer;
use rserpool::wire::ENRP_PORT;

use crate::location::{self, Location};
use crate::search::multicast_group;

/// Other registrars.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of other registrars (ENRP)")]
pub struct FederationOptions {
    /// Addresses and port for other registrars: auto (those of ASAP, port 9901), off, or ADDRESS:PORT,ADDRESS...
    #[arg(long, value_name = "auto|off|A[:P],...", default_value = "auto", value_parser = place)]
    pub enrp: Place,
    /// Find other registrars by multicast: auto (239.0.0.51:9901), off, or a group
    #[arg(long, value_name = "auto|off|A[:P]", alias = "enrpmulticast", default_value = "auto", value_parser = group)]
    pub enrpannounce: Group,
    /// A registrar, with all its addresses: ADDRESS:PORT,ADDRESS... (without PORT: 9901); or a name, NAME or NAME:PORT, that
    /// stands for any number of registrars, this one maybe among them, or a service with SRV records, as
    /// _enrp-sctp._sctp.example.com. Repeatable
    #[arg(long, value_name = "A[:P],...|NAME", value_parser = known)]
    pub peer: Vec<Location>,
    /// Time between Presences, milliseconds (100-300000)
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=300_000))]
    pub peerheartbeatcycle: Option<u64>,
    /// Silence after which a registrar is asked whether it is there, milliseconds
    #[arg(long, value_name = "MS", value_parser = millis())]
    pub peermaxtimelastheard: Option<u64>,
    /// How long a registrar may take to answer, milliseconds
    #[arg(long, value_name = "MS", value_parser = millis())]
    pub peermaxtimenoresponse: Option<u64>,
    /// How long to look for a registrar to learn the pools from, milliseconds. (RSPLIB's usage calls it -mentorhuntinterval)
    #[arg(long, value_name = "MS", alias = "mentorhuntinterval", value_parser = millis())]
    pub mentordiscoverytimeout: Option<u64>,
    /// How long another registrar may take for a takeover, milliseconds
    #[arg(long, value_name = "MS", value_parser = millis())]
    pub takeoverexpiryinterval: Option<u64>,
    /// How long to insist on a takeover while a registrar with a smaller identifier insists on it, too, as RSPLIB's do, milliseconds
    #[arg(long, value_name = "MS", value_parser = millis())]
    takeover_patience: Option<u64>,
    /// How often an element that is taken over is asked to change its home before it is removed (1-255)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    max_claims: u8,
    /// Registrars to know (1-10000): anybody who may be a registrar can claim to be many
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    max_peers: u16,
    /// Bytes in one message of a handle table (100-60000), unless a single element is longer
    #[arg(long, value_name = "BYTES", default_value_t = 1400, value_parser = clap::value_parser!(u16).range(100..=60_000))]
    max_table_bytes: u16,
    /// Elements in one message of a handle table (1-1024)
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub maxelementsperhtrequest: u16,
    /// Suggest to other registrars to take elements over whose identifiers are nearer to theirs
    #[arg(long)]
    pub supporttakeoversuggestion: bool,
}

/// Where the ENRP side is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where ASAP is, on the usual port.
    Auto,
    /// Nowhere: the registrar is alone.
    Off,
    /// There.
    At(Peer),
}

/// A multicast group, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub Option<SocketAddr>);

fn millis() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(100..=3_600_000)
}

fn place(text: &str) -> Result<Place, String> {
    match text {
        "auto" => Ok(Place::Auto),
        "off" => Ok(Place::Off),
        other => peer(other).map(Place::At),
    }
}

fn group(text: &str) -> Result<Group, String> {
    multicast_group(text, ENRP_GROUP).map(Group)
}

/// The addresses of a registrar's ENRP side.
///
/// # Errors
/// What is wrong, and what is needed.
pub fn peer(text: &str) -> Result<Peer, String> {
    location::addresses(text, ENRP_PORT)
}

/// Where another registrar's ENRP side is, perhaps by name.
///
/// # Errors
/// What is wrong, and what is needed.
pub fn known(text: &str) -> Result<Location, String> {
    Location::parse_sctp(text, ENRP_PORT)
}

impl FederationOptions {
    /// The ENRP port; none if the registrar is to be alone.
    pub fn port(&self) -> Option<u16> {
        match &self.enrp {
            Place::Auto => Some(ENRP_PORT),
            Place::Off => None,
            Place::At(place) => Some(place.port),
        }
    }

    /// The ENRP side's addresses, where they are not ASAP's.
    pub fn addresses(&self) -> Option<Vec<IpAddr>> {
        match &self.enrp {
            Place::At(place) => Some(place.addresses.clone()),
            Place::Auto | Place::Off => None,
        }
    }

    /// The group to find others in.
    pub fn group(&self) -> Option<SocketAddr> {
        self.enrpannounce.0.filter(|_| self.enrp != Place::Off)
    }

    /// Changes what the options say.
    pub fn apply(&self, config: &mut EnrpConfig) {
        if self.enrp != Place::Off {
            (config.peers, config.names) = location::split(&self.peer);
        }
        config.max_table_entries = self.maxelementsperhtrequest.into();
        config.max_table_len = self.max_table_bytes.into();
        config.max_claims = self.max_claims;
        config.max_peers = self.max_peers.into();
        config.suggest_takeovers = self.supporttakeoversuggestion;
        for (setting, millis) in [
            (&mut config.heartbeat_cycle, self.peerheartbeatcycle),
            (&mut config.max_time_last_heard, self.peermaxtimelastheard),
            (&mut config.max_time_no_response, self.peermaxtimenoresponse),
            (&mut config.mentor_discovery_timeout, self.mentordiscoverytimeout),
            (&mut config.takeover_expiry, self.takeoverexpiryinterval),
            (&mut config.takeover_patience, self.takeover_patience),
        ] {
            if let Some(millis) = millis {
                *setting = Duration::from_millis(millis);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_s_port_may_be_left_out() {
        let both = peer("192.0.2.1,192.0.2.2:9901").unwrap();
        assert_eq!((both.addresses.len(), both.port), (2, 9901));
        assert_eq!(peer("2001:db8::1").unwrap().port, ENRP_PORT);
        assert_eq!(known("2001:db8::1"), peer("2001:db8::1").map(Location::Addresses));
        assert!(matches!(known("nowhere"), Ok(Location::Name(_))));
        assert!(peer("192.0.2.1:1,192.0.2.2:2").is_err() && peer("nowhere").is_err());
    }
}
