//! The checksum by which registrars compare what they know of each other's elements (RFC 5353, 3.6.1).

use crate::{PeId, PoolHandle};

/// Sum over the elements that a registrar owns, kept as elements come and go.
///
/// The checksum is the Internet checksum (RFC 1071) over each element's pool handle, padded with zeros to an even
/// length, and its identifier. The sum is kept exactly, so that taking an element out undoes putting it in.
/// RSPLIB sums little-endian words in 32 bits, which wrap in large handlespaces; so we keep that sum, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PeChecksum {
    sum: u64,
    wrapping_sum: u32,
}

impl PeChecksum {
    /// The contribution of one pool's name.
    pub(super) fn of_handle(handle: &PoolHandle) -> Self {
        let mut checksum = Self::default();
        for word in handle.as_bytes().chunks(2) {
            checksum.add_word([word[0], word.get(1).copied().unwrap_or(0)]);
        }
        checksum
    }

    /// This name's contribution and an identifier's.
    pub(super) fn with_id(mut self, id: PeId) -> Self {
        let [a, b, c, d] = id.0.to_be_bytes();
        self.add_word([a, b]);
        self.add_word([c, d]);
        self
    }

    fn add_word(&mut self, word: [u8; 2]) {
        self.sum += u64::from(u16::from_be_bytes(word));
        self.wrapping_sum = self.wrapping_sum.wrapping_add(u16::from_le_bytes(word).into());
    }

    pub(super) fn add(&mut self, element: Self) {
        self.sum += element.sum;
        self.wrapping_sum = self.wrapping_sum.wrapping_add(element.wrapping_sum);
    }

    pub(super) fn subtract(&mut self, element: Self) {
        self.sum -= element.sum;
        self.wrapping_sum = self.wrapping_sum.wrapping_sub(element.wrapping_sum);
    }

    /// The 16 bits of the PE Checksum parameter.
    pub fn value(&self) -> u16 {
        !fold(self.sum)
    }

    /// Whether a peer that sends `value` knows the same elements, be it by RFC 1071 or by RSPLIB's arithmetic.
    /// In one's complement, 0 and 0xffff are the same number.
    pub fn matches(&self, value: u16) -> bool {
        let rsplib = (!fold(self.wrapping_sum.into())).swap_bytes();
        let normal = |value| if value == 0 { u16::MAX } else { value };
        [self.value(), rsplib].into_iter().any(|ours| normal(ours) == normal(value))
    }
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(handle: &str, id: u32) -> PeChecksum {
        PeChecksum::of_handle(&handle.into()).with_id(PeId(id))
    }

    /// RFC 5353, 3.6.2.
    #[test]
    fn the_checksums_that_rsplibs_library_computes_are_ours() {
        assert_eq!(PeChecksum::default().value(), 0xffff);
        assert_eq!(element("EchoPool", 0x1122_3344).value().to_be_bytes(), [0x4d, 0xeb]);
    }

    #[test]
    fn an_odd_handle_is_padded_with_a_zero() {
        assert_eq!(element("CalcAppPool", 1), element("CalcAppPool\0", 1));
    }

    #[test]
    fn rsplibs_wrapped_sum_is_recognised_in_large_handlespaces() {
        let mut all = PeChecksum::default();
        (0..60_000).for_each(|id| all.add(element("EchoPool", u32::MAX - id)));
        assert!(all.sum > u64::from(u32::MAX), "the 32-bit sum must have wrapped");
        let rsplib = (!fold(all.wrapping_sum.into())).swap_bytes();
        assert_ne!(rsplib, all.value());
        assert!(all.matches(rsplib) && all.matches(all.value()));
        assert!(!all.matches(all.value() ^ 1));
    }

    #[test]
    fn both_zeros_of_one_complement_are_the_same() {
        assert!(PeChecksum::default().matches(0) && PeChecksum::default().matches(0xffff));
    }

    /// RFC 5353, 3.6.2: after each change it is as if computed anew.
    #[test]
    fn what_is_subtracted_leaves_no_trace() {
        let mut all = element("EchoPool", 7);
        all.add(element("P", 9));
        all.subtract(element("P", 9));
        assert_eq!(all, element("EchoPool", 7));
    }
}
