//! Registrars, pool elements and pool users together, under virtual time.

mod federation;
mod hunts;
mod memberships;
mod pools;
mod random;
mod registrars;
mod sessions;
mod stranger;
mod world;
