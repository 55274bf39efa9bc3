//! Interoperability: one list of cases, done with the Linux kernel's SCTP and with usrsctp, and the table of what was
//! seen, `docs/interop.md`. How it is run: [`HELP`].
//!
//! Where a case fails, our side and the peer tell what they know; of associations that lost packets a capture stays.
//!
//! It is a program of its own, not one of libtest's, because all cases of a peer share one boot of its kernel.

mod cases;
mod driver;
mod ground;
mod ours;
mod peer;
mod table;
mod wire;

use std::process::ExitCode;

use parking_lot::Mutex;
use system_tests::{Options, Run, is_installed_or_skip, is_root_or_skip};

use crate::cases::Case;
use crate::ground::{Ground, Hosts};
use crate::peer::Stack;
use crate::table::{Cell, Table};

const HELP: &str = "\
tests/suite system-tests/interop                        all cases; the table must name the same ones
tests/suite system-tests/interop -- usrsctp restarts    those of whose names each word is a part
tests/suite system-tests/interop -- --write-table       all cases, then writes the table, docs/interop.md
tests/suite system-tests/interop -- --repeat=100 --loss=3 linux interleaving
                                                        each 100 times, each time losing other packets; where some
                                                        are lost, 3 % of them

Exit code 0 only if all went well.";

fn main() -> ExitCode {
    let Some(options) = Options::read(HELP) else { return ExitCode::SUCCESS };
    if !can_run() {
        return ExitCode::SUCCESS;
    }
    let (all, table) = (Run::default(), Mutex::new(Table::default()));
    std::thread::scope(|scope| {
        for stack in Stack::ALL {
            let (all, options, table) = (&all, &options, &table);
            scope.spawn(move || run_all(all, stack, options, table));
        }
    });
    let table = table.into_inner();
    if options.filter.is_empty() && all.is_clean() {
        if options.has("--write-table") {
            table.write();
        }
        table.differences().into_iter().for_each(|difference| all.fail(difference));
    }
    all.conclude(table.passed())
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
fn run_all(all: &Run, stack: Stack, options: &Options, table: &Mutex<Table>) {
    let selected: Vec<_> = cases::all().filter(|case| options.select(&name(stack, case))).collect();
    if selected.is_empty() {
        return;
    }
    let hosts = Hosts::new(stack);
    hosts.ours.inside(|| {
        let mut ground = Ground::new(stack, &hosts);
        ground.loss = options.number("--loss");
        let times = options.number("--repeat").unwrap_or(1);
        for (time, case) in (0..times).flat_map(|time| selected.iter().map(move |case| (time, case))) {
            ground.seed[..4].copy_from_slice(&(0x0707_0707 + time).to_be_bytes());
            let cell = match case.not_done.iter().find(|(without, _)| *without == stack) {
                Some((_, why)) => Some(Cell::NotDone(why)),
                None => run(all, case, &mut ground),
            };
            cell.into_iter().for_each(|cell| table.lock().enter(stack, case, cell));
        }
    });
}

fn name(stack: Stack, case: &Case) -> String {
    format!("{}: {}: {}", stack.name(), case.feature, case.what)
}

/// Does one case. After a failure nobody knows what the peer does: it is replaced.
fn run(all: &Run, case: &Case, ground: &mut Ground<'_>) -> Option<Cell> {
    // It may be there, of a case before.
    let _ = std::fs::remove_file(ground.capture());
    let measured = all.attempt(&name(ground.stack, case), || {
        let measured = (case.run)(ground);
        ground.peer.tell("close");
        measured
    });
    if measured.is_none() {
        report(ground);
        ground.restart_peer();
    }
    measured.map(Cell::Seen)
}

/// What is known of a case that failed.
fn report(ground: &Ground<'_>) {
    println!("the peer said:\n{}", folded(ground.peer.output()));
    let (capture, kept) =
        (ground.capture(), ground.capture().with_extension(format!("{}.pcapng", ground.our_port())));
    // There is none if nothing was to be lost.
    if std::fs::rename(&capture, &kept).is_ok() {
        println!("packets: {}", kept.display());
    }
}

/// Lines, those that repeat the one before counted.
fn folded(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let runs = lines.chunk_by(|one, other| one == other);
    let tell = |run: &[&str]| {
        if run.len() == 1 { run[0].to_owned() } else { format!("{} ({} times)", run[0], run.len()) }
    };
    runs.map(tell).collect::<Vec<_>>().join("\n")
}
