//! Environments that an element keeps, so that users need not upload them again.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use sha1::{Digest, Sha1};

use super::protocol::Hash;
use super::work::{open_plain, remove_all};

/// The files of one directory, the one that was used last at the end.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    /// The directory is the cache's own, and goes with it.
    is_own: bool,
    max_entries: usize,
    max_bytes: u64,
    entries: Mutex<VecDeque<(Hash, u64)>>,
}

impl Cache {
    /// In a directory that stays, or in one of its own.
    pub(super) fn open(directory: Option<&Path>, max_entries: usize, max_bytes: u64) -> io::Result<Self> {
        let is_own = directory.is_none();
        let directory = match directory {
            Some(directory) => directory.to_owned(),
            None => tempfile::Builder::new().prefix("rspSS-EnvironmentCache-").tempdir()?.keep(),
        };
        fs::create_dir_all(&directory)?;
        let cache = Self { directory, is_own, max_entries, max_bytes, entries: Mutex::default() };
        cache.find_files()?;
        Ok(cache)
    }

    /// Takes what is there already; what is not what its name says is left alone.
    fn find_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Some((hash, size)) =
                open_plain(&path).and_then(hash).ok().filter(|(hash, _)| self.path(hash) == path)
            else {
                continue;
            };
            self.entries.lock().push_back((hash, size));
        }
        self.make_room(&mut self.entries.lock(), 0);
        Ok(())
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name).with_extension("data")
    }

    /// Copies an environment to a file. Whether it was there, and is what it should be: scripts of users may have changed it.
    pub(super) fn fetch(&self, hash: &Hash, to: &Path) -> bool {
        let mut entries = self.entries.lock();
        let Some(index) = entries.iter().position(|(known, _)| known == hash) else { return false };
        let path = self.path(hash);
        let is_sound = copy_plain(&path, to, self.max_bytes).is_ok()
            && hash_file(to).is_ok_and(|(found, _)| found == *hash);
        let entry = entries.remove(index);
        if is_sound {
            entries.extend(entry);
        } else {
            tracing::warn!(path = %path.display(), "not what it was: removed");
            remove(&path);
        }
        is_sound
    }

    /// Keeps an environment, if it is not too large; older ones give way.
    pub(super) fn store(&self, hash: &Hash, from: &Path) -> io::Result<()> {
        let mut entries = self.entries.lock();
        let size = from.metadata()?.len();
        if size > self.max_bytes || entries.iter().any(|(known, _)| known == hash) {
            return Ok(());
        }
        self.make_room(&mut entries, size);
        let path = self.path(hash);
        fs::copy(from, &path).inspect_err(|_| remove(&path))?;
        entries.push_back((*hash, size));
        Ok(())
    }

    fn make_room(&self, entries: &mut VecDeque<(Hash, u64)>, size: u64) {
        let limit = if size > 0 { self.max_entries.saturating_sub(1) } else { self.max_entries };
        while entries.len() > limit
            || entries.iter().map(|(_, size)| size).sum::<u64>() + size > self.max_bytes
        {
            let Some((oldest, _)) = entries.pop_front() else { return };
            remove(&self.path(&oldest));
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if !self.is_own {
            return;
        }
        if let Err(error) = remove_all(&self.directory) {
            tracing::warn!(%error, path = %self.directory.display(), "cannot be removed");
        }
    }
}

/// Copies what scripts may have put in place of a file, no more than so many bytes.
fn copy_plain(from: &Path, to: &Path, max_bytes: u64) -> io::Result<u64> {
    io::copy(&mut open_plain(from)?.take(max_bytes), &mut File::create(to)?)
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot be removed");
    }
}

/// The hash of a file, and its size.
///
/// # Errors
/// The system's.
pub(super) fn hash_file(path: &Path) -> io::Result<(Hash, u64)> {
    hash(File::open(path)?)
}

fn hash(mut file: File) -> io::Result<(Hash, u64)> {
    let (mut hasher, mut size) = (Sha1::new(), 0);
    let mut buffer = vec![0; 65_536];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finalize().into(), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Files {
        folder: TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().expect("a folder") }
        }

        fn file(&self, content: &str) -> (PathBuf, Hash) {
            let path = self.folder.path().join(content);
            fs::write(&path, content).expect("room");
            let (hash, size) = hash_file(&path).expect("it is there");
            assert_eq!(size, content.len() as u64);
            (path, hash)
        }

        fn target(&self) -> PathBuf {
            self.folder.path().join("target")
        }
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_gives_way() {
        let (files, cache) = (Files::new(), Cache::open(None, 2, 1000).expect("a cache"));
        let all = ["one", "two", "three"].map(|content| files.file(content));
        cache.store(&all[0].1, &all[0].0).expect("room");
        cache.store(&all[1].1, &all[1].0).expect("room");
        assert!(cache.fetch(&all[0].1, &files.target()));
        cache.store(&all[2].1, &all[2].0).expect("room");
        assert!(!cache.fetch(&all[1].1, &files.target()));
        assert!(cache.fetch(&all[2].1, &files.target()));
        assert_eq!(fs::read_to_string(files.target()).expect("it is there"), "three");
    }

    #[test]
    fn what_was_changed_or_is_too_large_is_not_there() {
        let (files, cache) = (Files::new(), Cache::open(None, 2, 5).expect("a cache"));
        let (small, large) = (files.file("small"), files.file("larger"));
        cache.store(&small.1, &small.0).expect("room");
        cache.store(&large.1, &large.0).expect("nothing is done");
        assert!(!cache.fetch(&large.1, &files.target()));
        fs::write(cache.path(&small.1), "SMALL").expect("room");
        assert!(!cache.fetch(&small.1, &files.target()));
        assert!(!cache.path(&small.1).exists());
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let (files, cache) = (Files::new(), Cache::open(None, 2, 1000).expect("a cache"));
        let (path, hash) = files.file("one");
        cache.store(&hash, &path).expect("room");
        fs::remove_file(cache.path(&hash)).expect("it is there");
        nix::unistd::mkfifo(&cache.path(&hash), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(!cache.fetch(&hash, &files.target()));
        assert!(Cache::open(Some(&cache.directory), 2, 1000).is_ok());
    }

    #[test]
    fn nothing_is_left_of_its_own_directory_whatever_scripts_have_put_there() {
        let (files, cache) = (Files::new(), Cache::open(None, 2, 1000).expect("a cache"));
        let (kept, _) = files.file("kept");
        let directory = cache.directory.clone();
        std::os::unix::fs::symlink(files.folder.path(), directory.join("link")).expect("a link");
        // Deeper than there are file descriptors, and than a path may be long.
        let script = "path=$(printf 'd/%.0s' $(seq 1000)); for part in 1 2 3; do mkdir -p $path && cd -P $path || exit; done";
        let mut shell = std::process::Command::new("bash");
        assert!(shell.args(["-c", script]).current_dir(&directory).status().expect("a shell").success());
        drop(cache);
        assert!(!directory.exists() && kept.exists());
    }

    #[test]
    fn a_directory_that_stays_is_found_again() {
        let (files, folder) = (Files::new(), tempfile::tempdir().expect("a folder"));
        let open = || Cache::open(Some(folder.path()), 2, 1000).expect("a cache");
        let one = files.file("one");
        open().store(&one.1, &one.0).expect("room");
        assert!(open().fetch(&one.1, &files.target()));
        let none = Cache::open(Some(folder.path()), 2, 2).expect("a cache");
        assert!(!none.fetch(&one.1, &files.target()));
    }
}
