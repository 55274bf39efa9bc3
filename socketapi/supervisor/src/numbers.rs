//! Which numbers our descriptors get in a program.

use std::os::fd::RawFd;

use nix::errno::Errno;

use crate::target::Target;

/// Finds numbers from the filter's threshold on. The truth is the program's table; here is only where to look first.
#[derive(Debug)]
pub(crate) struct Numbers {
    threshold: u32,
    /// Below it, down to the threshold, numbers are likely to be taken in every process.
    lowest: u32,
}

impl Numbers {
    pub(crate) fn new(threshold: u32) -> Self {
        Self { threshold, lowest: threshold }
    }

    /// A number that is not taken, not below `least`: the lowest one as far as is known. EMFILE: there is none. It is to be used at
    /// once: a program that has as many descriptors of its own may take it.
    pub(crate) fn find(&self, target: &Target, least: u32) -> nix::Result<RawFd> {
        let limit = u32::try_from(target.descriptor_limit()?).unwrap_or(u32::MAX);
        if least >= limit {
            return Err(Errno::EINVAL);
        }
        let first = self.lowest.max(least);
        let again = self.threshold.max(least);
        let number = (first..limit).chain(again..first).find(|number| target.is_free(*number as RawFd));
        number.and_then(|number| RawFd::try_from(number).ok()).ok_or(Errno::EMFILE)
    }

    /// A program has it now.
    pub(crate) fn taken(&mut self, number: RawFd) {
        if u32::try_from(number) == Ok(self.lowest) {
            self.lowest += 1;
        }
    }

    /// A program closes this number.
    pub(crate) fn closed(&mut self, number: u32) {
        self.lowest = self.lowest.min(number.max(self.threshold));
    }
}
