//! C programs under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::is_installed_or_skip;

/// Programs of `tests/programs`, compiled for a test.
#[derive(Debug)]
pub struct Programs {
    folder: tempfile::TempDir,
}

impl Programs {
    /// `None`, and SKIPPED, without a C compiler.
    ///
    /// # Panics
    /// If one does not compile.
    pub fn compile(names: &[&str]) -> Option<Self> {
        if !is_installed_or_skip("cc", "gcc") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Other users run them, too.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), all).expect("it is ours");
        for name in names {
            let source =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name).with_extension("c");
            let mut compiler = Command::new("cc");
            compiler.args(["-O2", "-pthread", "-o"]).arg(folder.path().join(name)).arg(source);
            assert!(compiler.status().expect("cc runs").success(), "{name}");
        }
        Some(Self { folder })
    }

    /// The compiled program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
