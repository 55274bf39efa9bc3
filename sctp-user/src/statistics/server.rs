//! The socket that a stack tells of itself on. One reader at a time, each with a time limit, and nothing is read
//! from it.

use std::{
    io::{self, BufWriter, Write},
    os::linux::net::SocketAddrExt,
    os::unix::net::{SocketAddr, UnixListener, UnixStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt};
use nix::unistd::geteuid;
use serde::Serialize;
use std::os::fd::AsRawFd;

use super::{Line, NAME};
use crate::threads;

/// How long a reader may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait when the process has no descriptor left for a reader.
const PAUSE: Duration = Duration::from_millis(100);

/// What writes the lines for a reader; false ends the server.
pub(crate) type Tell = Box<dyn Fn(&mut dyn FnMut(&Line) -> io::Result<()>) -> io::Result<bool> + Send>;

/// The thread that serves a stack's statistics socket; ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the socket, under a name with this number.
    pub(crate) fn start(number: u32, tell: Tell) -> io::Result<Self> {
        let name = format!("{NAME}{}/{number:08x}", std::process::id());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        let ours = listener.try_clone()?;
        let thread = threads::spawn("sctp-statistics", move || serve(&listener, &tell))?;
        Ok(Self { listener: ours, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Wakes the thread out of its `accept`.
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

fn serve(listener: &UnixListener, tell: &Tell) {
    loop {
        match listener.accept() {
            Ok((reader, _)) => match answer(&reader, tell) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::debug!(%error, "a reader of statistics went away"),
            },
            // The socket was shut down.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return,
            Err(error) => {
                tracing::debug!(%error, "no reader of statistics could be taken");
                thread::sleep(PAUSE);
            }
        }
    }
}

fn answer(reader: &UnixStream, tell: &Tell) -> io::Result<bool> {
    if !is_permitted(reader)? {
        return Ok(true);
    }
    reader.set_write_timeout(Some(PATIENCE))?;
    let mut out = BufWriter::new(reader);
    let goes_on = tell(&mut |line| write_line(&mut out, line))?;
    out.flush()?;
    Ok(goes_on)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Root, and who runs the stack.
fn is_permitted(reader: &UnixStream) -> io::Result<bool> {
    let uid = getsockopt(reader, sockopt::PeerCredentials)?.uid();
    Ok(uid == 0 || uid == geteuid().as_raw())
}
