//! What was seen of flows over virtual time.

use core::ops::Range;
use core::time::Duration;
use std::io::{self, Write};

use crate::sim::link::LinkStats;

/// A flow at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Bytes that may be in flight.
    pub cwnd: usize,
    /// Where slow start ends; `usize::MAX` before that is known.
    pub ssthresh: usize,
    /// Bytes in flight.
    pub flight: usize,
    /// Smoothed round-trip time, once it is known.
    pub srtt: Option<Duration>,
    /// Bytes of payload that have reached the application at the other end.
    pub received: u64,
    /// Times that T3-rtx expired.
    pub t3_expiries: u64,
    /// Chunks sent again.
    pub retransmitted: u64,
}

/// All flows at regular moments.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Time from one moment to the next; the first is this long after the start.
    pub interval: Duration,
    /// For each flow its samples.
    pub flows: Vec<Vec<Sample>>,
    /// Bytes that waited at the bottleneck at each moment.
    pub queue: Vec<usize>,
    /// What happened at the bottleneck.
    pub link: LinkStats,
}

impl Recording {
    /// When the `index`th samples were taken, in seconds.
    pub fn seconds(&self, index: usize) -> f64 {
        self.interval.as_secs_f64() * (index + 1) as f64
    }

    /// The samples of a span of time, in seconds, by their indices.
    fn span(&self, seconds: Range<f64>) -> Range<usize> {
        let index = |at: f64| ((at / self.interval.as_secs_f64()).round() as usize).min(self.queue.len());
        index(seconds.start)..index(seconds.end)
    }

    /// Payload that a flow brought to the other end, in bit/s.
    pub fn goodput(&self, flow: usize, seconds: Range<f64>) -> f64 {
        let samples = &self.flows[flow][self.span(seconds)];
        let [Some(first), Some(last)] = [samples.first(), samples.last()] else { return 0.0 };
        let lasts = self.interval.as_secs_f64() * samples.len().saturating_sub(1).max(1) as f64;
        (last.received - first.received) as f64 * 8.0 / lasts
    }

    /// The part of the payload of all flows that one brought.
    pub fn share(&self, flow: usize, seconds: Range<f64>) -> f64 {
        let all: f64 = (0..self.flows.len()).map(|flow| self.goodput(flow, seconds.clone())).sum();
        self.goodput(flow, seconds) / all.max(1.0)
    }

    /// Bytes that waited at the bottleneck, in the mean.
    pub fn mean_queue(&self, seconds: Range<f64>) -> f64 {
        let queue = &self.queue[self.span(seconds)];
        queue.iter().sum::<usize>() as f64 / queue.len().max(1) as f64
    }

    /// The most bytes that waited at the bottleneck when it was looked at.
    pub fn longest_queue(&self, seconds: Range<f64>) -> usize {
        self.queue[self.span(seconds)].iter().copied().max().unwrap_or(0)
    }

    /// Writes all samples as lines of comma-separated values, under a line with names.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_csv(&self, mut to: impl Write) -> io::Result<()> {
        write!(to, "seconds,queue_bytes")?;
        for flow in 0..self.flows.len() {
            write!(
                to,
                ",cwnd_{flow},ssthresh_{flow},flight_{flow},srtt_ms_{flow},received_{flow},t3_{flow},again_{flow}"
            )?;
        }
        writeln!(to)?;
        for (index, queue) in self.queue.iter().enumerate() {
            write!(to, "{:.3},{queue}", self.seconds(index))?;
            for Sample { cwnd, ssthresh, flight, srtt, received, t3_expiries, retransmitted } in
                self.flows.iter().map(|samples| samples[index])
            {
                let srtt = srtt.map_or(0.0, |srtt| srtt.as_secs_f64() * 1e3);
                write!(to, ",{cwnd},{ssthresh},{flight},{srtt:.3},{received},{t3_expiries},{retransmitted}")?;
            }
            writeln!(to)?;
        }
        Ok(())
    }
}
