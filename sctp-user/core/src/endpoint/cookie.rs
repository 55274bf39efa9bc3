//! The state cookie: all that a listener knows of an association before it exists (RFC 9260, 5.1.3).
//!
//! It travels to the peer in INIT ACK and comes back in COOKIE ECHO, authenticated by HMAC-SHA-256
//! under a key that nobody else has and that is replaced now and then. It holds nothing that the
//! peer may not read: its own half, our half of the INIT ACK, and Tie-Tags, which are random numbers
//! that stand for the tags of an existing association.

use crate::association::{PeerCapabilities, PeerWishes};
use crate::auth::AuthAgreement;
use crate::extensions::Extensions;
use crate::net::PathAddress;
use crate::path::PathSet;
use crate::rng::Random;
use crate::serial::Tsn;
use crate::time::Time;
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the authentication code in front of the contents.
const MAC_LEN: usize = 32;

/// Tie-Tags, or tags (RFC 9260, 5.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// Ours.
    pub(crate) local: u32,
    /// The peer's; 0 where it is not known.
    pub(crate) peer: u32,
}

/// The contents of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateCookie {
    pub(crate) created_at: Time,
    pub(crate) life_span: Duration,
    pub(crate) local_port: u16,
    pub(crate) peer_port: u16,
    /// The tags of the association to be.
    pub(crate) tags: Tags,
    /// Those of the association that there was when the INIT came; both 0 if there was none.
    pub(crate) tie_tags: Tags,
    pub(crate) local_initial_tsn: Tsn,
    pub(crate) peer_initial_tsn: Tsn,
    pub(crate) peer_a_rwnd: u32,
    /// Streams to the peer, agreed on (5.1.1).
    pub(crate) outbound_streams: u16,
    /// Streams from the peer, agreed on.
    pub(crate) inbound_streams: u16,
    pub(crate) capabilities: PeerCapabilities,
    /// What our INIT ACK offered: the listener may have been told otherwise since.
    pub(crate) offered: Extensions,
    /// What both sides said of AUTH, if both did.
    pub(crate) auth: Option<Box<AuthAgreement>>,
    pub(crate) wishes: PeerWishes,
    /// Where the INIT came from, and where the INIT ACK went.
    pub(crate) source: PathAddress,
    /// Our addresses that the INIT ACK told of: the host may have others by the time that the cookie comes back.
    pub(crate) local_addresses: Vec<IpAddr>,
    /// Further addresses that the INIT listed.
    pub(crate) addresses: Vec<IpAddr>,
}

impl StateCookie {
    /// How long ago the cookie went stale; `None` while it is fresh.
    pub(crate) fn staleness(&self, now: Time) -> Option<Duration> {
        let expired_at = self.created_at + self.life_span;
        (now > expired_at).then(|| now - expired_at)
    }

