//! What a side says of AUTH in INIT or INIT ACK, and the keys that follow from what both said (RFC 4895, 3 and 6.1).

use super::{ChunkTypes, HmacAlgorithm};
use crate::config::AssociationConfig;
use crate::rng::Random;
use crate::wire::cause::Cause;
use crate::wire::chunk::ChunkType;
use crate::wire::param::{Parameter, ParameterType, Parameters, RawParameter};
use bytes::Bytes;
use core::cmp::Ordering;
use smallvec::SmallVec;

/// Bytes of the Random Number (3.1).
const RANDOM_LEN: usize = 32;
/// A list of all chunk types has so many (3.2).
const MAX_CHUNKS: usize = 256;
/// Algorithms that a peer may list: many times of what there are. The state cookie has to hold them.
const MAX_HMACS: usize = 32;

/// What one side says of AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthOffer {
    random: [u8; RANDOM_LEN],
    /// CHUNKS, as it was sent; `None`: it was not.
    chunks: Option<SmallVec<[ChunkType; 8]>>,
    hmacs: SmallVec<[u16; 4]>,
}

impl AuthOffer {
    /// What `config` offers, if it offers AUTH (RFC 4895, 3.1, 3.2, 3.3 and 6.1).
    pub(crate) fn of(config: &AssociationConfig, random: &mut Random) -> Option<Self> {
        let extensions = config.extensions;
        let mut hmacs: SmallVec<[u16; 4]> = config.auth.hmacs.iter().map(|hmac| hmac.identifier()).collect();
        // 6.1: it MUST be included.
        let mandatory = HmacAlgorithm::Sha1.identifier();
        if !hmacs.contains(&mandatory) {
            hmacs.push(mandatory);
        }
        let listed = config.auth.listed(extensions.asconf);
        let chunks = (!listed.is_empty()).then(|| listed.iter().collect());
        extensions.auth.then(|| Self { random: random.bytes(), chunks, hmacs })
    }

    /// Its parameters, in the order of the key vector.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = Parameter> {
        let random = Parameter::Random(Bytes::copy_from_slice(&self.random));
        let chunks = self.chunks.clone().map(Parameter::ChunkList);
        let hmacs = Parameter::HmacAlgorithms(self.hmacs.clone());
        [Some(random), chunks, Some(hmacs)].into_iter().flatten()
    }

    /// Types that this side takes only authenticated; of others' lists too, what must not be in it is ignored (3.2).
    pub(crate) fn chunks(&self) -> ChunkTypes {
        self.chunks.iter().flatten().copied().collect::<ChunkTypes>().without_exempt()
    }

    /// Whether this side takes codes of `algorithm`.
    pub(crate) fn takes(&self, algorithm: HmacAlgorithm) -> bool {
        self.hmacs.contains(&algorithm.identifier())
    }

    /// The algorithm to send to this side with: its first that we know (RFC 4895, 3.3 and 6.1).
    pub(crate) fn algorithm(&self) -> Option<HmacAlgorithm> {
        self.hmacs.iter().find_map(|&identifier| HmacAlgorithm::of(identifier))
    }

    /// The parameters one behind the other, without padding (RFC 4895, 6.1).
    fn key_vector(&self) -> Vec<u8> {
        self.parameters().flat_map(|parameter| Parameters::from_iter([parameter]).0).collect()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.random);
        let chunks = self.chunks.as_ref().map_or(u16::MAX, |chunks| chunks.len() as u16);
        out.extend_from_slice(&chunks.to_be_bytes());
        out.extend(self.chunks.iter().flatten().map(|chunk_type| chunk_type.0));
        out.push(self.hmacs.len() as u8);
        self.hmacs.iter().for_each(|hmac| out.extend_from_slice(&hmac.to_be_bytes()));
    }

    /// What [`write`](Self::write) made, taken off the front of `bytes`.
    /// RFC 4895, 6.1.
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let random = take(bytes)?;
        let chunks = match u16::from_be_bytes(take(bytes)?) {
            u16::MAX => None,
            count => Some(bytes.split_off(..usize::from(count))?.iter().copied().map(ChunkType).collect()),
        };
        let [count] = take(bytes)?;
        let hmacs: Option<_> = (0..count).map(|_| take(bytes).map(u16::from_be_bytes)).collect();
        Some(Self { random, chunks, hmacs: hmacs? })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// What both sides said. In a state cookie it stands without the shared keys (6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthAgreement {
    pub(crate) local: AuthOffer,
    pub(crate) peer: AuthOffer,
}

