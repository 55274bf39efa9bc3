//! Options about the paths of associations (RFC 6458, 8.1.12; RFC 7829; RFC 8899; RFC 6951).

use std::net::IpAddr;
use std::time::Duration;

use sctp_core::path::Thresholds;
use sctp_core::path::mtu::MtuSearchConfig;
use sctp_user::stack::Error;

use crate::Options;

/// Failure detection of paths (`SCTP_PEER_ADDR_PARAMS`; RFC 6458, 8.1.12). It holds for all paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathParameters {
    /// Idle time between heartbeats; `None`: no heartbeats.
    pub heartbeat_interval: Option<Duration>,
    /// Errors in a row that make a path inactive.
    pub path_max_retrans: u32,
}

impl Options<'_> {
    /// Heartbeats and failure detection of paths. [`Status::paths`](crate::Status::paths) tells of each.
    ///
    /// # Errors
    /// See [`Options::parameters`].
    pub fn path_parameters(&self) -> Result<PathParameters, Error> {
        let config = self.parameters()?;
        let (heartbeat_interval, path_max_retrans) = (config.hb_interval, config.path_max_retrans);
        Ok(PathParameters { heartbeat_interval, path_max_retrans })
    }

    /// Sets heartbeats and failure detection of paths.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_path_parameters(&self, parameters: PathParameters) -> Result<(), Error> {
        self.change(|config| {
            config.hb_interval = parameters.heartbeat_interval;
            config.path_max_retrans = parameters.path_max_retrans;
        })
    }

    /// How the MTUs of paths are found (`SPP_PMTUD_ENABLE`, `SPP_PMTUD_DISABLE`; RFC 6458, 8.1.12; RFC 8899): by
    /// search, or with `None` not at all; then packets have what fits into `path_mtu` bytes of IP, as long as no ICMP
    /// message says less.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_mtu_search(&self, search: Option<MtuSearchConfig>, path_mtu: usize) -> Result<(), Error> {
        self.change(|config| {
            config.mtu_search = search;
            config.path_mtu = path_mtu;
        })
    }

    /// The UDP encapsulation port of the peer's address `remote`, or with `None` of all addresses of the association
    /// (`SCTP_REMOTE_UDP_ENCAPS_PORT`; RFC 6951, 6.1). The status tells the present one of each.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::Command`] if the peer has no such address.
    pub fn set_association_udp_port(&self, remote: Option<IpAddr>, port: u16) -> Result<(), Error> {
        self.socket().set_association_udp_port(self.association(), remote, port)
    }

    /// Sets how many errors in a row make a path potentially failed or inactive, or take the primary path's place from
    /// it (`SCTP_PEER_ADDR_THLDS_V2`; RFC 7829, 7.2): of one address of the peer, or with `None` of all addresses,
    /// also of associations to come.
    ///
    /// # Errors
    /// See [`Options::change`]; [`Error::Command`] if the primary path would be switched before data leaves it, or
    /// if the peer has no such address.
    pub fn set_thresholds(&self, remote: Option<IpAddr>, thresholds: Thresholds) -> Result<(), Error> {
        match remote {
            Some(remote) => self.socket().set_thresholds(self.association(), remote, thresholds),
            None => self.change(|config| {
                config.path_max_retrans = thresholds.path_max_retrans;
                config.potentially_failed_max_retrans = thresholds.potentially_failed_max_retrans;
                config.primary_switchover_max_retrans = thresholds.primary_switchover_max_retrans;
            }),
        }
    }

    /// Whether paths that are potentially failed are shown as such, in notifications and in the status; else they
    /// count as active (`SCTP_EXPOSE_POTENTIALLY_FAILED_STATE`; RFC 7829, 7.3; on).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_expose_potentially_failed(&self, expose: bool) -> Result<(), Error> {
        self.change(|config| config.expose_potentially_failed = expose)
    }

    /// Sends a HEARTBEAT to an address of the peer now (`SPP_HB_DEMAND`).
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::Command`] if the peer has no such address.
    pub fn request_heartbeat(&self, remote: IpAddr) -> Result<(), Error> {
        self.socket().request_heartbeat(self.association(), remote)
    }

    /// The peers' UDP encapsulation port, for associations to come (RFC 6951, 6.1); `None`: the stack's
    /// default.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_remote_udp_port(&self, port: Option<u16>) -> Result<(), Error> {
        self.socket().set_remote_udp_port(port)
    }
}