    /// All addresses of the peer, the one that the INIT came from first.
    pub(crate) fn peer_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let source = self.source.remote;
        core::iter::once(source).chain(self.addresses.iter().copied().filter(move |&other| other != source))
    }

    /// RFC 9260, 3.3.11, 5.1.3.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.created_at.as_nanos().to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.life_span.as_millis()).unwrap_or(u32::MAX).to_be_bytes());
        let words = [
            self.tags.local,
            self.tags.peer,
            self.tie_tags.local,
            self.tie_tags.peer,
            self.local_initial_tsn.0,
            self.peer_initial_tsn.0,
            self.peer_a_rwnd,
        ];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        let halves = [
            self.local_port,
            self.peer_port,
            self.outbound_streams,
            self.inbound_streams,
            self.source.remote_udp_port,
        ];
        halves.iter().for_each(|half| out.extend_from_slice(&half.to_be_bytes()));
        out.extend_from_slice(&self.capabilities.to_bytes());
        out.push(self.offered.to_bits());
        out.push(u8::from(self.wishes.adaptation.is_some()));
        self.wishes.adaptation.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        write_address(out, self.wishes.primary);
        out.push(u8::from(self.auth.is_some()));
        self.auth.iter().for_each(|auth| auth.write(out));
        write_address(out, self.source.local);
        write_address(out, Some(self.source.remote));
        out.push(u8::try_from(self.local_addresses.len()).unwrap_or(u8::MAX));
        let local_addresses = self.local_addresses.iter().take(u8::MAX.into());
        local_addresses.for_each(|&address| write_address(out, Some(address)));
        self.addresses.iter().for_each(|&address| write_address(out, Some(address)));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let created_at = Time::from_nanos(u64::from_be_bytes(fields.array()?));
        let life_span = Duration::from_millis(u64::from(fields.u32()?));
        let tags = Tags { local: fields.u32()?, peer: fields.u32()? };
        let tie_tags = Tags { local: fields.u32()?, peer: fields.u32()? };
        let (local_initial_tsn, peer_initial_tsn) = (Tsn(fields.u32()?), Tsn(fields.u32()?));
        let peer_a_rwnd = fields.u32()?;
        let (local_port, peer_port) = (fields.u16()?, fields.u16()?);
        let (outbound_streams, inbound_streams) = (fields.u16()?, fields.u16()?);
        let remote_udp_port = fields.u16()?;
        let capabilities = fields.array()?;
        let [offered] = fields.array()?;
        let adaptation = match fields.array()? {
            [0] => None,
            _ => Some(fields.u32()?),
        };
        let wishes = PeerWishes { adaptation, primary: fields.address()? };
        let auth = match fields.array()? {
            [0] => None,
            _ => Some(Box::new(AuthAgreement::read(&mut fields.0)?)),
        };
        let local = fields.address()?;
        let source = PathAddress { local, remote: fields.address()??, remote_udp_port };
        let [count] = fields.array()?;
        let local_addresses = (0..count).map(|_| fields.address().flatten()).collect::<Option<_>>()?;
        let mut addresses = Vec::new();
        while !fields.0.is_empty() && addresses.len() < PathSet::MAX_PATHS {
            addresses.push(fields.address()??);
        }
        Some(Self {
            created_at,
            life_span,
            local_port,
            peer_port,
            tags,
            tie_tags,
            local_initial_tsn,
            peer_initial_tsn,
            peer_a_rwnd,
            outbound_streams,
            inbound_streams,
            capabilities: PeerCapabilities::from_bytes(capabilities),
            offered: Extensions::from_bits(offered),
            auth,
            wishes,
            source,
            local_addresses,
            addresses,
        })
    }
}

fn write_address(out: &mut Vec<u8>, address: Option<IpAddr>) {
    match address {
        None => out.push(0),
        Some(IpAddr::V4(address)) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            out.push(6);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// What is left to read of a cookie.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn address(&mut self) -> Option<Option<IpAddr>> {
        match self.array()? {
            [0] => Some(None),
            [4] => self.array::<4>().map(|octets| Some(octets.into())),
            [6] => self.array::<16>().map(|octets| Some(octets.into())),
            _ => None,
        }
    }
}

/// A key as long as a block of SHA-256.
type Key = [u8; 64];

/// The keys that authenticate cookies. The one before the present one stays good for the cookies
/// that were made under it.
#[derive(Debug)]
pub(super) struct CookieKeys {
    current: Key,
    /// When `current` was made.
    since: Time,
    previous: Option<Key>,
    life: Duration,
}

impl CookieKeys {
    /// The first key; `life` is how long a key is used.
    pub(super) fn new(random: &mut Random, life: Duration) -> Self {
        Self { current: random.bytes(), since: Time::ZERO, previous: None, life }
    }

    /// The bytes of `cookie`, authenticated.
    /// RFC 9260, 3.3.3.1.1.
    pub(super) fn seal(&mut self, now: Time, cookie: &StateCookie, random: &mut Random) -> Bytes {
        self.rotate(now, random);
        let mut contents = Vec::with_capacity(128);
        cookie.write(&mut contents);
        let mut sealed = Vec::with_capacity(MAC_LEN + contents.len());
        sealed.extend_from_slice(&mac(&self.current, &contents).finalize().into_bytes());
        sealed.extend_from_slice(&contents);
        sealed.into()
    }

