//! Scenarios of two endpoints, split by topic.

mod data;
mod harness;
mod multihoming;
mod restart;
mod setup;
mod shutdown;
mod tags;
