//! Reliable Server Pooling (RFC 5351 to 5356): servers form *pools*, *registrars* know who is in which pool, and
//! users of a pool get another server when theirs fails.
//!
//! Everything here is a machine without I/O and without a clock, so that the same code runs over real SCTP sockets
//! and in a simulated network under virtual time:
//!
//! | machine | who runs it |
//! | --- | --- |
//! | [`registrar::Registrar`] | a registrar |
//! | [`pool_element::PoolElement`] | a server: its membership in a pool |
//! | [`session::ServiceSessions`] | a server: its sessions with users, cookies |
//! | [`pool_user::PoolUser`] | a client: handle resolution, and sessions that survive their servers |
//!
//! They are made of [`wire`] (ASAP and ENRP messages), [`handlespace`] (pools and their elements), [`policy`] (which element is
//! selected; add your own) and [`transport`] (the seam to the network).
//!
//! # Driving a machine
//!
//! Give the machine what happens ([`TransportEvent`](transport::TransportEvent)s, and the time when a deadline has
//! come), and after each call carry out its commands and take its events, until there are none. Each machine needs an
//! SCTP socket of its own:
//!
//! | machine | socket |
//! | --- | --- |
//! | registrar | one-to-many, bound to the ASAP port, listening; a UDP socket on the same port for announces |
//! | pool element | one-to-many, listening on any port (other registrars may come), for ASAP |
//! | service sessions | one-to-many, bound to the port of the user transport, listening |
//! | pool user | one-to-many, not listening |
//!
//! Elements and users may join the announce group (UDP, port 3863) and pass datagrams on as
//! [`Announce`](transport::TransportEvent::Announce). [`Profile::sctp_settings`] says which SCTP parameters go with a
//! profile's timers. Over sockets [`driver`] does all this, on the simulated network `tests/simulated` does. The loop,
//! here with a network that has nothing to say:
//!
//! ```
//! use std::net::SocketAddr;
//! use rserpool::pool_user::{PoolUser, PoolUserConfig, PoolUserEvent};
//! use rserpool::transport::{Command, LostReason, TransportEvent};
//! use rserpool::{HuntConfig, Profile, Time};
//!
//! let registrar: SocketAddr = "10.0.0.1:3863".parse().unwrap();
//! let hunt = HuntConfig::new(vec![registrar.into()], Profile::Fast);
//! let mut user = PoolUser::new(PoolUserConfig::new(hunt, Profile::Fast), 4711);
//! let mut now = Time::ZERO;
//! user.resolve("EchoPool".into(), now);
//!
//! let mut incoming = Vec::new();
//! 'drive: loop {
//!     while let Some(command) = user.poll_command() {
//!         match command {
//!             // A real driver connects; this one's network refuses.
//!             Command::Connect { association, .. } => {
//!                 incoming.push(TransportEvent::Lost { association, reason: LostReason::Aborted });
//!             }
//!             Command::Send { .. } | Command::Shutdown { .. } | Command::Abort { .. } => {}
//!             Command::Measure { .. } | Command::Announce { .. } | Command::Resolve { .. } => {}
//!         }
//!     }
//!     while let Some(event) = user.poll_event() {
//!         if let PoolUserEvent::Resolved { result, .. } = event {
//!             assert!(result.is_err());
//!             break 'drive;
//!         }
//!     }
//!     // A real driver waits for the socket until this deadline, and reads its clock.
//!     match incoming.pop() {
//!         Some(event) => user.handle_event(event, now),
//!         None => {
//!             now = user.poll_timeout().expect("something to wait for");
//!             user.handle_timeout(now);
//!         }
//!     }
//! }
//! ```

pub mod csp;
#[cfg(feature = "driver")]
pub mod driver;
pub mod handlespace;
mod home;
mod id;
mod name;
pub mod policy;
pub mod pool_element;
pub mod pool_user;
mod profile;
mod rate;
pub mod registrar;
mod scope;
pub mod session;
mod timers;
pub mod transport;
pub mod wire;

pub use home::{HuntConfig, TcpHunt};
pub use id::{PeId, PoolHandle, RegistrarId};
pub use name::{NameError, RegistrarName};
pub use profile::{Profile, SctpSettings};
pub use rate::{InvalidRate, Rate};
pub use scope::AddressScope;
pub use sctp_core::time::Time;
