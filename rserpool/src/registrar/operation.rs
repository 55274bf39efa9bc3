//! What operators do with a running registrar: count, and change its settings.

use super::enrp::PeerCounts;
use super::{EnrpConfig, Registrar, RegistrarConfig, RemovalReason};
use crate::handlespace::RegistrationError;
use crate::transport::Side;

/// Registrations rejected, by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rejections {
    /// Not the pool's policy.
    pub policy_differs: u64,
    /// Not the pool's transport protocol.
    pub transport_differs: u64,
    /// Not the pool's use of the control channel.
    pub control_use_differs: u64,
    /// A policy that this registrar does not know.
    pub unknown_policy: u64,
    /// No usable address.
    pub no_usable_address: u64,
    /// A transport that may not be registered.
    pub transport_refused: u64,
    /// A value that has no meaning.
    pub invalid_value: u64,
    /// An identifier that is another element's.
    pub id_in_use: u64,
    /// The access rules do not allow it.
    pub forbidden: u64,
    /// A limit is reached.
    pub full: u64,
}

impl Rejections {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { policy_differs, transport_differs, control_use_differs, unknown_policy, .. } = self;
        let Self { no_usable_address, transport_refused, invalid_value, id_in_use, forbidden, full, .. } =
            self;
        let of_pool = policy_differs + transport_differs + control_use_differs + id_in_use;
        let of_element = unknown_policy + no_usable_address + transport_refused + invalid_value;
        of_pool + of_element + forbidden + full
    }

    pub(super) fn count(&mut self, error: &RegistrationError) {
        let counter = match error {
            RegistrationError::PolicyDiffers { .. } => &mut self.policy_differs,
            RegistrationError::TransportDiffers { .. } => &mut self.transport_differs,
            RegistrationError::ControlUseDiffers => &mut self.control_use_differs,
            RegistrationError::UnknownPolicy { .. } => &mut self.unknown_policy,
            RegistrationError::NoUsableAddress { .. } => &mut self.no_usable_address,
            RegistrationError::TransportRefused { .. } | RegistrationError::NotOverSctp => {
                &mut self.transport_refused
            }
            RegistrationError::InvalidValue { .. } => &mut self.invalid_value,
            RegistrationError::IdInUse { .. } => &mut self.id_in_use,
            RegistrationError::Forbidden { .. } => &mut self.forbidden,
            RegistrationError::Full { .. } => &mut self.full,
        };
        *counter += 1;
    }
}

/// Elements removed without having asked for it, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Removals {
    /// The association ended.
    pub association_lost: u64,
    /// No answer to a keep-alive.
    pub no_keep_alive_ack: u64,
    /// Too many users reported it.
    pub reported_unreachable: u64,
    /// The registration was not renewed.
    pub life_expired: u64,
    /// It was to be taken over, and nobody knows where it is.
    pub unreachable: u64,
}

impl Removals {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { association_lost, no_keep_alive_ack, reported_unreachable, life_expired, unreachable } =
            self;
        association_lost + no_keep_alive_ack + reported_unreachable + life_expired + unreachable
    }

    /// Counts one; not if it asked for it.
    pub(super) fn count(&mut self, reason: RemovalReason) {
        let counter = match reason {
            RemovalReason::Deregistered => return,
            RemovalReason::AssociationLost => &mut self.association_lost,
            RemovalReason::NoKeepAliveAck => &mut self.no_keep_alive_ack,
            RemovalReason::ReportedUnreachable => &mut self.reported_unreachable,
            RemovalReason::LifeExpired => &mut self.life_expired,
            RemovalReason::Unreachable => &mut self.unreachable,
        };
        *counter += 1;
    }
}

impl Registrar {
    /// How many peers there are of each standing.
    pub fn peer_counts(&self) -> PeerCounts {
        self.enrp.peer_counts()
    }

    /// Associations of one of its endpoints, with those that are being set up.
    pub fn association_count(&self, side: Side) -> usize {
        match side {
            Side::Asap => self.associations.values().filter(|state| state.is_sctp).count(),
            Side::AsapTcp => self.associations.values().filter(|state| !state.is_sctp).count(),
            Side::Enrp => self.enrp.link_count(),
        }
    }

    /// Takes other settings from now on. Timers that run go on as they are. What cannot change stays: the identifier, the
    /// dialect, the policies, the multicast, the names of peers, and where peers and announces say that it is.
    pub fn reconfigure(&mut self, config: RegistrarConfig) {
        let before = &self.config;
        let announces = before.announce_interval.is_some();
        let enrp = EnrpConfig {
            transport: before.enrp.transport.clone(),
            multicast: before.enrp.multicast,
            // Who resolves them was told at the start.
            names: before.enrp.names.clone(),
            ..config.enrp
        };
        self.config = RegistrarConfig {
            id: before.id,
            format: before.format,
            policies: before.policies.clone(),
            announce_transports: before.announce_transports.clone(),
            announce_interval: config.announce_interval.filter(|_| announces),
            enrp,
            ..config
        };
        self.handlespace.set_limits(self.config.limits);
    }
}
