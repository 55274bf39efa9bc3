//! What can only be read (RFC 6458, 8.2; RFC 7496, 4.3 and 4.4).

use std::net::SocketAddr;

use sctp_core::association::{Association, AssociationState, AssociationStats};
use sctp_core::path::{Path, PathState};
use sctp_core::reliability::Policy;

use super::numbers::{count, milliseconds, short};
use super::scope::{association, look, look_at_path, path};
use super::{Answer, Asked, Outcome};
use crate::address::Form;
use crate::constants::*;
use crate::errno::Errno;
use crate::layout::{Field, Record, View};
use crate::structures::sctp_assoc_ids::{self, *};
use crate::structures::sctp_assoc_stats::{self, *};
use crate::structures::sctp_paddrinfo::{self, *};
use crate::structures::sctp_prim::{self, *};
use crate::structures::sctp_prstatus::{self, *};
use crate::structures::sctp_status::{self, *};
use crate::target::{Command, Target};

/// Bytes of SCTP's own headers: the packet's, DATA's, I-DATA's.
pub(super) const COMMON_HEADER: u32 = 12;
pub(super) const DATA_HEADER: u32 = 16;
const I_DATA_HEADER: u32 = 20;
/// The largest chunk.
pub(super) const LARGEST_CHUNK: u32 = 65_532;

/// The header of each chunk with data.
pub(super) fn data_header(association: &Association) -> u32 {
    if association.extensions().interleaving { I_DATA_HEADER } else { DATA_HEADER }
}

/// The size that messages are cut to now.
pub(super) fn fragmentation_point(association: &Association) -> u32 {
    let header = data_header(association) as usize;
    let fits = association.paths().iter().map(|path| path.pmdcs().saturating_sub(header)).min();
    let wanted = Some(association.config().fragmentation_point).filter(|point| *point > 0);
    count(fits.into_iter().chain(wanted).min().unwrap_or(0))
}

/// The MTU of a path, IP header included.
pub(super) fn mtu_of(path: &Path) -> u32 {
    const UDP_HEADER: usize = 8;
    let ip = if path.address.remote.is_ipv4() { 20 } else { 40 };
    let udp = if path.address.remote_udp_port == 0 { 0 } else { UDP_HEADER };
    count(path.max_packet_size + ip + udp)
}

fn state_number(state: AssociationState) -> i32 {
    match state {
        AssociationState::Closed => SCTP_CLOSED,
        AssociationState::CookieWait => SCTP_COOKIE_WAIT,
        AssociationState::CookieEchoed => SCTP_COOKIE_ECHOED,
        AssociationState::Established => SCTP_ESTABLISHED,
        AssociationState::ShutdownPending => SCTP_SHUTDOWN_PENDING,
        AssociationState::ShutdownSent => SCTP_SHUTDOWN_SENT,
        AssociationState::ShutdownReceived => SCTP_SHUTDOWN_RECEIVED,
        AssociationState::ShutdownAckSent => SCTP_SHUTDOWN_ACK_SENT,
    }
}

fn path_state_number(state: PathState) -> i32 {
    match state {
        PathState::Unconfirmed => SCTP_UNCONFIRMED,
        PathState::Active => SCTP_ACTIVE,
        PathState::PotentiallyFailed => SCTP_PF,
        PathState::Inactive => SCTP_INACTIVE,
    }
}

/// RFC 6458, 8.2.2. Times are in milliseconds.
fn path_info(path: &Path, port: u16, number: i32, form: Form) -> Record {
    Record::new(sctp_paddrinfo::SIZE)
        .set(spinfo_assoc_id, number)
        .set(spinfo_address, form.storage(SocketAddr::new(path.address.remote, port)))
        .set(spinfo_state, path_state_number(path.state))
        .set(spinfo_cwnd, count(path.congestion.cwnd()))
        .set(spinfo_srtt, path.rtt.srtt().map_or(0, milliseconds))
        .set(spinfo_rto, milliseconds(path.rto()))
        .set(spinfo_mtu, mtu_of(path))
}

/// RFC 6458, 8.2.1.
pub(super) fn get_status(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(sstat_assoc_id))?;
    let (number, form) = (target.number(id), target.settings().form);
    let shuts_down = target.settings().shuts_down;
    let status = look(target, id, |association| {
        let state = association.state();
        // What was written before the shutdown is on its way to the stack (RFC 9260, 9.2).
        let is_pending = shuts_down && state == AssociationState::Established;
        let state = if is_pending { AssociationState::ShutdownPending } else { state };
        status(association, number, form).set(sstat_state, state_number(state))
    })?;
    Ok(status.into())
}

fn status(association: &Association, number: i32, form: Form) -> Record {
    let paths = association.paths();
    let primary =
        paths.get(paths.primary()).map(|path| path_info(path, association.peer_port(), number, form));
    let primary = primary.unwrap_or_else(|| Record::new(sctp_paddrinfo::SIZE));
    Record::new(sctp_status::SIZE)
        .set(sstat_assoc_id, number)
        .set(sstat_rwnd, count(association.peer_rwnd()))
        .set(sstat_unackdata, short(association.outstanding_chunks()))
        .set(sstat_penddata, 0)
        .set(sstat_instrms, association.inbound_streams())
        .set(sstat_outstrms, association.outbound_streams())
        .set(sstat_fragmentation_point, fragmentation_point(association))
        .set(sstat_primary, primary.into_array())
}

