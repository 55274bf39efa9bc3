//! Clients of the service that speak its protocol directly: what a shim would do, in Rust.

mod client;
mod ended;
mod files;
mod fillers;
mod headed;
mod last_sends;
mod limits;
mod listening;
mod many;
mod one;
mod order;
mod sharing;
mod stop;
mod users;
