//! What elements and users of CalcApp write down: vectors and scalars, in files as RSPLIB writes them (and OMNeT++ reads them).

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::output_file::OutputFile;

/// A vector file, or none.
#[derive(Debug)]
pub(super) struct Vector {
    file: Option<OutputFile>,
    heading: &'static str,
    lines: u64,
    /// Why nothing more is written.
    failure: Option<io::Error>,
}

impl Vector {
    /// Creates the file, which others may read while it grows; an empty name is for none.
    pub(super) fn create(path: &Path, heading: &'static str) -> io::Result<Self> {
        let file = named(path).map(OutputFile::create_in_place).transpose().map_err(advise)?;
        Ok(Self { file, heading, lines: 0, failure: None })
    }

    /// Writes a line behind its number. A file that cannot be written is given up: that is logged, and an error in the end.
    pub(super) fn write(&mut self, line: impl std::fmt::Display) {
        let Some(file) = &mut self.file else { return };
        let heading = if self.lines == 0 { self.heading } else { "" };
        self.lines += 1;
        if let Err(error) = writeln!(file, "{heading}{:06} {line}", self.lines) {
            tracing::error!(%error, "no more vectors are written");
            (self.file, self.failure) = (None, Some(error));
        }
    }

    /// There are no more lines.
    ///
    /// # Errors
    /// Why some are missing.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file = None;
        self.failure.take().map_or(Ok(()), Err).map_err(advise)
    }
}

/// Writes a scalar file; an empty name is for none.
pub(super) fn write_scalars(path: &Path, object: &str, scalars: &[(&str, String)]) -> io::Result<()> {
    let Some(path) = named(path) else { return Ok(()) };
    let mut text = String::from("run 1 \"scenario\"\n");
    scalars
        .iter()
        .for_each(|(name, value)| text.push_str(&format!("scalar \"{object}\" {name:<40} {value}\n")));
    write_whole(path, &text).map_err(advise)
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OutputFile::create(path)?;
    file.write_all(text.as_bytes())?;
    file.complete()
}

fn named(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

fn advise(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{error}; give another name, or none"))
}

/// Seconds since 1970.
pub(super) fn stamp() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_without_all_its_lines_is_an_error_in_the_end() {
        let write = |path: &str| {
            let mut vector = Vector::create(Path::new(path), "Heading\n").expect("it can be opened");
            (0..2).for_each(|line| vector.write(line));
            vector.finish()
        };
        assert!(write("/dev/null").is_ok() && write("").is_ok());
        let error = write("/dev/full").expect_err("no room").to_string();
        assert!(error.starts_with("cannot write /dev/full: "), "{error}");
    }

    #[test]
    fn who_cannot_write_says_which_file() {
        for path in ["/dev/full", "/"] {
            let error =
                write_scalars(Path::new(path), "user", &[("\"jobs\"", "1".into())]).expect_err("no room");
            assert!(error.to_string().contains(&format!("cannot write {path}: ")), "{error}");
        }
    }
}
