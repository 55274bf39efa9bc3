//! The services of RSPLIB's rspserver, and what their clients need.

pub mod calcapp;
pub mod choice;
pub mod fractal;
pub mod plain;
pub mod scripting;
