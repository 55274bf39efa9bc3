//! Watching a simulation from outside: a tap sees each datagram leave, arrive or get lost.

use sctp_core::time::Time;

use super::datagram::Datagram;
use super::link::DropReason;
use super::topology::HostId;

/// What a tap is shown.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// When, in virtual time.
    pub now: Time,
    /// Whose datagram it is: the sender's, or the receiver's if it was delivered.
    pub host: HostId,
    /// That host's name.
    pub name: &'a str,
    /// What happened.
    pub fate: Fate,
    /// The datagram.
    pub datagram: &'a Datagram,
}

/// What happened to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The host sent it.
    Sent,
    /// It reached the host.
    Delivered,
    /// It got no further.
    Dropped(DropReason),
}

/// Called for each observation.
pub type Tap = Box<dyn FnMut(&Observation<'_>)>;
