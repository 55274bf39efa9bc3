//! Control messages of `sendmsg` and `recvmsg` (RFC 6458, 5.3): [`SendInfo`] is what a sender says of a message,
//! [`destination()`] whom the message goes to, [`received`] what a receiver is told.

mod destination;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub use destination::{Destination, destination};
pub use receive::{Arrived, Control, Next, received};
pub use send::{Action, SendInfo};

use crate::constants::SOL_SCTP;
use crate::errno::Errno;
use crate::layout::{Record, View};
use crate::structures::cmsghdr::{self, *};

/// Headers begin at multiples of this.
const ALIGNMENT: usize = size_of::<usize>();

/// The control messages of a buffer: type and data of those at SCTP's level.
///
/// # Errors
/// EINVAL for one whose length is none. A rest that is too short for a header is no message.
fn messages(mut buffer: &[u8]) -> Result<Vec<(i32, &[u8])>, Errno> {
    let mut messages = Vec::new();
    while buffer.len() >= cmsghdr::SIZE {
        let header = View(buffer);
        let len = header.get(cmsg_len);
        let data = buffer.get(cmsghdr::SIZE..len).ok_or(Errno::EINVAL)?;
        if header.get(cmsg_level) == SOL_SCTP {
            messages.push((header.get(cmsg_type), data));
        }
        buffer = buffer.get(len.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(messages)
}

fn header(kind: i32, data: usize) -> Record {
    Record::new(cmsghdr::SIZE)
        .set(cmsg_len, cmsghdr::SIZE + data)
        .set(cmsg_level, SOL_SCTP)
        .set(cmsg_type, kind)
}
