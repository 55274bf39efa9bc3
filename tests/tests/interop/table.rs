//! `docs/interop.md`: what was seen in the last run that wrote it.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::cases::{self, Case};
use crate::peer::Stack;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md");

const HEAD: &str = "# Interoperability

What was seen between this stack and two others: the SCTP of the Linux kernel (Debian's user-mode-linux) and usrsctp
(Debian's library, in user space). Each cell is a test that runs in CI, over two real networks of two hosts
(namespaces), plain IP unless it says UDP. A test fails unless every message arrived once, in order within its stream
and with the bytes that were sent, except for what a case gives up on purpose.

Written by `cargo test -p system-tests --test interop -- --write-table` (root), never by hand. CI fails if a case
fails, or if this table and the run do not name the same cases. Times and rates are those of one run on a busy virtual
machine, and rates from and to Linux those of a kernel that runs as a process: read them as orders of magnitude.

\"yes\" is what was done and seen; \"peer: no\" is what the other stack does not have, and where that is said (a case beside
it shows that our offer does no harm then); \"no\" is what fails, and why.
";

/// What came of one case with one peer.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// It went as it should; what was measured.
    Seen(String),
    /// It is not done with this peer; why.
    NotDone(&'static str),
}

impl Cell {
    /// Before the colon stands what is the same in each run.
    fn text(&self) -> String {
        match self {
            Self::Seen(measured) => format!("yes: {measured}"),
            Self::NotDone(why) => (*why).to_owned(),
        }
    }
}

/// The cells of a run.
#[derive(Default)]
pub(crate) struct Table {
    cells: Vec<(Stack, &'static str, &'static str, Cell)>,
}

impl Table {
    pub(crate) fn enter(&mut self, stack: Stack, case: &Case, cell: Cell) {
        self.cells.push((stack, case.feature, case.what, cell));
    }

    pub(crate) fn passed(&self) -> usize {
        self.cells.iter().filter(|(.., cell)| matches!(cell, Cell::Seen(_))).count()
    }

    /// Writes the table of this run.
    pub(crate) fn write(&self) {
        std::fs::write(FILE, self.text()).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    }

    /// In what the table in the repository and this run differ, except for what was measured.
    pub(crate) fn differences(&self) -> Vec<String> {
        let there = std::fs::read_to_string(FILE).unwrap_or_else(|error| panic!("{FILE}: {error}"));
        let (there, here) = (verdicts(&there), verdicts(&self.text()));
        let unseen = there
            .difference(&here)
            .map(|row| format!("docs/interop.md says what this run has not seen: {row}"));
        let lacking =
            here.difference(&there).map(|row| format!("docs/interop.md lacks: {row}; write it anew"));
        unseen.chain(lacking).collect()
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}\n{}", self.summary());
        let mut feature = "";
        for case in cases::all() {
            if case.feature != feature {
                feature = case.feature;
                write!(text, "\n## {feature}\n\n{}", head("")).expect("a String takes all");
            }
            let cells = Stack::ALL.map(|stack| self.cell(stack, case).map_or_else(String::new, Cell::text));
            writeln!(text, "| {} | {} |", case.what, cells.join(" | ")).expect("a String takes all");
        }
        text
    }

    /// Of each feature, how many of its cases were seen with each peer.
    fn summary(&self) -> String {
        let mut text = format!("## In short\n\n{}", head("feature "));
        let mut features: Vec<_> = cases::all().map(|case| case.feature).collect();
        features.dedup();
        for feature in features {
            let counts = Stack::ALL.map(|stack| self.count(stack, feature));
            writeln!(text, "| {feature} | {} |", counts.join(" | ")).expect("a String takes all");
        }
        text
    }

    fn count(&self, stack: Stack, feature: &str) -> String {
        let cells = self.cells.iter().filter(|entry| (entry.0, entry.1) == (stack, feature));
        let (all, seen) =
            (cells.clone().count(), cells.filter(|entry| matches!(entry.3, Cell::Seen(_))).count());
        if seen == all { format!("yes, {seen} cases") } else { format!("{seen} of {all} cases") }
    }

    fn cell(&self, stack: Stack, case: &Case) -> Option<&Cell> {
        let is_it =
            |entry: &&(Stack, _, _, _)| entry.0 == stack && entry.1 == case.feature && entry.2 == case.what;
        self.cells.iter().find(is_it).map(|(.., cell)| cell)
    }
}

/// The first lines of a table.
fn head(first: &str) -> String {
    let peers = Stack::ALL.map(Stack::title).join(" | ");
    format!("| {first}| {peers} |\n{}|\n", "|---".repeat(Stack::ALL.len() + 1))
}

/// The rows of a table without what was measured: feature, case, and a verdict for each peer.
fn verdicts(text: &str) -> BTreeSet<String> {
    let mut feature = "";
    let mut rows = BTreeSet::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            feature = title;
        } else if let Some(row) = line.strip_prefix("| ") {
            let cells = row.split(" | ").map(|cell| cell.split(':').next().unwrap_or_default().trim());
            rows.insert(format!("{feature}: {}", cells.collect::<Vec<_>>().join("; ")));
        }
    }
    rows
}
