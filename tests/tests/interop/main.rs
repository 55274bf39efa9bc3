//! Interoperability: one list of cases, done with the Linux kernel's SCTP and with usrsctp, and the table of what was
//! seen, `docs/interop.md`.
//!
//! ```text
//! cargo test -p system-tests --test interop                       all cases; the table must name the same ones
//! cargo test -p system-tests --test interop -- usrsctp "restarts" those of whose names each word is a part
//! cargo test -p system-tests --test interop -- --write-table      all cases, then writes the table
//! cargo test -p system-tests --test interop -- --repeat=100 --loss=3 linux interleaving
//!                                                                 each 100 times, each time losing other packets; where some
//!                                                                 are lost, 3 % of them
//! ```
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
use system_tests::{Options, attempt, conclude, is_installed_or_skip, is_root_or_skip};

use crate::cases::Case;
use crate::ground::{Ground, Hosts};
use crate::peer::Stack;
use crate::table::{Cell, Table};

fn main() -> ExitCode {
    let options = Options::read();
    if !can_run() {
        return ExitCode::SUCCESS;
    }
    let table = Mutex::new(Table::default());
    std::thread::scope(|scope| {
        for stack in Stack::ALL {
            let (options, table) = (&options, &table);
            scope.spawn(move || run_all(stack, options, table));
        }
    });
    let mut table = table.into_inner();
    if options.filter.is_empty() && table.failed() == 0 {
        if options.has("--write-table") {
            table.write();
        }
        table.check();
    }
    conclude(table.passed(), table.failed())
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
fn run_all(stack: Stack, options: &Options, table: &Mutex<Table>) {
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
                Some((_, why)) => Cell::NotDone(why),
                None => run(case, &mut ground),
            };
            table.lock().enter(stack, case, cell);
        }
    });
}

fn name(stack: Stack, case: &Case) -> String {
    format!("{}: {}: {}", stack.name(), case.feature, case.what)
}

/// Does one case. After a failure nobody knows what the peer does: it is replaced.
fn run(case: &Case, ground: &mut Ground<'_>) -> Cell {
    // It may be there, of a case before.
    let _ = std::fs::remove_file(ground.capture());
    let measured = attempt(&name(ground.stack, case), || {
        let measured = (case.run)(ground);
        ground.peer.tell("close");
        measured
    });
    measured.map_or_else(
        || {
            report(ground);
            ground.restart_peer();
            Cell::Failed
        },
        Cell::Seen,
    )
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
