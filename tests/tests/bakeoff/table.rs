//! `docs/bakeoff.md`: what was seen in the last run that wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::ground::Evidence;
use crate::items::{Item, Section};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bakeoff.md");

/// Results.
const PASSED: &str = "passed";
const FAILED: &str = "FAILED";

const HEAD: &str = "# Bake-off

The items of draft-dreibholz-rserpool-score-29 (44 items, 157 points), done by our programs with RSPLIB 3.4.4 as the peer:
its programs as Debian has them, over our SCTP, on a host (namespace) of their own. An item passes only if the capture of the
network between both hosts shows it, judged by tshark's dissectors of ASAP and ENRP: what is named are the packets that
did.

RSPLIB's registrars send no Takeover Server (3.4-3): that is shown beside a live one, by another registrar of ours and by RSPLIB's own
message (`tests/vectors`) from a speaker in its place.

Written by `tests/suite system-tests/bakeoff -- --write-table` (root), never by hand. Each run makes the captures anew, in
`target/tmp/bakeoff`. CI fails if an item does not pass. By the draft's own words such points are not for marketing.
";

/// What came of the items of a run: what shows them, or nothing if they failed.
pub(crate) struct Table<'a> {
    sections: &'a [Section],
    outcomes: BTreeMap<&'a str, Option<Evidence>>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(sections: &'a [Section]) -> Self {
        Self { sections, outcomes: BTreeMap::new() }
    }

    pub(crate) fn enter(&mut self, item: &'a Item, outcome: Option<Evidence>) {
        self.outcomes.insert(&item.number, outcome);
    }

    pub(crate) fn passed(&self) -> usize {
        self.outcomes.values().flatten().count()
    }

    /// Writes the table of this run.
    pub(crate) fn write(&self) {
        std::fs::write(FILE, self.text()).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    }

    /// The items that passed of which the table in the repository does not say so.
    pub(crate) fn differences(&self) -> Vec<String> {
        let there = std::fs::read_to_string(FILE).unwrap_or_else(|error| panic!("{FILE}: {error}"));
        let there: BTreeSet<_> = there.lines().filter_map(passed_item).collect();
        let here = self.outcomes.iter().filter_map(|(number, outcome)| outcome.is_some().then_some(*number));
        let lacking = here.filter(|number| !there.contains(number));
        lacking.map(|number| format!("docs/bakeoff.md lacks {number}: write it anew")).collect()
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
        let evidence = self.outcomes.get(item.number.as_str()).and_then(Option::as_ref);
        let (capture, result) =
            evidence.map_or((String::new(), FAILED), |evidence| (evidence.to_string(), PASSED));
        let points = format!("{} of {}", self.points(item), item.points);
        format!("| {} {} | {points} | {} | {capture} | {result} |", item.number, item.what, item.test_name)
    }

    fn points(&self, item: &Item) -> u32 {
        match self.outcomes.get(item.number.as_str()) {
            Some(Some(_)) => item.points,
            _ => 0,
        }
    }

    fn sum(&self) -> String {
        let items: Vec<_> = self.sections.iter().flat_map(|section| &section.items).collect();
        let all: u32 = items.iter().map(|item| item.points).sum();
        let earned: u32 = items.iter().map(|item| self.points(item)).sum();
        let others = items.iter().filter(|item| !item.without_rsplib);
        let with_rsplib: u32 = others.map(|item| self.points(item)).sum();
        let passed = self.passed();
        format!("{earned} of {all} points, {with_rsplib} with RSPLIB; {passed} of {} items.", items.len())
    }
}

/// The item's number, if this is the row of one that passed.
fn passed_item(line: &str) -> Option<&str> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (number, rest) = row.split_once(' ')?;
    (rest.rsplit_once(" | ")?.1 == PASSED).then_some(number)
}
