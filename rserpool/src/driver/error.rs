//! Why a call of the driver failed.

use std::io;
use std::sync::Arc;

use crate::pool_user::ResolutionError;
use crate::session::SendError;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// SCTP's reason.
    #[error(transparent)]
    Socket(#[from] socketapi::Error),
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The time allowed for the call is over.
    #[error("the time allowed for this call is over")]
    TimedOut,
    /// The pool could not be resolved.
    #[error(transparent)]
    Resolution(#[from] ResolutionError),
    /// The session takes no message now.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Error {
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source: Arc::new(source) }
    }
}
