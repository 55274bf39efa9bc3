//! Pools for asynchronous programs: the names are those of the blocking types, the calls that wait are `async`, and a deadline is
//! the runtime's. A [`Registrar`](crate::driver::Registrar) and a [`Registration`](crate::driver::Registration) do not wait for
//! anything but their events: see their `poll_next_event`.
//!
//! ```
//! use std::time::Duration;
//!
//! use rserpool::driver::tokio::{PoolListener, PoolUser};
//! use rserpool::driver::{PoolElementOptions, PoolUserOptions, Registrar, RegistrarOptions};
//! use rserpool::registrar::RegistrarConfig;
//! use rserpool::session::Failover;
//! use rserpool::transport::{Peer, UserMessage};
//! use rserpool::{Profile, RegistrarId};
//! use socketapi::{Stack, Transport};
//! use tokio::time::timeout;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let stack = Stack::builder().transport(Transport::Udp).address([127, 0, 0, 1]).udp_port(0).build()?;
//!     let profile = Profile::Fast;
//!     let _registrar = Registrar::start(
//!         &stack,
//!         RegistrarConfig::new(RegistrarId(1), profile),
//!         RegistrarOptions::new(profile.sctp_settings()),
//!     )?;
//!     let registrars = vec![Peer { addresses: vec![[127, 0, 0, 1].into()], port: 3863 }];
//!
//!     let options = PoolElementOptions::new("EchoPool".into(), registrars.clone(), profile);
//!     let listener = PoolListener::bind(&stack, options)?;
//!     tokio::spawn(async move {
//!         while let Ok((session, _peer)) = listener.accept().await {
//!             tokio::spawn(async move {
//!                 while let Ok(Some(message)) = session.recv_message().await {
//!                     if session.send(&message).await.is_err() {
//!                         break;
//!                     }
//!                 }
//!             });
//!         }
//!     });
//!
//!     let user = PoolUser::start(&stack, PoolUserOptions::new(registrars, profile))?;
//!     let session = user.open_session("EchoPool".into());
//!     // To ask for an echo twice does no harm, so whatever element there is may do it.
//!     session.set_failover(Failover::Transparent);
//!     session.send(&UserMessage::new(0, "hello")).await?;
//!     let echo = timeout(Duration::from_secs(10), session.recv_message()).await??;
//!     assert_eq!(&echo.data[..], b"hello");
//!     Ok(())
//! }
//! ```
//!
//! # Who does the work
//!
//! The thread of the blocking type beneath, which wakes the tasks: these types work under any flavour of runtime and need none of
//! its drivers, and registrations and sessions live on while no task is polled. A task is woken only by what it waits for: events of
//! its session, the answer to its question.
//!
//! # Giving calls up
//!
//! A future may be dropped at any time, by `select!` or `timeout` or with its task. Each call does what it does in one step, in the
//! `poll` that returns `Ready`: before that it has done nothing.
//!
//! | call | when it is dropped before it is done |
//! |---|---|
//! | `send` | nothing of the message is sent |
//! | `receive`, `next`, `next_event`, `next_message_event` | nothing is lost |
//! | `recv_message`, `wait_connected` | no message is lost; what was passed over is |
//! | `accept` | the session waits for the next call |
//! | `resolve` | the answer is not waited for; it is remembered for others |
//! | `deregister` | goes on |

mod listener;
mod pool_user;
mod session;

pub use listener::{AcceptedSession, PoolListener};
pub use pool_user::{PoolUser, Subscription};
pub use session::Session;
