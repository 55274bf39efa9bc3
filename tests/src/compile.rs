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
        Self::compile_by("cc", "gcc", &[], names)
    }

    /// As [`compile`](Self::compile), for musl. The kernel's own headers are the system's.
    ///
    /// # Panics
    /// If one does not compile.
    pub fn compile_for_musl(names: &[&str]) -> Option<Self> {
        let headers = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"];
        Self::compile_by("musl-gcc", "musl-tools", &headers, names)
    }

    fn compile_by(compiler: &str, package: &str, options: &[&str], names: &[&str]) -> Option<Self> {
        if !is_installed_or_skip(compiler, package) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Other users run them, too.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), all).expect("it is ours");
        for name in names {
            let source =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name).with_extension("c");
            let mut command = Command::new(compiler);
            command.args(options).args(["-O2", "-pthread", "-o"]).arg(folder.path().join(name)).arg(source);
            assert!(command.status().expect("the compiler runs").success(), "{name}");
        }
        Some(Self { folder })
    }

    /// The compiled program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
