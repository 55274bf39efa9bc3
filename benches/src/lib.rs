//! Benches: codec, core, loopback.
