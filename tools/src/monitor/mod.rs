//! `cspmonitor`: what components report of themselves (CSP), and how it is shown.

pub mod components;
pub mod options;
pub mod plain;
pub mod screen;
mod socket;
mod words;

pub use socket::Ears;
