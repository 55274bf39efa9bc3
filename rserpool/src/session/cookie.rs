//! Signed cookies (RFC 5352, 3.8): an element believes a cookie only if an element of its pool has made it.
//!
//! The application's state travels in an envelope. Big-endian, always a multiple of four bytes, as RSPLIB's parser needs:
//!
//! | bytes | |
//! |---|---|
//! | 4 | magic number and version |
//! | 8 | the session: random, the same from element to element |
//! | 4 | how many elements have taken the session over |
//! | 4 | number of the cookie of this element |
//! | 8 | when it was made, milliseconds since 1970 |
//! | 4 | length of the state |
//! | … | the state, padded with zeros |
//! | 32 | HMAC-SHA-256 over a label, the pool handle and all of the above |
//!
//! What this does not prevent: a user may echo an older cookie of its own session to an element that has not seen a newer
//! one, and may echo one to two elements. An element cannot know what another has done since. A service where that matters
//! sets [`max_age`](CookieProtection::max_age) to little more than the time between its cookies.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use rustc_hash::FxHashMap;
use sha2::Sha256;

use crate::PoolHandle;

const MAGIC: u32 = 0x5253_4301;
const HEADER_LEN: usize = 32;
const MAC_LEN: usize = 32;
/// What else may be signed with the same key is no cookie.
const LABEL: &[u8] = b"RSerPool cookie";
/// Sessions of which an element remembers the last cookie that was echoed to it; of more, the oldest are forgotten.
const MAX_TAKEN: usize = 100_000;

/// A secret that all elements of a pool have, and nobody else. Not shown by `Debug`.
#[derive(Clone)]
pub struct CookieKey(Arc<[u8]>);

/// A key that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of {length} bytes can be guessed: take {} or more, random ones", CookieKey::MIN_LEN)]
pub struct KeyTooShort {
    /// Its length, in bytes.
    pub length: usize,
}

impl CookieKey {
    /// The shortest key, in bytes.
    pub const MIN_LEN: usize = 16;

    /// A key of these bytes.
    ///
    /// # Errors
    /// [`KeyTooShort`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyTooShort> {
        match secret.len() {
            length if length < Self::MIN_LEN => Err(KeyTooShort { length }),
            _ => Ok(Self(secret.into())),
        }
    }

    /// The code over a cookie's envelope, ready to be compared or written. HMAC takes keys of any length.
    fn code(&self, pool_handle: &PoolHandle, envelope: &[u8]) -> Option<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        let handle = pool_handle.as_bytes();
        code.update(LABEL);
        code.update(&(handle.len() as u64).to_be_bytes());
        code.update(handle);
        code.update(envelope);
        Some(code)
    }
}

impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

/// How the elements of a pool sign their cookies. All need the same.
#[derive(Clone, Debug)]
pub struct CookieProtection {
    pool_handle: PoolHandle,
    key: CookieKey,
    accepted: Vec<CookieKey>,
    /// Cookies that are older are refused: users that have been away for longer begin anew. Give or take what the elements'
    /// clocks differ. None: they never grow old.
    pub max_age: Option<Duration>,
}

impl CookieProtection {
    /// Signed with this key; a cookie is good for a day.
    pub fn new(pool_handle: PoolHandle, key: CookieKey) -> Self {
        let max_age = Some(Duration::from_secs(24 * 3600));
        Self { pool_handle, key, accepted: Vec::new(), max_age }
    }

    /// Takes cookies that were signed with another key as well. To change keys: have all elements accept the new one, then sign
    /// with it, then forget the old one.
    pub fn accept(&mut self, key: CookieKey) {
        self.accepted.push(key);
    }
}

/// Why a cookie is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// Not of this form: an element without a key has made it, or nobody.
    #[error("the cookie is not signed: give all elements of the pool the same key, or none")]
    NotSigned,
    /// No key of this pool fits.
    #[error("the cookie's signature is wrong: it was changed, or made with another key or for another pool")]
    WrongSignature,
    /// It was made too long ago.
    #[error("the cookie is {age:?} old")]
    TooOld {
        /// How long ago.
        age: Duration,
    },
    /// The user has already echoed a newer one of the same session.
    #[error("the user has echoed a newer cookie of this session before")]
    Superseded,
}

/// Where in its life a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) session: u64,
    pub(super) generation: u32,
    pub(super) number: u32,
}

impl Progress {
    /// The beginning of a session that nobody has served before.
    pub(super) fn new(session: u64) -> Self {
        Self { session, generation: 0, number: 0 }
    }

    /// A new element goes on.
    pub(super) fn taken_over(self) -> Self {
        Self { generation: self.generation.saturating_add(1), number: 0, ..self }
    }
}

/// The cookies that were echoed to an element: the last of each session.
#[derive(Default)]
pub(super) struct Taken {
    newest: FxHashMap<u64, (u32, u32)>,
    order: VecDeque<u64>,
}

impl Taken {
    /// Notes an echoed cookie, unless it is older than one that was.
    pub(super) fn note(&mut self, progress: Progress) -> Result<(), CookieError> {
        let this = (progress.generation, progress.number);
        if let Some(newest) = self.newest.get_mut(&progress.session) {
            if this < *newest {
                return Err(CookieError::Superseded);
            }
            *newest = this;
            return Ok(());
        }
        if self.order.len() >= MAX_TAKEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.newest.remove(&oldest);
        }
        self.order.push_back(progress.session);
        self.newest.insert(progress.session, this);
        Ok(())
    }
}

