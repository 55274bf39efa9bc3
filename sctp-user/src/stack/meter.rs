//! Who counts the associations of sockets, and may refuse them: a stack may have many users.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use sctp_core::config::AssociationConfig;

use super::Socket;
use super::error::Error;

/// Counts associations: those that its sockets begin, those that peers begin on them, and those that outlive their socket.
pub trait Meter: Debug + Send + Sync {
    /// An association begins with these parameters, whose buffers may be made smaller. What comes back is dropped when the stack
    /// has forgotten the association. `None`: it may not be; [`Socket::connect`] fails with [`Error::Refused`], and what a
    /// peer has begun is aborted.
    ///
    /// The stack is locked meanwhile, and must not be called.
    fn admit(&self, config: &mut AssociationConfig) -> Option<Admission>;
}

/// Lives as long as the association that it was given for.
pub type Admission = Box<dyn Any + Send>;

impl Socket {
    /// Has a meter count the associations that begin from now on, and those of sockets that come from this one.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn set_meter(&self, meter: Arc<dyn Meter>) -> Result<(), Error> {
        self.with(|state, _| {
            state.mailbox(self.id())?.meter = Some(meter);
            Ok(())
        })
    }
}

/// Asks the meter, if there is one.
pub(super) fn admit(
    meter: Option<&Arc<dyn Meter>>,
    config: &mut AssociationConfig,
) -> Result<Option<Admission>, Error> {
    meter.map(|meter| meter.admit(config).ok_or(Error::Refused)).transpose()
}
