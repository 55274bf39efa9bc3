//! The options, in the order of their numbers.

use super::Scope::{Association, AssociationOrFuture, Endpoint, Path, Several};
use super::Size::{AtLeast, AtMost, Either, Exactly};
use super::thresholds;
use super::{
    Row, addresses, authentication, events, features, flags, paths, protocol, sending, status, streams,
};
use crate::constants::*;
use crate::errno::Errno;

/// A row: the name is that of the constant.
macro_rules! option {
    ($name:ident, $scope:expr) => {
        Row::new($name, stringify!($name), $scope)
    };
}

/// All options of Linux at level SOL_SCTP. SCTP_SENDMSG_CONNECT (126) is none: it only has a number.
pub static TABLE: &[Row] = &[
    option!(SCTP_RTOINFO, AssociationOrFuture)
        .read(AtLeast(16), protocol::get_rtoinfo)
        .write(Exactly(&[16]), protocol::set_rtoinfo),
    option!(SCTP_ASSOCINFO, AssociationOrFuture)
        .read(AtLeast(20), protocol::get_associnfo)
        .write(Exactly(&[20]), protocol::set_associnfo),
    option!(SCTP_INITMSG, Endpoint)
        .read(AtLeast(8), protocol::get_initmsg)
        .write(Exactly(&[8]), protocol::set_initmsg),
    option!(SCTP_NODELAY, Endpoint)
        .read(AtLeast(4), flags::get_nodelay)
        .write(AtLeast(4), flags::set_nodelay),
    option!(SCTP_AUTOCLOSE, Endpoint)
        .read_after(flags::not_one_to_one, AtLeast(4), flags::get_autoclose)
        .write_after(flags::not_one_to_one, Exactly(&[4]), flags::set_autoclose),
    option!(SCTP_SET_PEER_PRIMARY_ADDR, Association).write_after(
        addresses::may_change_addresses,
        Exactly(&[132]),
        addresses::set_peer_primary,
    ),
    option!(SCTP_PRIMARY_ADDR, Association)
        .read(AtLeast(132), status::get_primary)
        .write(Exactly(&[132]), status::set_primary),
    option!(SCTP_ADAPTATION_LAYER, Endpoint)
        .read(AtLeast(4), flags::get_adaptation_layer)
        .write(Exactly(&[4]), flags::set_adaptation_layer),
    option!(SCTP_DISABLE_FRAGMENTS, Endpoint)
        .read(AtLeast(4), flags::get_disable_fragments)
        .write(AtLeast(4), flags::set_disable_fragments),
    option!(SCTP_PEER_ADDR_PARAMS, Path)
        .read(AtLeast(paths::SHORT), paths::get)
        .write(Exactly(&[paths::SHORT, paths::LONG]), paths::set),
    option!(SCTP_DEFAULT_SEND_PARAM, Several)
        .read(AtLeast(32), sending::get_default_send_param)
        .write(Exactly(&[32]), sending::set_default_send_param),
    option!(SCTP_EVENTS, Endpoint).read(AtLeast(1), events::get_events).write(AtMost(14), events::set_events),
    option!(SCTP_I_WANT_MAPPED_V4_ADDR, Endpoint)
        .read(AtLeast(4), flags::get_mapped_v4)
        .write(AtLeast(4), flags::set_mapped_v4),
    option!(SCTP_MAXSEG, AssociationOrFuture)
        .read(Either(4, 8), protocol::get_maxseg)
        .write(Exactly(&[4, 8]), protocol::set_maxseg),
    option!(SCTP_STATUS, Association).read(AtLeast(176), status::get_status),
    option!(SCTP_GET_PEER_ADDR_INFO, Path).read(AtLeast(152), status::get_peer_addr_info),
    option!(SCTP_DELAYED_SACK, Several)
        .read(Either(8, 12), protocol::get_delayed_sack)
        .write(Exactly(&[8, 12]), protocol::set_delayed_sack),
    option!(SCTP_CONTEXT, Several)
        .read(AtLeast(8), sending::get_context)
        .write(Exactly(&[8]), sending::set_context),
    option!(SCTP_FRAGMENT_INTERLEAVE, Endpoint)
        .read(AtLeast(4), flags::get_fragment_interleave)
        .write(Exactly(&[4]), flags::set_fragment_interleave),
    option!(SCTP_PARTIAL_DELIVERY_POINT, Endpoint)
        .read(AtLeast(4), flags::get_partial_delivery_point)
        .write(Exactly(&[4]), flags::set_partial_delivery_point),
    option!(SCTP_MAX_BURST, Several)
        .read(Either(4, 8), protocol::get_max_burst)
        .write(Exactly(&[4, 8]), protocol::set_max_burst),
    option!(SCTP_AUTH_CHUNK, Endpoint).unreadable(Errno::EOPNOTSUPP).write_after(
        authentication::is_offered,
        Exactly(&[1]),
        authentication::set_chunk,
    ),
    option!(SCTP_HMAC_IDENT, Endpoint)
        .read_after(authentication::is_offered, AtLeast(4), authentication::get_hmac_ident)
        .write_after(authentication::is_offered, AtLeast(4), authentication::set_hmac_ident),
    option!(SCTP_AUTH_KEY, Several).unreadable(Errno::EOPNOTSUPP).write(AtLeast(9), authentication::set_key),
    option!(SCTP_AUTH_ACTIVE_KEY, Several)
        .read(AtLeast(8), authentication::get_active_key)
        .write(Exactly(&[8]), authentication::set_active_key),
    option!(SCTP_AUTH_DELETE_KEY, Several)
        .unreadable(Errno::EOPNOTSUPP)
        .write(Exactly(&[8]), authentication::set_delete_key),
    option!(SCTP_PEER_AUTH_CHUNKS, Association).read(AtLeast(8), authentication::get_peer_chunks),
    option!(SCTP_LOCAL_AUTH_CHUNKS, AssociationOrFuture).read(AtLeast(8), authentication::get_local_chunks),
    option!(SCTP_GET_ASSOC_NUMBER, Endpoint).read_after(
        flags::not_one_to_one,
        AtLeast(4),
        status::get_assoc_number,
    ),
    option!(SCTP_GET_ASSOC_ID_LIST, Endpoint).read_after(
        flags::not_one_to_one,
        AtLeast(4),
        status::get_assoc_id_list,
    ),
    option!(SCTP_AUTO_ASCONF, Endpoint)
        .read(AtLeast(4), flags::get_auto_asconf)
        .write(AtLeast(4), flags::set_auto_asconf),
    option!(SCTP_PEER_ADDR_THLDS, Path)
        .read(AtLeast(144), thresholds::get_thresholds)
        .write(AtLeast(144), thresholds::set_thresholds),
    option!(SCTP_RECVRCVINFO, Endpoint)
        .read(AtLeast(4), flags::get_recvrcvinfo)
        .write(AtLeast(4), flags::set_recvrcvinfo),
    option!(SCTP_RECVNXTINFO, Endpoint)
        .read(AtLeast(4), flags::get_recvnxtinfo)
        .write(AtLeast(4), flags::set_recvnxtinfo),
    option!(SCTP_DEFAULT_SNDINFO, Several)
        .read(AtLeast(16), sending::get_default_sndinfo)
        .write(Exactly(&[16]), sending::set_default_sndinfo),
    option!(SCTP_AUTH_DEACTIVATE_KEY, Several)
        .unreadable(Errno::EOPNOTSUPP)
        .write(Exactly(&[8]), authentication::set_deactivate_key),
    option!(SCTP_REUSE_PORT, Endpoint).read(AtLeast(4), flags::get_reuse_port).write_after(
        flags::may_reuse_port,
        AtLeast(4),
        flags::set_reuse_port,
    ),
    option!(SCTP_PEER_ADDR_THLDS_V2, Path)
        .read(AtLeast(144), thresholds::get_thresholds)
        .write(AtLeast(144), thresholds::set_thresholds_v2),
    option!(SCTP_SOCKOPT_BINDX_ADD, Endpoint).write(AtLeast(0), addresses::bindx_add),
    option!(SCTP_SOCKOPT_BINDX_REM, Endpoint).write(AtLeast(0), addresses::bindx_rem),
    option!(SCTP_SOCKOPT_PEELOFF, Association).read(AtLeast(8), addresses::peeloff),
    option!(SCTP_SOCKOPT_CONNECTX_OLD, Endpoint).write(AtLeast(0), addresses::connectx_old),
    option!(SCTP_GET_PEER_ADDRS, Association).read(AtLeast(8), addresses::get_peer_addrs),
    option!(SCTP_GET_LOCAL_ADDRS, AssociationOrFuture).read(AtLeast(8), addresses::get_local_addrs),
    option!(SCTP_SOCKOPT_CONNECTX, Endpoint).write(AtLeast(0), addresses::connectx),
    option!(SCTP_SOCKOPT_CONNECTX3, Endpoint).read(AtLeast(16), addresses::connectx3),
    option!(SCTP_GET_ASSOC_STATS, Association).read(AtLeast(4), status::get_assoc_stats),
    option!(SCTP_PR_SUPPORTED, AssociationOrFuture)
        .read(AtLeast(8), features::get_pr)
        .write(Exactly(&[8]), features::set_pr),
    option!(SCTP_DEFAULT_PRINFO, Several)
        .read(AtLeast(12), sending::get_default_prinfo)
        .write(Exactly(&[12]), sending::set_default_prinfo),
    option!(SCTP_PR_ASSOC_STATUS, Association).read(AtLeast(24), status::get_pr_assoc_status),
    option!(SCTP_PR_STREAM_STATUS, Association).read(AtLeast(24), status::get_pr_stream_status),
    option!(SCTP_RECONFIG_SUPPORTED, AssociationOrFuture)
        .read(AtLeast(8), features::get_reconfig)
        .write(Exactly(&[8]), features::set_reconfig),
    option!(SCTP_ENABLE_STREAM_RESET, Several)
        .read(AtLeast(8), streams::get_enable_reset)
        .write(Exactly(&[8]), streams::set_enable_reset),
    option!(SCTP_RESET_STREAMS, Association).write(AtLeast(8), streams::set_reset_streams),
    option!(SCTP_RESET_ASSOC, Association).write(Exactly(&[4]), streams::set_reset_assoc),
    option!(SCTP_ADD_STREAMS, Association).write(Exactly(&[8]), streams::set_add_streams),
    option!(SCTP_SOCKOPT_PEELOFF_FLAGS, Association).read(AtLeast(12), addresses::peeloff_flags),
    option!(SCTP_STREAM_SCHEDULER, Several)
        .read(AtLeast(8), streams::get_scheduler)
        .write(AtLeast(8), streams::set_scheduler),
    option!(SCTP_STREAM_SCHEDULER_VALUE, Several)
        .read(AtLeast(8), streams::get_scheduler_value)
        .write(AtLeast(8), streams::set_scheduler_value),
    option!(SCTP_INTERLEAVING_SUPPORTED, AssociationOrFuture)
        .read(AtLeast(8), features::get_interleaving)
        .write(AtLeast(8), features::set_interleaving_if_readable),
    option!(SCTP_EVENT, Several).read(AtLeast(8), events::get_event).write(AtLeast(8), events::set_event),
    option!(SCTP_ASCONF_SUPPORTED, AssociationOrFuture)
        .read(AtLeast(8), features::get_asconf)
        .write(Exactly(&[8]), features::set_asconf),
    option!(SCTP_AUTH_SUPPORTED, AssociationOrFuture)
        .read(AtLeast(8), features::get_auth)
        .write(Exactly(&[8]), features::set_auth),
    option!(SCTP_ECN_SUPPORTED, AssociationOrFuture)
        .read(AtLeast(8), features::get_ecn)
        .write(Exactly(&[8]), features::set_ecn),
    option!(SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, AssociationOrFuture)
        .read(AtLeast(8), thresholds::get_expose)
        .write(Exactly(&[8]), thresholds::set_expose),
    option!(SCTP_REMOTE_UDP_ENCAPS_PORT, Path)
        .read(AtLeast(144), thresholds::get_udp_port)
        .write(Exactly(&[144]), thresholds::set_udp_port),
    option!(SCTP_PLPMTUD_PROBE_INTERVAL, Path)
        .read(AtLeast(144), thresholds::get_probe_interval)
        .write(Exactly(&[144]), thresholds::set_probe_interval),
];
