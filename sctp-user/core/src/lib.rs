//! SCTP as a state machine.
