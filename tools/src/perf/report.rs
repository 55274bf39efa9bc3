//! Results of `sctp-perf`, for people and for programs.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::protocol::Tally;

/// What one run of the client measured.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "test", rename_all = "lowercase")]
pub enum Report {
    /// Bulk transfer.
    Throughput(Throughput),
    /// Request and response.
    Latency(Latency),
    /// Associations set up and shut down, one after the other.
    Setup(Latency),
}

/// Result of a bulk transfer.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Bytes of each message.
    pub size: usize,
    /// Messages sent.
    pub messages: u64,
    /// Payload bytes sent.
    pub bytes: u64,
    /// From the first send until all was acknowledged (or reported), seconds.
    pub seconds: f64,
    /// Payload, from the first send until all was acknowledged.
    pub mbit_per_second: f64,
    /// Whether the server's count and checksum agree with ours; absent where the server does not report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

impl Throughput {
    /// From what was sent, how long it took, and what the peer reports.
    pub fn new(size: usize, sent: &Tally, seconds: f64, reported: Option<Tally>) -> Self {
        Self {
            size,
            messages: sent.messages,
            bytes: sent.bytes,
            seconds,
            mbit_per_second: sent.bytes as f64 * 8e-6 / seconds,
            verified: reported.map(|other| {
                (other.bytes, other.messages, other.crc32c) == (sent.bytes, sent.messages, sent.crc32c)
            }),
        }
    }
}

/// Times of many like things, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Bytes of each request; 0 where nothing was sent.
    pub size: usize,
    /// How many.
    pub count: u64,
    /// How many a second.
    pub per_second: f64,
    /// Shortest, microseconds.
    pub min_us: f64,
    /// Half took no longer.
    pub p50_us: f64,
    /// Nine of ten took no longer.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// Longest.
    pub max_us: f64,
}

impl Latency {
    /// From single times in nanoseconds, and the duration of the whole in seconds.
    pub fn new(size: usize, times: &Histogram<u64>, seconds: f64) -> Self {
        let us = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        Self {
            size,
            count: times.len(),
            per_second: times.len() as f64 / seconds,
            min_us: us(times.min()),
            p50_us: us(times.value_at_quantile(0.5)),
            p90_us: us(times.value_at_quantile(0.9)),
            p99_us: us(times.value_at_quantile(0.99)),
            p999_us: us(times.value_at_quantile(0.999)),
            max_us: us(times.max()),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Throughput(it) => {
                write!(
                    f,
                    "{} messages of {} bytes in {:.3} s: {:.1} Mbit/s",
                    it.messages, it.size, it.seconds, it.mbit_per_second
                )?;
                match it.verified {
                    Some(true) => f.write_str(", checksum agrees"),
                    Some(false) => f.write_str(", BUT THE SERVER COUNTED SOMETHING ELSE"),
                    None => f.write_str(", not verified"),
                }
            }
            Self::Latency(it) => write!(
                f,
                "{} requests of {} bytes, {:.0} a second\n{}",
                it.count,
                it.size,
                it.per_second,
                times(it)
            ),
            Self::Setup(it) => {
                write!(f, "{} associations, {:.0} a second\n{}", it.count, it.per_second, times(it))
            }
        }
    }
}

fn times(it: &Latency) -> String {
    format!(
        "microseconds: min {:.1}  p50 {:.1}  p90 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}",
        it.min_us, it.p50_us, it.p90_us, it.p99_us, it.p999_us, it.max_us
    )
}
