//! What the peer believes of our window, and when to correct it (RFC 9260, 6.2; RFC 1122, 4.2.3.3).
//!
//! While the reader is behind, the window advertised does not grow by less than a packet (receiver silly
//! window avoidance), and a SACK for the window alone is sent once it can grow by a quarter of the buffer.
//! Once the reader has taken all there was, no later read will open a window that is closed or nearly so:
//! then it is told as it is.

use crate::config::AssociationConfig;

/// The window as the peer knows it.
#[derive(Debug)]
pub(super) struct Window {
    /// What we last advertised less what came since: what the peer may still send.
    left: usize,
    /// Growth by less is kept from the peer (RFC 1122, 4.2.3.3: the smaller of half the buffer and a segment).
    step: usize,
    /// Growth that is worth a SACK of its own (6.2: a quarter of the buffer).
    update: usize,
}

impl Window {
    pub(super) fn new(config: &AssociationConfig) -> Self {
        let mut window = Self { left: config.receive_buffer, step: 0, update: 0 };
        window.suit(config.receive_buffer, config);
        window
    }

    /// The buffer has so many bytes.
    pub(super) fn suit(&mut self, buffer: usize, config: &AssociationConfig) {
        (self.step, self.update) = (config.path_mtu.min(buffer / 2), (buffer / 4).max(1));
    }

    /// A window that is smaller is none: half of the buffer, or a packet.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// Payload came that the window had room for.
    pub(super) fn shrink(&mut self, payload: usize) {
        self.left = self.left.saturating_sub(payload);
    }

    /// What to advertise if `actual` is free; `drained`: nothing is left to read.
    /// RFC 9260, 6.2.
    pub(super) fn advertise(&mut self, actual: usize, drained: bool) -> u32 {
        let small_growth = actual > self.left && actual - self.left < self.step;
        if drained || !small_growth {
            self.left = actual;
        }
        u32::try_from(self.left).unwrap_or(u32::MAX)
    }

    /// Whether the peer ought to hear that `actual` is free now.
    /// RFC 9260, 6.2.
    pub(super) fn needs_update(&self, actual: usize, drained: bool) -> bool {
        let nearly_closed = self.left < self.step;
        actual >= self.left.saturating_add(self.update) || (drained && nearly_closed && actual > self.left)
    }
}
