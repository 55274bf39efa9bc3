//! What elements and users of CalcApp write down: vectors and scalars, in files as RSPLIB writes them (and OMNeT++ reads them).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A vector file, or none.
#[derive(Debug)]
pub(super) struct Vector {
    file: Option<File>,
    heading: &'static str,
    lines: u64,
}

impl Vector {
    /// Creates the file; an empty name is for none.
    pub(super) fn create(path: &Path, heading: &'static str) -> io::Result<Self> {
        Ok(Self { file: create(path)?, heading, lines: 0 })
    }

    /// Writes a line behind its number. A file that cannot be written is given up, and that is logged.
    pub(super) fn write(&mut self, line: impl std::fmt::Display) {
        let Some(file) = &mut self.file else { return };
        let heading = if self.lines == 0 { self.heading } else { "" };
        self.lines += 1;
        if let Err(error) = writeln!(file, "{heading}{:06} {line}", self.lines) {
            tracing::warn!(%error, "no more vectors are written");
            self.file = None;
        }
    }
}

/// Writes a scalar file; an empty name is for none.
pub(super) fn write_scalars(path: &Path, object: &str, scalars: &[(&str, String)]) -> io::Result<()> {
    let Some(mut file) = create(path)? else { return Ok(()) };
    writeln!(file, "run 1 \"scenario\"")?;
    scalars.iter().try_for_each(|(name, value)| writeln!(file, "scalar \"{object}\" {name:<40} {value}"))
}

fn create(path: &Path) -> io::Result<Option<File>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot write {}: {error}; give another name, or none", path.display()),
        )
    };
    File::create(path).map(Some).map_err(named)
}

/// Seconds since 1970.
pub(super) fn stamp() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
