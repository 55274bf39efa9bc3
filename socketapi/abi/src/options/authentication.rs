//! Authenticated chunks (RFC 4895; RFC 6458, 8.1.17, 8.1.18, 8.2.3, 8.2.4, 8.3.2 to 8.3.5). Where authentication is not
//! offered, or not in use on the association, the answer is EACCES.

use bytes::Bytes;
use sctp_core::auth::{ChunkTypes, HmacAlgorithm, KeyError, SharedKeys};
use sctp_core::wire::chunk::ChunkType;

use super::numbers::count;
use super::scope::{Whose, association, for_each, look, one};
use super::{Answer, Asked, Outcome};
use crate::errno::Errno;
use crate::layout::{Field, Record, View};
use crate::structures::sctp_authchunk::sauth_chunk;
use crate::structures::sctp_authchunks::{self, *};
use crate::structures::sctp_authkey::{self, *};
use crate::structures::sctp_authkeyid::{self, *};
use crate::structures::sctp_hmacalgo::{self, *};
use crate::target::Target;

/// The size of an identifier of an algorithm.
const IDENT: usize = 2;
/// Identifiers that a list may have: Linux numbers algorithms from 0 to 3.
const MOST_IDENTS: u32 = 4;
/// The algorithm that must be in each list (RFC 4895, 3.3).
const SHA1: u16 = 1;

/// Associations to come offer it.
pub(super) fn is_offered(target: &dyn Target) -> Result<(), Errno> {
    if target.config()?.extensions.auth { Ok(()) } else { Err(Errno::EACCES) }
}

fn is_usable(target: &dyn Target, whose: Whose) -> Result<(), Errno> {
    let Some(association) = whose else { return is_offered(target) };
    let in_use = look(target, association, |association| association.extensions().auth)?;
    if in_use { Ok(()) } else { Err(Errno::EACCES) }
}

/// RFC 6458, 8.3.2.
pub(super) fn set_chunk(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let chunk = ChunkType(view.get(sauth_chunk));
    // RFC 4895, 3.2.
    if ChunkTypes::EXEMPT.contains(&chunk) {
        return Err(Errno::EINVAL);
    }
    target.configure(None, &|config| config.auth.chunks.insert(chunk))?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.1.17.
pub(super) fn get_hmac_ident(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let mut identifiers: Vec<u16> =
        target.config()?.auth.hmacs.iter().map(|algorithm| algorithm.identifier()).collect();
    // It is offered whether it was named or not (RFC 4895, 6.1).
    if !identifiers.contains(&SHA1) {
        identifiers.push(SHA1);
    }
    if asked.room < sctp_hmacalgo::SIZE + IDENT * identifiers.len() {
        return Err(Errno::EINVAL);
    }
    let tail: Vec<u8> = identifiers.iter().flat_map(|identifier| identifier.to_ne_bytes()).collect();
    let count = count(identifiers.len());
    Ok(Record::new(sctp_hmacalgo::SIZE).set(shmac_num_idents, count).with_tail(&tail).into())
}

pub(super) fn set_hmac_ident(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let count = view.get(shmac_num_idents);
    let tail = view.after(sctp_hmacalgo::SIZE);
    if !(1..=MOST_IDENTS).contains(&count) || count as usize * IDENT > tail.len() {
        return Err(Errno::EINVAL);
    }
    let identifiers =
        tail.chunks_exact(IDENT).take(count as usize).map(|ident| View(ident).get(Field::new(0)));
    let algorithms: Option<Vec<_>> = identifiers.map(HmacAlgorithm::of).collect();
    let algorithms = algorithms.ok_or(Errno::EOPNOTSUPP)?;
    if !algorithms.contains(&HmacAlgorithm::Sha1) {
        return Err(Errno::EINVAL);
    }
    target.configure(None, &|config| config.auth.hmacs = algorithms.iter().copied().collect())?;
    Ok(Outcome::Done)
}

/// RFC 6458, 8.3.3.
pub(super) fn set_key(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let secret = view.after(sctp_authkey::SIZE).get(..usize::from(view.get(sca_keylength)));
    let secret = Bytes::copy_from_slice(secret.ok_or(Errno::EINVAL)?);
    let key = view.get(sca_keynumber);
    change_keys(target, view.get(sca_assoc_id), &|keys| keys.set(key, secret.clone()))
}

fn change_keys(
    target: &mut dyn Target,
    number: i32,
    change: &dyn Fn(&mut SharedKeys) -> Result<(), KeyError>,
) -> Result<Outcome, Errno> {
    for_each(target, number, |target, whose| {
        is_usable(target, whose)?;
        target.change_keys(whose, change)
    })
}

/// RFC 6458, 8.1.18.
pub(super) fn get_active_key(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(scact_assoc_id))?;
    is_usable(target, whose)?;
    let key = match whose {
        Some(association) => look(target, association, |association| association.active_key())?,
        None => Some(target.config()?.auth.keys.active()),
    };
    let key = key.unwrap_or(0);
    Ok(Record::from_view(asked.view, sctp_authkeyid::SIZE).set(scact_keynumber, key).into())
}

pub(super) fn set_active_key(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let key = view.get(scact_keynumber);
    change_keys(target, view.get(scact_assoc_id), &|keys| keys.activate(key))
}

/// RFC 6458, 8.3.4.
pub(super) fn set_deactivate_key(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let key = view.get(scact_keynumber);
    change_keys(target, view.get(scact_assoc_id), &|keys| keys.deactivate(key))
}

/// RFC 6458, 8.3.5 wants a key to be deactivated before. Linux does not, and programs rely on it: what is not the active
/// key may go.
pub(super) fn set_delete_key(target: &mut dyn Target, view: View<'_>) -> Result<Outcome, Errno> {
    let key = view.get(scact_keynumber);
    change_keys(target, view.get(scact_assoc_id), &|keys| {
        keys.deactivate(key)?;
        keys.delete(key)
    })
}

/// RFC 6458, 8.2.3.
pub(super) fn get_peer_chunks(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let id = association(target, asked.view.get(gauth_assoc_id))?;
    is_usable(target, Some(id))?;
    chunk_list(asked, look(target, id, |association| association.peer_auth_chunks())?)
}

/// RFC 6458, 8.2.4.
pub(super) fn get_local_chunks(target: &mut dyn Target, asked: Asked<'_>) -> Result<Answer, Errno> {
    let whose = one(target, asked.view.get(gauth_assoc_id))?;
    is_usable(target, whose)?;
    let chunks = match whose {
        Some(association) => look(target, association, |association| association.local_auth_chunks())?,
        None => target.config()?.auth.chunks,
    };
    chunk_list(asked, chunks)
}

fn chunk_list(asked: Asked<'_>, chunks: ChunkTypes) -> Result<Answer, Errno> {
    let types: Vec<u8> = chunks.iter().map(|chunk_type| chunk_type.0).collect();
    if asked.room < sctp_authchunks::SIZE + types.len() {
        return Err(Errno::EINVAL);
    }
    let count = count(types.len());
    let record = Record::from_view(asked.view, sctp_authchunks::SIZE).set(gauth_number_of_chunks, count);
    Ok(record.with_tail(&types).into())
}
