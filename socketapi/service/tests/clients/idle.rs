//! Whether a process waits, or turns in circles.

use std::fs::File;
use std::io::{Read, Seek};
use std::thread;
use std::time::Duration;

/// Fails if this process uses its processor though nothing is to be done. `stat` is its file below `/proc`.
pub(crate) fn assert_idle(stat: &File) {
    let before = ticks(stat);
    // What is looked at is the time that passes.
    thread::sleep(Duration::from_millis(500));
    let used = ticks(stat) - before;
    assert!(used < 20, "{used} hundredths of a second, with nothing to do");
}

/// Processor time of this process, in ticks (a hundredth of a second).
fn ticks(mut stat: &File) -> u64 {
    let mut text = String::new();
    stat.rewind().unwrap();
    stat.read_to_string(&mut text).unwrap();
    let fields: Vec<_> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
