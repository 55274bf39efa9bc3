#![doc = include_str!("lib.md")]

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
pub use sctp_core::net::IpDefaults;
pub use sctp_core::path::congestion::{self, CongestionControl};
pub use sctp_core::path::mtu::{MtuSearchConfig, MtuState};
pub use sctp_core::path::{PathParameters, PathState, ThresholdError, Thresholds};
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
pub use status::{PathStatus, Status};
pub use stream::SctpStream;
