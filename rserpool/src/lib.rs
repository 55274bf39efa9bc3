//! Reliable Server Pooling (RFC 5351 to 5356): ASAP, handlespace, policies, sessions.
