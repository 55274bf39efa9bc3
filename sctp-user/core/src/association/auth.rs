//! Authenticated chunks: AUTH in and out (RFC 4895, 6.2 and 6.3).

use super::Association;
use crate::auth::{
    AuthAgreement, AuthOffer, Authenticator, ChunkTypes, Code, HeldKey, HeldKeys, HmacAlgorithm, KeyError,
    SharedKeys,
};
use crate::config::AssociationConfig;
use crate::endpoint::StateCookie;
use crate::error::{CommandError, SendError};
use crate::event::{AuthenticationEvent, Event};
use crate::path::PathId;
use crate::wire::cause::Cause;
use crate::wire::chunk::{AuthChunk, ChunkType, ErrorChunk, RawChunk};
use crate::wire::{Chunks, Packet};
use bytes::Bytes;
use std::sync::Arc;

/// Key changes by the peer that are told the user while other events still wait to be fetched.
const MAX_WAITING_EVENTS: usize = 16;

/// AUTH on an association that offers it.
#[derive(Debug)]
pub(super) struct Auth {
    /// What we said in INIT or INIT ACK.
    pub(super) offer: AuthOffer,
    keys: SharedKeys,
    /// Those that messages on their way are sent with.
    held: HeldKeys,
    /// Keys that are deactivated, without the user having been told that they are free.
    leaving: Vec<u16>,
    /// Exists where the peer offers AUTH too.
    agreed: Option<Agreed>,
    /// An AUTH chunk stood in front of the chunks that are processed now, and its code was right.
    authenticated: bool,
}

/// What both sides said, and what follows from it.
#[derive(Debug)]
struct Agreed {
    agreement: AuthAgreement,
    /// Types that we take only authenticated.
    required: ChunkTypes,
    sending: Arc<Authenticator>,
    /// The keys that the peer has used.
    received_keys: Vec<u16>,
    /// The code that was right last, with its key and algorithm.
    receiving: Option<(u16, HmacAlgorithm, Code)>,
}

/// What becomes of a chunk before anybody looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Process,
    Discard,
    DiscardRest,
}

/// What an AUTH chunk proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// The chunks behind it are the peer's.
    Authentic,
    /// Nothing.
    Worthless,
    /// Nothing: we never offered this algorithm.
    UnsupportedHmac(u16),
}

impl Auth {
    pub(super) fn new(offer: AuthOffer, config: &AssociationConfig) -> Self {
        Self {
            offer,
            keys: config.auth.keys.clone(),
            held: HeldKeys::default(),
            leaving: Vec::new(),
            agreed: None,
            authenticated: false,
        }
    }

    fn agree(&mut self, peer: AuthOffer) {
        let agreement = AuthAgreement { local: self.offer.clone(), peer };
        self.agreed = authenticator(&agreement, &self.keys).map(|sending| Agreed {
            required: agreement.local.chunks(),
            sending: Arc::new(sending),
            agreement,
            received_keys: vec![0],
            receiving: None,
        });
    }

    /// Checks the code of the AUTH chunk `raw`, behind which stands `rest` (RFC 4895, 6.3).
    fn prove(&mut self, raw: &RawChunk, rest: &[u8]) -> Proof {
        let (Some(agreed), Ok(auth)) = (&mut self.agreed, AuthChunk::parse(raw)) else {
            return Proof::Worthless;
        };
        let algorithm = HmacAlgorithm::of(auth.hmac_id);
        let Some(algorithm) = algorithm.filter(|&algorithm| agreed.agreement.local.takes(algorithm)) else {
            return Proof::UnsupportedHmac(auth.hmac_id);
        };
        let key = auth.shared_key_id;
        let known = agreed.receiving.as_ref().filter(|known| (known.0, known.1) == (key, algorithm));
        let (code, is_new) = match known {
            Some((.., code)) => (Some(code.clone()), false),
            None => (code(&agreed.agreement, &self.keys, key, algorithm), true),
        };
        let Some(code) = code.filter(|code| code.verifies(raw, rest)) else { return Proof::Worthless };
        if is_new {
            agreed.receiving = Some((key, algorithm, code));
        }
        Proof::Authentic
    }
}

