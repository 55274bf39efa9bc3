//! The scripting service: elements run what users upload, in a directory that is removed afterwards.

mod cache;
pub mod client;
pub mod protocol;
pub mod server;
mod work;
