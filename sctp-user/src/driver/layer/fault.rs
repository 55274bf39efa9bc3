//! A bad network around a good driver: packets get lost, doubled and marked, in both directions, by a seed.

use std::str::FromStr;

use sctp_core::net::Ecn;
use sctp_core::rng::Random;

use crate::driver::{Outbox, Received, Transmit, outbox::runs};

/// How bad the network is. The text form is `loss=1%,duplicate=0.5%,mark=2%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairments {
    /// Share of packets that get lost, 0 to 1.
    pub loss: f64,
    /// Share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of ECN-capable packets that get a mark of congestion (RFC 3168, 5), 0 to 1.
    pub mark: f64,
}

/// A text that names no impairments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no impairment: write loss=1%, duplicate=0.5% or mark=2%, with commas between them")]
pub struct ImpairmentError(String);

impl FromStr for Impairments {
    type Err = ImpairmentError;

    fn from_str(text: &str) -> Result<Self, ImpairmentError> {
        let mut impairments = Self::default();
        for item in text.split(',') {
            let share = |value: &str| {
                let percent: f64 = value.strip_suffix('%')?.trim().parse().ok()?;
                (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
            };
            let field = match item.split_once('=').map(|(name, value)| (name.trim(), share(value.trim()))) {
                Some(("loss", Some(share))) => (&mut impairments.loss, share),
                Some(("duplicate", Some(share))) => (&mut impairments.duplicate, share),
                Some(("mark", Some(share))) => (&mut impairments.mark, share),
                _ => return Err(ImpairmentError(item.to_owned())),
            };
            *field.0 = field.1;
        }
        Ok(impairments)
    }
}

/// Damages packets; the same seed does the same to the same packets.
#[derive(Debug)]
pub struct Fault {
    loss: Share,
    duplicate: Share,
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
            mark: Share::new(impairments.mark),
            random: Random::new(seed),
        }
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
                    passed.bytes.extend_from_slice(packet);
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
        let all = Impairments { loss: 0.01, duplicate: 0.005, mark: 0.02 };
        assert_eq!("loss=1%, duplicate=0.5%, mark=2%".parse(), Ok(all));
        assert_eq!("loss=100%".parse(), Ok(Impairments { loss: 1.0, ..Impairments::default() }));
        for wrong in ["", "loss", "loss=1", "loss=-1%", "loss=101%", "delay=1%", "loss=NaN%"] {
            assert!(wrong.parse::<Impairments>().is_err(), "{wrong}");
        }
    }
}
