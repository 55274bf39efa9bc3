//! The services of RSPLIB's rspserver, and what their clients need.

pub mod calcapp;
pub mod choice;
pub mod fractal;
pub mod plain;
pub mod scripting;

/// What one user may have of so many places, unless the options say otherwise: others find one.
fn all_but_one(places: usize) -> usize {
    places.saturating_sub(1).max(1)
}
