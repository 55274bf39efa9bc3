//! What sockets of C begin with.

use sctp_core::config::{AssociationConfig, FragmentInterleave};

/// The parameters of a new socket: where a program can see them they are RFC 9260's, and where that names none Linux's.
/// Extensions that Linux offers only to those who ask for them are off.
pub fn defaults() -> AssociationConfig {
    let mut config = AssociationConfig::default();
    config.extensions.reconfig = false;
    config.extensions.interleaving = false;
    config.fragment_interleave = FragmentInterleave::Nothing;
    config.max_inbound_streams = u16::MAX;
    config.expose_potentially_failed = false;
    // As on Linux: programs that watch paths exchange their first messages before they are told of any.
    config.probes_at_once = false;
    config
}
