//! The client: one test against one server.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use socketapi::{End, Error, SctpStream, SendInfo};

use crate::transport::TransportError;

use super::protocol::{self, Tally};
use super::report::{Latency, Report, Throughput};

/// When a test is over.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After so long.
    Time(Duration),
    /// After so many bytes of payload.
    Bytes(u64),
    /// After so many messages, requests or associations.
    Count(u64),
}

impl Limit {
    fn reached(self, start: Instant, bytes: u64, count: u64) -> bool {
        match self {
            Self::Time(limit) => start.elapsed() >= limit,
            Self::Bytes(limit) => bytes >= limit,
            Self::Count(limit) => count >= limit,
        }
    }
}

/// Why a test failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A socket call failed.
    #[error(transparent)]
    Socket(#[from] Error),
    /// No stack could be opened.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The result cannot be told.
    #[error(transparent)]
    Output(#[from] std::io::Error),
    /// The server ended the association early.
    #[error("the server ended the association before the test was over")]
    Ended,
    /// What came back is not what was sent.
    #[error(
        "a reply of {got} bytes came back for a request of {sent}, or with other bytes: is the server an echo server?"
    )]
    WrongReply {
        /// Bytes sent.
        sent: usize,
        /// Bytes that came back.
        got: usize,
    },
}

/// Payload of message number `number`: bytes that differ from message to message, so that a checksum sees any mix-up.
fn pattern(size: usize) -> Vec<u8> {
    (0..size + 256).map(|at| (at * 131 % 251) as u8).collect()
}

/// Sends messages of `size` bytes until `limit`. With `verify`, the server's count and checksum are compared; without,
/// a graceful shutdown shows that all has arrived (for foreign servers).
///
/// # Errors
/// When the association is lost.
pub fn throughput(stream: &SctpStream, size: usize, limit: Limit, verify: bool) -> Result<Report, Failure> {
    let pattern = Bytes::from(pattern(size));
    let info = SendInfo::new().ppid(protocol::DATA);
    let mut sent = Tally::default();
    let start = Instant::now();
    while !limit.reached(start, sent.bytes, sent.messages) {
        let offset = sent.messages as usize % 256;
        let payload = pattern.slice(offset..offset + size);
        if verify {
            sent.add(&payload);
        } else {
            sent.messages += 1;
            sent.bytes += payload.len() as u64;
        }
        stream.send_bytes(payload, &info)?;
    }
    let reported = if verify { Some(fetch_report(stream)?) } else { None };
    finish(stream)?;
    Ok(Report::Throughput(Throughput::new(size, &sent, start.elapsed().as_secs_f64(), reported)))
}

fn fetch_report(stream: &SctpStream) -> Result<Tally, Failure> {
    stream.send(&[0], &SendInfo::new().ppid(protocol::END))?;
    loop {
        let message = stream.recv_message()?.ok_or(Failure::Ended)?;
        if message.info.ppid == protocol::REPORT {
            return Tally::decode(&message.into_bytes()).ok_or(Failure::Ended);
        }
    }
}

/// Sends requests of `size` bytes one after the other, each when the reply to the one before has come.
///
/// # Errors
/// When the association is lost, or a reply is not the request.
pub fn latency(stream: &SctpStream, size: usize, limit: Limit) -> Result<Report, Failure> {
    let request = Bytes::from(pattern(size)).slice(..size);
    let info = SendInfo::new().ppid(protocol::REQUEST);
    let mut times = new_histogram();
    let start = Instant::now();
    while !limit.reached(start, times.len() * size as u64, times.len()) {
        let sent_at = Instant::now();
        stream.send_bytes(request.clone(), &info)?;
        let reply = stream.recv_message()?.ok_or(Failure::Ended)?.into_bytes();
        if reply != request {
            return Err(Failure::WrongReply { sent: size, got: reply.len() });
        }
        times.saturating_record(nanoseconds_since(sent_at));
    }
    let seconds = start.elapsed().as_secs_f64();
    finish(stream)?;
    Ok(Report::Latency(Latency::new(size, &times, seconds)))
}

/// Sets associations up and shuts them down, one after the other; the times are those of the set-up.
///
/// # Errors
/// When one cannot be set up.
pub fn setup(connect: impl Fn() -> Result<SctpStream, Error>, limit: Limit) -> Result<Report, Failure> {
    let mut times = new_histogram();
    let start = Instant::now();
    while !limit.reached(start, 0, times.len()) {
        let begun_at = Instant::now();
        let stream = connect()?;
        times.saturating_record(nanoseconds_since(begun_at));
        finish(&stream)?;
    }
    Ok(Report::Setup(Latency::new(0, &times, start.elapsed().as_secs_f64())))
}

/// Ends in good order, which shows that everything was acknowledged.
fn finish(stream: &SctpStream) -> Result<(), Failure> {
    stream.shutdown()?;
    match stream.wait_ended()? {
        End::Shutdown => Ok(()),
        End::Lost(reason) => Err(Error::Lost(reason).into()),
    }
}

/// Nanoseconds up to a minute, to three digits.
fn new_histogram() -> Histogram<u64> {
    let histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3);
    histogram.unwrap_or_else(|_| unreachable!("the bounds are constants that fit"))
}

fn nanoseconds_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
