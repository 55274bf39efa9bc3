//! What keepers and broker say to each other: records of one fixed form.
//!
//! ```text
//! version(1) kind(1) family(1) renewal(1) address(16) first port(2) last port(2) pid(4)
//! ```
//!
//! Version and kind stay where they are in all versions; what follows may grow.

use std::net::IpAddr;

use super::Lease;

/// The version that this program speaks.
pub(crate) const VERSION: u8 = 2;
/// Bytes of a record.
pub(crate) const LEN: usize = 28;

const LEASE: u8 = 1;
const LEASE_BLOCK: u8 = 2;
const RELEASE: u8 = 3;
const GRANTED: u8 = 16;
const TAKEN: u8 = 17;
const EXHAUSTED: u8 = 18;
const WAIT: u8 = 19;
const OTHER_VERSION: u8 = 20;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Keeper: these ports. A renewal had them from a broker that died.
    Lease { lease: Lease, renewal: bool },
    /// Keeper: some block of ephemeral ports.
    LeaseBlock,
    /// Keeper: take these ports back. No answer.
    Release(Lease),
    /// Broker: yours.
    Granted(Lease),
    /// Broker: the process has one of them.
    Taken { lease: Lease, pid: i32 },
    /// Broker: no block is left, or you hold too much.
    Exhausted,
    /// Broker: I am new, others may renew their leases first; ask again.
    Wait,
    /// Broker: I speak another version than you.
    OtherVersion { version: u8 },
}

impl Message {
    /// Whether an answer about `lease` is the one to this request.
    pub(crate) fn asks_for(&self, lease: &Lease) -> bool {
        match self {
            Self::Lease { lease: wanted, .. } => wanted == lease,
            Self::LeaseBlock => lease.ports.len() > 1,
            _ => false,
        }
    }

    pub(crate) fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0] = VERSION;
        let (kind, lease) = match self {
            Self::Lease { lease, .. } => (LEASE, Some(lease)),
            Self::LeaseBlock => (LEASE_BLOCK, None),
            Self::Release(lease) => (RELEASE, Some(lease)),
            Self::Granted(lease) => (GRANTED, Some(lease)),
            Self::Taken { lease, .. } => (TAKEN, Some(lease)),
            Self::Exhausted => (EXHAUSTED, None),
            Self::Wait => (WAIT, None),
            Self::OtherVersion { .. } => (OTHER_VERSION, None),
        };
        bytes[1] = kind;
        if let Self::Lease { renewal, .. } = self {
            bytes[3] = u8::from(*renewal);
        }
        if let Self::Taken { pid, .. } = self {
            bytes[24..].copy_from_slice(&pid.to_be_bytes());
        }
        if let Some(lease) = lease {
            encode_lease(lease, &mut bytes);
        }
        bytes
    }

    /// `None`: not a record. A record of another version is [`Message::OtherVersion`].
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let &[version, kind, ..] = bytes else { return None };
        if version != VERSION {
            return Some(Self::OtherVersion { version });
        }
        let record = bytes.first_chunk::<LEN>()?;
        Some(match kind {
            LEASE => Self::Lease { lease: decode_lease(record)?, renewal: record[3] != 0 },
            LEASE_BLOCK => Self::LeaseBlock,
            RELEASE => Self::Release(decode_lease(record)?),
            GRANTED => Self::Granted(decode_lease(record)?),
            TAKEN => {
                let pid = i32::from_be_bytes([record[24], record[25], record[26], record[27]]);
                Self::Taken { lease: decode_lease(record)?, pid }
            }
            EXHAUSTED => Self::Exhausted,
            WAIT => Self::Wait,
            OTHER_VERSION => Self::OtherVersion { version },
            _ => return None,
        })
    }
}

fn encode_lease(lease: &Lease, bytes: &mut [u8; LEN]) {
    match lease.address {
        None => {}
        Some(IpAddr::V4(address)) => {
            bytes[2] = 4;
            bytes[4..8].copy_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            bytes[2] = 6;
            bytes[4..20].copy_from_slice(&address.octets());
        }
    }
    bytes[20..22].copy_from_slice(&lease.ports.start().to_be_bytes());
    bytes[22..24].copy_from_slice(&lease.ports.end().to_be_bytes());
}

fn decode_lease(bytes: &[u8; LEN]) -> Option<Lease> {
    let address = match bytes[2] {
        0 => None,
        4 => Some(IpAddr::from([bytes[4], bytes[5], bytes[6], bytes[7]])),
        6 => Some(IpAddr::from(*bytes[4..].first_chunk::<16>()?)),
        _ => return None,
    };
    let first = u16::from_be_bytes([bytes[20], bytes[21]]);
    let last = u16::from_be_bytes([bytes[22], bytes[23]]);
    (first <= last).then_some(Lease { address, ports: first..=last })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_message_reads_back() {
        let leases = [
            Lease { address: None, ports: 0..=65535 },
            Lease { address: Some([10, 1, 2, 3].into()), ports: 3863..=3863 },
            Lease { address: Some([0, 0, 0, 0].into()), ports: 3863..=3863 },
            Lease { address: Some("2001:db8::1".parse().unwrap()), ports: 1..=2 },
        ];
        let mut messages = vec![Message::LeaseBlock, Message::Exhausted, Message::Wait];
        for lease in leases {
            messages.push(Message::Lease { lease: lease.clone(), renewal: true });
            messages.push(Message::Lease { lease: lease.clone(), renewal: false });
            messages.push(Message::Release(lease.clone()));
            messages.push(Message::Granted(lease.clone()));
            messages.push(Message::Taken { lease, pid: 4711 });
        }
        for message in messages {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn other_versions_are_recognised_whatever_follows() {
        assert_eq!(Message::decode(&[9, 200]), Some(Message::OtherVersion { version: 9 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(message) = Message::decode(&bytes)
                && !matches!(message, Message::OtherVersion { .. })
            {
                prop_assert_eq!(Message::decode(&message.encode()), Some(message));
            }
        }
    }
}
