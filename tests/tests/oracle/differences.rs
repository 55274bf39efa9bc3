//! The differences that have a reason: `tests/oracle/differences.toml`.

use serde::Deserialize;

use crate::SOURCES;
use crate::compare::Hunk;

/// A difference, and why ours is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// `family.case`
    case: String,
    #[serde(default)]
    linux: Vec<String>,
    #[serde(default)]
    ours: Vec<String>,
    /// The clause by which ours is right, as `RFC 6458, 8.1.4`, and what it says in a few words.
    because: Option<String>,
    /// Or: ours is wrong, and what is to be done.
    open: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Table {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// What came of comparing.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How many facts differ with a reason.
    pub justified: usize,
    /// How many facts ours is known to state wrongly.
    pub open: usize,
    /// Differences without a reason, and reasons without a difference.
    pub errors: Vec<String>,
}

/// Looks each difference up in the table.
pub(crate) fn judge(hunks: &[Hunk]) -> Verdict {
    let path = format!("{SOURCES}/differences.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let table: Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    judge_by(table, hunks)
}

fn judge_by(table: Table, hunks: &[Hunk]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut reasons = table.difference;
    for hunk in hunks {
        let is_meant = |reason: &Difference| {
            reason.case == hunk.case && reason.linux == hunk.linux && reason.ours == hunk.ours
        };
        match reasons.iter().position(is_meant) {
            Some(place) => verdict.count(&reasons.swap_remove(place), hunk),
            None => verdict.errors.push(hunk.to_string()),
        }
    }
    let unused =
        |reason: &Difference| format!("{}: no longer differs as differences.toml has it", reason.case);
    verdict.errors.extend(reasons.iter().map(unused));
    verdict
}

impl Verdict {
    fn count(&mut self, reason: &Difference, hunk: &Hunk) {
        let facts = hunk.linux.len().max(hunk.ours.len());
        match (&reason.because, &reason.open) {
            (Some(clause), None) if clause.contains("RFC ") => self.justified += facts,
            (None, Some(_)) => self.open += facts,
            _ => self
                .errors
                .push(format!("{}: needs `because`, which names a clause of an RFC, or `open`", hunk.case)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAUSE: &str = "because = \"RFC 6458, 8.1.4\"";

    fn table(because: &str) -> Table {
        let text = format!("[[difference]]\ncase = \"f.c\"\nlinux = [\"a\"]\nours = [\"b\"]\n{because}");
        toml::from_str(&text).unwrap()
    }

    fn hunk(ours: &str) -> Hunk {
        Hunk { case: "f.c".to_owned(), linux: vec!["a".to_owned()], ours: vec![ours.to_owned()] }
    }

    #[test]
    fn a_difference_with_a_reason_is_no_error() {
        let verdict = judge_by(table(CLAUSE), &[hunk("b")]);
        assert!(verdict.errors.is_empty(), "{verdict:?}");
        assert_eq!((verdict.justified, verdict.open), (1, 0));
    }

    #[test]
    fn a_difference_in_which_ours_is_wrong_is_counted_by_itself() {
        let verdict = judge_by(table("open = \"to be done\""), &[hunk("b")]);
        assert!(verdict.errors.is_empty(), "{verdict:?}");
        assert_eq!((verdict.justified, verdict.open), (0, 1));
    }

    #[test]
    fn a_reason_without_its_difference_is_an_error() {
        assert_eq!(judge_by(table(CLAUSE), &[]).errors.len(), 1);
        assert_eq!(judge_by(table(CLAUSE), &[hunk("x")]).errors.len(), 2);
    }

    #[test]
    fn a_reason_without_a_clause_is_an_error() {
        assert_eq!(judge_by(table("because = \"we like it so\""), &[hunk("b")]).errors.len(), 1);
        assert_eq!(judge_by(table(""), &[hunk("b")]).errors.len(), 1);
    }
}
