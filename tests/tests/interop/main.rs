//! Interoperability: one list of cases, done with the Linux kernel's SCTP and with usrsctp, and the table of what was
//! seen, `docs/interop.md`.
//!
//! ```text
//! cargo test -p system-tests --test interop                       all cases; the table must name the same ones
//! cargo test -p system-tests --test interop -- usrsctp "restarts" those of whose names each word is a part
//! cargo test -p system-tests --test interop -- --write-table      all cases, then writes the table
//! ```
//!
//! It is a program of its own, not one of libtest's, because all cases of a peer share one boot of its kernel.

mod cases;
mod driver;
mod ground;
mod ours;
mod peer;
mod table;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use parking_lot::Mutex;
use system_tests::{is_installed_or_skip, is_root_or_skip};

use crate::cases::Case;
use crate::ground::{Ground, Hosts};
use crate::peer::Stack;
use crate::table::{Cell, Table};

fn main() -> ExitCode {
    let (options, filter): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if !can_run() {
        return ExitCode::SUCCESS;
    }
    let table = Mutex::new(Table::default());
    std::thread::scope(|scope| {
        for stack in Stack::ALL {
            let (filter, table) = (&filter, &table);
            scope.spawn(move || run_all(stack, filter, table));
        }
    });
    let mut table = table.into_inner();
    if filter.is_empty() && table.failed() == 0 {
        if options.iter().any(|option| option == "--write-table") {
            table.write();
        }
        table.check();
    }
    let (verdict, code) = match table.failed() {
        0 => ("ok", ExitCode::SUCCESS),
        _ => ("FAILED", ExitCode::FAILURE),
    };
    // As libtest says it: `tests/run` counts.
    println!("test result: {verdict}. {} passed; {} failed; finished", table.passed(), table.failed());
    code
}

fn can_run() -> bool {
    is_root_or_skip()
        && is_installed_or_skip("gcc", "gcc")
        && is_installed_or_skip("/usr/bin/linux.uml", "user-mode-linux")
        && is_installed_or_skip("busybox", "busybox-static")
        && is_installed_or_skip("/usr/include/netinet/sctp.h", "libsctp-dev")
        && is_installed_or_skip("/usr/include/usrsctp.h", "libusrsctp-dev")
}

/// Does all cases with one peer, each after the other. The other peer's go on meanwhile, on hosts of their own.
fn run_all(stack: Stack, filter: &[String], table: &Mutex<Table>) {
    let selected: Vec<_> = cases::all().filter(|case| is_selected(stack, case, filter)).collect();
    if selected.is_empty() {
        return;
    }
    let hosts = Hosts::new(stack);
    hosts.ours.inside(|| {
        let mut ground = Ground::new(stack, &hosts);
        for case in selected {
            let cell = match case.not_done.iter().find(|(without, _)| *without == stack) {
                Some((_, why)) => Cell::NotDone(why),
                None => run(case, &mut ground),
            };
            table.lock().enter(stack, case, cell);
        }
    });
}

fn is_selected(stack: Stack, case: &Case, filter: &[String]) -> bool {
    let name = name(stack, case);
    filter.iter().all(|word| name.contains(word.as_str()))
}

fn name(stack: Stack, case: &Case) -> String {
    format!("{}: {}: {}", stack.name(), case.feature, case.what)
}

/// Does one case. After a failure nobody knows what the peer does: it is replaced.
fn run(case: &Case, ground: &mut Ground<'_>) -> Cell {
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let measured = (case.run)(ground);
        ground.peer.tell("close");
        measured
    }));
    let (verdict, cell) = match outcome {
        Ok(measured) => ("ok", Cell::Seen(measured)),
        Err(_) => {
            println!("the peer said:\n{}", ground.peer.output());
            ground.restart_peer();
            ("FAILED", Cell::Failed)
        }
    };
    println!(
        "test {} ... {verdict} ({:.2} s) {cell:?}",
        name(ground.stack, case),
        start.elapsed().as_secs_f64()
    );
    cell
}
