//! The fractal generator: long computations whose state is small, to show that a fail-over costs little.

pub mod client;
pub mod picture;
pub mod points;
pub mod protocol;
pub mod server;
