//! Test programs that are not libtest's: their command line, their cases, and what they say in the end.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use parking_lot::Mutex;

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    words: Vec<String>,
    /// Words that the names of the cases must hold.
    pub filter: Vec<String>,
}

impl Options {
    /// Those of this process. None if it was asked for `help`, which is printed then.
    pub fn read(help: &str) -> Option<Self> {
        let (words, filter): (Vec<_>, _) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
        if words.iter().any(|word| word == "--help" || word == "-h") {
            println!("{help}");
            return None;
        }
        Some(Self { words, filter })
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

/// A run of such a program: does cases, from several threads if need be, and keeps what failed for the end.
#[derive(Debug, Default)]
pub struct Run {
    failures: Mutex<Vec<String>>,
}

impl Run {
    /// Does a case; its name and what came of it are printed. None if it panicked.
    pub fn attempt<T: Display>(&self, name: &str, case: impl FnOnce() -> T) -> Option<T> {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(case));
        let verdict = outcome.as_ref().map_or("FAILED", |_| "ok");
        let told = outcome.as_ref().map_or_else(|_| String::new(), |outcome| format!(" {outcome}"));
        println!("test {name} ... {verdict} ({:.2} s){told}", start.elapsed().as_secs_f64());
        outcome.inspect_err(|panic| self.fail(format!("{name}: {}", message(panic.as_ref())))).ok()
    }

    /// Enters a failure that is no case's.
    pub fn fail(&self, what: String) {
        self.failures.lock().push(what);
    }

    /// Whether nothing has failed so far.
    pub fn is_clean(&self) -> bool {
        self.failures.lock().is_empty()
    }

    /// Says what failed, and how many cases passed and failed, as libtest does, which `tests/run` repeats and counts.
    pub fn conclude(self, passed: usize) -> ExitCode {
        let failures = self.failures.into_inner();
        let (verdict, code) = match failures.len() {
            0 => ("ok", ExitCode::SUCCESS),
            _ => ("FAILED", ExitCode::FAILURE),
        };
        if !failures.is_empty() {
            println!("failures:\n    {}", failures.join("\n    "));
        }
        println!("test result: {verdict}. {passed} passed; {} failed; finished", failures.len());
        code
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref().map(String::as_str));
    text.unwrap_or("a panic without a text")
}
