//! Tests of the sending half, each against the clause that it names.

mod abandoning;
mod cost;
mod forwarding;
mod harness;
mod hostile;
mod loss;
mod multipath;
mod random;
mod records;
mod scheduling;
mod sending;
mod windows;
