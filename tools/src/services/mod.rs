//! The services of RSPLIB's rspserver, and what their clients need.

pub mod plain;
