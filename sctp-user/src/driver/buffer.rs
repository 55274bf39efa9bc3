//! The kernel's receive buffer of a socket.

use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;

/// Asks the kernel to hold `bytes` for us: with privileges whatever we ask for, else up to its limit
/// (net.core.rmem_max). The default holds 93 packets of 1,480 bytes, which no fast path survives.
pub(crate) fn enlarge_receive_buffer(socket: &Socket, bytes: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        let _ = socket.set_recv_buffer_size(bytes);
    }
    // The kernel reports the double of what it was asked for.
    let granted = socket.recv_buffer_size().unwrap_or(0) / 2;
    if granted < bytes {
        tracing::warn!(
            wanted = bytes,
            granted,
            "small receive buffer: fast peers will lose packets; raise the sysctl net.core.rmem_max"
        );
    }
}
