//! Files of lines, which are compressed if they are named so.

use std::io::{self, BufWriter, IntoInnerError, LineWriter, Write};
use std::path::Path;

use bzip2::Compression;
use bzip2::write::BzEncoder;

use crate::output_file::OutputFile;

/// Lines on their way to a file. What is dropped before its [end](LineFile::finish) may lack lines.
pub(super) enum LineFile {
    Plain(LineWriter<OutputFile>),
    Compressed(BufWriter<BzEncoder<OutputFile>>),
}

impl LineFile {
    /// The file at `path`, compressed if it is named `.bz2`.
    pub(super) fn new(path: &Path, file: OutputFile) -> Self {
        match path.extension() {
            Some(extension) if extension == "bz2" => {
                Self::Compressed(BufWriter::new(BzEncoder::new(file, Compression::best())))
            }
            _ => Self::Plain(LineWriter::new(file)),
        }
    }

    /// There are no more lines: all of them are in the file.
    ///
    /// # Errors
    /// The system's, with the file's name, if they are not.
    pub(super) fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(lines) => lines.into_inner().map_err(IntoInnerError::into_error)?,
            Self::Compressed(lines) => lines.into_inner().map_err(IntoInnerError::into_error)?.finish()?,
        };
        file.complete()
    }
}

impl Write for LineFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(lines) => lines.write(data),
            Self::Compressed(lines) => lines.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(lines) => lines.flush(),
            Self::Compressed(lines) => lines.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_room_for_the_end_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bz2");
        std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
        let mut file = LineFile::new(&path, OutputFile::create(&path).expect("it can be opened"));
        writeln!(file, "a line").expect("it is not written yet");
        let error = file.finish().expect_err("no room").to_string();
        assert!(error.starts_with("cannot write /dev/full: "), "{error}");
    }
}
