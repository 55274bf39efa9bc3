//! Pool member selection policies on the wire (RFC 5356 and RSPLIB's own).

use std::fmt;

use super::tlv::{Reader, Tlv, Writer};
use super::{ParamType, ParseError};

/// Which policy a pool selects its elements by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PolicyType {
    /// RFC 5356, 4.1; the default.
    RoundRobin,
    /// RFC 5356, 4.2.
    WeightedRoundRobin,
    /// RFC 5356, 4.3.
    Random,
    /// RFC 5356, 4.4.
    WeightedRandom,
    /// RFC 5356, 4.5.
    Priority,
    /// RFC 5356, 5.1.
    LeastUsed,
    /// RFC 5356, 5.2.
    LeastUsedDegradation,
    /// RFC 5356, 5.3.
    PriorityLeastUsed,
    /// RFC 5356, 5.4.
    RandomizedLeastUsed,
    /// RSPLIB: random, by what load and degradation leave free.
    RandomizedPriorityLeastUsed,
    /// RSPLIB: random, by what load and accumulated degradation leave free.
    RandomizedLeastUsedDegradation,
    /// RSPLIB: lowest load plus accumulated degradation plus one more degradation.
    PriorityLeastUsedDegradation,
    /// RSPLIB: the same value as [`PriorityLeastUsedDegradation`](Self::PriorityLeastUsedDegradation), random.
    RandomizedPriorityLeastUsedDegradation,
    /// RSPLIB: weighted random with a distance penalty.
    WeightedRandomDpf,
    /// RSPLIB 0xb0002002, and 0x40000010 of the delay draft: lowest load plus distance penalty.
    LeastUsedDpf,
    /// RSPLIB: LUD with a distance penalty.
    LeastUsedDegradationDpf,
    /// Another policy, by its number: one of your own (see [`policy`](crate::policy)), or one that we do not know.
    Unknown(u32),
}

/// A number in a policy's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyField {
    /// Capacity relative to the other elements (RFC 5356, 3.2).
    Weight,
    /// Larger is preferred (RFC 5356, 4.5.4).
    Priority,
    /// 0 is idle, 0xffffffff fully used (RFC 5356, 3.1).
    Load,
    /// How much one more user adds to the load (RFC 5356, 5.2.4).
    Degradation,
    /// Distance penalty factor: 0xffffffff stands for 1.
    Dpf,
    /// Distance in milliseconds.
    Distance,
}

use PolicyField::{Degradation, Distance, Dpf, Load, Priority, Weight};

struct Row(PolicyType, u32, &'static str, &'static [PolicyField]);

/// Every policy: number, name (that RSPLIB's options use), and body in wire order.
const POLICIES: [Row; 16] = [
    Row(PolicyType::RoundRobin, 1, "RoundRobin", &[]),
    Row(PolicyType::WeightedRoundRobin, 2, "WeightedRoundRobin", &[Weight]),
    Row(PolicyType::Random, 3, "Random", &[]),
    Row(PolicyType::WeightedRandom, 4, "WeightedRandom", &[Weight]),
    Row(PolicyType::Priority, 5, "Priority", &[Priority]),
    Row(PolicyType::LeastUsed, 0x4000_0001, "LeastUsed", &[Load]),
    Row(PolicyType::LeastUsedDegradation, 0x4000_0002, "LeastUsedDegradation", &[Load, Degradation]),
    Row(PolicyType::PriorityLeastUsed, 0x4000_0003, "PriorityLeastUsed", &[Load, Degradation]),
    Row(PolicyType::RandomizedLeastUsed, 0x4000_0004, "RandomizedLeastUsed", &[Load]),
    Row(
        PolicyType::RandomizedPriorityLeastUsed,
        0xb000_1001,
        "RandomizedPriorityLeastUsed",
        &[Load, Degradation],
    ),
    Row(
        PolicyType::RandomizedLeastUsedDegradation,
        0xb000_1002,
        "RandomizedLeastUsedDegradation",
        &[Load, Degradation],
    ),
    Row(
        PolicyType::PriorityLeastUsedDegradation,
        0xb000_1003,
        "PriorityLeastUsedDegradation",
        &[Load, Degradation],
    ),
    Row(
        PolicyType::RandomizedPriorityLeastUsedDegradation,
        0xb000_1004,
        "RandomizedPriorityLeastUsedDegradation",
        &[Load, Degradation],
    ),
    Row(PolicyType::WeightedRandomDpf, 0xb000_2001, "WeightedRandomDPF", &[Weight, Dpf, Distance]),
    Row(PolicyType::LeastUsedDpf, 0xb000_2002, "LeastUsedDPF", &[Load, Dpf, Distance]),
    Row(
        PolicyType::LeastUsedDegradationDpf,
        0xb000_2003,
        "LeastUsedDegradationDPF",
        &[Load, Degradation, Dpf, Distance],
    ),
];

