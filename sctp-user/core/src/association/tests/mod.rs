//! Scenarios of two endpoints, split by topic.

mod data;
mod harness;
mod hostile;
mod multihoming;
mod restart;
mod setup;
mod shutdown;
mod tags;
