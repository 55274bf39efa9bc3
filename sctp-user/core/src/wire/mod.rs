//! The formats on the wire.