/// The code under the association shared key of a shared key; `None` if there is no such key (RFC 4895, 6.3).
fn code(
    agreement: &AuthAgreement,
    keys: &SharedKeys,
    shared_key_id: u16,
    algorithm: HmacAlgorithm,
) -> Option<Code> {
    Code::new(algorithm, &agreement.key(keys.secret(shared_key_id)?))
}

/// What authenticates with the active key or another one, and the algorithm that the peer likes best (RFC 4895, 6.1, 6.2).
fn authenticator(agreement: &AuthAgreement, keys: &SharedKeys) -> Option<Authenticator> {
    let algorithm = agreement.peer.algorithm()?;
    let under = |id| Some((id, code(agreement, keys, id, algorithm)?));
    let active = under(keys.active())?;
    let others = keys.ids().filter(|&id| id != active.0).filter_map(under).collect();
    Some(Authenticator::new(agreement.peer.chunks(), algorithm, active, others))
}

impl Association {
    /// What authenticates our chunks, where the peer does AUTH.
    pub(super) fn authenticator(&self) -> Option<&Arc<Authenticator>> {
        self.auth.as_ref()?.agreed.as_ref().map(|agreed| &agreed.sending)
    }

    /// Chunk types that we take only authenticated (`SCTP_LOCAL_AUTH_CHUNKS`); none where AUTH is not in use.
    pub fn local_auth_chunks(&self) -> ChunkTypes {
        self.agreement().map_or_else(ChunkTypes::default, |agreement| agreement.local.chunks())
    }

    /// Chunk types that the peer takes only authenticated (`SCTP_PEER_AUTH_CHUNKS`).
    pub fn peer_auth_chunks(&self) -> ChunkTypes {
        self.agreement().map_or_else(ChunkTypes::default, |agreement| agreement.peer.chunks())
    }

    /// The shared key that what we send is authenticated with; `None` where we do not offer AUTH.
    pub fn active_key(&self) -> Option<u16> {
        self.auth.as_ref().map(|auth| auth.keys.active())
    }

    fn agreement(&self) -> Option<&AuthAgreement> {
        self.auth.as_ref()?.agreed.as_ref().map(|agreed| &agreed.agreement)
    }

    /// Whether we take chunks of this type only authenticated.
    pub(super) fn requires_auth(&self, chunk_type: ChunkType) -> bool {
        let agreed = self.auth.as_ref().and_then(|auth| auth.agreed.as_ref());
        agreed.is_some_and(|agreed| agreed.required.contains(chunk_type))
    }

    /// Whether we take chunks of this type only authenticated, and those processed now are not.
    pub(super) fn is_forgeable(&self, chunk_type: ChunkType) -> bool {
        self.requires_auth(chunk_type) && !self.is_authenticated()
    }

