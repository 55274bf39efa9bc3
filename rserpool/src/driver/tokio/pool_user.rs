//! A pool user, for tasks.

use std::future::poll_fn;

use socketapi::Stack;
use tokio::task::coop::cooperative;

use super::Session;
use crate::PoolHandle;
use crate::driver::{
    Error, PoolUser as Blocking, PoolUserOptions, Subscription as BlockingSubscription, Update,
};
use crate::pool_user::PoolUserEvent;
use crate::wire::PoolElement;

/// Uses pools: [`PoolUser`](crate::driver::PoolUser) with calls that wait as tasks do. Clones share everything.
#[derive(Clone)]
pub struct PoolUser {
    blocking: Blocking,
}

impl From<Blocking> for PoolUser {
    fn from(blocking: Blocking) -> Self {
        Self { blocking }
    }
}

impl PoolUser {
    /// A pool user; it looks for a registrar once it needs one.
    ///
    /// # Errors
    /// [`Error::Socket`]; [`Error::System`] if announces cannot be heard.
    pub fn start(stack: &Stack, options: PoolUserOptions) -> Result<Self, Error> {
        Blocking::start(stack, options).map(Self::from)
    }

    /// Elements of a pool, best first.
    ///
    /// # Errors
    /// [`Error::Resolution`] says why there are none.
    pub async fn resolve(&self, pool_handle: PoolHandle) -> Result<Vec<PoolElement>, Error> {
        let question = self.blocking.ask(pool_handle);
        Ok(cooperative(poll_fn(|context| question.poll(context))).await??)
    }

    /// Opens a session with a pool. It finds an element by itself, and another one whenever that fails.
    pub fn open_session(&self, pool_handle: PoolHandle) -> Session {
        self.blocking.open_session(pool_handle).into()
    }

    /// Asks the registrar to tell of each change of a pool, until the subscription is dropped. Where there are several of one pool, all
    /// hear the same.
    pub fn subscribe(&self, pool_handle: PoolHandle) -> Subscription {
        Subscription { blocking: self.blocking.subscribe(pool_handle) }
    }

    /// What has become of messages without a session ([`send_to`](crate::driver::PoolUser::send_to)), and messages of elements outside
    /// of sessions.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn next_message_event(&self) -> Result<PoolUserEvent, Error> {
        cooperative(poll_fn(|context| self.blocking.poll_message_event(context))).await
    }

    /// The blocking user, for what does not wait.
    pub fn get_ref(&self) -> &Blocking {
        &self.blocking
    }
}

/// Updates of a pool. Dropping it ends them.
pub struct Subscription {
    blocking: BlockingSubscription,
}

impl Subscription {
    /// The next update. After [`SubscriptionState::Ended`](crate::pool_user::SubscriptionState::Ended) there is none: subscribe again
    /// when the pool may be there.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn next(&self) -> Result<Update, Error> {
        cooperative(poll_fn(|context| self.blocking.poll_next(context))).await
    }
}
