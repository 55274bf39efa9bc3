//! Files that are there as a whole, or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is being written. It is beside its place until it is complete, and gone if it never is; what was there before stays
/// until then. What is no file, such as a pipe or `/dev/null`, is written where it is.
///
/// All errors are the system's, and say which file it is.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Beside(NamedTempFile),
    InPlace(File),
}

impl OutputFile {
    /// Begins to write the file at `path`.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path) -> io::Result<Self> {
        // Links are followed, as by all who write files.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let target = Target::at(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { path, target })
    }

    /// The same with a file that others read while it grows: it is written where it is.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create_in_place(path: &Path) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), target: Target::InPlace(file) })
    }

    /// It is complete, and takes its place.
    ///
    /// # Errors
    /// When it cannot.
    pub fn complete(self) -> io::Result<()> {
        match self.target {
            Target::Beside(file) => match file.persist(&self.path) {
                Ok(_) => Ok(()),
                Err(error) => Err(unwritable(&self.path, &error.error)),
            },
            Target::InPlace(_) => Ok(()),
        }
    }
}

impl Target {
    fn at(path: &Path) -> io::Result<Self> {
        let there = path.metadata();
        if there.as_ref().is_ok_and(|there| !there.is_file()) {
            return File::options().write(true).open(path).map(Self::InPlace);
        }
        let permissions = there.map_or_else(|_| Permissions::from_mode(0o666), |there| there.permissions());
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(name).suffix(".part").permissions(permissions);
        builder.tempfile_in(directory.unwrap_or(Path::new("."))).map(Self::Beside)
    }
}

impl Write for OutputFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            Target::Beside(file) => file.as_file_mut().write(data),
            Target::InPlace(file) => file.write(data),
        };
        written.map_err(|error| unwritable(&self.path, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_is_not_complete_is_not_there_and_leaves_what_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for before in [None, Some("before")] {
            if let Some(text) = before {
                fs::write(&path, text).expect("room");
            }
            let mut file = OutputFile::create(&path).expect("room");
            file.write_all(b"half").expect("room");
            drop(file);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
        }
        let mut file = OutputFile::create(&path).expect("room");
        file.write_all(b"after").expect("room");
        file.complete().expect("room");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "after");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "before").expect("room");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let mut output = OutputFile::create(&link).expect("room");
        output.write_all(b"after").expect("room");
        output.complete().expect("room");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "after");
        assert!(link.is_symlink());
    }

    #[test]
    fn what_is_no_file_is_written_where_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
        let mut read = String::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut output = OutputFile::create(&pipe).expect("a reader");
                output.write_all(b"through").expect("a reader");
                output.complete().expect("nothing is done");
            });
            File::open(&pipe).expect("a pipe").read_to_string(&mut read).expect("a text");
        });
        assert_eq!((read.as_str(), names(folder.path())), ("through", vec!["pipe".into()]));
    }

    #[test]
    fn errors_say_which_file_it_is() {
        for path in ["/dev/full", "/", "/nonexistent/file"] {
            let write = || OutputFile::create(Path::new(path))?.write_all(b"x");
            let error = write().expect_err("it cannot be written");
            assert!(error.to_string().starts_with(&format!("cannot write {path}: ")), "{error}");
        }
    }
}
