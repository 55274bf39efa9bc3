//! Drivers for SCTP in user space (raw IP, UDP encapsulation, simulated network) and the stack that runs them.

mod broker;
pub mod driver;
pub mod sim;
pub mod stack;
pub mod statistics;
pub mod threads;

pub use broker::DAEMON_USER;
