//! `docs/bakeoff.md`: what was seen in the last run that wrote it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::ground::Evidence;
use crate::items::{Item, Section};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bakeoff.md");

const HEAD: &str = "# Bake-off

The items of draft-dreibholz-rserpool-score-29 (44 items, 157 points), done by our programs with RSPLIB 3.4.4 as the peer:
its programs as Debian has them, over our SCTP, on a host (namespace) of their own. An item passes only if the capture of the
network between both hosts shows it, judged by tshark's dissectors of ASAP and ENRP: what is named are the packets that
did.

Written by `tests/suite system-tests/bakeoff -- --write-table` (root), never by hand. Each run makes the captures anew, in
`target/tmp/bakeoff`. CI fails if an item does not pass that this table says has passed. By the draft's own words such points are not for marketing.
";

const NOT_DONE: &str = "not done yet";

/// What came of an item.
pub(crate) enum Outcome {
    Passed(Evidence),
    Failed,
    NotDone,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed(_) => "passed",
            Self::Failed => "FAILED",
            Self::NotDone => NOT_DONE,
        })
    }
}

/// What came of the items of a run.
pub(crate) struct Table<'a> {
    sections: &'a [Section],
    outcomes: BTreeMap<&'a str, Outcome>,
    differences: usize,
}

impl<'a> Table<'a> {
    pub(crate) fn new(sections: &'a [Section]) -> Self {
        Self { sections, outcomes: BTreeMap::new(), differences: 0 }
    }

    pub(crate) fn enter(&mut self, item: &'a Item, outcome: Outcome) {
        self.outcomes.insert(&item.number, outcome);
    }

    pub(crate) fn passed(&self) -> usize {
        self.outcomes.values().filter(|outcome| matches!(outcome, Outcome::Passed(_))).count()
    }

    pub(crate) fn failed(&self) -> usize {
        let failed = self.outcomes.values().filter(|outcome| matches!(outcome, Outcome::Failed)).count();
        failed + self.differences
    }

    /// Writes the table of this run.
    pub(crate) fn write(&self) {
        std::fs::write(FILE, self.text()).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    }

    /// Says what the table in the repository says otherwise of the items of this run. It may claim less than is so, until it is
    /// written anew, but not more.
    pub(crate) fn check(&mut self) {
        let there = std::fs::read_to_string(FILE).unwrap_or_else(|error| panic!("{FILE}: {error}"));
        let here = self.text();
        let (there, here) = (results(&there), results(&here));
        for number in self.outcomes.keys() {
            match (there.get(*number), here.get(*number)) {
                (there, here) if there == here => {}
                (Some(&NOT_DONE), Some(_)) => println!("docs/bakeoff.md lacks {number}: write it anew"),
                (there, here) => {
                    println!("FAILED: docs/bakeoff.md says of {number}: {there:?}; this run: {here:?}");
                    self.differences += 1;
                }
            }
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}\n**{}**\n", self.sum());
        for section in self.sections {
            let head = "| item | points | test | capture | result |\n|---|---|---|---|---|";
            write!(text, "\n## {}\n\n{head}\n", section.title).expect("a String takes all");
            for item in &section.items {
                writeln!(text, "{}", self.row(item)).expect("a String takes all");
            }
        }
        text
    }

    fn row(&self, item: &Item) -> String {
        let outcome = self.outcomes.get(item.number.as_str()).unwrap_or(&Outcome::NotDone);
        let capture = match outcome {
            Outcome::Passed(evidence) => evidence.to_string(),
            _ => String::new(),
        };
        let points = format!("{} of {}", self.points(item), item.points);
        format!("| {} {} | {points} | {} | {capture} | {outcome} |", item.number, item.what, item.test_name)
    }

    fn points(&self, item: &Item) -> u32 {
        let has_passed = matches!(self.outcomes.get(item.number.as_str()), Some(Outcome::Passed(_)));
        if has_passed { item.points } else { 0 }
    }

    fn sum(&self) -> String {
        let items: Vec<_> = self.sections.iter().flat_map(|section| &section.items).collect();
        let (earned, all): (u32, u32) =
            (items.iter().map(|item| self.points(item)).sum(), items.iter().map(|item| item.points).sum());
        format!("{earned} of {all} points; {} of {} items.", self.passed(), items.len())
    }
}

/// The results by the items' numbers.
fn results(text: &str) -> BTreeMap<&str, &str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter_map(|row| Some((row.split_once(' ')?.0, row.rsplit_once(" | ")?.1))).collect()
}
