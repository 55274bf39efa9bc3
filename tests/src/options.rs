//! The command line of test programs that are not libtest's.

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
