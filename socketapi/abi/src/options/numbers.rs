//! Our numbers as C's: what is too large for a field is shown as the largest that it holds.

use std::time::Duration;

pub(super) fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

pub(super) fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

/// As 32 bits.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// As 16 bits.
pub(super) fn short(number: impl TryInto<u16>) -> u16 {
    number.try_into().unwrap_or(u16::MAX)
}
