//! Standard output, whose reader may be slow.

use std::io::{self, StdoutLock, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::signals;

/// How long to wait for the reader before looking for signals, milliseconds.
const GLANCE: u8 = 100;

/// Standard output. Who writes waits for its reader, but not once a signal has come, which a program that waits would not see.
#[derive(Debug)]
pub struct Output(StdoutLock<'static>);

impl Output {
    /// What is written at once at most: where there is room, there is room for so much (pipe(7)).
    pub const PIECE: usize = 4_096;

    /// Standard output, which is nobody else's meanwhile.
    #[expect(clippy::new_without_default, reason = "it is locked")]
    pub fn new() -> Self {
        Self(io::stdout().lock())
    }

    fn await_reader(&self) -> io::Result<()> {
        loop {
            let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut polled, PollTimeout::from(GLANCE)) {
                Ok(0) if signals::have_come()? => {
                    return Err(io::Error::other("nobody reads it, and a signal has come"));
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let piece = &data[..data.len().min(Self::PIECE)];
        let written =
            self.await_reader().and_then(|()| self.0.write_all(piece)).and_then(|()| self.0.flush());
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
        };
        written.map(|()| piece.len()).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
