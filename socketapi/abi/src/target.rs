//! What options work on: the seam between the ABI and a socket of our stack.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sctp_core::association::Association;
use sctp_core::auth::{KeyError, SharedKeys};
use sctp_core::config::AssociationConfig;
use sctp_core::endpoint::ResetDirections;
use sctp_core::event::AssociationId;
use sctp_core::path::{PathParameters, Thresholds};
use sctp_user::stack::Peer;

use crate::errno::Errno;
use crate::settings::Settings;

/// What a socket of C is: `socket` and `sctp_peeloff` decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// SOCK_STREAM (RFC 6458, 4). The numbers of associations in options mean nothing.
    OneToOne,
    /// SOCK_SEQPACKET (RFC 6458, 3).
    OneToMany,
    /// Peeled off a one-to-many socket (RFC 6458, 9.2): it has one association, whose number is ignored in options, too.
    PeeledOff,
}

/// A thing to do to an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Send to this address of the peer (RFC 6458, 8.1.9).
    SetPrimary(IpAddr),
    /// Ask the peer to send to this address of ours (8.3.1).
    SetPeerPrimary(IpAddr),
    /// Send a HEARTBEAT now (8.1.12).
    RequestHeartbeat(IpAddr),
    /// Number streams anew (RFC 6525, 6.3.2).
    ResetStreams(ResetDirections, &'a [u16]),
    /// Number TSNs and all streams anew (6.3.3).
    ResetAssociation,
    /// Add streams (6.3.4).
    AddStreams {
        /// That we send on.
        outbound: u16,
        /// That the peer sends on.
        inbound: u16,
    },
}

/// A socket, as options see it. An association is named by our own [`AssociationId`] once its number has been looked up;
/// which associations an option means is decided in one place (`options/scope.rs`), not by the target.
///
/// All calls return at once. What has to be waited for (a set-up) is waited for by who calls
/// [`get`](crate::options::get) and [`set`](crate::options::set).
pub trait Target {
    /// What the stack below does not know.
    fn settings(&self) -> &Settings;

    /// The same, to be changed.
    fn settings_mut(&mut self) -> &mut Settings;

    /// What kind of socket it is.
    fn style(&self) -> Style;

    /// Its associations that have not ended.
    fn associations(&self) -> Vec<AssociationId>;

    /// The number of an association: never 0, 1 or 2 ([`AssocIds`](crate::AssocIds)).
    fn number(&mut self, association: AssociationId) -> i32;

    /// The association of this number, if it is one of this socket's and has not ended.
    fn find_number(&self, number: i32) -> Option<AssociationId>;

    /// The association with this peer, named by any of its addresses with its port, if it is one of this socket's and has not
    /// ended.
    fn find_peer(&self, peer: SocketAddr) -> Option<AssociationId>;

    /// Looks at an association.
    ///
    /// # Errors
    /// It is gone.
    fn look(&self, association: AssociationId, look: &mut dyn FnMut(&Association)) -> Result<(), Errno>;

    /// The parameters of associations to come.
    ///
    /// # Errors
    /// The socket is closed.
    fn config(&self) -> Result<AssociationConfig, Errno>;

    /// Changes parameters: of an association, or of those to come.
    ///
    /// # Errors
    /// The association is gone, or the parameters do not fit together.
    fn configure(
        &mut self,
        association: Option<AssociationId>,
        change: &dyn Fn(&mut AssociationConfig),
    ) -> Result<(), Errno>;

    /// Changes shared keys, likewise.
    ///
    /// # Errors
    /// What `change` says, as EINVAL; ENOBUFS if there would be too many keys.
    fn change_keys(
        &mut self,
        association: Option<AssociationId>,
        change: &dyn Fn(&mut SharedKeys) -> Result<(), KeyError>,
    ) -> Result<(), Errno>;

    /// Changes parameters of one path (RFC 6458, 8.1.12).
    ///
    /// # Errors
    /// The association is gone, or has no such path.
    fn configure_path(
        &mut self,
        association: AssociationId,
        remote: IpAddr,
        change: &dyn Fn(&mut PathParameters),
    ) -> Result<(), Errno>;

    /// The largest RTO since this was last asked, and the peer's address where it was; none if none was computed.
    ///
    /// # Errors
    /// The association is gone.
    fn take_largest_rto(&mut self, association: AssociationId) -> Result<Option<(IpAddr, Duration)>, Errno>;

    /// Sets the thresholds of one path (RFC 7829, 7.2).
    ///
    /// # Errors
    /// The association is gone, or they do not fit together.
    fn set_thresholds(
        &mut self,
        association: AssociationId,
        remote: IpAddr,
        thresholds: Thresholds,
    ) -> Result<(), Errno>;

    /// The peers' UDP encapsulation port for associations to come (RFC 6951, 6.1).
    fn remote_udp_port(&self) -> u16;

    /// Sets that port: of one path, of an association, or of those to come.
    ///
    /// # Errors
    /// The association is gone.
    fn set_remote_udp_port(
        &mut self,
        association: Option<AssociationId>,
        remote: Option<IpAddr>,
        port: u16,
    ) -> Result<(), Errno>;

    /// Does something to an association.
    ///
    /// # Errors
    /// Why it cannot be done now.
    fn command(&mut self, association: AssociationId, command: Command<'_>) -> Result<(), Errno>;

    /// The addresses that the socket is bound to; its port, 0 until it is bound.
    ///
    /// # Errors
    /// The socket is closed.
    fn local(&self) -> Result<(Vec<IpAddr>, u16), Errno>;

    /// Whether it is bound to all addresses, also those that come later.
    fn is_bound_to_all(&self) -> bool;

    /// Binds it to these addresses, none for all, and this port, 0 for any.
    ///
    /// # Errors
    /// EADDRINUSE, EADDRNOTAVAIL, EACCES.
    fn bind(&mut self, addresses: &[IpAddr], port: u16) -> Result<(), Errno>;

    /// Lets other sockets of its [user](Settings::user) be bound to its port, too (RFC 6458, 8.1.27), or not.
    ///
    /// # Errors
    /// The socket is closed.
    fn share_port(&mut self) -> Result<(), Errno>;

    /// Adds an address to a socket that is bound, and to its associations (RFC 6458, 9.1).
    ///
    /// # Errors
    /// EADDRNOTAVAIL.
    fn add_address(&mut self, address: IpAddr) -> Result<(), Errno>;

    /// Takes an address off.
    ///
    /// # Errors
    /// EBUSY for the last one, EADDRNOTAVAIL for one that is none of the socket's.
    fn remove_address(&mut self, address: IpAddr) -> Result<(), Errno>;

    /// Begins an association, and does not wait for its set-up.
    ///
    /// # Errors
    /// EISCONN and its fellows.
    fn connect(&mut self, peer: &Peer) -> Result<AssociationId, Errno>;

    /// Gives an association a socket of its own (RFC 6458, 9.2). `flags` are those of `sctp_peeloff_flags`: SOCK_NONBLOCK and
    /// SOCK_CLOEXEC, no others. How the program comes by the descriptor is between the target and the program.
    ///
    /// # Errors
    /// No more sockets can be made.
    fn peel_off(&mut self, association: AssociationId, flags: i32) -> Result<(), Errno>;

    /// [`Settings::all_events`] has changed: the stack is to deliver those.
    fn subscribe(&mut self);

    /// An association has just been subscribed to SENDER DRY: it is told at once if everything is acknowledged (RFC 6458,
    /// 6.1.9).
    fn tell_if_dry(&mut self, association: AssociationId);
}
