//! Options about the paths of associations (RFC 6458, 8.1.12; RFC 7829; RFC 8899; RFC 6951).

use std::net::IpAddr;

use sctp_core::error::CommandError;
use sctp_core::path::mtu::MtuSearchConfig;
use sctp_core::path::{PathParameters, Thresholds};
use sctp_user::stack::Error;

use crate::Options;

impl Options<'_> {
    /// Parameters of the path to an address of the peer, or with `None` of all that have none of their own
    /// (`SCTP_PEER_ADDR_PARAMS`; RFC 6458, 8.1.12).
    ///
    /// # Errors
    /// See [`Options::parameters`]; [`Error::Command`] if the peer has no such address.
    pub fn path_parameters(&self, remote: Option<IpAddr>) -> Result<PathParameters, Error> {
        let Some(remote) = remote else { return Ok(PathParameters::of(&self.parameters()?)) };
        let parameters = self.socket().association(self.association(), |association| {
            let path = association.paths().iter().find(|path| path.address.remote == remote);
            path.map(|path| path.parameters)
        })?;
        parameters.ok_or_else(|| CommandError::UnknownAddress(remote).into())
    }

    /// Changes parameters of the path to an address of the peer, or with `None` of all paths, also of associations to come:
    /// heartbeats, MTU, delay of SACKs, DSCP, flow label (`SCTP_PEER_ADDR_PARAMS`; 8.1.12). How many errors a path may have is
    /// told by [`Options::set_thresholds`].
    ///
    /// # Errors
    /// See [`Options::change`]; [`Error::Command`] if the peer has no such address.
    pub fn change_path(
        &self,
        remote: Option<IpAddr>,
        change: impl Fn(&mut PathParameters),
    ) -> Result<(), Error> {
        match remote {
            Some(remote) => self.socket().configure_path(self.association(), remote, change),
            None => self.change(|config| {
                let mut parameters = PathParameters::of(config);
                change(&mut parameters);
                parameters.apply_to(config);
            }),
        }
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
