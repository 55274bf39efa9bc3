//! A bad network around a good driver: packets get lost, doubled, damaged, late and marked, in both directions, by a seed.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use sctp_core::net::Ecn;
use sctp_core::rng::Random;

use crate::driver::{Outbox, Received, Transmit, outbox::runs};

/// How bad the network is. The text form is `loss=1%,duplicate=0.5%,corrupt=0.1%,reorder=2%,delay=20ms,mark=2%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairments {
    /// Share of packets that get lost, 0 to 1.
    pub loss: f64,
    /// Share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of packets of which a bit is wrong, 0 to 1.
    pub corrupt: f64,
    /// Share of packets that arrive 10 ms later than the others, behind what was sent after them, 0 to 1.
    pub reorder: f64,
    /// How much later each packet arrives, up to 10 s. A round trip takes twice as much more.
    pub delay: Duration,
    /// Share of ECN-capable packets that get a mark of congestion (RFC 3168, 5), 0 to 1.
    pub mark: f64,
}

/// How much later packets arrive that are to be out of order.
const REORDER_DELAY: Duration = Duration::from_millis(10);
/// No packet is later.
const LONGEST_DELAY: f64 = 10.0;

/// A text that names no impairments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no impairment: write loss=1%, duplicate=0.5% (or dup), corrupt=0.1%, reorder=2%, mark=2% or delay=20ms, \
     with commas between them"
)]
pub struct ImpairmentError(String);

impl FromStr for Impairments {
    type Err = ImpairmentError;

    fn from_str(text: &str) -> Result<Self, ImpairmentError> {
        let mut impairments = Self::default();
        for item in text.split(',') {
            impairments.take(item).ok_or_else(|| ImpairmentError(item.to_owned()))?;
        }
        Ok(impairments)
    }
}

impl Impairments {
    /// One of the text form; `None` if it is none.
    fn take(&mut self, item: &str) -> Option<()> {
        let (name, value) = item.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name == "delay" {
            self.delay = time(value)?;
            return Some(());
        }
        let field = match name {
            "loss" => &mut self.loss,
            "duplicate" | "dup" => &mut self.duplicate,
            "corrupt" => &mut self.corrupt,
            "reorder" => &mut self.reorder,
            "mark" => &mut self.mark,
            _ => return None,
        };
        *field = share(value)?;
        Some(())
    }
}

/// `0.5%`.
fn share(value: &str) -> Option<f64> {
    let percent: f64 = value.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

/// `20ms`, `0.5s`.
fn time(value: &str) -> Option<Duration> {
    let (number, unit) = match value.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (value.strip_suffix('s')?, 1.0),
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    (0.0..=LONGEST_DELAY).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Damages packets; the same seed does the same to the same packets.
#[derive(Debug)]
pub struct Fault {
    loss: Share,
    duplicate: Share,
    corrupt: Share,
    reorder: Share,
    delay: Duration,
    mark: Share,
    random: Random,
}

/// A probability in 2^-32.
#[derive(Clone, Copy, Debug)]
struct Share(u64);

impl Share {
    fn new(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * 4_294_967_296.0) as u64)
    }

    fn hits(self, random: &mut Random) -> bool {
        u64::from(random.u32()) < self.0
    }
}

impl Fault {
    /// A network of this quality.
    pub fn new(impairments: Impairments, seed: [u8; 32]) -> Self {
        Self {
            loss: Share::new(impairments.loss),
            duplicate: Share::new(impairments.duplicate),
            corrupt: Share::new(impairments.corrupt),
            reorder: Share::new(impairments.reorder),
            delay: impairments.delay,
            mark: Share::new(impairments.mark),
            random: Random::new(seed),
        }
    }

    /// Whether packets arrive later.
    pub(super) fn delays(&self) -> bool {
        self.reorder.0 > 0 || !self.delay.is_zero()
    }

