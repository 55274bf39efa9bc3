//! Counters of an association (after RFC 3873's MIB objects).

/// What has happened in an association so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssociationStats {
    /// SCTP packets sent.
    pub packets_sent: u64,
    /// SCTP packets received with the right verification tag.
    pub packets_received: u64,
    /// DATA chunks received.
    pub data_chunks_received: u64,
    /// Control chunks received.
    pub control_chunks_received: u64,
    /// SACKs sent.
    pub sacks_sent: u64,
    /// User messages that were taken for sending.
    pub messages_sent: u64,
    /// User messages that were read.
    pub messages_received: u64,
    /// DATA chunks dropped for want of receive buffer.
    pub data_chunks_dropped: u64,
    /// Replies (HEARTBEAT ACK, ERROR) dropped because too many waited.
    pub replies_dropped: u64,
}
