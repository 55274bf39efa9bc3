//! Clients of the service that speak its protocol directly: what a shim would do, in Rust.

mod client;
mod files;
mod limits;
mod many;
mod one;
mod order;
mod sharing;
mod stop;