impl AuthAgreement {
    /// The association shared key that belongs to an endpoint pair shared key: this one, the numerically smaller key
    /// vector, the larger one (6.1).
    pub(crate) fn key(&self, secret: &[u8]) -> Vec<u8> {
        let (local, peer) = (self.local.key_vector(), self.peer.key_vector());
        let (small, large) = match numeric_order(&local, &peer) {
            Ordering::Greater => (peer, local),
            _ => (local, peer),
        };
        [secret, &small, &large].concat()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.local.write(out);
        self.peer.write(out);
    }

    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { local: AuthOffer::read(bytes)?, peer: AuthOffer::read(bytes)? })
    }
}

/// The order as numbers; of equal numbers the shorter vector comes first.
pub(super) fn numeric_order(one: &[u8], other: &[u8]) -> Ordering {
    fn digits(vector: &[u8]) -> &[u8] {
        let zeros = vector.iter().take_while(|&&byte| byte == 0).count();
        vector.get(zeros..).unwrap_or_default()
    }
    let (a, b) = (digits(one), digits(other));
    a.len().cmp(&b.len()).then(a.cmp(b)).then(one.len().cmp(&other.len()))
}

/// The parameters of AUTH as they stand in an INIT or INIT ACK.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthParameters {
    random: Option<RawParameter>,
    chunks: Option<RawParameter>,
    hmacs: Option<RawParameter>,
}

impl AuthParameters {
    /// Takes a parameter; false if it is none of AUTH. Of two of a kind the first one counts.
    pub(crate) fn take(&mut self, parameter: &RawParameter) -> bool {
        let place = match parameter.param_type {
            ParameterType::RANDOM => &mut self.random,
            ParameterType::CHUNK_LIST => &mut self.chunks,
            ParameterType::REQUESTED_HMAC_ALGORITHM => &mut self.hmacs,
            _ => return false,
        };
        place.get_or_insert_with(|| parameter.clone());
        true
    }

    /// Whether the sender does AUTH at all: both of these MUST be there (3.1, 3.3).
    pub(crate) fn offer_auth(&self) -> bool {
        self.random.is_some() && self.hmacs.is_some()
    }

    /// What they say; the error is the cause of an ABORT.
    pub(crate) fn read(&self) -> Result<Option<AuthOffer>, Cause> {
        let (Some(random), Some(hmacs)) = (&self.random, &self.hmacs) else { return Ok(None) };
        let violation = |text: &'static str| Cause::ProtocolViolation(Bytes::from_static(text.as_bytes()));
        // 6.1.
        let random = <[u8; RANDOM_LEN]>::try_from(&random.value[..])
            .map_err(|_| violation("RANDOM must have 32 bytes"))?;
        let hmacs = match Parameter::parse(hmacs) {
            Ok(Parameter::HmacAlgorithms(hmacs)) if hmacs.len() <= MAX_HMACS => hmacs,
            _ => return Err(violation("HMAC-ALGO is too long or malformed")),
        };
        if !hmacs.contains(&HmacAlgorithm::Sha1.identifier()) {
            return Err(violation("HMAC-ALGO must list SHA-1"));
        }
        let chunks = match &self.chunks {
            // 3.2: at most 260 bytes with the header.
            Some(list) if list.value.len() > MAX_CHUNKS => return Err(violation("CHUNKS is too long")),
            Some(list) => Some(list.value.iter().copied().map(ChunkType).collect()),
            None => None,
        };
        Ok(Some(AuthOffer { random, chunks, hmacs }))
    }
}
