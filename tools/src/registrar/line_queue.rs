//! Lines that go to a file by a thread of their own: who has something to write never waits for the disk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that may wait for the disk. Lines for which there is no room are dropped.
const MOST_WAITING: usize = 4 << 20;
/// Between two warnings that lines are dropped.
const WARNING_PAUSE: Duration = Duration::from_secs(1);

/// The way to the file. Dropping it waits until all that is in it is written.
pub(super) struct LineQueue {
    /// None at the end only.
    lines: Option<Sender<String>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    /// Bytes.
    waiting: AtomicUsize,
    /// Lines, since the beginning.
    dropped: AtomicU64,
}

impl LineQueue {
    /// Starts to write to `output`. What fails, and how many lines are missing, is logged.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub(super) fn start(output: Box<dyn Write + Send>) -> io::Result<Self> {
        let (sender, lines) = channel();
        let counts = Arc::<Counts>::default();
        let of_thread = Arc::clone(&counts);
        let thread = std::thread::Builder::new().name("lines".into());
        let thread = thread.spawn(move || write_all(output, &lines, &of_thread))?;
        Ok(Self { lines: Some(sender), counts, thread: Some(thread) })
    }

    /// Has a line written, without waiting for it, or drops it. False once no more are written.
    pub(super) fn write(&self, line: String) -> bool {
        if self.counts.waiting.load(Ordering::Relaxed) + line.len() > MOST_WAITING {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.counts.waiting.fetch_add(line.len(), Ordering::Relaxed);
        self.lines.as_ref().is_some_and(|lines| lines.send(line).is_ok())
    }
}

impl Drop for LineQueue {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

fn write_all(mut output: Box<dyn Write + Send>, lines: &Receiver<String>, counts: &Counts) {
    let (mut told, mut warned) = (0, None::<Instant>);
    let mut warn = || {
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > told {
            tracing::warn!(lines = dropped - told, "the disk is too slow: lines are missing in the file");
            told = dropped;
        }
    };
    for line in lines {
        if let Err(error) = writeln!(output, "{line}") {
            return tracing::error!(%error, "no more lines are written");
        }
        counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        if warned.is_none_or(|warned| warned.elapsed() >= WARNING_PAUSE) {
            warn();
            warned = Some(Instant::now());
        }
    }
    warn();
    if let Err(error) = output.flush() {
        tracing::error!(%error, "the last lines are not written");
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::{Condvar, Mutex};

    use super::*;

    /// A disk that writes nothing until it is told to.
    #[derive(Clone, Default)]
    struct Disk(Arc<(Mutex<Option<Vec<u8>>>, Condvar)>);

    impl Disk {
        fn go_on(&self) {
            *self.0.0.lock() = Some(Vec::new());
            self.0.1.notify_all();
        }

        fn lines(&self) -> usize {
            self.0.0.lock().iter().flatten().filter(|byte| **byte == b'\n').count()
        }
    }

    impl Write for Disk {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let (written, goes_on) = &*self.0;
            let mut written = written.lock();
            while written.is_none() {
                goes_on.wait(&mut written);
            }
            written.as_mut().map_or(Ok(0), |written| written.write(data))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_stands_still_holds_nobody_up_and_takes_bounded_memory() {
        let disk = Disk::default();
        let queue = LineQueue::start(Box::new(disk.clone())).expect("a thread");
        let (line, count) = ("x".repeat(1 << 10), 10_000);
        assert!((0..count).all(|_| queue.write(line.clone())));
        disk.go_on();
        let counts = Arc::clone(&queue.counts);
        drop(queue);
        let dropped = counts.dropped.load(Ordering::Relaxed) as usize;
        assert_eq!((disk.lines(), dropped), (MOST_WAITING >> 10, count - (MOST_WAITING >> 10)));
        assert_eq!(counts.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn after_an_error_nothing_more_is_written() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = LineQueue::start(Box::new(Full)).expect("a thread");
        while queue.write("line".into()) {
            std::thread::yield_now();
        }
    }
}
