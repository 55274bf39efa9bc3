//! Threads of stacks: all begin here.

use std::io;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle};

static BEGIN: OnceLock<fn()> = OnceLock::new();

/// Runs this first in every thread that a stack of this process starts from now on; the first call counts. For programs whose
/// threads are not all alike.
pub fn on_start(begin: fn()) {
    let _ = BEGIN.set(begin);
}

/// Starts a thread of a stack.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(|| {
        if let Some(begin) = BEGIN.get() {
            begin();
        }
        body()
    })
}