impl CookieProtection {
    /// A cookie with this state. `time` is the time of day, since 1970.
    pub(super) fn sign(&self, progress: Progress, time: Duration, state: &[u8]) -> Bytes {
        let padding = state.len().next_multiple_of(4) - state.len();
        let mut cookie = BytesMut::with_capacity(HEADER_LEN + state.len() + padding + MAC_LEN);
        cookie.put_u32(MAGIC);
        cookie.put_u64(progress.session);
        cookie.put_u32(progress.generation);
        cookie.put_u32(progress.number);
        cookie.put_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        cookie.put_u32(u32::try_from(state.len()).unwrap_or(u32::MAX));
        cookie.put_slice(state);
        cookie.put_bytes(0, padding);
        if let Some(code) = self.key.code(&self.pool_handle, &cookie) {
            cookie.put_slice(&code.finalize().into_bytes());
        }
        cookie.freeze()
    }

    /// The state in a cookie that an element of this pool has made, and not too long ago.
    pub(super) fn open(&self, cookie: &Bytes, time: Duration) -> Result<(Progress, Bytes), CookieError> {
        let envelope_len = cookie.len().checked_sub(MAC_LEN).filter(|len| *len >= HEADER_LEN);
        let envelope = cookie.slice(..envelope_len.ok_or(CookieError::NotSigned)?);
        let mut fields = envelope.clone();
        if fields.get_u32() != MAGIC {
            return Err(CookieError::NotSigned);
        }
        let signature = &cookie[envelope.len()..];
        let fits = |key: &CookieKey| {
            key.code(&self.pool_handle, &envelope).is_some_and(|code| code.verify_slice(signature).is_ok())
        };
        if !std::iter::once(&self.key).chain(&self.accepted).any(fits) {
            return Err(CookieError::WrongSignature);
        }
        let (session, generation, number) = (fields.get_u64(), fields.get_u32(), fields.get_u32());
        let age = time.saturating_sub(Duration::from_millis(fields.get_u64()));
        if self.max_age.is_some_and(|max| age > max) {
            return Err(CookieError::TooOld { age });
        }
        let len = usize::try_from(fields.get_u32()).unwrap_or(usize::MAX);
        let state = (len <= fields.len()).then(|| fields.slice(..len)).ok_or(CookieError::NotSigned)?;
        Ok((Progress { session, generation, number }, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const PROGRESS: Progress = Progress { session: 4711, generation: 1, number: 2 };

    fn key(seed: u8) -> CookieKey {
        CookieKey::new(&[seed; 32]).unwrap()
    }

    fn protection(pool: &str, seed: u8) -> CookieProtection {
        CookieProtection::new(pool.into(), key(seed))
    }

    #[test]
    fn a_cookie_gives_its_state_back_and_fits_rsplib_whatever_its_length() {
        let protection = protection("Pool", 1);
        for length in 0..40 {
            let state: Vec<u8> = (0..length).collect();
            let cookie = protection.sign(PROGRESS, NOW, &state);
            assert_eq!(cookie.len() % 4, 0);
            assert_eq!(protection.open(&cookie, NOW), Ok((PROGRESS, state.into())));
        }
    }

    #[test]
    fn no_byte_of_a_cookie_can_be_changed() {
        let protection = protection("Pool", 1);
        let cookie = protection.sign(PROGRESS, NOW, b"state");
        for index in 0..cookie.len() {
            let mut changed = cookie.to_vec();
            changed[index] ^= 1;
            let expected = if index < 4 { CookieError::NotSigned } else { CookieError::WrongSignature };
            assert_eq!(protection.open(&changed.into(), NOW), Err(expected), "byte {index}");
        }
        for length in 0..cookie.len() {
            assert!(protection.open(&cookie.slice(..length), NOW).is_err(), "{length} bytes of it");
        }
    }

    #[test]
    fn a_cookie_of_another_pool_or_key_is_refused_unless_the_key_is_accepted() {
        let cookie = protection("Pool", 1).sign(PROGRESS, NOW, b"state");
        assert_eq!(protection("Other", 1).open(&cookie, NOW), Err(CookieError::WrongSignature));
        let mut other = protection("Pool", 2);
        assert_eq!(other.open(&cookie, NOW), Err(CookieError::WrongSignature));
        other.accept(key(1));
        assert!(other.open(&cookie, NOW).is_ok());
    }

    #[test]
    fn cookies_grow_old_and_clocks_may_differ() {
        let mut protection = protection("Pool", 1);
        protection.max_age = Some(Duration::from_secs(60));
        let cookie = protection.sign(PROGRESS, NOW, b"state");
        assert!(protection.open(&cookie, NOW + Duration::from_secs(60)).is_ok());
        assert!(protection.open(&cookie, NOW - Duration::from_secs(3600)).is_ok());
        let age = Duration::from_secs(61);
        assert_eq!(protection.open(&cookie, NOW + age), Err(CookieError::TooOld { age }));
    }

    #[test]
    fn a_cookie_older_than_one_that_was_echoed_is_refused() {
        let mut taken = Taken::default();
        let progress = |generation, number| Progress { session: 1, generation, number };
        assert_eq!(taken.note(progress(0, 5)), Ok(()));
        assert_eq!(taken.note(progress(0, 5)), Ok(()), "the element may have died before it made one");
        assert_eq!(taken.note(progress(0, 4)), Err(CookieError::Superseded));
        assert_eq!(taken.note(progress(1, 1)), Ok(()));
        assert_eq!(taken.note(progress(0, 9)), Err(CookieError::Superseded));
        assert_eq!(taken.note(Progress { session: 2, ..progress(0, 1) }), Ok(()));
    }

    #[test]
    fn short_keys_are_refused_and_no_key_is_shown() {
        assert_eq!(CookieKey::new(&[1; 15]).unwrap_err(), KeyTooShort { length: 15 });
        assert!(!format!("{:?}", protection("Pool", 1)).contains('1'));
    }
}
