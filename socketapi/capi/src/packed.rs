//! Packed socket addresses, as `sctp_bindx` and its fellows have them: one behind the other, each as long as its family says
//! (RFC 6458, 9.1).

use core::ffi::c_int;
use core::mem::size_of;

use libc::{sa_family_t, sockaddr, sockaddr_in, sockaddr_in6};

/// Length of an address of this family, in bytes; none for a family that SCTP does not have.
pub(crate) const fn length_of(family: sa_family_t) -> Option<usize> {
    match family as c_int {
        libc::AF_INET => Some(size_of::<sockaddr_in>()),
        libc::AF_INET6 => Some(size_of::<sockaddr_in6>()),
        _ => None,
    }
}

/// Packed addresses of a program.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    /// EINVAL without an address, or with one of a strange family; EFAULT for a null pointer.
    ///
    /// # Safety
    /// `first` is null, or there are `count` addresses, which stay as long as this lives.
    pub(crate) unsafe fn from_c(first: *const sockaddr, count: c_int) -> Result<Self, c_int> {
        if count <= 0 {
            return Err(libc::EINVAL);
        }
        if first.is_null() {
            return Err(libc::EFAULT);
        }
        let mut length = 0;
        for _ in 0..count {
            // SAFETY: one more address is behind those that were counted; it has a family, which may be unaligned.
            let family = unsafe { first.byte_add(length).cast::<sa_family_t>().read_unaligned() };
            length += length_of(family).ok_or(libc::EINVAL)?;
        }
        // SAFETY: so long are all of them.
        Ok(Self(unsafe { core::slice::from_raw_parts(first.cast(), length) }))
    }

    /// All of them.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// One by one.
impl<'a> Iterator for Packed<'a> {
    type Item = (sa_family_t, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let family = sa_family_t::from_ne_bytes(*self.0.first_chunk()?);
        let (first, rest) = self.0.split_at_checked(length_of(family)?)?;
        self.0 = rest;
        Some((family, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(families: &[c_int]) -> Vec<u8> {
        let one = |family: &c_int| {
            let family = *family as sa_family_t;
            let mut address = vec![7; length_of(family).unwrap_or(16)];
            address[..2].copy_from_slice(&family.to_ne_bytes());
            address
        };
        families.iter().flat_map(one).collect()
    }

    fn lengths(families: &[c_int], count: c_int) -> Result<Vec<usize>, c_int> {
        let bytes = packed(families);
        // SAFETY: no more are counted than there are.
        unsafe { Packed::from_c(bytes.as_ptr().cast(), count) }
            .map(|packed| packed.map(|(_, address)| address.len()).collect())
    }

    #[test]
    fn addresses_of_both_families_stand_behind_one_another() {
        let all = [libc::AF_INET6, libc::AF_INET, libc::AF_INET6];
        assert_eq!(lengths(&all, 3), Ok(vec![28, 16, 28]));
        assert_eq!(lengths(&all, 2), Ok(vec![28, 16]));
    }

    #[test]
    fn what_is_no_list_of_addresses_is_refused() {
        assert_eq!(lengths(&[libc::AF_INET, libc::AF_UNIX], 2), Err(libc::EINVAL));
        assert_eq!(lengths(&[libc::AF_INET], 0), Err(libc::EINVAL));
        assert_eq!(lengths(&[libc::AF_INET], -1), Err(libc::EINVAL));
        // SAFETY: null is allowed.
        let null = unsafe { Packed::from_c(core::ptr::null(), 1) };
        assert_eq!(null.err(), Some(libc::EFAULT));
    }
}
