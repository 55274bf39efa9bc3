//! The sending half of an association: from the user's message to the acknowledged TSN.
//!
//! - `send_queue`: messages that wait, per stream, cut into fragments when a packet has room for one
//!   (RFC 9260, 6.9); the scheduler picks the stream.
//! - `outstanding`: what has a TSN and is not yet cumulatively acknowledged, indexed by TSN.
//! - `sender`: ties both to the paths: SACK (6.2.1), fast retransmit (7.2.4), T3-rtx (6.3.3), windows.
