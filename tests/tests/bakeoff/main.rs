//! The bake-off: the items of draft-dreibholz-rserpool-score, done with RSPLIB as the peer, and the table of what was
//! seen, `docs/bakeoff.md`. An item passes only if its capture shows it: `target/tmp/bakeoff` keeps that of each item.
//! How it is run: [`HELP`].

mod cases;
mod crowd;
mod ground;
mod items;
mod table;

use std::collections::VecDeque;
use std::process::ExitCode;

use parking_lot::Mutex;
use system_tests::{Options, Run, has_judge_or_skip, has_rsplib_or_skip};

use crate::ground::{Evidence, Ground};
use crate::items::Item;
use crate::table::Table;

const HELP: &str = "\
tests/suite system-tests/bakeoff                        all items; the table must name those that pass
tests/suite system-tests/bakeoff -- 2.1 elements        those in whose name, as the table has it, each word is a part
tests/suite system-tests/bakeoff -- --write-table       all items, then writes the table, docs/bakeoff.md
tests/suite system-tests/bakeoff -- --jobs=8            so many at a time (4): most of the time they wait for timers

Exit code 0 only if all passed. The capture of each item is in target/tmp/bakeoff.";

fn main() -> ExitCode {
    let Some(options) = Options::read(HELP) else { return ExitCode::SUCCESS };
    if !(has_judge_or_skip() && has_rsplib_or_skip()) {
        return ExitCode::SUCCESS;
    }
    let sections = items::all();
    let all = sections.iter().flat_map(|section| &section.items);
    let selected: VecDeque<_> = all.filter(|item| options.select(&item.name())).collect();
    let mut table = Table::new(&sections);
    let queue = Mutex::new(selected);
    let outcomes = Mutex::new(Vec::new());
    let run = Run::default();
    std::thread::scope(|scope| {
        for _ in 0..options.number("--jobs").unwrap_or(4) {
            scope.spawn(|| work(&run, &queue, &outcomes));
        }
    });
    outcomes.into_inner().into_iter().for_each(|(item, outcome)| table.enter(item, outcome));
    if options.has("--write-table") && options.filter.is_empty() && run.is_clean() {
        table.write();
    }
    table.differences().into_iter().for_each(|difference| run.fail(difference));
    run.conclude(table.passed())
}

/// Does items until none is left, the last ones first: these wait longest.
fn work<'a>(
    run: &Run,
    queue: &Mutex<VecDeque<&'a Item>>,
    outcomes: &Mutex<Vec<(&'a Item, Option<Evidence>)>>,
) {
    loop {
        let Some(item) = queue.lock().pop_back() else { return };
        let outcome = run.attempt(&item.name(), || (item.test)(&Ground::new(item)));
        outcomes.lock().push((item, outcome));
    }
}
