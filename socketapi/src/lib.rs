//! Sockets for SCTP in user space, after RFC 6458, with the manners of the standard library.
//!
//! - [`Stack`]: what takes the kernel's place. Any number of them live in one process.
//! - [`SctpListener`] and [`SctpStream`]: one-to-one style, as TCP's.
//! - [`SctpSocket`]: one-to-many style, as UDP's: one socket, any number of associations.
//! - [`SocketBuilder`] sets sockets up; [`Options`] changes them; [`Poller`] waits for many of them.
//!
//! A first program: a server that echoes each message on the stream that it came on, and its client.
//!
//! ```
//! use socketapi::{SctpListener, SctpStream, SendInfo, Stack, Transport};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // `Stack::default_for_host()` takes raw IP where it may, else UDP encapsulation.
//!     let stack = Stack::builder().transport(Transport::Udp).address([127, 0, 0, 1]).udp_port(0).build()?;
//!     let listener = SctpListener::bind(&stack, "127.0.0.1:5001")?;
//!     let server = std::thread::spawn(move || {
//!         let (stream, _peer) = listener.accept()?;
//!         while let Some(message) = stream.recv_message()? {
//!             let info = SendInfo::new().stream(message.info.stream).ppid(message.info.ppid);
//!             stream.send_bytes(message.into_bytes(), &info)?;
//!         }
//!         Ok::<(), socketapi::Error>(())
//!     });
//!     let client = SctpStream::connect(&stack, "127.0.0.1:5001")?;
//!     client.send(b"hello", &SendInfo::new().stream(3).ppid(42))?;
//!     let echo = client.recv_message()?.ok_or("the server left")?;
//!     assert_eq!((echo.info.stream, echo.info.ppid, &echo.into_bytes()[..]), (3, 42, &b"hello"[..]));
//!     client.shutdown()?;
//!     server.join().expect("the server panicked")?;
//!     Ok(())
//! }
//! ```

mod address;
mod addressing;
mod authentication;
mod base;
mod builder;
mod bytes_view;
mod context;
mod info;
mod listener;
mod one_to_many;
mod options;
mod paths;
mod reconfig;
mod status;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use bytes::Bytes;
pub use sctp_core::association::{AssociationState, AssociationStats};
pub use sctp_core::auth::{AuthConfig, ChunkTypes, HmacAlgorithm, KeyError, SharedKeys};
pub use sctp_core::config::{
    AssociationConfig, EndpointConfig, FragmentInterleave, ReconfigPermissions, StreamScheduler,
};
pub use sctp_core::endpoint::ResetDirections;
pub use sctp_core::error::{CommandError, ReconfigError, SendError};
pub use sctp_core::event::{
    AbortedDelivery, AssociationId, AuthenticationEvent, LocalAddressChange, LossReason, PathChange,
    ReconfigOutcome, SendFailure,
};
pub use sctp_core::extensions::Extensions;
pub use sctp_core::multipath::Multipath;
pub use sctp_core::path::congestion::{self, CongestionControl};
pub use sctp_core::path::mtu::{MtuSearchConfig, MtuState};
pub use sctp_core::path::{PathState, ThresholdError, Thresholds};
pub use sctp_core::reliability::{Abandoned, Policy, Reliability};
pub use sctp_core::time::Time;
pub use sctp_core::wire::ChunkType;
pub use sctp_user::driver::layer::fault::{Fault, ImpairmentError, Impairments};
pub use sctp_user::driver::mem::MemDriver;
pub use sctp_user::driver::tun::{TunAddress, TunAddressError, TunConfig};
pub use sctp_user::stack::{
    End, Error, Notification, Notifications, Patience, Poller, Readiness, Socket, Stack, StackBuilder,
    Transport,
};
pub use sctp_user::statistics::{
    AssociationReport, Counters, EndpointReport, GeneralStatistics, PathReport, StackReport, Timing,
};

pub use builder::SocketBuilder;
pub use info::{Message, Received, RecvInfo, SendInfo};
pub use listener::SctpListener;
pub use one_to_many::SctpSocket;
pub use options::{AssociationParameters, DelayedSack, InitMessage, Options, RtoInfo};
pub use paths::PathParameters;
pub use status::{PathStatus, Status};
pub use stream::SctpStream;