    /// Whether the chunks processed now stand behind AUTH.
    pub(super) fn is_authenticated(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| auth.authenticated)
    }

    /// The peer has said what it does.
    pub(super) fn adopt_auth(&mut self, peer: Option<&AuthOffer>) {
        let Some(auth) = &mut self.auth else { return };
        auth.agreed = None;
        if let Some(peer) = peer.filter(|_| self.extensions.auth) {
            auth.agree(peer.clone());
        }
        self.reserve_for_auth();
    }

    fn reserve_for_auth(&mut self) {
        let reserving = self.authenticator().filter(|sending| sending.reserves());
        let reserved = reserving.map_or(0, |sending| sending.chunk_len());
        self.paths.reserve(reserved);
    }

    /// The peer has restarted: our half is that of the INIT ACK now (6.1).
    pub(super) fn renew_auth(&mut self, cookie: &StateCookie) {
        if let (Some(auth), Some(agreement)) = (&mut self.auth, &cookie.auth) {
            auth.offer = agreement.local.clone();
        }
    }

    /// The association is up: tells the user that the peer does no AUTH, if so.
    pub(super) fn tell_auth(&mut self) {
        if self.auth.is_some() && self.authenticator().is_none()
            || self.config.extensions.auth && self.auth.is_none()
        {
            self.events.push_back(Event::Authentication(AuthenticationEvent::NotSupported));
        }
    }

    /// A packet, or what stands behind its COOKIE ECHO, begins.
    pub(super) fn begin_authentication(&mut self, authenticated: bool) {
        if let Some(auth) = &mut self.auth {
            auth.authenticated = authenticated;
        }
    }

    /// What becomes of a chunk behind which stands `rest` (RFC 4895, 6.3; RFC 5061, 4.1.1 and 4.1.2).
    pub(super) fn admit(&mut self, chunk: &RawChunk, rest: &Bytes, source: PathId) -> Admission {
        let Some(auth) = &mut self.auth else { return Admission::Process };
        let required = auth.agreed.as_ref().is_some_and(|agreed| agreed.required.contains(chunk.chunk_type));
        match chunk.chunk_type {
            ChunkType::AUTH => self.handle_auth(chunk, rest, source),
            // RFC 5061, 5.2 D5.
            ChunkType::ASCONF if required && !auth.authenticated => Admission::DiscardRest,
            _ if required && !auth.authenticated => Admission::Discard,
            _ => Admission::Process,
        }
    }

    /// RFC 4895, 6.3.
    fn handle_auth(&mut self, chunk: &RawChunk, rest: &Bytes, source: PathId) -> Admission {
        // 5.1: there is at most one in a packet.
        let Some(auth) = self.auth.as_mut().filter(|auth| !auth.authenticated) else {
            return Admission::DiscardRest;
        };
        match auth.prove(chunk, rest) {
            Proof::Authentic => {
                auth.authenticated = true;
                self.note_key(chunk);
                Admission::Discard
            }
            Proof::Worthless => Admission::DiscardRest,
            Proof::UnsupportedHmac(hmac_id) => {
                let causes = Cause::UnsupportedHmacIdentifier { hmac_id }.into();
                self.reply(self.confirmed(source), &ErrorChunk { causes });
                Admission::DiscardRest
            }
        }
    }

    /// The peer used this key: tells the user if that is for the first time (RFC 6458, 6.1.8).
    fn note_key(&mut self, chunk: &RawChunk) {
        let agreed = self.auth.as_mut().and_then(|auth| auth.agreed.as_mut());
        let (Some(agreed), Ok(used)) = (agreed, AuthChunk::parse(chunk)) else { return };
        if agreed.received_keys.contains(&used.shared_key_id) {
            return;
        }
        // There are no more of them than keys of ours.
        agreed.received_keys.push(used.shared_key_id);
        if self.events.len() < MAX_WAITING_EVENTS {
            self.events.push_back(Event::Authentication(AuthenticationEvent::NewKey(used.shared_key_id)));
        }
    }

    /// Whether a COOKIE ECHO for this association may be processed (6.3). Before both sides have agreed on anything, as
    /// in a collision, the cookie must do.
    pub(crate) fn authenticates(&mut self, echo: &Echo, cookie: &StateCookie) -> bool {
        let agreed = self.auth.as_ref().is_some_and(|auth| auth.agreed.is_some());
        match (&mut self.auth, &echo.auth) {
            (Some(auth), Some((chunk, rest))) if agreed => auth.prove(chunk, rest) == Proof::Authentic,
            (Some(_), None) if agreed => !self.requires_auth(ChunkType::COOKIE_ECHO),
            _ => echo.is_authentic(cookie, &self.config.auth.keys),
        }
    }

    /// A message is to be sent with this key (RFC 6458, 5.3.8); what it is to hold until it is through.
    pub(super) fn hold_key(&mut self, key: Option<u16>) -> Result<Option<HeldKey>, SendError> {
        let Some(key) = key else { return Ok(None) };
        let auth = self.auth.as_mut().ok_or(SendError::NotAuthenticated)?;
        auth.keys.check(key)?;
        Ok(Some(auth.held.hold(key)))
    }

    /// Changes the shared keys (RFC 6458, 8.3.3 to 8.3.5).
    pub(crate) fn change_keys(
        &mut self,
        change: impl FnOnce(&mut SharedKeys) -> Result<(), KeyError>,
    ) -> Result<(), CommandError> {
        let auth = self.auth.as_mut().ok_or(CommandError::NotInUse)?;
        let mut keys = auth.keys.clone();
        change(&mut keys)?;
        if let Some(gone) = auth.keys.ids().find(|&id| keys.secret(id).is_none() && auth.held.is_held(id)) {
            return Err(KeyError::InUse(gone).into());
        }
        let was = core::mem::replace(&mut auth.keys, keys);
        auth.leaving.retain(|&id| auth.keys.deactivated().any(|leaving| leaving == id));
        auth.leaving.extend(auth.keys.deactivated().filter(|&id| was.check(id).is_ok()));
        if let Some(agreed) = &mut auth.agreed
            && let Some(sending) = authenticator(&agreed.agreement, &auth.keys)
        {
            agreed.sending = Arc::new(sending);
            agreed.receiving = None;
        }
        self.tell_free_keys();
        Ok(())
    }

    /// Tells the user of keys that are deactivated, and that no message is to be sent with any more (RFC 6458, 6.1.8). What
    /// names no key is authenticated with the active one when it leaves, and holds none.
    #[inline]
    pub(super) fn tell_free_keys(&mut self) {
        if self.auth.as_ref().is_some_and(|auth| !auth.leaving.is_empty()) && !self.is_closed() {
            self.free_keys();
        }
    }

    fn free_keys(&mut self) {
        let Some(auth) = self.auth.as_mut() else { return };
        let held = &auth.held;
        let freed = auth.leaving.extract_if(.., |id| !held.is_held(*id)).map(AuthenticationEvent::FreeKey);
        self.events.extend(freed.map(Event::Authentication));
    }
}

