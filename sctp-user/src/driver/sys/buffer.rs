//! Using a receive buffer again without clearing it.

use bytes::BytesMut;

/// Makes all `size` bytes of a buffer that came back to its pool visible again. Clearing 64 KiB for
/// each packet would be the most expensive part of receiving it.
///
/// The buffer must have been made with `BytesMut::zeroed(size)`.
pub(crate) fn expose(buffer: &mut BytesMut, size: usize) {
    assert!(buffer.capacity() >= size);
    // SAFETY: the capacity was just checked; all of the allocation was initialised when it was made
    // with `zeroed`, and reclaiming neither grows nor replaces it (`try_reclaim` never allocates).
    unsafe { buffer.set_len(size) };
}
