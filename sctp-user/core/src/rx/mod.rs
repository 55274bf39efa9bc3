//! The receiving half of an association: from DATA chunks to the user's messages.
//!
//! - `tsn_map`: which TSNs came (cumulative TSN, gap blocks, duplicates). Knows no streams.
//! - `sack`: when to acknowledge (RFC 9260, 6.2) and what to say.
//! - `reassembly`: fragments to messages, ordered and unordered delivery (6.5, 6.6, 6.9). Knows no SACK.
//! - `receiver`: ties them together and accounts for the memory held (a_rwnd).
