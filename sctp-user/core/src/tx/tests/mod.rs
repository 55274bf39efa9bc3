//! Tests of the sending half, each against the clause that it names.

mod harness;
mod hostile;
mod loss;
mod sending;
mod windows;
