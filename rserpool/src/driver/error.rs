//! Why a call of the driver failed.

use std::io;
use std::sync::Arc;

use crate::RegistrarName;
use crate::pool_user::ResolutionError;
use crate::session::{CookieError, SendError};
use crate::transport::LostReason;
use crate::wire::EncodeError;

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
    /// A pool handle, or what else is to be registered, that messages cannot say, or only such that not all peers survive.
    #[error(transparent)]
    Format(#[from] EncodeError),
    /// The driver's thread has panicked, which is a defect: the panic hook has reported it.
    #[error("the driver's thread has panicked: a defect, please report it")]
    Panicked,
    /// The time allowed for the call is over.
    #[error("the time allowed for this call is over")]
    TimedOut,
    /// A DNS name could not be resolved, or stands for nobody.
    #[error("cannot find {name}: {reason}")]
    Name {
        /// Which.
        name: RegistrarName,
        /// What the resolver says.
        reason: String,
    },
    /// The pool could not be resolved.
    #[error(transparent)]
    Resolution(#[from] ResolutionError),
    /// The user's session with this element is over.
    #[error("the session is over ({reason:?})")]
    SessionOver {
        /// Why.
        reason: LostReason,
    },
    /// The element's [`Service`](super::Service) has panicked: it serves nobody any more, and is leaving the pool.
    #[error("the service has panicked, and its element leaves the pool: start another one")]
    ServicePanicked,
    /// The element is about to be dropped; what the session still sends goes to the user.
    #[error("this element is stopping")]
    Stopping,
    /// The user has echoed a cookie that is not to be believed: who goes on serves a user who expects a state that is not there.
    #[error("cookie rejected: {0}")]
    CookieRejected(CookieError),
    /// The session takes no message now.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Error {
    /// Makes an error of the operating system's refusal to do something; for services as well.
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source: Arc::new(source) }
    }
}
