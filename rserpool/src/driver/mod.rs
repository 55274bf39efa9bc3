//! Registrars, pool elements and pool users over real sockets: blocking calls, with deadlines.
//!
//! The machines of this crate do no I/O. This module gives each a thread and SCTP sockets of a
//! [`Stack`](socketapi::Stack), so that a program is a few lines. All calls take `&self`; a deadline of `None` means as
//! long as it takes, and then only the end of the stack breaks a call off: give one where a thread is to do something else some time.
//!
//! What is dropped still sends what it was given, if peers take that within the stack's [linger](socketapi::Stack::linger); the drop
//! waits for the part that has found no room in the send buffers yet. So a [`Service`], or a task, drops nothing of a stack in a call that must not wait.
//!
//! - [`Registrar`]: knows who is in which pool;
//! - [`PoolElement`] with a [`Service`]: a server in a pool, one thread for all its sessions;
//! - [`PoolElement`] with a [`SessionService`]: a server in a pool, a thread for each session;
//! - [`PoolListener`] and [`AcceptedSession`]: a server in a pool that accepts sessions one by one, and does with them what it
//!   likes;
//! - [`Registration`]: the membership in a pool of a server that runs by itself, over any transport;
//! - [`PoolUser`] and [`Session`]: a client of a pool, which gets another server when its server fails;
//! - [`Reporter`]: tells a monitor how any of them is.
//!
//! [`tokio`] has the same for tasks.
//!
//! ```
//! use std::time::Duration;
//!
//! use rserpool::driver::*;
//! use rserpool::registrar::RegistrarConfig;
//! use rserpool::session::SessionEvent;
//! use rserpool::transport::{Peer, UserMessage};
//! use rserpool::{Profile, RegistrarId};
//! use socketapi::{Stack, Transport};
//!
//! struct Echo;
//!
//! impl Service for Echo {
//!     fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
//!         if let Err(error) = session.send(message) {
//!             eprintln!("cannot answer: {error}");
//!         }
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Each of the three would be a process of its own, on a host of its own.
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
//!     let _element = PoolElement::start(&stack, options, Echo)?;
//!
//!     let user = PoolUser::start(&stack, PoolUserOptions::new(registrars, profile))?;
//!     let session = user.open_session("EchoPool".into());
//!     session.wait_connected(Duration::from_secs(10))?;
//!     session.send(&UserMessage::new(0, "hello"))?;
//!     loop {
//!         match session.receive(None)? {
//!             SessionEvent::Data(reply) => break assert_eq!(&reply.data[..], b"hello"),
//!             // An element begins by telling who it is (RFC 5352, 3.9).
//!             SessionEvent::BusinessCard(card) => println!("{}", card.pool_handle),
//!             other => panic!("a reply was expected, not {other:?}"),
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod backlog;
mod components;
mod error;
mod inbox;
mod interfaces;
mod listener;
mod load;
mod multicast;
mod names;
mod network;
mod one_to_many;
mod one_to_one;
mod pool_element;
mod pool_user;
mod registrar;
mod reporter;
mod runner;
mod session;
mod sleep;
mod tasks;
mod tcp;
#[cfg(feature = "tokio")]
pub mod tokio;
mod watched;

pub use error::Error;
pub use listener::{AcceptedSession, PoolListener};
pub use multicast::{ANNOUNCE_GROUP, ANNOUNCE_TTL, ENRP_GROUP};
pub use names::NameOptions;
pub use one_to_many::{Service, ServiceSession, Sessions};
pub use one_to_one::{ServerEvent, ServerSession, SessionService};
pub use pool_element::{PoolElement, PoolElementOptions, Registration};
pub use pool_user::{PoolUser, PoolUserOptions, Subscription, Update};
pub use registrar::{Registrar, RegistrarOptions};
pub use reporter::{Component, ComponentState, Reporter, ReporterOptions};
pub use session::Session;
pub use tcp::{TcpOptions, TcpRefusals};
pub use watched::{Latencies, Observation, Observer};
