//! The machines of this crate over SCTP on the simulated network: the code that real sockets drive, with loss, delay and
//! dying hosts, under one virtual clock.
//!
//! `adapter` carries out the machines' commands on an SCTP endpoint, `roles` are the machines with their applications,
//! `world` is the network with its hosts. Each run follows from its seed; `RSP_SEED=n` replays one.

mod adapter;
mod failures;
mod random;
mod roles;
mod steady;
mod world;
