//! What an attack has achieved.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rserpool::wire::ErrorCause;

use super::Kind;

/// Counts of one attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    kind: Kind,
    /// Messages sent.
    pub sent: u64,
    /// Messages that could not be sent: no association, no room, or nothing to say.
    pub held_back: u64,
    /// Requests that were granted.
    pub granted: u64,
    /// Requests that were refused, by the registrar's reason.
    pub denied: BTreeMap<String, u64>,
    /// Elements that resolutions brought and that were reported as unreachable.
    pub reported: u64,
    /// Associations that were begun.
    pub opened: u64,
    /// Associations that came up.
    pub up: u64,
    /// Associations that did not come up.
    pub refused: u64,
    /// Associations that the registrar has ended.
    pub lost: u64,
    /// How long.
    pub duration: Duration,
}

impl Tally {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            sent: 0,
            held_back: 0,
            granted: 0,
            denied: BTreeMap::new(),
            reported: 0,
            opened: 0,
            up: 0,
            refused: 0,
            lost: 0,
            duration: Duration::ZERO,
        }
    }

    pub(super) fn note_answer(&mut self, is_granted: bool, errors: &[ErrorCause]) {
        match is_granted {
            true => self.granted += 1,
            false => *self.denied.entry(ErrorCause::list(errors)).or_default() += 1,
        }
    }

    /// What it has done so far.
    pub(super) fn in_short(&self) -> String {
        let (what, count) = self.strikes();
        format!("{count} {what}")
    }

    fn strikes(&self) -> (&'static str, u64) {
        match self.kind {
            Kind::Registration => ("registrations", self.sent),
            Kind::HandleResolution => ("handle resolutions", self.sent),
            Kind::Report => ("reports of unreachable elements", self.sent),
            Kind::Association => ("associations", self.opened),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs_f64();
        let (what, count) = self.strikes();
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        write!(f, "{count} {what} in {seconds:.1} s: {rate:.1} per second; {} held back", self.held_back)?;
        write!(
            f,
            "\nassociations: {} of {} came up, {} ended by the registrar",
            self.up, self.opened, self.lost
        )?;
        if self.kind == Kind::Report {
            return Ok(());
        }
        write!(f, "\nanswers: {} granted", self.granted)?;
        self.denied.iter().try_for_each(|(reason, count)| write!(f, ", {count} refused ({reason})"))?;
        let denied: u64 = self.denied.values().sum();
        write!(f, ", {} not answered", self.sent.saturating_sub(self.granted + denied))?;
        match self.reported {
            0 => Ok(()),
            reported => write!(f, "; {reported} elements reported as unreachable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rserpool::wire::CauseCode;

    use super::*;

    #[test]
    fn an_attack_is_summed_up_in_three_lines() {
        let mut tally = Tally::new(Kind::Registration);
        (tally.sent, tally.opened, tally.up, tally.lost) = (600, 10, 10, 1);
        tally.duration = Duration::from_secs(2);
        tally.note_answer(true, &[]);
        let full = [ErrorCause::bare(CauseCode::LACK_OF_RESOURCES)];
        (0..500).for_each(|_| tally.note_answer(false, &full));
        let expected = "600 registrations in 2.0 s: 300.0 per second; 0 held back\n\
            associations: 10 of 10 came up, 1 ended by the registrar\n\
            answers: 1 granted, 500 refused (lack of resources), 99 not answered";
        assert_eq!(tally.to_string(), expected);
    }
}
