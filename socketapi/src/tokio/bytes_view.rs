//! An association as a stream of bytes, for what knows no messages: TLS, HTTP, `copy`.
//!
//! Reads go past the ends of messages, and over all streams; each write is one message of up to 64 KiB with the
//! [default information](crate::Options::set_default_send_info). Only for peers that use one stream and no unordered messages.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::task::coop::poll_proceed;
use bytes::Bytes;

use super::{ReadHalf, SctpStream, WriteHalf};
use crate::Error;
use crate::bytes_view::LARGEST_WRITE;

impl SctpStream {
    fn poll_read_bytes(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let turn = ready!(poll_proceed(context));
        let message = ready!(self.get_ref().poll_message(context, buffer.remaining()))?;
        turn.made_progress();
        message.iter().flat_map(|message| &message.pieces).for_each(|piece| buffer.put_slice(piece));
        Poll::Ready(Ok(()))
    }

    fn poll_write_bytes(&self, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let turn = ready!(poll_proceed(context));
        let taken = Bytes::copy_from_slice(&buffer[..buffer.len().min(LARGEST_WRITE)]);
        let info = self.options().default_send_info();
        ready!(self.poll_send(context, &taken, &info))?;
        turn.made_progress();
        Poll::Ready(Ok(taken.len()))
    }

    /// What was written is delivered, then the association ends, in both directions: SCTP knows no other way.
    fn poll_end_bytes(&self) -> Poll<io::Result<()>> {
        match self.shutdown() {
            // It has ended, or is about to.
            Ok(()) | Err(Error::NoAssociation | Error::Command(_)) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl AsyncRead for SctpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_bytes(context, buffer)
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.as_ref().get_ref().as_ref().poll_read_bytes(context, buffer)
    }
}

impl AsyncWrite for SctpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_bytes(context, buffer)
    }

    /// Nothing is kept back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end_bytes()
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.as_ref().get_ref().as_ref().poll_write_bytes(context, buffer)
    }

    /// Nothing is kept back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_ref().get_ref().as_ref().poll_end_bytes()
    }
}
