//! Test programs that are not libtest's: their command line, their cases, and what they say in the end.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    words: Vec<String>,
    /// Words that the names of the cases must hold.
    pub filter: Vec<String>,
}

impl Options {
    /// Those of this process.
    pub fn read() -> Self {
        let (words, filter) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
        Self { words, filter }
    }

    /// Whether a case of this name was asked for.
    pub fn select(&self, name: &str) -> bool {
        self.filter.iter().all(|word| name.contains(word.as_str()))
    }

    /// Whether there is this word.
    pub fn has(&self, option: &str) -> bool {
        self.words.iter().any(|word| word == option)
    }

    /// The number in `--name=number`.
    ///
    /// # Panics
    /// If it is none.
    pub fn number(&self, name: &str) -> Option<u32> {
        let text = self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a number, as in {name}=3")))
    }
}

/// Does a case; its name and what came of it are printed. None if it panicked.
pub fn attempt<T: Display>(name: &str, case: impl FnOnce() -> T) -> Option<T> {
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(case)).ok();
    let verdict = outcome.as_ref().map_or("FAILED", |_| "ok");
    let told = outcome.as_ref().map_or_else(String::new, |outcome| format!(" {outcome}"));
    println!("test {name} ... {verdict} ({:.2} s){told}", start.elapsed().as_secs_f64());
    outcome
}

/// Says how many cases passed and failed as libtest does, which `tests/run` counts.
pub fn conclude(passed: usize, failed: usize) -> ExitCode {
    let (verdict, code) = match failed {
        0 => ("ok", ExitCode::SUCCESS),
        _ => ("FAILED", ExitCode::FAILURE),
    };
    println!("test result: {verdict}. {passed} passed; {failed} failed; finished");
    code
}