    /// The contents of a cookie that we made; `None` for any other bytes (5.1.5, steps 1 and 2).
    /// RFC 9260, 5.1.3.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<StateCookie> {
        let (code, contents) = sealed.split_first_chunk::<MAC_LEN>()?;
        let is_ours = |key: &Key| mac(key, contents).verify_slice(code).is_ok();
        let authentic = is_ours(&self.current) || self.previous.as_ref().is_some_and(is_ours);
        authentic.then(|| StateCookie::read(contents)).flatten()
    }

    /// RFC 9260, 5.1.3.
    fn rotate(&mut self, now: Time, random: &mut Random) {
        if now.since(self.since) >= self.life {
            self.previous = Some(core::mem::replace(&mut self.current, random.bytes()));
            self.since = now;
        }
    }
}

/// RFC 9260, 14.1.
fn mac(key: &Key, contents: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new(key.into());
    mac.update(contents);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cookie() -> StateCookie {
        StateCookie {
            created_at: Time::from_millis(5),
            life_span: Duration::from_secs(60),
            local_port: 9,
            peer_port: 10,
            tags: Tags { local: u32::MAX, peer: 1 },
            tie_tags: Tags { local: 2, peer: 3 },
            local_initial_tsn: Tsn(u32::MAX),
            peer_initial_tsn: Tsn(0),
            peer_a_rwnd: 1_500,
            outbound_streams: 10,
            inbound_streams: 11,
            capabilities: PeerCapabilities {
                ipv4: true,
                ipv6: false,
                more_addresses: true,
                extensions: Extensions::from_bits(0b101),
                interleaved_forwarding: true,
            },
            offered: Extensions::from_bits(0b110),
            auth: None,
            wishes: PeerWishes { adaptation: Some(7), primary: Some("192.0.2.9".parse().unwrap()) },
            source: PathAddress {
                local: Some("192.0.2.1".parse().unwrap()),
                remote: "2001:db8::1".parse().unwrap(),
                remote_udp_port: 9_899,
            },
            local_addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::2".parse().unwrap()],
            addresses: vec!["192.0.2.9".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        }
    }

    fn keys() -> (CookieKeys, Random) {
        let mut random = Random::new([1; 32]);
        (CookieKeys::new(&mut random, Duration::from_secs(10)), random)
    }

    /// RFC 9260, 3.3.3.1.1: it holds all that makes the association.
    /// RFC 9260, 3.3.11.
    #[test]
    fn a_cookie_comes_back_as_it_was_made() {
        let (mut keys, mut random) = keys();
        let sealed = keys.seal(Time::ZERO, &cookie(), &mut random);
        assert_eq!(keys.open(&sealed), Some(cookie()));
        assert_eq!(cookie().peer_addresses().count(), 2, "the source is listed once");
        assert!(sealed.len() < 200, "5.1.3: as small as possible");
    }

    /// RFC 9260, 5.1.5, 5.1.3, 14.1.
    #[test]
    fn the_key_before_stays_good_the_one_before_that_does_not() {
        let (mut keys, mut random) = keys();
        let sealed = keys.seal(Time::ZERO, &cookie(), &mut random);
        keys.seal(Time::from_millis(10_000), &cookie(), &mut random);
        assert!(keys.open(&sealed).is_some());
        keys.seal(Time::from_millis(20_000), &cookie(), &mut random);
        assert!(keys.open(&sealed).is_none());
    }

    #[test]
    fn staleness_counts_from_the_end_of_the_life_span() {
        assert_eq!(cookie().staleness(Time::from_millis(60_005)), None);
        assert_eq!(cookie().staleness(Time::from_millis(60_007)), Some(Duration::from_millis(2)));
    }

    proptest! {
        /// RFC 9260, 5.1.3 and 5.1.5: the MAC.
        /// RFC 9260, 3.3.3.1.1, 14.1.
        #[test]
        fn one_changed_byte_is_noticed(at in any::<prop::sample::Index>(), change in 1u8..) {
            let (mut keys, mut random) = keys();
            let mut sealed = keys.seal(Time::ZERO, &cookie(), &mut random).to_vec();
            let at = at.index(sealed.len());
            sealed[at] ^= change;
            prop_assert_eq!(keys.open(&sealed), None);
        }

        #[test]
        fn contents_of_any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = StateCookie::read(&bytes);
        }
    }
}