/// The number that the delay draft (3.1) gives to LU-DPF. We send RSPLIB's and accept both.
const DRAFT_LEAST_USED_DPF: u32 = 0x4000_0010;

impl PolicyType {
    /// All policies that we know.
    pub fn all() -> impl Iterator<Item = Self> {
        POLICIES.iter().map(|row| row.0)
    }

    /// The policy with this number on the wire.
    pub fn from_number(number: u32) -> Self {
        if number == DRAFT_LEAST_USED_DPF {
            return Self::LeastUsedDpf;
        }
        POLICIES.iter().find(|row| row.1 == number).map_or(Self::Unknown(number), |row| row.0)
    }

    /// The policy of this name, upper or lower case, such as `LeastUsed`.
    pub fn from_name(name: &str) -> Option<Self> {
        POLICIES.iter().find(|row| row.2.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Unknown(number) => number,
            known => known.row().map_or(0, |row| row.1),
        }
    }

    /// The name, as in RSPLIB's `-policy` option.
    pub fn name(self) -> &'static str {
        self.row().map_or("Unknown", |row| row.2)
    }

    /// What the body holds, in wire order.
    pub fn fields(self) -> &'static [PolicyField] {
        self.row().map_or(&[], |row| row.3)
    }

    /// Which of the numbers in the body a field is.
    pub(crate) fn position(self, field: PolicyField) -> Option<usize> {
        self.fields().iter().position(|&other| other == field)
    }

    fn row(self) -> Option<&'static Row> {
        POLICIES.iter().find(|row| row.0 == self)
    }
}

impl fmt::Display for PolicyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "policy 0x{number:08x}"),
            known => f.write_str(known.name()),
        }
    }
}

/// A policy with the numbers that one pool element gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which policy.
    pub policy_type: PolicyType,
    /// How many of the numbers are the policy's; the others are zero.
    count: u8,
    numbers: [u32; Self::MAX_NUMBERS],
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(PolicyType::RoundRobin)
    }
}

impl Policy {
    /// How many numbers a policy's body may have. A longer body is invalid.
    pub const MAX_NUMBERS: usize = 6;

    /// This policy with all its numbers zero; a policy that we do not know has none.
    pub fn new(policy_type: PolicyType) -> Self {
        let count = policy_type.fields().len() as u8;
        Self { policy_type, count, numbers: [0; Self::MAX_NUMBERS] }
    }

    /// A policy of your own (see [`policy::Policy`](crate::policy::Policy)) with these numbers.
    pub fn own<const N: usize>(number: u32, numbers: [u32; N]) -> Self {
        const { assert!(N <= Self::MAX_NUMBERS, "a policy has at most six numbers") };
        let mut policy = Self::new(PolicyType::from_number(number));
        policy.numbers[..N].copy_from_slice(&numbers);
        policy.count = N as u8;
        policy
    }

    /// Least Used with this load.
    pub fn least_used(load: u32) -> Self {
        Self::new(PolicyType::LeastUsed).with(Load, load)
    }

    /// The numbers, in wire order.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers[..usize::from(self.count)]
    }

    /// One of the numbers, in wire order; zero if there are not so many.
    pub fn number(&self, index: usize) -> u32 {
        self.numbers.get(index).copied().unwrap_or(0)
    }

    /// The same policy with one of its numbers set, in wire order; nothing happens if there are not so many.
    #[must_use]
    pub fn with_number(mut self, index: usize, value: u32) -> Self {
        if index < usize::from(self.count) {
            self.numbers[index] = value;
        }
        self
    }

    /// The value of a field; zero if the policy does not have it.
    pub fn field(&self, field: PolicyField) -> u32 {
        self.policy_type.position(field).map_or(0, |index| self.number(index))
    }

    /// The same policy with one field set; nothing happens if the policy does not have it.
    #[must_use]
    pub fn with(self, field: PolicyField, value: u32) -> Self {
        self.policy_type.position(field).map_or(self, |index| self.with_number(index, value))
    }

    pub(super) fn parse(tlv: Tlv<'_>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(tlv.value);
        let invalid = |_| tlv.invalid_value();
        let mut policy = Self::new(PolicyType::from_number(reader.u32("policy type").map_err(invalid)?));
        let (known, mut count) = (usize::from(policy.count), 0);
        while !reader.is_empty() || count < known {
            let number = policy.numbers.get_mut(count).ok_or_else(|| tlv.invalid_value())?;
            *number = reader.u32("policy body").map_err(invalid)?;
            count += 1;
        }
        policy.count = count as u8;
        let is_known = !matches!(policy.policy_type, PolicyType::Unknown(_));
        if is_known && count != known { Err(tlv.invalid_value()) } else { Ok(policy) }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.param(ParamType::POLICY, |w| {
            w.u32(self.policy_type.number());
            for &number in self.numbers() {
                w.u32(number);
            }
        });
    }
}
