//! The CalcApp service: users have jobs of so many calculations, elements do so many in a second, all jobs of an element share
//! them. It computes nothing: it is a model of servers, to measure pools and their policies.

pub mod client;
mod jobs;
pub mod protocol;
mod record;
pub mod server;
