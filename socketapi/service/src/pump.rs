//! Messages of one association, between the pair and the stack.

use std::task::{Context, Poll};

use bytes::Bytes;
use sctp_abi::errno;
use sctp_core::message::SendOptions;
use sctp_descriptors::MAX_RECORD_LEN;
use sctp_user::stack::{Delivery, Error};

use crate::pair::{Incoming, Outgoing};
use crate::socket::{Outcome, Served};

/// Records that one socket may pass in each direction before it is another's turn.
const SHARE: usize = 64;

enum Progress {
    Waits,
    Again,
    /// The program is gone (outwards), or the association is (inwards), with this `errno`.
    Over(i32),
}

impl Served {
    /// Passes on what there is, both ways.
    pub(crate) fn pump(&mut self, buffer: &mut [u8]) -> Outcome {
        let outwards = self.pump_out(buffer);
        if let Progress::Over(error) = outwards {
            self.close();
            return Outcome::Over { error };
        }
        // Nobody reads any more: what comes stays in the stack, whose own close looks at it.
        let inwards = if self.hung_up { Progress::Waits } else { self.pump_in() };
        match (outwards, inwards) {
            (_, Progress::Over(error)) => {
                // Left unread it would show as ECONNRESET in the program, before what it has not read yet.
                while matches!(self.pair.read(buffer), Incoming::Record(_)) {}
                Outcome::Over { error }
            }
            (Progress::Again, _) | (_, Progress::Again) => Outcome::Again,
            _ => Outcome::Waits,
        }
    }

    fn pump_out(&mut self, buffer: &mut [u8]) -> Progress {
        for _ in 0..SHARE {
            let payload = match self.unsent.take() {
                Some(payload) => payload,
                None => match self.pair.read(buffer) {
                    Incoming::Record(len) => Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default()),
                    Incoming::Nothing => return Progress::Waits,
                    Incoming::Closed => return Progress::Over(0),
                    Incoming::Shutdown => {
                        self.shut_down = true;
                        // It may be ending already.
                        let _ = self.socket.shutdown(None);
                        return Progress::Waits;
                    }
                },
            };
            let mut context = Context::from_waker(&self.waker);
            match self.socket.poll_send(&mut context, None, &SendOptions::default(), &payload) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Error::Send(error))) => {
                    tracing::debug!(%error, "a message was refused");
                    self.error = libc::EMSGSIZE;
                }
                // The association is ending; the other direction tells how.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => {
                    self.unsent = Some(payload);
                    return Progress::Waits;
                }
            }
        }
        Progress::Again
    }

    fn pump_in(&mut self) -> Progress {
        for _ in 0..SHARE {
            let record = match self.unwritten.take() {
                Some(record) => record,
                None => {
                    let mut context = Context::from_waker(&self.waker);
                    match self.socket.poll_receive(&mut context, MAX_RECORD_LEN) {
                        Poll::Ready(Ok(Some(Delivery::Message { message, .. }))) => message.into_bytes(),
                        Poll::Ready(Ok(Some(Delivery::Notification { .. }))) => continue,
                        Poll::Ready(Ok(None)) => return Progress::Over(0),
                        Poll::Ready(Err(error)) => return Progress::Over(errno::of(&error).0),
                        Poll::Pending => return Progress::Waits,
                    }
                }
            };
            if self.pair.write(&record) == Outgoing::NoRoom {
                self.unwritten = Some(record);
                return Progress::Waits;
            }
        }
        Progress::Again
    }

    /// The program has closed its last descriptor. What it did not read is lost, and the peer must learn of it
    /// (ABORT, as on Linux); else the stack's socket ends the association in good order.
    fn close(&mut self) {
        if self.pair.is_reset() || self.unwritten.is_some() {
            // It may have ended already.
            let _ = self.socket.abort(None, Bytes::new());
        }
    }
}
