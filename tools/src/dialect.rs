//! What peers have to agree on beforehand because the wire does not say it: options that pool elements and users have in common.

use clap::Args;
use rserpool::PoolHandle;
use rserpool::wire::{Format, LifeUnit};

use crate::program::Failure;

/// What others on the wire understand.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Dialect options")]
pub struct DialectOptions {
    /// Take a pool handle of more than 32 bytes. The registrars need the same option; RSPLIB's programs abort when they meet such a handle
    #[arg(long)]
    long_pool_handles: bool,
    /// Lives of registrations are seconds on the wire, as RFC 5354 has it, instead of RSPLIB's milliseconds. All programs of a pool and
    /// their registrars have to say the same
    #[arg(long)]
    life_in_seconds: bool,
}

/// A pool handle of any length.
///
/// # Errors
/// If it is empty.
pub fn pool_handle(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a pool handle has 1 byte at least".into()) } else { Ok(text.into()) }
}

impl DialectOptions {
    /// The dialect.
    pub fn format(&self) -> Format {
        let life_unit = if self.life_in_seconds { LifeUnit::Seconds } else { LifeUnit::Milliseconds };
        Format { life_unit, long_pool_handles: self.long_pool_handles, ..Format::default() }
    }

    /// A pool handle that all peers bear.
    ///
    /// # Errors
    /// [`Failure::WrongUsage`] if it is longer than this dialect allows.
    pub fn pool_handle(&self, text: &str) -> Result<PoolHandle, Failure> {
        let (length, longest) = (text.len(), PoolHandle::MAX_INTEROPERABLE_LEN);
        match length > longest && !self.long_pool_handles {
            false => Ok(text.into()),
            true => Err(Failure::WrongUsage(format!(
                "a pool handle has up to {longest} bytes, this one has {length}: shorten it, or see --long-pool-handles"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_handles_have_a_length_that_all_peers_bear() {
        let usual = DialectOptions::default();
        assert!(pool_handle("EchoPool").is_ok() && pool_handle("").is_err());
        assert!(usual.pool_handle(&"x".repeat(32)).is_ok());
        assert!(usual.pool_handle(&"x".repeat(33)).is_err());
        let long = DialectOptions { long_pool_handles: true, ..usual };
        assert!(long.pool_handle(&"x".repeat(33)).is_ok() && long.format().long_pool_handles);
    }

    #[test]
    fn lives_are_milliseconds_unless_seconds_are_asked_for() {
        let usual = DialectOptions::default();
        assert_eq!(usual.format(), Format::default());
        let strict = DialectOptions { life_in_seconds: true, ..usual };
        assert_eq!(strict.format().life_unit, LifeUnit::Seconds);
    }
}
