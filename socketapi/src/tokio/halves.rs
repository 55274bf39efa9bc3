//! A stream for two tasks.

use std::sync::Arc;

use bytes::Bytes;

use super::SctpStream;
use crate::{Error, Message, Received, RecvInfo, SendInfo};

/// The half of a [`SctpStream`] that reads.
#[derive(Debug)]
pub struct ReadHalf {
    stream: Arc<SctpStream>,
}

/// The half of a [`SctpStream`] that sends. Dropping it ends nothing: [`SctpStream::shutdown`] does.
#[derive(Debug)]
pub struct WriteHalf {
    stream: Arc<SctpStream>,
}

/// The halves are of two streams: here they are again.
#[derive(Debug, thiserror::Error)]
#[error("the halves are of two different streams")]
pub struct ReuniteError(pub ReadHalf, pub WriteHalf);

pub(super) fn split(stream: SctpStream) -> (ReadHalf, WriteHalf) {
    let stream = Arc::new(stream);
    (ReadHalf { stream: Arc::clone(&stream) }, WriteHalf { stream })
}

impl ReadHalf {
    /// As [`SctpStream::recv`].
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub async fn recv(&mut self, buffer: &mut [u8]) -> Result<Option<(usize, RecvInfo)>, Error> {
        self.stream.recv(buffer).await
    }

    /// As [`SctpStream::recv_message`].
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub async fn recv_message(&mut self) -> Result<Option<Message>, Error> {
        self.stream.recv_message().await
    }

    /// As [`SctpStream::receive`].
    ///
    /// # Errors
    /// As [`SctpStream::recv`].
    pub async fn receive(&mut self) -> Result<Option<Received>, Error> {
        self.stream.receive().await
    }

    /// Makes one stream of both halves again.
    ///
    /// # Errors
    /// [`ReuniteError`] if they are of different ones.
    pub fn reunite(self, other: WriteHalf) -> Result<SctpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        drop(other.stream);
        // Nobody else has the other half.
        Arc::try_unwrap(self.stream).map_err(|stream| {
            let (read, write) = (Arc::clone(&stream), stream);
            ReuniteError(Self { stream: read }, WriteHalf { stream: write })
        })
    }
}

impl WriteHalf {
    /// As [`SctpStream::send`].
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub async fn send(&mut self, payload: &[u8], info: &SendInfo) -> Result<(), Error> {
        self.stream.send(payload, info).await
    }

    /// As [`SctpStream::send_bytes`].
    ///
    /// # Errors
    /// As [`SctpStream::send`].
    pub async fn send_bytes(&mut self, payload: Bytes, info: &SendInfo) -> Result<(), Error> {
        self.stream.send_bytes(payload, info).await
    }
}

/// The whole stream: its options, its status, its end.
impl AsRef<SctpStream> for ReadHalf {
    fn as_ref(&self) -> &SctpStream {
        &self.stream
    }
}

/// The whole stream: its options, its status, its end.
impl AsRef<SctpStream> for WriteHalf {
    fn as_ref(&self) -> &SctpStream {
        &self.stream
    }
}
