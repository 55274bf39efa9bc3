use super::*;

fn pieces<const N: usize>(memory: &mut [u8], lengths: [usize; N]) -> [iovec; N] {
    let mut rest = memory;
    lengths.map(|length| {
        let (here, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        iovec { iov_base: here.as_mut_ptr().cast(), iov_len: length }
    })
}

#[test]
fn bytes_are_gathered_and_scattered_over_pieces_of_any_length() {
    let mut memory = *b"abcdefgh";
    let parts = pieces(&mut memory, [0, 3, 0, 5]);
    // SAFETY: the pieces are of `memory`.
    let parts = unsafe { Parts::new(&parts) };
    assert_eq!(parts.len(), 8);
    assert_eq!(parts.copy_out(4), b"abcd");
    assert_eq!(&parts.first_bytes(), b"abcdefgh\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(parts.copy_out(100), b"abcdefgh");
    assert_eq!(parts.copy_in(b"1234"), 4);
    let rest = parts.behind(4);
    // SAFETY: as above.
    let rest = unsafe { Parts::new(&rest) };
    assert_eq!(rest.copy_out(100), b"efgh");
    assert_eq!(rest.copy_in(b"567890"), 4);
    assert_eq!(&memory, b"12345678");
}

#[test]
fn a_marker_is_found_over_pieces_and_in_buffers_that_are_shorter() {
    let marker: Marker = *b"0123456789abcdef";
    let mut memory = *b"0123456789abcdefgh";
    let parts = pieces(&mut memory, [1, 7, 10]);
    // SAFETY: the pieces are of `memory`.
    let parts = unsafe { Parts::new(&parts) };
    assert!(parts.start_with(&marker, 16) && parts.start_with(&marker, 18) && parts.start_with(&marker, 0));
    let short = pieces(&mut memory, [2, 2]);
    // SAFETY: as above.
    let short = unsafe { Parts::new(&short) };
    assert!(short.start_with(&marker, 4) && !short.start_with(&marker, 16));
    let mut other = *b"0123456789abcdeX";
    let other = pieces(&mut other, [8, 8]);
    // SAFETY: as above.
    let other = unsafe { Parts::new(&other) };
    assert!(!other.start_with(&marker, 16) && other.start_with(&marker, 15));
}

#[test]
fn pieces_that_are_none_are_refused() {
    let null = [iovec { iov_base: core::ptr::null_mut(), iov_len: 1 }];
    let something = core::ptr::from_ref(&null).cast_mut().cast();
    let of_length = |length| [iovec { iov_base: something, iov_len: length }];
    let refused = |parts: &[iovec], count| {
        // SAFETY: they are only measured.
        unsafe { Parts::from_c(parts.as_ptr(), count, libc::EMSGSIZE) }.map(Parts::len)
    };
    assert_eq!(refused(&null, 1), Err(libc::EFAULT));
    assert_eq!(refused(&of_length(isize::MAX as usize), 1), Err(libc::EFAULT));
    assert_eq!(refused(&of_length(usize::MAX), 1), Err(libc::EINVAL));
    assert_eq!(refused(&null, MAX_PARTS + 1), Err(libc::EMSGSIZE));
    assert_eq!(refused(&[], 0), Ok(0));
}