    /// How much later the next packet arrives.
    pub(super) fn next_delay(&mut self) -> Duration {
        let is_late = self.reorder.0 > 0 && self.reorder.hits(&mut self.random);
        if is_late { self.delay + REORDER_DELAY } else { self.delay }
    }

    /// The bit of the next packet, of so many bytes, that is wrong.
    fn wrong_bit(&mut self, len: usize) -> Option<(usize, u8)> {
        let is_wrong = self.corrupt.0 > 0 && len > 0 && self.corrupt.hits(&mut self.random);
        is_wrong.then(|| (self.random.u32() as usize % len, 1 << (self.random.u32() % 8)))
    }

    /// How often the next packet goes through.
    fn copies(&mut self) -> usize {
        match (self.loss.hits(&mut self.random), self.duplicate.hits(&mut self.random)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        }
    }

    /// The ECN field of the next packet, or of the next run of packets.
    fn marked(&mut self, ecn: Ecn) -> Ecn {
        let is_capable = self.mark.0 > 0 && matches!(ecn, Ecn::Ect0 | Ecn::Ect1);
        if is_capable && self.mark.hits(&mut self.random) { Ecn::CongestionExperienced } else { ecn }
    }

    /// Puts into `passed` what gets through of a batch.
    pub(super) fn pass(&mut self, batch: &[Transmit], bytes: &[u8], passed: &mut Outbox) {
        for (transmit, run) in runs(batch, bytes) {
            let before = passed.bytes.len();
            // All packets of a run but its last one have the same size, so what is left is a run, as long
            // as the shorter last packet stays the last one.
            let segment = transmit.segment_size.max(1);
            for packet in run.chunks(segment) {
                let copies = self.copies();
                for copy in 0..copies {
                    if copy > 0 && packet.len() < segment {
                        break;
                    }
                    let start = passed.bytes.len();
                    passed.bytes.extend_from_slice(packet);
                    if let Some((at, bit)) = self.wrong_bit(packet.len()) {
                        passed.bytes[start + at] ^= bit;
                    }
                }
            }
            let len = passed.bytes.len() - before;
            if len > 0 {
                let ecn = self.marked(transmit.ecn);
                passed.transmits.push(Transmit { len, ecn, ..*transmit });
            }
        }
    }

    /// Takes packets out of what came, from `first` on, and doubles others.
    pub(super) fn lose(&mut self, packets: &mut Vec<Received>, first: usize) {
        let came = packets.split_off(first.min(packets.len()));
        for mut packet in came {
            packet.ecn = self.marked(packet.ecn);
            if let Some((at, bit)) = self.wrong_bit(packet.datagram.len()) {
                let mut bytes = packet.datagram.to_vec();
                bytes[at] ^= bit;
                packet.datagram = Bytes::from(bytes);
            }
            let copies = self.copies();
            packets.extend(std::iter::repeat_n(packet, copies));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impairments_are_read_from_the_command_line() {
        let all = Impairments {
            loss: 0.01,
            duplicate: 0.005,
            corrupt: 0.001,
            reorder: 0.03,
            delay: Duration::from_millis(20),
            mark: 0.02,
        };
        let text = "loss=1%, duplicate=0.5%, corrupt=0.1%,reorder=3%,delay=20ms, mark=2%";
        assert_eq!(text.parse(), Ok(all));
        assert_eq!("loss=100%".parse(), Ok(Impairments { loss: 1.0, ..Impairments::default() }));
        assert_eq!("dup=1%,delay=0.5s".parse::<Impairments>().unwrap().delay, Duration::from_millis(500));
        for wrong in [
            "",
            "loss",
            "loss=1",
            "loss=-1%",
            "loss=101%",
            "delay=1%",
            "delay=11s",
            "delay=-1ms",
            "loss=NaN%",
        ] {
            assert!(wrong.parse::<Impairments>().is_err(), "{wrong}");
        }
    }
}
