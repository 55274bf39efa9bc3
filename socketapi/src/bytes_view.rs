//! An association as a stream of bytes, for what knows no messages (`read` and `write`; RFC 6458, 7.3).

use std::io::{self, Read, Write};

use crate::SctpStream;

/// Bytes that one write puts into a message at most: peers take that much whatever their limits.
pub(crate) const LARGEST_WRITE: usize = 64 << 10;

/// Reads bytes of whatever stream, past the ends of messages and past notifications. Only for peers that use one stream, or
/// do not care; [`SctpStream::recv`] tells messages apart.
impl Read for &SctpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        Ok(self.recv(buffer)?.map_or(0, |(len, _)| len))
    }
}

/// Each write is one message of up to 64 KiB with the [default information](crate::Options::set_default_send_info).
impl Write for &SctpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let taken = &buffer[..buffer.len().min(LARGEST_WRITE)];
        if !taken.is_empty() {
            self.send_default(taken)?;
        }
        Ok(taken.len())
    }

    /// Nothing is kept back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As of `&SctpStream`.
impl Read for SctpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

/// As of `&SctpStream`.
impl Write for SctpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
