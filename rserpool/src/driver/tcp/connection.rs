//! One TCP connection: messages on one side, bytes on the other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::transport::{LostReason, Peer};
use crate::wire::{MessageStream, to_stream};

/// Bytes that are read at a time.
const READ_AT_ONCE: usize = 4096;
/// Bytes that may wait to be sent; with more, the connection is given up.
const MAX_OUTPUT: usize = 256 * 1024;
/// What the kernel keeps of what an accepted peer does not take.
const SEND_BUFFER: usize = 32 * 1024;

/// What reading has brought.
pub(super) enum Reading {
    /// A message.
    Message(Bytes),
    /// Nothing yet, but there may be more to read.
    More,
    /// Nothing until the kernel says so.
    Nothing,
    /// It is over.
    End(LostReason),
}

/// See the module's documentation.
pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    is_connecting: bool,
    /// Is to be closed once everything is sent; nobody listens to it any more.
    is_closing: bool,
    is_ready: bool,
    input: MessageStream,
    output: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream, peer: SocketAddr, is_connecting: bool, max_message: usize) -> Self {
        let input = MessageStream::new(max_message);
        Self { stream, peer, is_connecting, is_closing: false, is_ready: false, input, output: Vec::new() }
    }

    pub(super) fn accepted(stream: TcpStream, peer: SocketAddr, max_message: usize) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
        Ok(Self::new(stream, peer, false, max_message))
    }

    pub(super) fn connecting(to: SocketAddr, from: Option<IpAddr>, max_message: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => Err(error),
            _ => Ok(Self::new(socket.into(), to, true, max_message)),
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    pub(super) fn peer(&self) -> Peer {
        Peer { addresses: vec![self.address()], port: self.peer.port() }
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.is_connecting
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    pub(super) fn is_within_message(&self) -> bool {
        self.input.is_within_message()
    }

    /// Whether it has come up.
    pub(super) fn finish_connecting(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            result => {
                self.peer = result?;
                self.is_connecting = false;
                Ok(true)
            }
        }
    }

    /// May have something to read. Whether that is news, and may be read: who does not take what it is told is not listened to.
    pub(super) fn become_ready(&mut self) -> bool {
        let may_read = self.output.is_empty() && !self.is_connecting;
        may_read && !std::mem::replace(&mut self.is_ready, true)
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> Reading {
        self.is_ready = false;
        if !self.output.is_empty() {
            return Reading::Nothing;
        }
        match self.input.pop() {
            Ok(Some(message)) if self.is_closing => drop(message),
            Ok(Some(message)) => return Reading::Message(message),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, peer = %self.peer, "no ASAP");
                return Reading::End(LostReason::Local);
            }
        }
        let mut buffer = [0; READ_AT_ONCE];
        match self.stream.read(&mut buffer) {
            Ok(0) => Reading::End(LostReason::Shutdown),
            Ok(count) => {
                self.input.push(&buffer[..count]);
                Reading::More
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Reading::More,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Reading::Nothing,
            Err(error) => Reading::End(super::reason(&error)),
        }
    }

    /// A message is to be sent. False if too much waits already.
    pub(super) fn queue(&mut self, message: &[u8]) -> bool {
        if self.output.len() + message.len() > MAX_OUTPUT {
            return false;
        }
        self.output.extend(to_stream(message));
        true
    }

    pub(super) fn close(&mut self) {
        self.is_closing = true;
    }

    /// Sends what there is room for. Whether that was all.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let mut sent = 0;
        while sent < self.output.len() && !self.is_connecting {
            match self.stream.write(&self.output[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if sent < self.output.len() {
            self.output.drain(..sent);
            return Ok(false);
        }
        self.output = Vec::new();
        if self.is_closing {
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(true)
    }
}
