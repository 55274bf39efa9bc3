//! Scenarios of two endpoints, split by topic.

mod data;
mod harness;
mod multihoming;
mod setup;
mod shutdown;
mod tags;
