//! A small HTTP server for pages that are made when they are asked for: probes, and metrics.
//!
//! Nobody can keep it busy by being slow: connections have little time, and are few, and the oldest makes room for a new one. Nor by
//! being fast: all have their turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Connections at once.
const MAX_CONNECTIONS: usize = 32;
/// Bytes of a request line with its headers.
const MAX_HEAD: usize = 8_192;
const MAX_HEADERS: usize = 64;
/// How long a connection may take from its beginning to its end.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read and written before others have their turn: more than a request and its answer need.
const STEPS: usize = 64;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status, such as 200.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// What is in it.
    pub body: String,
}

impl Page {
    /// A line of plain text.
    pub fn line(status: u16, line: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{line}\n") }
    }
}

/// Makes the page at a path; none if there is no such page.
type Pages = Box<dyn FnMut(&str) -> Option<Page> + Send>;

/// A server at work. Dropping it ends it.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    bell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Serves `pages` at this address, by a thread of its own.
    ///
    /// # Errors
    /// The system's, for example if the port is taken.
    pub fn start(
        address: SocketAddr,
        pages: impl FnMut(&str) -> Option<Page> + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let server =
            Server { listener, bell: Arc::clone(&bell), connections: Vec::new(), pages: Box::new(pages) };
        let thread = std::thread::Builder::new().name("http".into()).spawn(move || server.run())?;
        Ok(Self { address, bell, thread: Some(thread) })
    }

    /// Where it is, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // The only failure is that the counter is full: then it rings already.
        let _ = self.bell.write(1);
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

struct Server {
    listener: TcpListener,
    bell: Arc<EventFd>,
    connections: Vec<Connection>,
    pages: Pages,
}

impl Server {
    fn run(mut self) {
        loop {
            match self.wait() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "HTTP is not served any more");
                    return;
                }
            }
            self.accept();
            let now = Instant::now();
            let pages = &mut self.pages;
            self.connections.retain_mut(|connection| connection.deadline > now && connection.go_on(pages));
        }
    }

    /// Waits until there is something to do. False if that is to end.
    fn wait(&self) -> io::Result<bool> {
        let mut polled = vec![
            PollFd::new(self.bell.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        ];
        polled.extend(self.connections.iter().map(Connection::poll_fd));
        let first = self.connections.iter().map(|connection| connection.deadline).min();
        let limit = first.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A millisecond more, so that the deadline is over then.
        let limit = limit.map(|limit| limit + Duration::from_millis(1));
        let limit = limit.and_then(|limit| PollTimeout::try_from(limit).ok()).unwrap_or(PollTimeout::NONE);
        match poll(&mut polled, limit) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(!polled[0].any().unwrap_or(false))
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok((stream, _)) if stream.set_nonblocking(true).is_ok() => {
                if self.connections.len() >= MAX_CONNECTIONS {
                    self.connections.remove(0);
                }
                self.connections.push(Connection::new(stream));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => {
                // Perhaps there are too many open files: not again at once.
                tracing::warn!(%error, "an HTTP connection is not accepted");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Where a connection is in its life.
enum Stage {
    /// What has come of the request.
    Reading(Vec<u8>),
    /// What is left of the answer.
    Writing(Vec<u8>),
    /// All is written: waiting for the client to close.
    Closing,
}

struct Connection {
    stream: TcpStream,
    stage: Stage,
    deadline: Instant,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, stage: Stage::Reading(Vec::new()), deadline: Instant::now() + PATIENCE }
    }

    fn poll_fd(&self) -> PollFd<'_> {
        let flags = match self.stage {
            Stage::Writing(_) => PollFlags::POLLOUT,
            Stage::Reading(_) | Stage::Closing => PollFlags::POLLIN,
        };
        PollFd::new(self.stream.as_fd(), flags)
    }

    /// Does what can be done now. False once there is nothing more to do.
    fn go_on(&mut self, pages: &mut Pages) -> bool {
        match self.try_to_go_on(pages) {
            Ok(goes_on) => goes_on,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn try_to_go_on(&mut self, pages: &mut Pages) -> io::Result<bool> {
        for _ in 0..STEPS {
            match &mut self.stage {
                Stage::Reading(head) => {
                    let mut buffer = [0; 1_024];
                    let len = self.stream.read(&mut buffer)?;
                    if len == 0 {
                        return Ok(false);
                    }
                    head.extend_from_slice(&buffer[..len]);
                    if let Some(answer) = answer(head, pages) {
                        self.stage = Stage::Writing(answer);
                    }
                }
                Stage::Writing(left) => {
                    let len = self.stream.write(left)?;
                    left.drain(..len);
                    if left.is_empty() {
                        self.stream.shutdown(Shutdown::Write)?;
                        self.stage = Stage::Closing;
                    }
                }
                Stage::Closing => {
                    if self.stream.read(&mut [0; 1_024])? == 0 {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}

/// The answer, once all of the request is there.
fn answer(head: &[u8], pages: &mut Pages) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let (page, is_head) = match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
            match request.method.unwrap_or_default() {
                method @ ("GET" | "HEAD") => {
                    (pages(path).unwrap_or_else(|| Page::line(404, "no such page")), method == "HEAD")
                }
                _ => (Page::line(405, "only GET and HEAD are answered"), false),
            }
        }
        Ok(httparse::Status::Partial) if head.len() < MAX_HEAD => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            (Page::line(431, "the request is too long"), false)
        }
        Err(_) => (Page::line(400, "this is no HTTP"), false),
    };
    let Page { status, content_type, body } = page;
    let allow = if status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let mut answer = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
        reason(status),
        body.len()
    );
    if !is_head {
        answer.push_str(&body);
    }
    Some(answer.into_bytes())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests;
