//! Accounts for the memory that received data holds.
//!
//! Two limits together bound it, whatever the peer sends:
//!
//! - the **window**: payload held, against `receive_buffer`. The sender's view of it (RFC 9260, 6.2.1) counts
//!   payload only, so a window that counted more would close on data that is rightly in flight;
//! - the **memory**: payload and bookkeeping, against twice the `receive_buffer`, so that a flood of one-byte
//!   chunks stays bounded too.
//!
//! The advertised window closes before the memory does: it supposes that chunks go on as small as they are.
//! Once either limit is reached, new TSNs are dropped. Holes below the highest TSN may still be
//! filled, out of a **reserve**: what was acknowledged in a gap block is never dropped again (6.2 allows it,
//! but says that one SHOULD NOT).
//!
//! A payload is a slice that keeps its whole datagram in memory, which may be far larger. So only a few payloads at a time
//! are kept as they came: as many as there are [`BUFFER_PER_SLICE`]s in the buffer, one with much beside it counting as
//! several. Past that they are copied into memory of their own. A reader who keeps up never pays for a copy. (What a
//! datagram shares with others of a batch is the driver's to bound.)

use bytes::Bytes;

/// Bookkeeping charged for each chunk: its share of the queues, the slice, the allocation if copied.
pub(super) const CHUNK_OVERHEAD: usize = 288;

/// No chunk is larger.
const LARGEST_CHUNK: usize = 65_536;

/// Payloads kept as slices: one for each so many bytes of the receive buffer, and a few at least. So what they keep beside
/// the payloads is not more than the buffer, or 256 KiB.
const BUFFER_PER_SLICE: usize = 16_384;
const MIN_SHARED: usize = 16;

/// What a chunk, or a message of several, costs while it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    payload: usize,
    chunks: u32,
    shared: u32,
}

impl Charge {
    /// A place without a payload.
    pub(super) const PLACE: Self = Self { payload: 0, chunks: 1, shared: 0 };

    /// All of it but one place.
    pub(super) fn without_place(mut self) -> Self {
        self.subtract(Self::PLACE);
        self
    }

    /// Charges another one on top.
    pub(super) fn add(&mut self, other: Self) {
        self.payload += other.payload;
        self.chunks += other.chunks;
        self.shared += other.shared;
    }

    /// Takes a part of it away.
    fn subtract(&mut self, other: Self) {
        self.payload = self.payload.saturating_sub(other.payload);
        self.chunks = self.chunks.saturating_sub(other.chunks);
        self.shared = self.shared.saturating_sub(other.shared);
    }

    /// Bytes of payload.
    pub(super) const fn payload(&self) -> usize {
        self.payload
    }

    /// Bytes of memory.
    const fn memory(&self) -> usize {
        self.payload + self.chunks as usize * CHUNK_OVERHEAD
    }
}

/// The receive buffer's account.
#[derive(Debug)]
pub(super) struct Account {
    receive_buffer: usize,
    held: Charge,
}

impl Account {
    pub(super) fn new(receive_buffer: usize) -> Self {
        Self { receive_buffer: useful(receive_buffer), held: Charge::default() }
    }

    /// There is more room from now on; less than was offered there never is. Whether it is more.
    /// RFC 9260, 3.3.2, 3.3.3.
    pub(super) fn grow(&mut self, receive_buffer: usize) -> bool {
        let before = self.receive_buffer;
        self.receive_buffer = before.max(useful(receive_buffer));
        self.receive_buffer > before
    }

    /// Bytes held, bookkeeping included.
    pub(super) fn held(&self) -> usize {
        self.held.memory()
    }

    /// Bytes that the peer may be told it may send. The memory that is left holds less payload the smaller the
    /// chunks are: it is supposed that they go on as those held now, once these are enough to judge by. The budget
    /// lies below the limit of [`Self::window`], so that what is in flight while the window shrinks is still taken.
    /// RFC 9260, 6.2, 3.3.3, 3.3.2.
    pub(super) fn advertised(&self) -> usize {
        let free = self.receive_buffer.saturating_sub(self.held.payload());
        let memory = (self.receive_buffer + self.receive_buffer / 2).saturating_sub(self.held.memory());
        let doubt = (self.receive_buffer / 4).max(1);
        let (payload, whole) = (self.held.payload() + doubt, self.held.memory() + doubt);
        free.min(((memory as u64).saturating_mul(payload as u64) / whole as u64) as usize)
    }

    /// Bytes of new data that are still taken.
    pub(super) fn window(&self) -> usize {
        let memory = (2 * self.receive_buffer).saturating_sub(self.held.memory());
        self.receive_buffer.saturating_sub(self.held.payload()).min(memory)
    }

    /// Whether a chunk fits that fills a hole.
    /// RFC 9260, 6.2.
    pub(super) fn has_reserve(&self, payload: usize) -> bool {
        self.held.memory() + payload + CHUNK_OVERHEAD <= self.limit()
    }

    /// No more than this is ever held: the memory limit and the reserve.
    pub(super) fn limit(&self) -> usize {
        2 * self.receive_buffer + self.receive_buffer.max(LARGEST_CHUNK + CHUNK_OVERHEAD)
    }

    /// Takes a payload in that came in a packet of so many bytes, as it is or copied, and says what it costs.
    pub(super) fn take_in(&mut self, payload: Bytes, packet_len: usize) -> (Bytes, Charge) {
        let beside = packet_len.saturating_sub(payload.len());
        let slices = beside.div_ceil(BUFFER_PER_SLICE).max(1);
        let most = MIN_SHARED.max(self.receive_buffer / BUFFER_PER_SLICE);
        let share = self.held.shared as usize + slices <= most;
        let charge =
            Charge { payload: payload.len(), chunks: 1, shared: if share { slices as u32 } else { 0 } };
        self.charge(charge);
        (if share { payload } else { Bytes::copy_from_slice(&payload) }, charge)
    }

    /// Charges what is held.
    /// RFC 9260, 6.2.
    pub(super) fn charge(&mut self, charge: Charge) {
        self.held.add(charge);
    }

    /// Gives back what was charged.
    pub(super) fn release(&mut self, charge: Charge) {
        self.held.subtract(charge);
    }
}

/// More than a_rwnd can say is of no use.
fn useful(receive_buffer: usize) -> usize {
    receive_buffer.min(u32::MAX as usize)
}
