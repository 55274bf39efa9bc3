//! Programs: registrar, pool elements and users, measuring and demonstration tools.

pub mod transport;
