//! Registrars, pool elements and pool users together, under virtual time.

mod federation;
mod pools;
mod random;
mod registrars;
mod sessions;
mod world;