/// A packet that begins with COOKIE ECHO, or with AUTH and COOKIE ECHO.
#[derive(Debug)]
pub(crate) struct Echo {
    /// The AUTH chunk, and all bytes behind it.
    auth: Option<(RawChunk, Bytes)>,
    cookie: Bytes,
    behind: Chunks,
}

impl Echo {
    /// `None`: it is another packet.
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        let mut chunks = packet.chunks();
        let mut first = chunks.next()?.ok()?;
        let mut auth = None;
        if first.chunk_type == ChunkType::AUTH {
            auth = Some((first, chunks.rest().clone()));
            first = chunks.next()?.ok()?;
        }
        let is_echo = first.chunk_type == ChunkType::COOKIE_ECHO;
        is_echo.then_some(Self { auth, cookie: first.value, behind: chunks })
    }

    /// The cookie, sealed.
    pub(crate) fn cookie(&self) -> &[u8] {
        &self.cookie
    }

    /// The chunks behind.
    pub(super) fn behind(&self) -> Chunks {
        self.behind.clone()
    }

    /// Whether AUTH stands in front.
    pub(super) fn has_auth(&self) -> bool {
        self.auth.is_some()
    }

    /// Whether the packet may be processed as far as its opened cookie and our shared keys tell (6.3).
    pub(crate) fn is_authentic(&self, cookie: &StateCookie, keys: &SharedKeys) -> bool {
        match (&self.auth, &cookie.auth) {
            (None, None) => true,
            (None, Some(agreement)) => !agreement.local.chunks().contains(ChunkType::COOKIE_ECHO),
            // An AUTH chunk that was not agreed on is not recognized, and ends the packet.
            (Some(_), None) => false,
            (Some((chunk, rest)), Some(agreement)) => {
                let auth = AuthChunk::parse(chunk).ok();
                let code = auth.and_then(|auth| {
                    let algorithm =
                        HmacAlgorithm::of(auth.hmac_id).filter(|&it| agreement.local.takes(it))?;
                    code(agreement, keys, auth.shared_key_id, algorithm)
                });
                code.is_some_and(|code| code.verifies(chunk, rest))
            }
        }
    }
}
