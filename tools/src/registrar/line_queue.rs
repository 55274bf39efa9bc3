//! Lines that go to a file, or to standard output, by a thread of their own: who has something to write waits neither for the disk
//! nor for who reads.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::line_file::LineFile;
use crate::output_file::OutputFile;

/// Bytes that may wait for the disk. Lines for which there is no room are dropped.
const MOST_WAITING: usize = 4 << 20;
/// Between two warnings that lines are dropped.
const WARNING_PAUSE: Duration = Duration::from_secs(1);
/// How long the end waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the file.
pub(super) struct LineQueue {
    path: PathBuf,
    /// None at the end only.
    lines: Option<Sender<String>>,
    counts: Arc<Counts>,
    /// What has come of it, once nothing more is written.
    outcome: Receiver<io::Result<()>>,
}

#[derive(Default)]
struct Counts {
    /// Bytes.
    waiting: AtomicUsize,
    /// Lines, since the beginning, that have got here.
    queued: AtomicU64,
    /// Of those, which have gone to the file.
    written: AtomicU64,
    /// Lines, since the beginning.
    dropped: AtomicU64,
}

impl Counts {
    fn missing(&self) -> u64 {
        let [queued, written, dropped] =
            [&self.queued, &self.written, &self.dropped].map(|count| count.load(Ordering::Relaxed));
        queued - written + dropped
    }
}

impl LineQueue {
    /// Starts to write to a file, compressed if it is named `.bz2`, with its header first.
    ///
    /// # Errors
    /// If it cannot be written, with its name, or if there is no thread for it.
    pub(super) fn to_file(path: &Path, header: &str) -> io::Result<Self> {
        let mut file = LineFile::new(path, OutputFile::create_in_place(path)?);
        writeln!(file, "{header}")?;
        Self::start(path, file, LineFile::finish)
    }

    /// Starts to write to standard output, or to what that is meanwhile.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub(super) fn to_standard_output() -> io::Result<Self> {
        Self::start(Path::new("to standard output"), StandardOutput, |_| Ok(()))
    }

    /// Starts to write to `output`, which is at `path` and ends by `finish`. What fails, and how many lines are missing, is logged.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub(super) fn start<W: Write + Send + 'static>(
        path: &Path,
        mut output: W,
        finish: impl FnOnce(W) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let ((sender, lines), (said, outcome)) = (channel(), channel());
        let counts = Arc::<Counts>::default();
        let (of_thread, place) = (Arc::clone(&counts), path.to_owned());
        std::thread::Builder::new().name("lines".into()).spawn(move || {
            let written = write_all(&place, &mut output, &lines, &of_thread).and_then(|()| finish(output));
            // Who does not wait any longer has said so.
            let _ = said.send(written);
        })?;
        Ok(Self { path: path.to_owned(), lines: Some(sender), counts, outcome })
    }

    /// Has a line written, without waiting for it, or drops it.
    pub(super) fn write(&self, line: String) {
        let Some(lines) = &self.lines else { return };
        if self.counts.waiting.load(Ordering::Relaxed) + line.len() > MOST_WAITING {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.counts.waiting.fetch_add(line.len(), Ordering::Relaxed);
        self.counts.queued.fetch_add(1, Ordering::Relaxed);
        // If it fails, the outcome says why.
        let _ = lines.send(line);
    }

    /// There are no more lines. Waits until all are written, but not for long.
    ///
    /// # Errors
    /// If some are not, and why.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.finish_within(PATIENCE)
    }

    fn finish_within(&mut self, patience: Duration) -> io::Result<()> {
        self.lines = None;
        self.outcome.recv_timeout(patience).unwrap_or_else(|_| {
            let (path, missing) = (self.path.display(), self.counts.missing());
            Err(io::Error::other(format!(
                "cannot write {path}: it does not get on, and lacks at least {missing} lines"
            )))
        })
    }
}

/// Nobody else is kept from it meanwhile.
struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
        };
        io::stdout().write(data).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

fn write_all(
    path: &Path,
    output: &mut impl Write,
    lines: &Receiver<String>,
    counts: &Counts,
) -> io::Result<()> {
    let (mut told, mut warned) = (0, None::<Instant>);
    let mut warn = || {
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > told {
            let lines = dropped - told;
            tracing::warn!(lines, to = %path.display(), "the disk, or who reads, is too slow: lines are missing");
            told = dropped;
        }
    };
    for line in lines {
        if let Err(error) = writeln!(output, "{line}") {
            tracing::error!(%error, "no more lines are written");
            return Err(error);
        }
        counts.written.fetch_add(1, Ordering::Relaxed);
        counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        if warned.is_none_or(|warned| warned.elapsed() >= WARNING_PAUSE) {
            warn();
            warned = Some(Instant::now());
        }
    }
    warn();
    Ok(())
}

#[cfg(test)]
mod tests {
    use parking_lot::{Condvar, Mutex};

    use super::*;

    fn start(output: impl Write + Send + 'static) -> LineQueue {
        LineQueue::start(Path::new("disk"), output, |_| Ok(())).expect("a thread")
    }

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
        let mut queue = start(disk.clone());
        let (line, count) = ("x".repeat(1 << 10), 10_000);
        (0..count).for_each(|_| queue.write(line.clone()));
        disk.go_on();
        queue.finish().expect("it goes on");
        let counts = &queue.counts;
        let dropped = counts.dropped.load(Ordering::Relaxed) as usize;
        assert_eq!((disk.lines(), dropped), (MOST_WAITING >> 10, count - (MOST_WAITING >> 10)));
        assert_eq!(counts.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_disk_that_stands_still_does_not_keep_the_end_away() {
        let disk = Disk::default();
        let mut queue = start(disk.clone());
        (0..3).for_each(|_| queue.write("line".into()));
        let error = queue.finish_within(Duration::ZERO).expect_err("nothing is written").to_string();
        assert_eq!(error, "cannot write disk: it does not get on, and lacks at least 3 lines");
        disk.go_on();
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
        let mut queue = start(Full);
        (0..3).for_each(|_| queue.write("line".into()));
        assert_eq!(queue.finish().expect_err("no room").kind(), io::ErrorKind::StorageFull);
    }
}
