//! Registrars, pool elements and pool users together, under virtual time.

mod pools;
mod random;
mod sessions;
mod world;
