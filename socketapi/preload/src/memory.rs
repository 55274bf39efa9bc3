//! Wrong pointers: EFAULT instead of a crash, where that costs nothing.

use core::ffi::c_int;

/// The first page is nobody's (`vm.mmap_min_addr`), so that null, and what is a little beyond it, can be told.
const FIRST_PAGE: usize = 4_096;

/// Whether nothing of a program can be there. What is wrong in another way is found out only by using it.
pub(crate) fn is_wrong<T>(pointer: *const T) -> bool {
    // The upper half of the addresses is the kernel's.
    let is_of_kernel = cfg!(target_pointer_width = "64") && (pointer as isize) < 0;
    (pointer as usize) < FIRST_PAGE || is_of_kernel
}

/// EFAULT if one of so many bytes is where nothing of a program can be.
pub(crate) fn check_range<T>(start: *const T, length: usize) -> Result<(), c_int> {
    let Some(more) = length.checked_sub(1) else { return Ok(()) };
    let last = (start as usize).checked_add(more).ok_or(libc::EFAULT)?;
    check(start).and(check(last as *const u8))
}

/// EFAULT if it is [wrong](is_wrong).
pub(crate) fn check<T>(pointer: *const T) -> Result<(), c_int> {
    if is_wrong(pointer) { Err(libc::EFAULT) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_to_something_are_not_wrong() {
        let something = 1;
        assert_eq!(check(&raw const something), Ok(()));
        assert_eq!(check(b"something".as_ptr()), Ok(()));
    }

    #[test]
    fn what_reaches_into_the_kernel_s_half_is_wrong_and_what_has_no_length_is_not() {
        let something = b"something";
        assert_eq!(check_range(something.as_ptr(), something.len()), Ok(()));
        assert_eq!(check_range(core::ptr::null::<u8>(), 0), Ok(()));
        for length in [isize::MAX as usize, isize::MAX as usize + 1, usize::MAX] {
            assert_eq!(check_range(something.as_ptr(), length), Err(libc::EFAULT), "{length:x}");
        }
    }

    #[test]
    fn null_and_its_fields_and_the_kernel_s_half_are_wrong() {
        for address in [0, 8, FIRST_PAGE - 1, usize::MAX, usize::MAX / 2 + 1] {
            assert_eq!(check(address as *const u8), Err(libc::EFAULT), "{address:x}");
        }
    }
}