/// RFC 6458, 8.2.2; RFC 7829, 7.3: where potentially failed paths are not exposed there is no word of their state.
pub(super) fn get_peer_addr_info(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    const HIDDEN: u32 = 1;
    let (id, remote) = path(target, &asked.view.get(spinfo_address), asked.view.get(spinfo_assoc_id))
        .ok_or(Errno::EINVAL)?;
    let (number, form) = (target.number(id), target.settings().form);
    let hidden = target.settings().of(Some(id)).expose_potentially_failed == HIDDEN;
    let port = look(target, id, Association::peer_port)?;
    look_at_path(target, id, remote, |path| {
        let unspeakable = hidden && path.state == PathState::PotentiallyFailed;
        if unspeakable { Err(Errno::EACCES) } else { Ok(path_info(path, port, number, form).into()) }
    })?
}

/// RFC 6458, 8.1.9.
pub(super) fn get_primary(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(ssp_assoc_id))?;
    let form = target.settings().form;
    let primary = look(target, id, |association| {
        let path = association.paths().get(association.paths().primary());
        path.map(|path| SocketAddr::new(path.address.remote, association.peer_port()))
    })?;
    let storage = form.storage(primary.ok_or(Errno::ENOTCONN)?);
    Ok(Record::from_view(asked.view, sctp_prim::SIZE).set(ssp_addr, storage).into())
}

pub(super) fn set_primary(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let (id, remote) = path(target, &view.get(ssp_addr), view.get(ssp_assoc_id)).ok_or(Errno::EINVAL)?;
    target.command(id, Command::SetPrimary(remote))?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.2.5.
pub(super) fn get_assoc_number(target: &mut dyn Target, _: Asked<'_>) -> Result<Answer, Errno> {
    let associations = count(target.associations().len());
    Ok(Record::new(size_of::<u32>()).set(Field::new(0), associations).into())
}

/// RFC 6458, 8.2.6.
pub(super) fn get_assoc_id_list(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let associations = target.associations();
    if asked.room < sctp_assoc_ids::SIZE + size_of::<i32>() * associations.len() {
        return Err(Errno::EINVAL);
    }
    // The oldest first, as on Linux.
    let mut numbers: Vec<i32> = associations.iter().map(|id| target.number(*id)).collect();
    numbers.sort_unstable();
    let bytes: Vec<u8> = numbers.into_iter().flat_map(i32::to_ne_bytes).collect();
    let record = Record::new(sctp_assoc_ids::SIZE).set(gaids_number_of_ids, count(associations.len()));
    Ok(record.with_tail(&bytes).into())
}

/// Linux's own: counters, as many as the buffer holds. What we do not count is zero.
pub(super) fn get_assoc_stats(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(sas_assoc_id))?;
    let (counters, port) = look(target, id, |association| (association.stats(), association.peer_port()))?;
    let mut record = write_stats(&counters).set(sas_assoc_id, asked.view.get(sas_assoc_id));
    // A call begins a new time of observation.
    if let Some((remote, rto)) = target.take_largest_rto(id)? {
        let address = target.settings().form.storage(SocketAddr::new(remote, port));
        record = record.set(sas_obs_rto_ipaddr, address).set(sas_maxrto, milliseconds(rto).into());
    }
    Ok(record.truncate(asked.room).into())
}

fn write_stats(counters: &AssociationStats) -> Record {
    Record::new(sctp_assoc_stats::SIZE)
        .set(sas_osacks, counters.sacks_sent)
        .set(sas_isacks, counters.sacks_received)
        .set(sas_gapcnt, counters.gap_blocks_received)
        .set(sas_outofseqtsns, counters.out_of_order_chunks_received)
        .set(sas_opackets, counters.packets_sent)
        .set(sas_ipackets, counters.packets_received)
        .set(sas_rtxchunks, counters.retransmitted_chunks)
        .set(sas_idupchunks, counters.duplicate_chunks_received)
        .set(sas_ouodchunks, counters.unordered_chunks_sent)
        .set(sas_iuodchunks, counters.unordered_chunks_received)
        .set(sas_oodchunks, counters.ordered_chunks_sent)
        .set(sas_iodchunks, counters.ordered_chunks_received)
        .set(sas_octrlchunks, counters.control_chunks_sent)
        .set(sas_ictrlchunks, counters.control_chunks_received)
}

/// Which policies are counted: one, or all of them.
fn policy(view: View<'_>) -> Result<Option<Policy>, Errno> {
    match view.get(sprstat_policy) {
        SCTP_PR_SCTP_TTL => Ok(Some(Policy::Timed)),
        SCTP_PR_SCTP_RTX => Ok(Some(Policy::Retransmissions)),
        SCTP_PR_SCTP_PRIO => Ok(Some(Policy::Priority)),
        SCTP_PR_SCTP_ALL => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

/// RFC 7496, 4.3.
pub(super) fn get_pr_stream_status(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    abandoned(target, asked, Some(asked.view.get(sprstat_sid)))
}

/// RFC 7496, 4.4.
pub(super) fn get_pr_assoc_status(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    abandoned(target, asked, None)
}

fn abandoned(target: &mut dyn Target, asked: Asked<'_>, stream: Option<u16>) -> Result<Answer, Errno> {
    let policy = policy(asked.view)?;
    let id = association(target, asked.view.get(sprstat_assoc_id))?;
    let abandoned = look(target, id, |association| {
        let exists = stream.is_none_or(|stream| stream < association.outbound_streams());
        exists.then(|| association.abandoned(stream, policy))
    })?;
    let abandoned = abandoned.ok_or(Errno::EINVAL)?;
    let record = Record::from_view(asked.view, sctp_prstatus::SIZE)
        .set(sprstat_abandoned_unsent, abandoned.unsent)
        .set(sprstat_abandoned_sent, abandoned.sent);
    Ok(record.into())
}
