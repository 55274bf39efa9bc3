//! Programs: registrar, pool elements and users, measuring and demonstration tools.

pub mod perf;
pub mod transport;
