//! Registrars, pool elements and pool users together, under virtual time.

mod attacks;
mod cards;
mod claimed_addresses;
mod claims;
mod clauses;
mod cookies;
mod distances;
mod federation;
mod hunts;
mod lone;
mod memberships;
mod noise;
mod operation;
mod pools;
mod protection;
mod random;
mod registrars;
mod rsplib;
mod seeds;
mod sends;
mod sessions;
mod silence;
mod stranger;
mod tcp;
mod updates;
mod world;
