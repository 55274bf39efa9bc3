//! The server: takes whatever comes, counts it, answers what asks for an answer.

use std::time::{Duration, Instant};

use socketapi::{Error, Message, SctpListener, SctpStream, SendInfo};

use super::protocol::{self, Tally};

/// What one association brought, when it was over.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its data.
    pub tally: Tally,
    /// Messages sent back.
    pub replies: u64,
}

/// Serves associations, each in a thread of its own, for ever; `done` hears of each that ended.
///
/// # Errors
/// When the listener fails.
pub fn serve(
    listener: &SctpListener,
    echo: bool,
    done: impl Fn(Result<Served, Error>) + Send + Sync,
) -> Result<(), Error> {
    std::thread::scope(|scope| {
        loop {
            let (stream, _) = listener.accept()?;
            let done = &done;
            scope.spawn(move || done(serve_one(&stream, echo)));
        }
    })
}

/// Serves one association to its end. With `echo`, every message that is none of ours is sent back.
///
/// # Errors
/// When the association is lost.
pub fn serve_one(stream: &SctpStream, echo: bool) -> Result<Served, Error> {
    let mut served = Served { tally: Tally::default(), replies: 0 };
    let mut span = Span::default();
    while let Some(message) = stream.recv_message()? {
        match message.info.ppid {
            protocol::REQUEST => answer(stream, &message, protocol::REPLY, &mut served)?,
            protocol::END => {
                let report = SendInfo::new().ppid(protocol::REPORT);
                served.tally.nanoseconds = span.nanoseconds();
                stream.send(&served.tally.encode(), &report)?;
            }
            ppid => {
                span.extend();
                message.pieces.iter().for_each(|piece| served.tally.add_bytes(piece));
                served.tally.messages += u64::from(message.info.end_of_record);
                if echo {
                    answer(stream, &message, ppid, &mut served)?;
                }
            }
        }
    }
    served.tally.nanoseconds = span.nanoseconds();
    Ok(served)
}

fn answer(stream: &SctpStream, message: &Message, ppid: u32, served: &mut Served) -> Result<(), Error> {
    let info = SendInfo::new().stream(message.info.stream).ppid(ppid);
    stream.send_bytes(message.clone().into_bytes(), &info)?;
    served.replies += 1;
    Ok(())
}

/// From the first message to the last one.
#[derive(Default)]
struct Span {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Span {
    fn extend(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    fn nanoseconds(&self) -> u64 {
        let span = self.first.zip(self.last).map_or(Duration::ZERO, |(first, last)| last - first);
        u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
    }
}
